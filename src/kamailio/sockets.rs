//! The sockets Kamailio listens on, as values that can be stored and found again.
//! Not here: sending (`tm`, `sl`).
//!
//! Promise: the lists are built before `mod_init` returns to the core's start-up, are the same in
//! every process and do not change while the server runs. In `mod_init` they are complete too.

use std::ffi::c_ushort;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::text;
use crate::kamailio_sys as sys;

/// Transport of a socket; WebSocket arrives on a TCP or TLS socket of Kamailio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
    Wss,
}

impl Proto {
    /// Lower-case name, as in `udp:127.0.0.1:5060`.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Udp => "udp",
            Proto::Tcp => "tcp",
            Proto::Tls => "tls",
            Proto::Sctp => "sctp",
            Proto::Ws => "ws",
            Proto::Wss => "wss",
        }
    }

    /// Whether messages are framed by Content-Length on a connection.
    pub fn is_stream(self) -> bool {
        !matches!(self, Proto::Udp | Proto::Sctp)
    }

    fn parse(name: &str) -> Option<Proto> {
        [
            Proto::Udp,
            Proto::Tcp,
            Proto::Tls,
            Proto::Sctp,
            Proto::Ws,
            Proto::Wss,
        ]
        .into_iter()
        .find(|proto| proto.name().eq_ignore_ascii_case(name))
    }

    pub(super) fn from_number(number: i64) -> Option<Proto> {
        match u32::try_from(number).ok()? {
            sys::PROTO_UDP => Some(Proto::Udp),
            sys::PROTO_TCP => Some(Proto::Tcp),
            sys::PROTO_TLS => Some(Proto::Tls),
            sys::PROTO_SCTP => Some(Proto::Sctp),
            sys::PROTO_WS => Some(Proto::Ws),
            sys::PROTO_WSS => Some(Proto::Wss),
            _ => None,
        }
    }

    fn number(self) -> c_ushort {
        let number = match self {
            Proto::Udp => sys::PROTO_UDP,
            Proto::Tcp => sys::PROTO_TCP,
            Proto::Tls => sys::PROTO_TLS,
            Proto::Sctp => sys::PROTO_SCTP,
            Proto::Ws => sys::PROTO_WS,
            Proto::Wss => sys::PROTO_WSS,
        };
        number as c_ushort
    }
}

/// One socket of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalSocket {
    pub proto: Proto,
    pub address: IpAddr,
    pub port: u16,
}

impl LocalSocket {
    /// `udp:127.0.0.1:5060`, `tcp:[::1]:5060`: Kamailio's own notation.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// Reads [`text`](Self::text) back; whether it (still) is a socket of ours is another question.
    pub fn parse(text: &str) -> Option<LocalSocket> {
        let (proto, rest) = text.split_once(':')?;
        let at: SocketAddr = rest.parse().ok()?;
        Some(LocalSocket {
            proto: Proto::parse(proto)?,
            address: at.ip(),
            port: at.port(),
        })
    }

    /// Address and port as they stand in a URI: `127.0.0.1:5060`, `[::1]:5060`.
    pub fn host_port(&self) -> String {
        SocketAddr::new(self.address, self.port).to_string()
    }

    /// Kamailio's record of this socket; NULL when it does not listen there.
    pub(super) fn find(&self) -> *mut sys::socket_info {
        let mut address = to_ip_addr(self.address);
        // SAFETY: `find_si` reads the address and searches lists that do not change after start.
        unsafe { sys::find_si(&mut address, self.port, self.proto.number()) }
    }

    /// # Safety
    /// `info` must be NULL or point to one of Kamailio's socket records.
    pub(super) unsafe fn from_info(info: *const sys::socket_info) -> Option<LocalSocket> {
        // SAFETY: promised by the caller; the records live as long as the process.
        let info = unsafe { info.as_ref() }?;
        Some(LocalSocket {
            proto: Proto::from_number(i64::from(info.proto))?,
            address: from_ip_addr(&info.address)?,
            port: info.port_no,
        })
    }
}

impl fmt::Display for LocalSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = SocketAddr::new(self.address, self.port);
        write!(f, "{}:{at}", self.proto.name())
    }
}

/// Every socket Kamailio listens on, in the order of the configuration per transport.
pub fn all() -> Vec<LocalSocket> {
    let mut found = Vec::new();
    for proto in [Proto::Udp, Proto::Tcp, Proto::Tls, Proto::Sctp] {
        // SAFETY: gives the address of the head of a list (NULL without that transport); the
        // list's records live as long as the process and are not changed after start.
        unsafe {
            let head = sys::get_sock_info_list(proto.number());
            let mut next = if head.is_null() { head.cast() } else { *head };
            while let Some(info) = next.as_ref() {
                found.extend(LocalSocket::from_info(info));
                next = info.next;
            }
        }
    }
    found
}

/// Whether `host` (name or address, IPv6 with or without brackets) and `port` mean this server: one
/// of its sockets, an `alias` of the configuration, or what another module registered. `port` 0
/// matches every port.
pub fn is_local(host: &str, port: u16) -> bool {
    let mut host = text::str_of(host.as_bytes());
    if host.len == 0 {
        return false;
    }
    // SAFETY: `check_self` only reads the string, which outlives the call; 0 means any protocol.
    unsafe { sys::check_self(&mut host, port, 0) == 1 }
}

/// Kamailio's address type as Rust's.
pub(super) fn from_ip_addr(address: &sys::ip_addr) -> Option<IpAddr> {
    // SAFETY: all members of the union are plain bytes of the same size.
    let bytes = unsafe { address.u.addr };
    match address.af as i32 {
        libc::AF_INET => {
            let [a, b, c, d, ..] = bytes;
            Some(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
        }
        libc::AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(bytes))),
        _ => None,
    }
}

fn to_ip_addr(address: IpAddr) -> sys::ip_addr {
    // SAFETY: ip_addr is plain numbers; all-zero is valid.
    let mut result: sys::ip_addr = unsafe { std::mem::zeroed() };
    let mut bytes = [0u8; 16];
    match address {
        IpAddr::V4(v4) => {
            result.af = libc::AF_INET as u32;
            result.len = 4;
            bytes[..4].copy_from_slice(&v4.octets());
        }
        IpAddr::V6(v6) => {
            result.af = libc::AF_INET6 as u32;
            result.len = 16;
            bytes = v6.octets();
        }
    }
    result.u.addr = bytes;
    result
}
