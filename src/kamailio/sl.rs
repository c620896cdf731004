//! Stateless replies through Kamailio's `sl` module.
//! Not here: replies on a transaction (`tm`).
//!
//! Promise: sends at once and keeps nothing; a retransmitted request is answered anew, so only for
//! answers that are the same each time and have no effect. `sl` makes a To-tag of its own, which
//! differs from tm's for the same request, and absorbs the ACK to its own negative replies to INVITE.

use once_cell::sync::OnceCell;

use super::import::{find_export, Export};
use super::message::Message;
use super::text;
use crate::kamailio_sys as sys;

static API: OnceCell<sys::sl_api_t> = OnceCell::new();

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlError {
    #[error("the sl module is not loaded; add loadmodule \"sl.so\" before cpm.so")]
    NotLoaded,
    #[error("the headers of a reply must be lines that end in CRLF")]
    BadHeaders,
    #[error("out of private memory for the headers of a reply")]
    OutOfMemory,
    #[error("sl could not send the reply (code {0})")]
    Failed(i32),
}

/// Binds `sl`; in `mod_init`.
pub fn load() -> Result<(), SlError> {
    let bind = find_export(c"bind_sl", 0).ok_or(SlError::NotLoaded)?;
    // SAFETY: `bind_sl` is exported with this type (modules/sl/sl.h) and fills the struct in, which is
    // plain function pointers.
    let (result, api) = unsafe {
        let bind =
            std::mem::transmute::<Export, unsafe extern "C" fn(*mut sys::sl_api_t) -> i32>(bind);
        let mut api: sys::sl_api_t = std::mem::zeroed();
        (bind(&mut api), api)
    };
    if result < 0 {
        return Err(SlError::NotLoaded);
    }
    let _ = API.set(api);
    Ok(())
}

/// Answers `message` (a request other than ACK) without a transaction. `headers`: whole lines, each
/// ended by CRLF, or empty.
pub fn reply_stateless(
    message: &Message<'_>,
    code: u16,
    reason: &str,
    headers: &str,
) -> Result<(), SlError> {
    let api = API.get().ok_or(SlError::NotLoaded)?;
    let send = api.sreply.ok_or(SlError::NotLoaded)?;
    add_reply_headers(message, headers)?;
    let mut reason = text::str_of(reason.as_bytes());
    // SAFETY: the function table of the loaded `sl`; message and reason outlive the call.
    let result = unsafe { send(message.as_ptr(), i32::from(code), &mut reason) };
    if result < 0 {
        return Err(SlError::Failed(result));
    }
    Ok(())
}

/// The answer of last resort after a panic: 500 on the transaction if there is one, else stateless.
/// Errors have nobody left to go to.
pub(super) fn answer_after_panic(message: &Message<'_>) {
    if !message.is_request() || message.method() == b"ACK" {
        return;
    }
    if let Some(send) = API.get().and_then(|api| api.freply) {
        let mut reason = text::str_of(b"Server Internal Error");
        // SAFETY: as in `reply_stateless`.
        unsafe { send(message.as_ptr(), 500, &mut reason) };
    }
}

/// Hangs header lines on the message for the next reply made from it.
fn add_reply_headers(message: &Message<'_>, headers: &str) -> Result<(), SlError> {
    if headers.is_empty() {
        return Ok(());
    }
    if !headers.ends_with("\r\n") || headers.contains("\r\n\r\n") {
        return Err(SlError::BadHeaders);
    }
    let lines = text::str_of(headers.as_bytes());
    // SAFETY: copies the lines into private memory that lives as long as the message.
    let lump = unsafe {
        sys::add_lump_rpl2(
            message.as_ptr(),
            lines.s,
            lines.len,
            sys::LUMP_RPL_HDR as i32,
        )
    };
    if lump.is_null() {
        return Err(SlError::OutOfMemory);
    }
    Ok(())
}
