//! What a session remembers of people who are not in: who may come (back) in by an INVITE of their own,
//! who was removed (G4), and who has a role to come back to.

use super::Session;
use crate::cpm::records::{Record, RejoinRights};
use crate::sip::identity::Identity;

/// Most people remembered; then the oldest are forgotten. A participant may invite one stranger after
/// the other for as long as the session lives.
const MAX_REMEMBERED: usize = 2_000;

impl Session<'_> {
    /// These people belong to an ad-hoc session: it was made with them, or they were invited since. A
    /// pre-defined group has its document for that.
    pub(super) fn remember(&mut self, who: &[Identity]) {
        if !self.head.of_group {
            self.edit_rejoin_rights(|rights| add_new(&mut rights.known, who));
        }
    }

    /// These people left for good by their own will: they come back by invitation only.
    pub(super) fn forget(&mut self, who: &[Identity]) {
        if !self.head.of_group && self.head.rejoin_rights.is_some() {
            self.edit_rejoin_rights(|rights| {
                let gone = |known: &Identity| who.iter().any(|who| who.resembles(known));
                rights.known.retain(|known| !gone(known));
            });
        }
    }

    /// These people were removed: they do not come back by themselves (requirements section 2.6).
    pub(super) fn ban(&mut self, who: &[Identity]) {
        let who = for_denial(who);
        self.edit_rejoin_rights(|rights| add_new(&mut rights.removed, &who));
    }

    /// These people are invited again by somebody who may.
    pub(super) fn lift_ban(&mut self, who: &[Identity]) {
        if self.head.rejoin_rights.is_some() {
            let who = for_denial(who);
            self.edit_rejoin_rights(|rights| rights.removed.retain(|gone| !who.contains(gone)));
        }
    }

    /// These people had the role of an administrator when their leg ended, and did not leave for good.
    pub(super) fn remember_administrator(&mut self, who: &[Identity]) {
        self.edit_rejoin_rights(|rights| {
            rights.administrators.push(who.to_vec());
            if rights.administrators.len() > MAX_REMEMBERED {
                rights.administrators.remove(0);
            }
        });
    }

    /// These people are in again, or have lost the role.
    pub(super) fn forget_administrator(&mut self, who: &[Identity]) {
        if self.was_administrator(who) {
            self.edit_rejoin_rights(|rights| {
                rights.administrators.retain(|known| !any(who, known));
            });
        }
    }

    /// Whether the role is kept for somebody.
    pub(super) fn was_administrator(&mut self, who: &[Identity]) -> bool {
        let rights = self.rejoin_rights();
        let mut remembered = rights.into_iter().flat_map(|rights| &rights.administrators);
        remembered.any(|known| any(who, known))
    }

    /// This person is not to be named to others, also when it comes back.
    pub(super) fn remember_hidden(&mut self, who: &[Identity]) {
        if self.was_hidden(who) {
            return;
        }
        self.edit_rejoin_rights(|rights| {
            rights.hidden.push(who.to_vec());
            if rights.hidden.len() > MAX_REMEMBERED {
                rights.hidden.remove(0);
            }
        });
    }

    /// This person is invited for everybody to see.
    pub(super) fn forget_hidden(&mut self, who: &[Identity]) {
        if self.was_hidden(who) {
            self.edit_rejoin_rights(|rights| rights.hidden.retain(|known| !any(who, known)));
        }
    }

    /// Whether somebody who is not in is not to be named to others.
    pub(super) fn was_hidden(&mut self, who: &[Identity]) -> bool {
        let rights = self.rejoin_rights();
        let mut hidden = rights.into_iter().flat_map(|rights| &rights.hidden);
        hidden.any(|known| any(who, known))
    }

    /// Whether somebody may come in by an INVITE of their own, as far as the session's history goes.
    pub(super) fn may_rejoin(&mut self, who: &[Identity]) -> bool {
        let adhoc = !self.head.of_group;
        let creator = any(who, &self.head.creator);
        let Some(rights) = self.rejoin_rights() else {
            return !adhoc;
        };
        let known = creator || any(who, &rights.known);
        !is_removed(rights, who) && (!adhoc || known)
    }

    /// Removed by somebody, and not invited again since.
    pub(in crate::cpm) fn is_banned(&mut self, who: &[Identity]) -> bool {
        let rights = self.rejoin_rights();
        rights.is_some_and(|rights| is_removed(rights, who))
    }

    /// With the session goes what it remembers.
    pub(super) fn forget_rejoin_rights(&mut self) {
        if let Some(id) = self.head.rejoin_rights.take() {
            self.records.remove(id);
        }
    }

    fn rejoin_rights(&mut self) -> Option<&RejoinRights> {
        self.records.rejoin_rights(self.head.rejoin_rights?)
    }

    fn edit_rejoin_rights(&mut self, edit: impl FnOnce(&mut RejoinRights)) {
        let id = match self.head.rejoin_rights {
            Some(id) => id,
            None => {
                let empty = Record::RejoinRights(RejoinRights::default());
                let id = self.records.add(empty);
                self.head.rejoin_rights = Some(id);
                id
            }
        };
        if let Some(rights) = self.records.rejoin_rights_mut(id) {
            edit(rights);
        }
    }
}

fn is_removed(rights: &RejoinRights, who: &[Identity]) -> bool {
    any(&for_denial(who), &rights.removed)
}

/// The spelling by which people are kept out.
fn for_denial(who: &[Identity]) -> Vec<Identity> {
    who.iter().map(Identity::for_denial).collect()
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
