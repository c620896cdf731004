//! The sockets Kamailio listens on, as values: where a request came in and where one leaves.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::sip::uri::{Scheme, Uri};

/// Transport of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    /// UDP
    Udp,
    /// TCP
    Tcp,
    /// TLS over TCP
    Tls,
    /// SCTP
    Sctp,
    /// WebSocket
    Ws,
    /// WebSocket over TLS
    Wss,
}

impl Transport {
    /// The value of the `transport` URI parameter (RFC 3261 section 19.1.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Sctp => "sctp",
            Transport::Ws => "ws",
            Transport::Wss => "wss",
        }
    }

    /// The transport by which a request to this URI leaves (RFC 3263 section 4.1, without DNS).
    pub fn of_uri(uri: &Uri) -> Transport {
        let said = uri.param("transport").map(str::to_ascii_lowercase);
        match said.as_deref() {
            Some("tcp") => Transport::Tcp,
            Some("tls") => Transport::Tls,
            Some("sctp") => Transport::Sctp,
            Some("ws") => Transport::Ws,
            Some("wss") => Transport::Wss,
            _ if uri.scheme() == Scheme::Sips => Transport::Tls,
            _ => Transport::Udp,
        }
    }
}

/// One of the sockets Kamailio listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    /// Transport
    pub transport: Transport,
    /// Local address
    pub address: IpAddr,
    /// Local port
    pub port: u16,
}

impl Socket {
    /// No socket at all: a send over it fails and says so.
    pub const NOWHERE: Socket = Socket {
        transport: Transport::Udp,
        address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
    };

    /// The address as it stands in a URI: IPv6 in brackets.
    pub fn host(&self) -> String {
        match self.address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets().map(|octet| octet.to_string());
                [&a, ".", &b, ".", &c, ".", &d].concat()
            }
            IpAddr::V6(v6) => format!("[{v6}]"),
        }
    }

    /// Address and port as they stand in a URI: `127.0.0.1:5060`, `[::1]:5060`.
    pub fn host_port(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl fmt::Display for Socket {
    /// Kamailio's own notation, `udp:127.0.0.1:5060`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.transport.as_str(), self.host_port())
    }
}
