//! A lock in shared memory that works like Kamailio's `gen_lock_t` (core/futexlock.h).
//!
//! A thread that takes it twice waits for ever. A process that dies with it leaves it locked. A panic
//! releases it without poisoning: code that holds the lock keeps the data valid at every step.

use super::futex;
use std::hint;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const LOCKED: u32 = 1;
/// Locked, and processes may sleep on it.
const CONTENDED: u32 = 2;

/// How often a busy lock is checked before the process sleeps. Holders need less than a microsecond.
const SPINS: u32 = 200;

/// A lock of four bytes; all zero is a free lock.
///
/// Process: any. Memory: shared, usually inside the block that it guards.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Lock(AtomicU32);

/// Holds a [`Lock`] until it is dropped, also by a panic that unwinds. It stays in its thread.
#[must_use = "the lock is released as soon as the guard is dropped"]
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a Lock,
    /// Makes the guard neither `Send` nor `Sync`.
    not_send: PhantomData<*const ()>,
}

impl Lock {
    /// A free lock.
    pub const fn new() -> Self {
        Lock(AtomicU32::new(FREE))
    }

    /// Waits until the lock is free, and takes it. A signal does not end the wait.
    pub fn acquire(&self) -> Guard<'_> {
        if !self.take() {
            self.acquire_slowly();
        }
        self.guard()
    }

    /// Takes the lock if nobody holds it.
    pub fn try_acquire(&self) -> Option<Guard<'_>> {
        self.take().then(|| self.guard())
    }

    fn guard(&self) -> Guard<'_> {
        Guard {
            lock: self,
            not_send: PhantomData,
        }
    }

    fn take(&self) -> bool {
        self.0
            .compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    fn acquire_slowly(&self) {
        for _ in 0..SPINS {
            if self.0.load(Ordering::Relaxed) == FREE && self.take() {
                return;
            }
            hint::spin_loop();
        }
        // A process that may have slept takes the lock as contended: others may still sleep, and its
        // release has to wake one of them.
        while self.0.swap(CONTENDED, Ordering::Acquire) != FREE {
            futex::wait(&self.0, CONTENDED, None);
        }
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.lock.0.swap(FREE, Ordering::Release) == CONTENDED {
            futex::wake_one(&self.lock.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{catch_unwind, AssertUnwindSafe};
    use std::thread;

    #[test]
    fn excludes_and_releases() {
        let lock = Lock::new();
        let guard = lock.acquire();
        assert!(lock.try_acquire().is_none());
        drop(guard);
        assert!(lock.try_acquire().is_some());
    }

    #[test]
    fn released_by_a_panic() {
        let lock = Lock::new();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _guard = lock.acquire();
            panic!("on purpose");
        }));
        assert!(result.is_err());
        assert!(lock.try_acquire().is_some());
    }

    #[test]
    fn counts_exactly_among_threads() {
        let lock = Lock::new();
        let counter = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let _guard = lock.acquire();
                        // A read and a write, not an atomic addition: only the lock makes it one step.
                        let seen = counter.load(Ordering::Relaxed);
                        counter.store(seen + 1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(counter.load(Ordering::Relaxed), 80_000);
        assert_eq!(lock.0.load(Ordering::Relaxed), FREE);
    }
}
