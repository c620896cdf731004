//! The last trails in shared memory: entries of bytes under an id and a name.
//!
//! Each trail has a slot of fixed size. A new trail takes the slot of the oldest of its kind: what was refused
//! has a share of its own, so that any number of refusals leaves the others. Entries that do not fit into the
//! slot are counted and lost.

use super::engine::StoreError;
use super::lock::Lock;
use super::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::{align_of, size_of};
use std::ptr::NonNull;
use std::slice::from_raw_parts_mut;

/// Bytes of one trail: its name, its entries, and the frame before each entry.
pub const SLOT: usize = 8 << 10;

/// Most trails of one ring. So many take about 80 MB.
pub const MAX_SLOTS: u32 = 10_000;

/// Longest name, in bytes. Longer ones are cut.
const MAX_NAME: usize = 1_000;

/// Ends a name that was cut.
const ELLIPSIS: &str = "…";

/// Bytes before each entry: milliseconds since the trail was opened (u32), and the entry's length (u16).
const FRAME: usize = 4 + 2;

/// A handle to a ring. All copies are the same ring.
///
/// Process: create it before the fork; any process may write and read. Lock: its own leaf lock, held at
/// most as long as one slot is copied. Memory: shared, all of it allocated at creation.
#[derive(Clone, Copy)]
pub struct Ring<M: Memory> {
    memory: M,
    shared: NonNull<Shared>,
}

/// A copy of one trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    /// The id it was opened with; not 0.
    pub id: u32,
    /// The name it was opened with, perhaps cut.
    pub name: String,
    /// When it was opened, milliseconds since 1970.
    pub opened: u64,
    /// Its entries, each with its time in milliseconds after `opened`.
    pub entries: Vec<(u32, Vec<u8>)>,
    /// How many entries did not fit into the slot.
    pub lost: u32,
}

/// One moment by two clocks, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By a clock that never jumps and that all processes share. Entries are timed with it.
    pub monotonic: u64,
    /// Since 1970. It tells when a trail was opened.
    pub wall: u64,
}

/// Start of the ring's only block. `slots` heads, ids and slots of bytes follow it.
#[repr(C)]
struct Shared {
    lock: Lock,
    slots: u32,
    /// The slots from here on are the share of what was refused; at most `slots`.
    refused_from: u32,
    /// The slots of the next trail that was accepted and of the next that was refused, each within its share.
    /// Guarded by `lock`.
    next: UnsafeCell<[u32; 2]>,
}

/// Which share of the ring a trail takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Three quarters.
    Accepted,
    /// A quarter.
    Refused,
}

/// What is known of one trail besides its id and bytes. Guarded by the ring's lock.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    name_hash: u64,
    opened_monotonic: u64,
    opened_wall: u64,
    /// Bytes of the name, which stands at the start of the slot.
    name: u32,
    /// Bytes of name and entries.
    used: u32,
    /// Entries that did not fit.
    lost: u32,
}

// SAFETY: what changes behind `shared` is guarded by its lock, which works between threads as it does
// between processes. The rest is constant.
unsafe impl<M: Memory + Send> Send for Ring<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Ring<M> {}

impl<M: Memory> Ring<M> {
    /// A ring that keeps the last `slots` trails (1 to [`MAX_SLOTS`]).
    ///
    /// # Errors
    /// [`StoreError::Full`], or [`StoreError::Config`] for a number outside the range.
    pub fn create(memory: M, slots: u32) -> Result<Self, StoreError> {
        if !(1..=MAX_SLOTS).contains(&slots) {
            return Err(StoreError::Config {
                name: "trail slots",
                value: slots.into(),
                max: MAX_SLOTS.into(),
            });
        }
        let offsets = Offsets::of(slots as usize);
        let block = Block::new(memory, offsets.end).ok_or(StoreError::Full)?;
        let start = block.keep();
        let shared = start.cast::<Shared>();
        let content = Shared {
            lock: Lock::new(),
            slots,
            refused_from: refused_from(slots),
            next: UnsafeCell::new([0, refused_from(slots)]),
        };
        // SAFETY: the block is as long as these parts, aligned for them, and nobody else knows it.
        unsafe {
            start.write_bytes(0, offsets.bytes);
            shared.write(content);
        }
        Ok(Ring { memory, shared })
    }

    /// Releases its memory. Takes no lock.
    ///
    /// # Safety
    /// No process uses a copy of this ring any more.
    pub unsafe fn destroy(self) {
        let size = Offsets::of(self.shared().slots as usize).end;
        // SAFETY: `create` allocated exactly this, from this memory. By the caller's promise nobody else
        // uses it.
        unsafe { drop(Block::adopt(self.memory, self.shared.cast(), size)) };
    }

    /// Begins a trail in place of the oldest of its share. `id` 0 marks an unused slot; a trail with it is
    /// ignored.
    pub fn open(&self, id: u32, name: &str, share: Share, now: Moment) {
        if id == 0 {
            return;
        }
        let shown = Truncated::of(name);
        let name_hash = hash(name);
        self.locked(|mut slots| {
            let at = slots.take(share);
            let Some((its, head, bytes)) = slots.get(at) else {
                return;
            };
            *its = id;
            *head = Head {
                name_hash,
                opened_monotonic: now.monotonic,
                opened_wall: now.wall,
                ..Head::default()
            };
            head.append(bytes, &[shown.kept.as_bytes(), shown.mark.as_bytes()]);
            head.name = head.used;
        });
    }

    /// Adds entries, each to the newest trail with its id. Ignores those of which there is no trail any more.
    /// `now` is [`Moment::monotonic`].
    pub fn append<'e>(&self, entries: impl IntoIterator<Item = (u32, &'e [u8])>, now: u64) {
        self.locked(|mut slots| {
            let mut found = (0, None);
            for (id, entry) in entries {
                if found.0 != id {
                    found = (id, slots.find(id));
                }
                if let Some((_, head, bytes)) = found.1.and_then(|at| slots.get(at)) {
                    head.append_entry(bytes, entry, now);
                }
            }
        });
    }

    /// The newest trail with that id.
    pub fn find(&self, id: u32) -> Option<Trail> {
        let copy = self.locked(|mut slots| {
            let at = slots.find(id)?;
            slots.copy(at)
        });
        copy.map(SlotCopy::parse)
    }

    /// All trails with that name, those that were accepted first, the newest of each share first. Of a name
    /// that was cut, the beginning and the hash are compared.
    pub fn named(&self, name: &str) -> Vec<Trail> {
        let (name_hash, kept) = (hash(name), Truncated::of(name).kept);
        let newest_first = self.locked(|slots| slots.newest_first().collect::<Vec<u32>>());
        // The lock is taken for each slot anew, so other processes wait for one copy at most.
        let copies = newest_first.into_iter().filter_map(|at| {
            self.locked(|mut slots| {
                let (id, head, _) = slots.get(at)?;
                (*id != 0 && head.name_hash == name_hash).then_some(())?;
                slots.copy(at)
            })
        });
        copies
            .map(SlotCopy::parse)
            .filter(|trail| trail.name.starts_with(kept))
            .collect()
    }

    fn shared(&self) -> &Shared {
        // SAFETY: `create` wrote it. It stays until `destroy`, after which nobody uses the ring. What
        // changes inside is atomic or in an UnsafeCell.
        unsafe { self.shared.as_ref() }
    }

    fn locked<R>(&self, f: impl FnOnce(Slots<'_>) -> R) -> R {
        let shared = self.shared();
        let slots = shared.slots as usize;
        let offsets = Offsets::of(slots);
        let _guard = shared.lock.acquire();
        // SAFETY: `create` made a block of this size and zeroed heads and ids; slots may hold any bytes. The
        // parts do not overlap. While the lock is held these are the only references into them.
        f(unsafe {
            let start = self.shared.cast::<u8>().as_ptr();
            Slots {
                next: &mut *shared.next.get(),
                refused_from: shared.refused_from,
                heads: from_raw_parts_mut(start.add(offsets.heads).cast(), slots),
                ids: from_raw_parts_mut(start.add(offsets.ids).cast(), slots),
                bytes: from_raw_parts_mut(start.add(offsets.bytes), slots * SLOT),
            }
        })
    }
}

/// A quarter of the slots is the share of what was refused. Of less than four there is none.
const fn refused_from(slots: u32) -> u32 {
    slots - slots / 4
}

/// Where the parts of a ring begin in its block, in bytes.
struct Offsets {
    heads: usize,
    ids: usize,
    bytes: usize,
    end: usize,
}

impl Offsets {
    /// For at most [`MAX_SLOTS`] slots, so nothing overflows.
    const fn of(slots: usize) -> Offsets {
        let heads = size_of::<Shared>().next_multiple_of(align_of::<Head>());
        let ids = heads + slots * size_of::<Head>();
        let bytes = ids + slots * size_of::<u32>();
        Offsets {
            heads,
            ids,
            bytes,
            end: bytes + slots * SLOT,
        }
    }
}

/// The contents of the ring while its lock is held.
struct Slots<'a> {
    next: &'a mut [u32; 2],
    refused_from: u32,
    heads: &'a mut [Head],
    /// 0: the slot was never used. Apart from the heads, because every new entry searches them.
    ids: &'a mut [u32],
    bytes: &'a mut [u8],
}

impl Slots<'_> {
    fn count(&self) -> u32 {
        self.ids.len() as u32
    }

    /// The slot of the next trail of a share, which moves on. A share without slots is the other one.
    fn take(&mut self, share: Share) -> u32 {
        let (next, range) = match share {
            Share::Refused if self.refused_from < self.count() => {
                (&mut self.next[1], self.refused_from..self.ids.len() as u32)
            }
            _ => (&mut self.next[0], 0..self.refused_from),
        };
        let at = *next;
        *next = if at + 1 < range.end {
            at + 1
        } else {
            range.start
        };
        at
    }

    fn newest_first(&self) -> impl Iterator<Item = u32> {
        let ([accepted, refused], from) = (*self.next, self.refused_from);
        let first = (0..accepted).rev().chain((accepted..from).rev());
        let second = (from..refused).rev().chain((refused..self.count()).rev());
        first.chain(second)
    }

    fn find(&self, id: u32) -> Option<u32> {
        let is_it = |at: &u32| id != 0 && self.ids.get(*at as usize) == Some(&id);
        self.newest_first().find(is_it)
    }

    fn get(&mut self, at: u32) -> Option<(&mut u32, &mut Head, &mut [u8])> {
        let at = at as usize;
        let bytes = self.bytes.get_mut(at * SLOT..(at + 1) * SLOT)?;
        Some((self.ids.get_mut(at)?, self.heads.get_mut(at)?, bytes))
    }

    fn copy(&mut self, at: u32) -> Option<SlotCopy> {
        let (id, head, bytes) = self.get(at)?;
        Some(SlotCopy {
            id: *id,
            head: *head,
            bytes: bytes.get(..head.used as usize)?.to_vec(),
        })
    }
}

impl Head {
    /// Appends an entry with its frame, or counts it as lost.
    fn append_entry(&mut self, bytes: &mut [u8], entry: &[u8], now: u64) {
        let after = now.saturating_sub(self.opened_monotonic);
        let after = u32::try_from(after).unwrap_or(u32::MAX).to_ne_bytes();
        let length = u16::try_from(entry.len()).map(u16::to_ne_bytes);
        // After one lost entry all later ones are lost too: a trail must not have an invisible gap.
        let kept = match length {
            Ok(length) if self.lost == 0 => self.append(bytes, &[&after, &length, entry]),
            _ => false,
        };
        if !kept {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Appends all parts to the slot. Appends none and returns false when there is no room.
    fn append(&mut self, bytes: &mut [u8], parts: &[&[u8]]) -> bool {
        let from = self.used as usize;
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let Some(mut room) = bytes.get_mut(from..from + length) else {
            return false;
        };
        for part in parts {
            let (here, rest) = room.split_at_mut(part.len());
            here.copy_from_slice(part);
            room = rest;
        }
        self.used += length as u32;
        true
    }
}

/// A copy of a slot, to be read without the lock.
struct SlotCopy {
    id: u32,
    head: Head,
    bytes: Vec<u8>,
}

impl SlotCopy {
    fn parse(self) -> Trail {
        let name = self.head.name as usize;
        let (name, mut rest) = self.bytes.split_at_checked(name).unwrap_or_default();
        let mut entries = Vec::new();
        while let Some((after, entry, more)) = next_entry(rest) {
            entries.push((after, entry.to_vec()));
            rest = more;
        }
        Trail {
            id: self.id,
            name: String::from_utf8_lossy(name).into_owned(),
            opened: self.head.opened_wall,
            entries,
            lost: self.head.lost,
        }
    }
}

fn next_entry(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (frame, rest) = bytes.split_first_chunk::<FRAME>()?;
    let [a, b, c, d, e, f] = *frame;
    let length = u16::from_ne_bytes([e, f]);
    let (entry, rest) = rest.split_at_checked(length.into())?;
    Some((u32::from_ne_bytes([a, b, c, d]), entry, rest))
}

/// A name cut to [`MAX_NAME`] bytes.
struct Truncated<'a> {
    kept: &'a str,
    /// [`ELLIPSIS`] when the name was cut, else empty.
    mark: &'static str,
}

impl<'a> Truncated<'a> {
    fn of(name: &'a str) -> Truncated<'a> {
        let kept = name.get(..name.floor_char_boundary(MAX_NAME)).unwrap_or("");
        let mark = if kept.len() < name.len() {
            ELLIPSIS
        } else {
            ""
        };
        Truncated { kept, mark }
    }
}

/// The same in every process, as its keys are fixed. It only saves comparisons of names, so a peer gains
/// nothing from collisions.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
