//! The shapes of what lies in shared memory, and the lists that run through it.
//! Plain C layouts only: no `Drop`, no Rust collection, no reference that outlives a lock.

use super::id::{Key, RecordId};
use super::table::Node;
use std::ptr;

/// One record; stays at its address for its whole life. Process: any. Lock: as said at each field.
#[repr(C)]
pub(super) struct Record {
    /// Chain of its bucket: the bucket's lock.
    pub next: *mut Record,
    /// Never changes.
    pub id: RecordId,
    /// Never changes; null for a root. A parent outlives its children.
    pub parent: *mut Record,
    /// Among the parent's children, or among the anchor's roots: the anchor's lock.
    pub siblings: Link,
    /// In the order they came: the anchor's lock.
    pub children: List,
    pub child_count: usize,
    /// A block of its own, swapped at each commit; null when empty: the anchor's lock.
    pub body: *mut u8,
    pub body_size: usize,
    /// A block of `key_count` nodes in order of their keys; null when none: the anchor's lock.
    pub keys: *mut KeyNode,
    pub key_count: usize,
    pub timer: Timer,
}

/// A record's place in the timing wheel. Lock: the wheel's.
#[repr(C)]
pub(super) struct Timer {
    /// Changed under the anchor's lock too, so either is enough to read it.
    pub deadline: u64,
    pub link: Link,
    /// Which list of the wheel it is in.
    pub place: usize,
    /// The call of `due` that handed it out last.
    pub pass: u64,
}

/// One key of one record, part of the record's block of keys.
#[repr(C)]
pub(super) struct KeyNode {
    /// Chain of its bucket: the bucket's lock.
    pub next: *mut KeyNode,
    /// Never changes.
    pub key: [u64; 2],
    /// Never changes.
    pub owner: RecordId,
}

/// A record's place in a list.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Link {
    pub previous: *mut Record,
    pub next: *mut Record,
}

/// A list of records, linked both ways. All null is the empty list.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct List {
    pub first: *mut Record,
    pub last: *mut Record,
}

/// Which of a record's links a list uses.
pub(super) type LinkOf = unsafe fn(*mut Record) -> *mut Link;

/// # Safety
/// `record` is alive.
pub(super) unsafe fn siblings(record: *mut Record) -> *mut Link {
    // SAFETY: only an address inside the record is computed.
    unsafe { &raw mut (*record).siblings }
}

/// # Safety
/// `record` is alive.
pub(super) unsafe fn timer_link(record: *mut Record) -> *mut Link {
    // SAFETY: only an address inside the record is computed.
    unsafe { &raw mut (*record).timer.link }
}

impl Link {
    pub const NONE: Link = Link {
        previous: ptr::null_mut(),
        next: ptr::null_mut(),
    };
}

impl List {
    pub const EMPTY: List = List {
        first: ptr::null_mut(),
        last: ptr::null_mut(),
    };

    /// Puts `record` behind `before`, or first when `before` is null.
    ///
    /// # Safety
    /// The list's lock is held; `record` is alive and in no list of this link; `before` is in this one.
    pub unsafe fn insert_after(&mut self, before: *mut Record, record: *mut Record, link: LinkOf) {
        // SAFETY: everything in the list is alive while its lock is held.
        unsafe {
            let after = if before.is_null() {
                std::mem::replace(&mut self.first, record)
            } else {
                std::mem::replace(&mut (*link(before)).next, record)
            };
            if after.is_null() {
                self.last = record;
            } else {
                (*link(after)).previous = record;
            }
            *link(record) = Link {
                previous: before,
                next: after,
            };
        }
    }

    /// # Safety
    /// As for [`List::insert_after`].
    pub unsafe fn push_back(&mut self, record: *mut Record, link: LinkOf) {
        // SAFETY: the last one is in the list, or null when it is empty.
        unsafe { self.insert_after(self.last, record, link) }
    }

    /// # Safety
    /// The list's lock is held, and `record` is in this list.
    pub unsafe fn remove(&mut self, record: *mut Record, link: LinkOf) {
        // SAFETY: everything in the list is alive while its lock is held.
        unsafe {
            let Link { previous, next } = std::mem::replace(&mut *link(record), Link::NONE);
            if previous.is_null() {
                self.first = next;
            } else {
                (*link(previous)).next = next;
            }
            if next.is_null() {
                self.last = previous;
            } else {
                (*link(next)).previous = previous;
            }
        }
    }

    /// The records of the list, first to last.
    ///
    /// # Safety
    /// The list's lock is held, and the list stays as it is, for as long as the iterator is used.
    pub unsafe fn iter(&self, link: LinkOf) -> impl Iterator<Item = *mut Record> {
        let mut record = self.first;
        std::iter::from_fn(move || {
            let here = record;
            if here.is_null() {
                return None;
            }
            // SAFETY: everything in the list is alive while its lock is held.
            record = unsafe { (*link(here)).next };
            Some(here)
        })
    }
}

impl KeyNode {
    /// # Safety
    /// `node` is alive.
    pub unsafe fn key(node: *const KeyNode) -> Key {
        // SAFETY: never changes while the node is alive.
        Key::from_halves(unsafe { (*node).key })
    }
}

impl Record {
    /// The record's keys, in order.
    ///
    /// # Safety
    /// The anchor's lock is held for as long as the result is used, and no commit is applied meanwhile.
    pub unsafe fn key_nodes<'a>(
        record: *mut Record,
    ) -> impl ExactSizeIterator<Item = *mut KeyNode> + 'a {
        // SAFETY: the record is alive under its anchor's lock; its block has `key_count` nodes.
        let (first, count) = unsafe { ((*record).keys, (*record).key_count) };
        // SAFETY: below the count, so inside the block.
        (0..count).map(move |index| unsafe { first.add(index) })
    }
}

impl Node for Record {
    unsafe fn next(node: *mut Self) -> *mut *mut Self {
        // SAFETY: only an address inside the node is computed.
        unsafe { &raw mut (*node).next }
    }
}

impl Node for KeyNode {
    unsafe fn next(node: *mut Self) -> *mut *mut Self {
        // SAFETY: only an address inside the node is computed.
        unsafe { &raw mut (*node).next }
    }
}
