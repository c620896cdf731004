//! Goal 1 once more, in instructions: they repeat where times do not. The whole server runs under callgrind.

use super::message::Kind;
use super::phones::{Pace, Plan};
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;
use std::thread;
use std::time::Duration;

/// Most user instructions per REFER.
const GOAL: f64 = 400.0;
/// In this time tm lets go of its transactions.
const LET_GO: Duration = Duration::from_secs(7);

pub fn counted(scale: Scale) -> Vec<Row> {
    let module = thread::spawn(move || per_refer(Subject::module, scale));
    let script = per_refer(Subject::script, scale);
    let module = module.join().expect("the module under callgrind");
    vec![
        Row::new("script", "k", &[script]),
        Row::new("module", "k", &[module])
            .ratio(module / script)
            .goal(Goal::AtMost(GOAL)),
    ]
}

/// Thousands of instructions of all processes. What start and end take is the same in a long run and in a short one.
fn per_refer(start: fn(&How) -> Subject, scale: Scale) -> f64 {
    let [short, long] = scale.pick([20, 220], [0, 3]);
    // A test has no time for another start.
    let less = if short > 0 {
        run(start, short, scale)
    } else {
        0.0
    };
    (run(start, long, scale) - less) / (long - short) as f64 / 1e3
}

fn run(start: fn(&How) -> Subject, refers: usize, scale: Scale) -> f64 {
    let mut subject = start(&How {
        workers: 1,
        sessions: 1,
        shm_mb: 128,
        callgrind: true,
        ..How::default()
    });
    // One at a time, and no waits: a REFER that takes long has more NOTIFYs.
    let plan = Plan {
        kind: Kind::Accepted(1),
        refers,
        pace: Pace::Window(1),
    };
    subject.run(plan).all_completed();
    subject.phones.idle(scale.pick(LET_GO, Duration::ZERO));
    let processes = subject.processes().len();
    let counts = subject.instructions();
    // The shell that started them counts nothing.
    assert!(
        counts.len() + 1 >= processes,
        "each of {processes} processes has counted: {counts:?}"
    );
    counts.iter().sum()
}
