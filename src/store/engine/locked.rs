//! What a process can do with the records of an anchor that it has locked: read, and make identities.

use super::id::{Anchor, Key, RecordId};
use super::layout::{siblings, Record};
use super::timer_wheel::NEVER;
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

/// An anchor that is locked until this is dropped, also by a panic that unwinds. Only commits change
/// anything, so a panic before the commit leaves the old state.
///
/// Process: any; it stays in its thread. Lock: the anchor's, taken before any leaf lock. While it is held
/// the process locks no second anchor, sends nothing, opens no file and waits for nothing.
pub struct Locked<'a, M: Memory> {
    /// The engine of the anchor.
    pub(super) engine: &'a Engine<M>,
    /// Which anchor is locked.
    pub(super) anchor: Anchor,
    _guard: Guard<'a>,
    not_send: PhantomData<*const ()>,
}

impl<'a, M: Memory> Locked<'a, M> {
    /// Waits for the anchor's lock; see [`Engine::lock`].
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
            not_send: PhantomData,
        }
    }

    /// A new identity under this anchor, which no record had before. A commit can make a record for it;
    /// without one the identity is lost, which does no harm.
    ///
    /// # Panics
    /// When all 2^48 serials are used up.
    #[expect(
        clippy::panic,
        reason = "2^48 identities outlast every server; no peer can use them up"
    )]
    pub fn new_id(&self) -> RecordId {
        let serial = self.engine.root().serial.fetch_add(1, Ordering::Relaxed);
        match RecordId::compose(self.anchor, serial) {
            Some(id) => id,
            None => panic!("all record serials are used up"),
        }
    }

    /// The body of a record. `None` when there is no such record, or it belongs to another anchor.
    pub fn read(&self, id: RecordId) -> Option<&[u8]> {
        let record = self.record(id)?;
        // SAFETY: the record is alive under the anchor's lock. Only `commit` changes its body, and that
        // needs `&mut self`.
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

    /// The record above `id`. `None` for a root, and whenever [`Locked::read`] gives `None`.
    pub fn parent(&self, id: RecordId) -> Option<RecordId> {
        let record = self.record(id)?;
        // SAFETY: the record is alive under the anchor's lock, and a parent outlives its children.
        unsafe {
            let parent = (*record).parent;
            (!parent.is_null()).then(|| (*parent).id)
        }
    }

    /// The children of `id` in the order they were committed. Its cost grows with their number.
    pub fn children(&self, id: RecordId) -> Vec<RecordId> {
        let Some(record) = self.record(id) else {
            return Vec::new();
        };
        // SAFETY: the record is alive under the anchor's lock. Only `commit` changes links, and that needs
        // `&mut self`.
        unsafe {
            let mut children = Vec::with_capacity((*record).child_count);
            children.extend((*record).children.iter(siblings).map(|child| (*child).id));
            children
        }
    }

    /// How many children `id` has. Its cost does not grow with their number.
    pub fn child_count(&self, id: RecordId) -> usize {
        // SAFETY: the record is alive under the anchor's lock.
        self.record(id)
            .map_or(0, |record| unsafe { (*record).child_count })
    }

    /// The deadline of `id` in milliseconds; `None` without one.
    pub fn deadline(&self, id: RecordId) -> Option<u64> {
        let record = self.record(id)?;
        // SAFETY: the record is alive under the anchor's lock, which is enough to read a deadline.
        Some(unsafe { (*record).timer.deadline }).filter(|&deadline| deadline != NEVER)
    }

    /// The record that has `key`. A record of this anchor has it for certain. `None` is certain for a key
    /// that only records of this anchor can get. Any other answer is only a hint, as with
    /// [`Engine::find`].
    pub fn find(&self, key: Key) -> Option<RecordId> {
        self.engine.find(key)
    }

    /// The address of a record of this anchor. It stays valid until a commit deletes the record.
    pub(super) fn record(&self, id: RecordId) -> Option<*mut Record> {
        if id.anchor() != self.anchor {
            return None;
        }
        let chain = self.engine.root().records.lock(id.serial());
        // SAFETY: records are alive while their chain is locked, and their identities never change.
        let record = chain.find(|record: *mut Record| unsafe { (*record).id == id });
        // The record stays alive when the chain is unlocked: only a commit under this anchor removes it.
        (!record.is_null()).then_some(record)
    }

    /// The anchor's roots in order of their serials.
    pub(super) fn roots(&self) -> impl Iterator<Item = RecordId> + '_ {
        let roots = self.engine.anchor_cell(self.anchor).roots.get();
        // SAFETY: the anchor is locked as long as `self` lives, and changes need `&mut self`.
        unsafe { (*roots).iter(siblings).map(|record| (*record).id) }
    }
}

impl<M: Memory> Drop for Locked<'_, M> {
    fn drop(&mut self) {
        HOLDING.set(false);
    }
}
