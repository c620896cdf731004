//! Kamailio's transaction module `tm`: binding it, and the transaction it works on.
//!
//! `tm` calls a transaction a cell. It keeps the cell of the current message, called T, in a global of
//! the process: NULL, `T_UNDEFINED`, or a cell that this process holds a reference to. Functions that look
//! up a transaction overwrite T, so `SavedT` saves and restores it around them.

mod events;
mod timers;
mod uac;
mod uas;

use std::ffi::c_char;

use once_cell::sync::OnceCell;

use super::import::{find_export, Export};
use crate::kamailio_sys as sys;

pub use events::{Event, ResponseHandler};
pub use timers::Timers;
pub use uac::{CancelError, OutgoingRequest, SendError, TransactionId};
pub use uas::{AckOrCancel, NewTransaction, Reply, TmError};

/// The bound `tm`. It is cheap to copy, and the same in all processes.
#[derive(Clone, Copy)]
pub struct Tm {
    api: &'static Api,
}

/// A function for routing scripts, called without parameters.
type ScriptFunction = unsafe extern "C" fn(*mut sys::sip_msg, *mut c_char, *mut c_char) -> i32;

/// The functions that `tm` exports.
struct Api {
    main: sys::tm_api_t,
    extra: sys::tm_xapi_t,
    relay_cancel: ScriptFunction,
}

// SAFETY: the structs hold function pointers and two reserved words that nobody uses. After it was built
// it is only read.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

static API: OnceCell<Api> = OnceCell::new();

/// Why `tm` cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// `tm` exports no API.
    #[error("the tm module is not loaded; add loadmodule \"tm.so\" before cpm.so")]
    NotLoaded,
    /// Holds the name of a function that this version of `tm` lacks.
    #[error("the tm module does not offer {0}")]
    Incomplete(&'static str),
}

impl Tm {
    /// Binds `tm`. To be called in `mod_init`, so that all processes inherit it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn load() -> Result<Tm, ApiError> {
        if let Some(api) = API.get() {
            return Ok(Tm { api });
        }
        let load_tm = find_export(c"load_tm", sys::NO_SCRIPT).ok_or(ApiError::NotLoaded)?;
        let load_xtm = find_export(c"load_xtm", sys::NO_SCRIPT).ok_or(ApiError::NotLoaded)?;
        let relay_cancel = find_export(c"t_relay_cancel", 0).ok_or(ApiError::NotLoaded)?;
        // SAFETY: `tm` exports these names with these types (modules/tm/tm_load.h, modules/tm/tm.c).
        let (load_tm, load_xtm, relay_cancel) = unsafe {
            type Load<T> = unsafe extern "C" fn(*mut T) -> i32;
            (
                std::mem::transmute::<Export, Load<sys::tm_api_t>>(load_tm),
                std::mem::transmute::<Export, Load<sys::tm_xapi_t>>(load_xtm),
                std::mem::transmute::<Export, ScriptFunction>(relay_cancel),
            )
        };
        // SAFETY: both structs are plain function pointers, which may be NULL. `tm` fills them in.
        let (main, extra) = unsafe {
            let mut main: sys::tm_api_t = std::mem::zeroed();
            let mut extra: sys::tm_xapi_t = std::mem::zeroed();
            if load_tm(&mut main) == -1 || load_xtm(&mut extra) < 0 {
                return Err(ApiError::NotLoaded);
            }
            (main, extra)
        };
        let api = API.get_or_init(|| Api {
            main,
            extra,
            relay_cancel,
        });
        Ok(Tm { api })
    }

    /// The bound `tm`, if [`load`](Self::load) succeeded before the fork.
    pub fn get() -> Option<Tm> {
        API.get().map(|api| Tm { api })
    }

    /// Sets the function that gets replies to our requests, and their timeouts. To be called once, in
    /// `mod_init`. False when there is one already.
    pub fn set_response_handler(handler: ResponseHandler) -> bool {
        events::set_handler(handler)
    }

    /// T, if it is a cell.
    fn current(&self) -> Option<*mut sys::cell> {
        let get = self.api.main.t_gett?;
        // SAFETY: the function reads a global of this process.
        let cell = unsafe { get() };
        (!cell.is_null() && cell != sys::T_UNDEFINED).then_some(cell)
    }

    /// The place of T in tm's table, which tm computes from Call-ID and CSeq.
    pub fn place_in_table(&self) -> Option<u32> {
        let cell = self.current()?;
        // SAFETY: T is a cell that this process holds a reference to.
        Some(unsafe { (*cell).hash_index })
    }

    /// Saves T until the result is dropped.
    fn save_t(&self) -> SavedT {
        // SAFETY: both functions read globals of this process.
        let (cell, branch) = unsafe {
            (
                self.api.main.t_gett.map_or(sys::T_UNDEFINED, |get| get()),
                self.api
                    .main
                    .t_gett_branch
                    .map_or(sys::T_BR_UNDEFINED, |get| get()),
            )
        };
        SavedT {
            tm: *self,
            cell,
            branch,
        }
    }
}

/// T as it was. Dropping this restores it, also when a panic unwinds.
struct SavedT {
    tm: Tm,
    cell: *mut sys::cell,
    branch: i32,
}

impl Drop for SavedT {
    fn drop(&mut self) {
        if let Some(set) = self.tm.api.main.t_sett {
            // SAFETY: T had these values before. The reference that it stands for, if any, was not given
            // up meanwhile.
            unsafe { set(self.cell, self.branch) };
        }
    }
}
