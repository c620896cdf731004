//! Legs that go: BYE of a participant, a 2xx of ours that was never acknowledged or never left.

use super::Session;
use crate::cpm::action::Level;
use crate::cpm::departure_reason::Departure;
use crate::cpm::note::Note;
use crate::cpm::outgoing_message::Answer;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{ByeCause, LegState, Waiting};
use crate::cpm::refusal::Refusal;
use crate::sip::{Method, Request, Tag};

impl Session<'_> {
    /// BYE: the participant leaves. Its dialog lives on for NOTIFYs it was promised (N11).
    pub(super) fn bye_received(&mut self, id: Id, request: &Request, to_tag: Tag) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let identities = leg.identities.clone();
        let who = leg.who();
        let was_in = leg.is_connected();
        // Ours is under way or waits for its turn; then theirs is enough.
        let is_bye = |what: &Waiting| matches!(what, Waiting::Bye(_));
        let sent = leg.dialog.in_flight.is_some_and(|r| is_bye(&r.what));
        let crossed = sent || leg.dialog.waiting.iter().any(is_bye);
        if !was_in && !crossed {
            let denial = Refusal::ParticipantLeft.of(&who);
            return self.refuse(&Method::Bye, denial);
        }
        leg.dialog.waiting.retain(|what| !is_bye(what));
        leg.awaited_ack = None;
        leg.state = LegState::Left;
        self.answer(Answer::new(200, to_tag, String::new()));
        self.note_departure(id, Departure::left());
        if was_in {
            let for_good = leaves_for_good(request);
            self.count_disconnected(id, !for_good);
            if for_good {
                self.forget(&identities);
            }
            self.log(Level::Info, Note::Left(who.to_ref()));
        }
        self.send_next(id);
    }

    /// Our 2xx was never acknowledged (RFC 3261 section 13.3.1.4): the dialog ends by BYE.
    pub(super) fn ack_missing(&mut self, id: Id) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        leg.awaited_ack = None;
        let (who, connected) = (leg.who(), leg.is_connected());
        self.log(Level::Warn, Note::NoAck(who.to_ref()));
        match connected {
            true => self.end_leg(id, ByeCause::NoAck),
            false => self.send_next(id),
        }
    }

    /// The 2xx that let somebody in did not leave: as if it had never been decided.
    pub(super) fn answer_failed(&mut self, id: Id) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        leg.awaited_ack = None;
        // A BYE that waited for the ACK has nothing to end.
        leg.dialog.waiting.clear();
        if !leg.is_connected() {
            return;
        }
        leg.state = LegState::Left;
        self.count_disconnected(id, true);
        self.log(Level::Warn, Note::AnswerNotSent);
    }
}

/// G6: RCS clients say by `Reason: SIP;cause=200` that they leave the group; without it they are only
/// away.
fn leaves_for_good(request: &Request) -> bool {
    request.list("Reason").iter().any(|reason| {
        let text = String::from_utf8_lossy(reason).to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        parts.next() == Some("sip") && parts.any(|part| part.replace(' ', "") == "cause=200")
    })
}
