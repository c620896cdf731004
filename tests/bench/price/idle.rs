//! Goal 6: what the module takes while nothing happens.

use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;
use std::time::{Duration, Instant};

pub fn cpu(scale: Scale) -> Vec<Row> {
    // As many processes as shipped; a session waits for its timers.
    let how = How {
        workers: 4,
        sessions: 1,
        compared: false,
        ..How::default()
    };
    let subjects = [Subject::module(&how), Subject::script(&how)];
    std::thread::sleep(scale.pick(Duration::from_secs(6), Duration::ZERO));
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..scale.pick(5, 1) {
        let (begun, before) = (Instant::now(), subjects.each_ref().map(Subject::cpu));
        std::thread::sleep(scale.pick(Duration::from_secs(4), Duration::from_millis(500)));
        let (time, after) = (begun.elapsed(), subjects.each_ref().map(Subject::cpu));
        for n in 0..2 {
            costs[n].push((after[n] - before[n]) as f64 / 1e6 / time.as_secs_f64());
        }
    }
    let own: Vec<f64> = costs[0]
        .iter()
        .zip(&costs[1])
        .map(|(with, without)| with - without)
        .collect();
    vec![
        Row::new("Kamailio without the module", "ms/s", &costs[1]),
        Row::new("Kamailio with the module", "ms/s", &costs[0]),
        Row::new("the module's own", "ms/s", &own).goal(Goal::AtMost(0.3)),
    ]
}
