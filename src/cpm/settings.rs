//! What an operator has configured, as the domain sees it, and what every decision gets handed.
//! Not here: reading parameters (`crate::module`) or group documents (`super::policy`).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::policy::{Directory, Group};
use super::text::WarningTexts;
use crate::sip::uri::{Scheme, Uri};

/// A span or a point of time in milliseconds of the monotonic clock all processes share.
pub type Millis = u64;
/// A point of time in microseconds of the same clock.
pub type Micros = u64;

/// RFC 3261 section 17.1.1.1: 64*T1, how long a transaction may stay without its end.
pub const SIXTY_FOUR_T1: Millis = 32_000;

/// tm ends a transaction at 64*T1; a request without any result by then is found by our own deadline.
pub const LOST_REQUEST: Millis = SIXTY_FOUR_T1 + 8_000;

/// Transport of one of our sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Sctp,
    Ws,
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

    fn of_uri(uri: &Uri) -> Transport {
        match uri
            .param("transport")
            .map(str::to_ascii_lowercase)
            .as_deref()
        {
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Socket {
    pub transport: Transport,
    /// Address as it stands in a URI: IPv6 in brackets.
    pub host: String,
    pub port: u16,
}

impl Socket {
    fn is_ipv6(&self) -> bool {
        self.host.starts_with('[')
    }

    /// No socket at all: a send over it fails and says so.
    fn nowhere() -> Socket {
        Socket {
            transport: Transport::Udp,
            host: "0.0.0.0".to_owned(),
            port: 0,
        }
    }
}

impl fmt::Display for Socket {
    /// Kamailio's own notation, `udp:127.0.0.1:5060`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.transport.as_str(), self.host, self.port)
    }
}

/// The module's parameters, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host part of focus URIs, lower-case.
    pub domain: String,
    pub factory: Uri,
    /// `host[:port]` of our Contacts; none: the socket the message came in on.
    pub contact_host: Option<String>,
    /// `msrp://host:port`; none: port 2855 on the socket's address.
    pub msrp_uri: Option<String>,
    /// Fingerprint of the MSRP switch's certificate, for SDP when it is reached over TLS.
    pub msrp_fingerprint: Option<String>,
    /// What the MSRP switch offers besides passing messages on, as `a=chatroom` has it.
    pub msrp_chatroom: Option<String>,
    /// Session interval we ask for, seconds; 0: none (RFC 4028).
    pub session_expires: u32,
    /// Least session interval we take, seconds.
    pub min_se: u32,
    /// Preloaded route set of requests the focus originates outside a dialog.
    pub orig_route: Vec<String>,
    /// 200 or 202.
    pub refer_ok_code: u16,
    /// Most entries of one list.
    pub max_refer_targets: u32,
    /// How long nothing may happen in a session before it is closed; 0: for ever.
    pub inactivity_timeout: Millis,
    /// A REFER all of whose targets the policy refuses is itself refused.
    pub precheck_targets: bool,
    /// Refuse what deployed clients do against the rules.
    pub strict: bool,
    /// INVITEs per second of one fan-out; 0: no pacing.
    pub invite_rate: u32,
    /// The document that rules ad-hoc sessions.
    pub adhoc_policy: Arc<Group>,
    pub max_participants: u32,
    pub min_participants: u32,
    /// How long a target may ring, ms.
    pub invite_timeout: Millis,
    /// Least time between a NOTIFY and a provisional one after it, ms.
    pub refer_notify_interval: Millis,
    /// Least time between two rounds of conference NOTIFYs, ms.
    pub conference_notify_interval: Millis,
    /// Most conference subscriptions of one session.
    pub max_subscriptions: u32,
    /// All sockets of this Kamailio, in its own order.
    pub sockets: Vec<Socket>,
    pub warnings: WarningTexts,
}

impl Settings {
    /// The socket a request to `next_hop` leaves by: same transport, and the same address family when
    /// the next hop is an address; the one the cause came in on is preferred.
    pub fn socket_towards(&self, next_hop: &Uri, arrived: Option<&Socket>) -> Socket {
        let transport = Transport::of_uri(next_hop);
        let ipv6 = if next_hop.is_address_literal() {
            next_hop.host().starts_with('[')
        } else {
            arrived.is_some_and(Socket::is_ipv6)
        };
        let fits = |s: &&Socket| s.transport == transport && s.is_ipv6() == ipv6;
        let sockets = || self.sockets.iter().filter(fits);
        let same_host = |s: &&Socket| arrived.is_some_and(|arrived| arrived.host == s.host);
        arrived
            .filter(fits)
            .or_else(|| sockets().find(same_host))
            .or_else(|| sockets().next())
            .or(arrived)
            .or_else(|| self.sockets.first())
            .cloned()
            .unwrap_or_else(Socket::nowhere)
    }

    /// `sip:TOKEN@host` by which a peer reaches the focus over `socket`.
    pub fn contact_uri(&self, token: &str, socket: &Socket) -> String {
        match &self.contact_host {
            Some(host) => format!("sip:{token}@{host}"),
            None if socket.transport == Transport::Udp => {
                format!("sip:{token}@{}:{}", socket.host, socket.port)
            }
            None => format!(
                "sip:{token}@{}:{};transport={}",
                socket.host,
                socket.port,
                socket.transport.as_str()
            ),
        }
    }

    /// The MSRP address that goes into SDP (RFC 4975 section 8).
    pub fn msrp_for(&self, socket: &Socket) -> String {
        self.msrp_uri
            .clone()
            .unwrap_or_else(|| format!("msrp://{}:2855", socket.host))
    }
}

/// What every decision may look at besides the session itself.
pub struct Env<'a> {
    /// Monotonic time.
    pub now: Millis,
    /// Wall clock in seconds, for `validity` conditions of a policy.
    pub unix: i64,
    pub settings: &'a Settings,
    pub groups: &'a Directory,
    /// 128 bits from the operating system at each use (a generator seeded before the fork repeats).
    pub random: &'a dyn Fn() -> u128,
    /// How many INVITEs there is still memory for; looked up only when a list is to be served.
    pub room: &'a dyn Fn() -> u64,
    /// A keyed hash of a text, by a key only this server knows: what carries it is ours.
    pub seal: &'a dyn Fn(&str) -> u128,
    /// The clock of `Arrival::read_at`, as it stands when it is asked.
    pub clock: &'a dyn Fn() -> Micros,
}

impl Env<'_> {
    /// An unguessable token fit for a URI user part, a tag or a Call-ID: 32 hexadecimal digits.
    pub fn token(&self) -> String {
        format!("{:032x}", (self.random)())
    }

    /// Our tag in a dialog we form ourselves: unguessable, and ours recognisably when nothing else of
    /// the dialog is left.
    pub fn tag_for(&self, call_id: &str) -> String {
        format!("{:032x}", (self.seal)(call_id))
    }
}
