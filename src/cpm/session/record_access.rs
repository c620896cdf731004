//! The records of a session that an event looks at: loaded once, changed here, committed at the end.

use super::Change;
use crate::cpm::records::conference::status_of;
use crate::cpm::records::{
    Carrier, ChangeLog, ConferenceSubscription, Dialog, Id, Leg, Name, Record, Refer, RejoinRights,
    SessionStore, Subscribers, Subscription, TargetRecord,
};
use crate::cpm::time::Millis;
use crate::sip::conference_info::Status;
use crate::sip::identity::Identity;
use crate::sip::multipart::LastPart;

/// How many records the usual event looks at, and more than it changes.
pub(super) const USUAL: usize = 6;

/// Working copies of a session's records.
pub struct Records<'a> {
    session: Id,
    store: &'a dyn SessionStore,
    /// In the order of their ids. An event looks at few records, and at most of them many times.
    slots: Vec<Slot>,
}

struct Slot {
    id: Id,
    /// `None`: removed.
    record: Option<Record>,
    /// It was in the store when it was looked at; else it was made since.
    stored: bool,
    dirty: bool,
    /// What decided on its names when it was looked at. `None`: it was not in the store.
    naming: Option<(bool, bool)>,
    /// Of a leg: as the subscribers of the conference state know it already.
    shown: Option<Shown>,
}

/// What others are shown of a leg, as far as it changes: its status, and whether it has a role.
type Shown = (Status, bool);

fn shown(leg: &Leg) -> Option<Shown> {
    status_of(leg).map(|status| (status, leg.administrator))
}

impl Slot {
    fn loaded(id: Id, store: &dyn SessionStore) -> Option<Slot> {
        let record = store.load(id)?;
        let shown = match &record {
            Record::Leg(leg) => shown(leg),
            _ => None,
        };
        Some(Slot {
            id,
            shown,
            stored: true,
            naming: Some(record.naming()),
            record: Some(record),
            dirty: false,
        })
    }

    fn is_added(&self) -> bool {
        !self.stored && self.record.is_some()
    }

    fn is_renamed(&self) -> bool {
        let record = self.record.as_ref();
        record.map(Record::naming) != self.naming || record.is_some_and(Record::has_changed_parts)
    }

    fn is_removed(&self) -> bool {
        self.stored && self.record.is_none()
    }
}

/// Readers and writers of one kind of record.
macro_rules! record_kind {
    ($kind:ident, $read:ident, $write:ident, $type:ty) => {
        #[doc = concat!("The ", stringify!($type), " with this id.")]
        pub fn $read(&mut self, id: Id) -> Option<&$type> {
            match &self.slot(id)?.record {
                Some(Record::$kind(record)) => Some(record),
                _ => None,
            }
        }

        #[doc = concat!("The ", stringify!($type), " with this id, to be changed.")]
        pub fn $write(&mut self, id: Id) -> Option<&mut $type> {
            let slot = self.slot(id)?;
            match &mut slot.record {
                Some(Record::$kind(record)) => {
                    slot.dirty = true;
                    Some(record)
                }
                _ => None,
            }
        }
    };
}

impl<'a> Records<'a> {
    /// Nothing looked at yet. `session` is the head's id.
    pub fn new(session: Id, store: &'a dyn SessionStore) -> Records<'a> {
        Records {
            session,
            store,
            slots: Vec::with_capacity(USUAL),
        }
    }

    record_kind!(Leg, leg, leg_mut, Leg);
    record_kind!(Refer, refer, refer_mut, Refer);
    record_kind!(Target, target, target_mut, TargetRecord);
    record_kind!(RejoinRights, rejoin_rights, rejoin_rights_mut, RejoinRights);
    record_kind!(ChangeLog, change_log, change_log_mut, ChangeLog);
    record_kind!(Subscribers, subscribers, subscribers_mut, Subscribers);
    record_kind!(
        ConferenceSubscription,
        conference_subscription,
        conference_subscription_mut,
        ConferenceSubscription
    );

    /// What INVITEs tell of a list: the record with this id.
    pub fn history(&mut self, id: Id) -> Option<&LastPart> {
        match &self.slot(id)?.record {
            Some(Record::History(history)) => Some(history),
            _ => None,
        }
    }

    /// The dialog that this record keeps.
    pub fn dialog_mut(&mut self, holder: Id) -> Option<&mut Dialog> {
        let slot = self.slot(holder)?;
        let dialog = slot.record.as_mut()?.dialog_mut()?;
        slot.dirty = true;
        Some(dialog)
    }

    /// What all subscriptions have in common, of the one this record keeps, and which dialog carries it.
    pub fn subscription_mut(&mut self, id: Id) -> Option<(&mut Subscription, &Carrier)> {
        let slot = self.slot(id)?;
        let subscription = slot.record.as_mut()?.subscription_mut()?;
        slot.dirty = true;
        Some(subscription)
    }

    /// An id that was never used.
    pub fn new_id(&self) -> Id {
        self.store.new_id()
    }

    /// A new record. Gives its id.
    pub fn add(&mut self, record: Record) -> Id {
        let id = self.new_id();
        self.insert(id, record);
        id
    }

    /// A new record with an id from [`Records::new_id`].
    pub fn insert(&mut self, id: Id, record: Record) {
        let slot = Slot {
            id,
            record: Some(record),
            stored: false,
            dirty: true,
            naming: None,
            shown: None,
        };
        match self.place(id) {
            Ok(at) => self.slots.splice(at..=at, [slot]).for_each(drop),
            Err(at) => self.slots.insert(at, slot),
        }
    }

    /// Removes a record.
    pub fn remove(&mut self, id: Id) {
        if let Some(slot) = self.slot(id) {
            slot.record = None;
        }
    }

    /// The record with this name, as it was when the event began.
    pub fn find(&self, name: &Name) -> Option<Id> {
        self.store.find(name)
    }

    /// The leg of somebody who is in the session or being invited.
    pub fn member(&self, who: &[Identity]) -> Option<Id> {
        let mut here = self.slots.iter();
        let here = here.find_map(|slot| match &slot.record {
            Some(Record::Leg(leg)) => {
                let theirs = || who.iter().any(|w| leg.identities.contains(w));
                (leg.is_member() && theirs()).then_some(slot.id)
            }
            _ => None,
        });
        here.or_else(|| {
            who.iter().find_map(|who| {
                let name = Name::Member {
                    session: self.session,
                    who: who.clone(),
                };
                // What this event has looked at was searched above; the store knows the rest.
                let found = self.store.find(&name);
                found.filter(|id| self.place(*id).is_err())
            })
        })
    }

    /// All records below the head, oldest first.
    pub fn children(&self) -> Vec<Id> {
        let mut ids = self.store.children(self.session);
        let seen = |id: Id| self.place(id).ok().and_then(|at| self.slots.get(at));
        ids.retain(|id| !seen(*id).is_some_and(Slot::is_removed));
        // Ids grow, so these follow in the order of their making.
        let added = self.slots.iter().filter(|slot| slot.is_added());
        ids.extend(added.map(|slot| slot.id));
        ids
    }

    /// Whether anything is left below the head; costs the same in a large session as in a small one.
    pub fn has_children(&self) -> bool {
        let count = |which: fn(&Slot) -> bool| self.slots.iter().filter(|s| which(s)).count();
        let (added, removed) = (count(Slot::is_added), count(Slot::is_removed));
        self.store.child_count(self.session) + added > removed
    }

    /// Legs whose conference state has changed since this was asked last, and whether they are in the
    /// session.
    pub fn take_changed_legs(&mut self) -> Vec<(Id, bool)> {
        let mut changed = Vec::new();
        for slot in &mut self.slots {
            if let Some(Record::Leg(leg)) = &slot.record {
                let now = shown(leg);
                if now != slot.shown {
                    slot.shown = now;
                    changed.push((slot.id, now.is_some()));
                }
            }
        }
        changed
    }

    /// Removes records that have nothing left to do; nobody else would ever look at them again.
    pub fn remove_finished(&mut self, now: Millis) {
        let finished = self.slots.iter().filter(|slot| match &slot.record {
            Some(Record::Leg(leg)) => leg.is_finished(),
            Some(Record::Refer(refer)) => refer.is_finished(now),
            _ => false,
        });
        let finished: Vec<Id> = finished.map(|slot| slot.id).collect();
        for id in finished {
            self.remove_whole(id);
        }
    }

    /// Removes a record, and with that of a REFER those that only it needs.
    pub fn remove_whole(&mut self, id: Id) {
        let history = self.refer(id).and_then(|refer| refer.history);
        for part in self.targets_of(id).into_iter().chain(history) {
            self.remove(part);
        }
        self.remove(id);
    }

    /// Whether this is a record that goes with that of its REFER.
    pub fn is_part(&mut self, id: Id) -> bool {
        let record = self.slot(id).and_then(|slot| slot.record.as_ref());
        matches!(record, Some(Record::Target(_) | Record::History(_)))
    }

    /// The targets of a REFER, in the order of its list.
    pub fn targets_of(&mut self, refer: Id) -> Vec<Id> {
        let mut next = self.refer(refer).and_then(|refer| refer.targets.first);
        let mut targets = Vec::new();
        while let Some(target) = next {
            targets.push(target);
            next = self.target(target).and_then(|target| target.next);
        }
        targets
    }

    /// What has to be committed.
    pub fn into_changes(self) -> impl Iterator<Item = Change> {
        let changed = |slot: &Slot| slot.is_removed() || (slot.dirty && slot.record.is_some());
        self.slots.into_iter().filter(changed).map(|slot| Change {
            id: slot.id,
            renamed: slot.is_renamed(),
            body: slot.record,
        })
    }

    /// Where the slot of this record is, or would have to be put.
    fn place(&self, id: Id) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&id, |slot| slot.id)
    }

    /// What is known of a record. `None`: there never was one.
    fn slot(&mut self, id: Id) -> Option<&mut Slot> {
        let at = match self.place(id) {
            Ok(at) => at,
            Err(at) => {
                let slot = Slot::loaded(id, self.store)?;
                self.slots.insert(at, slot);
                at
            }
        };
        self.slots.get_mut(at)
    }
}
