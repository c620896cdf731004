//! The lock among processes: it excludes, and a sleeper on it survives signals.

use super::processes::{in_all_processes, map, shared, Child, PROCESSES};
use cpm::store::lock::Lock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

#[test]
fn a_lock_excludes_other_processes() {
    let map = map();
    let lock: &Lock = shared(map.arena());
    let counter: &AtomicU64 = shared(map.arena());
    in_all_processes(|_| {
        for _ in 0..50_000 {
            let _guard = lock.acquire();
            // Only the lock makes a read and a write one step.
            let seen = counter.load(Ordering::Relaxed);
            counter.store(seen + 1, Ordering::Relaxed);
        }
    });
    assert_eq!(counter.load(Ordering::Relaxed), PROCESSES * 50_000);
}

#[test]
fn a_sleeper_on_a_lock_survives_signals() {
    extern "C" fn ignore(_: libc::c_int) {}
    let map = map();
    let lock: &Lock = shared(map.arena());
    let reached: &AtomicU32 = shared(map.arena());
    let guard = lock.acquire();
    let child = Child::fork(|| {
        let handler: extern "C" fn(libc::c_int) = ignore;
        // SAFETY: the handler does nothing; without SA_RESTART each signal interrupts the wait.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        reached.store(1, Ordering::SeqCst);
        let _guard = lock.acquire();
        reached.store(2, Ordering::SeqCst);
    });
    while reached.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(2));
        // SAFETY: a child of ours, not waited for yet, that handles this signal.
        unsafe { libc::kill(child.0, libc::SIGUSR1) };
    }
    assert_eq!(reached.load(Ordering::SeqCst), 1, "it got past a held lock");
    drop(guard);
    child.wait();
    assert_eq!(reached.load(Ordering::SeqCst), 2);
}
