//! What Kamailio looks up in a module: version strings, and the export struct with its tables.
//!
//! The loader (core/sr_module.c) compares `module_version` and `module_flags` with its own strings and
//! ends the server when they differ. It keeps pointers into the tables, so the tables are statics.
//!
//! Kamailio calls `mod_init` once, before any fork. It calls `child_init` in every process, in the main
//! process several times, and `mod_destroy` in the main process at the end.

use std::cell::UnsafeCell;
use std::ffi::{c_char, c_int, CStr};

use super::export_table::{function_item, Table};
use super::message::Message;
use super::panic_guard::{guard, guard_or_else};
use super::{log, process, sl, str_conversion};
use crate::kamailio_sys as sys;

pub use super::params::ParamTable;
pub use super::rpc::RpcTable;

/// A constant C string as an exported symbol of type `char *`.
#[repr(transparent)]
pub struct Symbol(*const c_char);

// SAFETY: the pointer leads to a constant that is only read.
unsafe impl Sync for Symbol {}

/// The version of Kamailio, as `SER_FULL_VERSION` of core/ver_defs.h. The loader compares it.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static module_version: Symbol = Symbol(sys::CPM_FULL_VERSION.as_ptr().cast());
/// The compile flags of Kamailio, as `SER_COMPILE_FLAGS` of core/ver_defs.h. The loader compares them.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static module_flags: Symbol = Symbol(sys::CPM_COMPILE_FLAGS.as_ptr().cast());
/// The module interface, as `MODULE_INTERFACE_VER` of core/sr_module.h. The loader does not check it.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static module_interface_ver: u32 = sys::CPM_INTERFACE_VER;

/// The version of Kamailio that this module was built for, in words such as `kamailio 5.6.3
/// (x86_64/linux)`.
pub fn built_for() -> &'static str {
    CStr::from_bytes_with_nul(sys::CPM_FULL_VERSION)
        .ok()
        .and_then(|text| text.to_str().ok())
        .unwrap_or_default()
}

/// The functions that native routing scripts may call.
pub type CommandTable<const N: usize> = Table<Command, N>;

/// One entry of a [`CommandTable`].
pub type Command = sys::cmd_export_t;

/// The table of a module's commands.
pub const fn commands<const N: usize>(entries: [Command; N]) -> CommandTable<N> {
    // SAFETY: all fields may be zero, and Kamailio takes such an entry for the end of the table.
    Table::with_end(entries, unsafe { std::mem::zeroed() })
}

/// A command without parameters, for `request_route`. `f` returns the code for the script: above 0 true,
/// below 0 false. 0 ends the script.
pub const fn command<F>(name: &'static CStr, f: F) -> Command
where
    F: Fn(&Message<'_>) -> i32 + Copy + 'static,
{
    let _ = f;
    sys::cmd_export_t {
        name: name.as_ptr() as *mut c_char,
        function: Some(command_entry::<F>),
        param_no: 0,
        fixup: None,
        free_fixup: None,
        flags: sys::REQUEST_ROUTE,
    }
}

/// A command with one string parameter, which may contain pseudo-variables. `f` gets its value.
pub const fn command_with_string<F>(name: &'static CStr, f: F) -> Command
where
    F: Fn(&Message<'_>, &[u8]) -> i32 + Copy + 'static,
{
    let _ = f;
    sys::cmd_export_t {
        name: name.as_ptr() as *mut c_char,
        function: Some(command_with_string_entry::<F>),
        param_no: 1,
        fixup: Some(sys::fixup_spve_null),
        free_fixup: Some(sys::fixup_free_spve_null),
        flags: sys::REQUEST_ROUTE,
    }
}

/// The struct behind the symbol `exports` (`module_exports_t`, core/sr_module.h).
#[repr(transparent)]
pub struct Exports(UnsafeCell<sys::module_exports_t>);

// SAFETY: nobody writes to it after it was built, and Kamailio has a single thread.
unsafe impl Sync for Exports {}

impl Exports {
    /// A module with these tables. `init`, `child` and `destroy` are its `mod_init`, `child_init` and
    /// `mod_destroy`. An error of `init` or `child` is logged and stops the start of the server.
    pub const fn new<const C: usize, const P: usize, const R: usize, I, K, D, E>(
        name: &'static CStr,
        commands: &'static CommandTable<C>,
        params: &'static ParamTable<P>,
        rpc: &'static RpcTable<R>,
        init: I,
        child: K,
        destroy: D,
    ) -> Exports
    where
        I: Fn() -> Result<(), E> + Copy + 'static,
        K: Fn(process::Stage) -> Result<(), E> + Copy + 'static,
        D: Fn() + Copy + 'static,
        E: std::fmt::Display + 'static,
    {
        let _ = (init, child, destroy);
        Exports(UnsafeCell::new(sys::module_exports_t {
            name: name.as_ptr() as *mut c_char,
            dlflags: 0,
            cmds: commands.as_ptr(),
            params: params.as_ptr(),
            rpc_methods: rpc.as_ptr(),
            pv_items: std::ptr::null_mut(),
            response_f: None,
            init_mod_f: Some(init_entry::<I, E>),
            init_child_f: Some(child_entry::<K, E>),
            destroy_mod_f: Some(destroy_entry::<D>),
        }))
    }
}

/// The body of `mod_register`, which Kamailio calls as soon as it has loaded the module. Returns 0, or -1
/// when `f` returns false or panics.
pub fn on_register(f: impl FnOnce() -> bool) -> c_int {
    guard("mod_register", -1, || if f() { 0 } else { -1 })
}

/// The code that a script gets from a command after a panic: the request is ours, but failed here.
const AFTER_PANIC: c_int = -2;

/// Runs a command. After a panic the peer gets a 500 and the script [`AFTER_PANIC`].
pub(super) fn run_command(raw: *mut sys::sip_msg, f: impl FnOnce(&Message<'_>) -> i32) -> c_int {
    // SAFETY: Kamailio passes the message for this call, and the borrow ends with this function.
    let Some(message) = (unsafe { Message::from_raw(raw) }) else {
        return -1;
    };
    guard_or_else(
        "a command",
        || {
            guard("answering 500 after a panic", (), || {
                sl::answer_after_panic(&message)
            });
            AFTER_PANIC
        },
        || f(&message),
    )
}

unsafe extern "C" fn command_entry<F>(
    message: *mut sys::sip_msg,
    _first: *mut c_char,
    _second: *mut c_char,
) -> c_int
where
    F: Fn(&Message<'_>) -> i32 + Copy + 'static,
{
    run_command(message, |message| function_item::<F>()(message))
}

unsafe extern "C" fn command_with_string_entry<F>(
    message: *mut sys::sip_msg,
    first: *mut c_char,
    _second: *mut c_char,
) -> c_int
where
    F: Fn(&Message<'_>, &[u8]) -> i32 + Copy + 'static,
{
    run_command(message, |message| {
        let mut value = str_conversion::str_of(b"");
        // SAFETY: fixup_spve_null made `first` of the parameter. The value may lie in a static buffer of
        // a pseudo-variable, so it is copied before anything else runs.
        let value = unsafe {
            if sys::get_str_fparam(&mut value, message.as_ptr(), first.cast()) != 0 {
                log::error!("the parameter of a command could not be evaluated");
                return -1;
            }
            str_conversion::bytes_of(&value).to_vec()
        };
        function_item::<F>()(message, &value)
    })
}

unsafe extern "C" fn init_entry<I, E>() -> c_int
where
    I: Fn() -> Result<(), E> + Copy + 'static,
    E: std::fmt::Display,
{
    guard("mod_init", -1, || return_code(function_item::<I>()()))
}

unsafe extern "C" fn child_entry<K, E>(rank: c_int) -> c_int
where
    K: Fn(process::Stage) -> Result<(), E> + Copy + 'static,
    E: std::fmt::Display,
{
    guard("child_init", -1, || {
        return_code(function_item::<K>()(process::Stage::from_rank(rank)))
    })
}

unsafe extern "C" fn destroy_entry<D: Fn() + Copy + 'static>() {
    guard("mod_destroy", (), || function_item::<D>()());
}

/// 0, or -1 for an error, which is logged.
fn return_code<E: std::fmt::Display>(result: Result<(), E>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(problem) => {
            log::error!("{problem}");
            -1
        }
    }
}
