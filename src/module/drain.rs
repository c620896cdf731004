//! Graceful stop: no new sessions, the running ones are ended, and whoever asks learns when it is done.
//! Not here: what ending a session means (`crate::cpm`).

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};

use super::executor::{perform, Place};
use super::runtime::Runtime;
use crate::kamailio::log;
use crate::kamailio::shm::KamailioShm;

/// Sessions ended per look, so that the process that watches deadlines keeps watching them.
const AT_ONCE: usize = 50;

/// One flag in shared memory, seen by all processes.
#[derive(Clone, Copy)]
pub struct Draining(NonNull<AtomicBool>);

// SAFETY: an atomic at an address that is valid in all processes for as long as the server runs.
unsafe impl Send for Draining {}
// SAFETY: as above.
unsafe impl Sync for Draining {}

impl Draining {
    /// In `mod_init`; None when shared memory has no room.
    pub fn create() -> Option<Draining> {
        let flag = KamailioShm
            .allocate(size_of::<AtomicBool>())?
            .cast::<AtomicBool>();
        // SAFETY: the block is large enough and nobody else knows it.
        unsafe { flag.write(AtomicBool::new(false)) };
        Some(Draining(flag))
    }

    fn flag(&self) -> &AtomicBool {
        // SAFETY: made by `create`, never released.
        unsafe { self.0.as_ref() }
    }

    pub fn is_on(&self) -> bool {
        self.flag().load(Ordering::Acquire)
    }

    /// From now on nothing new begins; gives whether it was so before.
    pub fn begin(&self) -> bool {
        self.flag().swap(true, Ordering::AcqRel)
    }
}

/// Ends some of the sessions that still live; called again and again while draining.
pub fn end_some(runtime: &Runtime) {
    let mut ended = 0;
    let mut after = None;
    loop {
        let page = runtime.store.sessions(after, AT_ONCE);
        for id in &page {
            let handled = runtime.decide(|env| {
                let mut live = false;
                let actions = runtime.store.with_record(*id, env, |session| {
                    live = session.head().live;
                    session.drain();
                });
                actions.map(|actions| (live, actions))
            });
            match handled {
                Ok((live, actions)) => {
                    ended += usize::from(live);
                    perform(runtime, actions, Place::Inline);
                }
                Err(error) => log::warning!("a session is not ended yet: {error}"),
            }
        }
        match page.last() {
            Some(last) if page.len() == AT_ONCE && ended < AT_ONCE => after = Some(*last),
            _ => return,
        }
    }
}
