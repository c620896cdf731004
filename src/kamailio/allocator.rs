//! What the module allocates for itself, in each process: mimalloc. Kamailio's own memory is not concerned.
//!
//! A message takes hundreds of allocations, for which the C library's allocator took a fourth of all instructions.
//! The crate `mimalloc` asks for every block by its alignment, which is the slow way into the library and cost
//! half of that again: hence this wrapper. It is loaded by `dlopen`, so it must not ask for static TLS (feature
//! `local_dynamic_tls`).

use std::alloc::{GlobalAlloc, Layout};

use libmimalloc_sys::{
    mi_free, mi_malloc, mi_malloc_aligned, mi_realloc, mi_realloc_aligned, mi_zalloc,
    mi_zalloc_aligned,
};

/// The allocator of this library.
pub struct Allocator;

/// Every block of at least that many bytes is aligned to it, smaller ones to their size rounded down to a power
/// of two (mimalloc's `MI_MAX_ALIGN_SIZE`).
const ALIGNED: usize = 16;

/// Whether a block of this layout is aligned without being asked for it.
fn is_ordinary(layout: Layout, size: usize) -> bool {
    layout.align() <= ALIGNED && layout.align() <= size
}

// SAFETY: mimalloc's functions keep what `GlobalAlloc` asks for: blocks do not overlap, are as large as asked for,
// and are null when there is no memory. `is_ordinary` says when alignment comes by itself. A block may be given back
// and changed in size whichever function it came from.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: any size is valid, and so is the alignment of a layout.
        unsafe {
            match is_ordinary(layout, size) {
                true => mi_malloc(size).cast(),
                false => mi_malloc_aligned(size, align).cast(),
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as in `alloc`.
        unsafe {
            match is_ordinary(layout, size) {
                true => mi_zalloc(size).cast(),
                false => mi_zalloc_aligned(size, align).cast(),
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _layout: Layout) {
        // SAFETY: the caller promises that the block came from here and is used no more.
        unsafe { mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let align = layout.align();
        // SAFETY: as in `dealloc`.
        unsafe {
            match is_ordinary(layout, size) {
                true => mi_realloc(block.cast(), size).cast(),
                false => mi_realloc_aligned(block.cast(), size, align).cast(),
            }
        }
    }
}
