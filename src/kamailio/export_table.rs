//! The tables that a module hands to Kamailio, and the functions in them.

use std::cell::UnsafeCell;
use std::mem::size_of;

/// A table of entries that ends with a zeroed one, as Kamailio expects it.
#[repr(C)]
pub struct Table<T, const N: usize> {
    entries: UnsafeCell<[T; N]>,
    end: UnsafeCell<T>,
}

// SAFETY: nobody writes to a table after it was built, and Kamailio has a single thread.
unsafe impl<T, const N: usize> Sync for Table<T, N> {}

impl<T, const N: usize> Table<T, N> {
    /// A table of `entries`, which ends with `end`.
    pub(super) const fn with_end(entries: [T; N], end: T) -> Table<T, N> {
        Table {
            entries: UnsafeCell::new(entries),
            end: UnsafeCell::new(end),
        }
    }

    /// The first entry.
    pub(super) const fn as_ptr(&self) -> *mut T {
        self.entries.get().cast()
    }
}

/// The function whose type is `F`.
///
/// Each function item and each closure without captures has a type of its own without a size, so the type
/// is enough to have the function. C calls a plain function pointer, which has room for nothing else.
pub(super) fn function_item<F: Copy>() -> F {
    const {
        assert!(
            size_of::<F>() == 0,
            "only function items fit into a table of Kamailio"
        )
    };
    // SAFETY: the type has no size and is Copy, and the constructor of the entry got a value of it.
    unsafe { std::mem::zeroed() }
}
