//! Where the store's blocks come from: an allocator of memory that all processes share.
//! Not Rust's heap, and no Rust object with a `Drop` ever lives in such a block.

mod shared_map;

pub use shared_map::{Arena, SharedMap};

use std::mem::{align_of, size_of};
use std::ptr::NonNull;

/// What every block is aligned to at least (Kamailio's tlsf aligns to 8).
pub const ALIGNMENT: usize = 8;

/// A handle to an allocator of shared memory; copies are the same allocator, in every forked process.
///
/// # Safety
/// A block that `allocate` hands out is writable, at least `size` bytes long, aligned to [`ALIGNMENT`],
/// overlaps no other live block, is mapped at the same address in all processes that use the store, and
/// stays so until it is released, from whichever of these processes. Both methods may be called from
/// several processes at the same time, do not panic, and call nothing that takes a lock of the store.
pub unsafe trait Memory: Copy {
    /// A block of at least `size` bytes with any content, or `None` when there is no room.
    fn allocate(&self, size: usize) -> Option<NonNull<u8>>;

    /// Gives a block back.
    ///
    /// # Safety
    /// `block` came from `allocate` of the same memory, is released once, and nobody uses it any more.
    unsafe fn release(&self, block: NonNull<u8>);
}

/// A block not yet linked in anywhere, or no longer: given back when dropped, unless kept.
///
/// Process: the one that allocated or unlinked it. Lock: none, nobody else knows the block.
pub(super) struct Block<M: Memory> {
    memory: M,
    start: NonNull<u8>,
    size: usize,
}

impl<M: Memory> Block<M> {
    pub fn new(memory: M, size: usize) -> Option<Self> {
        let start = memory.allocate(size)?;
        Some(Block {
            memory,
            start,
            size,
        })
    }

    /// Room for `count` values of `T`, uninitialised. `None` too when that many have no size.
    pub fn array<T>(memory: M, count: usize) -> Option<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        Self::new(memory, size_of::<T>().checked_mul(count)?)
    }

    /// Takes back what [`Block::keep`] gave away.
    ///
    /// # Safety
    /// `start` came from `keep` (or `memory.allocate`) with this memory and size; nobody uses it any more
    /// by the time the result is dropped.
    pub unsafe fn adopt(memory: M, start: NonNull<u8>, size: usize) -> Self {
        Block {
            memory,
            start,
            size,
        }
    }

    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub fn size(&self) -> usize {
        self.size
    }

    /// The block now belongs to whatever it gets linked into.
    pub fn keep(self) -> NonNull<u8> {
        let start = self.start;
        std::mem::forget(self);
        start
    }
}

impl<M: Memory> Drop for Block<M> {
    fn drop(&mut self) {
        // SAFETY: the block came from this memory, and whoever drops it was its only owner.
        unsafe { self.memory.release(self.start) }
    }
}
