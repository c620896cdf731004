//! Requests of our own: send in a transaction, ACK a 2xx, cancel an INVITE.
//! Not here: dialogs. Every request says all of its dialog's values; tm keeps none of them.
//!
//! Promise: works in any process, also without a message in hand. `t_uac` resolves a next hop that is
//! a name while the caller waits, and runs `event_route[tm:local-request]` inside the call. The
//! transaction's numbers are known only after the message is out: an answer may overtake them.
//! For an INVITE tm sends no ACK to 2xx (that is [`Tm::send_ack`], per leg and per repetition), but
//! does so for other finals.

use std::ffi::c_void;
use std::ptr::null_mut;

use super::{events, Tm};
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::sockets::LocalSocket;
use crate::kamailio::text;
use crate::kamailio_sys as sys;

/// A transaction of tm by number, which is never re-used while it lives. Unknown again some seconds
/// after it was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId {
    pub index: u32,
    pub label: u32,
}

/// A request with everything tm does not know. tm adds Via, Max-Forwards, Content-Length and, when
/// configured, User-Agent.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRequest<'a> {
    pub method: &'a str,
    pub request_uri: &'a str,
    /// Value of From without tag: a URI or a name-addr.
    pub local_uri: &'a str,
    /// Value of To without tag: a URI or a name-addr without parameters behind its `>`.
    pub remote_uri: &'a str,
    pub call_id: &'a str,
    pub local_tag: &'a str,
    pub remote_tag: Option<&'a str>,
    pub cseq: u32,
    /// The route set, next hop first, name-addrs as in Route.
    pub route: &'a [&'a str],
    /// Whole lines, each ended by CRLF, or empty: Contact and Content-Type are among them.
    pub headers: &'a str,
    pub body: &'a [u8],
    /// `None`: Kamailio chooses by destination.
    pub socket: Option<&'a LocalSocket>,
}

/// Why a request was not sent. Nothing will be called back for it, but of one that is `Unreachable` a
/// timeout still comes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("{0} cannot be put into a request")]
    Invalid(&'static str),
    #[error("the route set could not be read")]
    BadRoute,
    #[error("{0} is not a socket of this server")]
    UnknownSocket(String),
    #[error("no socket or no address for the next hop")]
    NoDestination,
    #[error("out of shared memory")]
    OutOfMemory,
    #[error("dropped by event_route[tm:local-request]")]
    Dropped,
    #[error("the transport could not reach the next hop")]
    Unreachable,
    #[error("tm could not send it (code {0}); its reason stands in the lines above")]
    Failed(i32),
}

/// Why an INVITE was not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    #[error("the transaction is not known to tm (any more)")]
    Unknown,
    #[error("the headers of a CANCEL must be lines that end in CRLF")]
    BadHeaders,
}

impl Tm {
    /// Sends a request in a new transaction. With a `handle` other than 0, answers and timeouts go
    /// to the response handler, perhaps before this returns. Not for ACK and CANCEL.
    pub fn send(
        &self,
        request: &OutgoingRequest<'_>,
        handle: Option<u64>,
    ) -> Result<TransactionId, SendError> {
        self.send_request(request, handle.unwrap_or(0))
    }

    /// Sends the ACK to a 2xx (RFC 3261 section 13.2.2.4): `method` must be "ACK", `cseq` that of the
    /// INVITE. No transaction comes of it.
    pub fn send_ack(&self, request: &OutgoingRequest<'_>) -> Result<(), SendError> {
        if request.method != "ACK" {
            return Err(SendError::Invalid("a method other than ACK"));
        }
        self.send_request(request, 0).map(|_| ())
    }

    /// Cancels an INVITE of ours: the CANCEL goes out now if a 1xx has come, else with the first 1xx
    /// (RFC 3261 section 9.1). `headers`: whole lines for the CANCEL (Reason), or empty. A 2xx may
    /// still come.
    pub fn cancel(&self, transaction: TransactionId, headers: &str) -> Result<(), CancelError> {
        if !headers.is_empty() && (!headers.ends_with("\r\n") || headers.contains("\r\n\r\n")) {
            return Err(CancelError::BadHeaders);
        }
        let main = &self.api.main;
        let (Some(look_up), Some(prepare), Some(cancel), Some(unref)) = (
            main.t_lookup_ident,
            main.prepare_to_cancel,
            main.cancel_uacs,
            main.unref_cell,
        ) else {
            return Err(CancelError::Unknown);
        };
        let _saved = self.save_t();
        let mut cell: *mut sys::cell = null_mut();
        // SAFETY: gives a referenced cell or a negative number; the reference is returned below.
        // cancel_info is plain data; its `how` is 0, the only one that is safe for a transaction of
        // our own (a faked reply dereferences the request we never received).
        unsafe {
            if look_up(&mut cell, transaction.index, transaction.label) < 0 || cell.is_null() {
                return Err(CancelError::Unknown);
            }
            keep_cancel_headers(cell, headers);
            let mut info: sys::cancel_info = std::mem::zeroed();
            if !headers.is_empty() {
                info.reason.cause = sys::CANCEL_REAS_PACKED_HDRS as i16;
                info.reason.u.packed_hdrs = text::str_of(headers.as_bytes());
            }
            prepare(cell, &mut info.cancel_bitmap, 0);
            if info.cancel_bitmap != 0 {
                cancel(cell, &mut info, 0);
            }
            unref(cell);
        }
        Ok(())
    }

    fn send_request(
        &self,
        request: &OutgoingRequest<'_>,
        handle: u64,
    ) -> Result<TransactionId, SendError> {
        check(request)?;
        let send = self.api.main.t_uac_with_ids.ok_or(SendError::Failed(-1))?;
        let send_sock = match request.socket {
            None => null_mut(),
            Some(socket) => {
                let found = socket.find();
                if found.is_null() {
                    return Err(SendError::UnknownSocket(socket.text()));
                }
                found
            }
        };
        let route_text = request.route.join(", ");
        let route = RouteSet::parse(&route_text)?;

        // SAFETY: dlg_t is plain data for which all-zero is an empty dialog.
        let mut dialog: sys::dlg_t = unsafe { std::mem::zeroed() };
        dialog.id.call_id = text::str_of(request.call_id.as_bytes());
        dialog.id.loc_tag = text::str_of(request.local_tag.as_bytes());
        dialog.id.rem_tag = text::str_of(request.remote_tag.unwrap_or_default().as_bytes());
        dialog.loc_seq.value = request.cseq;
        dialog.loc_seq.is_set = 1;
        dialog.loc_uri = text::str_of(request.local_uri.as_bytes());
        dialog.rem_uri = text::str_of(request.remote_uri.as_bytes());
        dialog.rem_target = text::str_of(request.request_uri.as_bytes());
        dialog.route_set = route.head;
        dialog.send_sock = send_sock;
        dialog.state = sys::DLG_CONFIRMED;

        let mut method = text::str_of(request.method.as_bytes());
        let mut headers = text::str_of(request.headers.as_bytes());
        let mut body = text::str_of(request.body);
        // SAFETY: uac_req_t is plain data for which all-zero is "nothing set".
        let mut uac: sys::uac_req_t = unsafe { std::mem::zeroed() };
        uac.method = &mut method;
        uac.headers = &mut headers;
        uac.body = &mut body;
        uac.dialog = &mut dialog;
        let mut wanted = 0;
        if request.method == "INVITE" {
            wanted |= sys::TMCB_DONT_ACK;
        }
        if handle != 0 {
            wanted |=
                sys::TMCB_LOCAL_RESPONSE_IN | sys::TMCB_LOCAL_COMPLETED | sys::TMCB_REQUEST_SENT;
            uac.cb = Some(events::on_transaction_event);
            uac.cbp = handle as usize as *mut c_void;
        }
        // Unsigned since Kamailio 6.0.
        uac.cb_flags = wanted as _;
        // Over UDP tm tries again by itself; a connection that cannot be made stays so.
        let watched = handle != 0
            && request.method == "INVITE"
            && request
                .socket
                .is_some_and(|socket| socket.proto.is_stream());
        events::nothing_left_yet();
        let mut id = TransactionId { index: 0, label: 0 };
        // T is saved: the routing script's tm:local-request may look transactions up.
        let _saved = self.save_t();
        // SAFETY: tm copies everything it keeps into its own cell; the dialog, its strings, the
        // route set and the socket record all outlive the call.
        let result = unsafe { send(&mut uac, &mut id.index, &mut id.label) };
        match result {
            code if code > 0 && watched && !events::has_left() => Err(SendError::Unreachable),
            code if code > 0 => Ok(id),
            0 => Err(SendError::Dropped),
            code if code == sys::E_NO_SOCKET => Err(SendError::NoDestination),
            code if code == sys::E_OUT_OF_MEM => Err(SendError::OutOfMemory),
            code => Err(SendError::Failed(code)),
        }
    }
}

/// tm prints these as given: nothing that would end its line early, or that tm reads past.
fn check(request: &OutgoingRequest<'_>) -> Result<(), SendError> {
    let token = |text: &str| !text.is_empty() && text.bytes().all(|b| b > b' ' && b != 127);
    let line = |text: &str| !text.is_empty() && text.bytes().all(|b| b >= b' ' && b != 127);
    if !token(request.method) {
        return Err(SendError::Invalid("the method"));
    }
    if !token(request.request_uri) {
        return Err(SendError::Invalid("the request-uri"));
    }
    if !line(request.local_uri) {
        return Err(SendError::Invalid("the from value"));
    }
    // CANCEL is built with the stored length of To, which tm counts wrong behind a `>`.
    let after_bracket = request
        .remote_uri
        .rsplit_once('>')
        .map_or("", |(_, rest)| rest);
    if !line(request.remote_uri) || !after_bracket.is_empty() {
        return Err(SendError::Invalid("the to value"));
    }
    if !token(request.call_id) {
        return Err(SendError::Invalid("the call-id"));
    }
    if !token(request.local_tag)
        || request
            .remote_tag
            .is_some_and(|tag| !tag.is_empty() && !token(tag))
    {
        return Err(SendError::Invalid("a tag"));
    }
    if !request.route.iter().all(|route| line(route)) {
        return Err(SendError::BadRoute);
    }
    let headers = request.headers;
    if !headers.is_empty() && (!headers.ends_with("\r\n") || headers.contains("\r\n\r\n")) {
        return Err(SendError::Invalid("the header block"));
    }
    Ok(())
}

/// A route set in Kamailio's private memory; points into the text it was read from.
struct RouteSet<'a> {
    head: *mut sys::rr_t,
    text: std::marker::PhantomData<&'a str>,
}

impl<'a> RouteSet<'a> {
    fn parse(text: &'a str) -> Result<RouteSet<'a>, SendError> {
        let mut set = RouteSet {
            head: null_mut(),
            text: std::marker::PhantomData,
        };
        if text.is_empty() {
            return Ok(set);
        }
        let value = text::str_of(text.as_bytes());
        // SAFETY: reads `len` bytes, which outlive the set; on an error it frees what it made and
        // leaves the head alone.
        let result = unsafe { sys::parse_rr_body(value.s, value.len, &mut set.head) };
        if result < 0 || set.head.is_null() {
            return Err(SendError::BadRoute);
        }
        Ok(set)
    }
}

impl Drop for RouteSet<'_> {
    fn drop(&mut self) {
        if !self.head.is_null() {
            // SAFETY: made by parse_rr_body in this process and freed once.
            unsafe { sys::free_rr(&mut self.head) };
        }
    }
}

/// Leaves the headers where tm looks for them when the CANCEL has to wait for the first 1xx. tm frees
/// them with the transaction. Without memory the CANCEL goes out without them.
///
/// # Safety
/// `cell` must be a transaction this process holds a reference to.
unsafe fn keep_cancel_headers(cell: *mut sys::cell, headers: &str) {
    use std::sync::atomic::{AtomicPtr, Ordering};

    let size = std::mem::size_of::<sys::cancel_reason>();
    if headers.is_empty() {
        return;
    }
    let Some(memory) = KamailioShm.allocate(size + headers.len()) else {
        return;
    };
    // SAFETY: one fresh chunk of shared memory, large enough for the struct and the text behind it;
    // tm compares and frees it as one chunk. Published with a compare-exchange, as tm does itself.
    unsafe {
        let reason = memory.as_ptr().cast::<sys::cancel_reason>();
        let text = memory.as_ptr().add(size);
        std::ptr::copy_nonoverlapping(headers.as_ptr(), text, headers.len());
        (*reason).cause = sys::CANCEL_REAS_PACKED_HDRS as i16;
        (*reason).u.packed_hdrs = sys::str_ {
            s: text.cast(),
            len: headers.len() as i32,
        };
        let slot = AtomicPtr::from_ptr(std::ptr::addr_of_mut!((*cell).uas.cancel_reas));
        let published =
            slot.compare_exchange(null_mut(), reason, Ordering::SeqCst, Ordering::SeqCst);
        if published.is_err() {
            KamailioShm.release(memory);
        }
    }
}
