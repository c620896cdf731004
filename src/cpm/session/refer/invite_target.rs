//! Step 8 of the procedure: an INVITE from the focus to one target, sent in its turn, and withdrawn when
//! nobody wants it any more.

use crate::cpm::action::{Action, Counter, Level};
use crate::cpm::client_forms::ClientForms;
use crate::cpm::departure_reason::Departure;
use crate::cpm::header_lines::{HeaderLines, IN_REPLY_TO, SERVICE};
use crate::cpm::note::Note;
use crate::cpm::records::ids::{Id, TransactionId};
use crate::cpm::records::leg::{Appearance, Attempt, Turns};
use crate::cpm::records::sealed::Sealed;
use crate::cpm::records::{Dialog, Leg, LegProfile, LegState, Media, Record, SessionTimer};
use crate::cpm::redact::Who;
use crate::cpm::session::{Activity, Session};
use crate::cpm::time::{Millis, LOST_REQUEST};
use crate::sip::multipart::NewPart;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;
use crate::sip::Method;

/// INVITEs of one fan-out that leave at once; the rest follows at `invite_rate`, never more than that together.
const BURST: u32 = 10;
/// What the header lines of the usual INVITE need, bytes.
const INVITE_ROOM: usize = 2048;
/// How long INVITEs that follow are kept back to leave together, ms: once awake, one costs less than alone.
const SLICE: Millis = 100;

/// What an INVITE says of the REFER that asked for it.
struct Asked {
    /// The referrer is not to be named.
    anonymously: bool,
    /// Referred-By
    referred_by: String,
    /// Session-Replaces
    session_replaces: Option<String>,
    /// The record of what it tells of the list.
    history: Option<Id>,
}

/// Paces the INVITEs of one fan-out.
pub(super) struct Pace {
    /// INVITEs per second; 0: no pacing.
    rate: u32,
    begun: u32,
}

impl Pace {
    /// `rate` in INVITEs per second; 0: no pacing.
    pub(in crate::cpm::session) fn new(rate: u32) -> Pace {
        Pace { rate, begun: 0 }
    }

    /// How long the next INVITE waits for its turn.
    pub(in crate::cpm::session) fn next_delay(&mut self) -> Millis {
        self.begun = self.begun.saturating_add(1);
        let turn = u64::from(self.begun.saturating_sub(BURST));
        let burst = u64::from(BURST) * 1000;
        let slice = burst.checked_div(u64::from(self.rate)).unwrap_or(0);
        let delay = (turn * 1000).checked_div(u64::from(self.rate)).unwrap_or(0);
        delay.next_multiple_of(slice.clamp(1, SLICE))
    }
}

impl Session<'_> {
    /// Makes the leg of the target with this record, and asks for its INVITE to be sent after `delay`, or later if a rate says
    /// so.
    pub(in crate::cpm::session) fn invite(&mut self, id: Id, target: &Uri, delay: Millis) {
        let env = self.env;
        let record = self.records.target(id);
        let (order, hidden) = record.map_or((None, false), |it| (Some(it.refer), it.hidden));
        let order = order.and_then(|refer| self.records.refer(refer));
        let (arrived, referrer, label) = match order {
            Some(order) => {
                let named = (!order.is_unnamed()).then(|| order.referrer.clone());
                (order.socket, named, Some(order.label))
            }
            None => (None, None, None),
        };
        let turn = self.turn_of_session();
        let delay = delay.max(turn);
        let at = env.now + delay;
        let dialog = Dialog::towards(target, &self.head.token, arrived, at, env);
        let identity = self.identity_of(target);
        let profile = LegProfile {
            identities: vec![identity.clone()],
            uri: target.clone(),
            display_name: None,
            subject: self.head.subject.clone(),
            referrer,
            formed_by: None,
        };
        let leg = Leg {
            profile: Sealed::new(profile),
            administrator: false,
            anonymous: false,
            hidden,
            state: LegState::Waiting { at },
            media: Media::new(env, dialog.socket),
            dialog,
            awaited_ack: None,
            timer: SessionTimer::new(env.settings.min_se),
            subscriptions: Vec::new(),
            awaited_by: Vec::new(),
            asked_by: label,
            outgoing: Some(Attempt {
                target: id,
                cseq: 0,
                retried: false,
                ring_until: None,
                turns: Turns::default(),
                forms: ClientForms::default(),
                tried_other_form: false,
                answerable_until: None,
                acks: 0,
                answered: false,
                early: Vec::new(),
            }),
            list_invite: false,
            fails_on_410: false,
            referred_before: false,
            forks: Vec::new(),
            appearance: Appearance::default(),
        };
        self.remember(std::slice::from_ref(&identity));
        self.lift_ban(std::slice::from_ref(&identity));
        self.forget_administrator(std::slice::from_ref(&identity));
        if !hidden {
            self.forget_hidden(std::slice::from_ref(&identity));
        }
        let awaited = id;
        let id = self.records.add(Record::Leg(Box::new(leg)));
        self.head.pending = self.head.pending.saturating_add(1);
        self.count(Counter::InvitesWaiting, 1);
        self.await_leg(awaited, id);
        if turn > 0 {
            self.note_wait(id, turn, "session_rate", Counter::InvitesOverSessionRate);
        }
        if delay == 0 {
            self.invite_in_turn(id);
        }
        self.log_left_out(id, target);
    }

    /// Writes down that a target's URI is not followed to the letter.
    fn log_left_out(&mut self, leg: Id, target: &Uri) {
        let request_uri = self.env.settings.request_uri_for(target);
        let Some(who) = self.who_of_leg(leg) else {
            return;
        };
        if request_uri != *target {
            self.log_leg(leg, Level::Info, Note::LeftOut(who.to_ref()));
        }
    }

    /// Sends the INVITE of a leg that has its turns.
    pub(in crate::cpm::session) fn send_invite(&mut self, id: Id) {
        let longest = self.env.now + self.env.settings.invite_timeout;
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let (LegState::Waiting { .. }, Some(attempt)) = (leg.state, leg.outgoing.as_ref()) else {
            return;
        };
        let (target, first) = (attempt.target, attempt.cseq == 0);
        let forms = self.env.settings.client_forms.and(self.head.forms);
        if let Some(attempt) = self.attempt_mut(id).filter(|_| first) {
            attempt.forms = forms;
        }
        let Some(asked) = self.asked_for(target) else {
            return self.invite_failed(id, 500, reason_phrase(500));
        };
        let Some((headers, body)) = self.invite_content(id, &asked) else {
            return;
        };
        let subject = self.head.subject.clone();
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let request = leg.dialog.request(Some(id), Method::Invite, headers, body);
        leg.subject.clone_from(&subject);
        let mut ring_until = longest;
        if let Some(attempt) = &mut leg.outgoing {
            attempt.cseq = request.cseq;
            attempt.early.clear();
            // All attempts together: the referrer's subscription does not wait longer.
            ring_until = *attempt.ring_until.get_or_insert(longest);
        }
        leg.state = LegState::Inviting {
            transaction: None,
            ringing: false,
            ring_until,
        };
        let target = leg.who();
        if first {
            self.count(Counter::InvitesWaiting, -1);
        }
        self.count(Counter::InvitesSent, 1);
        self.log_leg(id, Level::Info, Note::Invited(target.to_ref()));
        self.send(request);
    }

    /// What the REFER of this target says of its INVITE.
    fn asked_for(&mut self, target: Id) -> Option<Asked> {
        let target = self.records.target(target)?;
        let (refer, replaces) = (target.refer, target.session_replaces.clone());
        let refer = self.records.refer(refer)?;
        Some(Asked {
            anonymously: refer.is_unnamed(),
            referred_by: refer.referred_by.clone(),
            session_replaces: replaces,
            history: refer.history,
        })
    }

    fn attempt_mut(&mut self, id: Id) -> Option<&mut Attempt> {
        self.records.leg_mut(id)?.outgoing.as_mut()
    }

    /// Header lines and body of the INVITE of a leg.
    fn invite_content(&mut self, id: Id, asked: &Asked) -> Option<(String, Vec<u8>)> {
        let settings = self.env.settings;
        let leg = self.records.leg(id)?;
        let forms = leg.outgoing.as_ref()?.forms;
        let offer = leg.media.text(settings);
        let timer = leg.timer.clone();
        let contact = leg.dialog.contact.clone();
        let offer = (!forms.no_offer).then_some(NewPart {
            kind: SDP,
            disposition: None,
            body: &offer,
        });
        // RFC 5364 section 4 and RFC 5366 section 5: whom else the list names.
        let history = asked.history.and_then(|id| self.records.history(id));
        let (kind, body) = match (history, offer) {
            (Some(history), offer) => {
                let (kind, body) = history.behind(offer.as_ref());
                (Some(kind), body)
            }
            (None, Some(sdp)) => (Some(SDP.to_owned()), sdp.body.to_vec()),
            (None, None) => (None, Vec::new()),
        };
        let replaces = asked.session_replaces.as_deref();
        let lines = self.invite_headers(asked, &contact, forms);
        let lines = lines.maybe("Content-Type", kind.as_deref());
        let lines = timer.asking_lines(lines, settings);
        let lines = lines.maybe("Session-Replaces", replaces);
        Some((lines.text(), body))
    }

    /// The table of requirements section 2.3; what tm adds itself is left out.
    fn invite_headers(&self, asked: &Asked, contact: &Uri, forms: ClientForms) -> HeaderLines {
        let settings = self.env.settings;
        let icsi =
            "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group\"";
        let icid = self.env.token();
        let charging = [
            "icid-value=\"",
            &icid,
            "\";orig-ioi=\"",
            &settings.domain,
            "\"",
        ];
        // RFC 3261 section 13.3.1: how long the invitation is worth answering.
        let expires = settings.invite_timeout.div_ceil(1000).max(1);
        HeaderLines::with_room(INVITE_ROOM)
            .contact_in(contact, forms)
            .line("Accept-Contact", icsi)
            .maybe("Accept-Contact", forms.accept_contact().as_deref())
            .line("P-Asserted-Service", SERVICE)
            .focus_identity(&self.head.token, settings)
            .maybe("Privacy", asked.anonymously.then_some("id"))
            .joined("P-Charging-Vector", &charging)
            .line("Referred-By", &asked.referred_by)
            .line("Conversation-ID", &self.head.conversation_id)
            .line("Contribution-ID", &self.head.contribution_id)
            .maybe(IN_REPLY_TO, self.head.in_reply_to.as_deref())
            .maybe("Subject", self.head.subject.as_deref())
            .capabilities()
            .line("Accept", SDP)
            .line("Expires", &expires.to_string())
    }

    /// The INVITE left. A withdrawal that came before is made good now.
    pub(in crate::cpm::session) fn invite_sent(
        &mut self,
        id: Id,
        cseq: u32,
        sent: TransactionId,
    ) -> Activity {
        let Some(leg) = self.records.leg_mut(id) else {
            // Nobody waits for it, and nobody else would cancel it.
            self.actions.push(Action::Cancel {
                owner: id,
                transaction: sent,
            });
            return Activity::Counts;
        };
        let attempt = leg.outgoing.as_ref();
        if attempt.is_some_and(|attempt| attempt.cseq > cseq) {
            // Its refusal was faster than this, and another one is on its way already.
            return Activity::Counts;
        }
        match &mut leg.state {
            LegState::Inviting { transaction, .. } => *transaction = Some(sent),
            LegState::Withdrawn { transaction, .. } if transaction.is_none() => {
                *transaction = Some(sent);
                self.actions.push(Action::Cancel {
                    owner: id,
                    transaction: sent,
                });
            }
            // A re-INVITE of ours.
            LegState::Connected => return Activity::DoesNotCount,
            LegState::Withdrawn { .. } | LegState::Waiting { .. } | LegState::Left => {}
        }
        Activity::Counts
    }

    /// The target did not answer in time: CANCEL, and 408 is the result.
    pub(in crate::cpm::session) fn rang_too_long(&mut self, id: Id) {
        let Some(who) = self.who_of_leg(id) else {
            return;
        };
        self.count(Counter::InvitesFailed, 1);
        self.log_leg(id, Level::Info, Note::NoAnswerInTime(who.to_ref()));
        self.settle_leg(id, 408, reason_phrase(408));
        self.note_departure(id, Departure::not_reached(408, reason_phrase(408)));
        self.withdraw(id);
    }

    /// The person that a leg leads to, as a line of the log names it.
    pub(in crate::cpm::session) fn who_of_leg(&mut self, id: Id) -> Option<Who> {
        self.records.leg(id).map(Leg::who)
    }

    /// Gives up on the INVITE of a leg. A 2xx may still cross the CANCEL; then ACK and BYE.
    pub(in crate::cpm::session) fn withdraw(&mut self, id: Id) {
        let until = self.env.now + LOST_REQUEST;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let unasked = leg.is_unasked();
        let transaction = match leg.state {
            LegState::Inviting { transaction, .. } => {
                leg.state = LegState::Withdrawn { transaction, until };
                transaction
            }
            LegState::Waiting { .. } => {
                leg.state = LegState::Left;
                None
            }
            LegState::Connected | LegState::Withdrawn { .. } | LegState::Left => return,
        };
        self.head.pending = self.head.pending.saturating_sub(1);
        if unasked {
            self.count(Counter::InvitesWaiting, -1);
        }
        if let Some(transaction) = transaction {
            self.actions.push(Action::Cancel {
                owner: id,
                transaction,
            });
        }
    }

    /// Tells every REFER that waits for this leg what has become of it.
    pub(in crate::cpm::session) fn settle_leg(&mut self, id: Id, status: u16, reason: &str) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        for awaiting in std::mem::take(&mut leg.awaited_by) {
            self.settle_target(awaiting.target, status, reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(rate: u32, count: usize) -> Vec<Millis> {
        let mut pace = Pace::new(rate);
        (0..count).map(|_| pace.next_delay()).collect()
    }

    #[test]
    fn the_first_leave_at_once_and_the_rest_a_few_together() {
        assert_eq!(delays(50, 10), [0; 10]);
        assert_eq!(delays(50, 20)[10..15], [100; 5]);
        assert_eq!(delays(50, 20)[15..], [200; 5]);
        assert_eq!(delays(1, 12)[10..], [1_000, 2_000]);
        assert_eq!(delays(0, 1_000), [0; 1_000]);
    }

    #[test]
    fn nobody_leaves_before_its_turn_and_never_more_than_ten_together() {
        for rate in [1, 3, 7, 50, 99, 101, 1_000, 1_001, 9_999, 10_000] {
            let delays = delays(rate, 500);
            for (n, delay) in (1u64..).zip(&delays) {
                let turn = n.saturating_sub(10) * 1_000;
                assert!(
                    delay * u64::from(rate) + u64::from(rate) > turn,
                    "{rate} {n}"
                );
                assert!(*delay <= turn / u64::from(rate) + SLICE);
            }
            let waiting = &delays[10..];
            for together in waiting.chunk_by(|a, b| a == b) {
                assert!(together.len() <= 10, "{rate}: {}", together.len());
            }
        }
    }
}
