//! One request of ours at a time in each dialog: the next in line, and how the one in flight ends.

use super::refresh::RefusedRefresh;
use super::{Activity, Session};
use crate::cpm::action::{Action, Counter, Level};
use crate::cpm::input::MessageSource;
use crate::cpm::note::Note;
use crate::cpm::quirk::Quirk;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{ByeCause, InFlight, LegState, Waiting};
use crate::cpm::time::LOST_REQUEST;
use crate::sip::status::reason_phrase;
use crate::sip::{Method, Response};

/// Most requests of one dialog that are sent when its session is given up.
const MOST_OWED: usize = 1_000;

/// How a request of ours ended.
struct Ended {
    /// `None`: whichever is in flight.
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

impl Session<'_> {
    /// Sends the next waiting request of a dialog unless one is in flight.
    pub(super) fn send_next(&mut self, holder: Id) {
        let lost_at = self.env.now + LOST_REQUEST;
        loop {
            let leg = self.records.leg(holder);
            let unacknowledged = leg.is_some_and(|leg| leg.awaited_ack.is_some());
            let next = self.records.dialog_mut(holder);
            let next = next.and_then(|dialog| dialog.waiting.front());
            let opening = matches!(next, Some(Waiting::Bye(_))) && self.has_unopened(holder);
            let Some(dialog) = self.records.dialog_mut(holder) else {
                return;
            };
            if dialog.in_flight.is_some() || dialog.acknowledging.is_some() {
                return;
            }
            // RFC 3261 sections 15 and 14.1: the answerer's BYE waits for the ACK, and so does an INVITE. A
            // BYE waits also for first NOTIFYs that are put off: they were promised before.
            let may_leave = |what: &mut Waiting| match what {
                Waiting::Notify(_) => true,
                Waiting::Refresh => !unacknowledged,
                Waiting::Bye(_) => !unacknowledged && !opening,
            };
            let Some(what) = dialog.waiting.pop_front_if(may_leave) else {
                return;
            };
            // The CSeq it left with. `None`: there was nothing to say after all.
            let sent = match what {
                Waiting::Notify(subscription) => self.send_notify(holder, subscription),
                Waiting::Refresh => self.send_refresh(holder),
                Waiting::Bye(cause) => self.send_bye(holder, cause),
            };
            if let (Some(cseq), Some(dialog)) = (sent, self.records.dialog_mut(holder)) {
                dialog.in_flight = Some(InFlight {
                    cseq,
                    what,
                    lost_at,
                });
            }
        }
    }

    fn send_bye(&mut self, holder: Id, cause: ByeCause) -> Option<u32> {
        let strict = self.env.settings.strict;
        let leg = self.records.leg(holder).filter(|_| !strict);
        let understood = leg.map_or(cause, |leg| leg.understood(cause));
        if understood != cause {
            self.count(Counter::Quirk(Quirk::FailsOn410), 1);
        }
        let dialog = self.records.dialog_mut(holder)?;
        let request = dialog.bye(Some(holder), understood);
        let cseq = request.cseq;
        self.send(request);
        Some(cseq)
    }

    /// An answer to one of our requests: to the INVITE of a leg, or to what is in flight in a dialog.
    pub(super) fn answer_received(
        &mut self,
        record: Id,
        response: &Response,
        from: MessageSource,
    ) -> Activity {
        let reinvite = self.is_reinvite(record, response.cseq);
        let refresh = match response.cseq_method {
            Method::Update => true,
            Method::Invite => reinvite,
            _ => false,
        };
        if response.cseq_method == Method::Invite && !reinvite {
            self.invite_answered(record, response, from);
        } else if response.status >= 200 {
            self.request_answered(record, response);
        }
        match refresh {
            true => Activity::DoesNotCount,
            false => Activity::Counts,
        }
    }

    /// The final answer to a request inside a dialog.
    fn request_answered(&mut self, record: Id, response: &Response) {
        let accepted = response.status < 300;
        if accepted && response.cseq_method == Method::Invite {
            self.acknowledge_reinvite(record, response);
        }
        let leg = self.records.leg(record);
        let in_flight = leg.and_then(|leg| leg.dialog.in_flight);
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
        let Some(dialog) = self.records.dialog_mut(holder) else {
            return;
        };
        let Some(request) = dialog.in_flight else {
            return;
        };
        if ended.cseq.is_some_and(|cseq| cseq != request.cseq) {
            return;
        }
        dialog.in_flight = None;
        // Only an answer names the request.
        if let Some(cseq) = ended.cseq.filter(|_| ended.status < 300) {
            dialog.confirm_target(cseq);
        }
        match request.what {
            Waiting::Notify(subscription) => {
                self.notify_answered(subscription, ended.status, ended.retry_after);
            }
            Waiting::Refresh if ended.status >= 300 => {
                let refused = RefusedRefresh {
                    cseq: request.cseq,
                    status: ended.status,
                    retry_after: ended.retry_after,
                    min_se: ended.min_se,
                };
                self.refresh_failed(holder, &refused);
            }
            Waiting::Refresh | Waiting::Bye(_) => {}
        }
        self.send_next(holder);
    }

    /// tm gave up on the one request that this record has out.
    pub(super) fn timed_out(&mut self, record: Id, status: u16) {
        let inviting = self.records.leg(record).is_some_and(|leg| {
            matches!(
                leg.state,
                LegState::Inviting { .. } | LegState::Withdrawn { .. }
            )
        });
        if inviting {
            self.invite_failed(record, status, reason_phrase(status));
        } else {
            self.request_ended(record, Ended::without_answer(status));
        }
    }

    /// The first ACK of a dialog left, or never will: what waits for it may go.
    pub(super) fn ack_sent(&mut self, id: Id) {
        if let Some(dialog) = self.records.dialog_mut(id) {
            dialog.acknowledging = None;
            self.send_next(id);
        }
    }

    /// tm refused to send: no route, no socket, or the script dropped it.
    pub(super) fn send_failed(&mut self, record: Id, method: &Method, cseq: u32, why: &str) {
        let not_sent = Note::NotSent {
            method: method.as_str(),
            why,
        };
        self.log_sent(record, Level::Warn, not_sent);
        let status = match method {
            Method::Invite if !self.is_reinvite(record, cseq) => {
                return self.invite_failed(record, 503, reason_phrase(503));
            }
            Method::Ack => return self.ack_sent(record),
            // What keeps a session alive may be tried again.
            Method::Update | Method::Invite => 503,
            Method::Bye | Method::Notify => 408,
            _ => return,
        };
        let ended = Ended {
            cseq: Some(cseq),
            ..Ended::without_answer(status)
        };
        self.request_ended(record, ended);
    }

    /// The dialog's request in flight, or its first ACK, counts as lost.
    pub(super) fn lost_requests(&mut self, record: Id) {
        let now = self.env.now;
        let Some(dialog) = self.records.dialog_mut(record) else {
            return;
        };
        let lost = dialog.in_flight.is_some_and(|sent| sent.lost_at <= now);
        let acknowledged = dialog.acknowledging.is_some_and(|until| until <= now);
        if acknowledged {
            self.ack_sent(record);
        }
        if lost {
            self.request_ended(record, Ended::without_answer(408));
        }
    }

    /// All that waits in a dialog leaves, as if each request before it had been answered: nobody will be
    /// there to wait. A BYE that still waits for the peer's ACK is not sent.
    pub(super) fn send_all_waiting(&mut self, holder: Id) {
        let before = self.actions.len();
        self.ack_sent(holder);
        for _ in 0..MOST_OWED {
            let dialog = self.records.dialog_mut(holder);
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
}
