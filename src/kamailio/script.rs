//! A look at every reply before `tm` and the routing script see it, for those nobody else handles.
//! Not here: replies of live transactions, which come through `tm`.
//!
//! Promise: runs in the process that received the reply, for every reply, so it has to be cheap; no
//! lock is held. A 2xx that comes after `wt_timer` reaches no transaction any more and is seen only
//! here ([`Tm::knows_reply`](super::tm::Tm::knows_reply) tells).

use std::ffi::{c_int, c_void};

use once_cell::sync::OnceCell;

use super::guard::guard;
use super::message::Message;
use crate::kamailio_sys as sys;

/// What Kamailio does with the reply next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// As if we had not looked.
    Keep,
    /// It ends here.
    Drop,
}

/// Looks at a reply.
pub type ReplyHandler = fn(&Message<'_>) -> Disposition;

static HANDLER: OnceCell<ReplyHandler> = OnceCell::new();

/// Registers the one handler; in `mod_init`. `false` when Kamailio refused, or the second time.
pub fn on_every_reply(handler: ReplyHandler) -> bool {
    if HANDLER.set(handler).is_err() {
        return false;
    }
    let when = sys::PRE_SCRIPT_CB | sys::ONREPLY_CB;
    // SAFETY: a function of this library without parameter.
    unsafe { sys::register_script_cb(Some(entry), when, std::ptr::null_mut()) == 0 }
}

unsafe extern "C" fn entry(raw: *mut sys::sip_msg, _flags: u32, _param: *mut c_void) -> c_int {
    let disposition = guard("the reply callback", Disposition::Keep, || {
        // SAFETY: Kamailio's message for this call.
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
