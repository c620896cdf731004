//! Kamailio's `str` (core/str.h: pointer and length, no NUL at the end) to and from Rust slices.
//!
//! The length is a C `int`, and an empty `str` may have a NULL pointer. The bytes belong to the code that
//! filled in the `str`. Usually they lie in the receive buffer of one message.

use std::ffi::CString;

use crate::kamailio_sys as sys;

/// The bytes of a `str`; none for NULL or a negative length.
///
/// # Safety
/// The memory that `text` describes stays readable and unchanged for `'a`.
pub(super) unsafe fn bytes_of<'a>(text: &sys::str_) -> &'a [u8] {
    match usize::try_from(text.len) {
        Ok(len) if len > 0 && !text.s.is_null() => {
            // SAFETY: promised by the caller.
            unsafe { std::slice::from_raw_parts(text.s as *const u8, len) }
        }
        _ => &[],
    }
}

/// A `str` of `bytes`, for a function of Kamailio that only reads it. It is valid as long as `bytes`.
///
/// Bytes whose length does not fit into a C `int` give an empty `str`. No message is that long.
pub(super) fn str_of(bytes: &[u8]) -> sys::str_ {
    match i32::try_from(bytes.len()) {
        Ok(len) => sys::str_ {
            s: bytes.as_ptr() as *mut _,
            len,
        },
        Err(_) => sys::str_ {
            s: std::ptr::null_mut(),
            len: 0,
        },
    }
}

/// A C string of `bytes`, up to the first NUL among them.
pub(super) fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    CString::new(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}
