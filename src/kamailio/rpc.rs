//! RPC commands (`kamcmd cpm.list`): reading their arguments, and building their answers.
//!
//! A command runs in the process of the transport that received it (ctl, jsonrpcs, xhttp), which does one
//! at a time. The transport copies strings at once. Its functions (core/rpc.h) are variadic like printf:
//! each format stands beside its arguments here.

use std::ffi::{c_char, c_int, c_void, CStr};
use std::marker::PhantomData;
use std::ptr::null_mut;

use super::export_table::{function_item, Table};
use super::panic_guard::guard_or_else;
use super::str_conversion;
use crate::kamailio_sys as sys;

/// One entry of an [`RpcTable`].
pub type RpcCommand = sys::rpc_export_t;

/// The module's RPC commands.
pub type RpcTable<const N: usize> = Table<RpcCommand, N>;

/// Help text of a command: lines that end with NULL.
#[repr(transparent)]
pub struct Doc([*const c_char; 2]);

// SAFETY: the pointers lead to constants that are only read.
unsafe impl Sync for Doc {}

impl Doc {
    /// A help text of one line.
    pub const fn new(text: &'static CStr) -> Doc {
        Doc([text.as_ptr(), std::ptr::null()])
    }
}

/// The table of a module's RPC commands.
pub const fn rpc<const N: usize>(entries: [RpcCommand; N]) -> RpcTable<N> {
    // SAFETY: all fields may be zero, and Kamailio takes such an entry for the end of the table.
    Table::with_end(entries, unsafe { std::mem::zeroed() })
}

/// One command. Its answer is what `f` adds to it, or the fault that `f` returns.
pub const fn command<F>(name: &'static CStr, doc: &'static Doc, f: F) -> RpcCommand
where
    F: Fn(&mut Rpc<'_>) -> Result<(), Fault> + Copy + 'static,
{
    let _ = f;
    sys::rpc_export_t {
        name: name.as_ptr(),
        function: Some(entry::<F>),
        doc_str: doc.0.as_ptr() as *mut *const c_char,
        flags: 0,
    }
}

/// A refusal of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A code like those of HTTP, such as 400 for bad arguments and 404 for something unknown.
    pub code: u16,
    /// One line for the operator.
    pub text: String,
}

impl Fault {
    /// A refusal with this code and text.
    pub fn new(code: u16, text: impl Into<String>) -> Fault {
        Fault {
            code,
            text: text.into(),
        }
    }
}

/// A command in progress.
pub struct Rpc<'a> {
    api: &'a sys::rpc_t,
    context: *mut c_void,
}

impl<'a> Rpc<'a> {
    /// The next argument as text, with a number as digits. `None` when there is none, and for a number
    /// with a fraction, which the ctl transport cannot give as text.
    pub fn next_string(&mut self) -> Option<String> {
        let scan = self.api.scan?;
        let mut value = str_conversion::str_of(b"");
        // SAFETY: "*" makes the argument optional, "." gives a number as text, "S" stores a str. The str
        // lies in the transport's buffer and is copied at once.
        unsafe {
            let read = scan(
                self.context,
                c"*.S".as_ptr() as *mut c_char,
                &mut value as *mut sys::str_,
            );
            if read < 1 {
                return None;
            }
            Some(String::from_utf8_lossy(str_conversion::bytes_of(&value)).into_owned())
        }
    }

    /// Adds a line of text to the answer.
    pub fn add_string(&mut self, value: &str) {
        let value = str_conversion::c_string(value.as_bytes());
        if let Some(add) = self.api.add {
            // SAFETY: "s" takes one C string and copies it.
            unsafe { add(self.context, c"s".as_ptr() as *mut c_char, value.as_ptr()) };
        }
    }

    /// Adds a number to the answer, cut to the range of a C int.
    pub fn add_int(&mut self, value: i64) {
        let value = to_c_int(value);
        if let Some(add) = self.api.add {
            // SAFETY: "d" takes one int.
            unsafe { add(self.context, c"d".as_ptr() as *mut c_char, value) };
        }
    }

    /// Adds a structure to the answer.
    pub fn add_struct(&mut self) -> RpcStruct<'a, '_> {
        let mut handle: *mut c_void = null_mut();
        if let Some(add) = self.api.add {
            // SAFETY: "{" stores the handle of the new structure, which is valid until the command ends.
            unsafe {
                add(
                    self.context,
                    c"{".as_ptr() as *mut c_char,
                    &mut handle as *mut *mut c_void,
                )
            };
        }
        RpcStruct {
            api: self.api,
            handle,
            parent: PhantomData,
        }
    }

    fn fault(&mut self, fault: &Fault) {
        let text = str_conversion::c_string(fault.text.as_bytes());
        if let Some(send) = self.api.fault {
            // SAFETY: the format takes one C string.
            unsafe {
                send(
                    self.context,
                    c_int::from(fault.code),
                    c"%s".as_ptr() as *mut c_char,
                    text.as_ptr(),
                )
            };
        }
    }
}

/// A structure in an answer.
pub struct RpcStruct<'a, 'p> {
    api: &'a sys::rpc_t,
    handle: *mut c_void,
    parent: PhantomData<&'p mut ()>,
}

impl<'a> RpcStruct<'a, '_> {
    /// Adds a member with text.
    pub fn string(&mut self, name: &CStr, value: &str) -> &mut Self {
        let value = str_conversion::c_string(value.as_bytes());
        if let Some(add) = self.adder() {
            // SAFETY: "s" takes the member's name and one C string, and copies both.
            unsafe {
                add(
                    self.handle,
                    c"s".as_ptr() as *mut c_char,
                    name.as_ptr(),
                    value.as_ptr(),
                )
            };
        }
        self
    }

    /// Adds a member with a number, cut to the range of a C int.
    pub fn int(&mut self, name: &CStr, value: i64) -> &mut Self {
        let value = to_c_int(value);
        if let Some(add) = self.adder() {
            // SAFETY: "d" takes the member's name and one int.
            unsafe {
                add(
                    self.handle,
                    c"d".as_ptr() as *mut c_char,
                    name.as_ptr(),
                    value,
                )
            };
        }
        self
    }

    /// Adds a member that is a structure.
    pub fn structure(&mut self, name: &CStr) -> RpcStruct<'a, '_> {
        self.nested(c"{", name)
    }

    /// Adds a member that is a list.
    pub fn list(&mut self, name: &CStr) -> RpcList<'a, '_> {
        let inner = self.nested(c"[", name);
        RpcList {
            api: inner.api,
            handle: inner.handle,
            parent: PhantomData,
        }
    }

    fn nested(&mut self, format: &CStr, name: &CStr) -> RpcStruct<'a, '_> {
        let mut handle: *mut c_void = null_mut();
        if let Some(add) = self.adder() {
            // SAFETY: "{" and "[" take the member's name and store the new handle.
            unsafe {
                add(
                    self.handle,
                    format.as_ptr() as *mut c_char,
                    name.as_ptr(),
                    &mut handle as *mut *mut c_void,
                )
            };
        }
        RpcStruct {
            api: self.api,
            handle,
            parent: PhantomData,
        }
    }

    /// The transport's function. `None` when it had no memory for this structure: nothing is added then.
    fn adder(&self) -> sys::rpc_struct_add_f {
        if self.handle.is_null() {
            return None;
        }
        self.api.struct_add
    }
}

/// A list in an answer.
pub struct RpcList<'a, 'p> {
    api: &'a sys::rpc_t,
    handle: *mut c_void,
    parent: PhantomData<&'p mut ()>,
}

impl<'a> RpcList<'a, '_> {
    /// Adds text.
    pub fn add_string(&mut self, value: &str) {
        let value = str_conversion::c_string(value.as_bytes());
        if let Some(add) = self.adder() {
            // SAFETY: "s" takes one C string and copies it.
            unsafe { add(self.handle, c"s".as_ptr() as *mut c_char, value.as_ptr()) };
        }
    }

    /// Adds a structure.
    pub fn add_struct(&mut self) -> RpcStruct<'a, '_> {
        let mut handle: *mut c_void = null_mut();
        if let Some(add) = self.adder() {
            // SAFETY: "{" stores the new handle.
            unsafe {
                add(
                    self.handle,
                    c"{".as_ptr() as *mut c_char,
                    &mut handle as *mut *mut c_void,
                )
            };
        }
        RpcStruct {
            api: self.api,
            handle,
            parent: PhantomData,
        }
    }

    /// The transport's function. `None` when it had no memory for this list: nothing is added then.
    fn adder(&self) -> sys::rpc_array_add_f {
        if self.handle.is_null() {
            return None;
        }
        self.api.array_add
    }
}

/// The nearest C int: the only integer type that all transports know.
fn to_c_int(value: i64) -> c_int {
    value.clamp(i64::from(c_int::MIN), i64::from(c_int::MAX)) as c_int
}

unsafe extern "C" fn entry<F>(api: *mut sys::rpc_t, context: *mut c_void)
where
    F: Fn(&mut Rpc<'_>) -> Result<(), Fault> + Copy + 'static,
{
    // SAFETY: the transport passes its table and context, which are valid until this function returns.
    let Some(api) = (unsafe { api.as_ref() }) else {
        return;
    };
    let answered = guard_or_else(
        "an RPC command",
        || Err(Fault::new(500, "internal error, see the log")),
        || function_item::<F>()(&mut Rpc { api, context }),
    );
    if let Err(fault) = answered {
        guard_or_else("an RPC fault", || (), || Rpc { api, context }.fault(&fault));
    }
}
