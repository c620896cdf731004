//! The store among real processes: only what needs several address spaces.
//! Not here: the logic of the engine, which its unit tests have.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

mod locks;
mod processes;
mod queue;
mod random;
mod records;
mod trails;
mod turns;
