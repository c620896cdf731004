//! The queue among processes: each job is delivered once, and no wake-up is lost.

use super::processes::{in_all_processes, map, number, shared, Child, PROCESSES};
use cpm::store::queue::{Queue, QueueError};
use std::sync::atomic::{AtomicU64, Ordering};

#[test]
fn each_job_is_delivered_once() {
    const JOBS: u64 = 5_000;
    const ALL: u64 = JOBS * PROCESSES / 2;
    let map = map();
    let taken: &AtomicU64 = shared(map.arena());
    let squares: &AtomicU64 = shared(map.arena());
    // Small, so that it is full at times and empty at times.
    let queue = Queue::create(map.arena(), 50).unwrap();
    let used = map.used();
    in_all_processes(|process| {
        if process % 2 == 0 {
            for job in 0..JOBS {
                let job = process / 2 * JOBS + job;
                while let Err(error) = queue.push(&job.to_le_bytes()) {
                    assert_eq!(error, QueueError::Full(50));
                    std::thread::yield_now();
                }
            }
        } else {
            let mut newest = [None; PROCESSES as usize / 2];
            while taken.load(Ordering::SeqCst) < ALL {
                let Some(job) = queue.pop(20) else {
                    continue;
                };
                let job = number(&job);
                taken.fetch_add(1, Ordering::SeqCst);
                squares.fetch_add(job * job, Ordering::SeqCst);
                let newest = &mut newest[(job / JOBS) as usize];
                assert!(
                    *newest < Some(job),
                    "a later one of the same process came first"
                );
                *newest = Some(job);
            }
        }
    });
    assert_eq!(taken.load(Ordering::SeqCst), ALL);
    let expected: u64 = (0..ALL).map(|job| job * job).sum();
    assert_eq!(squares.load(Ordering::SeqCst), expected);
    assert_eq!((queue.len(), map.used()), (0, used));
}

/// Sleepers only, one job at a time: a lost wake-up would cost the whole timeout.
#[test]
fn no_wake_up_is_lost() {
    const ROUNDS: u64 = 2_000;
    let map = map();
    let there = Queue::create(map.arena(), 10).unwrap();
    let back = Queue::create(map.arena(), 10).unwrap();
    let echoes: Vec<_> = (1..PROCESSES)
        .map(|_| {
            Child::fork(|| loop {
                let job = there.pop(30_000).expect("woken in time");
                if job.is_empty() {
                    return;
                }
                back.push(&job).unwrap();
            })
        })
        .collect();
    for round in 0..ROUNDS {
        there.push(&round.to_le_bytes()).unwrap();
        let job = back.pop(10_000).expect("woken in time");
        assert_eq!(number(&job), round);
    }
    for _ in &echoes {
        there.push(b"").unwrap();
    }
    echoes.into_iter().for_each(Child::wait);
}
