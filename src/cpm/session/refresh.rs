//! Keeping sessions alive: our refreshes by UPDATE or re-INVITE, and legs nobody refreshed (RFC 4028).

use super::Session;
use crate::cpm::action::Level;
use crate::cpm::client_forms::ClientForms;
use crate::cpm::header_lines::HeaderLines;
use crate::cpm::note::Note;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{ByeCause, RunningTimer, Waiting};
use crate::cpm::time::{millis, Millis};
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::{Method, Response};

/// How a refresh of ours was refused.
pub(super) struct RefusedRefresh {
    pub cseq: u32,
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// Seconds.
    pub min_se: Option<u32>,
}

impl Session<'_> {
    /// A deadline of the leg's session timer came, if it has one.
    pub(super) fn session_timer_deadline(&mut self, id: Id) {
        let now = self.env.now;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        if !leg.is_connected() {
            return;
        }
        let Some(timer) = &mut leg.timer.running else {
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
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        if !leg.dialog.waiting.contains(&Waiting::Refresh) {
            leg.dialog.waiting.push_back(Waiting::Refresh);
        }
        self.send_next(id);
    }

    /// Gives up a leg that nobody refreshed. The participant may come back (G8).
    fn expire(&mut self, id: Id, why: &str) {
        if let Some(who) = self.who_of_leg(id) {
            let who = who.to_ref();
            self.log_leg(id, Level::Info, Note::Expired { why, who });
        }
        self.end_leg(id, ByeCause::Expired);
    }

    /// UPDATE where the peer takes one, else a re-INVITE that changes nothing (RFC 4028 section 7.4).
    /// Gives its CSeq.
    pub(super) fn send_refresh(&mut self, id: Id) -> Option<u32> {
        let settings = self.env.settings;
        let leg = self.records.leg_mut(id)?;
        let timer = leg.timer.running;
        let due = timer.is_some_and(|timer| timer.ours && timer.refresh_at.is_none());
        if !leg.is_connected() || !due {
            return None;
        }
        let attempt = leg.outgoing.as_ref();
        let forms = attempt.map_or(ClientForms::default(), |attempt| attempt.forms);
        let lines = HeaderLines::new()
            .contact_in(&leg.dialog.contact, forms)
            .capabilities();
        let lines = leg.timer.asking_lines(lines, settings);
        let request = if leg.timer.peer_updates {
            leg.dialog
                .request(Some(id), Method::Update, lines.text(), Vec::new())
        } else {
            let headers = lines.line("Content-Type", SDP).text();
            let body = leg.media.text(settings);
            let request = leg.dialog.request(Some(id), Method::Invite, headers, body);
            leg.timer.reinvite = Some(request.cseq);
            request
        };
        let cseq = request.cseq;
        self.send(request);
        Some(cseq)
    }

    /// Whether this CSeq is that of our latest re-INVITE in the leg's dialog.
    pub(super) fn is_reinvite(&mut self, id: Id, cseq: u32) -> bool {
        let leg = self.records.leg(id);
        leg.is_some_and(|leg| leg.timer.reinvite == Some(cseq))
    }

    /// Every 2xx to our re-INVITE gets its ACK, also when it comes again or too late.
    pub(super) fn acknowledge_reinvite(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        if leg.dialog.remote_tag != response.to_tag {
            return;
        }
        let mut dialog = leg.dialog.clone();
        dialog.refresh_target(response.contact());
        self.send(dialog.ack(response.cseq));
    }

    /// A 2xx to the refresh in flight.
    pub(super) fn refreshed(&mut self, id: Id, response: &Response) {
        let (now, settings) = (self.env.now, self.env.settings);
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        leg.dialog.refresh_target(response.contact());
        if !leg.is_connected() {
            return;
        }
        leg.timer.agree(response, now);
        // RFC 3264 section 8: an answer without SDP would be wrong, but leaves the session as it was.
        if response.cseq_method != Method::Invite || response.body.is_empty() {
            return;
        }
        match leg.media.accepted(response, &response.body, settings) {
            Ok(direction) => {
                leg.media.direction = direction;
                leg.media.absent = false;
            }
            // Who had none still wants none.
            Err(_) if leg.media.absent => {}
            Err(why) => {
                self.log_leg(id, Level::Info, Note::UnusableRefresh(&why));
                self.end_leg(id, ByeCause::NotAcceptable);
            }
        }
    }

    /// The refresh in flight was refused, or nobody answered (RFC 4028 section 10).
    pub(super) fn refresh_failed(&mut self, id: Id, refused: &RefusedRefresh) {
        let now = self.env.now;
        let pause = self.glare_pause(id);
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        if !leg.is_connected() {
            return;
        }
        let was_invite = leg.timer.reinvite == Some(refused.cseq);
        let again = match (refused.status, refused.retry_after) {
            // Nobody is there any more (RFC 4028 section 10, RFC 5057 section 5.1).
            (404 | 408 | 410 | 481 | 604, _) => {
                let why = format!("a refresh got {}", refused.status);
                return self.expire(id, &why);
            }
            (422, _) if leg.timer.raise(refused.min_se) => Some(now),
            (491, _) => Some(now + pause),
            // Somebody without media is there, and wants none of our offer either.
            (488, _) if leg.media.absent => {
                if let Some(timer) = &mut leg.timer.running {
                    *timer = RunningTimer::start(now, timer.interval, timer.ours);
                }
                return;
            }
            (500 | 503, Some(seconds)) => Some(now + millis(seconds.max(1))),
            _ if !was_invite => {
                leg.timer.peer_updates = false;
                Some(now)
            }
            // Asking the same again is no use: the session ends by its timer.
            _ => None,
        };
        let who = leg.who();
        if let Some(timer) = &mut leg.timer.running {
            timer.refresh_at = again.filter(|at| *at > now);
        }
        let failed = Note::RefreshFailed(refused.status, who.to_ref());
        self.log_leg(id, Level::Info, failed);
        if again == Some(now) {
            self.queue_refresh(id);
        }
    }

    /// RFC 3261 section 14.1, in steps of 10 ms: 2.1 to 4 s for the owner of the Call-ID, up to 2 s
    /// for the other.
    fn glare_pause(&mut self, id: Id) -> Millis {
        let chance = (self.env.random)();
        let leg = self.records.leg(id);
        match leg.is_some_and(|leg| leg.outgoing.is_some()) {
            true => 2_100 + (chance % 191) as Millis * 10,
            false => 10 + (chance % 200) as Millis * 10,
        }
    }
}
