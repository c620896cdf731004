//! Goal 2: what a target of a list costs, compared with a REFER that has one.

use super::message::Kind;
use super::phones::{Pace, Plan};
use super::rounds::{alternate, plan};
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;

/// Unfinished lists at a time: their INVITEs have room in a socket.
const LISTS: usize = 2;

pub fn cpu(scale: Scale) -> Vec<Row> {
    let targets = scale.pick(1_000, 20);
    let lengths = scale.pick([1, 10, 50], [1, 2, 10]);
    let mut subjects = lengths.map(|_| Subject::module(&How::default()));
    let plans = lengths.map(|length| match length {
        1 => plan(Kind::Accepted(1), targets),
        _ => Plan {
            kind: Kind::Accepted(length),
            refers: targets / length,
            pace: Pace::Window(LISTS),
        },
    });
    let costs = alternate(&mut subjects, &plans, scale);
    let per_target =
        |n: usize| -> Vec<f64> { costs[n].iter().map(|c| c / lengths[n] as f64).collect() };
    let one = per_target(0);
    let mut rows = vec![Row::new("REFER with one target", "µs", &one)];
    for (n, length) in lengths.iter().enumerate().skip(1) {
        let cost = per_target(n);
        let row =
            Row::new(format!("list of {length}, per target"), "µs", &cost).compared(&cost, &one);
        rows.push(if n == 2 {
            row.goal(Goal::Ratio(1.0))
        } else {
            row
        });
    }
    rows
}
