//! The price of a REFER, and whether the goals for it are met: `./tests/run.sh bench [GOAL…]` prints one table.
//! Not here: any check of what is right; that is what tests are for.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[path = "../../kit/mod.rs"]
mod kit;
#[path = "mod.rs"]
mod price;

use price::Scale;

fn main() {
    // cargo adds `--bench`.
    let mut wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    // Whether everything can be measured, in seconds: the figures say little.
    let scale = match wanted.first().is_some_and(|word| word == "smoke") {
        true => Scale::Smoke,
        false => Scale::Full,
    };
    wanted.retain(|word| word != "smoke");
    price::print(scale, &wanted);
}
