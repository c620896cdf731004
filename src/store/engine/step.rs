//! One record's part of a commit: its new blocks, and how they replace the old ones.

use super::change::{Change, CommitError};
use super::id::{Key, RecordId};
use super::layout::{siblings, KeyNode, Link, List, Record};
use super::shared_root::Root;
use super::timer_wheel::{Wheel, NEVER};
use super::{body_block, keys_block, record_block, Engine};
use crate::store::memory::{Block, Memory};
use std::ptr;
use std::sync::atomic::Ordering;

/// One change of a commit with its new blocks. Dropping it before it is done releases the blocks.
///
/// Process: the one that holds the anchor. Memory: the blocks are shared memory that no other process
/// knows yet.
pub(super) struct Step<'p, M: Memory> {
    /// What to do.
    pub change: &'p Change,
    /// The record as it is; null when there is none yet.
    pub current: *mut Record,
    /// The record above; null for a root.
    pub parent: *mut Record,
    /// The new keys. `None`: the keys stay as they are.
    pub keys: Option<NewKeys<M>>,
    record: Option<Block<M>>,
    body: Option<Block<M>>,
    /// The new body goes into the block of the old one.
    in_place: bool,
}

/// A block of key nodes, sorted by key.
pub(super) struct NewKeys<M: Memory> {
    /// `None`: no keys.
    block: Option<Block<M>>,
    /// How many nodes the block has.
    pub count: usize,
}

impl<'p, M: Memory> Step<'p, M> {
    /// A step without blocks.
    pub fn new(change: &'p Change, current: *mut Record) -> Self {
        Step {
            change,
            current,
            parent: ptr::null_mut(),
            keys: None,
            record: None,
            body: None,
            in_place: false,
        }
    }

    /// Whether it deletes a record that exists.
    pub fn is_deletion(&self) -> bool {
        self.change.body.is_none() && !self.current.is_null()
    }

    /// The address of the record, which may be a new one.
    pub fn address(&self) -> *mut Record {
        match &self.record {
            Some(block) => block.start().as_ptr().cast(),
            None => self.current,
        }
    }

    /// Allocates and fills the blocks. Adds the key nodes that it will take out of the table to
    /// `old_nodes`.
    ///
    /// What hardly grows needs no room: with a full memory, sessions still end.
    pub fn allocate(
        &mut self,
        memory: M,
        old_nodes: &mut Vec<*mut KeyNode>,
    ) -> Result<(), CommitError> {
        let full = CommitError::Full;
        let mut keys = Vec::new();
        if let Some(body) = &self.change.body {
            if let Some(new) = &self.change.keys {
                keys.clone_from(new);
                keys.sort_unstable();
                keys.dedup();
            }
            if self.current.is_null() {
                self.record = Some(empty_record(memory, self.change.id).ok_or(full)?);
            }
            if !body.is_empty() {
                // SAFETY: the record is alive under the anchor's lock.
                let room = unsafe { self.current.as_ref() }.map_or(0, |old| old.body_room);
                self.in_place = body.len() <= room;
                if !self.in_place {
                    self.body = Some(filled(memory, body).ok_or(full)?);
                }
            }
        }
        if !self.current.is_null() && self.change.body.is_some() && self.change.keys.is_none() {
            return Ok(());
        }
        if !self.current.is_null() {
            // SAFETY: the record and its keys are alive under the anchor's lock.
            unsafe {
                let old = Record::key_nodes(self.current).map(|node| KeyNode::key(node));
                if old.eq(keys.iter().copied()) {
                    return Ok(());
                }
                old_nodes.extend(Record::key_nodes(self.current));
            }
        }
        self.keys = Some(NewKeys::allocate(memory, self.change.id, &keys).ok_or(full)?);
        Ok(())
    }

    /// Links a new record in.
    ///
    /// # Safety
    /// This holds for `make`, `rewrite` and `delete`: the plan's checks and claims succeeded, and its
    /// anchor has been held since. Each step is done once. `garbage` has capacity for three more blocks
    /// and outlives all steps.
    pub unsafe fn make(&mut self, engine: &Engine<M>) {
        let root = engine.root();
        let Some(block) = self.record.take() else {
            return;
        };
        root.bytes.fetch_add(block.size(), Ordering::Relaxed);
        root.record_count.fetch_add(1, Ordering::Relaxed);
        let record = block.keep().as_ptr().cast::<Record>();
        // SAFETY: `allocate` initialised the record. The parent is alive, or in a block of this plan.
        unsafe {
            (*record).parent = self.parent;
            self.swap_content(engine, record);
            if self.parent.is_null() {
                let roots = &mut *engine.anchor_cell(self.change.id.anchor()).roots.get();
                insert_by_serial(roots, record);
            } else {
                (*self.parent).children.push_back(record, siblings);
                (*self.parent).child_count += 1;
            }
            root.records.lock(self.change.id.serial()).insert(record);
            root.wheel
                .set(record, self.change.deadline.unwrap_or(NEVER));
        }
    }

    /// Gives an existing record new content.
    ///
    /// # Safety
    /// See [`Step::make`].
    pub unsafe fn rewrite(&mut self, engine: &Engine<M>, garbage: &mut Vec<Block<M>>) {
        let record = self.current;
        // SAFETY: the record is alive under the anchor's lock. `swap_content` replaces the old blocks.
        unsafe {
            if !self.in_place {
                garbage.extend(body_block(engine.memory, record));
            }
            if self.keys.is_some() {
                garbage.extend(keys_block(engine.memory, record));
            }
            self.swap_content(engine, record);
            let deadline = self.change.deadline.unwrap_or(NEVER);
            engine.root().wheel.set(record, deadline);
        }
    }

    /// Takes a record out of all lists. Its parent may be deleted by the same commit, but is still alive.
    ///
    /// # Safety
    /// See [`Step::make`].
    pub unsafe fn delete(&mut self, engine: &Engine<M>, garbage: &mut Vec<Block<M>>) {
        let root = engine.root();
        let record = self.current;
        // SAFETY: the record is alive under the anchor's lock. Out of table and wheel, nobody finds it any
        // more.
        unsafe {
            root.wheel.set(record, NEVER);
            root.records.lock(self.change.id.serial()).remove(record);
            let parent = (*record).parent;
            if parent.is_null() {
                let roots = &mut *engine.anchor_cell(self.change.id.anchor()).roots.get();
                roots.remove(record, siblings);
            } else {
                (*parent).children.remove(record, siblings);
                (*parent).child_count -= 1;
            }
            root.key_count
                .fetch_sub((*record).key_count, Ordering::Relaxed);
            garbage.extend(body_block(engine.memory, record));
            garbage.extend(keys_block(engine.memory, record));
            garbage.extend(record_block(engine.memory, record));
        }
        root.record_count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Moves the new body and the new keys into the record.
    ///
    /// # Safety
    /// The record is alive under the anchor's lock, or new. Its old blocks are in the garbage already.
    unsafe fn swap_content(&mut self, engine: &Engine<M>, record: *mut Record) {
        let root = engine.root();
        // SAFETY: by the caller's promise the record is alive. `allocate` has found that a body that is
        // written in place fits. The block has `count` nodes.
        unsafe {
            match &self.change.body {
                Some(body) if self.in_place => {
                    let size = body.len();
                    (*record).body.copy_from_nonoverlapping(body.as_ptr(), size);
                    (*record).body_size = size;
                }
                body => {
                    ((*record).body, (*record).body_room) = keep(self.body.take(), root);
                    (*record).body_size = body.as_ref().map_or(0, Vec::len);
                }
            }
            if let Some(NewKeys { block, count }) = self.keys.take() {
                root.key_count.fetch_add(count, Ordering::Relaxed);
                root.key_count
                    .fetch_sub((*record).key_count, Ordering::Relaxed);
                (*record).keys = keep(block, root).0.cast();
                (*record).key_count = count;
            }
        }
    }
}

impl<M: Memory> NewKeys<M> {
    fn allocate(memory: M, owner: RecordId, keys: &[Key]) -> Option<Self> {
        let count = keys.len();
        if count == 0 {
            return Some(NewKeys { block: None, count });
        }
        let block = Block::array::<KeyNode>(memory, count)?;
        let new = NewKeys {
            block: Some(block),
            count,
        };
        for (node, key) in new.nodes().zip(keys) {
            let content = KeyNode {
                next: ptr::null_mut(),
                key: key.halves(),
                owner,
            };
            // SAFETY: the node is inside the block, which nobody else knows.
            unsafe { node.write(content) };
        }
        Some(new)
    }

    /// The addresses of the nodes, in order of their keys.
    pub fn nodes(&self) -> impl Iterator<Item = *mut KeyNode> + '_ {
        let first = self
            .block
            .as_ref()
            .map(|block| block.start().as_ptr().cast::<KeyNode>());
        first.into_iter().flat_map(move |first| {
            // SAFETY: the index is below the count, so the node is inside the block.
            (0..self.count).map(move |index| unsafe { first.add(index) })
        })
    }
}

/// A block with this content. `None` when there is no room.
fn filled<M: Memory>(memory: M, content: &[u8]) -> Option<Block<M>> {
    let block = Block::new(memory, room_for(content.len()))?;
    // SAFETY: the new block is not shorter than the content.
    unsafe {
        block
            .start()
            .as_ptr()
            .copy_from_nonoverlapping(content.as_ptr(), content.len());
    }
    Some(block)
}

/// Bytes of the block for a body of so many: most of what it becomes later fits too. A block never gets smaller.
pub(super) fn room_for(size: usize) -> usize {
    const STEP: usize = 32;
    size.checked_next_multiple_of(STEP).unwrap_or(size)
}

/// The block of a new record without content, in no list.
fn empty_record<M: Memory>(memory: M, id: RecordId) -> Option<Block<M>> {
    let block = Block::array::<Record>(memory, 1)?;
    let record = block.start().as_ptr().cast::<Record>();
    let content = Record {
        next: ptr::null_mut(),
        id,
        parent: ptr::null_mut(),
        siblings: Link::NONE,
        children: List::EMPTY,
        child_count: 0,
        body: ptr::null_mut(),
        body_size: 0,
        body_room: 0,
        keys: ptr::null_mut(),
        key_count: 0,
        timer: Wheel::unset(),
    };
    // SAFETY: the block has room for a Record and nobody else knows it.
    unsafe { record.write(content) };
    Some(block)
}

/// Gives a block to a record. Returns its address and size; null and 0 for no block.
fn keep<M: Memory>(block: Option<Block<M>>, root: &Root) -> (*mut u8, usize) {
    block.map_or((ptr::null_mut(), 0), |block| {
        let size = block.size();
        root.bytes.fetch_add(size, Ordering::Relaxed);
        (block.keep().as_ptr(), size)
    })
}

/// Inserts a root behind all with smaller serials. That is nearly always the end of the list.
///
/// # Safety
/// The anchor's lock is held, and `record` is in no list of siblings.
unsafe fn insert_by_serial(roots: &mut List, record: *mut Record) {
    // SAFETY: roots in the list are alive under the anchor's lock.
    unsafe {
        let mut before = roots.last;
        while !before.is_null() && (*before).id.serial() > (*record).id.serial() {
            before = (*siblings(before)).previous;
        }
        roots.insert_after(before, record, siblings);
    }
}
