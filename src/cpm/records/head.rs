//! The head record: what is true of a session as a whole.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use super::ids::{Id, Name};
use super::sealed::Sealed;
use crate::cpm::client_forms::ClientForms;
use crate::cpm::time::Millis;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// What is true of the session as a whole. Of one size whatever the number of participants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// What names the session, and what else changes rarely.
    pub profile: Sealed<HeadProfile>,
    /// The record of who may come in by an INVITE of its own. `None`: there is nothing to remember.
    pub rejoin_rights: Option<Id>,
    /// Most people connected and pending together.
    pub max_participants: u32,
    /// Once that many were connected, the session ends when connected + pending falls below.
    pub min_participants: u32,
    /// Connected participants now.
    pub connected: u32,
    /// Those of them who have the role of an administrator.
    pub administrators: u32,
    /// Targets being invited now.
    pub pending: u32,
    /// When somebody last did something; only kept when sessions end by inactivity.
    pub active: Millis,
    /// How long nothing may happen, ms; 0: for ever.
    pub inactivity: Millis,
    /// `min_participants` have been connected at once.
    pub had_minimum: bool,
    /// From our first 2xx to an INVITE until nobody is connected or pending.
    pub live: bool,
    /// It is the session of a pre-defined group, not an ad-hoc one.
    pub of_group: bool,
    /// Where changes are noted for the subscribers of the conference state. `None`: there are none.
    pub change_log: Option<Id>,
    /// How many anonymous participants got a number.
    pub aliases: u32,
}

/// What names a session, and what else of it changes rarely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadProfile {
    /// User part of the focus URI.
    pub token: String,
    /// URI of the pre-defined group. `None`: an ad-hoc session.
    pub group: Option<Uri>,
    /// Who made an ad-hoc session.
    pub creator: Vec<Identity>,
    /// Conversation-ID
    pub conversation_id: String,
    /// Contribution-ID
    pub contribution_id: String,
    /// Contribution-ID of what the session was made in reply to.
    pub in_reply_to: Option<String>,
    /// Subject
    pub subject: Option<String>,
    /// Those before it, the latest first.
    pub former_subjects: Vec<String>,
    /// Forms of our INVITEs that its creator showed, or that targets needed.
    pub forms: ClientForms,
    /// When the session began.
    pub started: Millis,
}

impl Deref for Head {
    type Target = HeadProfile;

    fn deref(&self) -> &HeadProfile {
        &self.profile
    }
}

impl DerefMut for Head {
    fn deref_mut(&mut self) -> &mut HeadProfile {
        &mut self.profile
    }
}

impl Head {
    /// The group whose session this is.
    pub fn group_identity(&self) -> Option<Identity> {
        self.group.as_ref().map(Identity::of)
    }

    /// Free places (requirements section 2.9).
    pub fn free_places(&self) -> u32 {
        self.max_participants
            .saturating_sub(self.connected.saturating_add(self.pending))
    }

    /// See `Record::names`.
    pub(super) fn names(&self) -> Vec<Name> {
        if !self.live {
            return Vec::new();
        }
        let mut names = vec![Name::Token(self.token.clone())];
        match self.group_identity() {
            Some(group) => names.push(Name::Group(group)),
            None => names.push(Name::Contribution(self.contribution_id.clone())),
        }
        names
    }

    /// See `Record::deadline`.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let ends = self.live && self.inactivity > 0;
        ends.then(|| self.active.saturating_add(self.inactivity))
    }
}

/// Who may come into a session by an INVITE of their own, beyond what the group document says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RejoinRights {
    /// Ad-hoc: the creator and everybody who was invited.
    pub known: Vec<Identity>,
    /// Removed by somebody, and not invited again since; as [`Identity::for_denial`] spells them.
    pub removed: Vec<Identity>,
    /// Had the role of an administrator when their leg was lost, and have it again when they come back.
    /// One entry for each person.
    pub administrators: Vec<Vec<Identity>>,
    /// Are not to be named to others, and were not in when last looked at.
    pub hidden: Vec<Vec<Identity>>,
}
