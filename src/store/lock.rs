//! A lock in shared memory, by the scheme of Kamailio's `gen_lock_t`, with a guard.
//! Not recursive, not robust, without a time limit, and not poisoned by a panic: the data's own rules see to that.

use super::futex;
use std::hint;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU32, Ordering};

const FREE: u32 = 0;
const LOCKED: u32 = 1;
/// Locked, and somebody may sleep on it.
const CONTENDED: u32 = 2;

/// How often a busy lock is looked at before sleeping. Critical sections are well below a microsecond.
const SPINS: u32 = 200;

/// Four bytes of shared memory; all zero is a free lock.
///
/// Process: any. Memory: inside the block it guards, mapped by all processes at one address.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Lock(AtomicU32);

/// Holds a [`Lock`] until dropped, also when a panic unwinds. Stays in the thread that took it.
#[must_use = "the lock is released as soon as the guard is dropped"]
#[derive(Debug)]
pub struct Guard<'a> {
    lock: &'a Lock,
    here: PhantomData<*const ()>,
}

impl Lock {
    pub const fn new() -> Self {
        Lock(AtomicU32::new(FREE))
    }

    /// Waits until the lock is free and takes it. Signals do not disturb the wait.
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
            here: PhantomData,
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
        // Whoever has slept takes the lock as contended: it cannot know whether others still sleep.
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
