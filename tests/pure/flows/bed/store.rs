//! Where the records of the test world live: maps instead of shared memory, with the promises of the real store.
//! Not here: what the records say (`super::checks`).

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use cpm::cpm::records::{Head, Id, Name, Record, SessionStore};
use cpm::cpm::session::Change;
use cpm::cpm::time::Millis;

/// One record with its place in the world.
pub struct Row {
    /// The head it belongs to; its own identity for a head.
    pub root: Id,
    pub record: Record,
    /// Bytes it takes in the real store.
    size: usize,
}

/// All sessions. What the real store refuses is an error here, and every error fails the test.
#[derive(Default)]
pub struct Records {
    rows: BTreeMap<Id, Row>,
    names: BTreeMap<Name, Id>,
    children: BTreeMap<Id, BTreeSet<Id>>,
    due: BTreeSet<(Millis, Id)>,
    next: Cell<u64>,
    /// Bytes of records that were decoded or encoded so far.
    moved: Cell<usize>,
}

impl Records {
    pub fn root_of(&self, id: Id) -> Option<Id> {
        self.rows.get(&id).map(|row| row.root)
    }

    pub fn rows(&self) -> impl Iterator<Item = (Id, &Row)> {
        self.rows.iter().map(|(id, row)| (*id, row))
    }

    /// A session's records below its head.
    pub fn below(&self, root: Id) -> impl Iterator<Item = (Id, &Record)> {
        let ids = self.children.get(&root).into_iter().flatten();
        ids.filter_map(|id| Some((*id, &self.rows.get(id)?.record)))
    }

    pub fn head(&self, root: Id) -> Option<&Head> {
        match &self.rows.get(&root)?.record {
            Record::Head(head) => Some(head),
            _ => None,
        }
    }

    /// Bytes of records that were decoded or encoded so far.
    pub fn moved(&self) -> usize {
        self.moved.get()
    }

    fn moves(&self, bytes: usize) {
        self.moved.set(self.moved.get() + bytes);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn deadline(&self, id: Id) -> Option<Millis> {
        self.rows.get(&id)?.record.deadline()
    }

    /// The record that is due first.
    pub fn first_due(&self) -> Option<(Millis, Id)> {
        self.due.first().copied()
    }

    /// What is due of the session of `record`, by `now`.
    pub fn due_with(&self, record: Id, now: Millis) -> Vec<Id> {
        let root = self.root_of(record);
        let due = self.due.range(..=(now, Id(u64::MAX))).map(|(_, id)| *id);
        due.filter(|id| self.root_of(*id) == root).collect()
    }

    /// Whether a commit needs shared memory: what neither is new nor grows nor gets other names is written in place.
    pub fn need_room(&self, root: Id, changes: &[Change]) -> bool {
        let size = |record: &Record| postcard::to_stdvec(record).map_or(0, |bytes| bytes.len());
        changes
            .iter()
            .any(|change| match (&change.body, self.rows.get(&change.id)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(new), Some(old)) => {
                    let mut names = [new.names(root), old.record.names(root)];
                    names.iter_mut().for_each(|names| names.sort());
                    size(new) > size(&old.record) || names[0] != names[1]
                }
            })
    }

    /// All changes or none, as `store::engine` does it.
    pub fn commit(&mut self, root: Id, changes: Vec<Change>) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for change in &changes {
            if !seen.insert(change.id) {
                return Err(format!("{:?} is changed twice in one commit", change.id));
            }
            if change.id.0 > self.next.get() {
                return Err(format!("{:?} was never handed out", change.id));
            }
        }
        for change in &changes {
            self.check_renamed(root, change)?;
        }
        // A name may pass from one record to another in one commit: first everything leaves.
        for change in &changes {
            self.take_out(change.id);
        }
        for change in changes {
            if let Some(record) = change.body {
                self.put_in(change.id, root, record)?;
            }
        }
        let orphaned = !self.rows.contains_key(&root)
            && self.children.get(&root).is_some_and(|ids| !ids.is_empty());
        if orphaned {
            return Err(format!("head {root:?} is gone, records below it are not"));
        }
        Ok(())
    }

    /// The real store keeps the keys of what is said to have the names it had.
    fn check_renamed(&self, root: Id, change: &Change) -> Result<(), String> {
        let (Some(record), false) = (&change.body, change.renamed) else {
            return Ok(());
        };
        let before = self.rows.get(&change.id).map(|row| row.record.names(root));
        match before.as_ref() == Some(&record.names(root)) {
            true => Ok(()),
            false => Err(format!("{:?} has other names than {before:?}", change.id)),
        }
    }

    fn take_out(&mut self, id: Id) {
        let Some(row) = self.rows.remove(&id) else {
            return;
        };
        for name in row.record.names(row.root) {
            self.names.remove(&name);
        }
        if let Some(at) = row.record.deadline() {
            self.due.remove(&(at, id));
        }
        if row.root != id {
            if let Some(ids) = self.children.get_mut(&row.root) {
                ids.remove(&id);
                if ids.is_empty() {
                    self.children.remove(&row.root);
                }
            }
        }
    }

    fn put_in(&mut self, id: Id, root: Id, record: Record) -> Result<(), String> {
        let (record, size) = encoded_and_decoded(record)?;
        self.moves(size);
        for name in record.names(root) {
            if let Some(other) = self.names.insert(name.clone(), id) {
                return Err(format!(
                    "key taken: {id:?} wants {name:?}, {other:?} has it"
                ));
            }
        }
        if let Some(at) = record.deadline() {
            self.due.insert((at, id));
        }
        if root != id {
            self.children.entry(root).or_default().insert(id);
        }
        self.rows.insert(id, Row { root, record, size });
        Ok(())
    }
}

/// What is read back is what was stored. Gives its size as well.
fn encoded_and_decoded(record: Record) -> Result<(Record, usize), String> {
    let bytes = postcard::to_stdvec(&record).map_err(|error| format!("not encoded: {error}"))?;
    let again: Record =
        postcard::from_bytes(&bytes).map_err(|error| format!("not decoded: {error}"))?;
    if again != record {
        return Err(format!("{record:?} comes back as {again:?}"));
    }
    Ok((again, bytes.len()))
}

impl SessionStore for Records {
    fn load(&self, id: Id) -> Option<Record> {
        let row = self.rows.get(&id)?;
        self.moves(row.size);
        Some(row.record.clone())
    }

    fn children(&self, session: Id) -> Vec<Id> {
        let ids = self.children.get(&session);
        ids.into_iter().flatten().copied().collect()
    }

    fn child_count(&self, session: Id) -> usize {
        self.children.get(&session).map_or(0, BTreeSet::len)
    }

    fn find(&self, name: &Name) -> Option<Id> {
        self.names.get(name).copied()
    }

    fn new_id(&self) -> Id {
        self.next.set(self.next.get() + 1);
        Id(self.next.get())
    }
}
