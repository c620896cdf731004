//! What can happen to a session: past tense, already parsed.
//! Not here: where it came from (`crate::module`) or what follows from it (`super::session`).

use std::net::SocketAddr;

use super::action::{Method, Transaction};
use super::records::Id;
use super::settings::{Micros, Socket};
use crate::sip::{Request, Response};

/// A request with what the transport knows about it.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub request: Request,
    /// The socket of ours it came in on.
    pub socket: Socket,
    /// Where it came from, by its packet.
    pub source: SocketAddr,
    /// It came from an ISC peer whose P-headers are believed (TS 24.229; interface: `trusted_peers`).
    pub trusted: bool,
    /// When it was taken from the network, microseconds of a clock that all processes share.
    pub read_at: Micros,
}

#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// INVITE to the focus or group, outside a dialog.
    InviteReceived(&'a Arrival),
    /// INVITE to the conference factory, outside a dialog.
    FactoryInviteReceived(&'a Arrival),
    /// REFER outside a dialog.
    ReferReceived(&'a Arrival),
    /// SUBSCRIBE to the focus or group, outside a dialog.
    SubscribeReceived(&'a Arrival),
    /// OPTIONS to the focus or group, outside a dialog.
    OptionsReceived(&'a Arrival),
    /// Any request but ACK inside the dialog that this record (a leg, a REFER or a watcher) holds.
    RequestReceived {
        holder: Id,
        arrival: &'a Arrival,
    },
    AckReceived {
        leg: Id,
        request: &'a Request,
    },
    /// The 2xx that connects `leg` could not be sent.
    AnswerFailed {
        leg: Id,
    },
    /// An answer to a request of ours.
    AnswerReceived {
        record: Id,
        response: &'a Response,
        trusted: bool,
    },
    /// tm gave up on a request of ours.
    TimedOut {
        record: Id,
        status: u16,
    },
    InviteSent {
        leg: Id,
        cseq: u32,
        transaction: Transaction,
    },
    /// The ACK that opens the dialog of `leg` left.
    AckSent {
        leg: Id,
    },
    SendFailed {
        record: Id,
        method: Method,
        cseq: u32,
        why: String,
    },
    DeadlineReached {
        record: Id,
    },
}

impl<'a> Input<'a> {
    /// The request that this is, but for ACK.
    pub fn arrival(&self) -> Option<&'a Arrival> {
        match self {
            Input::InviteReceived(arrival)
            | Input::FactoryInviteReceived(arrival)
            | Input::ReferReceived(arrival)
            | Input::SubscribeReceived(arrival)
            | Input::OptionsReceived(arrival)
            | Input::RequestReceived { arrival, .. } => Some(arrival),
            _ => None,
        }
    }
}
