//! Keeps a process of ours on the current configuration (`kamcmd cfg.set_now_int core debug 3`, say).
//! Not here: our own parameters, which do not change while the server runs.
//!
//! Promise: each process reads the configuration from a block in shared memory that it holds a
//! reference to; a change makes a new block, and every process has to step over by itself. The step is
//! an inline function of core/cfg/cfg_struct.h (`cfg_update_no_cbs`), written out here.

use std::ptr::addr_of;
use std::sync::atomic::{AtomicI32, Ordering};

use super::shm::KamailioShm;
use crate::kamailio_sys as sys;

/// Joins the configuration framework; once, in a process of ours. `false` when that failed.
pub(super) fn join() -> bool {
    // SAFETY: announced to nobody, as cfg_child_no_cb_init asks; once, in a new process.
    unsafe { sys::cfg_child_no_cb_init() == 0 }
}

/// Steps over to the current configuration if it has changed; cheap when not.
pub(super) fn follow() {
    // SAFETY: the framework was joined before; these are its globals: pointers of this process, a
    // pointer and a lock in shared memory. The records are packed, so addresses are taken with
    // `addr_of!` and the counters, which are aligned, are changed atomically.
    unsafe {
        if sys::cfg_global.is_null() || sys::cfg_local == *sys::cfg_global {
            return;
        }
        let old = sys::cfg_local;
        {
            let _held = GlobalLock::take();
            sys::cfg_local = *sys::cfg_global;
            references(sys::cfg_local).fetch_add(1, Ordering::SeqCst);
        }
        let mut next = sys::cfg_group;
        while !next.is_null() {
            let group = next;
            let vars = addr_of!((*sys::cfg_local).vars).cast::<u8>();
            let data = vars.offset(addr_of!((*group).var_offset).read_unaligned() as isize);
            let handle = addr_of!((*group).handle).read_unaligned();
            *handle = data as *mut _;
            next = addr_of!((*group).next).read_unaligned();
        }
        if let Some(old) = std::ptr::NonNull::new(old) {
            if references(old.as_ptr()).fetch_sub(1, Ordering::SeqCst) == 1 {
                KamailioShm.release(old.cast());
            }
        }
    }
}

/// The reference counter of a configuration block.
///
/// # Safety
/// `block` must be a block this process refers to, or the current one under the lock.
unsafe fn references<'a>(block: *mut sys::cfg_block_t) -> &'a AtomicI32 {
    // SAFETY: the counter is the first member, so it is aligned although the record is packed.
    unsafe { AtomicI32::from_ptr(block.cast::<i32>()) }
}

/// The framework's lock: Kamailio's futex word, 0 free, 1 taken, 2 taken and waited for
/// (core/futexlock.h). Held for three instructions.
struct GlobalLock(&'static AtomicI32);

impl GlobalLock {
    /// # Safety
    /// The configuration framework must be running (the lock exists).
    unsafe fn take() -> GlobalLock {
        // SAFETY: an aligned int in shared memory that everybody changes atomically.
        let word = unsafe { AtomicI32::from_ptr(sys::cfg_global_lock.cast::<i32>()) };
        if word
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            while word.swap(2, Ordering::Acquire) != 0 {
                futex(word, libc::FUTEX_WAIT, 2);
            }
        }
        GlobalLock(word)
    }
}

impl Drop for GlobalLock {
    fn drop(&mut self) {
        if self.0.swap(0, Ordering::Release) == 2 {
            futex(self.0, libc::FUTEX_WAKE, 1);
        }
    }
}

fn futex(word: &AtomicI32, operation: i32, value: i32) {
    let no_timeout = std::ptr::null::<libc::timespec>();
    // SAFETY: the word stays mapped; waking or being woken for nothing is harmless.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_timeout) };
}
