//! What can be done with a family of records while its anchor is held: read, and make identities.
//! Writing is in `commit`.

use super::id::{Anchor, Key, RecordId};
use super::layout::{siblings, Record};
use super::wheel::NEVER;
use super::Engine;
use crate::store::lock::Guard;
use crate::store::memory::Memory;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

thread_local! {
    /// Whether this thread holds an anchor of any engine.
    static HOLDING: Cell<bool> = const { Cell::new(false) };
}

/// The anchor lock, held until this is dropped, also when a panic unwinds: what was not committed has
/// then not happened.
///
/// Process: any; stays in the thread that took it. Lock: the anchor's, above all leaf locks. While it is
/// held: no second anchor, no send, no file, no waiting.
pub struct Locked<'a, M: Memory> {
    pub(super) engine: &'a Engine<M>,
    pub(super) anchor: Anchor,
    _guard: Guard<'a>,
    here: PhantomData<*const ()>,
}

impl<'a, M: Memory> Locked<'a, M> {
    pub(super) fn acquire(engine: &'a Engine<M>, anchor: Anchor) -> Self {
        assert!(
            !HOLDING.get(),
            "an anchor is taken while another is held: let go of the first"
        );
        let guard = engine.anchor_cell(anchor).lock.acquire();
        HOLDING.set(true);
        Locked {
            engine,
            anchor: anchor.masked(engine.root().anchor_mask),
            _guard: guard,
            here: PhantomData,
        }
    }

    /// A new identity under this anchor, not used before and never again. There is no record until a
    /// commit makes one; an identity that gets none is lost, which does no harm.
    ///
    /// # Panics
    /// When 2^48 identities were made.
    pub fn new_id(&self) -> RecordId {
        let serial = self.engine.root().serial.fetch_add(1, Ordering::Relaxed);
        match RecordId::compose(self.anchor, serial) {
            Some(id) => id,
            None => panic!("all record serials are used up"),
        }
    }

    /// The record's body. `None` when there is no such record (any more), or it belongs to another anchor.
    pub fn read(&self, id: RecordId) -> Option<&[u8]> {
        let record = self.record(id)?;
        // SAFETY: alive under the anchor's lock; the body changes in `commit` only, which needs `&mut self`.
        unsafe {
            if (*record).body.is_null() {
                return Some(&[]);
            }
            Some(std::slice::from_raw_parts(
                (*record).body,
                (*record).body_size,
            ))
        }
    }

    /// The record above `id`. `None` for a root, and where [`Locked::read`] says so.
    pub fn parent(&self, id: RecordId) -> Option<RecordId> {
        let record = self.record(id)?;
        // SAFETY: alive under the anchor's lock, and a parent outlives its children.
        unsafe {
            let parent = (*record).parent;
            (!parent.is_null()).then(|| (*parent).id)
        }
    }

    /// The records right below `id`, in the order they were made. The only call here whose cost grows
    /// with the family.
    pub fn children(&self, id: RecordId) -> Vec<RecordId> {
        let Some(record) = self.record(id) else {
            return Vec::new();
        };
        // SAFETY: alive under the anchor's lock; links change in `commit` only, which needs `&mut self`.
        unsafe {
            let mut children = Vec::with_capacity((*record).child_count);
            children.extend((*record).children.iter(siblings).map(|child| (*child).id));
            children
        }
    }

    /// How many records are right below `id`.
    pub fn child_count(&self, id: RecordId) -> usize {
        // SAFETY: alive under the anchor's lock.
        self.record(id)
            .map_or(0, |record| unsafe { (*record).child_count })
    }

    /// When `id` is due, if it has a deadline.
    pub fn deadline(&self, id: RecordId) -> Option<u64> {
        let record = self.record(id)?;
        // SAFETY: alive under the anchor's lock, which is enough to read a deadline.
        Some(unsafe { (*record).timer.deadline }).filter(|&deadline| deadline != NEVER)
    }

    /// The record that has `key`. Certain when it belongs to this anchor (and `None` is certain for a key
    /// that only records of this anchor get); a hint as [`Engine::find`] otherwise: see `id.anchor()`.
    pub fn find(&self, key: Key) -> Option<RecordId> {
        self.engine.find(key)
    }

    pub(super) fn record(&self, id: RecordId) -> Option<*mut Record> {
        if id.anchor() != self.anchor {
            return None;
        }
        let chain = self.engine.root().records.lock(id.serial());
        // SAFETY: the chain's nodes are alive while it is locked, and their identities never change.
        let record = chain.find(|record: *mut Record| unsafe { (*record).id == id });
        // Alive after the chain is let go too: only a commit under this anchor removes it.
        (!record.is_null()).then_some(record)
    }

    /// The anchor's records without parent, in serial order.
    pub(super) fn roots(&self) -> impl Iterator<Item = RecordId> + '_ {
        let roots = self.engine.anchor_cell(self.anchor).roots.get();
        // SAFETY: the anchor's lock is held as long as `self` lives, and changes need `&mut self`.
        unsafe { (*roots).iter(siblings).map(|record| (*record).id) }
    }
}

impl<M: Memory> Drop for Locked<'_, M> {
    fn drop(&mut self) {
        HOLDING.set(false);
    }
}
