//! Time: a monotonic clock that is the same in all processes, and the wall clock.
//!
//! CLOCK_MONOTONIC counts from boot. All processes may compare its values and keep them in shared
//! memory. After a reboot they mean nothing. Kamailio's own clock has 16 ticks a second, which is too
//! coarse here.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds of the monotonic clock.
pub fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// Microseconds of the monotonic clock.
pub fn monotonic_us() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a writable timespec; CLOCK_MONOTONIC always exists on Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    (now.tv_sec as u64) * 1_000_000 + (now.tv_nsec as u64) / 1000
}

/// Milliseconds since 1970-01-01 UTC. The wall clock may jump, so this is for logs and dates only.
pub fn wall_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map(|since| since.as_millis() as u64)
        .unwrap_or(0)
}
