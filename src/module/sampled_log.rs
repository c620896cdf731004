//! Log lines of which a flood must not fill the log: the first at once, then one in [`INTERVAL`], or as many as
//! a rate lets through. It says how many there were in between. All processes share the count.

use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cpm::rate::Rate;
use crate::cpm::time::{Micros, Millis};
use crate::kamailio::shm::KamailioShm;

/// Least time between two lines of one kind, ms.
const INTERVAL: Millis = 10_000;

/// What is sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampled {
    /// Requests from sources that are not trusted, outside a dialog.
    Strangers,
    /// Those of them that are in a dialog, or say so: a peer was forgotten, perhaps.
    StrangersInDialog,
    /// Shared memory is full.
    MemoryFull,
    /// Answers of somebody who was not asked.
    Answers,
    /// Phone users under hosts that do not stand for numbers.
    PhoneHosts,
    /// Many transactions in one place of tm's table.
    Collisions,
    /// Refused requests, of trusted peers too.
    Refusals,
    /// There is more to do than can be done.
    OverloadBegins,
    /// There was.
    OverloadEnds,
}

const KINDS: usize = 9;

/// The counts; seen by all processes.
#[derive(Clone, Copy)]
pub struct Samples(NonNull<[Kind; KINDS]>);

struct Kind {
    /// When the next line may be written, ms of the clock that never jumps; with a rate, what [`Rate::take`]
    /// keeps.
    next: AtomicU64,
    /// Lines that were not written since the last one.
    kept_back: AtomicU64,
}

// SAFETY: atomics at an address that is valid in all processes for as long as the server runs.
unsafe impl Send for Samples {}
// SAFETY: as above.
unsafe impl Sync for Samples {}

/// Behind a line: how many of its kind were not written before it.
pub struct KeptBack(u64);

impl fmt::Display for KeptBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            more => write!(f, " and={more} more since the last such line"),
        }
    }
}

impl Samples {
    /// In `mod_init`; None when shared memory has no room.
    pub fn create() -> Option<Samples> {
        let kinds = KamailioShm.allocate(size_of::<[Kind; KINDS]>())?;
        let kinds = kinds.cast::<[Kind; KINDS]>();
        let new = || Kind {
            next: AtomicU64::new(0),
            kept_back: AtomicU64::new(0),
        };
        // SAFETY: the block is large enough and nobody else knows it.
        unsafe { kinds.write(std::array::from_fn(|_| new())) };
        Some(Samples(kinds))
    }

    /// Whether a line of this kind is to be written `now`. If so, gives how many were not.
    pub fn due(&self, kind: Sampled, now: Millis) -> Option<KeptBack> {
        // SAFETY: made by `create`, never released.
        let kinds = unsafe { self.0.as_ref() };
        let kind = kinds.get(kind as usize)?;
        let next = kind.next.load(Ordering::Relaxed);
        let mine = now >= next
            && kind
                .next
                .compare_exchange(next, now + INTERVAL, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !mine {
            kind.kept_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(KeptBack(kind.kept_back.swap(0, Ordering::Relaxed)))
    }

    /// The same for a kind of which as many lines are written as `rate` lets through.
    pub fn within(&self, kind: Sampled, rate: Rate, now: Micros) -> Option<KeptBack> {
        // SAFETY: made by `create`, never released.
        let kinds = unsafe { self.0.as_ref() };
        let kind = kinds.get(kind as usize)?;
        let take = |kept| rate.take(kept, now, 1, 0).ok().map(|(next, _)| next);
        let mine = kind
            .next
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if mine.is_err() {
            kind.kept_back.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(KeptBack(kind.kept_back.swap(0, Ordering::Relaxed)))
    }
}
