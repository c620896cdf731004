//! An anonymous shared mapping with a small allocator, for tests and benchmarks.
//!
//! Inside Kamailio the blocks come from its own shared memory instead.

use super::Memory;
use crate::store::lock::Lock;
use std::cell::UnsafeCell;
use std::io;
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Four block sizes per power of two.
const CLASSES: usize = 4 * usize::BITS as usize;
/// Bytes of the header before each block: a multiple of 16, so that blocks are aligned to 16.
const HEADER: usize = size_of::<Header>();
/// `Header::mark` of a block that is in use, and of a released one.
const LIVE: usize = 0x11fe;
const FREED: usize = 0xf4ee;

/// Memory shared with every process that is forked after `new`. Dropping it unmaps it in one process.
pub struct SharedMap {
    base: NonNull<Control>,
    bytes: usize,
}

/// The allocator of a [`SharedMap`]: a free list per size class, and a rest that was never handed out.
///
/// It neither splits nor joins blocks. So the count of used bytes returns exactly to its former value
/// when everything is released.
#[derive(Clone, Copy)]
pub struct Arena<'a> {
    control: &'a Control,
}

/// Start of the mapping. Process: any. Lock: its own, taken after all others.
#[repr(C, align(16))]
struct Control {
    lock: Lock,
    used: AtomicUsize,
    /// Guarded by `lock`.
    state: UnsafeCell<State>,
}

struct State {
    /// First byte that was never handed out.
    rest: *mut u8,
    /// How many bytes there are from `rest` on.
    left: usize,
    /// The free blocks of each size class.
    free: [*mut Header; CLASSES],
}

/// Stands before each block, live or free. Lock: the arena's.
#[repr(C, align(16))]
struct Header {
    /// Bytes of header and block.
    size: usize,
    /// [`LIVE`] or [`FREED`].
    mark: usize,
    /// The next free block of its size class.
    next: *mut Header,
}

// SAFETY: everything behind the pointer is constant, atomic or guarded by the lock in the mapping.
unsafe impl Send for SharedMap {}
// SAFETY: as above.
unsafe impl Sync for SharedMap {}
// SAFETY: threads and processes access `state` only with `lock` held.
unsafe impl Sync for Control {}

impl SharedMap {
    /// Maps `bytes` of memory; the system rounds up to whole pages.
    ///
    /// # Errors
    /// What mmap(2) says, or `InvalidInput` when `bytes` has no room for the bookkeeping.
    pub fn new(bytes: usize) -> io::Result<Self> {
        if bytes < size_of::<Control>() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: a new anonymous mapping changes no existing memory.
        let address = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(address.cast::<Control>())
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
        // SAFETY: `bytes` is at least the size of `Control`, as checked above.
        let rest = unsafe { address.cast::<u8>().add(size_of::<Control>()) };
        let control = Control {
            lock: Lock::new(),
            used: AtomicUsize::new(0),
            state: UnsafeCell::new(State {
                rest,
                left: bytes - size_of::<Control>(),
                free: [ptr::null_mut(); CLASSES],
            }),
        };
        // SAFETY: the mapping is writable, page-aligned, large enough, and nobody else knows it yet.
        unsafe { base.write(control) };
        Ok(SharedMap { base, bytes })
    }

    /// A handle to the allocator.
    pub fn arena(&self) -> Arena<'_> {
        // SAFETY: `new` wrote a Control there, and the mapping lives as long as `self`.
        let control = unsafe { self.base.as_ref() };
        Arena { control }
    }

    /// Bytes it was made with.
    pub fn size(&self) -> usize {
        self.bytes
    }

    /// Bytes in live blocks, with their headers and rounding.
    pub fn used(&self) -> usize {
        self.arena().control.used.load(Ordering::Relaxed)
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this. Every `Arena` borrows from `self`, so none is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: blocks are parts of a MAP_SHARED mapping made before the forks. They are handed out under one
// lock, each to one owner at a time, aligned to 16. Neither method panics or calls back.
unsafe impl Memory for Arena<'_> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let (size, class) = class_of(size)?;
        let _guard = self.control.lock.acquire();
        // SAFETY: the lock is held. Nobody else uses the headers on the free lists. The rest has `left`
        // writable bytes that were never handed out.
        unsafe {
            let state = &mut *self.control.state.get();
            let header = match take_free(state, class..class + 1) {
                Some(header) => header,
                None if state.left >= size => {
                    let header = state.rest.cast::<Header>();
                    state.rest = state.rest.add(size);
                    state.left -= size;
                    (*header).size = size;
                    header
                }
                None => take_free(state, class + 1..CLASSES)?,
            };
            (*header).mark = LIVE;
            self.control
                .used
                .fetch_add((*header).size, Ordering::Relaxed);
            NonNull::new(header.cast::<u8>().add(HEADER))
        }
    }

    unsafe fn release(&self, block: NonNull<u8>) {
        let _guard = self.control.lock.acquire();
        // SAFETY: the lock is held. The block came from `allocate`, so a header stands before it.
        unsafe {
            let header = block.as_ptr().sub(HEADER).cast::<Header>();
            debug_assert_eq!((*header).mark, LIVE, "released twice, or never allocated");
            let size = (*header).size;
            let Some((_, class)) = class_of(size - HEADER) else {
                return;
            };
            let state = &mut *self.control.state.get();
            let Some(first) = state.free.get_mut(class) else {
                return;
            };
            (*header).mark = FREED;
            (*header).next = *first;
            *first = header;
            self.control.used.fetch_sub(size, Ordering::Relaxed);
        }
    }
}

/// Unlinks the first free block of the smallest size class in `classes` that has one.
///
/// # Safety
/// The arena's lock is held.
unsafe fn take_free(state: &mut State, classes: std::ops::Range<usize>) -> Option<*mut Header> {
    let first = state
        .free
        .get_mut(classes)?
        .iter_mut()
        .find(|first| !first.is_null())?;
    let header = *first;
    // SAFETY: every entry of a free list is a header inside the mapping.
    *first = unsafe { (*header).next };
    Some(header)
}

/// How many bytes a block of `size` bytes takes with its header, and its size class. The result is the
/// same for every size that is rounded up to these bytes. `None` when the size overflows.
fn class_of(size: usize) -> Option<(usize, usize)> {
    let last = size.max(16).checked_add(HEADER)? - 1;
    let exponent = last.ilog2();
    let step = (1usize << (exponent - 2)).max(16);
    let rounded = (last / step).checked_add(1)?.checked_mul(step)?;
    let class = 4 * exponent as usize + (((rounded - 1) >> (exponent - 2)) & 3);
    Some((rounded, class))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_stable_and_big_enough() {
        for size in (0..5_000).chain([1 << 20, (1 << 20) + 1, 1 << 40]) {
            let (rounded, class) = class_of(size).unwrap();
            assert!(rounded >= size + HEADER && rounded % 16 == 0);
            assert_eq!(class_of(rounded - HEADER).unwrap(), (rounded, class));
            assert!(class < CLASSES);
        }
        assert_eq!(class_of(usize::MAX), None);
    }

    #[test]
    fn blocks_do_not_overlap_and_come_back() {
        let map = SharedMap::new(1 << 20).unwrap();
        let arena = map.arena();
        let mut blocks = Vec::new();
        for round in 0..3u8 {
            for size in 1..200usize {
                let block = arena.allocate(size).unwrap();
                assert_eq!(block.as_ptr() as usize % 16, 0);
                // SAFETY: the block has `size` bytes.
                unsafe { block.write_bytes(size as u8 ^ round, size) };
                blocks.push((block, size));
            }
            for &(block, size) in &blocks {
                // SAFETY: written above.
                let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), size) };
                assert!(bytes.iter().all(|&byte| byte == size as u8 ^ round));
            }
            assert!(map.used() > 0);
            for (block, _) in blocks.drain(..) {
                // SAFETY: allocated above, released once.
                unsafe { arena.release(block) };
            }
            assert_eq!(map.used(), 0);
        }
    }

    #[test]
    fn full_is_none_and_room_comes_back() {
        let map = SharedMap::new(64 << 10).unwrap();
        let arena = map.arena();
        let blocks: Vec<_> = std::iter::from_fn(|| arena.allocate(1000)).collect();
        assert!(blocks.len() > 40);
        assert!(arena.allocate(1000).is_none());
        assert!(arena.allocate(usize::MAX).is_none());
        for block in blocks {
            // SAFETY: allocated above, released once.
            unsafe { arena.release(block) };
        }
        assert!(
            arena.allocate(10).is_some(),
            "a bigger free block serves too"
        );
    }
}
