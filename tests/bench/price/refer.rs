//! Goal 1: what a REFER costs, compared with a bare routing script that sends the same messages.

use super::message::Kind;
use super::phones::{Pace, Plan};
use super::rounds::{alternate, plan};
use super::subject::{How, Subject};
use super::table::{Goal, Row};
use super::Scale;

pub fn cpu(scale: Scale) -> Vec<Row> {
    let busy = plan(Kind::Accepted(1), scale.pick(1_000, 20));
    let mut rows = Vec::new();
    for memory_manager in ["tlsf", "fm", "qm"] {
        let how = How {
            memory_manager,
            ..How::default()
        };
        let mut subjects = vec![Subject::script(&how), Subject::module(&how)];
        if memory_manager == "tlsf" {
            subjects.push(Subject::module(&How {
                compared: false,
                ..how
            }));
        }
        let plans = vec![busy; subjects.len()];
        let costs = alternate(&mut subjects, &plans, scale);
        rows.push(Row::new(
            format!("script, {memory_manager}"),
            "µs",
            &costs[0],
        ));
        for (n, cost) in costs.iter().enumerate().skip(1) {
            let settings = if n == 2 { ", settings as shipped" } else { "" };
            let row = Row::new(format!("module, {memory_manager}{settings}"), "µs", cost)
                .compared(cost, &costs[0]);
            rows.push(if memory_manager == "tlsf" {
                row.goal(Goal::Ratio(1.3))
            } else {
                row
            });
        }
        if memory_manager == "tlsf" {
            // Workers that sleep between two messages: waking up costs both the same.
            subjects.truncate(2);
            let calm = Plan {
                pace: Pace::Window(1),
                refers: scale.pick(300, 20),
                ..busy
            };
            let costs = alternate(&mut subjects, &[calm, calm], scale);
            rows.push(Row::new(
                "script, tlsf, one REFER at a time",
                "µs",
                &costs[0],
            ));
            let row = Row::new("module, tlsf, one REFER at a time", "µs", &costs[1]);
            rows.push(row.compared(&costs[1], &costs[0]));
        }
    }
    rows
}
