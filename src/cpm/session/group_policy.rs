//! What the group document permits to somebody (RFC 4745 section 10).

use std::sync::Arc;

use super::Session;
use crate::cpm::person::Person;
use crate::cpm::policy::{Action, Group, PolicyQuery, Role, Verdict};
use crate::cpm::refusal::Refusal;

impl Session<'_> {
    /// The document that rules this session. `None`: it is gone, so nothing is permitted.
    pub(in crate::cpm) fn group_document(&self) -> Option<Arc<Group>> {
        match &self.head.group {
            Some(group) => self.env.groups.find(group).cloned(),
            None => Some(Arc::clone(&self.env.settings.adhoc_policy)),
        }
    }

    /// The refusal of what that document does not permit.
    pub(in crate::cpm) fn not_permitted(&self, action: Action) -> Refusal {
        match self.head.group {
            Some(_) => Refusal::Policy(action),
            None => Refusal::AdHocPolicy(action),
        }
    }

    /// What that document permits to somebody, now.
    pub(in crate::cpm) fn permissions_of(&self, who: &Person) -> Verdict {
        let Some(group) = self.group_document() else {
            return Verdict::default();
        };
        group.evaluate(&PolicyQuery {
            identities: &who.identities,
            uris: &who.uris,
            anonymous: who.anonymous,
            now_unix: self.env.unix,
            role: Role {
                participant: who.participant,
                creator: who.creator || who.is_any_of(&self.head.creator),
            },
        })
    }
}
