//! Who has a right to come back: the people an ad-hoc session knows, and those who were removed.
//! Not here: who is in at the moment (the legs themselves).

use super::Session;
use crate::cpm::records::{Record, Roster};
use crate::sip::identity::Identity;

impl Session<'_> {
    /// An ad-hoc session has no list but the people it was made with or who were invited since.
    pub(super) fn remember(&mut self, who: &[Identity]) {
        if self.head.group.is_some() {
            return;
        }
        let roster = self.roster_mut();
        for identity in who {
            if !roster.known.contains(identity) {
                roster.known.push(identity.clone());
            }
        }
    }

    /// Removed by somebody: does not come back by itself (requirements section 2.6).
    pub(super) fn ban(&mut self, who: &[Identity]) {
        let roster = self.roster_mut();
        for identity in who {
            if !roster.removed.contains(identity) {
                roster.removed.push(identity.clone());
            }
        }
    }

    /// Invited again by somebody who may.
    pub(super) fn unban(&mut self, who: &[Identity]) {
        if self.head.roster.is_some() {
            self.roster_mut()
                .removed
                .retain(|identity| !who.contains(identity));
        }
    }

    /// Whether somebody may come in by an INVITE of its own, as far as the session's history goes (G4).
    pub(super) fn may_return(&mut self, who: &[Identity]) -> bool {
        let adhoc = self.head.group.is_none();
        let Some(Record::Roster(roster)) = self
            .head
            .roster
            .and_then(|id| self.slot(id).record.as_ref())
        else {
            return !adhoc;
        };
        let any = |list: &[Identity]| who.iter().any(|identity| list.contains(identity));
        !any(&roster.removed) && (!adhoc || any(&roster.known))
    }

    /// With the session goes what it remembers.
    pub(super) fn forget_roster(&mut self) {
        if let Some(id) = self.head.roster.take() {
            self.slot(id).record = None;
        }
    }

    fn roster_mut(&mut self) -> &mut Roster {
        let id = match self.head.roster {
            Some(id) => id,
            None => {
                let id = self.add(Record::Roster(Roster::default()));
                self.head.roster = Some(id);
                id
            }
        };
        let slot = self.slot(id);
        slot.dirty = true;
        if !matches!(slot.record, Some(Record::Roster(_))) {
            slot.record = Some(Record::Roster(Roster::default()));
        }
        match &mut slot.record {
            Some(Record::Roster(roster)) => roster,
            // Made one line above.
            _ => unreachable!("a roster record is a roster"),
        }
    }
}
