//! Hash tables in shared memory: chains of nodes behind buckets that each have a leaf lock.
//! No memory management: nodes belong to whoever links them in, the buckets never grow.

use crate::store::lock::{Guard, Lock};
use crate::store::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr::{self, NonNull};

/// What a table links together.
pub(super) trait Node: Sized {
    /// Where the node keeps its successor.
    ///
    /// # Safety
    /// `node` is alive.
    unsafe fn next(node: *mut Self) -> *mut *mut Self;
}

/// The fixed part, inside the engine's root. Process: any. Lock: one per bucket.
#[repr(C)]
pub(super) struct Table<N: Node> {
    buckets: *mut Bucket<N>,
    mask: u64,
}

#[repr(C)]
struct Bucket<N> {
    lock: Lock,
    first: UnsafeCell<*mut N>,
}

/// A bucket whose lock is held. No allocation, no logging and no other lock while this lives.
pub(super) struct Chain<'a, N: Node> {
    bucket: &'a Bucket<N>,
    _guard: Guard<'a>,
}

impl<N: Node> Table<N> {
    /// `buckets` is a power of two. The block is the caller's to keep.
    pub fn create<M: Memory>(memory: M, buckets: u32) -> Option<(Self, Block<M>)> {
        let block = Block::array::<Bucket<N>>(memory, buckets as usize)?;
        let first = block.start().cast::<Bucket<N>>();
        for index in 0..buckets as usize {
            let bucket = Bucket {
                lock: Lock::new(),
                first: UnsafeCell::new(ptr::null_mut()),
            };
            // SAFETY: the block has room for that many buckets and nobody else knows it.
            unsafe { first.add(index).write(bucket) };
        }
        let table = Table {
            buckets: first.as_ptr(),
            mask: u64::from(buckets) - 1,
        };
        Some((table, block))
    }

    pub fn lock(&self, hash: u64) -> Chain<'_, N> {
        // SAFETY: masked, so inside the block, which lives as long as the engine.
        let bucket = unsafe { &*self.buckets.add((hash & self.mask) as usize) };
        Chain {
            bucket,
            _guard: bucket.lock.acquire(),
        }
    }

    /// Calls `each` for every node, which may free it. Takes no lock.
    ///
    /// # Safety
    /// Nobody else uses the table during this, nor afterwards if `each` frees.
    pub unsafe fn drain(&self, mut each: impl FnMut(*mut N)) {
        for index in 0..=self.mask as usize {
            // SAFETY: inside the block; nobody else is there; the successor is read before `each`.
            unsafe {
                let mut node = *(*self.buckets.add(index)).first.get();
                while !node.is_null() {
                    let next = *N::next(node);
                    each(node);
                    node = next;
                }
            }
        }
    }

    /// The block of the buckets again.
    ///
    /// # Safety
    /// `memory` is what the table was created with; the table is not used any more.
    pub unsafe fn block<M: Memory>(&self, memory: M) -> Option<Block<M>> {
        let size = (self.mask as usize + 1) * size_of::<Bucket<N>>();
        // SAFETY: `create` took the block from this memory with this size.
        NonNull::new(self.buckets.cast()).map(|start| unsafe { Block::adopt(memory, start, size) })
    }
}

impl<N: Node> Chain<'_, N> {
    /// The first node that `wanted` accepts; null when none does. `wanted` gets living nodes and looks at
    /// their constant fields only: others may be changing the rest.
    pub fn find(&self, wanted: impl Fn(*mut N) -> bool) -> *mut N {
        // SAFETY: nodes in a chain are alive while its lock is held.
        unsafe {
            let mut node = *self.bucket.first.get();
            while !node.is_null() && !wanted(node) {
                node = *N::next(node);
            }
            node
        }
    }

    /// # Safety
    /// `node` is alive, in no chain, and belongs into this one by its hash.
    pub unsafe fn insert(&mut self, node: *mut N) {
        // SAFETY: the lock is held, the node is the caller's.
        unsafe {
            *N::next(node) = *self.bucket.first.get();
            *self.bucket.first.get() = node;
        }
    }

    /// Puts `new` where `old` is. False when `old` is not in this chain.
    ///
    /// # Safety
    /// As for [`Chain::insert`] with `new`.
    pub unsafe fn replace(&mut self, old: *mut N, new: *mut N) -> bool {
        self.slot_of(old).is_some_and(|slot| {
            // SAFETY: `old` is in the chain, so alive; the slot is the root's or a living node's.
            unsafe {
                *N::next(new) = *N::next(old);
                *slot = new;
            }
            true
        })
    }

    /// Takes `node` out. False when it is not in this chain.
    pub fn remove(&mut self, node: *mut N) -> bool {
        self.slot_of(node).is_some_and(|slot| {
            // SAFETY: `node` is in the chain, so alive; the slot is the root's or a living node's.
            unsafe { *slot = *N::next(node) };
            true
        })
    }

    /// Where the pointer to `node` is kept.
    fn slot_of(&self, node: *mut N) -> Option<*mut *mut N> {
        let mut slot = self.bucket.first.get();
        // SAFETY: nodes in a chain are alive while its lock is held. `node` itself is only compared.
        unsafe {
            while !(*slot).is_null() {
                if ptr::eq(*slot, node) {
                    return Some(slot);
                }
                slot = N::next(*slot);
            }
        }
        None
    }
}
