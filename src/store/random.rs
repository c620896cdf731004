//! Random bits of the operating system, fetched in batches: each process has a pool of its own.
//!
//! A pool that two processes both had would give the same bits to both. So it lies in a page that the
//! kernel empties in every process that is forked (`MADV_WIPEONFORK`), whoever forks, and whenever.

use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::OnceLock;

/// How many times 128 bits are fetched at once.
const BATCH: usize = 64;

/// A whole page, so that nothing else is emptied with it. All zero is an empty pool.
#[repr(C, align(4096))]
struct Pool {
    /// A thread is in it. Kamailio's processes have one only.
    busy: AtomicBool,
    left: AtomicUsize,
    bits: [[AtomicU64; 2]; BATCH],
}

/// 128 bits of the operating system.
///
/// # Errors
/// The operating system gives none.
pub fn random_bits() -> Result<u128, getrandom::Error> {
    match Pool::of_process() {
        Some(pool) if !pool.busy.swap(true, Ordering::Acquire) => {
            let bits = pool.take();
            pool.busy.store(false, Ordering::Release);
            bits
        }
        _ => fetch::<16>().map(u128::from_ne_bytes),
    }
}

impl Pool {
    /// `None`: this kernel has no such pages.
    fn of_process() -> Option<&'static Pool> {
        static POOL: OnceLock<Option<&'static Pool>> = OnceLock::new();
        *POOL.get_or_init(Pool::map)
    }

    fn map() -> Option<&'static Pool> {
        let (size, access) = (size_of::<Pool>(), libc::PROT_READ | libc::PROT_WRITE);
        let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping changes no existing memory. It is page-aligned and all zero, which
        // is an empty pool, in this process and, by MADV_WIPEONFORK, in every one that is forked. Without
        // that it is given back, unused. Everything in it is atomic, and it is never unmapped.
        unsafe {
            let page = libc::mmap(null_mut(), size, access, kind, -1, 0);
            if page == libc::MAP_FAILED {
                return None;
            }
            if libc::madvise(page, size, libc::MADV_WIPEONFORK) != 0 {
                libc::munmap(page, size);
                return None;
            }
            page.cast::<Pool>().as_ref()
        }
    }

    /// Takes 128 bits out, which leave nothing behind. For the thread that has set `busy`.
    fn take(&self) -> Result<u128, getrandom::Error> {
        let mut left = self.left.load(Ordering::Relaxed);
        if left == 0 {
            let fresh = fetch::<{ BATCH * 16 }>()?;
            let halves = self.bits.iter().flatten();
            for (half, bytes) in halves.zip(fresh.as_chunks::<8>().0) {
                half.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
            }
            left = BATCH;
        }
        left -= 1;
        self.left.store(left, Ordering::Relaxed);
        match self.bits.get(left) {
            Some([high, low]) => {
                let high = high.swap(0, Ordering::Relaxed);
                Ok((u128::from(high) << 64) | u128::from(low.swap(0, Ordering::Relaxed)))
            }
            None => fetch::<16>().map(u128::from_ne_bytes),
        }
    }
}

fn fetch<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
