//! Where the store's blocks come from: an allocator of memory that all processes share.

mod shared_map;

pub use shared_map::{Arena, SharedMap};

use std::mem::{align_of, size_of};
use std::ptr::NonNull;

/// The least alignment of a block, in bytes. Kamailio's tlsf aligns to 8.
pub const ALIGNMENT: usize = 8;

/// A handle to an allocator of shared memory. All copies, in all processes, are one allocator.
///
/// # Safety
/// A block from `allocate` is writable, at least `size` bytes long, aligned to [`ALIGNMENT`], and
/// overlaps no other live block. All processes that use the store have it at the same address until one
/// of them releases it. Several processes may call both methods at the same time. Neither method
/// panics, and neither takes a lock of the store.
pub unsafe trait Memory: Copy {
    /// A block of at least `size` bytes with undefined content; `None` when there is no room.
    fn allocate(&self, size: usize) -> Option<NonNull<u8>>;

    /// Gives a block back.
    ///
    /// # Safety
    /// `block` came from `allocate` of the same memory. No process uses it any more or releases it
    /// again.
    unsafe fn release(&self, block: NonNull<u8>);
}

/// A block that only this process knows. Dropping it gives it back; [`Block::keep`] does not.
///
/// It is not yet linked into a shared structure, or no longer. Lock: none.
pub(super) struct Block<M: Memory> {
    memory: M,
    start: NonNull<u8>,
    size: usize,
}

impl<M: Memory> Block<M> {
    /// Room for `size` bytes, uninitialised. `None` when there is no room.
    pub fn new(memory: M, size: usize) -> Option<Self> {
        let start = memory.allocate(size)?;
        Some(Block {
            memory,
            start,
            size,
        })
    }

    /// Room for `count` values of `T`, uninitialised. `None` when there is no room, or when the size
    /// overflows.
    pub fn array<T>(memory: M, count: usize) -> Option<Self> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        Self::new(memory, size_of::<T>().checked_mul(count)?)
    }

    /// Takes back a block that [`Block::keep`] gave away.
    ///
    /// # Safety
    /// `start` came from `keep` (or `memory.allocate`) with this memory and at least this size. When the result is
    /// dropped, no process uses the block any more.
    pub unsafe fn adopt(memory: M, start: NonNull<u8>, size: usize) -> Self {
        Block {
            memory,
            start,
            size,
        }
    }

    /// Its first byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The size it was asked with, in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Gives the block to the structure it gets linked into, and returns its first byte.
    pub fn keep(self) -> NonNull<u8> {
        let start = self.start;
        std::mem::forget(self);
        start
    }
}

impl<M: Memory> Drop for Block<M> {
    fn drop(&mut self) {
        // SAFETY: the block came from this memory, and only its owner can drop it.
        unsafe { self.memory.release(self.start) }
    }
}
