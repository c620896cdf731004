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
    let [short, long] = scale.pick([50, 250], [5, 10]);
    // What start and end take is the same in a long run and in a short one.
    let of = |start: fn(&How) -> Subject| {
        let runs = [short, long].map(|refers| thread::spawn(move || run(start, refers, scale)));
        let [short_run, long_run] = runs.map(|run| run.join().expect("a run under callgrind"));
        (long_run - short_run) / (long - short) as f64 / 1e3
    };
    let (script, module) = (of(Subject::script), of(Subject::module));
    vec![
        Row::new("script", "k", &[script]),
        Row::new("module", "k", &[module])
            .ratio(module / script)
            .goal(Goal::AtMost(GOAL)),
    ]
}

/// Instructions of all processes of a server, from its start to its end.
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
    let launcher = subject.stop();
    let counts = launcher.counts();
    assert!(
        counts.len() > 4,
        "every process of the server has its count: {counts:?}"
    );
    counts.iter().sum()
}
