//! Whether the server is draining, and until when: shared by all processes.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cpm::time::Millis;
use crate::kamailio::clock;
use crate::kamailio::shm::KamailioShm;

/// The limit when nobody names one, ms: more than the 64*T1 after which an unanswered BYE is over.
const DEFAULT_LIMIT: Millis = 60_000;

/// The state of a drain; seen by all processes.
#[derive(Clone, Copy)]
pub struct Draining(NonNull<State>);

struct State {
    /// When whatever is left is given up; 0: not draining.
    until: AtomicU64,
    given_up: AtomicU64,
}

// SAFETY: atomics at an address that is valid in all processes for as long as the server runs.
unsafe impl Send for Draining {}
// SAFETY: as above.
unsafe impl Sync for Draining {}

impl Draining {
    /// In `mod_init`; None when shared memory has no room.
    pub fn create() -> Option<Draining> {
        let state = KamailioShm.allocate(size_of::<State>())?.cast::<State>();
        // SAFETY: the block is large enough and nobody else knows it.
        unsafe {
            state.write(State {
                until: AtomicU64::new(0),
                given_up: AtomicU64::new(0),
            });
        }
        Some(Draining(state))
    }

    fn state(&self) -> &State {
        // SAFETY: made by `create`, never released.
        unsafe { self.0.as_ref() }
    }

    fn until(&self) -> Option<Millis> {
        let until = self.state().until.load(Ordering::Acquire);
        (until > 0).then_some(until)
    }

    /// Nothing new begins.
    pub fn is_on(&self) -> bool {
        self.until().is_some()
    }

    /// From now on nothing new begins, and what runs has so many milliseconds to end. Asked again it can
    /// only get less time. Gives whether it was so before.
    pub fn begin(&self, limit: Option<Millis>) -> bool {
        let later = |limit| clock::monotonic_ms().saturating_add(limit);
        let first = later(limit.unwrap_or(DEFAULT_LIMIT));
        let until = &self.state().until;
        let before = until.compare_exchange(0, first, Ordering::AcqRel, Ordering::Acquire);
        if let (Err(_), Some(limit)) = (before, limit) {
            until.fetch_min(later(limit), Ordering::AcqRel);
        }
        before.is_err()
    }

    /// What is left of the time, ms.
    pub fn left(&self) -> Millis {
        self.until()
            .map_or(0, |until| until.saturating_sub(clock::monotonic_ms()))
    }

    /// One more session had not ended when the time was over.
    pub fn count_given_up(&self) {
        self.state().given_up.fetch_add(1, Ordering::AcqRel);
    }

    /// Sessions that had not ended when the time was over.
    pub fn given_up(&self) -> u64 {
        self.state().given_up.load(Ordering::Acquire)
    }
}
