//! What needs nothing but the crate: the domain on a virtual clock, the rules of the house, the kit itself.
//! Not here: a fork (`tests/store`), a Kamailio (`tests/server`).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

mod flows;
mod house;
#[path = "../kit/mod.rs"]
mod kit;
mod kit_selftest;
