//! Goal 5: what a phone waits for, at half of what the server can do.

use super::message::Kind;
use super::phones::{Outcome, Pace, Plan};
use super::subject::{How, Subject};
use super::table::{share, Goal, Row};
use super::Scale;
use crate::kit::Transport;

/// Unfinished REFERs at a time of a load that leaves the server no rest.
const FULL: usize = 64;

pub fn waits(scale: Scale) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut subject = Subject::module(&How::default());
    let capacity = capacity(&mut subject, scale);
    let what = "REFERs completed per second, as many as it can";
    rows.push(Row::new(what, "/s", &capacity));
    let half = steady(&mut subject, rows[0].median() / 2.0, scale.pick(8.0, 0.3));
    let lost = (half.flights.len() - half.completed()) as f64;
    rows.push(Row::new("not completed at half of that", "", &[lost]).goal(Goal::AtMost(0.0)));
    let waits = half.waits(|f| f.accepted());
    rows.push(Row::new(
        "REFER to 2xx at half of that: median",
        "ms",
        &[share(&waits, 0.5)],
    ));
    rows.push(
        Row::new(
            "REFER to 2xx at half of that: 99 %",
            "ms",
            &[share(&waits, 0.99)],
        )
        .goal(Goal::AtMost(5.0)),
    );
    drop(subject);

    let targets = scale.pick(100, 10);
    let how = How {
        transport: Transport::Tcp,
        ..How::default()
    };
    let mut subject = Subject::module(&how);
    let list = Plan {
        kind: Kind::Accepted(targets),
        refers: 1,
        pace: Pace::Window(1),
    };
    subject.run(list).all_completed();
    let last: Vec<f64> = (0..scale.pick(20, 1))
        .map(|_| {
            let done = subject.run(list);
            done.all_completed();
            done.flights[0].last_invite.as_secs_f64() * 1e3
        })
        .collect();
    let row = Row::new(
        format!("REFER to the last INVITE of a list of {targets}, TCP"),
        "ms",
        &last,
    );
    rows.push(row.goal(Goal::AtMost(20.0)));
    rows
}

/// REFERs completed per second, some times.
pub fn capacity(subject: &mut Subject, scale: Scale) -> Vec<f64> {
    let all = Plan {
        kind: Kind::Accepted(1),
        refers: scale.pick(1_500, 40),
        pace: Pace::Window(FULL),
    };
    subject.run(all);
    (0..scale.pick(3, 1))
        .map(|_| {
            let done = subject.run(all);
            done.all_completed();
            done.flights.len() as f64 / done.time.as_secs_f64()
        })
        .collect()
}

/// REFERs at that rate, whatever comes back.
pub fn steady(subject: &mut Subject, rate: f64, seconds: f64) -> Outcome {
    subject.run(Plan {
        kind: Kind::Accepted(1),
        refers: (rate * seconds) as usize,
        pace: Pace::Rate(rate),
    })
}
