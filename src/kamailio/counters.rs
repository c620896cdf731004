//! Statistics: counters in Kamailio's own framework (`kamcmd stats.get_statistics cpm:`).
//!
//! Kamailio takes registrations before the fork. Afterwards each process counts without a lock in a row of
//! its own, and a reader adds up the rows. So a counter can only be changed by adding.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU16, Ordering};

use crate::kamailio_sys as sys;

/// A counter. It counts nothing until it is registered.
pub struct Counter(AtomicU16);

const UNREGISTERED: u16 = u16::MAX;

/// A counter could not be registered. Holds its name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statistic {0} could not be registered")]
pub struct CounterError(String);

impl Counter {
    /// A counter that is not registered, for a static.
    pub const fn new() -> Counter {
        Counter(AtomicU16::new(UNREGISTERED))
    }

    /// Adds 1 in this process.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds in this process. A negative number lowers the sum, and may lower this process's part of it
    /// below zero.
    pub fn add(&self, by: i64) {
        let id = self.0.load(Ordering::Relaxed);
        if id == UNREGISTERED {
            return;
        }
        // SAFETY: this is counter_add of core/counters.h. It changes the row of this process, which no
        // other process writes. The id came from counter_register, so it is inside the row.
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
        // SAFETY: the id came from counter_register.
        unsafe { sys::counter_get_val(sys::counter_handle_t { id }) }
    }
}

impl Default for Counter {
    fn default() -> Self {
        Counter::new()
    }
}

/// Registers counters, given as name, help text and counter. To be called in `mod_init`.
///
/// # Errors
/// [`CounterError`] for the first counter that Kamailio does not take.
pub fn register(
    group: &'static CStr,
    counters: &[(&'static CStr, &'static CStr, &'static Counter)],
) -> Result<(), CounterError> {
    for (name, help, counter) in counters {
        let mut handle = sys::counter_handle_t { id: UNREGISTERED };
        // SAFETY: all strings are constants, and the function fills the handle in.
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
