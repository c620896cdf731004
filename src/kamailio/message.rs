//! The SIP message Kamailio is working on, borrowed for one callback.
//! Not here: parsing; the bytes go to `crate::sip`.
//!
//! Promise: the buffer is Kamailio's (a static one for UDP, the connection's for TCP) and is only
//! valid until the callback returns; the next message overwrites it. The bytes are those received,
//! edits of the routing script are kept beside them (except the new Request-URI, see there).

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr::NonNull;

use super::sockets::{from_ip_addr, LocalSocket, Proto};
use super::text;
use crate::kamailio_sys as sys;

/// A message in the hands of this process, for the length of one callback.
pub struct Message<'a> {
    raw: NonNull<sys::sip_msg>,
    life: PhantomData<&'a sys::sip_msg>,
}

impl<'a> Message<'a> {
    /// `None` for NULL and for tm's marker of a reply that was never received.
    ///
    /// # Safety
    /// `raw` must be what Kamailio passed to the callback that is running, and `'a` must not
    /// outlive that callback.
    pub(super) unsafe fn from_raw(raw: *mut sys::sip_msg) -> Option<Message<'a>> {
        if raw == sys::FAKED_REPLY {
            return None;
        }
        Some(Message {
            raw: NonNull::new(raw)?,
            life: PhantomData,
        })
    }

    pub(super) fn as_ptr(&self) -> *mut sys::sip_msg {
        self.raw.as_ptr()
    }

    fn get(&self) -> &sys::sip_msg {
        // SAFETY: `from_raw`'s promise; Kamailio is single-threaded, and the shared borrow lasts
        // no longer than an accessor below.
        unsafe { self.raw.as_ref() }
    }

    /// The whole message as received.
    pub fn bytes(&self) -> &'a [u8] {
        let message = self.get();
        if message.buf.is_null() {
            return &[];
        }
        // SAFETY: Kamailio keeps `len` bytes at `buf` for as long as it works on the message.
        unsafe { std::slice::from_raw_parts(message.buf as *const u8, message.len as usize) }
    }

    pub fn is_request(&self) -> bool {
        i64::from(self.get().first_line.type_) == i64::from(sys::SIP_REQUEST)
    }

    /// The method as received; empty for a reply.
    pub fn method(&self) -> &'a [u8] {
        if !self.is_request() {
            return &[];
        }
        // SAFETY: for a request that member of the union is the filled-in one; the text lies in
        // the message buffer.
        unsafe { text::bytes_of(&self.get().first_line.u.request.method) }
    }

    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        if self.is_request() {
            return 0;
        }
        // SAFETY: for a reply that member of the union is the filled-in one.
        let code = unsafe { self.get().first_line.u.reply.statuscode };
        u16::try_from(code).unwrap_or(0)
    }

    /// The Request-URI: what the routing script made of it (`$ru = …`, `loose_route`), else what
    /// was received. Empty for a reply.
    pub fn request_uri(&self) -> &'a [u8] {
        if !self.is_request() {
            return &[];
        }
        let message = self.get();
        // SAFETY: `new_uri` is NULL or private memory that lives until the message or the URI is
        // replaced, which nothing does while our callback runs; the rest as in `method`.
        unsafe {
            if !message.new_uri.s.is_null() && message.new_uri.len > 0 {
                return text::bytes_of(&message.new_uri);
            }
            text::bytes_of(&message.first_line.u.request.uri)
        }
    }

    /// Whether its sender put a tag into To: a request inside a dialog. Only told once Kamailio has
    /// parsed the headers, which it has when there is a transaction.
    pub(super) fn has_to_tag(&self) -> bool {
        // SAFETY: `to` is NULL or a header of this message; what a To is parsed into is a to_body,
        // NULL if it could not be.
        unsafe {
            let header = self.get().to.as_ref();
            let to = header.and_then(|header| header.parsed.cast::<sys::to_body>().as_ref());
            to.is_some_and(|to| !to.tag_value.s.is_null() && to.tag_value.len > 0)
        }
    }

    /// Where the headers end, once Kamailio has parsed them all.
    pub(super) fn end_of_headers(&self) -> Option<NonNull<std::ffi::c_char>> {
        NonNull::new(self.get().eoh)
    }

    /// Whether it came over a connection (so that a body ends where Content-Length says).
    pub fn is_stream(&self) -> bool {
        Proto::from_number(i64::from(self.get().rcv.proto)).is_some_and(Proto::is_stream)
    }

    /// The transport address it came from, never taken from a header.
    pub fn source(&self) -> SocketAddr {
        let rcv = &self.get().rcv;
        let address = from_ip_addr(&rcv.src_ip).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        SocketAddr::new(address, rcv.src_port)
    }

    /// The socket of ours it came in on; `None` only for messages Kamailio made up itself.
    pub fn socket(&self) -> Option<LocalSocket> {
        // SAFETY: `bind_address` is NULL or one of the socket records of the process.
        unsafe { LocalSocket::from_info(self.get().rcv.bind_address) }
    }
}
