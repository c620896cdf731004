//! Children that are forked with the shared memory of their parent, as Kamailio forks its workers.

use cpm::store::memory::{Arena, Memory, SharedMap};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::NonNull;

pub const PROCESSES: u64 = 8;

/// A child that takes longer is stuck: SIGALRM ends it, and the test fails.
const SECONDS_TO_LIVE: u32 = 60;

/// Forks [`PROCESSES`] children that run `work` with their number, and waits for all.
pub fn in_all_processes(work: impl Fn(u64)) {
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| Child::fork(|| work(process)))
        .collect();
    children.into_iter().for_each(Child::wait);
}

/// A child that runs something; ended and waited for, whatever happens to the test.
pub struct Child(pub libc::pid_t);

impl Child {
    pub fn fork(work: impl FnOnce()) -> Child {
        // SAFETY: the child runs the closure and leaves by `_exit`. Of the parent's threads it has only
        // this one, and waits for nothing that another one held (libc's allocator sees to its own locks).
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: only sets a timer in this process.
                unsafe { libc::alarm(SECONDS_TO_LIVE) };
                let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
                // SAFETY: ends this process without running anything of the test harness.
                unsafe { libc::_exit(i32::from(failed)) }
            }
            pid => Child(pid),
        }
    }

    pub fn wait(mut self) {
        let pid = std::mem::take(&mut self.0);
        let mut status = 0;
        // SAFETY: a child of ours, not waited for yet; the status is a local.
        let ended = unsafe { libc::waitpid(pid, &mut status, 0) };
        assert_eq!(
            (ended, status),
            (pid, 0),
            "it failed, or was stuck or killed"
        );
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.0 != 0 {
            // SAFETY: a child of ours that nobody has waited for, so the number is still its own.
            unsafe {
                libc::kill(self.0, libc::SIGKILL);
                libc::waitpid(self.0, std::ptr::null_mut(), 0);
            }
        }
    }
}

pub fn map() -> SharedMap {
    SharedMap::new(64 << 20).unwrap()
}

/// A value in shared memory. The block goes with the map.
pub fn shared<T: Default>(arena: Arena<'_>) -> &T {
    let block: NonNull<T> = arena.allocate(size_of::<T>()).unwrap().cast();
    // SAFETY: new, large enough, aligned to 16, and there as long as the map is.
    unsafe {
        block.write(T::default());
        block.as_ref()
    }
}

pub fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}
