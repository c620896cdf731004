//! Rates in shared memory: one number for each bucket, in a table of fixed size for each kind.
//!
//! Two buckets of one kind may share a number. They share a rate then, which both notice only when they need it at
//! the same time. Which ones do is decided by a keyed hash, so nobody can choose it.

use super::engine::StoreError;
use super::memory::{Block, Memory};
use crate::cpm::rate::{Bucket, Rate};
use crate::cpm::time::{Micros, Millis};
use std::mem::size_of;
use std::ptr::NonNull;
use std::slice::from_raw_parts;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many numbers of one kind there are, 8 bytes each.
const SLOTS: usize = 1 << 14;
/// How many there are in all.
const ALL: usize = SLOTS * Bucket::KINDS;

/// A handle to the table. All copies are the same table.
///
/// Process: create it before the fork; any process may take turns. Lock: none. Memory: shared, all of it
/// allocated at creation.
#[derive(Clone, Copy)]
pub struct Turns<M: Memory> {
    memory: M,
    slots: NonNull<AtomicU64>,
}

// SAFETY: there is nothing but atomics behind `slots`.
unsafe impl<M: Memory + Send> Send for Turns<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Turns<M> {}

impl<M: Memory> Turns<M> {
    /// A table in which nothing has been taken yet.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn create(memory: M) -> Result<Self, StoreError> {
        let block = Block::array::<AtomicU64>(memory, ALL).ok_or(StoreError::Full)?;
        let size = block.size();
        let start = block.keep();
        // SAFETY: the block has that size, and nobody else knows it. Zeros are numbers.
        unsafe { start.write_bytes(0, size) };
        Ok(Turns {
            memory,
            slots: start.cast(),
        })
    }

    /// Takes the next `count` turns of the bucket of this kind ([`Bucket::kind`]) with this keyed hash, see
    /// [`Rate::take`]. Gives how long the last is waited for, ms.
    ///
    /// # Errors
    /// How long it would have been waited for.
    pub fn take(
        &self,
        kind: usize,
        hash: u128,
        rate: Rate,
        now: Micros,
        count: u32,
        patience: Millis,
    ) -> Result<Millis, Millis> {
        // Below the number of slots, so nothing is cut.
        let at = (hash % SLOTS as u128) as usize;
        let mut kinds = self.slots().chunks(SLOTS);
        let Some(slot) = kinds.nth(kind).and_then(|slots| slots.get(at)) else {
            return Ok(0);
        };
        let mut kept = slot.load(Ordering::Relaxed);
        loop {
            let (next, wait) = rate.take(kept, now, count, patience)?;
            match slot.compare_exchange_weak(kept, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(wait),
                Err(other) => kept = other,
            }
        }
    }

    fn slots(&self) -> &[AtomicU64] {
        // SAFETY: `create` allocated so many and wrote them all.
        unsafe { from_raw_parts(self.slots.as_ptr(), ALL) }
    }

    /// Releases its memory.
    ///
    /// # Safety
    /// No process uses a copy of this table any more.
    pub unsafe fn destroy(self) {
        let size = ALL * size_of::<AtomicU64>();
        // SAFETY: `create` allocated exactly this, from this memory. By the caller's promise nobody else
        // uses it.
        unsafe { drop(Block::adopt(self.memory, self.slots.cast(), size)) };
    }
}
