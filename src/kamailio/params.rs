//! Parameters of the module (`modparam`): where Kamailio writes them, and reading them back.
//! Not here: what a value means and whether it is allowed.
//!
//! Promise: written while the configuration is read, before `mod_init`, in the only process there is;
//! never again after. Kamailio checks the type (string or integer) and keeps a string of its own.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::guard::guard;
use super::log;
use super::table::{function_item, Table};
use crate::kamailio_sys as sys;

/// The parameters of the module.
pub type ParamTable<const N: usize> = Table<Param, N>;

/// One entry of a [`ParamTable`].
pub type Param = sys::param_export_t;

/// The table of a module's parameters.
pub const fn params<const N: usize>(entries: [Param; N]) -> ParamTable<N> {
    // SAFETY: all-zero is the closing entry Kamailio looks for.
    Table::with_end(entries, unsafe { std::mem::zeroed() })
}

/// A string parameter; `None` until it is set.
pub struct StringParam(AtomicPtr<c_char>);

impl StringParam {
    pub const fn unset() -> StringParam {
        StringParam(AtomicPtr::new(null_mut()))
    }

    /// The value as given; bytes that are not UTF-8 are replaced.
    pub fn get(&self) -> Option<String> {
        let value = self.0.load(Ordering::Acquire);
        if value.is_null() {
            return None;
        }
        // SAFETY: Kamailio has put a NUL-terminated string of its own there, which it keeps.
        Some(
            unsafe { CStr::from_ptr(value) }
                .to_string_lossy()
                .into_owned(),
        )
    }
}

/// An integer parameter with its default.
pub struct IntParam(AtomicI32);

impl IntParam {
    pub const fn with_default(value: i32) -> IntParam {
        IntParam(AtomicI32::new(value))
    }

    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Acquire)
    }
}

/// Kamailio stores a string.
pub const fn string(name: &'static CStr, value: &'static StringParam) -> Param {
    entry(name, sys::PARAM_STRING, value.0.as_ptr().cast())
}

/// Kamailio stores an integer.
pub const fn integer(name: &'static CStr, value: &'static IntParam) -> Param {
    entry(name, sys::PARAM_INT, value.0.as_ptr().cast())
}

/// Kamailio calls `f` each time the parameter is given, with a string. `Err` is logged with the name
/// that `f` puts into it and stops the start.
pub const fn string_function<F>(name: &'static CStr, f: F) -> Param
where
    F: Fn(&str) -> Result<(), String> + Copy + 'static,
{
    let _ = f;
    let function: unsafe extern "C" fn(u32, *mut c_void) -> c_int = string_entry::<F>;
    entry(
        name,
        sys::PARAM_STRING | sys::PARAM_USE_FUNC,
        function as *mut c_void,
    )
}

const fn entry(name: &'static CStr, kind: u32, pointer: *mut c_void) -> Param {
    sys::param_export_t {
        name: name.as_ptr() as *mut c_char,
        type_: kind,
        param_pointer: pointer,
    }
}

unsafe extern "C" fn string_entry<F>(_kind: u32, value: *mut c_void) -> c_int
where
    F: Fn(&str) -> Result<(), String> + Copy + 'static,
{
    guard("a module parameter", -1, || {
        if value.is_null() {
            return -1;
        }
        // SAFETY: for a PARAM_STRING function the value is a NUL-terminated string.
        let text = unsafe { CStr::from_ptr(value.cast()) }.to_string_lossy();
        match function_item::<F>()(&text) {
            Ok(()) => 0,
            Err(problem) => {
                log::error!("{problem}");
                -1
            }
        }
    })
}
