//! Kamailio's shared memory: allocating, releasing, and how much there is.
//!
//! It is one mapping made before the fork, so an address is the same in all processes. Its size is fixed.
//! The allocator takes a lock of its own and returns NULL when the memory is full. For its leak reports it
//! keeps pointers to the names of file and function, so they have to be constants.

use std::ffi::{c_char, c_uint, CStr};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::OnceCell;

use crate::kamailio_sys as sys;

/// The shared memory of the server this process belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct KamailioShm;

/// How much memory is used, as the memory manager counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes there are.
    pub total: u64,
    /// Bytes allocated.
    pub used: u64,
    /// Bytes allocated, with the manager's overhead.
    pub real_used: u64,
    /// How many free pieces there are.
    pub fragments: u64,
}

/// For tests: how many allocations from now on the failing one is; 0: none fails. In shared memory, so it is one
/// number for all processes.
#[derive(Clone, Copy)]
struct FailingOne(NonNull<AtomicU64>);

// SAFETY: an atomic at an address that is valid in all processes for as long as the server runs.
unsafe impl Send for FailingOne {}
// SAFETY: as above.
unsafe impl Sync for FailingOne {}

/// Empty outside of tests.
static FAILING_ONE: OnceCell<FailingOne> = OnceCell::new();

const FILE: &CStr = c"cpm: store";
const FUNCTION: &CStr = c"shm";
const MODULE: &CStr = c"cpm";

impl KamailioShm {
    /// Zeroed memory of at least `size` bytes, aligned to 8. `None` when the shared memory is full.
    pub fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: Kamailio filled in the table of functions before it loaded the first module.
        KamailioShm::call(unsafe { sys::_shm_root.xmallocxz }, size)
    }

    /// The same with undefined content.
    pub fn allocate_uninitialised(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: as in `allocate`.
        KamailioShm::call(unsafe { sys::_shm_root.xmalloc }, size)
    }

    fn call(allocate: sys::sr_malloc_f, size: usize) -> Option<NonNull<u8>> {
        if FAILING_ONE.get().is_some_and(FailingOne::is_this) {
            return None;
        }
        // SAFETY: as in `allocate`.
        let (allocate, block) = unsafe { (allocate?, sys::_shm_root.mem_block) };
        // SAFETY: function and block come from the same table, and the names are constants. The function
        // takes six arguments because Kamailio was compiled with DBG_SR_MEMORY: the bindings come from
        // headers with the same flags, which the loader compares.
        let memory = unsafe {
            allocate(
                block,
                size,
                FILE.as_ptr(),
                FUNCTION.as_ptr(),
                line!() as c_uint,
                MODULE.as_ptr(),
            )
        };
        NonNull::new(memory.cast::<u8>())
    }

    /// Gives memory back.
    ///
    /// # Safety
    /// `memory` came from [`allocate`](Self::allocate) of this server. No process uses it any more or
    /// releases it again.
    pub unsafe fn release(&self, memory: NonNull<u8>) {
        // SAFETY: function and block come from the same table, and the names are constants. The caller
        // promises the rest.
        unsafe {
            if let Some(free) = sys::_shm_root.xfree {
                let name = |text: &'static CStr| text.as_ptr() as *const c_char;
                free(
                    sys::_shm_root.mem_block,
                    memory.as_ptr().cast(),
                    name(FILE),
                    name(FUNCTION),
                    line!() as c_uint,
                    name(MODULE),
                );
            }
        }
    }

    /// For tests, before the fork: from now on [`KamailioShm::fail_at`] is heard. `None` when the shared memory is
    /// full.
    pub fn prepare_to_fail(&self) -> Option<()> {
        let left = self.allocate(size_of::<AtomicU64>())?.cast::<AtomicU64>();
        // SAFETY: the block is large enough, aligned to 8, and nobody else knows it.
        unsafe { left.write(AtomicU64::new(0)) };
        FAILING_ONE.set(FailingOne(left)).ok()
    }

    /// For tests: of the next allocations, in whatever process, this one fails, counted from 1; 0: none. Gives
    /// where the last one stood that was asked for: 0 when it has failed. `None`: not prepared.
    pub fn fail_at(&self, which: u64) -> Option<u64> {
        let failing = FAILING_ONE.get()?;
        Some(failing.left().swap(which, Ordering::AcqRel))
    }

    /// Bytes that are free, perhaps in many pieces.
    pub fn available(&self) -> u64 {
        // SAFETY: function and block come from the same table.
        let free = unsafe {
            sys::_shm_root
                .xavailable
                .map_or(0, |f| f(sys::_shm_root.mem_block))
        };
        // tlsf counts its overhead as used, but not in the total. When the memory is nearly full, its
        // unsigned difference wraps around to a huge number.
        match i64::try_from(free) {
            Ok(_) => free,
            Err(_) => 0,
        }
    }

    /// Bytes allocated now.
    pub fn used(&self) -> u64 {
        self.usage().used
    }

    /// All the numbers. It takes the allocator's lock, so it does not belong on the path of a message.
    pub fn usage(&self) -> Usage {
        // SAFETY: mem_info is plain numbers, and the function fills it in.
        let info = unsafe {
            let mut info: sys::mem_info = std::mem::zeroed();
            if let Some(read) = sys::_shm_root.xinfo {
                read(sys::_shm_root.mem_block, &mut info);
            }
            info
        };
        Usage {
            total: info.total_size,
            used: info.used_size,
            real_used: info.real_used,
            fragments: info.total_frags,
        }
    }
}

impl FailingOne {
    fn left(&self) -> &AtomicU64 {
        // SAFETY: made by `prepare_to_fail`, never released.
        unsafe { self.0.as_ref() }
    }

    /// Counts one more allocation.
    fn is_this(&self) -> bool {
        let one_less = |left: u64| left.checked_sub(1);
        let before = self
            .left()
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        before == Ok(1)
    }
}
