//! Goal 7: three times what the server can do. What is too much is refused early, and what was accepted is finished.

use super::latency::{capacity, steady};
use super::subject::{How, Subject};
use super::table::{median, share, Goal, Row};
use super::Scale;
use crate::kit::Transport;
use std::time::Duration;

/// How long the server has to recover.
const AFTER: Duration = Duration::from_secs(5);
/// A wait that is always good enough, ms.
const SHORT: f64 = 5.0;

pub fn all(scale: Scale) -> Vec<Row> {
    [Transport::Udp, Transport::Tcp]
        .into_iter()
        .flat_map(|transport| over(transport, scale))
        .collect()
}

fn over(transport: Transport, scale: Scale) -> Vec<Row> {
    let how = How {
        transport,
        shm_mb: 2_048,
        ..How::default()
    };
    let mut subject = Subject::module(&how);
    let able = capacity(&mut subject, scale);
    let able_median = median(&able);
    let half = |subject: &mut Subject| {
        let done = steady(subject, able_median / 2.0, scale.pick(5.0, 0.3));
        share(&done.waits(|f| f.accepted()), 0.99)
    };
    let before = half(&mut subject);
    let seconds = scale.pick(30.0, 0.5);
    let done = steady(&mut subject, 3.0 * able_median, seconds);
    subject.phones.idle(scale.pick(AFTER, Duration::ZERO));
    let after = half(&mut subject);

    let all = done.flights.len() as f64;
    let count = |of: &dyn Fn(&super::phones::Flight) -> bool| {
        done.flights.iter().filter(|f| of(f)).count() as f64
    };
    let completed = done.completed() as f64;
    let refused = count(&|f| f.refused());
    let polite = count(&|f| f.refused() && f.retry_after);
    let unfinished = count(&|f| f.accepted()) - completed;
    let unanswered = count(&|f| f.answer.is_none());
    let name = |what: &str| {
        format!(
            "{}: {what}",
            if transport == Transport::Udp {
                "UDP"
            } else {
                "TCP"
            }
        )
    };
    let rate = completed / done.time.as_secs_f64().max(seconds);
    let mut rows = vec![
        Row::new(name("completed per second, as many as it can"), "/s", &able),
        Row::new(
            name("completed per second under three times that"),
            "/s",
            &[rate],
        )
        .ratio(rate / able_median)
        .goal(Goal::RatioAtLeast(0.8)),
        Row::new(name("accepted and not finished"), "", &[unfinished]).goal(Goal::AtMost(0.0)),
        Row::new(
            name("never answered, of all"),
            "%",
            &[unanswered / all * 100.0],
        )
        .goal(Goal::AtMost(1.0)),
        Row::new(name("refused, of all"), "%", &[refused / all * 100.0]),
    ];
    if refused > 0.0 {
        let waits = done.waits(|f| f.refused());
        let with = polite / refused * 100.0;
        rows.push(
            Row::new(name("refusals with Retry-After"), "%", &[with]).goal(Goal::AtLeast(100.0)),
        );
        rows.push(Row::new(
            name("REFER to its refusal: median"),
            "ms",
            &[share(&waits, 0.5)],
        ));
        rows.push(Row::new(
            name("REFER to its refusal: 99 %"),
            "ms",
            &[share(&waits, 0.99)],
        ));
    }
    let waits = done.waits(|f| f.accepted());
    if !waits.is_empty() {
        rows.push(Row::new(
            name("REFER to 2xx during it: 99 %"),
            "ms",
            &[share(&waits, 0.99)],
        ));
    }
    rows.push(Row::new(
        name("REFER to 2xx before, at half: 99 %"),
        "ms",
        &[before],
    ));
    let limit = SHORT.max(2.0 * before);
    rows.push(
        Row::new(
            name("REFER to 2xx 5 s later, at half: 99 %"),
            "ms",
            &[after],
        )
        .goal(Goal::AtMost(limit)),
    );
    rows
}
