//! What has just been received, before Kamailio reads it: in `event_route[core:msg-received]`, or the KEMI
//! function that `received_route_callback` names.
//!
//! Kamailio calls it in the process that received the message, without a lock, for each message of the server
//! (core/receive.c). The `sip_msg` of the route is an empty one.

use std::net::{IpAddr, SocketAddr};

use super::sockets::{from_ip_addr, Proto};
use super::str_conversion;
use crate::kamailio_sys as sys;

/// A message as it came, for as long as the event route runs.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// All of it; over a connection one message.
    pub bytes: &'a [u8],
    /// Where it came from.
    pub source: SocketAddr,
    /// Whether it came over a connection.
    pub is_stream: bool,
}

/// Calls `f` with what was received. None outside the event route.
pub fn with_received<R>(f: impl FnOnce(Received<'_>) -> R) -> Option<R> {
    // SAFETY: Kamailio returns NULL, or its record of the message. The record, and what it points to, live
    // until the event route ends, and `f` cannot keep them.
    unsafe {
        let record = sys::ksr_evrt_rcvnetinfo_get().as_ref()?;
        let rcv = record.rcv.as_ref()?;
        let address: IpAddr = from_ip_addr(&rcv.src_ip)?;
        Some(f(Received {
            bytes: str_conversion::bytes_of(&record.data),
            source: SocketAddr::new(address, rcv.src_port),
            is_stream: Proto::from_number(i64::from(rcv.proto)).is_some_and(Proto::is_stream),
        }))
    }
}
