//! Waking a process that sleeps until the earliest of many times, when an earlier one turns up.

use super::futex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Process: any may ring, one sleeps. Lock: none. Memory: shared.
#[repr(C)]
pub(super) struct Alarm {
    /// Until when the sleeper means to sleep, ms. 0: it is awake and will look for itself.
    planned: AtomicU64,
    /// Counts how often it rang, and wraps.
    rung: AtomicU32,
}

/// How often an alarm had rung at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard(u32);

impl Alarm {
    pub const fn new() -> Alarm {
        Alarm {
            planned: AtomicU64::new(0),
            rung: AtomicU32::new(0),
        }
    }

    /// To be asked before the sleeper looks for what is to be done: whatever rings after this keeps it
    /// awake.
    pub fn listen(&self) -> Heard {
        Heard(self.rung.load(Ordering::SeqCst))
    }

    pub fn ring(&self) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        futex::wake_one(&self.rung);
    }

    /// Something is to be done at `at`, ms. Whoever calls this has made it known before.
    pub fn ring_if_before(&self, at: u64) {
        // The sleeper announces how long it would sleep before it looks for the earliest time. So either
        // it finds this one, or its announcement is seen here.
        if at < self.planned.load(Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Sleeps from `now` to `longest`, or to the earlier time that `earliest` finds, or until it rings. All
    /// in ms.
    pub fn sleep(
        &self,
        heard: Heard,
        now: u64,
        longest: u64,
        earliest: impl FnOnce() -> Option<u64>,
    ) {
        self.planned.store(longest, Ordering::SeqCst);
        let until = earliest().map_or(longest, |at| at.min(longest));
        self.planned.store(until, Ordering::SeqCst);
        if let Some(wait) = until.checked_sub(now).filter(|wait| *wait > 0) {
            futex::wait(&self.rung, heard.0, Some(Duration::from_millis(wait)));
        }
        self.planned.store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;
    use std::time::Instant;

    #[test]
    fn it_sleeps_as_long_as_planned_and_wakes_when_it_rings() {
        let alarm = Alarm::new();
        let begun = Instant::now();
        alarm.sleep(alarm.listen(), 1_000, 1_030, || None);
        alarm.sleep(alarm.listen(), 1_000, 9_000, || Some(1_030));
        alarm.sleep(alarm.listen(), 1_000, 9_000, || Some(900));
        assert!(begun.elapsed() >= Duration::from_millis(60));
        // It rang while the sleeper was looking.
        let heard = alarm.listen();
        alarm.ring();
        alarm.sleep(heard, 1_000, 90_000, || None);
        // What is later than planned does not wake it, what is earlier does.
        let woken = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                alarm.sleep(alarm.listen(), 1_000, 90_000, || Some(80_000));
                woken.store(true, Ordering::SeqCst);
            });
            while alarm.planned.load(Ordering::SeqCst) != 80_000 {
                thread::yield_now();
            }
            alarm.ring_if_before(80_000);
            thread::sleep(Duration::from_millis(20));
            assert!(!woken.load(Ordering::SeqCst));
            alarm.ring_if_before(79_999);
        });
        assert!(begun.elapsed() < Duration::from_secs(8));
    }
}
