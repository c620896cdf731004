//! Goal 4: shared memory per participant and per session, transactions aside.

use super::bed::Bed;
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;
use cpm::store::memory::SharedMap;
use std::time::{Duration, Instant};

/// What there is for 100,000 sessions of ten.
const MEMORY: usize = 1_800_000_000;
const PARTICIPANTS: usize = 10;
/// kB of a participant, and of a session without them.
const GOALS: [f64; 2] = [1.5, 2.0];

pub fn bytes(scale: Scale) -> Vec<Row> {
    let mut rows = many(scale);
    rows.extend(in_process(scale));
    rows.extend(over_sip(scale));
    rows
}

/// As many sessions as the goal wants.
fn many(scale: Scale) -> Vec<Row> {
    let wanted = scale.pick(100_000, 50);
    let map = SharedMap::new(MEMORY).expect("memory");
    let mut bed = Bed::new(&map, wanted);
    let made = (0..wanted).take_while(|_| bed.create(PARTICIPANTS)).count();
    vec![
        Row::new("sessions of 10 in 1.8 GB", "", &[made as f64]).goal(Goal::AtLeast(wanted as f64)),
        Row::new("what they take", "MB", &[map.used() as f64 / 1e6]),
    ]
}

/// The same store in a map of its own, with the overhead of that map's allocator.
fn in_process(scale: Scale) -> Vec<Row> {
    let sessions = scale.pick(500, 20);
    let map = SharedMap::new(1 << 28).expect("memory");
    let mut bed = Bed::new(&map, 2 * sessions);
    let mut used = vec![map.used()];
    for participants in [1, PARTICIPANTS] {
        for _ in 0..sessions {
            assert!(bed.create(participants), "there is memory for a session");
        }
        used.push(map.used());
    }
    per_piece("in the store", sessions, &used)
}

/// The same over SIP, with all that Kamailio's allocator adds.
fn over_sip(scale: Scale) -> Vec<Row> {
    let sessions = scale.pick(500, 10);
    let how = How {
        sessions: 0,
        groups: 2 * sessions,
        ..How::default()
    };
    let mut subject = Subject::module(&how);
    let mut used = vec![settled(&subject, scale)];
    for (part, participants) in [1, PARTICIPANTS].into_iter().enumerate() {
        for n in part * sessions..(part + 1) * sessions {
            let group = subject.others[n].clone();
            for k in 0..participants {
                let who = if k == 0 {
                    super::message::ALICE.into()
                } else {
                    format!("sip:participant{k}@home1.test")
                };
                subject.phones.join(&who, &group);
            }
        }
        used.push(settled(&subject, scale));
    }
    let mut rows = per_piece("over SIP", sessions, &used);

    // Whom a list invited has another history than who came by himself.
    let before = used[2];
    for _ in 0..sessions {
        subject.phones.create(PARTICIPANTS - 1);
    }
    let whole = (settled(&subject, scale) - before) as f64 / sessions as f64 / 1e3;
    rows.push(Row::new(
        "over SIP: a session of 10 made by a list, in all",
        "kB",
        &[whole],
    ));
    rows
}

/// From what is used by nothing, by sessions of one, and by those and sessions of ten.
fn per_piece(place: &str, sessions: usize, used: &[usize]) -> Vec<Row> {
    let of_one = (used[1] - used[0]) as f64 / sessions as f64 / 1e3;
    let of_ten = (used[2] - used[1]) as f64 / sessions as f64 / 1e3;
    let participant = (of_ten - of_one) / (PARTICIPANTS - 1) as f64;
    let row = |what: &str, size: f64, goal: f64| {
        Row::new(format!("{place}: {what}"), "kB", &[size]).goal(Goal::AtMost(goal))
    };
    vec![
        row("a connected participant", participant, GOALS[0]),
        row(
            "a session, without its participants",
            of_one - participant,
            GOALS[1],
        ),
    ]
}

/// Bytes in use once tm has let go of every transaction.
fn settled(subject: &Subject, scale: Scale) -> usize {
    let until = Instant::now() + scale.pick(Duration::from_secs(60), Duration::from_secs(15));
    while subject.server().figure("tm.stats", "current") > 0 {
        assert!(Instant::now() < until, "transactions end");
        std::thread::sleep(Duration::from_millis(200));
    }
    subject
        .server()
        .figure("core.shmmem", "real_used")
        .unsigned_abs() as usize
}
