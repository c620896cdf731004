//! Random histories of commits, look-ups and deadlines, compared with plain maps after every step.
//!
//! The allocator fails at random times. The old state must stand then, with the same bytes allocated.

use super::*;
use crate::store::engine::step::room_for;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

/// Identities per anchor, and names of keys. There are few, so that commits compete for them.
const POOL: usize = 6;
const NAMES: u8 = 6;

#[derive(Clone, Debug)]
enum Parent {
    /// The present parent; none for a new record.
    Keep,
    Root,
    Of(usize),
}

#[derive(Clone, Debug)]
struct Draft {
    record: usize,
    /// `None` deletes.
    body: Option<Vec<u8>>,
    /// Whether to delete everything below it too.
    whole: bool,
    parent: Parent,
    /// `None` keeps those there are.
    names: Option<Vec<u8>>,
    deadline: Option<u64>,
}

#[derive(Clone, Debug)]
enum Step {
    Commit {
        anchor: usize,
        drafts: Vec<Draft>,
        fail_after: Option<u32>,
    },
    Due {
        forward: u64,
        back: u64,
        limit: usize,
    },
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    parent: Option<RecordId>,
    children: Vec<RecordId>,
    body: Vec<u8>,
    /// Bytes of its block, which grows only.
    room: usize,
    keys: BTreeSet<Key>,
    deadline: Option<u64>,
}

type State = BTreeMap<RecordId, Entry>;

fn draft() -> impl Strategy<Value = Draft> {
    let parent = prop_oneof![
        6 => Just(Parent::Keep),
        1 => Just(Parent::Root),
        4 => (0..POOL).prop_map(Parent::Of),
    ];
    (
        0..POOL,
        prop::option::weighted(0.75, prop::collection::vec(any::<u8>(), 0..40)),
        prop::bool::weighted(0.7),
        parent,
        prop::option::weighted(0.8, prop::collection::vec(0..NAMES, 0..3)),
        prop::option::of(0..400u64),
    )
        .prop_map(|(record, body, whole, parent, names, deadline)| Draft {
            record,
            body,
            whole,
            parent,
            names,
            deadline,
        })
}

fn step() -> impl Strategy<Value = Step> {
    let commit = (
        0..2usize,
        prop::collection::vec(draft(), 1..5),
        prop::option::weighted(0.3, 0..8u32),
    )
        .prop_map(|(anchor, drafts, fail_after)| Step::Commit {
            anchor,
            drafts,
            fail_after,
        });
    let due = (0..60u64, 0..15u64, 1..4usize).prop_map(|(forward, back, limit)| Step::Due {
        forward,
        back,
        limit,
    });
    prop_oneof![4 => commit, 1 => due]
}

/// The changes that the drafts stand for in the present state.
fn changes(state: &State, pool: &[RecordId], keys: &[Key], drafts: &[Draft]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for draft in drafts {
        let id = pool[draft.record];
        let present = state.get(&id);
        changes.push(Change {
            id,
            parent: match draft.parent {
                Parent::Keep => present.and_then(|entry| entry.parent),
                Parent::Root => None,
                Parent::Of(record) => Some(pool[record]),
            },
            body: draft.body.clone(),
            keys: draft.names.as_ref().map(|names| {
                let names = names.iter();
                names.map(|&name| keys[name as usize]).collect()
            }),
            deadline: draft.deadline,
        });
        if draft.body.is_none() && draft.whole {
            let mut below: Vec<_> = present.map_or(Vec::new(), |entry| entry.children.clone());
            while let Some(child) = below.pop() {
                below.extend(&state[&child].children);
                if changes.iter().all(|change| change.id != child) {
                    changes.push(delete(child));
                }
            }
        }
    }
    changes
}

/// The state after the changes, or all errors that they may be refused with.
fn expect(state: &State, changes: &[Change]) -> Result<State, Vec<CommitError>> {
    let mut errors = Vec::new();
    let mut after = state.clone();
    let mut seen = BTreeSet::new();
    for change in changes {
        let id = change.id;
        if !seen.insert(id) {
            errors.push(CommitError::Repeated(id));
        }
        let present = state.get(&id);
        let Some(body) = &change.body else {
            after.remove(&id);
            continue;
        };
        if present.is_some_and(|entry| entry.parent != change.parent) {
            errors.push(CommitError::Moved(id));
        }
        let entry = Entry {
            parent: change.parent,
            children: present.map_or(Vec::new(), |entry| entry.children.clone()),
            body: body.clone(),
            room: match present.map_or(0, |entry| entry.room) {
                _ if body.is_empty() => 0,
                room if body.len() <= room => room,
                _ => room_for(body.len()),
            },
            keys: match (&change.keys, present) {
                (Some(keys), _) => keys.iter().copied().collect(),
                (None, Some(entry)) => entry.keys.clone(),
                (None, None) => BTreeSet::new(),
            },
            deadline: change.deadline,
        };
        after.insert(id, entry);
    }
    let mut holders = BTreeSet::new();
    for (&id, entry) in &after {
        // Goes up to a root. In a loop of parents it never arrives there.
        let mut up = Some(id);
        for _ in 0..=after.len() {
            up = up
                .and_then(|id| after.get(&id))
                .and_then(|entry| entry.parent);
        }
        let gone = entry.parent.filter(|parent| !after.contains_key(parent));
        if let Some(parent) = gone.or(up.and(entry.parent)) {
            errors.push(CommitError::UnknownParent(parent));
            errors.push(CommitError::HasChildren(parent));
        }
        for &key in &entry.keys {
            if !holders.insert(key) {
                errors.push(CommitError::KeyTaken(key));
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let gone: Vec<_> = state.keys().filter(|id| !after.contains_key(id)).collect();
    for entry in after.values_mut() {
        entry.children.retain(|child| !gone.contains(&child));
    }
    for change in changes {
        if let (Some(_), false, Some(parent)) =
            (&change.body, state.contains_key(&change.id), change.parent)
        {
            after.get_mut(&parent).unwrap().children.push(change.id);
        }
    }
    Ok(after)
}

struct World<'a> {
    engine: Engine<Flaky<'a>>,
    pools: [Vec<RecordId>; 2],
    keys: Vec<Key>,
    state: State,
    now: u64,
}

impl<'a> World<'a> {
    fn new(memory: Flaky<'a>) -> Self {
        let engine = Engine::create(memory, TIGHT, 0).unwrap();
        let pool = |anchor| -> Vec<_> {
            let locked = engine.lock(Anchor::from_hash(anchor, 1));
            (0..POOL).map(|_| locked.new_id()).collect()
        };
        World {
            engine,
            pools: [pool(0), pool(1)],
            keys: (0..NAMES).map(|name| engine.key(&[&[name]])).collect(),
            state: State::new(),
            now: 0,
        }
    }

    fn commit(&mut self, anchor: usize, drafts: &[Draft]) -> Result<(), CommitError> {
        let changes = changes(&self.state, &self.pools[anchor], &self.keys, drafts);
        let expected = expect(&self.state, &changes);
        let result = self
            .engine
            .lock(Anchor::from_hash(anchor as u64, 1))
            .commit(&changes);
        match (&result, expected) {
            (Ok(()), Ok(after)) => self.state = after,
            (Ok(()), Err(errors)) => panic!("accepted in spite of {errors:?}"),
            (Err(CommitError::Full), _) => {}
            (Err(error), Ok(_)) => panic!("refused: {error}"),
            (Err(error), Err(errors)) => assert!(
                errors
                    .iter()
                    .any(|other| discriminant(other) == discriminant(error)),
                "{error:?} instead of {errors:?}"
            ),
        }
        result
    }

    /// `due` returns every due record once before it returns one twice.
    fn check_due(&self, now: u64, limit: usize) {
        let due: BTreeSet<_> = self
            .state
            .iter()
            .filter(|(_, entry)| entry.deadline.is_some_and(|deadline| deadline <= now))
            .map(|(&id, _)| id)
            .collect();
        let mut seen = BTreeSet::new();
        for _ in 0..due.len().div_ceil(limit) {
            let some = self.engine.due(now, limit);
            assert_eq!(some.len(), due.len().min(limit));
            assert_eq!(some.iter().collect::<BTreeSet<_>>().len(), some.len());
            seen.extend(some);
        }
        assert_eq!(seen, due);
        assert_eq!(self.engine.due(now, usize::MAX).len(), due.len());
    }

    fn check_state(&self) {
        let counts = self.engine.counts();
        let keys: usize = self.state.values().map(|entry| entry.keys.len()).sum();
        let bodies: usize = self.state.values().map(|entry| entry.room).sum();
        assert_eq!((counts.records, counts.keys), (self.state.len(), keys));
        assert_eq!(
            counts.bytes,
            bodies + keys * size_of::<KeyNode>() + self.state.len() * size_of::<Record>()
        );
        for pool in &self.pools {
            let locked = self.engine.lock(pool[0].anchor());
            for &id in pool {
                let entry = self.state.get(&id);
                assert_eq!(locked.read(id), entry.map(|entry| entry.body.as_slice()));
                assert_eq!(locked.parent(id), entry.and_then(|entry| entry.parent));
                assert_eq!(locked.deadline(id), entry.and_then(|entry| entry.deadline));
                let children = entry.map_or(Vec::new(), |entry| entry.children.clone());
                assert_eq!(locked.child_count(id), children.len());
                assert_eq!(locked.children(id), children);
            }
        }
        for &key in &self.keys {
            let holder = self
                .state
                .iter()
                .find(|(_, entry)| entry.keys.contains(&key));
            assert_eq!(self.engine.find(key), holder.map(|(&id, _)| id));
        }
        let mut roots: Vec<_> = self
            .state
            .iter()
            .filter(|(_, entry)| entry.parent.is_none())
            .map(|(&id, _)| id)
            .collect();
        roots.sort_by_key(|id| id.serial());
        let mut paged = Vec::new();
        while paged.len() < roots.len() {
            let page = self.engine.roots(paged.last().copied(), 2);
            assert!(!page.is_empty());
            paged.extend(page);
        }
        assert_eq!(paged, roots);
    }
}

proptest! {
    #[test]
    fn behaves_like_plain_maps(steps in prop::collection::vec(step(), 1..40)) {
        let map = SharedMap::new(1 << 20).unwrap();
        let left = Cell::new(None);
        let mut world = World::new(Flaky { arena: map.arena(), left: &left });
        let empty = map.used();
        for step in &steps {
            match step {
                Step::Commit { anchor, drafts, fail_after } => {
                    let before = map.used();
                    left.set(*fail_after);
                    let result = world.commit(*anchor, drafts);
                    let ran_out = left.replace(None) == Some(0);
                    if result.is_err() {
                        prop_assert_eq!(map.used(), before);
                    }
                    prop_assert!(result != Err(CommitError::Full) || ran_out);
                }
                Step::Due { forward, back, limit } => {
                    world.now += forward;
                    world.check_due(world.now.saturating_sub(*back), *limit);
                }
            }
            world.check_state();
        }
        for pool in &world.pools {
            let all: Vec<_> = pool.iter().map(|&id| delete(id)).collect();
            world.engine.lock(pool[0].anchor()).commit(&all).unwrap();
        }
        prop_assert_eq!(map.used(), empty);
        // SAFETY: the last use.
        unsafe { world.engine.destroy() };
        prop_assert_eq!(map.used(), 0);
    }
}
