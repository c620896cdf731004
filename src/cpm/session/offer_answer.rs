//! What the peer changes in a leg that is up: re-INVITE, UPDATE, the answer in an ACK (RFC 3264,
//! RFC 3311).

use super::{Activity, Session};
use crate::cpm::action::{Counter, Level};
use crate::cpm::body_parts::read_sdp;
use crate::cpm::header_lines::HeaderLines;
use crate::cpm::input::MessageSource;
use crate::cpm::media::{describe, Described};
use crate::cpm::note::Note;
use crate::cpm::option_tags::check_require_without_list;
use crate::cpm::outgoing_message::Answer;
use crate::cpm::quirk::Quirk;
use crate::cpm::records::ids::Id;
use crate::cpm::records::leg::{AwaitedAck, EarlyAnswer};
use crate::cpm::records::{ByeCause, Leg, Waiting};
use crate::cpm::refusal::Refusal;
use crate::cpm::session_timer_negotiation::{grant, Granted};
use crate::cpm::settings::Settings;
use crate::cpm::time::SIXTY_FOUR_T1;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::{Method, Request};

/// What a re-INVITE or UPDATE comes to, decided before anything changes.
struct OfferOrRefresh {
    granted: Option<Granted>,
    described: Option<Described>,
}

impl Session<'_> {
    /// UPDATE in an early dialog, which has no session yet that could change. With an offer it meets
    /// ours, unless that was answered already (RFC 3311 section 5.2).
    pub(super) fn early_update(&mut self, id: Id, request: &Request) {
        let leg = self.records.leg(id);
        let attempt = leg.and_then(|leg| leg.outgoing.as_ref());
        let mut early = attempt.iter().flat_map(|attempt| &attempt.early);
        let early = early.find(|early| early.tag == request.from_tag);
        let answered = early.is_some_and(|early| early.answer != EarlyAnswer::None);
        let offers = matches!(read_sdp(request), Ok(Some(_)));
        let refusal = match offers && !answered {
            true => Refusal::OfferPending,
            false => Refusal::UpdateTooEarly,
        };
        self.refuse(&Method::Update, refusal);
    }

    /// re-INVITE (RFC 3261 section 14.2): new SDP, perhaps a new remote target. UPDATE (RFC 3311 section
    /// 5.2): the same without an ACK, and mostly without SDP.
    pub(super) fn offer_or_refresh_received(&mut self, id: Id, request: &Request) -> Activity {
        let (now, settings) = (self.env.now, self.env.settings);
        let what = match request.method {
            Method::Invite => "re-INVITE",
            _ => "UPDATE",
        };
        let Some(leg) = self.records.leg(id) else {
            return Activity::Counts;
        };
        let who = leg.who();
        let (renewal, subject) = match self.check_offer_or_refresh(id, request) {
            Ok(checked) => checked,
            Err(refusal) => {
                self.refuse_renewal(what, refusal.of(&who));
                return Activity::Counts;
            }
        };
        let Some(leg) = self.records.leg_mut(id) else {
            return Activity::Counts;
        };
        leg.dialog.refresh_target(request.contact());
        leg.timer.refresh_asked(request);
        leg.timer.grant(renewal.granted, now);
        let lines = HeaderLines::new()
            .contact(&leg.dialog.contact)
            .capabilities();
        let mut lines = Granted::header_lines(renewal.granted, lines);
        let mut body = Vec::new();
        let before = (leg.media.version, leg.media.direction);
        if let Some(Described { shape, offered }) = renewal.described {
            if !offered {
                leg.media.direction = shape.direction;
                leg.media.absent = false;
            }
            leg.media.change(shape);
            body = leg.media.text(settings);
            lines = lines.line("Content-Type", SDP);
            if request.method == Method::Invite {
                // A peer that sends the next INVITE has our last 2xx, even if its ACK is still with
                // another worker.
                leg.awaited_ack = Some(AwaitedAck {
                    cseq: request.cseq,
                    offered,
                    until: now + SIXTY_FOUR_T1,
                });
            }
        }
        let mut changed = before != (leg.media.version, leg.media.direction);
        let (to_tag, direction) = (leg.dialog.local_tag.clone(), leg.media.direction);
        if let Some(subject) = subject {
            if let Some(leg) = self.records.leg_mut(id) {
                leg.subject = Some(subject.clone());
            }
            self.change_subject(&who, subject);
            changed = true;
        }
        let (level, activity) = match changed {
            true => (Level::Info, Activity::Counts),
            false => (Level::Debug, Activity::DoesNotCount),
        };
        let renewed = Note::Renewed {
            what,
            media: direction.name(),
            from: who.to_ref(),
        };
        self.log_leg(id, level, renewed);
        let mut answer = Answer::new(200, to_tag, lines.text());
        answer.body = body;
        self.answer(answer);
        activity
    }

    /// Everything that may refuse a re-INVITE or UPDATE. Gives also the subject it wants for the session.
    fn check_offer_or_refresh(
        &mut self,
        id: Id,
        request: &Request,
    ) -> Result<(OfferOrRefresh, Option<String>), Refusal> {
        let settings = self.env.settings;
        let leg = self.records.leg(id).filter(|leg| leg.is_connected());
        let list_invite = leg.ok_or(Refusal::ParticipantLeft)?.list_invite;
        self.check_list_invite_tag(request, list_invite)?;
        let leg = self.records.leg(id).ok_or(Refusal::ParticipantLeft)?;
        let wanted = check_leg(leg, request, settings)?;
        Ok((wanted, self.wanted_subject(id, request)?))
    }

    /// Refuses option tags that are not understood. Gives and counts a `recipient-list-invite` that may stand
    /// there; with `strict` it may not.
    pub(super) fn check_list_invite_tag(
        &mut self,
        request: &Request,
        made_with_it: bool,
    ) -> Result<bool, Refusal> {
        let tolerated = made_with_it && !self.env.settings.strict;
        let there = check_require_without_list(request, tolerated)?;
        if there {
            self.count(Counter::Quirk(Quirk::RequireWithoutList), 1);
        }
        Ok(there)
    }

    /// The ACK to a 2xx of ours; where that carried an offer, the ACK carries the answer. One that is not in
    /// the dialog by both tags (RFC 3261 section 12.2.2), or of another INVITE, is nobody's; nor is one from
    /// an address that is neither trusted nor the dialog's.
    pub(super) fn ack_received(&mut self, id: Id, request: &Request, from: MessageSource) {
        let settings = self.env.settings;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let dialog = &leg.dialog;
        let theirs = dialog.remote_tag.as_ref() == Some(&request.from_tag);
        if !theirs || !(from.trusted || dialog.is_with(from.address)) {
            return;
        }
        let awaited = leg.awaited_ack.take_if(|ack| ack.cseq == request.cseq);
        let Some(awaited) = awaited else { return };
        if awaited.offered && leg.is_connected() {
            let who = leg.who();
            match leg.media.accepted_by_ack(request, settings) {
                Ok(direction) => leg.media.direction = direction,
                Err(why) => {
                    let unusable = Note::UnusableAck(&why, who.to_ref());
                    self.log_leg(id, Level::Info, unusable);
                    return self.end_leg(id, ByeCause::NotAcceptable);
                }
            }
        }
        self.send_next(id);
    }
}

/// What of a re-INVITE or UPDATE concerns its leg alone.
fn check_leg(leg: &Leg, request: &Request, settings: &Settings) -> Result<OfferOrRefresh, Refusal> {
    let granted = grant(request, settings, leg.timer.running)?;
    let carries = request.method == Method::Invite || read_sdp(request)?.is_some();
    // RFC 3261 section 14.2 and RFC 3311 section 5.2: one offer at a time, ours or theirs.
    let inviting = leg
        .dialog
        .in_flight
        .is_some_and(|sent| sent.what == Waiting::Refresh && leg.timer.reinvite == Some(sent.cseq));
    let unanswered = leg.awaited_ack.is_some_and(|ack| ack.offered);
    if carries && (inviting || unanswered) {
        return Err(Refusal::OfferPending);
    }
    let described = match carries {
        true => Some(describe(request, settings, &leg.media)?),
        false => None,
    };
    Ok(OfferOrRefresh { granted, described })
}
