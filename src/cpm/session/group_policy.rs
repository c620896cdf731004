//! What the group document permits to somebody (RFC 4745 section 10), and the role of an administrator.

use super::Session;
use crate::cpm::env::Env;
use crate::cpm::person::Person;
use crate::cpm::policy::{Action, Group, PolicyQuery, Role, Verdict};
use crate::cpm::records::{Head, Leg};
use crate::cpm::refusal::Refusal;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// What an administrator may do on top of what the document says.
const ADMINISTRATORS_MAY: [Action; 3] = [
    Action::AllowExpelling,
    Action::AllowRoleChange,
    Action::AllowSubjectChange,
];

impl<'a> Session<'a> {
    /// The document that rules this session. `None`: it is gone, so nothing is permitted.
    pub(in crate::cpm) fn group_document(&self) -> Option<&'a Group> {
        document_of(&self.head, self.env)
    }

    /// Who a URI stands for in this session (R1.3b).
    pub(in crate::cpm) fn identity_of(&self, uri: &Uri) -> Identity {
        identity_in(&self.head, uri, self.env)
    }

    /// Somebody with this URI.
    pub(in crate::cpm) fn person(&self, uri: &Uri) -> Person {
        Person::of(uri, self.identity_of(uri))
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
        permissions_in(&self.head, who, self.env)
    }
}

/// Whether others are shown a participant as an administrator: who may remove people, by the role or by
/// the document.
pub fn is_shown_as_administrator(head: &Head, leg: &Leg, env: &Env<'_>) -> bool {
    let identity = identity_in(head, &leg.uri, env);
    let mut who = Person::of(&leg.uri, identity).anonymous(leg.anonymous);
    for identity in &leg.identities {
        who.add_identity(identity.clone());
    }
    who.participant = true;
    who.administrator = leg.administrator;
    permissions_in(head, &who, env).allows(Action::AllowExpelling)
}

/// Who a URI stands for in the session with this head: `sip:+…` is a number under the hosts that its document
/// and the operator name, and somebody of its host elsewhere (R1.3b).
pub fn identity_in(head: &Head, uri: &Uri, env: &Env<'_>) -> Identity {
    let domains = &env.settings.phone_domains;
    Identity::of(uri).number_where(|host| match document_of(head, env) {
        Some(group) => group.knows_as_numbers(host, domains),
        None => domains.iter().any(|known| known == host),
    })
}

fn document_of<'a>(head: &Head, env: &Env<'a>) -> Option<&'a Group> {
    match &head.group {
        Some(group) => env.groups.find(group).map(AsRef::as_ref),
        None => Some(&env.settings.adhoc_policy),
    }
}

fn permissions_in(head: &Head, who: &Person, env: &Env<'_>) -> Verdict {
    let Some(group) = document_of(head, env) else {
        return Verdict::default();
    };
    let mut verdict = group.evaluate(&PolicyQuery {
        identities: &who.identities,
        uris: &who.uris,
        phone_domains: &env.settings.phone_domains,
        anonymous: who.anonymous,
        now_unix: env.unix,
        role: Role {
            participant: who.participant,
            creator: who.creator || who.is_any_of(&head.creator),
            administrator: who.administrator,
        },
    });
    if who.administrator {
        for action in ADMINISTRATORS_MAY {
            verdict.allowed.grant(action);
        }
    }
    verdict
}
