//! Records of bytes in shared memory: found by key, guarded by locks, with deadlines, in families.
//!
//! A *family* is a record without parent, called a root, and all records below it. Each family belongs
//! to one *anchor*: a lock out of a fixed number, which many families share. To use a family, lock its
//! anchor, read, decide, [`Locked::commit`], unlock, and act then.

mod change;
mod commit;
mod hash_table;
mod id;
mod layout;
mod locked;
mod shared_root;
mod step;
#[cfg(test)]
mod tests;
mod timer_wheel;

pub use change::{Change, CommitError};
pub use id::{Anchor, Key, RecordId, MAX_ANCHORS};
pub use locked::Locked;

use super::alarm::Heard;
use super::lock::Lock;
use super::memory::{Block, Memory};
use hash_table::Table;
use layout::{KeyNode, List, Record};
use shared_root::{AnchorCell, Root};
use std::cell::UnsafeCell;
use std::collections::BinaryHeap;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use timer_wheel::Wheel;

/// Most buckets, and most wheel slots, of an engine.
pub const MAX_TABLE: u32 = 1 << 24;

/// The sizes of an engine, fixed at creation. The first three are rounded up to a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// How many anchors, 1 to [`MAX_ANCHORS`], 64 bytes each. With many more anchors than processes, two
    /// processes rarely need the same one.
    pub anchors: u32,
    /// How many buckets the table of records and the table of keys have, 1 to [`MAX_TABLE`]. A bucket
    /// takes 16 bytes in each table. About one per record keeps look-ups short.
    pub buckets: u32,
    /// How many slots the timing wheel has, 1 to [`MAX_TABLE`], 16 bytes each. One round of the wheel
    /// takes `wheel_slots` times `tick_ms`. Records with later deadlines are checked once per round.
    pub wheel_slots: u32,
    /// Milliseconds that share one slot of the wheel; not 0. Deadlines are exact nevertheless.
    pub tick_ms: u64,
}

impl EngineConfig {
    /// Sizes for an engine that may fill `bytes` of memory: a bucket for every 2 kB, which is what a record takes
    /// with its keys, and never fewer than in a small server.
    pub fn for_memory(bytes: u64) -> EngineConfig {
        let least = EngineConfig::default();
        let wanted = (bytes / 2_048).next_power_of_two();
        let buckets = u32::try_from(wanted).unwrap_or(MAX_TABLE);
        EngineConfig {
            buckets: buckets.clamp(least.buckets, MAX_TABLE),
            ..least
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        EngineConfig {
            anchors: 1024,
            buckets: 1 << 15,
            wheel_slots: 4096,
            tick_ms: 100,
        }
    }
}

/// Why an engine, a queue or a ring could not be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The allocator has no room.
    #[error("shared memory has no room for the tables; give the server more of it")]
    Full,
    /// A size is out of range.
    #[error("{name} is {value}, expected 1 to {max}")]
    Config {
        /// The name of the size.
        name: &'static str,
        /// The size asked for.
        value: u64,
        /// The greatest size accepted.
        max: u64,
    },
    /// Holds the words of the operating system.
    #[error("the system gave no random key: {0}")]
    NoRandomness(String),
}

/// What an engine holds. The numbers are read one after the other, while other processes may change them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Records of all families.
    pub records: usize,
    /// Keys of all records.
    pub keys: usize,
    /// Bytes allocated for records, bodies and keys, without the tables and the allocator's overhead.
    pub bytes: usize,
}

/// A handle to an engine. All copies are the same engine.
///
/// Process: create it before the fork; any process may use it. Lock: each method says which lock it
/// takes. Only [`Locked`] holds one after the method returns. Memory: shared.
#[derive(Clone, Copy)]
pub struct Engine<M: Memory> {
    memory: M,
    root: NonNull<Root>,
}

// SAFETY: everything behind `root` is constant, atomic or guarded by a lock, which works between threads
// as it does between processes.
unsafe impl<M: Memory + Send> Send for Engine<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Engine<M> {}

impl<M: Memory> Engine<M> {
    /// An engine without records. `now_ms` is the time now, in milliseconds of the clock that deadlines
    /// are given in.
    ///
    /// # Errors
    /// [`StoreError`]. Nothing stays allocated then.
    pub fn create(memory: M, config: EngineConfig, now_ms: u64) -> Result<Self, StoreError> {
        let anchors = power_of_two("anchors", config.anchors, MAX_ANCHORS)?;
        let buckets = power_of_two("buckets", config.buckets, MAX_TABLE)?;
        let wheel_slots = power_of_two("wheel_slots", config.wheel_slots, MAX_TABLE)?;
        if config.tick_ms == 0 {
            return Err(StoreError::Config {
                name: "tick_ms",
                value: 0,
                max: u64::MAX,
            });
        }
        let hash_key = random_key()?;

        let full = StoreError::Full;
        let root_block = Block::array::<Root>(memory, 1).ok_or(full.clone())?;
        let (cells, cells_block) = anchor_cells(memory, anchors).ok_or(full.clone())?;
        let (records, records_block) = Table::create(memory, buckets).ok_or(full.clone())?;
        let (keys, keys_block) = Table::create(memory, buckets).ok_or(full.clone())?;
        let (wheel, wheel_block) =
            Wheel::create(memory, wheel_slots, config.tick_ms, now_ms).ok_or(full)?;

        for block in [cells_block, records_block, keys_block, wheel_block] {
            block.keep();
        }
        let root = root_block.keep().cast::<Root>();
        let content = Root {
            serial: AtomicU64::new(1),
            hash_key,
            anchors: cells,
            anchor_mask: anchors - 1,
            records,
            keys,
            wheel,
            record_count: AtomicUsize::new(0),
            key_count: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        };
        // SAFETY: the block has room for a Root and nobody else knows it.
        unsafe { root.write(content) };
        Ok(Engine { memory, root })
    }

    /// Releases all its memory, records included. Takes no lock, because another process may have died
    /// with one.
    ///
    /// # Safety
    /// No process uses a copy of this engine any more, and no [`Locked`] is alive.
    pub unsafe fn destroy(self) {
        let memory = self.memory;
        let root = self.root();
        // SAFETY: by the caller's promise nobody else uses the engine. Each block is released once, with
        // the size it was allocated with. Nobody uses the tables after they are drained.
        unsafe {
            root.records.drain(|record| {
                let _body = body_block(memory, record);
                let _keys = keys_block(memory, record);
                let _record = record_block(memory, record);
            });
            let cells = (root.anchor_mask as usize + 1) * size_of::<AnchorCell>();
            let _cells = adopt(memory, root.anchors.cast(), cells);
            let _records = root.records.block(memory);
            let _keys = root.keys.block(memory);
            let _wheel = root.wheel.block(memory);
            let _root = Block::adopt(memory, self.root.cast(), size_of::<Root>());
        }
    }

    /// The key of a name that consists of `parts`. Takes no lock.
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        Key::of(self.root().hash_key, parts)
    }

    /// The record that has `key`. Takes a leaf lock for the look-up only.
    ///
    /// The answer may be out of date when it arrives. It may also come from a commit that is refused a
    /// moment later. So lock `id.anchor()` and look again.
    pub fn find(&self, key: Key) -> Option<RecordId> {
        let chain = self.root().keys.lock(key.bucket_hash());
        let halves = key.halves();
        // SAFETY: nodes are alive while their chain is locked, and their keys never change.
        let node = chain.find(|node: *mut KeyNode| unsafe { (*node).key == halves });
        if node.is_null() {
            return None;
        }
        // SAFETY: the node is alive while its chain is locked, and its owner never changes.
        Some(unsafe { (*node).owner })
    }

    /// The anchor under which a root with `key` is made. Lock it, look for the key, and make the root if
    /// there is none: two processes that do this at the same time lock the same anchor.
    pub fn anchor_of(&self, key: Key) -> Anchor {
        Anchor::from_hash(key.anchor_hash(), self.root().anchor_mask)
    }

    /// An anchor for a root that nobody else may be about to make. Equal seeds give equal anchors.
    pub fn random_anchor(&self, seed: u64) -> Anchor {
        self.anchor_of(self.key(&[b"anchor", &seed.to_le_bytes()]))
    }

    /// Waits for an anchor's lock, and holds it until the result is dropped.
    ///
    /// # Panics
    /// When this thread holds an anchor already. If the two were the same, it would wait for ever.
    pub fn lock(&self, anchor: Anchor) -> Locked<'_, M> {
        Locked::acquire(self, anchor)
    }

    /// Up to `limit` records whose deadline is `now_ms` (milliseconds) or earlier. Takes the wheel's leaf
    /// lock, repeatedly for short times.
    ///
    /// A record stays due until a commit changes its deadline. Records that were not returned for the
    /// longest time come first, so repeated calls reach all of them. The answer may be out of date when
    /// it arrives: lock `id.anchor()` and look again.
    pub fn due(&self, now_ms: u64, limit: usize) -> Vec<RecordId> {
        self.root().wheel.due(now_ms, limit)
    }

    /// To be asked before [`Engine::due`] by who sleeps afterwards: what turns up after this is not slept
    /// through.
    pub fn listen(&self) -> Heard {
        self.root().wheel.listen()
    }

    /// Wakes the process in [`Engine::sleep`].
    pub fn ring(&self) {
        self.root().wheel.ring();
    }

    /// Sleeps from `now_ms` until a record is due that the last call of [`Engine::due`] has not returned, but
    /// not longer than `longest_ms`; not longer than `again_ms` while records are due that it has returned.
    /// One process alone may do that. Takes the wheel's leaf lock for short times.
    pub fn sleep(&self, heard: Heard, now_ms: u64, longest_ms: u64, again_ms: u64) {
        let wheel = &self.root().wheel;
        wheel.sleep(heard, now_ms, longest_ms, again_ms);
    }

    /// Up to `limit` roots in the order of their identities' serials, starting behind `after`, which need
    /// not exist any more. Locks every anchor once, one at a time: meant for listings, too slow for the
    /// path of a message.
    ///
    /// # Panics
    /// When this thread holds an anchor; see [`Engine::lock`].
    pub fn roots(&self, after: Option<RecordId>, limit: usize) -> Vec<RecordId> {
        if limit == 0 {
            return Vec::new();
        }
        let after = after.map_or(0, RecordId::serial);
        // The `limit` smallest serials so far, with the greatest of them on top.
        let mut smallest: BinaryHeap<(u64, RecordId)> = BinaryHeap::new();
        for hash in 0..=u64::from(self.root().anchor_mask) {
            let locked = self.lock(Anchor::from_hash(hash, self.root().anchor_mask));
            let roots = locked.roots().map(|id| (id.serial(), id));
            for root in roots.skip_while(|root| root.0 <= after) {
                if smallest.len() < limit {
                    smallest.push(root);
                } else if smallest.peek().is_some_and(|greatest| root < *greatest) {
                    smallest.pop();
                    smallest.push(root);
                } else {
                    break;
                }
            }
        }
        let sorted = smallest.into_sorted_vec();
        sorted.into_iter().map(|(_, id)| id).collect()
    }

    /// What it holds now. Takes no lock.
    pub fn counts(&self) -> Counts {
        let root = self.root();
        Counts {
            records: root.record_count.load(Ordering::Relaxed),
            keys: root.key_count.load(Ordering::Relaxed),
            bytes: root.bytes.load(Ordering::Relaxed),
        }
    }

    fn root(&self) -> &Root {
        // SAFETY: `create` wrote it. It stays until `destroy`, after which nobody uses the engine. What
        // changes inside is atomic or in an UnsafeCell.
        unsafe { self.root.as_ref() }
    }

    fn anchor_cell(&self, anchor: Anchor) -> &AnchorCell {
        let index = anchor.masked(self.root().anchor_mask).index();
        // SAFETY: the index is masked, so it is inside the block, which lives as long as the engine.
        unsafe { &*self.root().anchors.add(index) }
    }
}

fn power_of_two(name: &'static str, value: u32, max: u32) -> Result<u32, StoreError> {
    match value {
        1.. if value <= max => Ok(value.next_power_of_two()),
        _ => Err(StoreError::Config {
            name,
            value: u64::from(value),
            max: u64::from(max),
        }),
    }
}

fn random_key() -> Result<[u64; 2], StoreError> {
    let half = || getrandom::u64().map_err(|error| StoreError::NoRandomness(error.to_string()));
    Ok([half()?, half()?])
}

fn anchor_cells<M: Memory>(memory: M, anchors: u32) -> Option<(*mut AnchorCell, Block<M>)> {
    let block = Block::array::<AnchorCell>(memory, anchors as usize)?;
    let first = block.start().cast::<AnchorCell>();
    for index in 0..anchors as usize {
        let cell = AnchorCell {
            lock: Lock::new(),
            roots: UnsafeCell::new(List::EMPTY),
            pad: [0; 5],
        };
        // SAFETY: the block has room for `anchors` cells and nobody else knows it.
        unsafe { first.add(index).write(cell) };
    }
    Some((first.as_ptr(), block))
}

/// The block at `start`; `None` for null.
///
/// # Safety
/// As for [`Block::adopt`].
unsafe fn adopt<M: Memory>(memory: M, start: *mut u8, size: usize) -> Option<Block<M>> {
    // SAFETY: promised by the caller.
    NonNull::new(start).map(|start| unsafe { Block::adopt(memory, start, size) })
}

/// The block of a record's body, which the caller may drop.
///
/// # Safety
/// The record is alive and of this memory. Nobody reads this body after the result is dropped.
unsafe fn body_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: a commit changes address and room together.
    unsafe { adopt(memory, (*record).body, (*record).body_room) }
}

/// The block of a record's keys, which the caller may drop.
///
/// # Safety
/// The record is alive and of this memory. When the result is dropped, none of these keys is in a chain.
unsafe fn keys_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: a commit changes address and count together.
    unsafe {
        let size = (*record).key_count * size_of::<KeyNode>();
        adopt(memory, (*record).keys.cast(), size)
    }
}

/// The block of a record itself, which the caller may drop.
///
/// # Safety
/// The record is of this memory. When the result is dropped, it is in no list or chain and nobody uses
/// it.
unsafe fn record_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: `empty_record` allocates every record with this size.
    unsafe { adopt(memory, record.cast(), size_of::<Record>()) }
}
