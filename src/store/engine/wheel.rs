//! Deadlines: a hashed timing wheel over records, and a queue of those that are due.
//! No clock and no handling: the time is an argument, and a record stays due until a commit moves its deadline.

use super::id::RecordId;
use super::layout::{timer_link, Link, List, Record, Timer};
use crate::store::lock::Lock;
use crate::store::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr::NonNull;

/// The deadline of a record that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// `Timer::place` when it is in no list of the wheel, or in the queue of due ones; else the slot.
const NOWHERE: usize = usize::MAX;
const READY: usize = usize::MAX - 1;

/// How much is done before the lock is given to somebody else.
const SLOTS_AT_ONCE: usize = 64;
const RECORDS_AT_ONCE: usize = 64;

/// The fixed part, inside the engine's root. Process: any. Lock: one leaf lock for all of it, held for
/// some dozen pointer writes at a time (one slot's records at most, when their tick comes round).
#[repr(C)]
pub(super) struct Wheel {
    lock: Lock,
    state: UnsafeCell<State>,
    slots: *mut List,
    mask: u64,
    tick_ms: u64,
}

#[repr(C)]
struct State {
    /// The tick that `due` looked at last. Whatever is due at an earlier one is in `ready`.
    cursor: u64,
    /// Due records; those handed out go to the back.
    ready: List,
    /// Counts the calls of `due`.
    pass: u64,
}

impl Wheel {
    /// `slots` is a power of two, `tick_ms` not 0. The block is the caller's to keep.
    pub fn create<M: Memory>(
        memory: M,
        slots: u32,
        tick_ms: u64,
        now_ms: u64,
    ) -> Option<(Self, Block<M>)> {
        let block = Block::array::<List>(memory, slots as usize)?;
        let first = block.start().cast::<List>();
        for index in 0..slots as usize {
            // SAFETY: the block has room for that many lists and nobody else knows it.
            unsafe { first.add(index).write(List::EMPTY) };
        }
        let wheel = Wheel {
            lock: Lock::new(),
            state: UnsafeCell::new(State {
                cursor: now_ms / tick_ms,
                ready: List::EMPTY,
                pass: 0,
            }),
            slots: first.as_ptr(),
            mask: u64::from(slots) - 1,
            tick_ms,
        };
        Some((wheel, block))
    }

    /// The block of the slots again.
    ///
    /// # Safety
    /// `memory` is what the wheel was created with; the wheel is not used any more.
    pub unsafe fn block<M: Memory>(&self, memory: M) -> Option<Block<M>> {
        let size = (self.mask as usize + 1) * size_of::<List>();
        // SAFETY: `create` took the block from this memory with this size.
        NonNull::new(self.slots.cast()).map(|start| unsafe { Block::adopt(memory, start, size) })
    }

    /// The timer of a record without deadline.
    pub fn unset() -> Timer {
        Timer {
            deadline: NEVER,
            link: Link::NONE,
            place: NOWHERE,
            pass: 0,
        }
    }

    /// Gives a record a deadline ([`NEVER`]: none). The same one again changes nothing.
    ///
    /// # Safety
    /// `record` is alive and its anchor's lock is held.
    pub unsafe fn set(&self, record: *mut Record, deadline: u64) {
        // SAFETY: the anchor's lock is enough to read the deadline; the wheel's is held for the rest.
        unsafe {
            if (*record).timer.deadline == deadline {
                return;
            }
            let _guard = self.lock.acquire();
            let state = &mut *self.state.get();
            if let Some(list) = self.list(state, (*record).timer.place) {
                (*list).remove(record, timer_link);
            }
            (*record).timer.deadline = deadline;
            (*record).timer.pass = 0;
            (*record).timer.place = match deadline / self.tick_ms {
                _ if deadline == NEVER => NOWHERE,
                tick if tick < state.cursor => READY,
                tick => self.slot(tick),
            };
            if let Some(list) = self.list(state, (*record).timer.place) {
                (*list).push_back(record, timer_link);
            }
        }
    }

    /// Up to `limit` records whose deadline is at or before `now_ms`, those first that waited longest
    /// since they were handed out last.
    pub fn due(&self, now_ms: u64, limit: usize) -> Vec<RecordId> {
        let mut due = Vec::new();
        if limit == 0 {
            return due;
        }
        let pass = self.sweep(now_ms);
        loop {
            let mut some = [None; RECORDS_AT_ONCE];
            let wanted = (limit - due.len()).min(RECORDS_AT_ONCE);
            let more = self.hand_out(now_ms, pass, some.iter_mut().take(wanted));
            due.extend(some.into_iter().flatten());
            if !more || due.len() >= limit {
                return due;
            }
        }
    }

    /// Moves what became due into the queue, and numbers this pass.
    fn sweep(&self, now_ms: u64) -> u64 {
        let target = now_ms / self.tick_ms;
        loop {
            let _guard = self.lock.acquire();
            // SAFETY: the lock is held.
            let state = unsafe { &mut *self.state.get() };
            // After a long sleep one round finds everything: each slot is looked at once.
            if target.saturating_sub(state.cursor) > self.mask {
                state.cursor = target - self.mask;
            }
            let mut moved = 0;
            for _ in 0..SLOTS_AT_ONCE {
                if state.cursor > target {
                    break;
                }
                // SAFETY: the lock is held.
                moved += unsafe { self.empty_slot(state, now_ms) };
                if state.cursor == target {
                    state.pass += 1;
                    return state.pass;
                }
                state.cursor += 1;
                if moved >= RECORDS_AT_ONCE {
                    break;
                }
            }
            if state.cursor > target {
                // Somebody's clock is ahead of ours: nothing to move.
                state.pass += 1;
                return state.pass;
            }
        }
    }

    /// Moves the due records of the cursor's slot into the queue; the others wait for a later round.
    ///
    /// # Safety
    /// The lock is held.
    unsafe fn empty_slot(&self, state: &mut State, now_ms: u64) -> usize {
        let mut moved = 0;
        // SAFETY: the slot is masked; records in it are alive while the lock is held; the successor is
        // read before a record leaves the list.
        unsafe {
            let slot = &mut *self.slots.add(self.slot(state.cursor));
            let mut record = slot.first;
            while !record.is_null() {
                let next = (*timer_link(record)).next;
                if (*record).timer.deadline <= now_ms {
                    slot.remove(record, timer_link);
                    state.ready.push_back(record, timer_link);
                    (*record).timer.place = READY;
                    moved += 1;
                }
                record = next;
            }
        }
        moved
    }

    /// Fills `places` from the front of the queue, and moves what was looked at to its back. False when
    /// the queue has nothing left that this pass has not seen.
    fn hand_out<'a>(
        &self,
        now_ms: u64,
        pass: u64,
        places: impl Iterator<Item = &'a mut Option<RecordId>>,
    ) -> bool {
        let _guard = self.lock.acquire();
        // SAFETY: records in the queue are alive while the lock is held.
        unsafe {
            let state = &mut *self.state.get();
            for place in places {
                let record = state.ready.first;
                if record.is_null() || (*record).timer.pass >= pass {
                    return false;
                }
                (*record).timer.pass = pass;
                state.ready.remove(record, timer_link);
                state.ready.push_back(record, timer_link);
                // In the queue, but not due yet by the clock of this caller: left out.
                if (*record).timer.deadline <= now_ms {
                    *place = Some((*record).id);
                }
            }
        }
        true
    }

    fn slot(&self, tick: u64) -> usize {
        (tick & self.mask) as usize
    }

    fn list(&self, state: &mut State, place: usize) -> Option<*mut List> {
        match place {
            NOWHERE => None,
            READY => Some(&raw mut state.ready),
            // SAFETY: `set` made it by masking, so it is inside the block.
            slot => Some(unsafe { self.slots.add(slot) }),
        }
    }
}
