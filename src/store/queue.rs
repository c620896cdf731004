//! A queue of jobs in shared memory, first in, first out. A job is bytes.
//!
//! A job that was popped is gone, even if the process that popped it fails to do it.

use super::engine::StoreError;
use super::futex;
use super::lock::Lock;
use super::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Why a job was not appended. The queue is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// Holds the most jobs that may wait.
    #[error("{0} jobs are waiting already, which is the limit")]
    Full(u32),
    /// The allocator has no block for the job.
    #[error("shared memory is full")]
    NoMemory,
}

/// A handle to a queue. All copies are the same queue.
///
/// Process: create it before the fork; any process may push or pop. Lock: its own leaf lock, for a few
/// pointer writes. A process that holds an anchor may push, but must not pop with a timeout. Memory:
/// shared.
#[derive(Clone, Copy)]
pub struct Queue<M: Memory> {
    memory: M,
    shared: NonNull<Shared>,
}

#[repr(C)]
struct Shared {
    lock: Lock,
    /// Counts the jobs pushed so far, and wraps. Sleepers wait for it to change.
    pushed: AtomicU32,
    /// How many processes sleep or are about to.
    sleepers: AtomicU32,
    /// Never changes.
    max_jobs: u32,
    /// Jobs that wait. Changed with `lock` held, read without.
    length: AtomicU32,
    /// Guarded by `lock`.
    jobs: UnsafeCell<Jobs>,
}

/// The list of jobs. Both null: empty.
#[repr(C)]
struct Jobs {
    first: *mut Job,
    last: *mut Job,
}

/// Stands before the bytes of a job, in the same block.
#[repr(C)]
struct Job {
    next: *mut Job,
    /// How many bytes follow.
    size: usize,
}

// SAFETY: everything behind `shared` is constant, atomic or guarded by the lock, which works between
// threads as it does between processes.
unsafe impl<M: Memory + Send> Send for Queue<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Queue<M> {}

impl<M: Memory> Queue<M> {
    /// An empty queue that holds at most `max_jobs`.
    ///
    /// # Errors
    /// [`StoreError::Full`], or [`StoreError::Config`] when `max_jobs` is 0.
    pub fn create(memory: M, max_jobs: u32) -> Result<Self, StoreError> {
        if max_jobs == 0 {
            return Err(StoreError::Config {
                name: "max_jobs",
                value: 0,
                max: u64::from(u32::MAX),
            });
        }
        let block = Block::array::<Shared>(memory, 1).ok_or(StoreError::Full)?;
        let shared = block.keep().cast::<Shared>();
        let content = Shared {
            lock: Lock::new(),
            pushed: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            max_jobs,
            length: AtomicU32::new(0),
            jobs: UnsafeCell::new(Jobs {
                first: ptr::null_mut(),
                last: ptr::null_mut(),
            }),
        };
        // SAFETY: the block was made for it and nobody else knows it.
        unsafe { shared.write(content) };
        Ok(Queue { memory, shared })
    }

    /// Releases all its memory, waiting jobs included. Takes no lock.
    ///
    /// # Safety
    /// No process uses a copy of this queue any more.
    pub unsafe fn destroy(self) {
        // SAFETY: by the caller's promise nobody else uses the queue. Each block is released once.
        unsafe {
            let mut job = (*self.shared().jobs.get()).first;
            while !job.is_null() {
                let next = (*job).next;
                drop(self.block_of(job));
                job = next;
            }
            drop(Block::adopt(
                self.memory,
                self.shared.cast(),
                size_of::<Shared>(),
            ));
        }
    }

    /// Appends a job and wakes one process that waits for jobs. It waits for nothing but short locks.
    ///
    /// # Errors
    /// [`QueueError`].
    pub fn push(&self, job: &[u8]) -> Result<(), QueueError> {
        let shared = self.shared();
        // `append` checks again, under the lock. This check saves an allocation.
        if shared.length.load(Ordering::Relaxed) >= shared.max_jobs {
            return Err(QueueError::Full(shared.max_jobs));
        }
        let block = size_of::<Job>()
            .checked_add(job.len())
            .and_then(|size| Block::new(self.memory, size))
            .ok_or(QueueError::NoMemory)?;
        let node = block.start().as_ptr().cast::<Job>();
        // SAFETY: the block has room for a `Job` and its bytes, and nobody else knows it.
        unsafe {
            node.write(Job {
                next: ptr::null_mut(),
                size: job.len(),
            });
            bytes_of(node).copy_from_nonoverlapping(job.as_ptr(), job.len());
        }
        if !shared.append(node) {
            return Err(QueueError::Full(shared.max_jobs));
        }
        block.keep();
        // A process in `pop` adds itself to `sleepers` before it reads `pushed`; this one changes `pushed`
        // before it reads `sleepers`. `SeqCst` puts the four steps into one order for both, so either
        // this process sees the sleeper, or the sleeper sees the new number and the job.
        shared.pushed.fetch_add(1, Ordering::SeqCst);
        if shared.sleepers.load(Ordering::SeqCst) > 0 {
            futex::wake_one(&shared.pushed);
        }
        Ok(())
    }

    /// Removes the oldest job. Waits for one at most `timeout_ms` milliseconds; 0 does not wait. `None`
    /// when there was none in time.
    pub fn pop(&self, timeout_ms: u64) -> Option<Vec<u8>> {
        if let Some(job) = self.pop_now() {
            return Some(job);
        }
        if timeout_ms == 0 {
            return None;
        }
        let shared = self.shared();
        let started = Instant::now();
        let timeout = Duration::from_millis(timeout_ms);
        let _sleeper = Sleeper::count(&shared.sleepers);
        loop {
            let pushed = shared.pushed.load(Ordering::SeqCst);
            // After the last wake-up too: it may have been the only one for this job.
            if let Some(job) = self.pop_now() {
                return Some(job);
            }
            let left = timeout.checked_sub(started.elapsed())?;
            if left.is_zero() {
                return None;
            }
            futex::wait(&shared.pushed, pushed, Some(left));
        }
    }

    /// How many jobs wait now.
    pub fn len(&self) -> usize {
        self.shared().length.load(Ordering::Relaxed) as usize
    }

    /// Whether no job waits now.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn pop_now(&self) -> Option<Vec<u8>> {
        let job = self.shared().remove_first()?;
        // SAFETY: the job is out of the list, so only this process knows it. `push` wrote `size` bytes.
        unsafe {
            let block = self.block_of(job);
            let bytes = std::slice::from_raw_parts(bytes_of(job), (*job).size).to_vec();
            drop(block);
            Some(bytes)
        }
    }

    fn shared(&self) -> &Shared {
        // SAFETY: `create` wrote it. It stays until `destroy`, after which nobody uses the queue. What
        // changes inside is atomic or in an UnsafeCell.
        unsafe { self.shared.as_ref() }
    }

    /// The block of a job, which the caller may drop.
    ///
    /// # Safety
    /// The job is alive and in no list. Nobody uses it after the result is dropped.
    unsafe fn block_of(&self, job: *mut Job) -> Option<Block<M>> {
        // SAFETY: `push` allocated it with exactly this size, from this memory.
        unsafe {
            let size = size_of::<Job>() + (*job).size;
            NonNull::new(job.cast()).map(|start| Block::adopt(self.memory, start, size))
        }
    }
}

impl Shared {
    /// False when `max_jobs` wait already.
    fn append(&self, job: *mut Job) -> bool {
        let _guard = self.lock.acquire();
        let length = self.length.load(Ordering::Relaxed);
        if length >= self.max_jobs {
            return false;
        }
        self.length.store(length + 1, Ordering::Relaxed);
        // SAFETY: the lock is held. Jobs in the list are alive, and the new one is initialised.
        unsafe {
            let jobs = &mut *self.jobs.get();
            match jobs.last.is_null() {
                true => jobs.first = job,
                false => (*jobs.last).next = job,
            }
            jobs.last = job;
        }
        true
    }

    fn remove_first(&self) -> Option<*mut Job> {
        let _guard = self.lock.acquire();
        // SAFETY: the lock is held. Jobs in the list are alive.
        unsafe {
            let jobs = &mut *self.jobs.get();
            let job = jobs.first;
            if job.is_null() {
                return None;
            }
            jobs.first = (*job).next;
            if jobs.first.is_null() {
                jobs.last = ptr::null_mut();
            }
            // `append` counted the job, so this does not wrap.
            self.length.fetch_sub(1, Ordering::Relaxed);
            Some(job)
        }
    }
}

/// The first byte behind a `Job`.
///
/// # Safety
/// `job` points to a block of at least the size of a `Job`.
unsafe fn bytes_of(job: *mut Job) -> *mut u8 {
    // SAFETY: promised by the caller.
    unsafe { job.cast::<u8>().add(size_of::<Job>()) }
}

/// Counts a process as a sleeper until dropped.
struct Sleeper<'a>(&'a AtomicU32);

impl<'a> Sleeper<'a> {
    fn count(sleepers: &'a AtomicU32) -> Self {
        sleepers.fetch_add(1, Ordering::SeqCst);
        Sleeper(sleepers)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::SharedMap;
    use std::thread;

    #[test]
    fn first_in_first_out_and_bounded() {
        let map = SharedMap::new(1 << 20).unwrap();
        let queue = Queue::create(map.arena(), 3).unwrap();
        for job in [&b"one"[..], b"", b"three"] {
            queue.push(job).unwrap();
        }
        assert_eq!(queue.push(b"four"), Err(QueueError::Full(3)));
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop(0).unwrap(), b"one");
        assert_eq!(queue.pop(0).unwrap(), b"");
        queue.push(b"five").unwrap();
        assert_eq!(queue.pop(5).unwrap(), b"three");
        assert_eq!(queue.pop(5).unwrap(), b"five");
        assert_eq!(queue.pop(0), None);
        assert!(queue.is_empty());
        queue.push(b"left over").unwrap();
        // SAFETY: the last use.
        unsafe { queue.destroy() };
        assert_eq!(map.used(), 0);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let map = SharedMap::new(16 << 10).unwrap();
        let queue = Queue::create(map.arena(), 10).unwrap();
        let used = map.used();
        assert_eq!(queue.push(&[0; 32 << 10]), Err(QueueError::NoMemory));
        assert_eq!((map.used(), queue.len()), (used, 0));
        assert!(Queue::create(map.arena(), 0).is_err());
    }

    #[test]
    fn waits_as_long_as_told_and_no_longer() {
        let map = SharedMap::new(1 << 20).unwrap();
        let queue = Queue::create(map.arena(), 10).unwrap();
        let started = Instant::now();
        assert_eq!(queue.pop(30), None);
        assert!(started.elapsed() >= Duration::from_millis(30));
        thread::scope(|scope| {
            let popper = scope.spawn(|| queue.pop(10_000));
            while queue.shared().sleepers.load(Ordering::SeqCst) == 0 {
                thread::yield_now();
            }
            queue.push(b"wake up").unwrap();
            assert_eq!(popper.join().unwrap().unwrap(), b"wake up");
        });
        assert!(started.elapsed() < Duration::from_secs(9));
        assert_eq!(queue.shared().sleepers.load(Ordering::SeqCst), 0);
    }
}
