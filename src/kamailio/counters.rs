//! Statistics: counters in Kamailio's own framework (`kamcmd stats.get_statistics cpm:`).
//! Not here: which there are.
//!
//! Promise: registered before the fork; after it every process counts in a row of its own without a
//! lock, and a reader adds the rows up. A counter must therefore be changed by adding only.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::kamailio_sys as sys;

/// A counter; counts nothing until it is registered.
pub struct Counter(AtomicU16);

const UNREGISTERED: u16 = u16::MAX;

/// The counters could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statistic {0} could not be registered")]
pub struct CounterError(String);

impl Counter {
    pub const fn new() -> Counter {
        Counter(AtomicU16::new(UNREGISTERED))
    }

    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds, or subtracts for what goes up and down (the sum over all processes counts).
    pub fn add(&self, by: i64) {
        let id = self.0.load(Ordering::Relaxed);
        if id == UNREGISTERED {
            return;
        }
        // SAFETY: counter_add of core/counters.h: the row of this process, which nobody else writes;
        // the id came from counter_register, so it is inside the row.
        unsafe {
            if sys::_cnts_vals.is_null() {
                return;
            }
            let index = sys::process_no as isize * sys::_cnts_row_len as isize + id as isize;
            (*sys::_cnts_vals.offset(index)).v += by;
        }
    }

    /// The sum over all processes.
    pub fn value(&self) -> i64 {
        let id = self.0.load(Ordering::Relaxed);
        if id == UNREGISTERED {
            return 0;
        }
        // SAFETY: an id that counter_register gave.
        unsafe { sys::counter_get_val(sys::counter_handle_t { id }) }
    }
}

impl Default for Counter {
    fn default() -> Self {
        Counter::new()
    }
}

/// Registers counters as `name`, help, counter; in `mod_init`.
pub fn register(
    group: &'static CStr,
    counters: &[(&'static CStr, &'static CStr, &'static Counter)],
) -> Result<(), CounterError> {
    for (name, help, counter) in counters {
        let mut handle = sys::counter_handle_t { id: UNREGISTERED };
        // SAFETY: all strings are constants; the handle is filled in.
        let result = unsafe {
            sys::counter_register(
                &mut handle,
                group.as_ptr(),
                name.as_ptr(),
                0,
                None,
                std::ptr::null_mut(),
                help.as_ptr(),
                0,
            )
        };
        if result < 0 {
            return Err(CounterError(name.to_string_lossy().into_owned()));
        }
        counter.0.store(handle.id, Ordering::Relaxed);
    }
    Ok(())
}
