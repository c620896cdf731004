//! Records that all processes find, change, end and wait for; and a process that dies at it.

use super::processes::{in_all_processes, map, number, shared, Child, PROCESSES};
use cpm::store::engine::{Change, CommitError, Engine, EngineConfig, Key, RecordId};
use cpm::store::memory::{Arena, SharedMap};
use cpm::store::queue::Queue;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};

/// Few locks and buckets, so that the processes get in each other's way.
const CONFIG: EngineConfig = EngineConfig {
    anchors: 16,
    buckets: 64,
    wheel_slots: 64,
    tick_ms: 10,
};

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
                keys: Some(vec![key]),
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
        keys: Some(vec![name]),
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

fn put(id: RecordId, parent: Option<RecordId>, body: &[u8]) -> Change {
    Change {
        id,
        parent,
        body: Some(body.to_vec()),
        keys: Some(Vec::new()),
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
