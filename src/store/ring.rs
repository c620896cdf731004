//! The last so many trails in shared memory: lines of text under an id and a name, of a fixed size each.
//! Not a log file: what is old is written over, and what does not fit into its slot is only counted.

use super::engine::StoreError;
use super::lock::Lock;
use super::memory::{Block, Memory};
use std::cell::UnsafeCell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::mem::{align_of, size_of};
use std::ptr::NonNull;
use std::slice::from_raw_parts_mut;

/// Bytes of one trail, its name and the frame of each line included.
pub const SLOT: usize = 8 << 10;

/// Most trails of one ring: 80 MB.
pub const MOST_SLOTS: u32 = 10_000;

/// Longer names and lines are cut, bytes.
const MAX_TEXT: usize = 1_000;

/// What stands at the end of a text that was cut.
const CUT: &str = "…";

/// Before each line: milliseconds since the trail was opened (u32), and how many bytes follow (u16).
const FRAME: usize = 4 + 2;

/// A handle to a ring; copies are the same ring.
///
/// Process: create it before the fork; any process writes and reads. Lock: its own leaf lock, for a copy of
/// at most one slot. Memory: shared, all of it taken at creation.
#[derive(Clone, Copy)]
pub struct Ring<M: Memory> {
    memory: M,
    shared: NonNull<Shared>,
}

/// One trail as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trail {
    pub id: u32,
    pub name: String,
    /// Milliseconds since 1970, by the clock `open` was given.
    pub opened: u64,
    /// Milliseconds after `opened`, and the line.
    pub lines: Vec<(u32, String)>,
    /// Lines that came when the slot was full.
    pub lost: u32,
}

/// One moment by two clocks, ms: one that never jumps, and the wall's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub monotonic: u64,
    pub wall: u64,
}

/// Start of the one block; behind it that many heads, ids, and slots of bytes.
#[repr(C)]
struct Shared {
    lock: Lock,
    slots: u32,
    /// Where the next trail goes; always below `slots`. Under `lock`.
    next: UnsafeCell<u32>,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
struct Head {
    name_hash: u64,
    opened_monotonic: u64,
    opened_wall: u64,
    /// Bytes of the name, at the start of the slot.
    name: u32,
    /// Bytes of name and lines.
    used: u32,
    lost: u32,
}

// SAFETY: what changes behind `shared` is guarded by its lock, which works among threads as it does among
// processes; the rest is constant.
unsafe impl<M: Memory + Send> Send for Ring<M> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync> Sync for Ring<M> {}

impl<M: Memory> Ring<M> {
    /// A ring that remembers the last `slots` trails (1 to [`MOST_SLOTS`]).
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Config`].
    pub fn create(memory: M, slots: u32) -> Result<Self, StoreError> {
        if !(1..=MOST_SLOTS).contains(&slots) {
            return Err(StoreError::Config {
                name: "trail slots",
                value: slots.into(),
                most: MOST_SLOTS.into(),
            });
        }
        let places = Places::of(slots as usize);
        let block = Block::new(memory, places.end).ok_or(StoreError::Full)?;
        let start = block.keep();
        let shared = start.cast::<Shared>();
        let content = Shared {
            lock: Lock::new(),
            slots,
            next: UnsafeCell::new(0),
        };
        // SAFETY: the block is that long, aligned for all of it, and nobody else knows it.
        unsafe {
            start.write_bytes(0, places.bytes);
            shared.write(content);
        }
        Ok(Ring { memory, shared })
    }

    /// Gives everything back. Takes no lock.
    ///
    /// # Safety
    /// No copy of this ring is used any more, in any process.
    pub unsafe fn destroy(self) {
        let size = Places::of(self.shared().slots as usize).end;
        // SAFETY: `create` asked for exactly this, from this memory; nobody else is there.
        unsafe { drop(Block::adopt(self.memory, self.shared.cast(), size)) };
    }

    /// Begins a trail in place of the oldest one. Id 0 is nobody's and ignored.
    pub fn open(&self, id: u32, name: &str, now: Moment) {
        if id == 0 {
            return;
        }
        let text = Cut::of(name);
        let name_hash = hash(name);
        self.locked(|mut slots| {
            let at = *slots.next;
            *slots.next = (at + 1) % slots.count();
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
            head.append(bytes, &[text.kept.as_bytes(), text.mark.as_bytes()]);
            head.name = head.used;
        });
    }

    /// One more line for the newest trail of that id, if it is still there.
    pub fn append(&self, id: u32, line: &str, now: Moment) {
        let line = Cut::of(line);
        let length = (line.len() as u16).to_ne_bytes();
        self.locked(|mut slots| {
            let Some((_, head, bytes)) = slots.find(id).and_then(|at| slots.get(at)) else {
                return;
            };
            let after = now.monotonic.saturating_sub(head.opened_monotonic);
            let after = u32::try_from(after).unwrap_or(u32::MAX).to_ne_bytes();
            let (kept, mark) = (line.kept.as_bytes(), line.mark.as_bytes());
            // Once a line is lost none follows it, so that no gap looks like there was nothing.
            if head.lost > 0 || !head.append(bytes, &[&after, &length, kept, mark]) {
                head.lost = head.lost.saturating_add(1);
            }
        });
    }

    /// The newest trail of that id.
    pub fn find(&self, id: u32) -> Option<Trail> {
        let copy = self.locked(|mut slots| {
            let at = slots.find(id)?;
            slots.copy(at)
        });
        copy.map(Copied::read)
    }

    /// All trails of that name, newest first.
    pub fn named(&self, name: &str) -> Vec<Trail> {
        let (name_hash, kept) = (hash(name), Cut::of(name).kept);
        let turns = self.locked(|slots| slots.newest_first().collect::<Vec<u32>>());
        // One lock per slot: nobody waits for more than one copy.
        let copies = turns.into_iter().filter_map(|at| {
            self.locked(|mut slots| {
                let (id, head, _) = slots.get(at)?;
                (*id != 0 && head.name_hash == name_hash).then_some(())?;
                slots.copy(at)
            })
        });
        copies
            .map(Copied::read)
            .filter(|trail| trail.name.starts_with(kept))
            .collect()
    }

    fn shared(&self) -> &Shared {
        // SAFETY: `create` wrote it, and it stays until `destroy`, after which nobody calls. What changes
        // inside is atomic or in an UnsafeCell.
        unsafe { self.shared.as_ref() }
    }

    fn locked<R>(&self, f: impl FnOnce(Slots<'_>) -> R) -> R {
        let shared = self.shared();
        let slots = shared.slots as usize;
        let places = Places::of(slots);
        let _guard = shared.lock.acquire();
        // SAFETY: `create` made a block of this size and zeroed what is read; the parts do not overlap, and
        // while the lock is held these are the only references into them.
        f(unsafe {
            let start = self.shared.cast::<u8>().as_ptr();
            Slots {
                next: &mut *shared.next.get(),
                heads: from_raw_parts_mut(start.add(places.heads).cast(), slots),
                ids: from_raw_parts_mut(start.add(places.ids).cast(), slots),
                bytes: from_raw_parts_mut(start.add(places.bytes), slots * SLOT),
            }
        })
    }
}

/// Where the parts of a ring lie in its block.
struct Places {
    heads: usize,
    ids: usize,
    bytes: usize,
    end: usize,
}

impl Places {
    /// At most [`MOST_SLOTS`], so nothing overflows.
    const fn of(slots: usize) -> Places {
        let heads = size_of::<Shared>().next_multiple_of(align_of::<Head>());
        let ids = heads + slots * size_of::<Head>();
        let bytes = ids + slots * size_of::<u32>();
        Places {
            heads,
            ids,
            bytes,
            end: bytes + slots * SLOT,
        }
    }
}

/// The ring while its lock is held.
struct Slots<'a> {
    next: &'a mut u32,
    heads: &'a mut [Head],
    /// Apart from the heads, because every line looks for its own. 0: never used.
    ids: &'a mut [u32],
    bytes: &'a mut [u8],
}

impl Slots<'_> {
    fn count(&self) -> u32 {
        self.ids.len() as u32
    }

    fn newest_first(&self) -> impl Iterator<Item = u32> {
        let (next, count) = (*self.next, self.count());
        (0..next).rev().chain((next..count).rev())
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

    fn copy(&mut self, at: u32) -> Option<Copied> {
        let (id, head, bytes) = self.get(at)?;
        Some(Copied {
            id: *id,
            head: *head,
            bytes: bytes.get(..head.used as usize)?.to_vec(),
        })
    }
}

impl Head {
    /// All parts or, when there is no room, none.
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

/// A slot taken out of the ring, to be read without its lock.
struct Copied {
    id: u32,
    head: Head,
    bytes: Vec<u8>,
}

impl Copied {
    fn read(self) -> Trail {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = self.head.name as usize;
        let (name, mut rest) = self.bytes.split_at_checked(name).unwrap_or_default();
        let mut lines = Vec::new();
        while let Some((after, line, more)) = next_line(rest) {
            lines.push((after, text(line)));
            rest = more;
        }
        Trail {
            id: self.id,
            name: text(name),
            opened: self.head.opened_wall,
            lines,
            lost: self.head.lost,
        }
    }
}

fn next_line(bytes: &[u8]) -> Option<(u32, &[u8], &[u8])> {
    let (frame, rest) = bytes.split_first_chunk::<FRAME>()?;
    let [a, b, c, d, e, f] = *frame;
    let length = u16::from_ne_bytes([e, f]);
    let (line, rest) = rest.split_at_checked(length.into())?;
    Some((u32::from_ne_bytes([a, b, c, d]), line, rest))
}

/// A text of bounded length.
struct Cut<'a> {
    kept: &'a str,
    mark: &'static str,
}

impl<'a> Cut<'a> {
    fn of(text: &'a str) -> Cut<'a> {
        let kept = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or("");
        let mark = if kept.len() < text.len() { CUT } else { "" };
        Cut { kept, mark }
    }

    fn len(&self) -> usize {
        self.kept.len() + self.mark.len()
    }
}

/// The same in every process: to look at fewer names only, so nothing is won by making it collide.
fn hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::SharedMap;

    fn at(ms: u64) -> Moment {
        Moment {
            monotonic: ms,
            wall: 1_000_000 + ms,
        }
    }

    #[test]
    fn the_last_trails_are_found_by_id_and_by_name() {
        let map = SharedMap::new(1 << 20).unwrap();
        let ring = Ring::create(map.arena(), 3).unwrap();
        let taken = map.used();
        assert_eq!(ring.find(0), None);
        assert_eq!(ring.find(1), None);
        assert!(ring.named("").is_empty());
        for id in 1..=5u32 {
            ring.open(id, if id % 2 == 1 { "odd" } else { "even" }, at(id.into()));
            ring.append(id, &format!("line of {id}"), at(u64::from(id) + 7));
            ring.append(id - 1, "late", at(u64::from(id) + 9));
        }
        assert_eq!(ring.find(1), None);
        assert_eq!(ring.find(2), None);
        let four = Trail {
            id: 4,
            name: "even".into(),
            opened: 1_000_004,
            lines: vec![(7, "line of 4".into()), (10, "late".into())],
            lost: 0,
        };
        assert_eq!(ring.find(4), Some(four.clone()));
        assert_eq!(ring.named("even"), vec![four]);
        let odd = ring.named("odd");
        assert_eq!(odd.iter().map(|t| t.id).collect::<Vec<_>>(), [5, 3]);
        assert_eq!(map.used(), taken, "nothing is asked for later on");
        // SAFETY: the last use.
        unsafe { ring.destroy() };
        assert_eq!(map.used(), 0);
    }

    #[test]
    fn the_newest_of_two_with_one_id_counts() {
        let map = SharedMap::new(1 << 20).unwrap();
        let ring = Ring::create(map.arena(), 4).unwrap();
        for name in ["first", "second"] {
            ring.open(9, name, at(0));
        }
        ring.append(9, "x", at(0));
        assert_eq!(ring.find(9).unwrap().name, "second");
        assert!(ring.named("first")[0].lines.is_empty());
    }

    #[test]
    fn a_full_slot_counts_what_it_loses() {
        let map = SharedMap::new(1 << 20).unwrap();
        let ring = Ring::create(map.arena(), 2).unwrap();
        ring.open(1, "one", at(0));
        ring.open(2, "two", at(0));
        let line = "ä".repeat(MAX_TEXT);
        for _ in 0..20 {
            ring.append(1, &line, at(5));
        }
        ring.append(1, "short", at(6));
        let full = ring.find(1).unwrap();
        assert_eq!(full.lines.len() + full.lost as usize, 21);
        assert!(full.lost > 10 && full.lines.len() >= 8, "{}", full.lost);
        for (_, kept) in &full.lines {
            assert_eq!(kept, &format!("{}{CUT}", "ä".repeat(MAX_TEXT / 2)));
        }
        let neighbour = ring.find(2).unwrap();
        assert_eq!((neighbour.name.as_str(), neighbour.lines.len()), ("two", 0));
        let long = "n".repeat(5_000);
        ring.open(3, &long, at(0));
        assert_eq!(ring.named(&long)[0].id, 3);
        assert!(ring.named(&"n".repeat(4_999)).is_empty());
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let map = SharedMap::new(16 << 10).unwrap();
        assert_eq!(
            Ring::create(map.arena(), 2).err(),
            Some(StoreError::Full),
            "16 kB and more"
        );
        for slots in [0, MOST_SLOTS + 1] {
            assert!(matches!(
                Ring::create(map.arena(), slots).err(),
                Some(StoreError::Config { .. })
            ));
        }
        assert_eq!(map.used(), 0);
    }
}
