//! Kamailio's `str` (pointer and length, not NUL-terminated) to and from Rust slices.
//! Not here: any meaning of the text.
//!
//! Promise: Kamailio's `str.len` is a C `int`, and an empty `str` may have a NULL pointer. What a
//! `str` points to belongs to whoever filled it in, usually the receive buffer of one message.

use std::ffi::CString;

use crate::kamailio_sys as sys;

/// The bytes behind a `str`; empty for NULL or a negative length.
///
/// # Safety
/// `text` must describe memory that stays readable and unchanged for `'a`.
pub(super) unsafe fn bytes_of<'a>(text: &sys::str_) -> &'a [u8] {
    match usize::try_from(text.len) {
        Ok(len) if len > 0 && !text.s.is_null() => {
            // SAFETY: the caller promises that `s..s+len` is readable and unchanged for 'a.
            unsafe { std::slice::from_raw_parts(text.s as *const u8, len) }
        }
        _ => &[],
    }
}

/// A `str` that lends `bytes` to a Kamailio function which only reads it; valid as long as `bytes`.
/// Longer than a C `int` can say cannot happen with what we build and becomes empty.
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

/// A C string of `bytes` up to the first NUL.
pub(super) fn c_string(bytes: &[u8]) -> CString {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    CString::new(bytes.get(..end).unwrap_or_default()).unwrap_or_default()
}
