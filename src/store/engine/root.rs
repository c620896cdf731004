//! The engine's first block: where everything else is found.

use super::layout::{KeyNode, List, Record};
use super::table::Table;
use super::wheel::Wheel;
use crate::store::lock::Lock;
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::sync::atomic::{AtomicU64, AtomicUsize};

/// The engine's first block. Written once before the fork; what changes is atomic or has its own lock.
#[repr(C)]
pub(super) struct Root {
    /// The next serial to hand out.
    pub serial: AtomicU64,
    pub hash_key: [u64; 2],
    pub anchors: *mut AnchorCell,
    pub anchor_mask: u32,
    pub records: Table<Record>,
    pub keys: Table<KeyNode>,
    pub wheel: Wheel,
    pub record_count: AtomicUsize,
    pub key_count: AtomicUsize,
    pub bytes: AtomicUsize,
}

/// One session lock and the records without parent that it guards, in serial order.
/// A cache line long, so that neighbours do not disturb each other.
#[repr(C)]
pub(super) struct AnchorCell {
    pub lock: Lock,
    pub roots: UnsafeCell<List>,
    pub pad: [u64; 5],
}

const _: () = assert!(size_of::<AnchorCell>() == 64);
