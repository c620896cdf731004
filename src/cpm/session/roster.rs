//! Who has a right to come back: the people an ad-hoc session knows, and those who were removed.
//! Not here: who is in at the moment (the legs themselves).

use super::Session;
use crate::cpm::records::{Record, Roster};
use crate::sip::identity::Identity;

/// A participant may invite one stranger after the other for as long as the session lives; the oldest
/// are forgotten then.
const MAX_REMEMBERED: usize = 2_000;

impl Session<'_> {
    /// An ad-hoc session has no list but the people it was made with or who were invited since.
    pub(super) fn remember(&mut self, who: &[Identity]) {
        if self.head.group.is_some() {
            return;
        }
        self.edit_roster(|roster| add_new(&mut roster.known, who));
    }

    /// Removed by somebody: does not come back by itself (requirements section 2.6).
    pub(super) fn ban(&mut self, who: &[Identity]) {
        self.edit_roster(|roster| add_new(&mut roster.removed, who));
    }

    /// Left for good by its own will: it comes back by invitation only.
    pub(super) fn forget(&mut self, who: &[Identity]) {
        if self.head.group.is_none() && self.head.roster.is_some() {
            self.edit_roster(|roster| roster.known.retain(|identity| !who.contains(identity)));
        }
    }

    /// Invited again by somebody who may.
    pub(super) fn unban(&mut self, who: &[Identity]) {
        if self.head.roster.is_some() {
            self.edit_roster(|roster| roster.removed.retain(|identity| !who.contains(identity)));
        }
    }

    /// Whether somebody may come in by an INVITE of its own, as far as the session's history goes (G4).
    pub(super) fn may_return(&mut self, who: &[Identity]) -> bool {
        let adhoc = self.head.group.is_none();
        let creator = who.iter().any(|me| self.head.creator.contains(me));
        let Some(roster) = self.roster() else {
            return !adhoc;
        };
        let known = creator || any(who, &roster.known);
        !any(who, &roster.removed) && (!adhoc || known)
    }

    /// Removed by somebody, and not invited again since.
    pub(super) fn is_removed(&mut self, who: &[Identity]) -> bool {
        self.roster()
            .is_some_and(|roster| any(who, &roster.removed))
    }

    fn roster(&mut self) -> Option<&Roster> {
        let id = self.head.roster?;
        match &self.slot(id).record {
            Some(Record::Roster(roster)) => Some(roster),
            _ => None,
        }
    }

    /// With the session goes what it remembers.
    pub(super) fn forget_roster(&mut self) {
        if let Some(id) = self.head.roster.take() {
            self.slot(id).record = None;
        }
    }

    fn edit_roster(&mut self, edit: impl FnOnce(&mut Roster)) {
        let id = match self.head.roster {
            Some(id) => id,
            None => {
                let id = self.add(Record::Roster(Roster::default()));
                self.head.roster = Some(id);
                id
            }
        };
        let slot = self.slot(id);
        if let Some(Record::Roster(roster)) = &mut slot.record {
            edit(roster);
            slot.dirty = true;
        }
    }
}

fn any(who: &[Identity], list: &[Identity]) -> bool {
    who.iter().any(|identity| list.contains(identity))
}

fn add_new(list: &mut Vec<Identity>, who: &[Identity]) {
    for identity in who {
        if !list.contains(identity) {
            list.push(identity.clone());
            if list.len() > MAX_REMEMBERED {
                list.remove(0);
            }
        }
    }
}
