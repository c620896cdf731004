//! Functions for KEMI scripts (`KSR.cpm.…` in Lua, Python, JavaScript …).
//!
//! Kamailio takes them in `mod_register` and keeps a pointer to the table. The numbers of the type
//! constants differ between versions of Kamailio, so they come from its headers.

use std::ffi::{c_int, c_void, CStr};

use super::export_table::{function_item, Table};
use super::exports::run_command;
use super::message::Message;
use super::str_conversion;
use crate::kamailio_sys as sys;

/// One entry of a [`KemiTable`].
pub type Kemi = sys::sr_kemi_t;

/// The module's functions for KEMI.
pub type KemiTable<const N: usize> = Table<Kemi, N>;

/// The table of a module's KEMI functions.
pub const fn kemi<const N: usize>(entries: [Kemi; N]) -> KemiTable<N> {
    // SAFETY: all fields may be zero, and Kamailio takes such an entry for the end of the table.
    Table::with_end(entries, unsafe { std::mem::zeroed() })
}

/// `KSR.<module>.<name>()`. `f` returns the code for the script, an integer.
pub const fn function<F>(module: &'static CStr, name: &'static CStr, f: F) -> Kemi
where
    F: Fn(&Message<'_>) -> i32 + Copy + 'static,
{
    let _ = f;
    let entry: unsafe extern "C" fn(*mut sys::sip_msg) -> c_int = plain_entry::<F>;
    kemi_entry(module, name, entry as *mut c_void, sys::SR_KEMIP_NONE)
}

/// `KSR.<module>.<name>(string)`. `f` returns the code for the script, an integer.
pub const fn function_with_string<F>(module: &'static CStr, name: &'static CStr, f: F) -> Kemi
where
    F: Fn(&Message<'_>, &[u8]) -> i32 + Copy + 'static,
{
    let _ = f;
    let entry: unsafe extern "C" fn(*mut sys::sip_msg, *mut sys::str_) -> c_int = string_entry::<F>;
    kemi_entry(module, name, entry as *mut c_void, sys::SR_KEMIP_STR)
}

/// Registers the functions. To be called in `mod_register`. False when Kamailio refuses.
pub fn register<const N: usize>(table: &'static KemiTable<N>) -> bool {
    // SAFETY: the table is a static and ends with a zeroed entry.
    unsafe { sys::sr_kemi_modules_add(table.as_ptr()) == 0 }
}

const fn kemi_entry(
    module: &'static CStr,
    name: &'static CStr,
    f: *mut c_void,
    parameter: u32,
) -> Kemi {
    let none = sys::SR_KEMIP_NONE as c_int;
    sys::sr_kemi_t {
        mname: static_str(module),
        fname: static_str(name),
        rtype: sys::SR_KEMIP_INT as c_int,
        func: f,
        ptypes: [parameter as c_int, none, none, none, none, none],
    }
}

const fn static_str(text: &'static CStr) -> sys::str_ {
    sys::str_ {
        s: text.as_ptr() as *mut _,
        len: text.count_bytes() as c_int,
    }
}

unsafe extern "C" fn plain_entry<F>(message: *mut sys::sip_msg) -> c_int
where
    F: Fn(&Message<'_>) -> i32 + Copy + 'static,
{
    run_command(message, |message| function_item::<F>()(message))
}

unsafe extern "C" fn string_entry<F>(message: *mut sys::sip_msg, value: *mut sys::str_) -> c_int
where
    F: Fn(&Message<'_>, &[u8]) -> i32 + Copy + 'static,
{
    run_command(message, |message| {
        // SAFETY: the KEMI engine passes NULL or a string that lives until this function returns.
        let value = unsafe { value.as_ref().map(|value| str_conversion::bytes_of(value)) };
        function_item::<F>()(message, value.unwrap_or_default())
    })
}
