//! Commits: several records are made, changed and deleted at once, or nothing happens.
//!
//! A commit has three steps. It checks and allocates. It puts the new keys into the table, where another
//! process may have taken one. It links everything in, which cannot fail.

use super::change::{Change, CommitError};
use super::id::RecordId;
use super::layout::{KeyNode, Record};
use super::locked::Locked;
use super::step::{NewKeys, Step};
use crate::store::memory::{Block, Memory};
use std::ptr;
use std::sync::atomic::Ordering;

/// A commit in progress. Dropping it before `apply` undoes everything: keys leave the table again, and
/// blocks are released.
///
/// Process: the one that holds the anchor. Memory: the process's own heap, bounded by the changes.
pub(super) struct Plan<'p, M: Memory> {
    locked: &'p Locked<'p, M>,
    steps: Vec<Step<'p, M>>,
    /// Which step belongs to which record, sorted by identity.
    index: Vec<(RecordId, usize)>,
    /// Key nodes that the commit takes out of the table, sorted by address.
    old_nodes: Vec<*mut KeyNode>,
    /// New key nodes that are in the table already.
    claims: Vec<Claim>,
    /// Blocks that the applied commit no longer uses. `prepare` reserves the capacity for all of them.
    garbage: Vec<Block<M>>,
    applied: bool,
}

/// A new key node in the table.
struct Claim {
    node: *mut KeyNode,
    /// The old node whose place it took; null for none.
    replaced: *mut KeyNode,
}

impl<M: Memory> Locked<'_, M> {
    /// Makes all `changes`, or none.
    ///
    /// # Errors
    /// [`CommitError`]. The old state stands then, and nothing stays allocated.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        let mut plan = Plan::prepare(self, changes)?;
        plan.claim_keys()?;
        plan.apply();
        Ok(())
    }
}

impl<'p, M: Memory> Plan<'p, M> {
    /// Checks everything that other processes cannot change while the anchor is held, and allocates.
    pub fn prepare(locked: &'p Locked<'p, M>, changes: &'p [Change]) -> Result<Self, CommitError> {
        let mut plan = Plan {
            locked,
            steps: Vec::with_capacity(changes.len()),
            index: changes.iter().map(|change| change.id).zip(0..).collect(),
            old_nodes: Vec::new(),
            claims: Vec::new(),
            garbage: Vec::with_capacity(3 * changes.len()),
            applied: false,
        };
        plan.index.sort_unstable();
        for (a, b) in plan.index.iter().zip(plan.index.iter().skip(1)) {
            if a.0 == b.0 {
                return Err(CommitError::Repeated(a.0));
            }
        }
        for change in changes {
            let step = plan.new_step(change)?;
            plan.steps.push(step);
        }
        for step in &plan.steps {
            plan.check_parent(step)?;
        }
        plan.check_orphans()?;
        for step in &mut plan.steps {
            step.allocate(locked.engine.memory, &mut plan.old_nodes)?;
        }
        let parents: Vec<_> = plan.steps.iter().map(|step| plan.parent_of(step)).collect();
        for (step, parent) in plan.steps.iter_mut().zip(parents) {
            step.parent = parent;
        }
        plan.old_nodes.sort_unstable();
        let new_keys = plan.steps.iter().filter_map(|step| step.keys.as_ref());
        plan.claims.reserve(new_keys.map(|keys| keys.count).sum());
        Ok(plan)
    }

    /// Puts the new keys into the table. A new node takes the place of an old one with the same key.
    pub fn claim_keys(&mut self) -> Result<(), CommitError> {
        let table = &self.locked.engine.root().keys;
        let new_keys = self.steps.iter().filter_map(|step| step.keys.as_ref());
        for node in new_keys.flat_map(NewKeys::nodes) {
            // SAFETY: the node is in a block of this plan.
            let key = unsafe { KeyNode::key(node) };
            let mut chain = table.lock(key.bucket_hash());
            let halves = key.halves();
            // SAFETY: nodes are alive while their chain is locked, and their keys never change.
            let holder = chain.find(|other: *mut KeyNode| unsafe { (*other).key == halves });
            // SAFETY: the node is in no chain yet, and this is the chain of its key.
            unsafe {
                if holder.is_null() {
                    chain.insert(node);
                } else if self.old_nodes.binary_search(&holder).is_ok() {
                    chain.replace(holder, node);
                } else {
                    return Err(CommitError::KeyTaken(key));
                }
            }
            // `prepare` reserved the capacity, so this does not allocate.
            self.claims.push(Claim {
                node,
                replaced: holder,
            });
        }
        Ok(())
    }

    /// Links everything in. It does not fail, allocate or panic.
    pub fn apply(mut self) {
        self.applied = true;
        let engine = self.locked.engine;
        let root = engine.root();
        for &node in &self.old_nodes {
            // SAFETY: the node's block is alive until `garbage` is dropped. (`remove` does nothing for a
            // node that was replaced.)
            let hash = unsafe { KeyNode::key(node) }.bucket_hash();
            root.keys.lock(hash).remove(node);
        }
        for step in &mut self.steps {
            // SAFETY: `prepare` checked the step under the anchor's lock, which is still held. Old blocks
            // go to `garbage`, which lives until all steps are done.
            unsafe {
                match (&step.change.body, step.current.is_null()) {
                    (Some(_), true) => step.make(engine),
                    (Some(_), false) => step.rewrite(engine, &mut self.garbage),
                    (None, false) => step.delete(engine, &mut self.garbage),
                    (None, true) => {}
                }
            }
        }
        let freed = self.garbage.iter().map(Block::size).sum();
        root.bytes.fetch_sub(freed, Ordering::Relaxed);
    }

    fn new_step(&self, change: &'p Change) -> Result<Step<'p, M>, CommitError> {
        let id = change.id;
        if id.anchor() != self.locked.anchor {
            return Err(CommitError::WrongAnchor(id));
        }
        if id.serial() >= self.locked.engine.root().serial.load(Ordering::Relaxed) {
            return Err(CommitError::NeverIssued(id));
        }
        let current = self.locked.record(id).unwrap_or(ptr::null_mut());
        Ok(Step::new(change, current))
    }

    fn step_of(&self, id: RecordId) -> Option<(usize, &Step<'p, M>)> {
        let place = self.index.binary_search_by_key(&id, |entry| entry.0).ok()?;
        let (_, step) = *self.index.get(place)?;
        Some((step, self.steps.get(step)?))
    }

    /// The address of the parent, which may be made in this commit; null for a root.
    fn parent_of(&self, step: &Step<'p, M>) -> *mut Record {
        let Some(id) = step.change.parent else {
            return ptr::null_mut();
        };
        match self.step_of(id) {
            Some((_, above)) => above.address(),
            None => self.locked.record(id).unwrap_or(ptr::null_mut()),
        }
    }

    fn check_parent(&self, step: &Step<'p, M>) -> Result<(), CommitError> {
        let change = step.change;
        if change.body.is_none() {
            return Ok(());
        }
        if !step.current.is_null() {
            return match self.locked.parent(change.id) == change.parent {
                true => Ok(()),
                false => Err(CommitError::Moved(change.id)),
            };
        }
        // Goes up through parents that are made in this commit. A path longer than the commit is a loop.
        let mut parent = change.parent;
        for _ in 0..=self.steps.len() {
            let Some(id) = parent else {
                return Ok(());
            };
            if id.anchor() != self.locked.anchor {
                return Err(CommitError::WrongAnchor(id));
            }
            match self.step_of(id) {
                Some((_, above)) if above.change.body.is_none() => break,
                Some((_, above)) if above.current.is_null() => parent = above.change.parent,
                Some(_) => return Ok(()),
                None if self.locked.record(id).is_some() => return Ok(()),
                None => break,
            }
        }
        // The error names the parent that the caller gave.
        change
            .parent
            .map_or(Ok(()), |id| Err(CommitError::UnknownParent(id)))
    }

    /// A deleted record must take all its children along. `check_parent` refuses new ones.
    fn check_orphans(&self) -> Result<(), CommitError> {
        let mut deleted_children = vec![0usize; self.steps.len()];
        for step in self.steps.iter().filter(|step| step.is_deletion()) {
            let parent = self.locked.parent(step.change.id);
            if let Some((above, _)) = parent.and_then(|id| self.step_of(id)) {
                if let Some(count) = deleted_children.get_mut(above) {
                    *count += 1;
                }
            }
        }
        for (step, deleted) in self.steps.iter().zip(deleted_children) {
            if step.is_deletion() && self.locked.child_count(step.change.id) != deleted {
                return Err(CommitError::HasChildren(step.change.id));
            }
        }
        Ok(())
    }
}

impl<M: Memory> Drop for Plan<'_, M> {
    fn drop(&mut self) {
        if self.applied {
            return;
        }
        let table = &self.locked.engine.root().keys;
        for claim in self.claims.drain(..).rev() {
            // SAFETY: the blocks of both nodes are alive. `claim_keys` put the new node into this chain, in
            // the place of the old one, and no other process changes nodes of this anchor.
            unsafe {
                let mut chain = table.lock(KeyNode::key(claim.node).bucket_hash());
                if claim.replaced.is_null() {
                    chain.remove(claim.node);
                } else {
                    chain.replace(claim.node, claim.replaced);
                }
            }
        }
    }
}
