//! Parameters of the module (`modparam`): where Kamailio writes them, and how they are read.
//!
//! Kamailio writes them while it reads the configuration. That is before `mod_init`, in the only process
//! there is. It checks the type, string or integer, and keeps its own copy of a string.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

use super::export_table::{function_item, Table};
use super::log;
use super::panic_guard::guard;
use crate::kamailio_sys as sys;

/// The parameters of the module.
pub type ParamTable<const N: usize> = Table<Param, N>;

/// One entry of a [`ParamTable`].
pub type Param = sys::param_export_t;

/// The table of a module's parameters.
pub const fn params<const N: usize>(entries: [Param; N]) -> ParamTable<N> {
    // SAFETY: all fields may be zero, and Kamailio takes such an entry for the end of the table.
    Table::with_end(entries, unsafe { std::mem::zeroed() })
}

/// A string parameter without default.
pub struct StringParam(AtomicPtr<c_char>);

impl StringParam {
    /// A parameter that is not set yet, for a static.
    pub const fn unset() -> StringParam {
        StringParam(AtomicPtr::new(null_mut()))
    }

    /// The value; `None` if the configuration does not set it. Bytes that are not UTF-8 are replaced.
    pub fn get(&self) -> Option<String> {
        let value = self.0.load(Ordering::Acquire);
        if value.is_null() {
            return None;
        }
        // SAFETY: Kamailio wrote a pointer to a NUL-terminated string, which it keeps.
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
    /// A parameter that has `value` if the configuration does not set it, for a static.
    pub const fn with_default(value: i32) -> IntParam {
        IntParam(AtomicI32::new(value))
    }

    /// The value: the one of the configuration, or the default.
    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Acquire)
    }
}

/// An entry that makes Kamailio store a string in `value`.
pub const fn string(name: &'static CStr, value: &'static StringParam) -> Param {
    entry(name, sys::PARAM_STRING, value.0.as_ptr().cast())
}

/// An entry that makes Kamailio store an integer in `value`.
pub const fn integer(name: &'static CStr, value: &'static IntParam) -> Param {
    entry(name, sys::PARAM_INT, value.0.as_ptr().cast())
}

/// An entry that makes Kamailio call `f` with a string each time the parameter is given. An error, which
/// should name the parameter, is logged and stops the start.
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
        // SAFETY: Kamailio passes a NUL-terminated string to the function of a PARAM_STRING.
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
