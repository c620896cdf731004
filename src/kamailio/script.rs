//! A callback for every reply, before `tm` and the routing script see it.
//!
//! It catches replies that belong to no transaction any more: a 2xx that comes after `wt_timer` reaches
//! only this callback ([`Tm::look_up_reply`](super::tm::Tm::look_up_reply) tells it from others).
//!
//! Kamailio calls it in the process that received the reply, without a lock, for each reply of the server
//! (core/script_cb.h). So it has to be cheap.

use std::ffi::{c_int, c_void};

use once_cell::sync::OnceCell;

use super::message::Message;
use super::panic_guard::guard;
use crate::kamailio_sys as sys;

/// What happens to the reply after the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Kamailio processes it.
    Keep,
    /// Kamailio drops it.
    Drop,
}

/// The callback. It gets the reply.
pub type ReplyHandler = fn(&Message<'_>) -> Disposition;

static HANDLER: OnceCell<ReplyHandler> = OnceCell::new();

/// Registers the callback, of which there is one. To be called in `mod_init`. False when Kamailio refuses,
/// or when there is one already.
pub fn on_every_reply(handler: ReplyHandler) -> bool {
    if HANDLER.set(handler).is_err() {
        return false;
    }
    let when = sys::PRE_SCRIPT_CB | sys::ONREPLY_CB;
    // SAFETY: the callback is a function of this library, and its parameter is not used.
    unsafe { sys::register_script_cb(Some(entry), when, std::ptr::null_mut()) == 0 }
}

unsafe extern "C" fn entry(raw: *mut sys::sip_msg, _flags: u32, _param: *mut c_void) -> c_int {
    let disposition = guard("the reply callback", Disposition::Keep, || {
        // SAFETY: Kamailio passes the message for this call.
        match (HANDLER.get(), unsafe { Message::from_raw(raw) }) {
            (Some(handler), Some(message)) if !message.is_request() => handler(&message),
            _ => Disposition::Keep,
        }
    });
    match disposition {
        Disposition::Keep => 1,
        Disposition::Drop => 0,
    }
}
