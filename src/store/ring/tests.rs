//! Trails: the last ones of each share, found by id and by name.

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
        ring.open(
            id,
            if id % 2 == 1 { "odd" } else { "even" },
            Share::Accepted,
            at(id.into()),
        );
        let entry = format!("entry of {id}");
        ring.append([(id, entry.as_bytes())], u64::from(id) + 7);
        ring.append([(id - 1, &b"late"[..])], u64::from(id) + 9);
    }
    assert_eq!(ring.find(1), None);
    assert_eq!(ring.find(2), None);
    let four = Trail {
        id: 4,
        name: "even".into(),
        opened: 1_000_004,
        entries: vec![(7, b"entry of 4".into()), (10, b"late".into())],
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
fn refusals_leave_what_was_accepted() {
    let map = SharedMap::new(1 << 20).unwrap();
    let ring = Ring::create(map.arena(), 8).unwrap();
    for id in 1..=100u32 {
        let share = if id % 10 == 0 {
            Share::Accepted
        } else {
            Share::Refused
        };
        ring.open(id, "x", share, at(id.into()));
        ring.append([(id, &b"its entry"[..])], id.into());
    }
    let kept: Vec<u32> = ring.named("x").iter().map(|trail| trail.id).collect();
    assert_eq!(kept, [100, 90, 80, 70, 60, 50, 99, 98]);
    assert!(ring.named("x").iter().all(|trail| trail.entries.len() == 1));
    // SAFETY: the last use.
    unsafe { ring.destroy() };
}

#[test]
fn the_newest_of_two_with_one_id_counts() {
    let map = SharedMap::new(1 << 20).unwrap();
    let ring = Ring::create(map.arena(), 4).unwrap();
    for name in ["first", "second"] {
        ring.open(9, name, Share::Accepted, at(0));
    }
    ring.append([(9, &b"x"[..])], 0);
    assert_eq!(ring.find(9).unwrap().name, "second");
    assert!(ring.named("first")[0].entries.is_empty());
}

#[test]
fn a_full_slot_counts_what_it_loses() {
    let map = SharedMap::new(1 << 20).unwrap();
    let ring = Ring::create(map.arena(), 2).unwrap();
    ring.open(1, "one", Share::Accepted, at(0));
    ring.open(2, "two", Share::Refused, at(0));
    let entry = [7; 1_000];
    let huge = [8; SLOT];
    // All of an event at once, some of it for others.
    let event = (0..20).map(|_| (1, &entry[..]));
    ring.append(event.chain([(2, &huge[..]), (9, &entry[..])]), 5);
    ring.append([(1, &b"short"[..])], 6);
    let full = ring.find(1).unwrap();
    assert_eq!(full.entries.len() + full.lost as usize, 21);
    assert!(full.lost > 10 && full.entries.len() >= 8, "{}", full.lost);
    assert!(full.entries.iter().all(|(_, kept)| *kept == entry));
    let neighbour = ring.find(2).unwrap();
    assert_eq!((neighbour.name.as_str(), neighbour.lost), ("two", 1));
    assert!(neighbour.entries.is_empty());
    let long = "n".repeat(5_000);
    ring.open(3, &long, Share::Accepted, at(0));
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
    for slots in [0, MAX_SLOTS + 1] {
        assert!(matches!(
            Ring::create(map.arena(), slots).err(),
            Some(StoreError::Config { .. })
        ));
    }
    assert_eq!(map.used(), 0);
}
