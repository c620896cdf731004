//! Hash tables in shared memory: buckets with a leaf lock and a chain of nodes each.
//!
//! A table neither allocates nor frees nodes, and the number of its buckets is fixed.

use crate::store::lock::{Guard, Lock};
use crate::store::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr::{self, NonNull};

/// A struct that a table can link into its chains.
pub(super) trait Node: Sized {
    /// The address of the node's pointer to the next node in its chain.
    ///
    /// # Safety
    /// `node` is alive.
    unsafe fn next(node: *mut Self) -> *mut *mut Self;
}

/// The fixed part of a table, inside the engine's root. Process: any. Lock: one per bucket.
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

/// A bucket whose lock is held. The process does not allocate, log or take another lock meanwhile.
pub(super) struct Chain<'a, N: Node> {
    bucket: &'a Bucket<N>,
    _guard: Guard<'a>,
}

impl<N: Node> Table<N> {
    /// A table with `buckets` buckets, a power of two, and the block they lie in. The caller keeps the
    /// block. `None` when there is no room.
    pub fn create<M: Memory>(memory: M, buckets: u32) -> Option<(Self, Block<M>)> {
        let block = Block::array::<Bucket<N>>(memory, buckets as usize)?;
        let first = block.start().cast::<Bucket<N>>();
        for index in 0..buckets as usize {
            let bucket = Bucket {
                lock: Lock::new(),
                first: UnsafeCell::new(ptr::null_mut()),
            };
            // SAFETY: the block has room for `buckets` buckets and nobody else knows it.
            unsafe { first.add(index).write(bucket) };
        }
        let table = Table {
            buckets: first.as_ptr(),
            mask: u64::from(buckets) - 1,
        };
        Some((table, block))
    }

    /// Locks the bucket of `hash`.
    pub fn lock(&self, hash: u64) -> Chain<'_, N> {
        // SAFETY: the index is masked, so it is inside the block, which lives as long as the engine.
        let bucket = unsafe { &*self.buckets.add((hash & self.mask) as usize) };
        Chain {
            bucket,
            _guard: bucket.lock.acquire(),
        }
    }

    /// Calls `each` for every node, which may free it. Takes no lock.
    ///
    /// # Safety
    /// Nobody else uses the table meanwhile. If `each` frees nodes, nobody uses it afterwards.
    pub unsafe fn drain(&self, mut each: impl FnMut(*mut N)) {
        for index in 0..=self.mask as usize {
            // SAFETY: the index is inside the block, and nobody else uses the table. The next node is
            // read before `each` may free this one.
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

    /// The block of the buckets, which the caller may drop.
    ///
    /// # Safety
    /// `memory` is what the table was created with. Nobody uses the table any more.
    pub unsafe fn block<M: Memory>(&self, memory: M) -> Option<Block<M>> {
        let size = (self.mask as usize + 1) * size_of::<Bucket<N>>();
        // SAFETY: `create` took the block from this memory with this size.
        NonNull::new(self.buckets.cast()).map(|start| unsafe { Block::adopt(memory, start, size) })
    }
}

impl<N: Node> Chain<'_, N> {
    /// The first node that `wanted` accepts; null when there is none. `wanted` may read only the fields of
    /// a node that never change: other processes may change the rest meanwhile.
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

    /// Inserts `node` as the first one.
    ///
    /// # Safety
    /// `node` is alive and in no chain, and its hash belongs to this bucket.
    pub unsafe fn insert(&mut self, node: *mut N) {
        // SAFETY: the lock is held, and only the caller uses the node.
        unsafe {
            *N::next(node) = *self.bucket.first.get();
            *self.bucket.first.get() = node;
        }
    }

    /// Puts `new` into the place of `old`. Returns false, and does nothing, when `old` is not in this chain.
    ///
    /// # Safety
    /// As for [`Chain::insert`] with `new`.
    pub unsafe fn replace(&mut self, old: *mut N, new: *mut N) -> bool {
        self.slot_of(old).is_some_and(|slot| {
            // SAFETY: `old` is in the chain, so it is alive. The slot belongs to the bucket or to a node
            // that is alive.
            unsafe {
                *N::next(new) = *N::next(old);
                *slot = new;
            }
            true
        })
    }

    /// Takes `node` out. Returns false when it is not in this chain.
    pub fn remove(&mut self, node: *mut N) -> bool {
        self.slot_of(node).is_some_and(|slot| {
            // SAFETY: `node` is in the chain, so it is alive. The slot belongs to the bucket or to a node
            // that is alive.
            unsafe { *slot = *N::next(node) };
            true
        })
    }

    /// The address of the pointer that points to `node`; `None` when it is not in this chain.
    fn slot_of(&self, node: *mut N) -> Option<*mut *mut N> {
        let mut slot = self.bucket.first.get();
        // SAFETY: nodes in a chain are alive while its lock is held. `node` itself is not dereferenced.
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
