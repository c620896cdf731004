//! Keeps a process of our own on the current configuration of the core.
//!
//! It changes at run time: `kamcmd cfg.set_now_int core debug 3`. Kamailio puts the new values into a new
//! block of shared memory. Each process holds a reference to the block it reads, and has to change over
//! to the new one by itself. Kamailio's `cfg_update_local` (core/cfg/cfg_struct.h) is an inline function,
//! so its steps are written out here.

use std::ptr::addr_of;
use std::sync::atomic::{AtomicI32, Ordering};

use super::shm::KamailioShm;
use crate::kamailio_sys as sys;

/// Registers this process with the configuration framework. To be called once, in a process of our own.
/// False when that failed.
pub(super) fn init() -> bool {
    // SAFETY: called in the forked process, which was not announced by cfg_register_child; both are
    // conditions of cfg_child_no_cb_init.
    unsafe { sys::cfg_child_no_cb_init() == 0 }
}

/// Changes over to the current configuration. Cheap when it has not changed.
pub(super) fn update() {
    // SAFETY: `init` was called before. These are the framework's globals: pointers of this process, and
    // a pointer and a lock in shared memory. The structs are packed, so members are read unaligned
    // through `addr_of!`; the reference counters are aligned and changed atomically.
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
/// `block` is one that this process holds a reference to, or the current one while the lock is held.
unsafe fn references<'a>(block: *mut sys::cfg_block_t) -> &'a AtomicI32 {
    // SAFETY: the counter is the first member, so it is aligned although the struct is packed.
    unsafe { AtomicI32::from_ptr(block.cast::<i32>()) }
}

/// The framework's lock while it is held. It is one of Kamailio's futex locks (core/futexlock.h): 0 free,
/// 1 locked, 2 locked with processes that wait.
struct GlobalLock(&'static AtomicI32);

impl GlobalLock {
    /// Waits until the lock is free, and takes it.
    ///
    /// # Safety
    /// The configuration framework is running, so the lock exists.
    unsafe fn take() -> GlobalLock {
        // SAFETY: the lock is an aligned int in shared memory that all processes change atomically.
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
    // SAFETY: the word stays mapped. A wake-up without need is harmless.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_timeout) };
}
