//! State shared by forked processes: encoded records with locks and deadlines, a job queue, trails, and rates.
//! Beside it, random bits that no two of them share.
//!
//! Everything is created before the fork, in memory that all processes have at the same address.
//! Only bytes and plain structs lie there: nothing points into the heap of a process or has a `Drop`.
//!
//! A panic that unwinds through a lock guard releases the lock and leaves the old state. A process that
//! dies with a lock leaves it locked. That is acceptable because Kamailio ends the whole server then.
//!
//! Lock order: an anchor's lock, then one leaf lock (hash bucket, timing wheel, queue, ring or table), then the
//! allocator's. A process never holds two anchors or two leaf locks, and never allocates under a leaf
//! lock.

pub mod alarm;
pub mod engine;
mod futex;
pub mod lock;
pub mod memory;
pub mod queue;
pub mod random;
pub mod ring;
pub mod sessions;
pub mod shared_table;
pub mod turns;
