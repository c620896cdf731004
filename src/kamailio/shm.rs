//! Kamailio's shared memory: allocate, release, how much there is.
//! Not here: what lies in it (`store`), and locks.
//!
//! Promise: one mapping made before the fork, so an address means the same in every process. The
//! allocator takes its own (leaf) lock, gives NULL when full and never grows. It keeps the pointers
//! to file and function names for its leak reports, so these must be constants of this library.

use std::ffi::{c_char, c_uint, CStr};
use std::ptr::NonNull;

use crate::kamailio_sys as sys;

/// The shared memory of the server this process belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct KamailioShm;

/// Bytes, as the memory manager counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub total: u64,
    /// Handed out.
    pub used: u64,
    /// Handed out, with the manager's own overhead.
    pub real_used: u64,
    pub fragments: u64,
}

const FILE: &CStr = c"cpm: store";
const FUNCTION: &CStr = c"shm";
const MODULE: &CStr = c"cpm";

impl KamailioShm {
    /// Zero-initialised memory of at least `size` bytes, aligned for any scalar; `None` when full.
    pub fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: reads the function table Kamailio filled in when it met the first loadmodule.
        let (allocate, block) = unsafe { (sys::_shm_root.xmallocxz?, sys::_shm_root.mem_block) };
        // SAFETY: the table's own function with its own block; the names are constants. Kamailio's
        // flags string is compared at load, so this is the debug (six-argument) shape.
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
    /// `memory` must come from [`allocate`](Self::allocate) of this server, be released once, and
    /// nobody in any process may use it any more.
    pub unsafe fn release(&self, memory: NonNull<u8>) {
        // SAFETY: as in `allocate`; the caller promises the rest.
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

    /// Bytes still free, in however many pieces.
    pub fn available(&self) -> u64 {
        // SAFETY: the table's own function with its own block.
        let free = unsafe {
            sys::_shm_root
                .xavailable
                .map_or(0, |f| f(sys::_shm_root.mem_block))
        };
        // tlsf counts its own overhead as used but not as part of the whole: when it is nearly full, its
        // unsigned difference falls below zero.
        match i64::try_from(free) {
            Ok(_) => free,
            Err(_) => 0,
        }
    }

    /// Bytes handed out now.
    pub fn used(&self) -> u64 {
        self.usage().used
    }

    /// All the numbers; takes the allocator's lock, so not on the path of a message.
    pub fn usage(&self) -> Usage {
        // SAFETY: mem_info is plain numbers; the function fills it in.
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
