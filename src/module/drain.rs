//! Graceful stop: no new sessions, the running ones are ended, and whoever asks learns when it is done.
//! Not here: what ending a session means (`crate::cpm`).

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use super::executor::{is_news, perform, Place};
use super::runtime::Runtime;
use crate::cpm::settings::Millis;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::{clock, log};
use crate::store::unit::UnitError;

/// Sessions ended per look, so that the process that watches deadlines keeps watching them.
const AT_ONCE: usize = 50;
/// The limit when nobody names one, ms: more than the 64*T1 after which an unanswered BYE is over.
pub const DEFAULT_LIMIT: Millis = 60_000;

/// Seen by all processes.
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

    /// Sessions that had not ended when the time was over.
    pub fn given_up(&self) -> u64 {
        self.state().given_up.load(Ordering::Acquire)
    }
}

/// Ends some of the sessions that still live, and gives up what has not ended when the time is over;
/// called again and again while draining.
pub fn end_some(runtime: &Runtime) {
    let over = runtime.draining.left() == 0;
    let mut handled = 0;
    let mut after = None;
    loop {
        let page = runtime.store.sessions(after, AT_ONCE);
        for id in &page {
            let done = runtime.decide(|env| {
                let mut changes = over;
                let actions = runtime.store.with_record(*id, env, |session| {
                    changes |= session.head().live;
                    match over {
                        true => session.give_up(),
                        false => session.drain(),
                    }
                });
                actions.map(|actions| (changes, actions))
            });
            match done {
                Ok((changes, actions)) => {
                    handled += usize::from(changes);
                    perform(runtime, actions, Place::Inline);
                    if over {
                        let given_up = &runtime.draining.state().given_up;
                        given_up.fetch_add(1, Ordering::AcqRel);
                    }
                }
                // It ended by itself meanwhile.
                Err(UnitError::NoSession) => {}
                Err(error) if is_news(&error) => {
                    log::warning!("a session is not ended yet: {error}");
                }
                Err(_) => {}
            }
        }
        match page.last() {
            Some(last) if page.len() == AT_ONCE && handled < AT_ONCE => after = Some(*last),
            _ => return,
        }
    }
}
