//! Deadlines: a hashed timing wheel of records, and a queue of the records that are due.
//!
//! The wheel has no clock: the time is an argument. A record stays due until a commit changes its
//! deadline.

use super::id::RecordId;
use super::layout::{timer_link, Link, List, Record, Timer};
use crate::store::alarm::{Alarm, Heard};
use crate::store::lock::Lock;
use crate::store::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr::NonNull;

/// The deadline of a record that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// `Timer::place` of a record that is in no list of the wheel, and of one in the queue of due records.
/// For any other record it is the number of its slot.
const NOWHERE: usize = usize::MAX;
const READY: usize = usize::MAX - 1;

/// How much is done before the lock is released for other processes.
const SLOTS_AT_ONCE: usize = 64;
const RECORDS_AT_ONCE: usize = 64;

/// The fixed part of the wheel, inside the engine's root. Process: any. Lock: one leaf lock for all of
/// it, held for some dozen pointer writes at a time, and as long as it takes to check one slot.
#[repr(C)]
pub(super) struct Wheel {
    lock: Lock,
    state: UnsafeCell<State>,
    /// Wakes the process that waits for what is due.
    alarm: Alarm,
    slots: *mut List,
    mask: u64,
    tick_ms: u64,
}

#[repr(C)]
struct State {
    /// The tick that `due` checked last. Records that were due at earlier ticks are in `ready`.
    cursor: u64,
    /// Due records. A record that `due` returns goes to the end.
    ready: List,
    /// How many calls of `due` there were.
    pass: u64,
}

impl Wheel {
    /// A wheel with `slots` slots, a power of two, and the block they lie in. `tick_ms` is not 0. The
    /// caller keeps the block. `None` when there is no room.
    pub fn create<M: Memory>(
        memory: M,
        slots: u32,
        tick_ms: u64,
        now_ms: u64,
    ) -> Option<(Self, Block<M>)> {
        let block = Block::array::<List>(memory, slots as usize)?;
        let first = block.start().cast::<List>();
        for index in 0..slots as usize {
            // SAFETY: the block has room for `slots` lists and nobody else knows it.
            unsafe { first.add(index).write(List::EMPTY) };
        }
        let wheel = Wheel {
            lock: Lock::new(),
            state: UnsafeCell::new(State {
                cursor: now_ms / tick_ms,
                ready: List::EMPTY,
                pass: 0,
            }),
            alarm: Alarm::new(),
            slots: first.as_ptr(),
            mask: u64::from(slots) - 1,
            tick_ms,
        };
        Some((wheel, block))
    }

    /// The block of the slots, which the caller may drop.
    ///
    /// # Safety
    /// `memory` is what the wheel was created with. Nobody uses the wheel any more.
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

    /// Sets the deadline of a record; [`NEVER`] for none. The same deadline again changes nothing.
    ///
    /// # Safety
    /// `record` is alive and its anchor's lock is held.
    pub unsafe fn set(&self, record: *mut Record, deadline: u64) {
        // SAFETY: the anchor's lock is enough to read the deadline. The wheel's is held for the rest.
        unsafe {
            if (*record).timer.deadline == deadline {
                return;
            }
            self.place(record, deadline);
        }
        self.alarm.ring_if_before(deadline);
    }

    /// # Safety
    /// As for [`Wheel::set`].
    unsafe fn place(&self, record: *mut Record, deadline: u64) {
        let _guard = self.lock.acquire();
        // SAFETY: both locks are held.
        unsafe {
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

    /// To be asked before [`Wheel::due`] by who sleeps afterwards.
    pub fn listen(&self) -> Heard {
        self.alarm.listen()
    }

    /// Wakes the sleeper.
    pub fn ring(&self) {
        self.alarm.ring();
    }

    /// Sleeps from `now_ms` until a record is due that the last call of `due` has not returned, but not
    /// longer than `longest_ms`, and no longer than `again_ms` if there are records that it has returned and
    /// that are due still. Only one process may do that.
    pub fn sleep(&self, heard: Heard, now_ms: u64, longest_ms: u64, again_ms: u64) {
        let longest = now_ms.saturating_add(longest_ms);
        self.alarm.sleep(heard, now_ms, longest, || {
            self.next(now_ms, longest, now_ms.saturating_add(again_ms))
        });
    }

    /// The earliest deadline up to `longest`; `again`, if it is earlier and there are due records that were
    /// returned already.
    fn next(&self, now_ms: u64, longest: u64, again: u64) -> Option<u64> {
        let mut next = None;
        let mut stuck = None;
        loop {
            let _guard = self.lock.acquire();
            // SAFETY: the lock is held. Records in the lists are alive while it is.
            unsafe {
                let state = &mut *self.state.get();
                let ready = state.ready.first;
                if !ready.is_null() {
                    if (*ready).timer.pass < state.pass {
                        return Some(now_ms);
                    }
                    stuck = Some(again);
                }
                // From where `due` has stopped, one round at most.
                let mut tick = next.unwrap_or(state.cursor.min(now_ms / self.tick_ms));
                let last = (longest / self.tick_ms).min(state.cursor.saturating_add(self.mask));
                for _ in 0..SLOTS_AT_ONCE {
                    if tick > last {
                        return stuck;
                    }
                    // Records of later rounds are in the same slot.
                    let end = (tick + 1).saturating_mul(self.tick_ms);
                    let earliest = self.earliest_in(self.slot(tick)).filter(|at| *at < end);
                    if earliest.is_some() {
                        return earliest.into_iter().chain(stuck).min();
                    }
                    tick += 1;
                }
                next = Some(tick);
            }
        }
    }

    /// # Safety
    /// The lock is held, and `slot` is masked.
    unsafe fn earliest_in(&self, slot: usize) -> Option<u64> {
        let mut earliest = None;
        // SAFETY: the slot is inside the block, and its records are alive while the lock is held.
        unsafe {
            let mut record = (*self.slots.add(slot)).first;
            while !record.is_null() {
                let deadline = (*record).timer.deadline;
                earliest = Some(earliest.map_or(deadline, |so_far: u64| so_far.min(deadline)));
                record = (*timer_link(record)).next;
            }
        }
        earliest
    }

    /// Up to `limit` records whose deadline is `now_ms` or earlier. Records that were not returned for the
    /// longest time come first.
    pub fn due(&self, now_ms: u64, limit: usize) -> Vec<RecordId> {
        let mut due = Vec::new();
        if limit == 0 {
            return due;
        }
        let pass = self.advance(now_ms);
        loop {
            let mut some = [None; RECORDS_AT_ONCE];
            let wanted = (limit - due.len()).min(RECORDS_AT_ONCE);
            let more = self.take_due(now_ms, pass, some.iter_mut().take(wanted));
            due.extend(some.into_iter().flatten());
            if !more || due.len() >= limit {
                return due;
            }
        }
    }

    /// Moves records that became due into the queue. Returns the number of this pass.
    fn advance(&self, now_ms: u64) -> u64 {
        let target = now_ms / self.tick_ms;
        loop {
            let _guard = self.lock.acquire();
            // SAFETY: the lock is held.
            let state = unsafe { &mut *self.state.get() };
            // After a long pause one round is enough: it checks each slot once.
            if target.saturating_sub(state.cursor) > self.mask {
                state.cursor = target - self.mask;
            }
            let mut moved = 0;
            for _ in 0..SLOTS_AT_ONCE {
                if state.cursor > target {
                    break;
                }
                // SAFETY: the lock is held.
                moved += unsafe { self.drain_slot(state, now_ms) };
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
                // Another process gave a later time before: there is nothing to move.
                state.pass += 1;
                return state.pass;
            }
        }
    }

    /// Moves the due records of the cursor's slot into the queue. The others wait for a later round.
    ///
    /// # Safety
    /// The lock is held.
    unsafe fn drain_slot(&self, state: &mut State, now_ms: u64) -> usize {
        let mut moved = 0;
        // SAFETY: the slot is masked, so it is inside the block. Records in it are alive while the lock is
        // held. The next record is read before this one leaves the list.
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

    /// Fills `places` with records from the front of the queue, and moves those records to its end.
    /// Returns false when this pass has seen the whole queue.
    fn take_due<'a>(
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
                // Another process moved it here with a later time than this caller's.
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
            // SAFETY: `set` masked the number of the slot, so it is inside the block.
            slot => Some(unsafe { self.slots.add(slot) }),
        }
    }
}
