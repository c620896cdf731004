//! The benchmarks measure something: each goal with tiny numbers. What the figures are does not matter here.

#[allow(dead_code)] // The table is printed by the benchmark.
#[path = "../bench/price/mod.rs"]
mod measures;

use measures::{Scale, GOALS};

/// Every row has figures, and every REFER that they were made of was completed; else the measure panics.
fn has_figures(goal: &str) {
    let (_, _, measure) = GOALS
        .iter()
        .find(|(name, ..)| *name == goal)
        .expect("a goal of the benchmarks");
    let rows = measure(Scale::Smoke);
    assert!(rows.len() > 1, "{goal} has rows");
    for row in rows {
        println!("{row}");
    }
}

macro_rules! measured {
    ($($goal:ident)*) => {
        $(#[test]
        fn $goal() {
            has_figures(stringify!($goal));
        })*

        #[test]
        fn every_goal_is_tried() {
            let tried = [$(stringify!($goal)),*];
            assert_eq!(GOALS.map(|(name, ..)| name), tried);
        }
    };
}

measured!(refer instructions lists flat memory latency idle refusals overload);
