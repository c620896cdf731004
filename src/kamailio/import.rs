//! Functions that other modules of Kamailio export, found by name.

use std::ffi::{c_char, c_int, CStr};

use crate::kamailio_sys as sys;

/// A function of another module before it is cast to its documented type.
pub(super) type Export = unsafe extern "C" fn();

/// What another module exports under this name with so many parameters.
pub(super) fn find_export(name: &CStr, parameters: i32) -> Option<Export> {
    type Found = unsafe extern "C" fn(*mut sys::sip_msg, *mut c_char, *mut c_char) -> c_int;
    // SAFETY: the name is NUL-terminated and only read. One function pointer becomes another; whoever
    // calls it casts it to the type the exporting module documents.
    unsafe {
        let found = sys::find_export(name.as_ptr() as *mut c_char, parameters, 0)?;
        Some(std::mem::transmute::<Found, Export>(found))
    }
}
