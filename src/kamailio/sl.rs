//! Stateless replies through Kamailio's `sl` module.
//!
//! `sl` sends at once and keeps nothing. A retransmitted request is answered anew, so this is for answers
//! that are the same each time and change nothing. `sl` makes its own To-tag, which differs from tm's for
//! the same request. It absorbs the ACKs to its negative replies to INVITE.

use once_cell::sync::OnceCell;

use super::import::{find_export, Export};
use super::message::Message;
use super::str_conversion;
use crate::kamailio_sys as sys;

static API: OnceCell<sys::sl_api_t> = OnceCell::new();

/// Why nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlError {
    /// `sl` exports no API.
    #[error("the sl module is not loaded; add loadmodule \"sl.so\" before cpm.so")]
    NotLoaded,
    /// The headers do not end in CRLF, or have an empty line.
    #[error("the headers of a reply must be lines that end in CRLF")]
    BadHeaders,
    /// Kamailio has no private memory for the headers.
    #[error("out of private memory for the headers of a reply")]
    OutOfMemory,
    /// Holds the negative code that `sl` returned.
    #[error("sl could not send the reply (code {0})")]
    Failed(i32),
}

/// Binds `sl`. To be called in `mod_init`.
///
/// # Errors
/// [`SlError::NotLoaded`].
pub fn load() -> Result<(), SlError> {
    let bind = find_export(c"bind_sl", 0).ok_or(SlError::NotLoaded)?;
    // SAFETY: `sl` exports `bind_sl` with this type (modules/sl/sl.h). It fills in the struct, which is
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

/// Answers `message`, a request other than ACK, without a transaction. `headers` is empty or whole lines
/// that each end in CRLF.
///
/// # Errors
/// [`SlError`]. Nothing was sent.
pub fn reply_stateless(
    message: &Message<'_>,
    code: u16,
    reason: &str,
    headers: &str,
) -> Result<(), SlError> {
    let api = API.get().ok_or(SlError::NotLoaded)?;
    let send = api.sreply.ok_or(SlError::NotLoaded)?;
    add_reply_headers(message, headers)?;
    let mut reason = str_conversion::str_of(reason.as_bytes());
    // SAFETY: `sl` itself filled in the table. Message and reason outlive the call.
    let result = unsafe { send(message.as_ptr(), i32::from(code), &mut reason) };
    if result < 0 {
        return Err(SlError::Failed(result));
    }
    Ok(())
}

/// Answers 500 after a panic: on the transaction if there is one, else stateless. Nobody is left to handle
/// an error, so there is none.
pub(super) fn answer_after_panic(message: &Message<'_>) {
    if !message.is_request() || message.method() == b"ACK" {
        return;
    }
    if let Some(send) = API.get().and_then(|api| api.freply) {
        let mut reason = str_conversion::str_of(b"Server Internal Error");
        // SAFETY: as in `reply_stateless`.
        unsafe { send(message.as_ptr(), 500, &mut reason) };
    }
}

/// Attaches header lines to the message. Kamailio puts them into its next reply to it.
fn add_reply_headers(message: &Message<'_>, headers: &str) -> Result<(), SlError> {
    if headers.is_empty() {
        return Ok(());
    }
    if !headers.ends_with("\r\n") || headers.contains("\r\n\r\n") {
        return Err(SlError::BadHeaders);
    }
    let lines = str_conversion::str_of(headers.as_bytes());
    // SAFETY: the function copies the lines into private memory that lives as long as the message.
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
