//! What comes back for a request of our own: replies, and tm's timeouts.
//!
//! tm calls back with LOCAL_RESPONSE_IN for each reply of the transaction, in the SIP worker or TCP reader
//! that received it. Among them are retransmissions, 2xx of several forks, and the 200 to our CANCEL; CSeq
//! and To-tag tell them apart.
//!
//! tm calls back with LOCAL_COMPLETED when the transaction ends, by a reply or by a timer. Only timeouts
//! (`FAKED_REPLY`) are taken from it, because LOCAL_RESPONSE_IN has reported the replies before. A timeout
//! usually comes in tm's timer process, which must not block.
//!
//! tm holds no lock in either callback. When `wt_timer` (5 s) is over, it calls back no more; see
//! `script`.

use std::net::{IpAddr, SocketAddr};
use std::ptr::addr_of;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::OnceCell;

use crate::kamailio::message::Message;
use crate::kamailio::panic_guard::guard;
use crate::kamailio::process;
use crate::kamailio::sockets::from_sockaddr;
use crate::kamailio_sys as sys;

/// What happened to a request of our own.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A reply was received, provisional or final, perhaps as a retransmission.
    Reply {
        /// The reply as it was received.
        bytes: &'a [u8],
        /// Whether it came over a connection.
        is_stream: bool,
        /// The transport address it came from.
        source: SocketAddr,
        /// Whether its request was sent to that IP address. The port does not matter: a peer may answer
        /// over a connection of its own, or from another socket.
        from_next_hop: bool,
    },
    /// tm gave up waiting for a final reply.
    Timeout {
        /// The status that tm reports in its place, usually 408.
        code: u16,
    },
}

/// What the response handler thinks of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Counts,
    /// The reply comes from somebody who has no say in it: tm should not hear of it either.
    Ignored,
}

/// Gets the handle that was given to [`Tm::send`](super::Tm::send) (0: none), and the event. In a timer
/// process (`in_timer`) it must not block and should not send.
pub type ResponseHandler = fn(handle: u64, event: Event<'_>, in_timer: bool) -> Verdict;

static HANDLER: OnceCell<ResponseHandler> = OnceCell::new();

/// Whether the handler has ignored a reply since `clear_ignored`. Each process has its own.
static IGNORED: AtomicBool = AtomicBool::new(false);

/// To be called before tm is asked for the transaction of a reply.
pub(super) fn clear_ignored() {
    IGNORED.store(false, Ordering::Relaxed);
}

/// Whether the handler ignored the reply that tm was just asked for.
pub(super) fn was_ignored() -> bool {
    IGNORED.load(Ordering::Relaxed)
}

/// Whether tm has reported REQUEST_SENT since `clear_request_sent`. Each process has its own.
static REQUEST_SENT: AtomicBool = AtomicBool::new(false);

/// To be called before a send. When the transport refuses a request, tm returns success all the same and
/// waits for a reply until its timer ends. The only sign is that REQUEST_SENT does not come.
pub(super) fn clear_request_sent() {
    REQUEST_SENT.store(false, Ordering::Relaxed);
}

/// Whether the transport took the request that was just sent.
pub(super) fn request_sent() -> bool {
    REQUEST_SENT.load(Ordering::Relaxed)
}

/// Sets the handler. False when there is one already.
pub(super) fn set_handler(handler: ResponseHandler) -> bool {
    HANDLER.set(handler).is_ok()
}

/// The callback that tm gets with each request.
pub(super) unsafe extern "C" fn on_transaction_event(
    cell: *mut sys::cell,
    kind: i32,
    params: *mut sys::tmcb_params,
) {
    if kind & sys::TMCB_REQUEST_SENT as i32 != 0 {
        return REQUEST_SENT.store(true, Ordering::Relaxed);
    }
    guard("a tm callback", (), || {
        let Some(handler) = HANDLER.get() else { return };
        // SAFETY: tm passes a struct that it has filled in. `param` points to the handle that was given at
        // `send`, which is a number and not an address.
        let (handle, code, reply) = unsafe {
            let Some(params) = params.as_ref() else {
                return;
            };
            let handle = params
                .param
                .as_ref()
                .map_or(0, |param| *param as usize as u64);
            (handle, params.code, params.rpl)
        };
        let in_timer = process::in_timer();
        if kind & sys::TMCB_LOCAL_RESPONSE_IN as i32 != 0 {
            // SAFETY: tm passes the reply it is working on, and the borrow ends with this closure.
            if let Some(reply) = unsafe { Message::from_raw(reply) } {
                let source = reply.source();
                // SAFETY: tm passes the transaction, to which this process holds a reference.
                let from_next_hop = unsafe { was_sent_to(cell, source.ip()) };
                let event = Event::Reply {
                    bytes: reply.bytes(),
                    is_stream: reply.is_stream(),
                    source,
                    from_next_hop,
                };
                if handler(handle, event, in_timer) == Verdict::Ignored {
                    IGNORED.store(true, Ordering::Relaxed);
                }
            }
        } else if reply == sys::FAKED_REPLY {
            let code = u16::try_from(code).unwrap_or(408);
            handler(handle, Event::Timeout { code }, in_timer);
        }
    });
}

/// Whether a request of this transaction was sent to that IP address. There is one request, or one more for
/// each address that tm tried.
///
/// # Safety
/// `cell` is NULL or a transaction that this process holds a reference to.
unsafe fn was_sent_to(cell: *const sys::cell, address: IpAddr) -> bool {
    if cell.is_null() {
        return false;
    }
    // SAFETY: by the caller's promise. `uac` is an array of at least `nr_of_outgoings` branches. tm sets the
    // address of a branch before it sends, and it is plain bytes. Other processes may write to the rest of the
    // cell meanwhile, so no reference to it is made.
    unsafe {
        let branches = addr_of!((*cell).nr_of_outgoings).read();
        let first = addr_of!((*cell).uac).read();
        if first.is_null() {
            return false;
        }
        let mut branches = 0..usize::try_from(branches).unwrap_or(0);
        branches.any(|at| {
            let to = addr_of!((*first.add(at)).request.dst.to).read();
            from_sockaddr(&to) == Some(address.to_canonical())
        })
    }
}
