//! Tests of the engine in one process: what each call promises, case by case.
//!
//! Tests with several processes are in `tests/store`.

mod due;
mod model;

use super::*;
use crate::store::memory::{Arena, SharedMap};
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};

/// Tiny tables, so that keys and deadlines collide.
const TIGHT: EngineConfig = EngineConfig {
    anchors: 2,
    buckets: 4,
    wheel_slots: 4,
    tick_ms: 10,
};

/// An arena that runs out of memory when a test wants it to.
#[derive(Clone, Copy)]
struct Flaky<'a> {
    arena: Arena<'a>,
    /// How many allocations still succeed; `None`: all.
    left: &'a Cell<Option<u32>>,
}

// SAFETY: it gives blocks of an arena, or none.
unsafe impl Memory for Flaky<'_> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        if let Some(left) = self.left.get() {
            self.left.set(Some(left.checked_sub(1)?));
        }
        self.arena.allocate(size)
    }

    unsafe fn release(&self, block: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { self.arena.release(block) }
    }
}

fn map() -> SharedMap {
    SharedMap::new(8 << 20).unwrap()
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

impl Change {
    fn with_keys(self, keys: &[Key]) -> Change {
        let keys = keys.to_vec();
        Change {
            keys: Some(keys),
            ..self
        }
    }

    fn due_at(self, deadline: u64) -> Change {
        let deadline = Some(deadline);
        Change { deadline, ..self }
    }
}

#[test]
fn creation_refuses_bad_sizes_and_leaks_nothing_when_full() {
    let map = map();
    for (name, config) in [
        (
            "anchors",
            EngineConfig {
                anchors: 0,
                ..TIGHT
            },
        ),
        (
            "anchors",
            EngineConfig {
                anchors: MAX_ANCHORS + 1,
                ..TIGHT
            },
        ),
        (
            "buckets",
            EngineConfig {
                buckets: 0,
                ..TIGHT
            },
        ),
        (
            "wheel_slots",
            EngineConfig {
                wheel_slots: MAX_TABLE + 1,
                ..TIGHT
            },
        ),
        (
            "tick_ms",
            EngineConfig {
                tick_ms: 0,
                ..TIGHT
            },
        ),
    ] {
        match Engine::create(map.arena(), config, 0) {
            Err(StoreError::Config { name: found, .. }) => assert_eq!(found, name),
            Err(other) => panic!("{name}: {other}"),
            Ok(_) => panic!("{name} was accepted"),
        }
    }
    let left = Cell::new(None);
    let memory = Flaky {
        arena: map.arena(),
        left: &left,
    };
    let mut needed = 0;
    let engine = loop {
        left.set(Some(needed));
        match Engine::create(memory, EngineConfig::default(), 0) {
            Ok(engine) => break engine,
            Err(error) => assert_eq!(error, StoreError::Full),
        }
        assert_eq!(map.used(), 0);
        needed += 1;
    };
    assert_eq!(needed, 5);
    // SAFETY: the last use.
    unsafe { engine.destroy() };
    assert_eq!(map.used(), 0);
}

#[test]
fn a_record_is_made_found_changed_and_forgotten() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let empty = map.used();
    let (old, new) = (engine.key(&[b"focus", b"1"]), engine.key(&[b"focus", b"2"]));
    let mut locked = engine.lock(engine.anchor_of(old));
    assert_eq!(locked.find(old), None);
    let id = locked.new_id();
    assert_eq!(id.anchor(), engine.anchor_of(old));
    locked
        .commit(&[put(id, None, b"hello").with_keys(&[old, old])])
        .unwrap();
    assert_eq!(locked.read(id).unwrap(), b"hello");
    assert_eq!(locked.parent(id), None);
    assert_eq!(locked.deadline(id), None);
    locked
        .commit(&[put(id, None, b"").with_keys(&[new]).due_at(5)])
        .unwrap();
    assert_eq!(locked.read(id).unwrap(), b"");
    assert_eq!(locked.deadline(id), Some(5));
    drop(locked);
    assert_eq!((engine.find(old), engine.find(new)), (None, Some(id)));
    let counts = engine.counts();
    assert_eq!((counts.records, counts.keys), (1, 1));
    assert_eq!(counts.bytes, size_of::<Record>() + size_of::<KeyNode>());

    let mut locked = engine.lock(id.anchor());
    locked.commit(&[delete(id)]).unwrap();
    locked.commit(&[delete(id)]).unwrap();
    assert_eq!(locked.read(id), None);
    assert_ne!(locked.new_id(), id);
    drop(locked);
    assert_eq!(engine.find(new), None);
    assert_eq!(engine.due(1_000, 10), []);
    assert_eq!(engine.counts(), Counts::default());
    assert_eq!(map.used(), empty);
}

#[test]
fn a_family_keeps_its_order_and_goes_as_a_whole() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let empty = map.used();
    let mut locked = engine.lock(engine.random_anchor(7));
    let head = locked.new_id();
    let children: Vec<_> = (0..300).map(|_| locked.new_id()).collect();
    // The parent comes last, because the order within a commit does not matter.
    let mut changes: Vec<_> = children
        .iter()
        .map(|&child| put(child, Some(head), b"participant"))
        .collect();
    changes.push(put(head, None, b"session"));
    locked.commit(&changes).unwrap();
    assert_eq!(locked.children(head), children);
    assert_eq!(locked.child_count(head), 300);
    assert_eq!(locked.parent(children[299]), Some(head));

    assert_eq!(
        locked.commit(&[delete(head)]),
        Err(CommitError::HasChildren(head))
    );
    locked
        .commit(&[delete(children[0]), delete(children[150])])
        .unwrap();
    let left: Vec<_> = locked.children(head);
    assert_eq!(left.len(), 298);
    assert_eq!((left[0], left[149]), (children[1], children[151]));

    let mut all: Vec<_> = left.iter().map(|&child| delete(child)).collect();
    all.insert(100, delete(head));
    // A new child in the commit that deletes all others: the commit is refused as a whole.
    let late = locked.new_id();
    all.push(put(late, Some(head), b"late"));
    assert_eq!(locked.commit(&all), Err(CommitError::UnknownParent(head)));
    assert_eq!(locked.children(head), left);
    all.pop();
    locked.commit(&all).unwrap();
    drop(locked);
    assert_eq!(engine.roots(None, 10), []);
    assert_eq!((engine.counts(), map.used()), (Counts::default(), empty));
}

#[test]
fn commits_that_make_no_sense_are_refused() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let here = engine.random_anchor(1);
    let elsewhere = (2..)
        .map(|seed| engine.random_anchor(seed))
        .find(|&anchor| anchor != here)
        .unwrap();
    let foreign = engine.lock(elsewhere).new_id();
    let mut locked = engine.lock(here);
    let [a, b, c] = [locked.new_id(), locked.new_id(), locked.new_id()];
    let unissued = RecordId::from_bits(c.to_bits() + 1).unwrap();
    locked.commit(&[put(a, None, b"a")]).unwrap();
    let before = map.used();
    for (changes, error) in [
        (
            vec![put(foreign, None, b"")],
            CommitError::WrongAnchor(foreign),
        ),
        (
            vec![put(b, Some(foreign), b"")],
            CommitError::WrongAnchor(foreign),
        ),
        (
            vec![put(unissued, None, b"")],
            CommitError::NeverIssued(unissued),
        ),
        (vec![put(b, Some(c), b"")], CommitError::UnknownParent(c)),
        (vec![put(b, Some(b), b"")], CommitError::UnknownParent(b)),
        (
            vec![put(b, Some(c), b""), put(c, Some(b), b"")],
            CommitError::UnknownParent(c),
        ),
        (
            vec![put(b, Some(a), b""), delete(a)],
            CommitError::UnknownParent(a),
        ),
        (
            vec![put(b, None, b""), put(b, None, b"")],
            CommitError::Repeated(b),
        ),
        (
            vec![put(b, None, b""), put(a, Some(b), b"")],
            CommitError::Moved(a),
        ),
    ] {
        assert_eq!(locked.commit(&changes), Err(error));
        assert_eq!(map.used(), before);
    }
    // An identity from outside may be any number. It finds nothing here.
    for bits in [1, u64::MAX, a.to_bits() | 1 << 63] {
        let stray = RecordId::from_bits(bits).unwrap();
        assert!(stray == a || locked.read(stray).is_none());
    }
    assert_eq!(locked.read(a).unwrap(), b"a");
    drop(locked);
    drop(engine.lock(RecordId::from_bits(u64::MAX).unwrap().anchor()));
    assert_eq!(engine.roots(None, 10), [a]);
}

#[test]
fn a_key_belongs_to_one_record_but_may_be_passed_on() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let keys: Vec<_> = (0..4u8).map(|n| engine.key(&[&[n]])).collect();
    let anchors = [Anchor::from_hash(0, 1), Anchor::from_hash(1, 1)];
    let mut locked = engine.lock(anchors[1]);
    let other = locked.new_id();
    locked
        .commit(&[put(other, None, b"").with_keys(&keys[3..])])
        .unwrap();
    drop(locked);

    let mut locked = engine.lock(anchors[0]);
    let [a, b] = [locked.new_id(), locked.new_id()];
    locked
        .commit(&[put(a, None, b"a").with_keys(&keys[..2])])
        .unwrap();
    let before = (map.used(), engine.counts());
    // Another family has the third key, so the second one goes back to its place.
    assert_eq!(
        locked.commit(&[put(a, None, b"new").with_keys(&[keys[2], keys[1], keys[3]])]),
        Err(CommitError::KeyTaken(keys[3]))
    );
    // Two records in one commit want the same key: a new one, and one that a third record gives up.
    for key in [keys[2], keys[1]] {
        let c = locked.new_id();
        let changes = [
            put(b, None, b"").with_keys(&[key]),
            put(a, None, b"").with_keys(&keys[..1]),
            put(c, None, b"").with_keys(&[key]),
        ];
        assert_eq!(locked.commit(&changes), Err(CommitError::KeyTaken(key)));
    }
    assert_eq!((map.used(), engine.counts()), before);
    assert_eq!(locked.read(a).unwrap(), b"a");
    let holders =
        |engine: &Engine<_>| -> Vec<_> { keys.iter().map(|&key| engine.find(key)).collect() };
    assert_eq!(holders(&engine), [Some(a), Some(a), None, Some(other)]);

    let passed = [
        put(b, None, b"b").with_keys(&[keys[0], keys[2]]),
        put(a, None, b"a").with_keys(&[keys[1]]),
    ];
    locked.commit(&passed).unwrap();
    assert_eq!(holders(&engine), [Some(b), Some(a), Some(b), Some(other)]);
    locked
        .commit(&[delete(b), put(a, None, b"a").with_keys(&keys[..3])])
        .unwrap();
    assert_eq!(holders(&engine), [Some(a), Some(a), Some(a), Some(other)]);
    assert_eq!(engine.counts().keys, 4);
}

#[test]
fn roots_are_listed_in_pages_and_in_order() {
    let map = map();
    let engine = Engine::create(
        map.arena(),
        EngineConfig {
            anchors: 8,
            ..TIGHT
        },
        0,
    )
    .unwrap();
    let mut roots = Vec::new();
    for seed in 0..50 {
        let mut locked = engine.lock(engine.random_anchor(seed));
        let [root, child] = [locked.new_id(), locked.new_id()];
        locked
            .commit(&[put(root, None, b""), put(child, Some(root), b"")])
            .unwrap();
        roots.push(root);
    }
    assert_eq!(engine.roots(None, usize::MAX), roots);
    assert_eq!(engine.roots(None, 0), []);
    let mut paged = Vec::new();
    loop {
        let page = engine.roots(paged.last().copied(), 7);
        let Some(&last) = page.last() else {
            break;
        };
        paged.extend(page);
        // The last root of a page may be deleted before the next page is asked for.
        let mut locked = engine.lock(last.anchor());
        let child = locked.children(last);
        locked.commit(&[delete(child[0]), delete(last)]).unwrap();
    }
    assert_eq!(paged, roots);
    // Roots are ordered by serial, even if they are committed in another order.
    let anchor = engine.random_anchor(3);
    let early = engine.lock(anchor).new_id();
    let mut locked = engine.lock(anchor);
    let late = locked.new_id();
    locked.commit(&[put(late, None, b"")]).unwrap();
    locked.commit(&[put(early, None, b"")]).unwrap();
    drop(locked);
    assert_eq!(engine.roots(roots.last().copied(), 10), [early, late]);
}

#[test]
fn full_memory_changes_nothing_and_recovers() {
    let map = SharedMap::new(256 << 10).unwrap();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let empty = map.used();
    let mut locked = engine.lock(engine.random_anchor(1));
    let mut made = Vec::new();
    loop {
        let [head, child] = [locked.new_id(), locked.new_id()];
        let before = (map.used(), engine.counts());
        let key = engine.key(&[&child.to_bits().to_le_bytes()]);
        let changes = [
            put(head, None, &[1; 500]),
            put(child, Some(head), &[2; 500]).with_keys(&[key]),
        ];
        match locked.commit(&changes) {
            Ok(()) => made.extend([head, child]),
            Err(error) => {
                assert_eq!(error, CommitError::Full);
                assert_eq!((map.used(), engine.counts()), before);
                assert_eq!((locked.read(head), engine.find(key)), (None, None));
                break;
            }
        }
    }
    assert!(made.len() > 100);
    let all: Vec<_> = made.into_iter().map(delete).collect();
    locked.commit(&all).unwrap();
    assert_eq!((map.used(), engine.counts()), (empty, Counts::default()));
}

/// Sessions can end although the memory is full.
#[test]
fn what_hardly_grows_needs_no_room() {
    let map = map();
    let left = Cell::new(None);
    let memory = Flaky {
        arena: map.arena(),
        left: &left,
    };
    let engine = Engine::create(memory, TIGHT, 0).unwrap();
    let empty = map.used();
    let mut locked = engine.lock(engine.random_anchor(1));
    let [head, leg] = [locked.new_id(), locked.new_id()];
    let key = engine.key(&[b"leg"]);
    let named = |body: &[u8]| put(leg, Some(head), body).with_keys(&[key]);
    let begun = [put(head, None, b"two are in"), named(b"rings")];
    locked.commit(&begun).unwrap();
    left.set(Some(0));
    let longer = [b'a'; 40];
    let grown = [put(head, None, b"one is in"), named(&longer)];
    assert_eq!(locked.commit(&grown), Err(CommitError::Full));
    let other = engine.key(&[b"other"]);
    let renamed = [
        put(head, None, b"one is in"),
        named(b"in").with_keys(&[other]),
    ];
    assert_eq!(locked.commit(&renamed), Err(CommitError::Full));
    assert_eq!(locked.read(head).unwrap(), b"two are in");
    locked
        .commit(&[put(head, None, b"one is in"), named(b"in").due_at(7)])
        .unwrap();
    assert_eq!(locked.read(head).unwrap(), b"one is in");
    assert_eq!(locked.read(leg).unwrap(), b"in");
    assert_eq!(
        (locked.deadline(leg), engine.find(key)),
        (Some(7), Some(leg))
    );
    locked
        .commit(&[put(head, None, b"none"), delete(leg)])
        .unwrap();
    locked.commit(&[delete(head)]).unwrap();
    assert_eq!((map.used(), engine.counts()), (empty, Counts::default()));
}

#[test]
fn a_panic_lets_go_and_leaves_the_old_state() {
    let map = map();
    let engine = Engine::create(map.arena(), TIGHT, 0).unwrap();
    let anchor = engine.random_anchor(1);
    let mut locked = engine.lock(anchor);
    let id = locked.new_id();
    locked.commit(&[put(id, None, b"old")]).unwrap();
    drop(locked);
    let result = catch_unwind(AssertUnwindSafe(|| {
        let locked = engine.lock(anchor);
        let _new = [locked.read(id).unwrap(), b"er"].concat();
        panic!("on purpose");
    }));
    assert!(result.is_err());
    assert_eq!(engine.lock(anchor).read(id).unwrap(), b"old");
    // A second anchor while one is held panics instead of waiting for ever.
    let result = catch_unwind(AssertUnwindSafe(|| {
        let _locked = engine.lock(anchor);
        let _second = engine.lock(anchor);
    }));
    assert!(result.is_err());
    assert_eq!(engine.lock(anchor).read(id).unwrap(), b"old");
}
