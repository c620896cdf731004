//! Whom a REFER or a recipient list is about.

use serde::{Deserialize, Serialize};

use super::quirk::Quirk;
use super::redact::{Who, WhoRef};
use crate::sip::uri::{embedded_word, Uri};

/// Longest Session-Replaces taken over, octets.
const LONGEST_REPLACES: usize = 256;

/// What is to happen to the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// They are invited.
    Invite,
    /// `method=BYE`: they are taken out of the session (RFC 4579 section 5.11).
    Remove,
    /// `;admin=1`: they are given the role of an administrator.
    GiveRole,
    /// `;admin=0`: they lose it.
    TakeRole,
}

/// What an entry names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetAddress {
    /// A URI that a request can be sent to.
    Uri(Uri),
    /// Text that is no such URI, printable (R3.18).
    Unusable(String),
}

impl TargetAddress {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        match self {
            TargetAddress::Uri(uri) => uri.as_str(),
            TargetAddress::Unusable(text) => text,
        }
    }

    /// As a line of the log names it.
    pub fn who(&self, hidden: bool) -> Who {
        self.who_ref(hidden).to_owned()
    }

    /// The same, borrowed.
    pub fn who_ref(&self, hidden: bool) -> WhoRef<'_> {
        match hidden {
            true => WhoRef::unnamed(self.as_str()),
            false => WhoRef::open(self.as_str()),
        }
    }

    /// The URI, if it is one.
    pub fn uri(&self) -> Option<&Uri> {
        match self {
            TargetAddress::Uri(uri) => Some(uri),
            TargetAddress::Unusable(_) => None,
        }
    }
}

/// One target.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whom it names.
    pub address: TargetAddress,
    /// The one embedded header that goes on to the invited user: which one-to-one session the group
    /// session replaces for it. All others are dropped (R3.3).
    pub session_replaces: Option<String>,
    /// Others are not to learn whom it names: `bcc`, or `anonymize` (RFC 5364 section 4).
    pub hidden: bool,
}

impl Target {
    /// Somebody to invite or remove, and nothing more.
    pub fn of(uri: Uri) -> Target {
        Target {
            address: TargetAddress::Uri(uri),
            session_replaces: None,
            hidden: false,
        }
    }

    /// The same with the embedded headers of its URI, raw as [`Uri::headers`] gives them.
    pub fn with_headers(address: TargetAddress, headers: &[(String, String)]) -> Target {
        Target {
            address,
            session_replaces: embedded_word(headers, "Session-Replaces", LONGEST_REPLACES),
            hidden: false,
        }
    }

    /// As a line of the log names it.
    pub fn who_ref(&self) -> WhoRef<'_> {
        self.address.who_ref(self.hidden)
    }
}

/// All targets of one request.
#[derive(Clone, Debug)]
pub struct Targets {
    /// What is to happen to them.
    pub purpose: Purpose,
    /// In list order, one per person.
    pub list: Vec<Target>,
    /// How many entries the sender wrote.
    pub written: usize,
    /// What invited users may learn of each other (RFC 5364 section 4), a recipient-list-history.
    /// `None`: a single target.
    pub history: Option<Vec<u8>>,
    /// Unusual forms of the list.
    pub quirks: Vec<Quirk>,
}

impl Targets {
    /// Targets that nobody wrote a list for.
    pub fn plain(purpose: Purpose, list: Vec<Target>) -> Targets {
        Targets {
            purpose,
            written: list.len(),
            list,
            history: None,
            quirks: Vec::new(),
        }
    }

    /// Those that name somebody.
    pub fn uris(&self) -> impl Iterator<Item = &Uri> {
        self.list.iter().filter_map(|target| target.address.uri())
    }
}
