//! futex(2): sleeping on a 32-bit word that several processes share, and waking a sleeper.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` holds `expected`, at most `timeout` (without limit when `None`).
///
/// It may return early: after a signal, or after a wake-up that was meant for an earlier sleeper. The
/// caller checks its own condition again.
pub(super) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let limit = timeout.map(|timeout| libc::timespec {
        tv_sec: libc::time_t::try_from(timeout.as_secs()).unwrap_or(libc::time_t::MAX),
        // Less than 10^9, which fits the field on every platform.
        tv_nsec: timeout.subsec_nanos() as _,
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: FUTEX_WAIT reads the word, which is borrowed, and the timespec, which is null or outlives
    // the call. The operation is not FUTEX_PRIVATE: the sleepers are in several processes.
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

/// Wakes one process that sleeps on `word`.
pub(super) fn wake_one(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE only uses the address, to find the sleepers.
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
