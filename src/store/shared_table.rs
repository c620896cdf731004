//! A fixed number of plain values behind one lock, the same in all processes.

use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::ptr::NonNull;
use std::slice::from_raw_parts_mut;

use super::engine::StoreError;
use super::lock::Lock;
use super::memory::{Block, Memory, ALIGNMENT};

/// A handle to a table. All copies are the same table.
///
/// Process: create it before the fork; any process may use it. Lock: its own leaf lock, held as long as the
/// function that is given to [`SharedTable::locked`] runs. Memory: shared, all of it allocated at creation.
pub struct SharedTable<M: Memory, T: Copy + Default> {
    memory: M,
    start: NonNull<u8>,
    length: usize,
    values: PhantomData<T>,
}

impl<M: Memory, T: Copy + Default> Clone for SharedTable<M, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Memory, T: Copy + Default> Copy for SharedTable<M, T> {}

// SAFETY: the values are guarded by the lock, which works between threads as it does between processes. The
// rest is constant.
unsafe impl<M: Memory + Send, T: Copy + Default + Send> Send for SharedTable<M, T> {}
// SAFETY: as above.
unsafe impl<M: Memory + Sync, T: Copy + Default + Send> Sync for SharedTable<M, T> {}

impl<M: Memory, T: Copy + Default + 'static> SharedTable<M, T> {
    /// Where the values begin in the block, in bytes. The lock stands before them.
    const VALUES: usize = {
        assert!(align_of::<T>() <= ALIGNMENT && size_of::<Lock>() <= ALIGNMENT);
        ALIGNMENT
    };

    /// A table of so many default values. `T` must not point to anything.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn create(memory: M, length: usize) -> Result<Self, StoreError> {
        let size = Self::size(length).ok_or(StoreError::Full)?;
        let block = Block::new(memory, size).ok_or(StoreError::Full)?;
        let start = block.keep();
        // SAFETY: the block has room for the lock and `length` values behind it, is aligned for both, and
        // nobody else knows it.
        unsafe {
            start.cast::<Lock>().write(Lock::new());
            let values = start.add(Self::VALUES).cast::<T>();
            for at in 0..length {
                values.add(at).write(T::default());
            }
        }
        Ok(SharedTable {
            memory,
            start,
            length,
            values: PhantomData,
        })
    }

    /// Releases its memory. Takes no lock.
    ///
    /// # Safety
    /// No process uses a copy of this table any more.
    pub unsafe fn destroy(self) {
        let size = Self::size(self.length).unwrap_or(0);
        // SAFETY: `create` allocated exactly this, from this memory. By the caller's promise nobody else
        // uses it.
        unsafe { drop(Block::adopt(self.memory, self.start, size)) };
    }

    /// Calls `f` with the values while no other process has them. `f` must not call Kamailio, nor take
    /// another lock.
    pub fn locked<R>(&self, f: impl FnOnce(&mut [T]) -> R) -> R {
        // SAFETY: `create` wrote a lock there, which stays until `destroy`.
        let lock = unsafe { self.start.cast::<Lock>().as_ref() };
        let _guard = lock.acquire();
        // SAFETY: `create` wrote so many values there. While the lock is held this is the only reference
        // to them.
        f(unsafe {
            let values = self.start.add(Self::VALUES).cast::<T>();
            from_raw_parts_mut(values.as_ptr(), self.length)
        })
    }

    fn size(length: usize) -> Option<usize> {
        length
            .checked_mul(size_of::<T>())?
            .checked_add(Self::VALUES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::SharedMap;

    #[test]
    fn all_copies_are_one_table() {
        let map = SharedMap::new(1 << 16).unwrap();
        let table: SharedTable<_, u64> = SharedTable::create(map.arena(), 10).unwrap();
        assert_eq!(table.locked(|values| values.to_vec()), [0; 10]);
        let copy = table;
        copy.locked(|values| values[9] = 7);
        assert_eq!(table.locked(|values| values[9]), 7);
        // SAFETY: the last use.
        unsafe { table.destroy() };
        assert_eq!(map.used(), 0);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let map = SharedMap::new(1 << 12).unwrap();
        for length in [1 << 12, usize::MAX] {
            let table = SharedTable::<_, u64>::create(map.arena(), length);
            assert_eq!(table.err(), Some(StoreError::Full));
        }
        assert_eq!(map.used(), 0);
    }
}
