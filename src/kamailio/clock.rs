//! Time: a monotonic clock that all processes of the server agree on, and the wall clock.
//! Not here: timers (see `process`), and Kamailio's own ticks, which only advance 16 times a second.
//!
//! Promise: CLOCK_MONOTONIC counts from boot, so values of one process mean the same in another and
//! may be stored in shared memory; they mean nothing after a reboot.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of the monotonic clock.
pub fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// Microseconds of the same clock.
pub fn monotonic_us() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a writable timespec; CLOCK_MONOTONIC always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64) * 1_000_000 + (now.tv_nsec as u64) / 1000
}

/// Milliseconds since 1970-01-01 UTC, for logs and Date-like values only: it may jump.
pub fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}
