//! The structs of records and keys in shared memory, and the lists that link records.
//!
//! All structs have C layout and no `Drop`. Each field says which lock guards it.

use super::hash_table::Node;
use super::id::{Key, RecordId};
use std::ptr;

/// One record. It keeps its address for its whole life.
#[repr(C)]
pub(super) struct Record {
    /// The next in the chain of its bucket. Lock: the bucket's.
    pub next: *mut Record,
    /// Its identity; never changes.
    pub id: RecordId,
    /// The record above, which outlives this one; null for a root. Never changes.
    pub parent: *mut Record,
    /// Its place among the parent's children, or among the anchor's roots. Lock: the anchor's.
    pub siblings: Link,
    /// The records below, in the order they were committed. Lock: the anchor's.
    pub children: List,
    /// How many children there are. Lock: the anchor's.
    pub child_count: usize,
    /// A block of its own, null for an empty body. A commit writes a body into it that fits, and replaces it for
    /// one that does not. Lock: the anchor's.
    pub body: *mut u8,
    /// Bytes of the body. Lock: the anchor's.
    pub body_size: usize,
    /// Bytes of its block. Lock: the anchor's.
    pub body_room: usize,
    /// A block of `key_count` nodes, sorted by key; null for none. Lock: the anchor's.
    pub keys: *mut KeyNode,
    /// How many keys there are. Lock: the anchor's.
    pub key_count: usize,
    /// Its deadline. Lock: the wheel's.
    pub timer: Timer,
}

/// A record's deadline and its place in the timing wheel. Lock: the wheel's.
#[repr(C)]
pub(super) struct Timer {
    /// Milliseconds; `NEVER` for none. Changed with both locks held, the anchor's and the wheel's, so
    /// either is enough to read it.
    pub deadline: u64,
    /// Its place in the list that `place` names.
    pub link: Link,
    /// The list it is in: a slot of the wheel, `READY` or `NOWHERE`.
    pub place: usize,
    /// The pass of [`Wheel::due`](super::timer_wheel::Wheel::due) that returned it last.
    pub pass: u64,
}

/// One key of one record, in the record's block of keys.
#[repr(C)]
pub(super) struct KeyNode {
    /// The next in the chain of its bucket. Lock: the bucket's.
    pub next: *mut KeyNode,
    /// The halves of the key; never change.
    pub key: [u64; 2],
    /// The record that has the key; never changes.
    pub owner: RecordId,
}

/// A record's place in a list: its neighbours, null at the ends.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Link {
    /// The record before it.
    pub previous: *mut Record,
    /// The record after it.
    pub next: *mut Record,
}

/// A doubly linked list of records. Both null: empty.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct List {
    /// The first record.
    pub first: *mut Record,
    /// The last record.
    pub last: *mut Record,
}

/// Chooses which of a record's links a list uses.
pub(super) type LinkOf = unsafe fn(*mut Record) -> *mut Link;

/// The link of the lists of children and roots.
///
/// # Safety
/// `record` is alive.
pub(super) unsafe fn siblings(record: *mut Record) -> *mut Link {
    // SAFETY: this only computes an address inside the record.
    unsafe { &raw mut (*record).siblings }
}

/// The link of the lists of the timing wheel.
///
/// # Safety
/// `record` is alive.
pub(super) unsafe fn timer_link(record: *mut Record) -> *mut Link {
    // SAFETY: this only computes an address inside the record.
    unsafe { &raw mut (*record).timer.link }
}

impl Link {
    /// The link of a record that is in no list.
    pub const NONE: Link = Link {
        previous: ptr::null_mut(),
        next: ptr::null_mut(),
    };
}

impl List {
    /// The list without records.
    pub const EMPTY: List = List {
        first: ptr::null_mut(),
        last: ptr::null_mut(),
    };

    /// Inserts `record` behind `before`, or as the first one when `before` is null.
    ///
    /// # Safety
    /// The list's lock is held. `record` is alive and in no list of this link. `before` is in this list.
    pub unsafe fn insert_after(&mut self, before: *mut Record, record: *mut Record, link: LinkOf) {
        // SAFETY: records in a list are alive while its lock is held.
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

    /// Appends `record`.
    ///
    /// # Safety
    /// As for [`List::insert_after`].
    pub unsafe fn push_back(&mut self, record: *mut Record, link: LinkOf) {
        // SAFETY: `last` is in the list, or null when it is empty.
        unsafe { self.insert_after(self.last, record, link) }
    }

    /// Takes `record` out.
    ///
    /// # Safety
    /// The list's lock is held, and `record` is in this list.
    pub unsafe fn remove(&mut self, record: *mut Record, link: LinkOf) {
        // SAFETY: records in a list are alive while its lock is held.
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
    /// As long as the iterator is used, the list's lock is held and the list does not change.
    pub unsafe fn iter(&self, link: LinkOf) -> impl Iterator<Item = *mut Record> {
        let mut record = self.first;
        std::iter::from_fn(move || {
            let here = record;
            if here.is_null() {
                return None;
            }
            // SAFETY: records in a list are alive while its lock is held.
            record = unsafe { (*link(here)).next };
            Some(here)
        })
    }
}

impl KeyNode {
    /// The key in one piece.
    ///
    /// # Safety
    /// `node` is alive.
    pub unsafe fn key(node: *const KeyNode) -> Key {
        // SAFETY: the key never changes while the node is alive.
        Key::from_halves(unsafe { (*node).key })
    }
}

impl Record {
    /// The record's key nodes, sorted by key.
    ///
    /// # Safety
    /// As long as the result is used, the anchor's lock is held and no commit is applied.
    pub unsafe fn key_nodes<'a>(
        record: *mut Record,
    ) -> impl ExactSizeIterator<Item = *mut KeyNode> + 'a {
        // SAFETY: the record is alive under its anchor's lock.
        let (first, count) = unsafe { ((*record).keys, (*record).key_count) };
        // SAFETY: the block has `count` nodes, and the index is below the count.
        (0..count).map(move |index| unsafe { first.add(index) })
    }
}

impl Node for Record {
    unsafe fn next(node: *mut Self) -> *mut *mut Self {
        // SAFETY: this only computes an address inside the node.
        unsafe { &raw mut (*node).next }
    }
}

impl Node for KeyNode {
    unsafe fn next(node: *mut Self) -> *mut *mut Self {
        // SAFETY: this only computes an address inside the node.
        unsafe { &raw mut (*node).next }
    }
}
