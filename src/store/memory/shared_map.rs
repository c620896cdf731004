//! An anonymous shared mapping with a small allocator of its own, for tests and benchmarks.
//! Not what runs inside Kamailio: there the blocks come from its `shm_malloc`.

use super::Memory;
use crate::store::lock::Lock;
use std::cell::UnsafeCell;
use std::io;
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Four block sizes per power of two.
const CLASSES: usize = 4 * usize::BITS as usize;
/// Bytes before each block; a multiple of 16, so that blocks are aligned to 16.
const HEADER: usize = size_of::<Header>();
const LIVE: usize = 0x11fe;
const FREED: usize = 0xf4ee;

/// Memory shared with every process forked after `new`; unmapped in the process that drops it.
pub struct SharedMap {
    base: NonNull<Control>,
    bytes: usize,
}

/// The allocator of a [`SharedMap`]: a free list per block size, and an untouched rest.
///
/// Blocks are neither split nor joined, so that everything released is everything as it was.
#[derive(Clone, Copy)]
pub struct Arena<'a> {
    control: &'a Control,
}

/// Start of the mapping. Process: any. Lock: its own, a leaf below all others.
#[repr(C, align(16))]
struct Control {
    lock: Lock,
    used: AtomicUsize,
    /// Changed under `lock` only.
    state: UnsafeCell<State>,
}

struct State {
    /// First byte never handed out, and how many follow.
    rest: *mut u8,
    left: usize,
    free: [*mut Header; CLASSES],
}

/// Before each block, live or free. Lock: the arena's.
#[repr(C, align(16))]
struct Header {
    /// Bytes of header and block.
    size: usize,
    mark: usize,
    next: *mut Header,
}

// SAFETY: everything behind the pointer is atomic or guarded by the lock in the mapping.
unsafe impl Send for SharedMap {}
// SAFETY: as above.
unsafe impl Sync for SharedMap {}
// SAFETY: `state` is reached only under `lock`, whichever thread or process that is.
unsafe impl Sync for Control {}

impl SharedMap {
    /// Maps `bytes` (rounded up to whole pages by the system).
    ///
    /// # Errors
    /// What mmap(2) says, or `InvalidInput` when `bytes` does not even hold the bookkeeping.
    pub fn new(bytes: usize) -> io::Result<Self> {
        if bytes < size_of::<Control>() {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        // SAFETY: a new anonymous mapping touches nothing that exists.
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
        // SAFETY: `bytes` is at least that much.
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

    /// The allocator, for handing around.
    pub fn arena(&self) -> Arena<'_> {
        // SAFETY: `new` wrote a Control there, and the mapping lives as long as `self`.
        let control = unsafe { self.base.as_ref() };
        Arena { control }
    }

    /// Bytes in live blocks, their headers and rounding included.
    pub fn used(&self) -> usize {
        self.arena().control.used.load(Ordering::Relaxed)
    }
}

impl Drop for SharedMap {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; every `Arena` borrowed from `self` and is gone.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: blocks are cut from a MAP_SHARED mapping made before the forks, under one lock, each to one
// owner at a time, aligned to 16; neither method panics or calls back.
unsafe impl Memory for Arena<'_> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let (size, class) = class_of(size)?;
        let _guard = self.control.lock.acquire();
        // SAFETY: the lock is held; headers on the free lists are ours alone, and the rest of the mapping
        // has `left` bytes, is writable and was never handed out.
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
        // SAFETY: the caller hands back a block of `allocate`, so a header stands before it; lock held.
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
    // SAFETY: what is on a free list is a header inside the mapping.
    *first = unsafe { (*header).next };
    Some(header)
}

/// The size a block of `size` bytes really takes, and its class; the same again for the rounded size.
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
