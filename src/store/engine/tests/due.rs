//! Tests of deadlines: which records are due when, for how long, and in which order.

use super::*;

#[test]
fn what_is_due_comes_exactly_then_and_until_it_is_handled() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 1_000).unwrap();
    let mut locked = engine.lock(engine.random_anchor(1));
    let ids: Vec<_> = (0..6).map(|_| locked.new_id()).collect();
    // In the past, now, within the tick, rounds later (a round is 40 ms), never, and without.
    let deadlines = [900, 1_000, 1_009, 1_361, u64::MAX];
    let mut changes: Vec<_> = ids.iter().map(|&id| put(id, None, b"")).collect();
    for (change, deadline) in changes.iter_mut().zip(deadlines) {
        change.deadline = Some(deadline);
    }
    locked.commit(&changes).unwrap();
    drop(locked);
    let sorted = |now, limit| {
        let mut due = engine.due(now, limit);
        due.sort();
        due
    };
    assert_eq!(engine.due(1_000, 0), []);
    assert_eq!(sorted(1_000, 10), ids[..2]);
    assert_eq!(sorted(1_008, 10), ids[..2]);
    assert_eq!(sorted(1_009, 10), ids[..3]);
    assert_eq!(sorted(1_360, 10), ids[..3]);
    assert_eq!(sorted(1_361, 10), ids[..4]);
    // A caller whose clock lags behind gets only what is due by its clock.
    assert_eq!(sorted(1_000, 10), ids[..2]);
    // A pause of more than one round.
    assert_eq!(sorted(u64::MAX - 1, 10), ids[..4]);

    let mut locked = engine.lock(ids[0].anchor());
    locked
        .commit(&[
            put(ids[0], None, b"again").due_at(900),
            put(ids[1], None, b"later").due_at(u64::MAX - 1),
            put(ids[2], None, b"done"),
            delete(ids[3]),
        ])
        .unwrap();
    drop(locked);
    assert_eq!(sorted(5_000, 10), ids[..1]);
    assert_eq!(sorted(u64::MAX - 1, 10), ids[..2]);
}

#[test]
fn nobody_due_is_starved_by_those_that_are_not_handled() {
    let map = map();
    let engine = Engine::create(map.arena(), EngineConfig::default(), 0).unwrap();
    let mut locked = engine.lock(engine.random_anchor(1));
    let mut ids: Vec<_> = (0..1_000).map(|_| locked.new_id()).collect();
    let changes: Vec<_> = ids
        .iter()
        .map(|&id| put(id, None, b"").due_at(id.serial() % 700))
        .collect();
    locked.commit(&changes).unwrap();
    drop(locked);
    let mut seen: Vec<_> = (0..10).flat_map(|_| engine.due(1_000, 100)).collect();
    seen.sort();
    ids.sort();
    assert_eq!(seen, ids, "each one once in the first ten hundreds");
    let again = engine.due(1_000, usize::MAX);
    assert_eq!(again.len(), 1_000, "and all of them again");
}

/// Somebody sleeps until the next deadline, and is woken when an earlier one comes up.
#[test]
fn who_waits_for_deadlines_sleeps_until_the_next_one() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 1_000).unwrap();
    let mut locked = engine.lock(engine.random_anchor(1));
    let id = locked.new_id();
    let other = locked.new_id();
    // Another round of the wheel, in a slot that comes first.
    locked
        .commit(&[
            put(other, None, b"").due_at(1_405),
            put(id, None, b"").due_at(1_038),
        ])
        .unwrap();
    drop(locked);
    let slept = |now, longest| {
        let begun = std::time::Instant::now();
        engine.sleep(engine.listen(), now, longest, 10);
        begun.elapsed().as_millis() as u64
    };
    assert_eq!(engine.due(1_000, 10), []);
    assert!((38..4_900).contains(&slept(1_000, 5_000)));
    assert!((5..4_900).contains(&slept(1_000, 5)));
    assert_eq!(engine.due(1_038, 10), [id]);
    // It stays due: nothing is done about it.
    assert!((10..4_900).contains(&slept(1_038, 5_000)));
    std::thread::scope(|scope| {
        let heard = engine.listen();
        let sleeper = scope.spawn(|| {
            let begun = std::time::Instant::now();
            engine.sleep(engine.listen(), 1_038, 60_000, 60_000);
            begun.elapsed().as_millis() as u64
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        let mut locked = engine.lock(id.anchor());
        locked.commit(&[put(id, None, b"").due_at(1_040)]).unwrap();
        drop(locked);
        assert!(sleeper.join().unwrap() < 30_000);
        engine.ring();
        engine.sleep(heard, 1_038, 60_000, 60_000);
    });
}
