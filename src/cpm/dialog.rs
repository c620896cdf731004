//! A dialog (RFC 3261 section 12) as the focus keeps it, with the one request it has in flight.
//! Not here: what the requests say (`super::session`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::action::{Method, Outgoing};
use super::answer::Lines;
use super::records::{Id, Name};
use super::settings::{Micros, Millis, Socket};
use crate::sip::message::Request;
use crate::sip::uri::Uri;

/// Most numbers that a dialog waits for because later ones came first.
const MAX_SKIPPED: u32 = 16;

/// Both ends of a dialog. Per dialog one request of ours other than ACK is in flight; the next waits
/// here, so CSeq stays in order and a BYE never overtakes what was promised before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dialog {
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    /// URI of our From.
    pub local: String,
    /// URI of our To.
    pub remote: String,
    pub remote_target: String,
    pub route_set: Vec<String>,
    pub local_cseq: u32,
    /// Highest CSeq seen from the peer; none before its first request.
    pub remote_cseq: Option<u32>,
    /// Numbers below it that have not come, and when the request that skipped them was accepted.
    pub skipped: Vec<(u32, Micros)>,
    pub socket: Socket,
    /// URI of our Contact.
    pub contact: String,
    pub in_flight: Option<InFlight>,
    /// The ACK to the 2xx that made this dialog is on its way out: nothing may overtake it. Until when
    /// that is believed.
    pub acknowledging: Option<Millis>,
    pub waiting: VecDeque<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    pub cseq: u32,
    pub what: Waiting,
    /// When it counts as lost although nobody told us.
    pub lost_at: Millis,
}

/// A request of ours that the dialog sends as soon as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// NOTIFY of this REFER's subscription; what it says is decided when it leaves.
    Notify(Id),
    /// UPDATE or re-INVITE that keeps the session alive (RFC 4028 section 7.4).
    Refresh,
    /// NOTIFY of this watcher; what it says is decided when it leaves.
    State(Id),
    Bye(ByeCause),
}

/// Why the focus ends a leg; becomes the Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByeCause {
    /// The session is over.
    Gone,
    /// Removed by another participant.
    Removed,
    /// Nothing happened for too long; clients take a BYE without 410 for inactivity (G7).
    Inactive,
    /// The participant is in through another leg, or withdrew while the answer was on its way.
    Replaced,
    /// The SDP answer cannot be used.
    NotAcceptable,
    /// No ACK came for our 2xx (RFC 3261 section 13.3.1.4).
    NoAck,
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    Expired,
}

impl ByeCause {
    /// Header lines of the BYE.
    pub fn headers(self) -> String {
        let reason = self.reason_header();
        Lines::new().maybe("Reason", reason).supported().text()
    }

    /// None: no Reason header at all.
    pub fn reason_header(self) -> Option<&'static str> {
        Some(match self {
            ByeCause::Inactive => return None,
            ByeCause::Gone => "SIP;cause=410;text=\"Gone\"",
            ByeCause::Removed => "SIP;cause=200;text=\"Call completed\"",
            ByeCause::Replaced => "SIP;cause=200;text=\"Call completed elsewhere\"",
            ByeCause::NotAcceptable => "SIP;cause=488;text=\"Not Acceptable Here\"",
            ByeCause::Expired => "SIP;cause=408;text=\"Session timer expired\"",
            ByeCause::NoAck => "SIP;cause=408;text=\"No ACK\"",
        })
    }
}

impl Dialog {
    /// The dialog that a request from a peer forms (RFC 3261 section 12.1.1).
    pub fn formed_by(
        request: &Request,
        remote_target: &Uri,
        local_tag: String,
        socket: Socket,
        contact: String,
    ) -> Self {
        Dialog {
            call_id: request.call_id.clone(),
            local_tag,
            remote_tag: Some(request.from_tag.clone()),
            local: request.to.uri.as_str().to_owned(),
            remote: request.from.uri.as_str().to_owned(),
            remote_target: remote_target.as_str().to_owned(),
            route_set: request.record_route(),
            local_cseq: 0,
            remote_cseq: Some(request.cseq),
            skipped: Vec::new(),
            socket,
            contact,
            in_flight: None,
            acknowledging: None,
            waiting: VecDeque::new(),
        }
    }

    pub fn name(&self) -> Name {
        Name::Dialog {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty()
    }

    pub fn deadline(&self) -> Option<Millis> {
        let lost = self.in_flight.map(|request| request.lost_at);
        [lost, self.acknowledging].into_iter().flatten().min()
    }

    /// The next request of ours in this dialog (RFC 3261 section 12.2.1.1); raises our CSeq.
    pub fn request(
        &mut self,
        owner: Id,
        method: Method,
        headers: String,
        body: Vec<u8>,
    ) -> Outgoing {
        self.local_cseq = self.local_cseq.saturating_add(1);
        Outgoing {
            owner: Some(owner),
            method,
            ..self.outgoing(self.local_cseq, headers, body)
        }
    }

    /// ACK for a 2xx to the INVITE with `cseq`.
    pub fn ack(&self, cseq: u32, headers: String) -> Outgoing {
        self.outgoing(cseq, headers, Vec::new())
    }

    fn outgoing(&self, cseq: u32, headers: String, body: Vec<u8>) -> Outgoing {
        Outgoing {
            owner: None,
            method: Method::Ack,
            request_uri: self.remote_target.clone(),
            from: self.local.clone(),
            to: self.remote.clone(),
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
            remote_tag: self.remote_tag.clone(),
            cseq,
            route: self.route_set.clone(),
            headers,
            body,
            socket: self.socket.clone(),
        }
    }

    /// RFC 3261 section 12.2.2: a CSeq not above the last one is out of order. Two workers may take two
    /// requests that came in order and get to the second one first: the first one, read before that was
    /// accepted and so before anybody could have seen an answer, is not out of order.
    pub fn accept_cseq(&mut self, cseq: u32, read_at: Micros, now: Micros) -> bool {
        let Some(last) = self.remote_cseq.replace(cseq) else {
            return true;
        };
        if cseq <= last {
            self.remote_cseq = Some(last);
            let overtaken = |(number, by): &(u32, Micros)| *number == cseq && read_at < *by;
            let found = self.skipped.iter().position(overtaken);
            return found.map(|at| self.skipped.remove(at)).is_some();
        }
        // Nobody has so many requests under way; whoever counts in larger steps skips on purpose.
        if cseq - last <= MAX_SKIPPED {
            self.skipped
                .extend((last + 1..cseq).map(|number| (number, now)));
        }
        let excess = self.skipped.len().saturating_sub(MAX_SKIPPED as usize);
        self.skipped.drain(..excess);
        true
    }

    /// A target refresh request moves the remote target (RFC 3261 section 12.2.2).
    pub fn refresh_target(&mut self, contact: Option<Uri>) {
        if let Some(uri) = contact {
            self.remote_target = uri.as_str().to_owned();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpm::settings::Transport;

    fn dialog() -> Dialog {
        Dialog {
            call_id: "c".into(),
            local_tag: "l".into(),
            remote_tag: Some("r".into()),
            local: "sip:f@x".into(),
            remote: "sip:a@x".into(),
            remote_target: "sip:a@x".into(),
            route_set: Vec::new(),
            local_cseq: 0,
            remote_cseq: Some(1),
            skipped: Vec::new(),
            socket: Socket {
                transport: Transport::Udp,
                host: "127.0.0.1".into(),
                port: 5060,
            },
            contact: "sip:f@x".into(),
            in_flight: None,
            acknowledging: None,
            waiting: VecDeque::new(),
        }
    }

    #[test]
    fn a_request_that_a_later_one_overtook_in_the_server_is_in_order() {
        let mut dialog = dialog();
        assert!(dialog.accept_cseq(4, 1_000, 1_000));
        assert!(dialog.accept_cseq(2, 999, 1_000), "read before it");
        assert!(!dialog.accept_cseq(2, 999, 1_000), "once");
        assert!(!dialog.accept_cseq(3, 1_001, 1_000), "read after it");
        assert!(!dialog.accept_cseq(4, 999, 1_000) && !dialog.accept_cseq(1, 999, 1_000));
        assert_eq!(dialog.remote_cseq, Some(4));
    }

    #[test]
    fn what_is_waited_for_is_bounded() {
        let mut dialog = dialog();
        assert!(dialog.accept_cseq(u32::MAX - 100, 1_000, 1_000));
        assert!(!dialog.accept_cseq(5, 999, 1_000), "skipped on purpose");
        for step in 1..=30 {
            assert!(dialog.accept_cseq(u32::MAX - 100 + 3 * step, 1_000, 1_000));
            assert!(dialog.skipped.len() <= MAX_SKIPPED as usize);
        }
        assert!(dialog.accept_cseq(u32::MAX, 1_000, 1_000));
    }
}
