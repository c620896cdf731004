//! Sleeping on and waking by a 32-bit word that several processes share.
//! Not a lock: see `lock` and `queue` for the protocols built on it.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` holds `expected`, at most `timeout` (for ever when `None`).
///
/// May return early for no reason at all (a signal, a wake-up meant for an earlier sleeper): the caller
/// looks at its own condition again.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        // Below 10^9, so it fits every width this field has.
        tv_nsec: timeout.subsec_nanos() as _,
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: futex(2) FUTEX_WAIT reads the word (alive for the borrow) and the timespec, which is null
    // or outlives the call. Not PRIVATE: the sleepers are in other processes.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            expected,
            limit,
            ptr::null::<u32>(),
            0u32,
        );
    }
}

/// Wakes one sleeper of `word`, in whichever process.
pub(super) fn wake_one(word: &AtomicU32) {
    // SAFETY: futex(2) FUTEX_WAKE uses the address only as a name for the queue of sleepers.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE,
            1,
            ptr::null::<libc::timespec>(),
            ptr::null::<u32>(),
            0u32,
        );
    }
}
