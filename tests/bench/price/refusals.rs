//! Goal 8: refusing costs less than doing.

use super::message::Kind;
use super::phones::Pace;
use super::rounds::plan;
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;

const KINDS: [(&str, Kind); 5] = [
    ("nobody is asserted", Kind::Unasserted),
    ("a stranger", Kind::Stranger),
    ("the list cannot be read", Kind::BrokenList),
    ("the list is too long", Kind::HugeList),
    ("no such focus", Kind::UnknownFocus),
];

pub fn cpu(scale: Scale) -> Vec<Row> {
    let refers = scale.pick(1_000, 20);
    let mut accepting = Subject::module(&How::default());
    let mut refusing = Subject::module(&How::default());
    let mut accepted = Vec::new();
    let mut refused = KINDS.map(|_| Vec::new());
    for round in 0..=scale.pick(7, 1) {
        let cost = |subject: &mut Subject, kind: Kind, of: &mut Vec<f64>| {
            let before = subject.cpu();
            let mut plan = plan(kind, refers);
            if kind == Kind::HugeList {
                // As many as a socket has room for.
                plan.pace = Pace::Window(4);
            }
            let done = subject.run(plan);
            match kind {
                Kind::Accepted(_) => done.all_completed(),
                _ => assert!(
                    done.flights.iter().all(|f| f.refused()),
                    "{kind:?} is refused"
                ),
            }
            // The first round warms up.
            if round > 0 {
                of.push((subject.cpu() - before) as f64 / 1e3 / refers as f64);
            }
        };
        cost(&mut accepting, Kind::Accepted(1), &mut accepted);
        for ((_, kind), costs) in KINDS.iter().zip(&mut refused) {
            cost(&mut refusing, *kind, costs);
        }
    }
    let mut rows = vec![Row::new("accepted, one target", "µs", &accepted)];
    for ((why, _), costs) in KINDS.iter().zip(&refused) {
        let row = Row::new(format!("refused: {why}"), "µs", costs).compared(costs, &accepted);
        rows.push(row.goal(Goal::Ratio(1.0)));
    }
    rows
}
