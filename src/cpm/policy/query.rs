//! A question to the group policy, and its answer.

use super::permissions::{Action, Permissions};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// What a person is in the session that the question is about. All are false without a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Is a connected participant.
    pub participant: bool,
    /// Started the session.
    pub creator: bool,
    /// Has the role of an administrator.
    pub administrator: bool,
}

/// Who asks, and when.
///
/// `identities` and `uris` belong to one person: a peer may assert a SIP and a tel URI together
/// (RFC 3325 section 9.1). An identity condition is true when any of them fits. Both are empty when
/// nobody was authenticated.
#[derive(Clone, Copy, Debug)]
pub struct PolicyQuery<'a> {
    /// The identities of the person, each once.
    pub identities: &'a [Identity],
    /// The URIs those identities come from; conditions on a domain look at their hosts.
    pub uris: &'a [Uri],
    /// Whether the person asks for anonymity (`Privacy: id`, RFC 3323 and RFC 3325). Never set for a
    /// target, who has not asked for anything yet.
    pub anonymous: bool,
    /// The time of the request, seconds since 1970; `<validity>` is compared with it.
    pub now_unix: i64,
    /// What the person is in the session.
    pub role: Role,
    /// Hosts that may stand for phone numbers, besides those of the group's list
    /// ([`Group::identity_of`](super::Group::identity_of)), by which `identities` were made.
    pub phone_domains: &'a [String],
}

/// The combined answer of all rules (RFC 4745 section 10.2). The default permits nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What the matching rules together permit.
    pub allowed: Permissions,
    /// Ids of the rules that matched, in document order.
    pub matched_rules: Vec<String>,
}

impl Verdict {
    /// Whether the matching rules permit `action`.
    pub fn allows(&self, action: Action) -> bool {
        self.allowed.allows(action)
    }
}
