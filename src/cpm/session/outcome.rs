//! What becomes of an INVITE to a target: provisional answers, 2xx and its forks, failure, one more try.
//! Not here: sending it and giving it up (`super::invite`).

use super::board::Parting;
use super::Session;
use crate::cpm::action::{Action, Counter, Level, Method, Outgoing};
use crate::cpm::answer::Lines;
use crate::cpm::dialog::{ByeCause, Dialog};
use crate::cpm::records::{Early, Id, Leg, LegState};
use crate::cpm::settings::LOST_REQUEST;
use crate::sip::identity::Identity;
use crate::sip::sdp::Direction;
use crate::sip::status::reason_phrase;
use crate::sip::Response;

/// How many further 2xx of one INVITE are remembered; more than that no proxy forks.
const MAX_FORKS: usize = 16;

/// Longest Retry-After that is waited for, seconds.
const LONGEST_RETRY: u32 = 30;
/// Most reliable provisional answers acknowledged per INVITE.
const MAX_PRACKS: u32 = 32;
/// Longest To-tag of an answer; RFC 3261 section 19.3 wants 32 bits of randomness in it.
const MAX_TAG: usize = 256;

impl Session<'_> {
    pub(super) fn invite_answered(&mut self, id: Id, response: &Response, trusted: bool) {
        let attempt = self.leg(id).and_then(|leg| leg.outgoing.as_ref());
        if attempt.is_none_or(|attempt| attempt.cseq != response.cseq) {
            return;
        }
        // The refusal that brought this second attempt about, once more, or what came before it.
        let waits = |leg: &Leg| matches!(leg.state, LegState::Waiting { .. });
        if response.status / 100 != 2 && self.leg(id).is_some_and(waits) {
            return;
        }
        match response.status {
            100..=199 => self.invite_progressed(id, response),
            200..=299 => self.invite_accepted(id, response, trusted),
            _ if self.invite_again(id, response) => {}
            _ => self.invite_failed(id, response.status, &response.reason),
        }
    }

    fn invite_progressed(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.leg(id) else { return };
        if !leg.is_pending() || response.status == 100 || response.status == 199 {
            return;
        }
        let watchers = leg.watchers.clone();
        if !self.acknowledge_provisional(id, response) {
            return;
        }
        if let Some(LegState::Inviting { ringing, .. }) = self.leg_mut(id).map(|leg| &mut leg.state)
        {
            *ringing = true;
        }
        let (status, who) = (response.status, self.leg_uri(id));
        self.note_leg(id, Level::Debug, |show| {
            format!("{} answered {status}", show.who(&who))
        });
        for refer in watchers {
            self.progress(refer, id, response.status, &response.reason);
        }
    }

    /// RFC 3262 section 4: a reliable provisional answer gets its PRACK, once, in its own early dialog.
    /// False: it came before, or out of its order, and means nothing.
    fn acknowledge_provisional(&mut self, id: Id, response: &Response) -> bool {
        let settings = self.env.settings;
        let reliable = response.tokens("Require").iter().any(|tag| tag == "100rel");
        let (true, Some(rseq), Some(tag)) =
            (reliable, response.seconds("RSeq"), usable_tag(response))
        else {
            return true;
        };
        let Some(leg) = self.leg_mut(id) else {
            return false;
        };
        let Some(attempt) = &mut leg.outgoing else {
            return false;
        };
        // Nothing but PRACKs follows the INVITE so far.
        if leg.dialog.local_cseq.saturating_sub(attempt.cseq) >= MAX_PRACKS {
            return false;
        }
        let answer = leg.media.accepted(response, &response.body, settings).ok();
        match attempt.early.iter_mut().find(|early| early.tag == tag) {
            Some(early) if early.rseq.checked_add(1) == Some(rseq) => {
                early.rseq = rseq;
                early.answer = early.answer.or(answer);
            }
            Some(_) => return false,
            None => attempt.early.push(Early {
                tag: tag.clone(),
                rseq,
                answer,
            }),
        }
        let rack = format!("{rseq} {} INVITE", response.cseq);
        let mut early = leg.dialog.clone();
        establish(&mut early, response);
        let headers = Lines::new().line("RAck", &rack).supported().text();
        let prack = early.request(id, Method::Prack, headers, Vec::new());
        leg.dialog.local_cseq = early.local_cseq;
        self.actions.push(Action::Send(Box::new(Outgoing {
            owner: None,
            ..prack
        })));
        true
    }

    /// Asks for a longer session where a 422 wants one. A server that is only busy for a moment is
    /// asked once more (requirements section 2.3).
    fn invite_again(&mut self, id: Id, response: &Response) -> bool {
        let wait = match (response.status, response.retry_after()) {
            (491 | 500 | 503, Some(seconds)) if seconds <= LONGEST_RETRY => {
                u64::from(seconds) * 1000
            }
            // RFC 3261 section 14.1: 2.1 to 4 s for the owner of the Call-ID.
            (491, None) => 2_100,
            (422, _) => 0,
            _ => return false,
        };
        let at = self.env.now + wait;
        let Some(leg) = self.leg_mut(id) else {
            return false;
        };
        let (LegState::Inviting { .. }, Some(attempt)) = (leg.state, &mut leg.outgoing) else {
            return false;
        };
        // RFC 4028 section 7.3: a longer interval, in a new INVITE of the same Call-ID.
        let allowed = match response.status {
            422 => leg.keepalive.raise(response.seconds("Min-SE")),
            _ => !std::mem::replace(&mut attempt.retried, true),
        };
        if !allowed {
            return false;
        }
        leg.state = LegState::Waiting { at };
        let (who, status) = (leg.uri.clone(), response.status);
        self.note_leg(id, Level::Info, |show| {
            let who = show.who(&who);
            format!("{who} answered {status}: once more in {wait} ms")
        });
        if wait == 0 {
            self.send_invite(id);
        }
        true
    }

    /// Every 2xx gets its ACK; only the first one of an INVITE still wanted makes a participant.
    fn invite_accepted(&mut self, id: Id, response: &Response, trusted: bool) {
        let Some(tag) = usable_tag(response) else {
            return self.end_unusable(id, response);
        };
        let Some(leg) = self.leg(id) else { return };
        match &leg.dialog.remote_tag {
            Some(known) if *known == tag => {
                let ack = leg.dialog.ack(response.cseq, String::new());
                self.actions.push(Action::Send(Box::new(ack)));
            }
            Some(_) => self.end_fork(id, tag, response),
            None => self.dialog_confirmed(id, response, trusted),
        }
    }

    fn dialog_confirmed(&mut self, id: Id, response: &Response, trusted: bool) {
        let until = self.env.now + LOST_REQUEST;
        let Some(leg) = self.leg_mut(id) else { return };
        establish(&mut leg.dialog, response);
        leg.dialog.acknowledging = Some(until);
        let ack = Outgoing {
            owner: Some(id),
            ..leg.dialog.ack(response.cseq, String::new())
        };
        let wanted = leg.is_pending();
        let who = leg.uri.clone();
        self.actions.push(Action::Send(Box::new(ack)));
        if !wanted {
            self.note_leg(id, Level::Info, |show| {
                format!("2xx of {} crossed our CANCEL: BYE", show.who(&who))
            });
            return self.hang_up(id, ByeCause::Replaced);
        }
        let answer = self.answer_of(id, response);
        self.head.pending = self.head.pending.saturating_sub(1);
        let direction = match answer {
            Ok(direction) => direction,
            Err(why) => {
                self.count(Counter::InvitesFailed, 1);
                self.note_leg(id, Level::Info, |show| {
                    let who = show.who(&who);
                    format!("{who} answered with SDP that cannot be used ({why}): BYE")
                });
                self.settle_watchers(id, 488, reason_phrase(488));
                return self.hang_up(id, ByeCause::NotAcceptable);
            }
        };
        let now = self.env.now;
        if let Some(leg) = self.leg_mut(id) {
            leg.state = LegState::Connected;
            leg.media.direction = direction;
            leg.keepalive.agree(response, now);
        }
        if trusted {
            self.learn_identities(id, response);
        }
        self.connected();
        self.count(Counter::InvitesAccepted, 1);
        self.note_leg(id, Level::Info, |show| format!("{} joined", show.who(&who)));
        self.settle_watchers(id, response.status, &response.reason);
    }

    /// The answer to our offer: in the 2xx, or before it in a reliable provisional answer of the same dialog.
    fn answer_of(&mut self, id: Id, response: &Response) -> Result<Direction, String> {
        let settings = self.env.settings;
        let Some(leg) = self.leg_mut(id) else {
            return Err("nobody is being invited".into());
        };
        let attempt = leg.outgoing.as_mut();
        let early = attempt.map_or(Vec::new(), |attempt| std::mem::take(&mut attempt.early));
        if !response.body.is_empty() {
            return leg.media.accepted(response, &response.body, settings);
        }
        let mine = |early: &&Early| response.to_tag.as_ref() == Some(&early.tag);
        let answered = early.iter().find(mine).and_then(|early| early.answer);
        answered.ok_or_else(|| "no SDP".into())
    }

    /// R1.3b: what the answerer's network asserts is one more name of the participant, unless it is another's.
    fn learn_identities(&mut self, id: Id, response: &Response) {
        let hidden = response.privacy().hides_name();
        let name = response.asserted_name().filter(|_| !hidden);
        for uri in response.asserted_identities() {
            let identity = Identity::of(&uri);
            let known = self.member(std::slice::from_ref(&identity));
            let Some(leg) = self
                .leg_mut(id)
                .filter(|_| known.is_none_or(|who| who == id))
            else {
                continue;
            };
            if known.is_none() {
                leg.identities.push(identity);
            }
            leg.display_name.clone_from(&name);
        }
    }

    /// RFC 3261 section 13.2.2.4: a further 2xx is a dialog of its own: ACK, then BYE; the first one stays.
    fn end_fork(&mut self, id: Id, tag: String, response: &Response) {
        let Some(leg) = self.leg_mut(id) else { return };
        let known = leg.forks.contains(&tag);
        // Its CSeq goes on from ours, which is above that of any PRACK the fork has had.
        let mut fork = leg.dialog.clone();
        establish(&mut fork, response);
        let ack = fork.ack(response.cseq, String::new());
        let bye = Outgoing {
            owner: None,
            ..fork.request(id, Method::Bye, ByeCause::Replaced.headers(), Vec::new())
        };
        if !known && leg.forks.len() < MAX_FORKS {
            leg.forks.push(tag);
        }
        self.actions.push(Action::Send(Box::new(ack)));
        if !known {
            let line = "a second 2xx of one INVITE: ACK, BYE";
            self.note_leg(id, Level::Info, |_| line.into());
            self.actions.push(Action::Send(Box::new(bye)));
        }
    }

    /// A 2xx without a To-tag, or with one of any length, makes no dialog that could be kept. Whoever sent
    /// it believes in one: ACK and BYE, as well as they can be addressed.
    fn end_unusable(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.leg_mut(id) else { return };
        if leg.dialog.remote_tag.is_some() || leg.state == LegState::Left {
            return;
        }
        let mut dialog = leg.dialog.clone();
        establish(&mut dialog, response);
        let ack = dialog.ack(response.cseq, String::new());
        let cause = ByeCause::NotAcceptable.headers();
        let bye = Outgoing {
            owner: None,
            ..dialog.request(id, Method::Bye, cause, Vec::new())
        };
        self.note_leg(id, Level::Warn, |_| {
            "2xx without usable To-tag: ACK, BYE".into()
        });
        self.actions.push(Action::Send(Box::new(ack)));
        self.actions.push(Action::Send(Box::new(bye)));
        self.invite_failed(id, 502, reason_phrase(502));
    }

    pub(super) fn invite_failed(&mut self, id: Id, status: u16, reason: &str) {
        let Some(leg) = self.leg_mut(id) else { return };
        let was_pending = leg.is_pending();
        if leg.is_connected() || leg.state == LegState::Left {
            return;
        }
        leg.state = LegState::Left;
        let who = leg.uri.clone();
        if was_pending {
            self.head.pending = self.head.pending.saturating_sub(1);
            self.count(Counter::InvitesFailed, 1);
            self.note_leg(id, Level::Info, |show| {
                format!("{} not reached: {status}", show.who(&who))
            });
            self.settle_watchers(id, status, reason);
            self.parts(id, Parting::failed(status, reason));
        }
    }
}

/// The To-tag. Forked answers bring many, which are all remembered: not at any length.
fn usable_tag(response: &Response) -> Option<String> {
    let tag = response.to_tag.clone()?;
    (tag.len() <= MAX_TAG).then_some(tag)
}

/// The state of a dialog from the 2xx to our INVITE (RFC 3261 section 12.1.2).
fn establish(dialog: &mut Dialog, response: &Response) {
    dialog.remote_tag.clone_from(&response.to_tag);
    dialog.refresh_target(response.contact());
    dialog.route_set = response.record_route();
    dialog.route_set.reverse();
}
