//! What every dialog of a session has in common: requests in it, answers to ours, one in flight, deadlines.
//! Not here: what a particular request means (its own file).

use super::keepalive::Refused;
use super::Session;
use crate::cpm::action::{Action, Answer, Level, Method};
use crate::cpm::answer::{Lines, Refusal, ALLOW};
use crate::cpm::dialog::{ByeCause, Dialog, InFlight, Waiting};
use crate::cpm::input::Arrival;
use crate::cpm::records::{Carrier, Id, Leg, LegState, Record};
use crate::cpm::settings::LOST_REQUEST;
use crate::sip::status::reason_phrase;
use crate::sip::Response;

/// Most requests of one dialog that are sent when its session is given up.
const MOST_OWED: usize = 1_000;

/// How a request of ours ended.
struct Ended {
    /// None: whichever is in flight.
    cseq: Option<u32>,
    status: u16,
    /// Seconds.
    retry_after: Option<u32>,
    /// Seconds.
    min_se: Option<u32>,
}

impl Ended {
    fn without_answer(status: u16) -> Ended {
        Ended {
            cseq: None,
            status,
            retry_after: None,
            min_se: None,
        }
    }
}

/// What became of the turn of one waiting request.
pub(super) enum Next {
    /// Sent with this CSeq: the dialog is busy.
    Sent(u32),
    /// There was nothing to say after all.
    Nothing,
}

impl Session<'_> {
    pub(super) fn dialog_mut(&mut self, holder: Id) -> Option<&mut Dialog> {
        let slot = self.slot(holder);
        let dialog = match slot.record.as_mut()? {
            Record::Leg(leg) => &mut leg.dialog,
            Record::Refer(refer) => match &mut refer.carrier {
                Carrier::Own(dialog) => dialog,
                Carrier::In(_) | Carrier::None => return None,
            },
            Record::Watcher(watcher) => match &mut watcher.carrier {
                Carrier::Own(dialog) => dialog,
                Carrier::In(_) | Carrier::None => return None,
            },
            Record::Head(_) | Record::Roster(_) | Record::Board(_) | Record::Audience(_) => {
                return None
            }
        };
        slot.dirty = true;
        Some(dialog)
    }

    /// A request inside the dialog that `holder` keeps.
    pub(super) fn request_received(&mut self, holder: Id, arrival: &Arrival) {
        let request = &arrival.request;
        let method = request.method.as_str();
        let early = |leg: &Leg| leg.is_pending() && leg.dialog.remote_tag.is_none();
        if method == "UPDATE" && self.leg(holder).is_some_and(early) {
            return self.early_update(holder, request);
        }
        let now = (self.env.clock)();
        let Some(dialog) = self.dialog_mut(holder) else {
            return self.refuse(method, &Refusal::new(481, "no such dialog"));
        };
        // Whoever has answered our INVITE may already send; that overtook the answer. Not so a BYE, which
        // waits for our ACK (RFC 3261 section 15).
        if dialog.remote_tag.is_none() && method != "BYE" {
            let refusal = Refusal::new(500, "the answer to our INVITE is not here yet");
            return self.refuse(method, &refusal.header("Retry-After", "1"));
        }
        // RFC 3261 section 12.2.2: both tags and the Call-ID name a dialog.
        let ours = dialog.remote_tag.as_deref() == Some(request.from_tag.as_str());
        if !ours {
            return self.refuse(method, &Refusal::new(481, "From-tag of another dialog"));
        }
        let (to_tag, contact) = (dialog.local_tag.clone(), dialog.contact.clone());
        if !dialog.accept_cseq(request.cseq, arrival.read_at, now) {
            let refusal = Refusal::new(500, "CSeq is not above the last one");
            return self.refuse(method, &refusal);
        }
        let leg = self.leg(holder).map(|leg| leg.is_connected());
        let refers = self.refer(holder).is_some();
        match (method, leg) {
            ("BYE", Some(_)) => self.bye_received(holder, request, to_tag),
            ("INVITE", Some(_)) => self.reinvite_received(holder, arrival),
            ("UPDATE", Some(_)) => self.update_received(holder, arrival),
            ("REFER", Some(true)) if self.head.live => self.refer_received(arrival, Some(holder)),
            ("REFER", None) if refers && self.head.live => {
                self.refer_received(arrival, Some(holder))
            }
            ("OPTIONS", Some(true)) => self.options_received(request, &contact, to_tag),
            ("SUBSCRIBE", _) => self.subscribe_received(holder, arrival),
            ("BYE" | "INVITE" | "UPDATE" | "REFER" | "OPTIONS", _) => {
                self.refuse(method, &Refusal::new(481, "no INVITE dialog any more"));
            }
            _ => self.refuse(
                method,
                &Refusal::new(405, "method not served").header("Allow", ALLOW),
            ),
        }
    }

    /// Sends the next waiting request of a dialog unless one is in flight.
    pub(super) fn pump(&mut self, holder: Id) {
        let lost_at = self.env.now + LOST_REQUEST;
        loop {
            let unacknowledged = self
                .leg(holder)
                .is_some_and(|leg| leg.awaited_ack.is_some());
            let Some(dialog) = self.dialog_mut(holder) else {
                return;
            };
            if dialog.in_flight.is_some() || dialog.acknowledging.is_some() {
                return;
            }
            // RFC 3261 sections 15 and 14.1: the answerer's BYE waits for the ACK, and so does an INVITE.
            let may_pass = |what: &Waiting| matches!(what, Waiting::Notify(_) | Waiting::State(_));
            let held = |what: &Waiting| unacknowledged && !may_pass(what);
            let Some(what) = dialog.waiting.pop_front_if(|what| !held(what)) else {
                return;
            };
            let next = match what {
                Waiting::Notify(refer) => self.send_notify(holder, refer),
                Waiting::Refresh => self.send_refresh(holder),
                Waiting::State(watcher) => self.send_state(holder, watcher),
                Waiting::Bye(cause) => self.send_bye(holder, cause),
            };
            if let (Next::Sent(cseq), Some(dialog)) = (next, self.dialog_mut(holder)) {
                dialog.in_flight = Some(InFlight {
                    cseq,
                    what,
                    lost_at,
                });
            }
        }
    }

    fn send_bye(&mut self, holder: Id, cause: ByeCause) -> Next {
        let Some(dialog) = self.dialog_mut(holder) else {
            return Next::Nothing;
        };
        let request = dialog.request(holder, Method::Bye, cause.headers(), Vec::new());
        let cseq = request.cseq;
        self.actions.push(Action::Send(Box::new(request)));
        Next::Sent(cseq)
    }

    /// An answer to one of our requests: to the INVITE of a leg, or to what is in flight in a dialog.
    pub(super) fn answer_received(&mut self, record: Id, response: &Response, trusted: bool) {
        self.refreshes_only = self.is_refresh(record, response);
        match response.cseq_method.as_str() {
            "INVITE" if !self.is_reinvite(record, response.cseq) => {
                self.invite_answered(record, response, trusted);
            }
            _ if response.status < 200 => {}
            _ => self.request_answered(record, response),
        }
    }

    /// The final answer to a request inside a dialog.
    fn request_answered(&mut self, record: Id, response: &Response) {
        let accepted = response.status < 300;
        if accepted && response.cseq_method == "INVITE" {
            self.acknowledge(record, response);
        }
        let in_flight = self.leg(record).and_then(|leg| leg.dialog.in_flight);
        let refresh = |sent: &InFlight| sent.what == Waiting::Refresh && sent.cseq == response.cseq;
        if accepted && in_flight.as_ref().is_some_and(refresh) {
            self.refreshed(record, response);
        }
        let ended = Ended {
            cseq: Some(response.cseq),
            status: response.status,
            retry_after: response.retry_after(),
            min_se: response.seconds("Min-SE"),
        };
        self.request_ended(record, ended);
    }

    /// The request in flight is over, with an answer or without.
    fn request_ended(&mut self, holder: Id, ended: Ended) {
        let Some(dialog) = self.dialog_mut(holder) else {
            return;
        };
        let Some(request) = dialog.in_flight else {
            return;
        };
        if ended.cseq.is_some_and(|cseq| cseq != request.cseq) {
            return;
        }
        dialog.in_flight = None;
        match request.what {
            Waiting::Notify(refer) => self.notify_answered(refer, ended.status, ended.retry_after),
            Waiting::Refresh if ended.status >= 300 => {
                let refused = Refused {
                    status: ended.status,
                    retry_after: ended.retry_after,
                    min_se: ended.min_se,
                };
                self.refresh_failed(holder, request, &refused);
            }
            Waiting::State(watcher) => {
                self.state_answered(watcher, ended.status, ended.retry_after);
            }
            Waiting::Refresh | Waiting::Bye(_) => {}
        }
        self.pump(holder);
    }

    /// Has something wait for its turn in the dialog that `holder` keeps. False: the dialog is gone with
    /// its leg, and nobody is there to be told.
    pub(super) fn queue(&mut self, holder: Id, what: Waiting) -> bool {
        let Some(dialog) = self.dialog_mut(holder) else {
            return false;
        };
        dialog.waiting.push_back(what);
        self.pump(holder);
        true
    }

    /// 200 to a SUBSCRIBE in the dialog that `holder` keeps, granted for so many seconds.
    pub(super) fn accept_subscribe(&mut self, holder: Id, seconds: u64) {
        let Some(dialog) = self.dialog_mut(holder) else {
            return;
        };
        let headers = Lines::new()
            .contact(&dialog.contact)
            .line("Expires", &seconds.to_string())
            .capabilities()
            .text();
        let to_tag = dialog.local_tag.clone();
        self.actions.push(Action::Answer(Answer {
            code: 200,
            reason: reason_phrase(200).to_owned(),
            to_tag,
            headers,
            ..Answer::default()
        }));
    }

    /// All that waits in a dialog leaves, as if each request before it had been answered: nobody will be there
    /// to wait. A BYE that its peer's ACK has to come before stays.
    pub(super) fn send_the_rest(&mut self, holder: Id) {
        let before = self.actions.len();
        self.ack_sent(holder);
        for _ in 0..MOST_OWED {
            let dialog = self.dialog_mut(holder);
            if dialog.is_none_or(|dialog| dialog.in_flight.is_none()) {
                break;
            }
            self.request_ended(holder, Ended::without_answer(200));
        }
        for action in self.actions.iter_mut().skip(before) {
            if let Action::Send(request) = action {
                request.owner = None;
            }
        }
    }

    /// tm gave up on the one request this record has out.
    pub(super) fn timed_out(&mut self, record: Id, status: u16) {
        let inviting = self.leg(record).is_some_and(|leg| {
            matches!(
                leg.state,
                LegState::Inviting { .. } | LegState::Withdrawn { .. }
            )
        });
        if inviting {
            self.invite_failed(record, status, crate::sip::status::reason_phrase(status));
        } else {
            self.request_ended(record, Ended::without_answer(status));
        }
    }

    /// The first ACK of a dialog left, or never will: what waits for it may go.
    pub(super) fn ack_sent(&mut self, id: Id) {
        if let Some(dialog) = self.dialog_mut(id) {
            dialog.acknowledging = None;
            self.pump(id);
        }
    }

    /// tm refused to send: no route, no socket, or the script dropped it.
    pub(super) fn send_failed(&mut self, record: Id, method: Method, cseq: u32, why: &str) {
        self.note_sent(record, Level::Warn, |_| {
            format!("{} could not be sent: {why}", method.as_str())
        });
        match method {
            Method::Invite if !self.is_reinvite(record, cseq) => {
                self.invite_failed(record, 503, crate::sip::status::reason_phrase(503))
            }
            Method::Bye | Method::Notify | Method::Update | Method::Invite => {
                // What keeps a session alive may be tried again.
                let refresh = matches!(method, Method::Update | Method::Invite);
                let ended = Ended {
                    cseq: Some(cseq),
                    ..Ended::without_answer(if refresh { 503 } else { 408 })
                };
                self.request_ended(record, ended);
            }
            Method::Ack => self.ack_sent(record),
            Method::Prack => {}
        }
    }

    /// Whatever of this record is due by now.
    pub(super) fn deadline_reached(&mut self, record: Id) {
        let now = self.env.now;
        if record == self.id {
            return self.inactive();
        }
        let lost = self
            .dialog_mut(record)
            .and_then(|dialog| dialog.in_flight)
            .is_some_and(|request| request.lost_at <= now);
        let acknowledged = self
            .dialog_mut(record)
            .and_then(|dialog| dialog.acknowledging)
            .is_some_and(|until| until <= now);
        if acknowledged {
            self.ack_sent(record);
        }
        if lost {
            self.request_ended(record, Ended::without_answer(408));
        }
        self.refer_deadline(record);
        self.timer_deadline(record);
        self.watcher_deadline(record);
        self.board_deadline(record);
        let Some(leg) = self.leg(record) else { return };
        let (state, ack) = (leg.state, leg.awaited_ack);
        if ack.is_some_and(|ack| ack.until <= now) {
            self.ack_missing(record);
        }
        match state {
            LegState::Waiting { at } if at <= now => self.send_invite(record),
            LegState::Inviting { ring_until, .. } if ring_until <= now => {
                self.rang_too_long(record)
            }
            LegState::Withdrawn { until, .. } if until <= now => {
                if let Some(leg) = self.leg_mut(record) {
                    leg.state = LegState::Left;
                }
            }
            _ => {}
        }
    }
}
