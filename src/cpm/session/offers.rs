//! What changes in a leg that is up: re-INVITE, UPDATE, the answer in an ACK (RFC 3264, RFC 3311).
//! Not here: refreshing a session ourselves (`super::keepalive`), coming in (`super::join`).

use super::Session;
use crate::cpm::action::{Action, Answer, Level};
use crate::cpm::answer::{Lines, Refusal};
use crate::cpm::asked::read_sdp;
use crate::cpm::dialog::{ByeCause, Waiting};
use crate::cpm::input::Arrival;
use crate::cpm::media::{describe, Described};
use crate::cpm::records::{AwaitedAck, Id, Leg};
use crate::cpm::route::check_require;
use crate::cpm::settings::{Settings, SIXTY_FOUR_T1};
use crate::cpm::timer::{grant, Granted};
use crate::sip::Request;

/// Seconds in Retry-After of a request that came too early.
const TOO_EARLY: &str = "5";

/// What a re-INVITE or UPDATE comes to, decided before anything changes.
struct Reply {
    granted: Option<Granted>,
    described: Option<Described>,
}

impl Session<'_> {
    /// re-INVITE: new SDP, perhaps a new remote target (RFC 3261 section 14.2).
    pub(super) fn reinvite_received(&mut self, id: Id, arrival: &Arrival) {
        self.renew(id, &arrival.request, "re-INVITE");
    }

    /// UPDATE: the same without an ACK, and mostly without SDP (RFC 3311 section 5.2).
    pub(super) fn update_received(&mut self, id: Id, arrival: &Arrival) {
        self.renew(id, &arrival.request, "UPDATE");
    }

    /// UPDATE in an early dialog, which has no session yet that could change. With an offer it meets ours,
    /// unless that was answered already (RFC 3311 section 5.2).
    pub(super) fn early_update(&mut self, id: Id, request: &Request) {
        let from = &request.from_tag;
        let attempt = self.leg(id).and_then(|leg| leg.outgoing.as_ref());
        let early = attempt.and_then(|attempt| attempt.early.iter().find(|e| e.tag == *from));
        let answered = early.is_some_and(|early| early.answer.is_some());
        let offers = matches!(read_sdp(request), Ok(Some(_)));
        let refusal = match offers && !answered {
            true => Refusal::new(491, "an offer of ours is pending"),
            false => Refusal::new(500, "UPDATE before the answer to our INVITE")
                .header("Retry-After", TOO_EARLY),
        };
        self.refuse("UPDATE", &refusal);
    }

    fn renew(&mut self, id: Id, request: &Request, what: &str) {
        let (now, settings) = (self.env.now, self.env.settings);
        let Some(leg) = self.leg(id) else { return };
        let who = leg.uri.clone();
        let reply = match decide(leg, request, settings) {
            Ok(reply) => reply,
            Err(refusal) => return self.refuse(what, &refusal.of(&who)),
        };
        let Some(leg) = self.leg_mut(id) else { return };
        leg.dialog.refresh_target(request.contact());
        leg.keepalive.asked(request);
        leg.keepalive.grant(reply.granted, now);
        let mut lines = Lines::new().contact(&leg.dialog.contact).capabilities();
        lines = Granted::say(reply.granted, lines);
        let (mut body, mut changed) = (Vec::new(), false);
        let before = (leg.media.version, leg.media.direction);
        if let Some(Described { shape, offered }) = reply.described {
            if !offered {
                leg.media.direction = shape.direction;
            }
            leg.media.change(shape);
            changed = before != (leg.media.version, leg.media.direction);
            body = leg.media.text(settings);
            lines = lines.line("Content-Type", "application/sdp");
            if request.method == "INVITE" {
                // Whoever sends the next INVITE has our last 2xx, even if its ACK is still with
                // another worker.
                leg.awaited_ack = Some(AwaitedAck {
                    cseq: request.cseq,
                    offered,
                    until: now + SIXTY_FOUR_T1,
                });
            }
        }
        let (to_tag, direction) = (leg.dialog.local_tag.clone(), leg.media.direction);
        let level = if changed { Level::Info } else { Level::Debug };
        self.refreshes_only = !changed;
        self.note_leg(id, level, |show| {
            let who = show.who(&who);
            format!("{what} accepted, media {} from={who}", direction.name())
        });
        self.actions.push(Action::Answer(Answer {
            code: 200,
            reason: "OK".into(),
            to_tag,
            headers: lines.text(),
            body,
            connects: None,
        }));
    }

    /// The ACK to a 2xx of ours; where that carried an offer, the ACK carries the answer.
    pub(super) fn ack_received(&mut self, id: Id, request: &Request) {
        let Some(leg) = self.leg_mut(id) else { return };
        let Some(ack) = leg.awaited_ack.take_if(|ack| ack.cseq == request.cseq) else {
            return;
        };
        self.refreshes_only = true;
        let settings = self.env.settings;
        let Some(leg) = self.leg_mut(id) else { return };
        if ack.offered && leg.is_connected() {
            let who = leg.uri.clone();
            match leg.media.accepted_by_ack(request, settings) {
                Ok(direction) => leg.media.direction = direction,
                Err(why) => {
                    self.note_leg(id, Level::Info, |show| {
                        let who = show.who(&who);
                        format!("answer in ACK: {why}: BYE from={who}")
                    });
                    return self.hang_up(id, ByeCause::NotAcceptable);
                }
            }
        }
        self.pump(id);
    }
}

fn decide(leg: &Leg, request: &Request, settings: &Settings) -> Result<Reply, Refusal> {
    let invite = request.method == "INVITE";
    if !leg.is_connected() {
        return Err(Refusal::new(481, "the participant has left"));
    }
    check_require(request)?;
    let granted = grant(request, settings, leg.keepalive.timer)?;
    let carries = invite || read_sdp(request)?.is_some();
    // RFC 3261 section 14.2 and RFC 3311 section 5.2: one offer at a time, whoever's it is.
    let inviting = leg.dialog.in_flight.is_some_and(|sent| {
        sent.what == Waiting::Refresh && leg.keepalive.reinvite == Some(sent.cseq)
    });
    let unanswered = leg.awaited_ack.is_some_and(|ack| ack.offered);
    if carries && (inviting || unanswered) {
        return Err(Refusal::new(491, "an offer of ours is pending"));
    }
    let described = if carries {
        Some(describe(request, settings, &leg.media)?)
    } else {
        None
    };
    Ok(Reply { granted, described })
}
