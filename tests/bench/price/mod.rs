//! What is measured, goal by goal, and how much is done for it.

mod bed;
mod flat;
mod idle;
mod instructions;
mod latency;
mod launcher;
mod lists;
mod memory;
mod message;
mod overload;
mod phones;
mod refer;
mod refusals;
mod rounds;
mod subject;
mod table;
mod wire;

use table::Row;

/// How much is done for a figure.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Enough for one that repeats.
    Full,
    /// Enough for there to be one, as a test.
    Smoke,
}

impl Scale {
    pub fn pick<T>(self, full: T, smoke: T) -> T {
        match self {
            Scale::Full => full,
            Scale::Smoke => smoke,
        }
    }
}

type Measure = fn(Scale) -> Vec<Row>;

/// The goals, as they are named on the command line, and what measures each.
pub const GOALS: [(&str, &str, Measure); 9] = [
    (
        "refer",
        "CPU time of the server per REFER, module and bare routing script",
        refer::cpu,
    ),
    (
        "instructions",
        "user instructions of the server per REFER, by callgrind",
        instructions::counted,
    ),
    (
        "lists",
        "CPU time of the server per target of a list",
        lists::cpu,
    ),
    (
        "flat",
        "CPU time per event, whatever else is there",
        flat::cpu,
    ),
    ("memory", "shared memory, transactions aside", memory::bytes),
    ("latency", "what a phone waits for", latency::waits),
    (
        "idle",
        "CPU time of a server that has nothing to do",
        idle::cpu,
    ),
    (
        "refusals",
        "CPU time of the server per refused REFER",
        refusals::cpu,
    ),
    (
        "overload",
        "three times the capacity, for 30 s",
        overload::all,
    ),
];

/// Measures the goals whose name holds one of those words, or all, and prints the table.
pub fn print(scale: Scale, wanted: &[String]) {
    let chosen = |name: &str| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str()));
    table::print_head();
    let mut missed = 0;
    for (name, title, measure) in GOALS {
        if chosen(name) {
            println!("\n{name}: {title}");
            // What cannot be measured has said why, and must not cost the others their figures.
            let Ok(rows) = std::panic::catch_unwind(|| measure(scale)) else {
                println!("{name} could not be measured");
                missed += 1;
                continue;
            };
            for row in rows {
                println!("{row}");
                missed += usize::from(row.met() == Some(false));
            }
        }
    }
    println!("\ngoals missed: {missed}");
}
