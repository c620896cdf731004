//! Rates that all processes share: together they take as many turns as there are.

use super::processes::{in_all_processes, map, shared};
use cpm::cpm::rate::Rate;
use cpm::store::turns::Turns;
use std::sync::atomic::{AtomicU32, Ordering};

#[test]
fn all_processes_together_take_one_burst() {
    let map = map();
    let turns = Turns::create(map.arena()).unwrap();
    let taken: &AtomicU32 = shared(map.arena());
    let used = map.used();
    let rate = Rate::new(1_000, 5);
    in_all_processes(|_| {
        for _ in 0..4_000 {
            let turn = turns.take(2, 7, rate, 1_000_000, 1, 0);
            taken.fetch_add(u32::from(turn.is_ok()), Ordering::Relaxed);
        }
    });
    assert_eq!(taken.load(Ordering::Relaxed), 5_000);
    assert_eq!(turns.take(2, 7, rate, 1_000_000, 1, 0), Err(1));
    assert_eq!(
        turns.take(2, 8, rate, 1_000_000, 1, 0),
        Ok(0),
        "another bucket"
    );
    assert_eq!(map.used(), used, "nothing is asked for later on");
    // SAFETY: the last use; the children are gone.
    unsafe { turns.destroy() };
}
