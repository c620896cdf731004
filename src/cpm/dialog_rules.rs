//! How a dialog is formed, what it sends and what it takes (RFC 3261 section 12).

use std::collections::VecDeque;

use super::env::Env;
use super::header_lines::HeaderLines;
use super::input::Arrival;
use super::outgoing_message::OutgoingRequest;
use super::records::dialog::{ByeCause, Dialog, DialogEnds, Waiting};
use super::records::ids::Id;
use super::records::sealed::Sealed;
use super::records::Leg;
use super::settings::Settings;
use super::socket::Socket;
use super::time::{Micros, Millis};
use crate::sip::uri::Uri;
use crate::sip::{Method, Response, Tag};

/// Most numbers that a dialog waits for because later ones came first.
const MAX_SKIPPED: u32 = 16;

impl Dialog {
    /// The dialog that a request from a peer forms (RFC 3261 section 12.1.1). `contact` is ours.
    pub fn formed_by(
        arrival: &Arrival,
        remote_target: Uri,
        local_tag: Tag,
        contact: Uri,
    ) -> Dialog {
        let (request, socket) = (&arrival.request, arrival.socket);
        let ends = DialogEnds {
            call_id: request.call_id.clone(),
            local_tag,
            remote_tag: Some(request.from_tag.clone()),
            local: request.to().uri,
            remote: request.from().uri,
            remote_target,
            route_set: request.record_route(),
            socket,
            contact,
        };
        Dialog {
            peer: Some(arrival.source.ip().to_canonical()),
            remote_cseq: Some(request.cseq),
            ..Dialog::between(ends)
        }
    }

    /// The dialog that our INVITE to `target` is to form, from the focus with `token`, by way of
    /// `orig_route`. `arrived` is the socket that its cause came in on, and `at` when the INVITE is sent.
    pub fn towards(
        target: &Uri,
        token: &str,
        arrived: Option<Socket>,
        at: Millis,
        env: &Env<'_>,
    ) -> Dialog {
        let settings = env.settings;
        let request_uri = settings.request_uri_for(target);
        let next_hop = settings.orig_route.first();
        let next_hop = next_hop.map_or(&request_uri, |r| r.uri());
        let socket = settings.socket_towards(next_hop, arrived);
        let call_id = [env.token().as_str(), "@", &settings.domain].concat();
        Dialog::between(DialogEnds {
            local_tag: env.tag_for(&call_id, at),
            call_id,
            remote_tag: None,
            local: settings.focus_uri(token),
            remote: target.clone(),
            remote_target: request_uri,
            route_set: settings.orig_route.clone(),
            contact: settings.contact_uri(token, socket),
            socket,
        })
    }

    /// A dialog in which nothing was sent yet.
    fn between(ends: DialogEnds) -> Dialog {
        Dialog {
            ends: Sealed::new(ends),
            peer: None,
            target_since: 0,
            confirmed: 0,
            local_cseq: 0,
            remote_cseq: None,
            skipped: Vec::new(),
            in_flight: None,
            acknowledging: None,
            waiting: VecDeque::new(),
        }
    }

    /// Takes the state of the dialog from the 2xx to our INVITE (RFC 3261 section 12.1.2).
    pub fn establish(&mut self, response: &Response) {
        self.remote_tag.clone_from(&response.to_tag);
        self.refresh_target(response.contact());
        self.route_set = response.record_route();
        self.route_set.reverse();
    }

    /// The next request of ours in this dialog (RFC 3261 section 12.2.1.1); raises our CSeq. `owner`
    /// is the record that waits for the result.
    pub fn request(
        &mut self,
        owner: Option<Id>,
        method: Method,
        headers: String,
        body: Vec<u8>,
    ) -> OutgoingRequest {
        self.local_cseq = self.local_cseq.saturating_add(1);
        OutgoingRequest {
            owner,
            method,
            headers,
            body,
            ..self.ack(self.local_cseq)
        }
    }

    /// BYE, the last request of ours in this dialog.
    pub fn bye(&mut self, owner: Option<Id>, cause: ByeCause) -> OutgoingRequest {
        self.request(owner, Method::Bye, cause.header_lines(), Vec::new())
    }

    /// Puts a request in line. A BYE that waits there comes after it: it is the last one of a dialog.
    pub fn wait_before_bye(&mut self, what: Waiting) {
        let is_bye = |what: &Waiting| matches!(what, Waiting::Bye(_));
        let bye = self.waiting.iter().position(is_bye);
        self.waiting.insert(bye.unwrap_or(self.waiting.len()), what);
    }

    /// ACK for a 2xx to the INVITE with this CSeq (RFC 3261 section 13.2.2.4). Nobody owns it.
    pub fn ack(&self, cseq: u32) -> OutgoingRequest {
        OutgoingRequest {
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
            headers: String::new(),
            body: Vec::new(),
            socket: self.socket,
        }
    }

    /// Whether a request with this CSeq is in order (RFC 3261 section 12.2.2). Two workers may take two
    /// requests that came in order and get to the second one first. The first one was read before the
    /// second was accepted, hence before anybody could have seen an answer: it is not out of order.
    pub fn is_in_order(&self, cseq: u32, read_at: Micros) -> bool {
        match self.remote_cseq {
            Some(last) if cseq <= last => self.overtaken(cseq, read_at).is_some(),
            _ => true,
        }
    }

    /// Where the number is kept of a request that was read before a later one was accepted.
    fn overtaken(&self, cseq: u32, read_at: Micros) -> Option<usize> {
        let is_it = |(number, by): &(u32, Micros)| *number == cseq && read_at < *by;
        self.skipped.iter().position(is_it)
    }

    /// Takes over the CSeq of a request that is in order and was accepted. A refused one moves nothing:
    /// else who may do nothing could make the peer's own requests come out of order.
    pub fn take_cseq(&mut self, cseq: u32, read_at: Micros, now: Micros) {
        let last = self.remote_cseq.unwrap_or(cseq);
        self.remote_cseq = Some(last.max(cseq));
        if cseq <= last {
            if let Some(at) = self.overtaken(cseq, read_at) {
                self.skipped.remove(at);
            }
            return;
        }
        // Nobody has so many requests under way: a peer that counts in larger steps skips on purpose.
        if cseq - last <= MAX_SKIPPED {
            self.skipped
                .extend((last + 1..cseq).map(|number| (number, now)));
        }
        let excess = self.skipped.len().saturating_sub(MAX_SKIPPED as usize);
        self.skipped.drain(..excess);
    }

    /// A target refresh request moves the remote target (RFC 3261 section 12.2.2). Another Contact has to
    /// be confirmed anew: who names it need not own it.
    pub fn refresh_target(&mut self, contact: Option<Uri>) {
        let Some(uri) = contact else { return };
        if uri != self.remote_target {
            self.target_since = self.local_cseq;
            self.remote_target = uri;
        }
    }

    /// Our request with this CSeq got a 2xx.
    pub fn confirm_target(&mut self, cseq: u32) {
        self.confirmed = self.confirmed.max(cseq);
    }
}

impl Leg {
    /// Whether the ACK to the 2xx of our INVITE has to carry SDP: we made no offer.
    fn answers_in_ack(&self) -> bool {
        let attempt = self.outgoing.as_ref();
        attempt.is_some_and(|attempt| attempt.forms.no_offer)
    }

    /// ACK to the 2xx of our INVITE, with the answer if the 2xx brought an offer (RFC 3261 section 13.2.2.4).
    pub fn ack(&self, response: &Response, settings: &Settings) -> OutgoingRequest {
        let attempt = self.outgoing.as_ref();
        match attempt.is_some_and(|attempt| attempt.answered) {
            true => {
                let ack = self.dialog.ack(response.cseq);
                ack.with_sdp(self.media.text(settings))
            }
            false => self.refusing_ack(&self.dialog, response, settings),
        }
    }

    /// ACK in `dialog` to a 2xx of our INVITE of which nothing is wanted: an offer in it is refused.
    pub fn refusing_ack(
        &self,
        dialog: &Dialog,
        response: &Response,
        settings: &Settings,
    ) -> OutgoingRequest {
        let ack = dialog.ack(response.cseq);
        let refusal = self
            .answers_in_ack()
            .then(|| self.media.refusing(response, settings));
        match refusal.flatten() {
            Some(refusal) => ack.with_sdp(refusal),
            None => ack,
        }
    }

    /// Why a BYE of ours is sent, in the words that the peer's client understands.
    pub fn understood(&self, cause: ByeCause) -> ByeCause {
        match cause {
            ByeCause::Gone if self.fails_on_410 => ByeCause::Removed,
            cause => cause,
        }
    }
}

impl ByeCause {
    /// Header lines of the BYE.
    pub fn header_lines(self) -> String {
        HeaderLines::new()
            .maybe("Reason", self.reason())
            .supported()
            .text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpm::socket::Transport;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    fn dialog() -> Dialog {
        let ends = DialogEnds {
            call_id: "c".into(),
            local_tag: Tag::parse("l").unwrap(),
            remote_tag: Tag::parse("r"),
            local: uri("sip:f@x"),
            remote: uri("sip:a@x"),
            remote_target: uri("sip:a@x"),
            route_set: Vec::new(),
            socket: Socket {
                transport: Transport::Udp,
                address: [127, 0, 0, 1].into(),
                port: 5060,
            },
            contact: uri("sip:f@x"),
        };
        Dialog {
            remote_cseq: Some(1),
            ..Dialog::between(ends)
        }
    }

    /// Whether a request that is accepted if it is in order was.
    fn accepts(dialog: &mut Dialog, cseq: u32, read_at: Micros) -> bool {
        let in_order = dialog.is_in_order(cseq, read_at);
        if in_order {
            dialog.take_cseq(cseq, read_at, 1_000);
        }
        in_order
    }

    #[test]
    fn a_request_that_a_later_one_overtook_in_the_server_is_in_order() {
        let mut dialog = dialog();
        assert!(accepts(&mut dialog, 4, 1_000));
        assert!(accepts(&mut dialog, 2, 999), "read before it");
        assert!(!accepts(&mut dialog, 2, 999), "once");
        assert!(!accepts(&mut dialog, 3, 1_001), "read after it");
        assert!(!accepts(&mut dialog, 4, 999) && !accepts(&mut dialog, 1, 999));
        assert_eq!(dialog.remote_cseq, Some(4));
    }

    #[test]
    fn a_refused_request_moves_nothing() {
        let mut dialog = dialog();
        assert!(dialog.is_in_order(u32::MAX, 1_000));
        assert!(accepts(&mut dialog, 2, 1_000), "the next one of the peer");
        assert!(accepts(&mut dialog, 4, 1_000));
        assert!(dialog.is_in_order(3, 999), "overtaken, and refused");
        assert!(accepts(&mut dialog, 3, 999), "as if it had not come");
    }

    #[test]
    fn a_contact_is_confirmed_by_an_answer_to_what_was_sent_there() {
        let mut dialog = dialog();
        let notify = |dialog: &mut Dialog| {
            let request = dialog.request(None, Method::Notify, String::new(), Vec::new());
            request.cseq
        };
        let first = notify(&mut dialog);
        assert!(!dialog.target_confirmed());
        dialog.confirm_target(first);
        assert!(dialog.target_confirmed());
        dialog.refresh_target(Some(uri("sip:a@x")));
        dialog.refresh_target(None);
        assert!(dialog.target_confirmed(), "the same one");
        let second = notify(&mut dialog);
        dialog.refresh_target(Some(uri("sip:victim@y")));
        dialog.confirm_target(second);
        assert!(!dialog.target_confirmed(), "sent to the Contact before");
        let third = notify(&mut dialog);
        dialog.confirm_target(third);
        assert!(dialog.target_confirmed());
    }

    #[test]
    fn what_is_waited_for_is_bounded() {
        let mut dialog = dialog();
        assert!(accepts(&mut dialog, u32::MAX - 100, 1_000));
        assert!(!accepts(&mut dialog, 5, 999), "skipped on purpose");
        for step in 1..=30 {
            assert!(accepts(&mut dialog, u32::MAX - 100 + 3 * step, 1_000));
            assert!(dialog.skipped.len() <= MAX_SKIPPED as usize);
        }
        assert!(accepts(&mut dialog, u32::MAX, 1_000));
    }
}
