//! Records of bytes in shared memory: found by key, guarded by anchor locks, with deadlines, in families.
//! It knows nothing of SIP, nor what the bytes mean.
//!
//! A *family* is a record without parent and everything below it; all of it lives under one *anchor*, a
//! lock out of a fixed number. Take the anchor, read, decide, [`Locked::commit`], let go, act.

mod change;
mod commit;
mod id;
mod layout;
mod locked;
mod root;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod wheel;

pub use change::{Change, CommitError};
pub use id::{Anchor, Key, RecordId, MAX_ANCHORS};
pub use locked::Locked;

use super::lock::Lock;
use super::memory::{Block, Memory};
use layout::{KeyNode, List, Record};
use root::{AnchorCell, Root};
use std::cell::UnsafeCell;
use std::collections::BinaryHeap;
use std::mem::size_of;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use table::Table;
use wheel::Wheel;

/// Most buckets or wheel slots an engine can have.
pub const MAX_TABLE: u32 = 1 << 24;

/// Sizes fixed at creation. The first three are rounded up to a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// Session locks: 64 bytes each; at most [`MAX_ANCHORS`]. Many more than there are processes.
    pub anchors: u32,
    /// Of the table of records and of that of keys: 16 bytes each, twice; at most [`MAX_TABLE`]. About as
    /// many as there will be records.
    pub buckets: u32,
    /// Of the timing wheel: 16 bytes each; at most [`MAX_TABLE`]. Times `tick_ms` it should cover most
    /// deadlines: what is farther away is looked at once per round.
    pub wheel_slots: u32,
    /// Milliseconds that share a slot of the wheel. Deadlines are exact all the same.
    pub tick_ms: u64,
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

/// Why an engine or a queue could not be created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("shared memory has no room for the tables; give the server more of it")]
    Full,
    #[error("{name} is {value}, expected 1 to {most}")]
    Config {
        name: &'static str,
        value: u64,
        most: u64,
    },
    #[error("the system gave no random key: {0}")]
    NoRandomness(String),
}

/// What an engine holds at the moment. Each number is exact by itself; together they may be of
/// different moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    pub records: usize,
    pub keys: usize,
    /// Bytes asked of the allocator for records, bodies and keys; without tables and its own overhead.
    pub bytes: usize,
}

/// A handle to the store; copies are the same store.
///
/// Process: create it before the fork, use it in every process after. Lock: each method says which it
/// takes; none is held when it returns, except by [`Locked`]. Memory: shared, nothing outside it.
#[derive(Clone, Copy)]
pub struct Engine<M: Memory> {
    memory: M,
    root: NonNull<Root>,
}

// SAFETY: everything behind `root` is constant, atomic or guarded by a lock that works among threads as
// it does among processes.
unsafe impl<M: Memory + Send> Send for Engine<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Engine<M> {}

impl<M: Memory> Engine<M> {
    /// Lays out an empty store in `memory`. `now_ms` is the clock that deadlines will be compared with.
    ///
    /// # Errors
    /// [`StoreError`]; nothing stays allocated then.
    pub fn create(memory: M, config: EngineConfig, now_ms: u64) -> Result<Self, StoreError> {
        let anchors = power_of_two("anchors", config.anchors, MAX_ANCHORS)?;
        let buckets = power_of_two("buckets", config.buckets, MAX_TABLE)?;
        let wheel_slots = power_of_two("wheel_slots", config.wheel_slots, MAX_TABLE)?;
        if config.tick_ms == 0 {
            return Err(StoreError::Config {
                name: "tick_ms",
                value: 0,
                most: u64::MAX,
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
        // SAFETY: the block was made for a Root and nobody else knows it.
        unsafe { root.write(content) };
        Ok(Engine { memory, root })
    }

    /// Gives every block back to the memory, records included. Takes no lock: another process may have
    /// died holding one.
    ///
    /// # Safety
    /// No copy of this engine is used any more, in any process, and no [`Locked`] is alive.
    pub unsafe fn destroy(self) {
        let memory = self.memory;
        let root = self.root();
        // SAFETY: nobody else is there by the caller's promise; each block is given back once, with the
        // size it was asked with; the tables are not touched after they are drained.
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

    /// The key of a name made of several parts. Takes no lock.
    pub fn key(&self, parts: &[&[u8]]) -> Key {
        Key::of(self.root().hash_key, parts)
    }

    /// The record that has `key`. Takes a leaf lock for the look-up only, so the answer may be stale, and
    /// may even come from a commit that is about to be refused: take `id.anchor()` and look again.
    pub fn find(&self, key: Key) -> Option<RecordId> {
        let chain = self.root().keys.lock(key.bucket_hash());
        let halves = key.halves();
        // SAFETY: the chain's nodes are alive while it is locked, and their keys never change.
        let node = chain.find(|node: *mut KeyNode| unsafe { (*node).key == halves });
        if node.is_null() {
            return None;
        }
        // SAFETY: as above.
        Some(unsafe { (*node).owner })
    }

    /// The anchor for whoever makes a record for `key` if there is none: lock it first, then look. Two
    /// processes that do so meet here.
    pub fn anchor_of(&self, key: Key) -> Anchor {
        Anchor::from_hash(key.anchor_hash(), self.root().anchor_mask)
    }

    /// An anchor for a record that has no key to meet others by. `seed`: anything; equal seeds, equal anchors.
    pub fn random_anchor(&self, seed: u64) -> Anchor {
        self.anchor_of(self.key(&[b"anchor", &seed.to_le_bytes()]))
    }

    /// Waits for the session lock and holds it until the result is dropped.
    ///
    /// # Panics
    /// When this thread holds an anchor already: it would wait for ever, and the whole server with it.
    pub fn lock(&self, anchor: Anchor) -> Locked<'_, M> {
        Locked::acquire(self, anchor)
    }

    /// Up to `limit` records whose deadline is `now_ms` or earlier. They stay due until a commit gives
    /// them another deadline: asked again, those come last that were handed out last. Takes the wheel's
    /// leaf lock, in small portions. The answer may be stale: look again under `id.anchor()`.
    pub fn due(&self, now_ms: u64, limit: usize) -> Vec<RecordId> {
        self.root().wheel.due(now_ms, limit)
    }

    /// Up to `limit` records without parent, in the order of their serials (that is, of their making),
    /// those after `after` only, which need not exist any more. Takes every anchor once, one at a time;
    /// for listings, not for the path of a message.
    ///
    /// # Panics
    /// When this thread holds an anchor, as [`Engine::lock`].
    pub fn roots(&self, after: Option<RecordId>, limit: usize) -> Vec<RecordId> {
        if limit == 0 {
            return Vec::new();
        }
        let after = after.map_or(0, RecordId::serial);
        // The `limit` smallest so far, the greatest on top.
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

    /// How full it is. Takes no lock.
    pub fn counts(&self) -> Counts {
        let root = self.root();
        Counts {
            records: root.record_count.load(Ordering::Relaxed),
            keys: root.key_count.load(Ordering::Relaxed),
            bytes: root.bytes.load(Ordering::Relaxed),
        }
    }

    fn root(&self) -> &Root {
        // SAFETY: `create` wrote it, and it stays until `destroy`, after which nobody calls. What changes
        // inside is atomic or in an UnsafeCell.
        unsafe { self.root.as_ref() }
    }

    fn anchor_cell(&self, anchor: Anchor) -> &AnchorCell {
        let index = anchor.masked(self.root().anchor_mask).index();
        // SAFETY: masked, so inside the block, which lives as long as the engine.
        unsafe { &*self.root().anchors.add(index) }
    }
}

fn power_of_two(name: &'static str, value: u32, most: u32) -> Result<u32, StoreError> {
    match value {
        1.. if value <= most => Ok(value.next_power_of_two()),
        _ => Err(StoreError::Config {
            name,
            value: u64::from(value),
            most: u64::from(most),
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
        // SAFETY: the block has room for that many cells and nobody else knows it.
        unsafe { first.add(index).write(cell) };
    }
    Some((first.as_ptr(), block))
}

/// # Safety
/// As for [`Block::adopt`], or `start` is null.
unsafe fn adopt<M: Memory>(memory: M, start: *mut u8, size: usize) -> Option<Block<M>> {
    // SAFETY: passed on.
    NonNull::new(start).map(|start| unsafe { Block::adopt(memory, start, size) })
}

/// The block of a record's body, to be given back.
///
/// # Safety
/// The record is alive, of this memory, and nobody reads this body any more.
unsafe fn body_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: commits keep address and size together.
    unsafe { adopt(memory, (*record).body, (*record).body_size) }
}

/// The block of a record's keys, to be given back.
///
/// # Safety
/// The record is alive, of this memory, and none of these keys is in a chain any more.
unsafe fn keys_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: commits keep address and count together.
    unsafe {
        let size = (*record).key_count * size_of::<KeyNode>();
        adopt(memory, (*record).keys.cast(), size)
    }
}

/// The block of a record itself, to be given back.
///
/// # Safety
/// The record is of this memory, linked in nowhere, and not used once the result is dropped.
unsafe fn record_block<M: Memory>(memory: M, record: *mut Record) -> Option<Block<M>> {
    // SAFETY: every record is a block of this size.
    unsafe { adopt(memory, record.cast(), size_of::<Record>()) }
}
