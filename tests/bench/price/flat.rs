//! Goal 3: an event costs the same however many sessions, groups and participants there are.

use super::bed::Bed;
use super::message::Kind;
use super::phones::{Pace, Plan};
use super::rounds::{alternate, plan};
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;
use cpm::store::memory::SharedMap;

pub fn cpu(scale: Scale) -> Vec<Row> {
    let mut rows = by_sessions_in_process(scale);
    rows.extend(by_sessions(scale));
    rows.extend(by_groups(scale));
    rows.extend(by_participants(scale));
    rows
}

/// Through the module's store, without Kamailio: more sessions than SIP makes in a reasonable time.
fn by_sessions_in_process(scale: Scale) -> Vec<Row> {
    let sizes = scale.pick([10, 100_000], [2, 20]);
    let maps = sizes.map(|_| SharedMap::new(scale.pick(1 << 30, 1 << 26)).expect("memory"));
    let beds = maps
        .iter()
        .zip(sizes)
        .map(|(map, sessions)| Bed::new(map, sessions));
    let mut beds: Vec<Bed<'_>> = beds.collect();
    for (bed, sessions) in beds.iter_mut().zip(sizes) {
        for _ in 0..sessions {
            assert!(bed.create(1), "there is memory for a session");
        }
    }
    let events = scale.pick(20_000, 20);
    let mut costs = [Vec::new(), Vec::new()];
    for round in 0..=scale.pick(9, 1) {
        for (bed, cost) in beds.iter_mut().zip(&mut costs) {
            let time = bed.update(events);
            if round > 0 {
                cost.push(time.as_secs_f64() * 1e6 / events as f64);
            }
        }
    }
    compared("UPDATE, sessions in the store", sizes, &costs, 1.1)
}

fn by_sessions(scale: Scale) -> Vec<Row> {
    let sizes = scale.pick([10, 2_000], [2, 10]);
    let mut subjects = sizes.map(|_| {
        Subject::module(&How {
            sessions: 0,
            ..How::default()
        })
    });
    for (subject, sessions) in subjects.iter_mut().zip(sizes) {
        for _ in 0..sessions {
            let focus = subject.phones.create(2);
            subject.phones.focuses.push(focus);
        }
    }
    let plan = plan(Kind::Accepted(1), scale.pick(1_000, 20));
    let costs = alternate(&mut subjects, &[plan, plan], scale);
    compared("REFER, live sessions", sizes, &costs, 1.1)
}

fn by_groups(scale: Scale) -> Vec<Row> {
    let sizes = scale.pick([50, 5_000], [5, 50]);
    let mut subjects = sizes.map(|groups| {
        Subject::module(&How {
            groups,
            ..How::default()
        })
    });
    let plan = plan(Kind::Accepted(1), scale.pick(1_000, 20));
    let costs = alternate(&mut subjects, &[plan, plan], scale);
    compared("REFER, groups", sizes, &costs, 1.1)
}

/// The targets decline, so that the sessions stay as big as they are.
fn by_participants(scale: Scale) -> Vec<Row> {
    let sizes = scale.pick([3, 300], [3, 30]);
    let mut subjects = sizes.map(|_| {
        Subject::module(&How {
            sessions: 1,
            ..How::default()
        })
    });
    for (subject, participants) in subjects.iter_mut().zip(sizes) {
        let all = Plan {
            kind: Kind::Accepted(1),
            // One is there already.
            refers: participants - 1,
            pace: Pace::Window(4),
        };
        subject.run(all).all_completed();
    }
    let plan = plan(Kind::Declined, scale.pick(1_000, 20));
    let costs = alternate(&mut subjects, &[plan, plan], scale);
    compared("REFER, participants", sizes, &costs, 1.2)
}

fn compared(what: &str, sizes: [usize; 2], costs: &[Vec<f64>], goal: f64) -> Vec<Row> {
    let row = |n: usize| Row::new(format!("{what}: {}", sizes[n]), "µs", &costs[n]);
    vec![
        row(0),
        row(1)
            .compared(&costs[1], &costs[0])
            .goal(Goal::Ratio(goal)),
    ]
}
