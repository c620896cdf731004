//! Requests of our own: sending one in a transaction, acknowledging a 2xx, cancelling an INVITE.
//!
//! tm sends from any process, also without a current message. It keeps no dialog: each request brings all
//! values of its dialog.
//!
//! `t_uac` resolves a next hop that is a name while the caller waits. It runs
//! `event_route[tm:local-request]` inside the call. It returns the numbers of the transaction only after
//! the message was sent, so a reply may arrive before them.
//!
//! tm does not acknowledge a 2xx to our INVITE. [`Tm::send_ack`] does, for each dialog and for each
//! retransmission of the 2xx. tm acknowledges other final replies itself.

use std::borrow::Cow;
use std::ffi::c_void;
use std::ptr::null_mut;

use super::{events, Tm};
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::sockets::LocalSocket;
use crate::kamailio::str_conversion;
use crate::kamailio_sys as sys;

/// A transaction by its place in tm's hash table. tm forgets it some seconds after it was completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId {
    /// The bucket of the table.
    pub index: u32,
    /// The number of the transaction in its bucket, which tm does not reuse while the transaction lives.
    pub label: u32,
}

/// The line in front of the headers of every request. tm adds the same one to a request without it, but only
/// after a search through all headers, byte by byte; in front it is found at once.
#[cfg(tm_takes_max_forwards)]
const MAX_FORWARDS: &str = "Max-Forwards: 70\r\n";
/// As far as is known, this tm would write a second one.
#[cfg(not(tm_takes_max_forwards))]
const MAX_FORWARDS: &str = "";

/// A request to be sent. Via, Max-Forwards, Content-Length and, if configured, User-Agent are added.
#[derive(Debug, Clone, Copy)]
pub struct OutgoingRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// The Request-URI: the remote target of the dialog.
    pub request_uri: &'a str,
    /// The value of From without tag: a URI or a name-addr.
    pub local_uri: &'a str,
    /// The value of To without tag: a URI, or a name-addr without parameters behind its `>`.
    pub remote_uri: &'a str,
    /// The Call-ID.
    pub call_id: &'a str,
    /// The tag of From.
    pub local_tag: &'a str,
    /// The tag of To; `None` outside a dialog.
    pub remote_tag: Option<&'a str>,
    /// The number in CSeq.
    pub cseq: u32,
    /// The route set, next hop first, as name-addrs.
    pub route: &'a [&'a str],
    /// Further headers: empty, or whole lines that each end in CRLF. Contact and Content-Type are among
    /// them.
    pub headers: &'a str,
    /// The body; empty for none.
    pub body: &'a [u8],
    /// The socket to send from. `None`: Kamailio chooses one by the destination.
    pub socket: Option<&'a LocalSocket>,
}

/// Why a request was not sent. No event follows, except a timeout after `Unreachable`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Holds the part of the request that is missing or malformed.
    #[error("{0} cannot be put into a request")]
    Invalid(&'static str),
    /// An entry of the route set is not a name-addr, or has a control character.
    #[error("the route set could not be read")]
    BadRoute,
    /// Holds the socket, in Kamailio's notation.
    #[error("{0} is not a socket of this server")]
    UnknownSocket(String),
    /// The next hop could not be resolved, or the server has no socket for its transport.
    #[error("no socket or no address for the next hop")]
    NoDestination,
    /// tm has no shared memory for the transaction.
    #[error("out of shared memory")]
    OutOfMemory,
    /// The routing script dropped it.
    #[error("dropped by event_route[tm:local-request]")]
    Dropped,
    /// The connection to the next hop could not be made. tm has a transaction for the request and reports
    /// its timeout.
    #[error("the transport could not reach the next hop")]
    Unreachable,
    /// Holds the negative code that tm returned.
    #[error("tm could not send it (code {0}); its reason stands in the lines above")]
    Failed(i32),
}

/// Why an INVITE was not cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CancelError {
    /// The transaction ended some seconds ago, or never was.
    #[error("the transaction is not known to tm (any more)")]
    Unknown,
    /// The headers do not end in CRLF, or have an empty line.
    #[error("the headers of a CANCEL must be lines that end in CRLF")]
    BadHeaders,
}

impl Tm {
    /// Sends a request other than ACK and CANCEL in a new transaction.
    ///
    /// The response handler gets replies and timeouts with the `handle` (0 for none), perhaps before this
    /// returns.
    ///
    /// # Errors
    /// [`SendError`]. The request was not sent.
    pub fn send(
        &self,
        request: &OutgoingRequest<'_>,
        handle: Option<u64>,
    ) -> Result<TransactionId, SendError> {
        self.send_request(request, handle.unwrap_or(0))
    }

    /// Sends the ACK to a 2xx, without a transaction (RFC 3261 section 13.2.2.4). The method is "ACK" and
    /// `cseq` that of the INVITE.
    ///
    /// # Errors
    /// [`SendError`]. The ACK was not sent.
    pub fn send_ack(&self, request: &OutgoingRequest<'_>) -> Result<(), SendError> {
        if request.method != "ACK" {
            return Err(SendError::Invalid("a method other than ACK"));
        }
        self.send_request(request, 0).map(|_| ())
    }

    /// Cancels an INVITE of our own. The CANCEL is sent now if a 1xx has come, else when the first one
    /// comes (RFC 3261 section 9.1). A 2xx may come all the same.
    ///
    /// `headers` are further headers of the CANCEL, such as Reason: empty, or whole lines that each end in
    /// CRLF.
    ///
    /// # Errors
    /// [`CancelError`]. No CANCEL will be sent.
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
        // SAFETY: the look-up gives a cell with a reference, which is given back below, or a negative
        // number. cancel_info is plain data. Its flags (`how`) stay 0: with F_CANCEL_B_FAKE_REPLY tm
        // would dereference the received request, which a transaction of our own does not have.
        unsafe {
            if look_up(&mut cell, transaction.index, transaction.label) < 0 || cell.is_null() {
                return Err(CancelError::Unknown);
            }
            store_cancel_headers(cell, headers);
            let mut info: sys::cancel_info = std::mem::zeroed();
            if !headers.is_empty() {
                info.reason.cause = sys::CANCEL_REAS_PACKED_HDRS as i16;
                info.reason.u.packed_hdrs = str_conversion::str_of(headers.as_bytes());
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
        let route_text = match request.route {
            [only] => Cow::Borrowed(*only),
            all => Cow::Owned(all.join(", ")),
        };
        let route = RouteSet::parse(&route_text)?;

        // SAFETY: dlg_t is plain data, and all zero is an empty dialog.
        let mut dialog: sys::dlg_t = unsafe { std::mem::zeroed() };
        dialog.id.call_id = str_conversion::str_of(request.call_id.as_bytes());
        dialog.id.loc_tag = str_conversion::str_of(request.local_tag.as_bytes());
        dialog.id.rem_tag =
            str_conversion::str_of(request.remote_tag.unwrap_or_default().as_bytes());
        dialog.loc_seq.value = request.cseq;
        dialog.loc_seq.is_set = 1;
        dialog.loc_uri = str_conversion::str_of(request.local_uri.as_bytes());
        dialog.rem_uri = str_conversion::str_of(request.remote_uri.as_bytes());
        dialog.rem_target = str_conversion::str_of(request.request_uri.as_bytes());
        dialog.route_set = route.head;
        dialog.send_sock = send_sock;
        dialog.state = sys::DLG_CONFIRMED;

        let mut method = str_conversion::str_of(request.method.as_bytes());
        let headers = [MAX_FORWARDS, request.headers].concat();
        let mut headers = str_conversion::str_of(headers.as_bytes());
        let mut body = str_conversion::str_of(request.body);
        // SAFETY: uac_req_t is plain data, and all zero is an empty request.
        let mut uac: sys::uac_req_t = unsafe { std::mem::zeroed() };
        uac.method = &mut method;
        uac.headers = &mut headers;
        uac.body = &mut body;
        uac.dialog = &mut dialog;
        let mut wanted = 0;
        if request.method == "INVITE" {
            wanted |= sys::TMCB_DONT_ACK;
        }
        // Also where nobody waits for a result: whose answer counts is decided in the callback.
        if request.method != "ACK" {
            wanted |=
                sys::TMCB_LOCAL_RESPONSE_IN | sys::TMCB_LOCAL_COMPLETED | sys::TMCB_REQUEST_SENT;
            uac.cb = Some(events::on_transaction_event);
            uac.cbp = handle as usize as *mut c_void;
        }
        // The field is signed in Kamailio 5 and unsigned since 6.0.
        uac.cb_flags = wanted as _;
        // Over UDP tm retransmits. A request that a connection did not take is lost.
        let watched = handle != 0
            && request.method == "INVITE"
            && request
                .socket
                .is_some_and(|socket| socket.proto.is_stream());
        events::clear_request_sent();
        let mut id = TransactionId { index: 0, label: 0 };
        // The script's event_route[tm:local-request] may look up transactions and so overwrite T.
        let _saved = self.save_t();
        // SAFETY: tm copies what it keeps into its cell. The dialog, its strings, the route set and the
        // socket record outlive the call.
        let result = unsafe { send(&mut uac, &mut id.index, &mut id.label) };
        match result {
            code if code > 0 && watched && !events::request_sent() => Err(SendError::Unreachable),
            code if code > 0 => Ok(id),
            0 => Err(SendError::Dropped),
            code if code == sys::E_NO_SOCKET => Err(SendError::NoDestination),
            code if code == sys::E_OUT_OF_MEM => Err(SendError::OutOfMemory),
            code => Err(SendError::Failed(code)),
        }
    }
}

/// Checks the parts of a request. tm writes them into the message as they are, so none may end its line.
fn check(request: &OutgoingRequest<'_>) -> Result<(), SendError> {
    let token = |text: &str| !text.is_empty() && every(text, |b| b > b' ' && b != 127);
    let line = |text: &str| !text.is_empty() && every(text, |b| b >= b' ' && b != 127);
    if !token(request.method) {
        return Err(SendError::Invalid("the method"));
    }
    if !token(request.request_uri) {
        return Err(SendError::Invalid("the request-uri"));
    }
    if !line(request.local_uri) {
        return Err(SendError::Invalid("the from value"));
    }
    // tm counts the length of a To with text behind its `>` wrongly, and builds the CANCEL with it.
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

/// Whether all bytes fit. Every one is looked at, so that many are at once.
fn every(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, b| all & fits(b))
}

/// A route set in Kamailio's private memory. It points into the text that it was read from.
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
        let value = str_conversion::str_of(text.as_bytes());
        // SAFETY: the function reads `len` bytes, which outlive the set. On an error it frees what it has
        // made and leaves the head as it was.
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
            // SAFETY: parse_rr_body made the list in this process, and it is freed once.
            unsafe { sys::free_rr(&mut self.head) };
        }
    }
}

/// Stores the headers of a CANCEL in the transaction. tm takes them from there when the CANCEL has to wait
/// for the first 1xx, and frees them with the transaction. If there is no memory, the CANCEL is sent
/// without them.
///
/// # Safety
/// `cell` is a transaction that this process holds a reference to.
unsafe fn store_cancel_headers(cell: *mut sys::cell, headers: &str) {
    use std::sync::atomic::{AtomicPtr, Ordering};

    let size = std::mem::size_of::<sys::cancel_reason>();
    if headers.is_empty() {
        return;
    }
    let Some(memory) = KamailioShm.allocate(size + headers.len()) else {
        return;
    };
    // SAFETY: the new chunk of shared memory has room for the struct and the text behind it. tm frees it
    // as one chunk. It is published by a compare-exchange, as tm does itself.
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
