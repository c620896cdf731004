//! Functions that other modules of Kamailio export, found by name.
//!
//! Kamailio loads modules with RTLD_LOCAL, so their symbols cannot be linked. The core knows what they
//! export (`find_export`, core/sr_module.c) once they are loaded.

use std::ffi::{c_char, c_int, CStr};

use crate::kamailio_sys as sys;

/// A function of another module, before it is cast to the type its module documents.
pub(super) type Export = unsafe extern "C" fn();

/// The function that another module exports with this name and number of parameters.
pub(super) fn find_export(name: &CStr, parameters: i32) -> Option<Export> {
    type Found = unsafe extern "C" fn(*mut sys::sip_msg, *mut c_char, *mut c_char) -> c_int;
    // SAFETY: the name is NUL-terminated and only read. The function pointer gets another type, and the
    // caller casts it to the one that the exporting module documents.
    unsafe {
        let found = sys::find_export(name.as_ptr() as *mut c_char, parameters, 0)?;
        Some(std::mem::transmute::<Found, Export>(found))
    }
}
