//! The SIP message that Kamailio is working on, borrowed for one callback.
//!
//! The buffer belongs to Kamailio: a static one for UDP, the connection's for TCP. It is valid until the
//! callback returns, and the next message overwrites it. It holds the bytes as received. Edits of the
//! routing script are kept apart from it; only the new Request-URI is visible here.

use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ptr::NonNull;

use super::sockets::{from_ip_addr, LocalSocket, Proto};
use super::str_conversion;
use crate::kamailio_sys as sys;

/// The message that this process works on (`sip_msg`), for the length of one callback.
pub struct Message<'a> {
    raw: NonNull<sys::sip_msg>,
    lifetime: PhantomData<&'a sys::sip_msg>,
}

impl<'a> Message<'a> {
    /// The message behind a pointer. `None` for NULL, and for `FAKED_REPLY`, which tm passes when it
    /// received no reply.
    ///
    /// # Safety
    /// Kamailio passed `raw` to the callback that is running, and `'a` does not outlive that callback.
    pub(super) unsafe fn from_raw(raw: *mut sys::sip_msg) -> Option<Message<'a>> {
        if raw == sys::FAKED_REPLY {
            return None;
        }
        Some(Message {
            raw: NonNull::new(raw)?,
            lifetime: PhantomData,
        })
    }

    /// The pointer, for functions of Kamailio.
    pub(super) fn as_ptr(&self) -> *mut sys::sip_msg {
        self.raw.as_ptr()
    }

    fn get(&self) -> &sys::sip_msg {
        // SAFETY: promised to `from_raw`. Kamailio has a single thread, and the methods below hold the
        // borrow only while they run.
        unsafe { self.raw.as_ref() }
    }

    /// The whole message as it was received.
    pub fn bytes(&self) -> &'a [u8] {
        let message = self.get();
        if message.buf.is_null() {
            return &[];
        }
        // SAFETY: Kamailio keeps `len` bytes at `buf` for as long as it works on the message.
        unsafe { std::slice::from_raw_parts(message.buf as *const u8, message.len as usize) }
    }

    /// Whether it is a request, not a reply.
    pub fn is_request(&self) -> bool {
        i64::from(self.get().first_line.type_) == i64::from(sys::SIP_REQUEST)
    }

    /// The method as it was received; empty for a reply.
    pub fn method(&self) -> &'a [u8] {
        if !self.is_request() {
            return &[];
        }
        // SAFETY: Kamailio fills in this member of the union for a request. The text lies in the message
        // buffer.
        unsafe { str_conversion::bytes_of(&self.get().first_line.u.request.method) }
    }

    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        if self.is_request() {
            return 0;
        }
        // SAFETY: Kamailio fills in this member of the union for a reply.
        let code = unsafe { self.get().first_line.u.reply.statuscode };
        u16::try_from(code).unwrap_or(0)
    }

    /// The Request-URI, as the routing script left it (`$ru = …`, `loose_route`). Empty for a reply.
    pub fn request_uri(&self) -> &'a [u8] {
        if !self.is_request() {
            return &[];
        }
        let message = self.get();
        // SAFETY: `new_uri` is NULL or private memory. It lives until the message or the URI is replaced,
        // and nothing replaces them while our callback runs. The rest is as in `method`.
        unsafe {
            if !message.new_uri.s.is_null() && message.new_uri.len > 0 {
                return str_conversion::bytes_of(&message.new_uri);
            }
            str_conversion::bytes_of(&message.first_line.u.request.uri)
        }
    }

    /// Whether To has a tag: the request belongs to a dialog. It is false until Kamailio has parsed the
    /// header, which it does before the routing script runs (core/receive.c), and if it could not.
    pub fn has_to_tag(&self) -> bool {
        // SAFETY: `to` is NULL or a header of this message. Its `parsed` is a to_body, or NULL if the
        // header could not be parsed.
        unsafe {
            let header = self.get().to.as_ref();
            let to = header.and_then(|header| header.parsed.cast::<sys::to_body>().as_ref());
            to.is_some_and(|to| !to.tag_value.s.is_null() && to.tag_value.len > 0)
        }
    }

    /// Whether it answers an INVITE, by its CSeq. `None` if Kamailio could not parse that header, which it
    /// does before it calls anybody (core/receive.c).
    pub fn answers_invite(&self) -> Option<bool> {
        // SAFETY: `cseq` is NULL or a header of this message. Its `parsed` is a cseq_body, or NULL if the
        // header could not be parsed.
        let cseq = unsafe {
            let header = self.get().cseq.as_ref()?;
            header.parsed.cast::<sys::cseq_body>().as_ref()?
        };
        Some(cseq.method_id == sys::METHOD_INVITE)
    }

    /// Where the headers end. `None` until Kamailio has parsed all of them.
    pub(super) fn end_of_headers(&self) -> Option<NonNull<std::ffi::c_char>> {
        NonNull::new(self.get().eoh)
    }

    /// Whether it came over a connection, where Content-Length says where the body ends (RFC 3261 section
    /// 18.3).
    pub fn is_stream(&self) -> bool {
        Proto::from_number(i64::from(self.get().rcv.proto)).is_some_and(Proto::is_stream)
    }

    /// The transport address that it came from. No header has a say in it.
    pub fn source(&self) -> SocketAddr {
        let rcv = &self.get().rcv;
        let address = from_ip_addr(&rcv.src_ip).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        SocketAddr::new(address, rcv.src_port)
    }

    /// The socket of this server that it came in on. `None` for messages that Kamailio made itself.
    pub fn socket(&self) -> Option<LocalSocket> {
        // SAFETY: `bind_address` is NULL or one of Kamailio's socket records.
        unsafe { LocalSocket::from_info(self.get().rcv.bind_address) }
    }
}
