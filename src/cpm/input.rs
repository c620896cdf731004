//! What can happen to a session: past tense, already parsed.

use std::net::{IpAddr, SocketAddr};

use super::records::ids::{Id, TransactionId};
use super::socket::Socket;
use super::time::Micros;
use crate::sip::{Method, Request, Response};

/// A request with what the transport knows about it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The request.
    pub request: Request,
    /// The socket of ours it came in on.
    pub socket: Socket,
    /// Where it came from, by its packet.
    pub source: SocketAddr,
    /// It came from an ISC peer whose P-headers are believed (TS 24.229; parameter `trusted_peers`).
    pub trusted: bool,
    /// When it was taken from the network.
    pub read_at: Micros,
}

/// Where a message came from that is not answered.
#[derive(Clone, Copy, Debug)]
pub struct MessageSource {
    /// The IP address, by its packet.
    pub address: IpAddr,
    /// It is a trusted peer (parameter `trusted_peers`).
    pub trusted: bool,
}

/// One thing that happened.
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
    /// Any request but ACK inside a dialog.
    RequestReceived {
        /// The record that keeps the dialog: a leg, a REFER or a conference subscription.
        holder: Id,
        /// The request.
        arrival: &'a Arrival,
    },
    /// ACK to a 2xx of ours.
    AckReceived {
        /// The leg whose dialog it is in.
        leg: Id,
        /// The ACK.
        request: &'a Request,
        /// Where it came from.
        from: MessageSource,
    },
    /// The 2xx that connects `leg` could not be sent.
    AnswerFailed {
        /// That leg.
        leg: Id,
    },
    /// An answer to a request of ours.
    AnswerReceived {
        /// The owner of the request.
        record: Id,
        /// The answer.
        response: &'a Response,
        /// Where it came from.
        from: MessageSource,
        /// It is from a trusted peer, or from where its request was sent. If not, that is not known any
        /// more.
        expected: bool,
    },
    /// tm gave up on a request of ours.
    TimedOut {
        /// The owner of the request.
        record: Id,
        /// The status tm made for it, 408 mostly.
        status: u16,
    },
    /// An INVITE of ours left.
    InviteSent {
        /// Its leg.
        leg: Id,
        /// Its CSeq.
        cseq: u32,
        /// tm's name for it.
        transaction: TransactionId,
    },
    /// The ACK that opens the dialog of `leg` left.
    AckSent {
        /// That leg.
        leg: Id,
    },
    /// A request of ours could not be sent.
    SendFailed {
        /// Its owner.
        record: Id,
        /// Its method.
        method: Method,
        /// Its CSeq.
        cseq: u32,
        /// Why, for the log.
        why: String,
    },
    /// A deadline of a record came.
    DeadlineReached {
        /// That record.
        record: Id,
    },
}

impl<'a> Input<'a> {
    /// The request that this is. `None` for an ACK, which is never answered.
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
