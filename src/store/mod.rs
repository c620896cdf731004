//! Shared state of forked processes: encoded records, their locks and deadlines, a job queue, and trails.
//! Not here: what the bytes mean (`cpm`), and Kamailio's own allocator (`module` hands it in as a [`memory::Memory`]).
//!
//! Everything is created before the processes are forked, in memory that all of them have at the same
//! address. The death of any process takes the whole server down, so locks are not robust; a panic that
//! unwinds through a guard releases it and leaves the old state.
//!
//! Lock order: anchor lock, then one leaf lock (hash bucket, timing wheel, queue, ring), then the allocator's.
//! Never two anchors at once, never two leaf locks at once, no allocation under a leaf lock.

pub mod engine;
mod futex;
pub mod lock;
pub mod memory;
pub mod queue;
pub mod ring;
pub mod unit;
