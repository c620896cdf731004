//! Keeping sessions alive: refreshes by UPDATE or re-INVITE, and legs nobody refreshed (RFC 4028).
//! Not here: what two ends agree on (`crate::cpm::timer`), refreshes of the peer (`super::offers`).

use super::dialogs::Next;
use super::Session;
use crate::cpm::action::{Action, Level, Method};
use crate::cpm::answer::Lines;
use crate::cpm::dialog::{ByeCause, InFlight, Waiting};
use crate::cpm::records::Id;
use crate::cpm::settings::Millis;
use crate::sip::Response;

/// How a refresh was refused.
pub(super) struct Refused {
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<u32>,
    pub min_se: Option<u32>,
}

impl Session<'_> {
    /// A deadline of the leg's session timer came, if it has one.
    pub(super) fn timer_deadline(&mut self, id: Id) {
        let now = self.env.now;
        let Some(leg) = self.leg_mut(id) else { return };
        if !leg.is_connected() {
            return;
        }
        let Some(timer) = &mut leg.keepalive.timer else {
            return;
        };
        if timer.expires <= now {
            return self.expire(id, "nobody refreshed the session in time");
        }
        if timer.refresh_at.take_if(|at| *at <= now).is_some() {
            self.queue_refresh(id);
        }
    }

    fn queue_refresh(&mut self, id: Id) {
        let Some(leg) = self.leg_mut(id) else { return };
        if !leg.dialog.waiting.contains(&Waiting::Refresh) {
            leg.dialog.waiting.push_back(Waiting::Refresh);
        }
        self.pump(id);
    }

    /// The leg is given up; whoever it is may come back (G8).
    fn expire(&mut self, id: Id, why: &str) {
        let who = self.leg(id).map(|leg| leg.uri.clone()).unwrap_or_default();
        self.note_leg(id, Level::Info, |show| {
            format!("{why}: BYE to {}", show.who(&who))
        });
        self.hang_up(id, ByeCause::Expired);
    }

    /// UPDATE where the peer takes one, else a re-INVITE that changes nothing (RFC 4028 section 7.4).
    pub(super) fn send_refresh(&mut self, id: Id) -> Next {
        let settings = self.env.settings;
        let Some(leg) = self.leg_mut(id) else {
            return Next::Nothing;
        };
        let due = leg
            .keepalive
            .timer
            .is_some_and(|timer| timer.ours && timer.refresh_at.is_none());
        if !leg.is_connected() || !due {
            return Next::Nothing;
        }
        let lines = Lines::new().contact(&leg.dialog.contact).capabilities();
        let lines = leg.keepalive.ask(lines, settings);
        let request = if leg.keepalive.peer_updates {
            let headers = lines.text();
            leg.dialog.request(id, Method::Update, headers, Vec::new())
        } else {
            let headers = lines.line("Content-Type", "application/sdp").text();
            let body = leg.media.text(settings);
            let request = leg.dialog.request(id, Method::Invite, headers, body);
            leg.keepalive.reinvite = Some(request.cseq);
            request
        };
        let cseq = request.cseq;
        self.actions.push(Action::Send(Box::new(request)));
        Next::Sent(cseq)
    }

    /// Whether an answer to INVITE is one to our latest re-INVITE.
    pub(super) fn is_reinvite(&mut self, id: Id, cseq: u32) -> bool {
        self.leg(id)
            .is_some_and(|leg| leg.keepalive.reinvite == Some(cseq))
    }

    /// Whether an answer only tells of keeping a leg alive.
    pub(super) fn is_refresh(&mut self, id: Id, response: &Response) -> bool {
        match response.cseq_method.as_str() {
            "UPDATE" => true,
            "INVITE" => self.is_reinvite(id, response.cseq),
            _ => false,
        }
    }

    /// Every 2xx to our re-INVITE gets its ACK, also when it comes again or too late.
    pub(super) fn acknowledge(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.leg(id) else { return };
        if leg.dialog.remote_tag != response.to_tag {
            return;
        }
        let mut dialog = leg.dialog.clone();
        dialog.refresh_target(response.contact());
        let ack = dialog.ack(response.cseq, String::new());
        self.actions.push(Action::Send(Box::new(ack)));
    }

    /// A 2xx to the refresh in flight.
    pub(super) fn refreshed(&mut self, id: Id, response: &Response) {
        let (now, settings) = (self.env.now, self.env.settings);
        let Some(leg) = self.leg_mut(id) else { return };
        leg.dialog.refresh_target(response.contact());
        if !leg.is_connected() {
            return;
        }
        leg.keepalive.agree(response, now);
        // RFC 3264 section 8: an answer without SDP would be wrong, but leaves the session as it was.
        if response.cseq_method != "INVITE" || response.body.is_empty() {
            return;
        }
        match leg.media.accepted(response, &response.body, settings) {
            Ok(direction) => leg.media.direction = direction,
            Err(why) => {
                self.note_leg(id, Level::Info, |_| {
                    format!("a re-INVITE was answered with SDP that cannot be used ({why}): BYE")
                });
                self.hang_up(id, ByeCause::NotAcceptable);
            }
        }
    }

    /// The refresh in flight was refused, or nobody answered (RFC 4028 section 10).
    pub(super) fn refresh_failed(&mut self, id: Id, sent: InFlight, refused: &Refused) {
        let now = self.env.now;
        let pause = self.glare_pause(id);
        let Some(leg) = self.leg_mut(id) else { return };
        if !leg.is_connected() {
            return;
        }
        let was_invite = leg.keepalive.reinvite == Some(sent.cseq);
        let again = match (refused.status, refused.retry_after) {
            // Nobody is there any more (RFC 4028 section 10, RFC 5057 section 5.1).
            (404 | 408 | 410 | 481 | 604, _) => {
                let why = format!("a refresh got {}", refused.status);
                return self.expire(id, &why);
            }
            (422, _) if leg.keepalive.raise(refused.min_se) => Some(now),
            (491, _) => Some(now + pause),
            (500 | 503, Some(seconds)) => Some(now + u64::from(seconds.max(1)) * 1000),
            _ if !was_invite => {
                leg.keepalive.peer_updates = false;
                Some(now)
            }
            // Asking the same again is no use: the session ends by its timer.
            _ => None,
        };
        let who = leg.uri.clone();
        if let Some(timer) = &mut leg.keepalive.timer {
            timer.refresh_at = again.filter(|at| *at > now);
        }
        self.note_leg(id, Level::Info, |show| {
            format!("a refresh got {} of {}", refused.status, show.who(&who))
        });
        if again == Some(now) {
            self.queue_refresh(id);
        }
    }

    /// RFC 3261 section 14.1, in steps of 10 ms: 2.1 to 4 s for the owner of the Call-ID, up to 2 s
    /// for the other.
    fn glare_pause(&mut self, id: Id) -> Millis {
        let chance = (self.env.random)();
        match self.leg(id).is_some_and(|leg| leg.outgoing.is_some()) {
            true => 2_100 + (chance % 191) as Millis * 10,
            false => 10 + (chance % 200) as Millis * 10,
        }
    }
}
