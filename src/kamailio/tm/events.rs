//! What comes back for a request of ours: replies as received, and tm's timeouts.
//! Not here: which leg it is for; that is what the handle says to whoever set it.
//!
//! Promise: LOCAL_RESPONSE_IN runs in the SIP worker or TCP reader that got the reply, for every
//! reply of the transaction: repetitions, forked 2xx and the 200 to our CANCEL too (look at CSeq and
//! To-tag). LOCAL_COMPLETED carries a real reply or `FAKED_REPLY`; only the latter is taken from it,
//! as the former was seen before. A timeout usually runs in tm's timer process, which must not block.
//! No lock of tm is held in either. After `wt_timer` (5 s) nothing comes any more (see `script`).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::OnceCell;

use crate::kamailio::guard::guard;
use crate::kamailio::message::Message;
use crate::kamailio::process;
use crate::kamailio_sys as sys;

/// Something happened to a request of ours.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A reply came in, provisional or final, perhaps not for the first time.
    Reply {
        bytes: &'a [u8],
        is_stream: bool,
        source: SocketAddr,
    },
    /// No (more) answer: tm's own code, usually 408.
    Timeout { code: u16 },
}

/// Gets the handle given to `send`, the event, and whether this is a timer process, where nothing
/// may block and nothing should be sent.
pub type ResponseHandler = fn(handle: u64, event: Event<'_>, in_timer: bool);

static HANDLER: OnceCell<ResponseHandler> = OnceCell::new();

/// Whether tm has said since `nothing_left_yet` that a request has left. Per process: forked, never shared.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Before a send. tm does not tell its caller when the transport refuses a request, only by leaving out
/// REQUEST_SENT, and then waits for an answer until its timer ends.
pub(super) fn nothing_left_yet() {
    LEFT.store(false, Ordering::Relaxed);
}

/// After a send: whether the transport took it.
pub(super) fn has_left() -> bool {
    LEFT.load(Ordering::Relaxed)
}

pub(super) fn set_handler(handler: ResponseHandler) -> bool {
    HANDLER.set(handler).is_ok()
}

/// The callback given to tm with every request.
pub(super) unsafe extern "C" fn on_transaction_event(
    _cell: *mut sys::cell,
    kind: i32,
    params: *mut sys::tmcb_params,
) {
    if kind & sys::TMCB_REQUEST_SENT as i32 != 0 {
        return LEFT.store(true, Ordering::Relaxed);
    }
    guard("a tm callback", (), || {
        let Some(handler) = HANDLER.get() else { return };
        // SAFETY: tm passes its filled-in struct; `param` points to the value given at `send`, which
        // is a number, never an address.
        let (handle, code, reply) = unsafe {
            let Some(params) = params.as_ref() else {
                return;
            };
            let Some(param) = params.param.as_ref() else {
                return;
            };
            (*param as usize as u64, params.code, params.rpl)
        };
        let in_timer = process::in_timer();
        if kind & sys::TMCB_LOCAL_RESPONSE_IN as i32 != 0 {
            // SAFETY: the reply tm is working on; the borrow ends with this closure.
            if let Some(reply) = unsafe { Message::from_raw(reply) } {
                let event = Event::Reply {
                    bytes: reply.bytes(),
                    is_stream: reply.is_stream(),
                    source: reply.source(),
                };
                handler(handle, event, in_timer);
            }
        } else if reply == sys::FAKED_REPLY {
            let code = u16::try_from(code).unwrap_or(408);
            handler(handle, Event::Timeout { code }, in_timer);
        }
    });
}
