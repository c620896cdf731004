//! When a leg or the whole session ends, and how many are in (requirements G7, "live").

use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::departure_reason::Departure;
use crate::cpm::note::Note;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{ByeCause, LegState, Waiting};
use crate::sip::status::reason_phrase;

impl Session<'_> {
    /// One more participant is in.
    pub(super) fn count_connected(&mut self) {
        self.head.connected = self.head.connected.saturating_add(1);
        self.head.had_minimum |= self.head.connected >= self.head.min_participants;
        self.count(Counter::Participants, 1);
    }

    /// One participant less is in. `comes_back`: its role is kept for it.
    pub(super) fn count_disconnected(&mut self, id: Id, comes_back: bool) {
        self.lose_role(id, comes_back);
        let hidden = self.records.leg(id).filter(|leg| leg.hidden);
        if let Some(identities) = hidden.map(|leg| leg.identities.clone()) {
            self.remember_hidden(&identities);
        }
        self.head.connected = self.head.connected.saturating_sub(1);
        self.count(Counter::Participants, -1);
    }

    /// Takes a participant out and says so by BYE, after whatever its dialog still has to deliver.
    pub(super) fn end_leg(&mut self, id: Id, cause: ByeCause) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let was_in = leg.is_connected();
        leg.state = LegState::Left;
        leg.dialog.waiting.push_back(Waiting::Bye(cause));
        self.note_departure(id, Departure::by_bye(cause));
        if was_in {
            let comes_back = !matches!(cause, ByeCause::Removed | ByeCause::Replaced);
            self.count_disconnected(id, comes_back && self.head.live);
        }
        self.send_next(id);
    }

    /// The head's deadline: nothing happened for too long.
    pub(super) fn end_if_inactive(&mut self) {
        let due = self.head.active.saturating_add(self.head.inactivity);
        if self.head.live && self.head.inactivity > 0 && due <= self.env.now {
            self.log(Level::Info, Note::SessionInactive);
            self.end(ByeCause::Inactive);
        }
    }

    /// Nobody is connected; or the minimum was reached once and cannot be any more.
    pub(super) fn end_if_due(&mut self) {
        let head = &self.head;
        let too_few = head.connected.saturating_add(head.pending) < head.min_participants;
        if head.live && (head.connected == 0 || (head.had_minimum && too_few)) {
            self.end(ByeCause::Gone);
        }
    }

    /// The session is over: CANCEL what rings, tell those who wait for it, BYE to the rest.
    pub(super) fn end(&mut self, cause: ByeCause) {
        self.head.live = false;
        self.count(Counter::Sessions, -1);
        self.log(Level::Info, Note::SessionEnded);
        self.forget_rejoin_rights();
        self.announce_end();
        let children = self.records.children();
        let now = self.env.now;
        for id in children.iter().copied() {
            // A copy of a REFER that comes by another way now finds no session, and need not be known.
            if let Some(refer) = self.records.refer_mut(id) {
                refer.remembered_until = now;
            }
        }
        // First what is owed to referrers, so that it goes out before their BYE.
        for id in children.iter().copied() {
            if self.records.leg(id).is_some_and(|leg| leg.is_pending()) {
                self.count(Counter::InvitesFailed, 1);
                self.settle_leg(id, 487, reason_phrase(487));
                self.withdraw(id);
            }
        }
        for id in children {
            if self.records.leg(id).is_some_and(|leg| leg.is_connected()) {
                self.end_leg(id, cause);
            }
        }
    }
}
