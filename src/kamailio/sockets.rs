//! The sockets that Kamailio listens on, as values that can be stored and found again.
//!
//! Kamailio's lists of sockets are complete when it calls `mod_init`. They are the same in all processes
//! and do not change while the server runs.

use std::ffi::c_ushort;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::str_conversion;
use crate::kamailio_sys as sys;

/// A transport. Messages over WebSocket arrive on a TCP or TLS socket of Kamailio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
    /// SCTP.
    Sctp,
    /// SIP over WebSocket.
    Ws,
    /// SIP over WebSocket with TLS.
    Wss,
}

impl Proto {
    /// Its name in lower case, as in `udp:127.0.0.1:5060`.
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

    /// Whether it is a stream, in which Content-Length ends a message (RFC 3261 section 18.3).
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

    /// The transport with this number of Kamailio's (`PROTO_…`, core/ip_addr.h).
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

/// A socket of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalSocket {
    /// Its transport.
    pub proto: Proto,
    /// The address it is bound to.
    pub address: IpAddr,
    /// The port it is bound to.
    pub port: u16,
}

impl LocalSocket {
    /// Kamailio's notation: `udp:127.0.0.1:5060`, `tcp:[::1]:5060`.
    pub fn text(&self) -> String {
        self.to_string()
    }

    /// Reads what [`text`](Self::text) wrote. It does not check that the server has such a socket.
    pub fn parse(text: &str) -> Option<LocalSocket> {
        let (proto, rest) = text.split_once(':')?;
        let at: SocketAddr = rest.parse().ok()?;
        Some(LocalSocket {
            proto: Proto::parse(proto)?,
            address: at.ip(),
            port: at.port(),
        })
    }

    /// Address and port in the form of a URI: `127.0.0.1:5060`, `[::1]:5060`.
    pub fn host_port(&self) -> String {
        SocketAddr::new(self.address, self.port).to_string()
    }

    /// Kamailio's record of this socket; NULL when the server does not listen there.
    pub(super) fn find(&self) -> *mut sys::socket_info {
        let mut address = to_ip_addr(self.address);
        // SAFETY: `find_si` reads the address, and searches lists that do not change after the start.
        unsafe { sys::find_si(&mut address, self.port, self.proto.number()) }
    }

    /// The socket of a record of Kamailio's. `None` for NULL, and for an unknown transport or address
    /// family.
    ///
    /// # Safety
    /// `info` is NULL or points to one of Kamailio's socket records.
    pub(super) unsafe fn from_info(info: *const sys::socket_info) -> Option<LocalSocket> {
        // SAFETY: promised by the caller. The records live as long as the process.
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

/// All sockets of the server: UDP, then TCP, TLS and SCTP, each in the order of the configuration.
pub fn all() -> Vec<LocalSocket> {
    let mut found = Vec::new();
    for proto in [Proto::Udp, Proto::Tcp, Proto::Tls, Proto::Sctp] {
        // SAFETY: the function returns the address of the head of a list, or NULL without that transport.
        // The records in the list live as long as the process and do not change after the start.
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

/// Whether `host` and `port` name this server: one of its sockets, an `alias` of the configuration, or what
/// another module registered (`check_self`, core/forward.c).
///
/// `host` is a name or an address, IPv6 with or without brackets. `port` 0 matches every port.
pub fn is_local(host: &str, port: u16) -> bool {
    let mut host = str_conversion::str_of(host.as_bytes());
    if host.len == 0 {
        return false;
    }
    // SAFETY: `check_self` only reads the string, which outlives the call. 0 stands for any transport.
    unsafe { sys::check_self(&mut host, port, 0) == 1 }
}

/// An address of Kamailio's (`ip_addr`, core/ip_addr.h). `None` for an unknown address family.
pub(super) fn from_ip_addr(address: &sys::ip_addr) -> Option<IpAddr> {
    // SAFETY: all members of the union are plain bytes.
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

/// The IP address of a socket address, an IPv4 address always as such. `None` for another family.
pub(super) fn from_sockaddr(address: &sys::sockaddr_union) -> Option<IpAddr> {
    // SAFETY: all members of the union are plain bytes and begin with the family, which says which one it is.
    unsafe {
        match i32::from(address.s.sa_family) {
            libc::AF_INET => {
                let number = u32::from_be(address.sin.sin_addr.s_addr);
                Some(IpAddr::V4(Ipv4Addr::from(number)))
            }
            libc::AF_INET6 => {
                let bytes: [u8; 16] = std::mem::transmute(address.sin6.sin6_addr);
                Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
            }
            _ => None,
        }
    }
}

fn to_ip_addr(address: IpAddr) -> sys::ip_addr {
    // SAFETY: ip_addr is plain numbers, which may be zero.
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
