//! What the domain asks for: imperative, to be carried out after the session's lock is given back.
//! Not here: how it is carried out (`crate::module`).

use serde::{Deserialize, Serialize};

use super::asked::Quirk;
use super::records::Id;
use super::settings::Socket;
use super::trail::{Entry, ReferId};

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The final answer to the request being handled. At most one, and before any `Send`.
    Answer(Answer),
    /// A request of ours. With an owner its results come back as inputs for that record.
    Send(Box<Outgoing>),
    /// CANCEL our INVITE (RFC 3261 section 9.1); tm holds it back until a provisional answer came.
    Cancel {
        owner: Id,
        transaction: Transaction,
    },
    Count(Counter, i32),
    Log(Level, String),
    /// One more entry of the decision trail of a REFER.
    Trail {
        refer: ReferId,
        entry: Entry,
    },
}

#[derive(Clone, Debug, PartialEq, Default)]
pub struct Answer {
    pub code: u16,
    pub reason: String,
    /// Our tag of the dialog; for a refusal one made for it.
    pub to_tag: String,
    /// Header lines, each ended by CRLF.
    pub headers: String,
    pub body: Vec<u8>,
    /// The leg that this 2xx connects: if it cannot be sent, it wants to hear of it.
    pub connects: Option<Id>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Notify,
    Prack,
    Update,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Invite => "INVITE",
            Method::Ack => "ACK",
            Method::Bye => "BYE",
            Method::Notify => "NOTIFY",
            Method::Prack => "PRACK",
            Method::Update => "UPDATE",
        }
    }
}

/// A request the focus sends, complete but for what tm adds
/// (Via, Max-Forwards, Content-Length, User-Agent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Whose state waits for the result. None: nobody's (ACK, the BYE of a second fork).
    pub owner: Option<Id>,
    pub method: Method,
    pub request_uri: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    pub cseq: u32,
    /// Route set; its first entry is the next hop.
    pub route: Vec<String>,
    /// Header lines, each ended by CRLF.
    pub headers: String,
    pub body: Vec<u8>,
    pub socket: Socket,
}

/// tm's name for a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    pub index: u32,
    pub label: u32,
}

/// Statistics of group `cpm`. The first three go up and down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Sessions,
    Participants,
    ConferenceSubscriptions,
    RefersAccepted,
    RefersRefused,
    InvitesSent,
    InvitesAccepted,
    InvitesFailed,
    NotifiesSent,
    ConferenceNotifiesSent,
    JoinsAccepted,
    JoinsRefused,
    /// A REFER of this unusual form was met.
    Quirk(Quirk),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Warn,
    Info,
    Debug,
}
