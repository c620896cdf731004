//! The store among real processes, which need several address spaces, and the domain over it while memory runs out.
//! Not here: the logic of the engine, which its unit tests have.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

mod allocations;
mod locks;
mod processes;
mod queue;
mod random;
mod records;
mod trails;
mod turns;
