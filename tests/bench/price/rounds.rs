//! Rounds of the same load on several servers in turn, so that what else the machine does meets them alike.

use super::message::Kind;
use super::phones::{Pace, Plan};
use super::subject::Subject;
use super::Scale;
use std::time::Duration;

/// Unfinished REFERs at a time. It keeps the workers busy and no queue full.
pub const WINDOW: usize = 16;
/// tm lets go of a finished transaction after wt_timer, 5 s: that is part of the price.
const LET_GO: Duration = Duration::from_millis(6_000);

/// So many REFERs of that kind, as fast as they are finished.
pub fn plan(kind: Kind, refers: usize) -> Plan {
    Plan {
        kind,
        refers,
        pace: Pace::Window(WINDOW),
    }
}

/// CPU time per REFER, µs, of each server in each round. What a server does from the beginning of one of its rounds to
/// that of the next is that round's. Every REFER has to be completed.
pub fn alternate(subjects: &mut [Subject], plans: &[Plan], scale: Scale) -> Vec<Vec<f64>> {
    let mut marks: Vec<Vec<u64>> = vec![Vec::new(); subjects.len()];
    // The first round warms up.
    for _ in 0..=scale.pick(7, 1) {
        for ((subject, plan), marks) in subjects.iter_mut().zip(plans).zip(&mut marks) {
            marks.push(subject.cpu());
            subject.run(*plan).all_completed();
        }
    }
    std::thread::sleep(scale.pick(LET_GO, Duration::ZERO));
    for (subject, marks) in subjects.iter().zip(&mut marks) {
        marks.push(subject.cpu());
    }
    let per_refer = |marks: &Vec<u64>, plan: &Plan| -> Vec<f64> {
        let rounds = marks.windows(2).skip(1);
        rounds
            .map(|m| (m[1] - m[0]) as f64 / 1e3 / plan.refers as f64)
            .collect()
    };
    marks
        .iter()
        .zip(plans)
        .map(|(marks, plan)| per_refer(marks, plan))
        .collect()
}
