//! The engine's first block, from which everything else is reached.

use super::hash_table::Table;
use super::layout::{KeyNode, List, Record};
use super::timer_wheel::Wheel;
use crate::store::lock::Lock;
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The engine's first block, written once before the fork. What changes later is atomic or has a lock of
/// its own.
#[repr(C)]
pub(super) struct Root {
    /// The next serial to hand out.
    pub serial: AtomicU64,
    /// The secret of the hash of names, random in each server.
    pub hash_key: [u64; 2],
    /// A block of `anchor_mask + 1` cells.
    pub anchors: *mut AnchorCell,
    /// How many anchors there are, a power of two, minus one.
    pub anchor_mask: u32,
    /// All records by identity.
    pub records: Table<Record>,
    /// All keys.
    pub keys: Table<KeyNode>,
    /// All deadlines.
    pub wheel: Wheel,
    /// How many records there are.
    pub record_count: AtomicUsize,
    /// How many keys there are.
    pub key_count: AtomicUsize,
    /// Bytes of records, bodies and keys.
    pub bytes: AtomicUsize,
}

/// One anchor: a lock, and the roots of the families that it guards.
///
/// It fills a cache line, so that processes with neighbouring anchors do not slow each other down.
#[repr(C)]
pub(super) struct AnchorCell {
    /// Guards the families of this anchor.
    pub lock: Lock,
    /// The roots in order of their serials.
    pub roots: UnsafeCell<List>,
    /// Fills the cache line.
    pub pad: [u64; 5],
}

const _: () = assert!(size_of::<AnchorCell>() == 64);
