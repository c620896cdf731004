//! Random bits among real processes: no two get the same ones, though all come from one that had a pool.

use super::processes::{in_all_processes, map, shared, PROCESSES};
use cpm::store::random::random_bits;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More than one batch each.
const DRAWS: usize = 100;
const ALL: usize = (PROCESSES as usize + 1) * DRAWS;

struct Drawn {
    count: AtomicUsize,
    halves: [AtomicU64; 2 * ALL],
}

impl Default for Drawn {
    fn default() -> Drawn {
        Drawn {
            count: AtomicUsize::new(0),
            halves: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Drawn {
    fn draw(&self) {
        let bits = random_bits().unwrap();
        let at = 2 * self.count.fetch_add(1, Ordering::Relaxed);
        self.halves[at].store(bits as u64, Ordering::Relaxed);
        self.halves[at + 1].store((bits >> 64) as u64, Ordering::Relaxed);
    }
}

#[test]
fn no_process_repeats_what_another_one_drew() {
    let map = map();
    let drawn: &Drawn = shared(map.arena());
    // The pool of the parent is half full when it forks.
    (0..DRAWS / 2).for_each(|_| drawn.draw());
    in_all_processes(|_| (0..DRAWS).for_each(|_| drawn.draw()));
    (0..DRAWS / 2).for_each(|_| drawn.draw());

    assert_eq!(drawn.count.load(Ordering::Relaxed), ALL);
    let halves: HashSet<u64> = drawn
        .halves
        .iter()
        .map(|half| half.load(Ordering::Relaxed))
        .collect();
    assert_eq!(halves.len(), 2 * ALL, "each half once");
    assert!(!halves.contains(&0), "none was taken out of an empty pool");
}
