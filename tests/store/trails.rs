//! Decision trails that all processes write: they stay apart.

use super::processes::{in_all_processes, map, shared};
use cpm::store::ring::{Moment, Ring, Share, Trail};
use std::sync::atomic::{AtomicU32, Ordering};

/// Trails of all processes in few slots: one that is found is one's own, whole and in order.
#[test]
fn trails_of_all_processes_stay_apart() {
    const ROUNDS: u32 = 4_000;
    const SLOTS: u32 = 20;
    let map = map();
    let ring = Ring::create(map.arena(), SLOTS).unwrap();
    let complete: &AtomicU32 = shared(map.arena());
    let used = map.used();
    let whole = |trail: &Trail| {
        let mut entries = trail.entries.iter().enumerate();
        let in_order = entries.all(|(at, (after, entry))| {
            *after == at as u32 && *entry == format!("entry {at} of {}", trail.id).into_bytes()
        });
        in_order && trail.name == format!("name of {}", trail.id) && trail.lost == 0
    };
    in_all_processes(|process| {
        for round in 1..=ROUNDS {
            let id = process as u32 * ROUNDS + round;
            let opened = Moment {
                monotonic: 7,
                wall: 0,
            };
            let share = if id.is_multiple_of(2) {
                Share::Accepted
            } else {
                Share::Refused
            };
            ring.open(id, &format!("name of {id}"), share, opened);
            for at in 0..10 {
                let entry = format!("entry {at} of {id}");
                ring.append([(id, entry.as_bytes())], 7 + at);
            }
            // Others may have pushed it out meanwhile, but not partly.
            if let Some(trail) = ring.find(id) {
                assert!(whole(&trail), "{trail:?}");
                complete.fetch_add(u32::from(trail.entries.len() == 10), Ordering::Relaxed);
            }
            for trail in ring.named(&format!("name of {}", id - 1)) {
                assert!(whole(&trail), "{trail:?}");
            }
        }
    });
    assert!(complete.load(Ordering::Relaxed) > ROUNDS / 10);
    assert_eq!(map.used(), used, "nothing is asked for later on");
    // SAFETY: the last use; the children are gone.
    unsafe { ring.destroy() };
}
