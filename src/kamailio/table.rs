//! The tables that a module hands to Kamailio, and the functions in them.

use std::cell::UnsafeCell;
use std::mem::size_of;

/// A table of Kamailio's: entries and the zeroed one that closes it.
#[repr(C)]
pub struct Table<T, const N: usize> {
    entries: UnsafeCell<[T; N]>,
    end: UnsafeCell<T>,
}

// SAFETY: written by nobody after it was built; Kamailio reads it in its single thread.
unsafe impl<T, const N: usize> Sync for Table<T, N> {}

impl<T, const N: usize> Table<T, N> {
    pub(super) const fn with_end(entries: [T; N], end: T) -> Table<T, N> {
        Table {
            entries: UnsafeCell::new(entries),
            end: UnsafeCell::new(end),
        }
    }

    pub(super) const fn as_ptr(&self) -> *mut T {
        self.entries.get().cast()
    }
}

/// A function item by its type alone: C calls an entry that has no place for anything else.
pub(super) fn function_item<F: Copy>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "only function items fit into a table of Kamailio"
        )
    };
    // SAFETY: zero-sized and Copy, and a value of the type was handed to the table's constructor.
    unsafe { std::mem::zeroed() }
}
