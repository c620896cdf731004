//! Call-IDs that collide in tm's table, noticed. tm adds their words up to find a transaction's place, so
//! somebody may choose any number of them that share one, where each look-up then goes through all of them.

use std::sync::{Mutex, PoisonError};

use super::counters;
use super::runtime::Runtime;
use super::sampled_log::Sampled;
use crate::cpm::time::Millis;
use crate::kamailio::message::Message;
use crate::kamailio::{clock, log};

/// Places that are told apart, of tm's 65,536.
const PLACES: usize = 4_096;
/// So many new transactions of one place within a second in one process are no chance: 100,000 a second would
/// bring 24.
const CROWD: u8 = 100;

/// What this process has seen in the present second.
static SEEN: Mutex<Seen> = Mutex::new(Seen {
    second: 0,
    places: [0; PLACES],
});

struct Seen {
    second: u64,
    places: [u8; PLACES],
}

impl Seen {
    /// Whether this one is one too many at its place.
    fn crowds(&mut self, place: u32, now: Millis) -> bool {
        if self.second != now / 1_000 {
            self.second = now / 1_000;
            self.places.fill(0);
        }
        let Some(count) = self.places.get_mut(place as usize % PLACES) else {
            return false;
        };
        *count = count.saturating_add(1);
        *count > CROWD
    }
}

/// The request has just got its transaction.
pub fn notice(runtime: &Runtime, message: &Message<'_>) {
    let Some(place) = runtime.tm.place_in_table() else {
        return;
    };
    let now = clock::monotonic_ms();
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let crowds = seen.crowds(place, now);
    drop(seen);
    if !crowds {
        return;
    }
    counters::CALL_ID_COLLISIONS.add(1);
    if let Some(kept_back) = runtime.samples.due(Sampled::Collisions, now) {
        log::warning!(
            "many transactions at one place of tm's table, the last one from {}: their Call-IDs collide{kept_back}",
            message.source()
        );
    }
}
