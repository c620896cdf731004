//! What the INVITE to a target comes to: provisional answers, 2xx, failure, one more try.

use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::client_forms::fails_on_410;
use crate::cpm::departure_reason::Departure;
use crate::cpm::header_lines::HeaderLines;
use crate::cpm::input::MessageSource;
use crate::cpm::note::Note;
use crate::cpm::outgoing_message::OutgoingRequest;
use crate::cpm::quirk::Quirk;
use crate::cpm::records::ids::Id;
use crate::cpm::records::leg::{EarlyAnswer, EarlyDialog};
use crate::cpm::records::{ByeCause, LegState};
use crate::cpm::stray_answer::MAX_ACKS;
use crate::cpm::time::{millis, LONGEST_RETRY, LOST_REQUEST, SIXTY_FOUR_T1};
use crate::sip::sdp::Direction;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::status::reason_phrase;
use crate::sip::{Method, Response, Tag};

/// Most reliable provisional answers acknowledged per INVITE.
const MAX_PRACKS: u32 = 32;
/// Longest To-tag of an answer; RFC 3261 section 19.3 wants 32 bits of randomness in it.
const MAX_TAG: usize = 256;

impl Session<'_> {
    /// An answer to the INVITE of a leg.
    pub(super) fn invite_answered(&mut self, id: Id, response: &Response, from: MessageSource) {
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let attempt = leg.outgoing.as_ref();
        if attempt.is_none_or(|attempt| attempt.cseq != response.cseq) {
            return;
        }
        // The refusal that brought this second attempt about, once more, or what came before it.
        let waits = matches!(leg.state, LegState::Waiting { .. });
        if waits && response.status / 100 != 2 {
            return;
        }
        match response.status {
            100..=199 => self.invite_progressed(id, response),
            200..=299 => self.invite_accepted(id, response, from),
            _ if self.invite_again(id, response) => {}
            488 if self.invite_in_other_form(id) => {}
            _ => self.invite_failed(id, response.status, &response.reason),
        }
    }

    fn invite_progressed(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        if !leg.is_pending() || response.status == 100 || response.status == 199 {
            return;
        }
        let (targets, who) = (leg.awaited_by.clone(), leg.who());
        if !self.acknowledge_provisional(id, response) {
            return;
        }
        let leg = self.records.leg_mut(id);
        if let Some(LegState::Inviting { ringing, .. }) = leg.map(|leg| &mut leg.state) {
            *ringing = true;
        }
        let status = response.status;
        self.log_leg(id, Level::Debug, Note::Progress(who.to_ref(), status));
        for awaiting in targets {
            self.report_progress(awaiting, response.status, &response.reason);
        }
    }

    /// A reliable provisional answer gets its PRACK, once, in its own early dialog (RFC 3262 section 4).
    /// False: it came before, or out of its order, and means nothing.
    fn acknowledge_provisional(&mut self, id: Id, response: &Response) -> bool {
        let settings = self.env.settings;
        let reliable = response.tokens("Require").iter().any(|tag| tag == "100rel");
        let (true, Some(rseq), Some(tag)) =
            (reliable, response.seconds("RSeq"), usable_tag(response))
        else {
            return true;
        };
        let Some(leg) = self.records.leg_mut(id) else {
            return false;
        };
        let Some(attempt) = &mut leg.outgoing else {
            return false;
        };
        // Nothing but PRACKs follows the INVITE so far.
        if leg.dialog.local_cseq.saturating_sub(attempt.cseq) >= MAX_PRACKS {
            return false;
        }
        let mut body = Vec::new();
        let answer = match attempt.forms.no_offer {
            // RFC 3262 section 5: an offer in a reliable provisional answer is answered in its PRACK.
            true => match leg.media.answering(response, settings) {
                Ok(None) => EarlyAnswer::None,
                Ok(Some(shape)) => {
                    let direction = shape.direction;
                    leg.media.shape = shape;
                    body = leg.media.text(settings);
                    EarlyAnswer::Usable(direction)
                }
                Err(_) => {
                    body = leg.media.refusing(response, settings).unwrap_or_default();
                    EarlyAnswer::Unusable
                }
            },
            false if response.body.is_empty() => EarlyAnswer::None,
            false => match leg.media.accepted(response, &response.body, settings) {
                Ok(direction) => EarlyAnswer::Usable(direction),
                Err(_) => EarlyAnswer::Unusable,
            },
        };
        match attempt.early.iter_mut().find(|early| early.tag == tag) {
            Some(early) if early.rseq.checked_add(1) == Some(rseq) => {
                early.rseq = rseq;
                if early.answer == EarlyAnswer::None {
                    early.answer = answer;
                }
            }
            Some(_) => return false,
            None => attempt.early.push(EarlyDialog { tag, rseq, answer }),
        }
        let rack = format!("{rseq} {} INVITE", response.cseq);
        let kind = (!body.is_empty()).then_some(SDP);
        let headers = HeaderLines::new()
            .line("RAck", &rack)
            .supported()
            .maybe("Content-Type", kind)
            .text();
        let mut early = leg.dialog.clone();
        early.establish(response);
        let prack = early.request(None, Method::Prack, headers, body);
        leg.dialog.local_cseq = early.local_cseq;
        self.send(prack);
        true
    }

    /// Asks for a longer session where a 422 wants one. A server that is only busy for a moment is
    /// asked once more (requirements section 2.3).
    fn invite_again(&mut self, id: Id, response: &Response) -> bool {
        let wait = match (response.status, response.retry_after()) {
            (491 | 500 | 503, Some(seconds)) if seconds <= LONGEST_RETRY => millis(seconds),
            // RFC 3261 section 14.1: 2.1 to 4 s for the owner of the Call-ID.
            (491, None) => 2_100,
            (422, _) => 0,
            _ => return false,
        };
        let at = self.env.now + wait;
        let Some(leg) = self.records.leg_mut(id) else {
            return false;
        };
        let (LegState::Inviting { .. }, Some(attempt)) = (leg.state, &mut leg.outgoing) else {
            return false;
        };
        // RFC 4028 section 7.3: a longer interval, in a new INVITE of the same Call-ID.
        let in_time = attempt.ring_until.is_none_or(|until| at < until);
        let allowed = match response.status {
            _ if !in_time => false,
            422 => leg.timer.raise(response.seconds("Min-SE")),
            _ => !std::mem::replace(&mut attempt.retried, true),
        };
        if !allowed {
            return false;
        }
        leg.state = LegState::Waiting { at };
        let (who, status) = (leg.who(), response.status);
        let once_more = Note::OnceMore(who.to_ref(), status, wait);
        self.log_leg(id, Level::Info, once_more);
        if wait == 0 {
            self.send_invite(id);
        }
        true
    }

    /// A target that does not take our INVITE in the one form is asked once in the other.
    fn invite_in_other_form(&mut self, id: Id) -> bool {
        let at = self.env.now;
        let Some(leg) = self.records.leg_mut(id) else {
            return false;
        };
        let (LegState::Inviting { .. }, Some(attempt)) = (leg.state, &mut leg.outgoing) else {
            return false;
        };
        if std::mem::replace(&mut attempt.tried_other_form, true) {
            return false;
        }
        attempt.forms = attempt.forms.other();
        let form = attempt.forms;
        leg.state = LegState::Waiting { at };
        let who = leg.who();
        let other_form = Note::OtherForm {
            who: who.to_ref(),
            text: form.text,
        };
        self.log_leg(id, Level::Info, other_form);
        self.send_invite(id);
        true
    }

    /// What a target took after it had refused the usual form. The next ones are asked so at once, unless
    /// something is missing from it.
    fn learn_form(&mut self, id: Id) {
        let attempt = self.records.leg(id).and_then(|leg| leg.outgoing.as_ref());
        if let Some(attempt) = attempt.filter(|attempt| attempt.tried_other_form) {
            self.head.forms.text |= attempt.forms.text;
            self.count(Counter::Quirk(Quirk::OtherForm), 1);
        }
    }

    /// Every 2xx gets its ACK; only the first one of an INVITE still wanted makes a participant.
    fn invite_accepted(&mut self, id: Id, response: &Response, from: MessageSource) {
        let Some(tag) = usable_tag(response) else {
            return self.end_unusable(id, response);
        };
        let now = self.env.now;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let Some(known) = leg.dialog.remote_tag.clone() else {
            return self.dialog_confirmed(id, response, from);
        };
        let Some(attempt) = &mut leg.outgoing else {
            return;
        };
        let late = attempt.answerable_until.is_none_or(|until| until <= now);
        match known == tag {
            _ if late => {}
            true if attempt.acks >= MAX_ACKS => {}
            true => {
                attempt.acks += 1;
                let ack = leg.ack(response, self.env.settings);
                self.send(ack);
            }
            false => self.end_fork(id, tag, response),
        }
    }

    fn dialog_confirmed(&mut self, id: Id, response: &Response, from: MessageSource) {
        let until = self.env.now + LOST_REQUEST;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        leg.dialog.establish(response);
        leg.dialog.peer = Some(from.address.to_canonical());
        leg.dialog.acknowledging = Some(until);
        if let Some(attempt) = &mut leg.outgoing {
            attempt.acks = 1;
            attempt.answerable_until = Some(until + SIXTY_FOUR_T1);
        }
        leg.fails_on_410 = fails_on_410(response);
        let wanted = leg.is_pending();
        let who = leg.who();
        let described = self.describe_by_answer(id, response);
        if let Some(leg) = self.records.leg(id) {
            let ack = leg.ack(response, self.env.settings);
            self.send(OutgoingRequest {
                owner: Some(id),
                ..ack
            });
        }
        if !wanted {
            self.log_leg(id, Level::Info, Note::CrossedCancel(who.to_ref()));
            return self.end_leg(id, ByeCause::Replaced);
        }
        self.head.pending = self.head.pending.saturating_sub(1);
        let direction = match described {
            Ok(direction) => direction,
            Err(why) => {
                self.count(Counter::InvitesFailed, 1);
                let unusable = Note::UnusableAnswer(who.to_ref(), &why);
                self.log_leg(id, Level::Info, unusable);
                self.settle_leg(id, 488, reason_phrase(488));
                return self.end_leg(id, ByeCause::NotAcceptable);
            }
        };
        let now = self.env.now;
        if let Some(leg) = self.records.leg_mut(id) {
            leg.state = LegState::Connected;
            leg.media.direction = direction;
            // RFC 3323 section 4.2: from now on others are not to learn who it is.
            leg.hidden |= response.privacy().hides_name();
            leg.timer.agree(response, now);
            // It is not needed any more.
            if let Some(attempt) = &mut leg.outgoing {
                attempt.early.clear();
            }
        }
        if from.trusted {
            self.learn_identities(id, response);
        }
        self.count_connected();
        self.count(Counter::InvitesAccepted, 1);
        self.learn_form(id);
        let who = self.who_of_leg(id).unwrap_or(who);
        self.log_leg(id, Level::Info, Note::Joined(who.to_ref()));
        self.settle_leg(id, response.status, &response.reason);
    }

    /// Which way messages flow by the SDP of the 2xx.
    ///
    /// # Errors
    /// Why it cannot be used, for the log.
    fn describe_by_answer(&mut self, id: Id, response: &Response) -> Result<Direction, String> {
        let leg = self.records.leg(id);
        let attempt = leg.and_then(|leg| leg.outgoing.as_ref());
        match attempt.is_some_and(|attempt| attempt.forms.no_offer) {
            true => self.offer_of_target(id, response),
            false => self.answer_to_offer(id, response),
        }
    }

    /// The offer of a target that we sent none. A 2xx without one brings no media.
    fn offer_of_target(&mut self, id: Id, response: &Response) -> Result<Direction, String> {
        let settings = self.env.settings;
        let Some(leg) = self.records.leg_mut(id) else {
            return Err("nobody is being invited".into());
        };
        let Some(shape) = leg.media.answering(response, settings)? else {
            return self.answered_early(id, response);
        };
        let direction = shape.direction;
        leg.media.shape = shape;
        if let Some(attempt) = &mut leg.outgoing {
            attempt.answered = true;
        }
        Ok(direction)
    }

    /// A 2xx without SDP: a participant without media, unless `strict`.
    fn no_media(&mut self, id: Id) -> Result<Direction, String> {
        if self.env.settings.strict {
            return Err("no SDP".into());
        }
        if let Some(leg) = self.records.leg_mut(id) {
            leg.media.absent = true;
        }
        self.count(Counter::Quirk(Quirk::AnswerWithoutSdp), 1);
        Ok(Direction::Inactive)
    }

    /// The answer to our offer: in the 2xx, or before it in a reliable provisional answer of the same
    /// dialog.
    fn answer_to_offer(&mut self, id: Id, response: &Response) -> Result<Direction, String> {
        let settings = self.env.settings;
        let Some(leg) = self.records.leg_mut(id) else {
            return Err("nobody is being invited".into());
        };
        match response.body.is_empty() {
            true => self.answered_early(id, response),
            false => leg.media.accepted(response, &response.body, settings),
        }
    }

    /// What the reliable provisional answers of the same dialog said of the media, as the 2xx says nothing.
    fn answered_early(&mut self, id: Id, response: &Response) -> Result<Direction, String> {
        let leg = self.records.leg(id);
        let attempt = leg.and_then(|leg| leg.outgoing.as_ref());
        let mut early = attempt.into_iter().flat_map(|attempt| &attempt.early);
        let mine = early.find(|early| response.to_tag.as_ref() == Some(&early.tag));
        match mine.map_or(EarlyAnswer::None, |early| early.answer) {
            EarlyAnswer::Usable(direction) => Ok(direction),
            EarlyAnswer::Unusable => Err("its provisional answer had none that is usable".into()),
            EarlyAnswer::None => self.no_media(id),
        }
    }

    /// R1.3b: what the answerer's network asserts is one more name of the participant, unless it is
    /// somebody else's.
    fn learn_identities(&mut self, id: Id, response: &Response) {
        let hidden = response.privacy().hides_name();
        let name = response.asserted_name().filter(|_| !hidden);
        for uri in response.asserted_identities() {
            let identity = self.identity_of(&uri);
            let known = self.records.member(std::slice::from_ref(&identity));
            if known.is_some_and(|other| other != id) {
                continue;
            }
            if let Some(leg) = self.records.leg_mut(id) {
                if known.is_none() {
                    leg.identities.push(identity);
                }
                leg.display_name.clone_from(&name);
            }
        }
    }

    /// The INVITE of a leg came to nothing.
    pub(super) fn invite_failed(&mut self, id: Id, status: u16, reason: &str) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let (was_pending, unasked) = (leg.is_pending(), leg.is_unasked());
        if leg.is_connected() || leg.state == LegState::Left {
            return;
        }
        leg.state = LegState::Left;
        let who = leg.who();
        if unasked {
            self.count(Counter::InvitesWaiting, -1);
        }
        if was_pending {
            self.head.pending = self.head.pending.saturating_sub(1);
            self.count(Counter::InvitesFailed, 1);
            self.log_leg(id, Level::Info, Note::NotReached(who.to_ref(), status));
            self.settle_leg(id, status, reason);
            self.note_departure(id, Departure::not_reached(status, reason));
        }
    }
}

/// The To-tag. Those of forks are all kept, so a long one is refused.
pub(super) fn usable_tag(response: &Response) -> Option<Tag> {
    response.to_tag.clone().filter(|tag| tag.len() <= MAX_TAG)
}
