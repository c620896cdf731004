//! The store among real processes: forked after creation, as Kamailio forks its workers.
//! Not the logic of the engine (its unit tests), only what needs several address spaces.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

use cpm::store::engine::{Change, CommitError, Engine, EngineConfig, Key, RecordId};
use cpm::store::lock::Lock;
use cpm::store::memory::{Arena, Memory, SharedMap};
use cpm::store::queue::{Queue, QueueError};
use cpm::store::ring::{Moment, Ring, Trail};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

const PROCESSES: u64 = 8;
/// A child that takes longer is stuck: SIGALRM ends it, and the test fails.
const SECONDS_TO_LIVE: u32 = 60;

/// Few locks and buckets, so that the processes get in each other's way.
const CONFIG: EngineConfig = EngineConfig {
    anchors: 16,
    buckets: 64,
    wheel_slots: 64,
    tick_ms: 10,
};

#[test]
fn a_lock_excludes_other_processes() {
    let map = map();
    let lock: &Lock = shared(map.arena());
    let counter: &AtomicU64 = shared(map.arena());
    in_all_processes(|_| {
        for _ in 0..50_000 {
            let _guard = lock.acquire();
            // Only the lock makes a read and a write one step.
            let seen = counter.load(Ordering::Relaxed);
            counter.store(seen + 1, Ordering::Relaxed);
        }
    });
    assert_eq!(counter.load(Ordering::Relaxed), PROCESSES * 50_000);
}

#[test]
fn a_sleeper_on_a_lock_survives_signals() {
    extern "C" fn ignore(_: libc::c_int) {}
    let map = map();
    let lock: &Lock = shared(map.arena());
    let reached: &AtomicU32 = shared(map.arena());
    let guard = lock.acquire();
    let child = Child::fork(|| {
        let handler: extern "C" fn(libc::c_int) = ignore;
        // SAFETY: the handler does nothing; without SA_RESTART each signal interrupts the wait.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        }
        reached.store(1, Ordering::SeqCst);
        let _guard = lock.acquire();
        reached.store(2, Ordering::SeqCst);
    });
    while reached.load(Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(2));
        // SAFETY: a child of ours, not waited for yet, that handles this signal.
        unsafe { libc::kill(child.0, libc::SIGUSR1) };
    }
    assert_eq!(reached.load(Ordering::SeqCst), 1, "it got past a held lock");
    drop(guard);
    child.wait();
    assert_eq!(reached.load(Ordering::SeqCst), 2);
}

#[test]
fn counters_in_records_are_exact() {
    const COUNTERS: u64 = 20;
    const ROUNDS: u64 = 5_000;
    let map = map();
    let engine = Engine::create(map.arena(), CONFIG, 0).unwrap();
    let keys: Vec<_> = (0..COUNTERS)
        .map(|n| engine.key(&[b"counter", &n.to_le_bytes()]))
        .collect();
    // Nobody makes the records beforehand: "get or create" is part of what must be exact.
    in_all_processes(|process| {
        let mut state = process + 1;
        for _ in 0..ROUNDS {
            let key = keys[(random(&mut state) % COUNTERS) as usize];
            let mut locked = engine.lock(engine.anchor_of(key));
            let (id, count) = match locked.find(key) {
                Some(id) => (id, number(locked.read(id).unwrap())),
                None => (locked.new_id(), 0),
            };
            let change = Change {
                keys: vec![key],
                ..put(id, None, &(count + 1).to_le_bytes())
            };
            locked.commit(&[change]).unwrap();
        }
    });
    let total: u64 = keys
        .iter()
        .filter_map(|&key| engine.find(key))
        .map(|id| number(engine.lock(id.anchor()).read(id).unwrap()))
        .sum();
    assert_eq!(total, PROCESSES * ROUNDS);
    assert_eq!(engine.counts().records as u64, COUNTERS);
}

#[test]
fn identities_never_repeat_among_processes() {
    const EACH: usize = 2_000;
    let map = map();
    let engine = Engine::create(map.arena(), CONFIG, 0).unwrap();
    let queue = Queue::create(map.arena(), u32::MAX).unwrap();
    in_all_processes(|process| {
        for _ in 0..EACH {
            let id = engine.lock(engine.random_anchor(process)).new_id();
            queue.push(&id.to_bits().to_le_bytes()).unwrap();
        }
    });
    let mut ids: Vec<_> = std::iter::from_fn(|| queue.pop(0))
        .map(|job| RecordId::from_bits(number(&job)).unwrap())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), EACH * PROCESSES as usize);
}

/// Sessions with participants come and go in all processes, found by names that others take at the same
/// time, and by deadlines; memory runs out now and then.
#[test]
fn after_everything_is_deleted_memory_is_as_before() {
    const ROUNDS: u64 = 4_000;
    const NAMES: u64 = 40;
    let map = SharedMap::new(96 << 10).unwrap();
    let engine = Engine::create(map.arena(), CONFIG, 0).unwrap();
    let outcomes: &Outcomes = shared(map.arena());
    let used = map.used();
    let names: Vec<_> = (0..NAMES)
        .map(|n| engine.key(&[b"name", &n.to_le_bytes()]))
        .collect();
    in_all_processes(|process| {
        let mut state = process + 1;
        for round in 0..ROUNDS {
            let name = names[(random(&mut state) % NAMES) as usize];
            match engine.find(name) {
                // Sometimes without having looked, so that names are contended for certain.
                found if found.is_none() || random(&mut state).is_multiple_of(8) => {
                    create(&engine, name, random(&mut state), outcomes);
                }
                Some(id) if random(&mut state).is_multiple_of(6) => end(&engine, id),
                Some(id) => join(&engine, id, outcomes),
                None => {}
            }
            if round % 64 == process {
                for id in engine.due(round, 3) {
                    end(&engine, id);
                }
                assert!(engine.roots(None, 10).len() <= 10);
            }
        }
    });
    for (what, count) in [
        ("sessions made", &outcomes.made),
        ("participants joined", &outcomes.joined),
        ("names taken", &outcomes.taken),
        ("memory full", &outcomes.full),
    ] {
        assert!(count.load(Ordering::Relaxed) > 0, "never happened: {what}");
    }
    while let [id, ..] = engine.roots(None, 1)[..] {
        end(&engine, id);
    }
    let counts = engine.counts();
    assert_eq!((counts.records, counts.keys, counts.bytes), (0, 0, 0));
    assert!(names.iter().all(|&name| engine.find(name).is_none()));
    assert_eq!(engine.due(u64::MAX - 1, 10), []);
    assert_eq!(map.used(), used);
}

/// Everybody moves deadlines while everybody asks for what is due.
#[test]
fn deadlines_are_kept_among_processes() {
    const RECORDS: u64 = 400;
    const ROUNDS: u64 = 20_000;
    let map = map();
    let engine = Engine::create(map.arena(), CONFIG, 0).unwrap();
    let mut ids = Vec::new();
    for seed in 0..RECORDS {
        let mut locked = engine.lock(engine.random_anchor(seed));
        let id = locked.new_id();
        locked.commit(&[put(id, None, b"")]).unwrap();
        ids.push(id);
    }
    let move_to = |id: RecordId, deadline| {
        let deadline = Some(deadline);
        let change = Change {
            deadline,
            ..put(id, None, b"")
        };
        engine.lock(id.anchor()).commit(&[change]).unwrap();
    };
    in_all_processes(|process| {
        let mut state = process + 1;
        for now in 0..ROUNDS {
            let id = ids[(random(&mut state) % RECORDS) as usize];
            move_to(id, now + random(&mut state) % 1_000);
            if now % 8 == process {
                for id in engine.due(now, 4) {
                    move_to(id, now + random(&mut state) % 100);
                }
            }
        }
    });
    let mut due = engine.due(2 * ROUNDS, usize::MAX);
    due.sort();
    ids.sort();
    assert_eq!(due, ids, "each is due once, none is lost");
}

#[test]
fn a_panic_in_a_child_lets_go_and_leaves_the_old_state() {
    let map = map();
    let engine = Engine::create(map.arena(), CONFIG, 0).unwrap();
    let mut locked = engine.lock(engine.random_anchor(1));
    let id = locked.new_id();
    locked.commit(&[put(id, None, b"old")]).unwrap();
    drop(locked);
    let used = map.used();
    let child = Child::fork(|| {
        // A panic on purpose is not worth a line in the test's output.
        std::panic::set_hook(Box::new(|_| ()));
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut locked = engine.lock(id.anchor());
            let twice = [put(id, None, b"new"), put(id, None, b"newer")];
            assert_eq!(locked.commit(&twice), Err(CommitError::Repeated(id)));
            panic!("on purpose");
        }));
        assert!(result.is_err());
        // It goes on, as a worker does behind its guard.
        assert_eq!(engine.lock(id.anchor()).read(id), Some(&b"old"[..]));
    });
    child.wait();
    let mut locked = engine.lock(id.anchor());
    assert_eq!(locked.read(id), Some(&b"old"[..]));
    assert_eq!(map.used(), used);
    locked.commit(&[put(id, None, b"new")]).unwrap();
    assert_eq!(locked.read(id), Some(&b"new"[..]));
}

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

/// How often what happened, in all processes.
#[derive(Default)]
struct Outcomes {
    made: AtomicU64,
    joined: AtomicU64,
    taken: AtomicU64,
    full: AtomicU64,
}

fn count(outcome: &AtomicU64) {
    outcome.fetch_add(1, Ordering::Relaxed);
}

/// A session on any anchor: another one may have the name, or take it meanwhile.
fn create(engine: &Engine<Arena<'_>>, name: Key, seed: u64, outcomes: &Outcomes) {
    let mut locked = engine.lock(engine.random_anchor(seed));
    let [head, child] = [locked.new_id(), locked.new_id()];
    let session = Change {
        keys: vec![name],
        deadline: Some(seed % 40_000),
        ..put(head, None, b"session")
    };
    let result = locked.commit(&[session, put(child, Some(head), &[0; 200])]);
    if result.is_ok() {
        count(&outcomes.made);
        assert_eq!(locked.find(name), Some(head));
        assert_eq!(locked.children(head), [child]);
        return;
    }
    match result {
        Err(CommitError::KeyTaken(key)) if key == name => count(&outcomes.taken),
        Err(CommitError::Full) => count(&outcomes.full),
        other => panic!("{other:?}"),
    }
    assert_ne!(locked.find(name), Some(head));
    assert_eq!((locked.read(head), locked.read(child)), (None, None));
}

/// One more participant, if the session is still there.
fn join(engine: &Engine<Arena<'_>>, id: RecordId, outcomes: &Outcomes) {
    let mut locked = engine.lock(id.anchor());
    if locked.read(id).is_none() {
        return;
    }
    assert_eq!(locked.read(id), Some(&b"session"[..]));
    let mut children = locked.children(id);
    let child = locked.new_id();
    match locked.commit(&[put(child, Some(id), &[1; 100])]) {
        Ok(()) => {
            count(&outcomes.joined);
            children.push(child);
        }
        Err(CommitError::Full) => count(&outcomes.full),
        Err(other) => panic!("{other}"),
    }
    assert_eq!(locked.children(id), children);
}

/// The whole session goes, if it is still there.
fn end(engine: &Engine<Arena<'_>>, id: RecordId) {
    let mut locked = engine.lock(id.anchor());
    let mut all: Vec<_> = locked.children(id).into_iter().map(delete).collect();
    all.push(delete(id));
    locked.commit(&all).unwrap();
    assert_eq!(locked.read(id), None);
}

fn map() -> SharedMap {
    SharedMap::new(64 << 20).unwrap()
}

/// A value in shared memory. The block goes with the map.
fn shared<T: Default>(arena: Arena<'_>) -> &T {
    let block: NonNull<T> = arena.allocate(size_of::<T>()).unwrap().cast();
    // SAFETY: new, large enough, aligned to 16, and there as long as the map is.
    unsafe {
        block.write(T::default());
        block.as_ref()
    }
}

fn put(id: RecordId, parent: Option<RecordId>, body: &[u8]) -> Change {
    Change {
        id,
        parent,
        body: Some(body.to_vec()),
        keys: Vec::new(),
        deadline: None,
    }
}

fn delete(id: RecordId) -> Change {
    Change {
        body: None,
        ..put(id, None, b"")
    }
}

/// The next of a row of numbers that starts at `state`, which is not 0 (xorshift).
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 16
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

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
        let lines = trail.lines.iter().enumerate();
        let in_order = lines.clone().all(|(at, (after, line))| {
            *after == at as u32 && *line == format!("line {at} of {}", trail.id)
        });
        in_order && trail.name == format!("name of {}", trail.id) && trail.lost == 0
    };
    in_all_processes(|process| {
        for round in 1..=ROUNDS {
            let id = process as u32 * ROUNDS + round;
            let at = |monotonic| Moment { monotonic, wall: 0 };
            ring.open(id, &format!("name of {id}"), at(7));
            for line in 0..10 {
                ring.append(id, &format!("line {line} of {id}"), at(7 + line));
            }
            // Others may have pushed it out meanwhile, but not partly.
            if let Some(trail) = ring.find(id) {
                assert!(whole(&trail), "{trail:?}");
                complete.fetch_add(u32::from(trail.lines.len() == 10), Ordering::Relaxed);
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

/// Forks [`PROCESSES`] children that run `work` with their number, and waits for all.
fn in_all_processes(work: impl Fn(u64)) {
    let children: Vec<_> = (0..PROCESSES)
        .map(|process| Child::fork(|| work(process)))
        .collect();
    children.into_iter().for_each(Child::wait);
}

/// A child that runs something; ended and waited for, whatever happens to the test.
struct Child(libc::pid_t);

impl Child {
    fn fork(work: impl FnOnce()) -> Child {
        // SAFETY: the child runs the closure and leaves by `_exit`. Of the parent's threads it has only
        // this one, and waits for nothing that another one held (libc's allocator sees to its own locks).
        match unsafe { libc::fork() } {
            -1 => panic!("fork: {}", std::io::Error::last_os_error()),
            0 => {
                // SAFETY: only sets a timer in this process.
                unsafe { libc::alarm(SECONDS_TO_LIVE) };
                let failed = catch_unwind(AssertUnwindSafe(work)).is_err();
                // SAFETY: ends this process without running anything of the test harness.
                unsafe { libc::_exit(i32::from(failed)) }
            }
            pid => Child(pid),
        }
    }

    fn wait(mut self) {
        let pid = std::mem::take(&mut self.0);
        let mut status = 0;
        // SAFETY: a child of ours, not waited for yet; the status is a local.
        let ended = unsafe { libc::waitpid(pid, &mut status, 0) };
        assert_eq!(
            (ended, status),
            (pid, 0),
            "it failed, or was stuck or killed"
        );
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.0 != 0 {
            // SAFETY: a child of ours that nobody has waited for, so the number is still its own.
            unsafe {
                libc::kill(self.0, libc::SIGKILL);
                libc::waitpid(self.0, std::ptr::null_mut(), 0);
            }
        }
    }
}
