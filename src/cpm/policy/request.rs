//! A question to the policy, and its answer.

use super::permissions::{Action, Permissions};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// What somebody is in the session that a request is about. Both false when there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Is a connected participant.
    pub participant: bool,
    /// Made the session.
    pub creator: bool,
}

/// Who asks, and when. `identities` and `uris` are the same one person (requirements R1.1: a SIP
/// and a tel URI may be asserted together): an identity condition is true when either fits.
/// Empty means nobody authenticated.
#[derive(Clone, Copy, Debug)]
pub struct PolicyRequest<'a> {
    pub identities: &'a [Identity],
    pub uris: &'a [Uri],
    /// Anonymity is asked for. Never set for somebody who is to be invited (R7.2).
    pub anonymous: bool,
    /// Seconds since 1970.
    pub now_unix: i64,
    pub role: Role,
}

/// The combined answer of all rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: Permissions,
    /// Ids of the rules that matched, in document order.
    pub matched_rules: Vec<String>,
}

impl Verdict {
    pub fn allows(&self, action: Action) -> bool {
        self.allowed.allows(action)
    }
}
