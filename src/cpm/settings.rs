//! What an operator has configured, as the domain sees it.

use std::sync::Arc;

use super::client_forms::ClientForms;
use super::policy::Group;
use super::rate::Rate;
use super::socket::{Socket, Transport};
use super::time::Millis;
use super::warning_texts::{WarningText, WarningTexts};
use crate::sip::uri::Uri;
use crate::sip::Route;

/// The module's parameters, validated. Each field is documented as the parameter of its name in
/// docs/manual.md.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host part of focus URIs, lower-case.
    pub domain: String,
    /// URI of the conference factory (parameter `factory_uri`).
    pub factory: Uri,
    /// `host[:port]` of our Contacts. `None`: the socket the message came in on.
    pub contact_host: Option<String>,
    /// `msrp://host:port`. `None`: port 2855 on the socket's address.
    pub msrp_uri: Option<String>,
    /// Fingerprint of the MSRP switch's certificate, for SDP when it is reached over TLS.
    pub msrp_fingerprint: Option<String>,
    /// What the MSRP switch offers besides passing messages on, as `a=chatroom` has it.
    pub msrp_chatroom: Option<String>,
    /// Session interval we ask for, seconds; 0: none (RFC 4028).
    pub session_expires: u32,
    /// Least session interval we take, seconds.
    pub min_se: u32,
    /// Preloaded Route set of requests the focus originates outside a dialog.
    pub orig_route: Vec<Route>,
    /// Answer to an accepted REFER: 200 or 202.
    pub refer_ok_code: u16,
    /// Most entries of one list.
    pub max_refer_targets: u32,
    /// How long nothing may happen in a session before it is closed, ms; 0: for ever.
    pub inactivity_timeout: Millis,
    /// A REFER all of whose targets the policy refuses is itself refused.
    pub precheck_targets: bool,
    /// Refuse what deployed clients do against the rules.
    pub strict: bool,
    /// Forms of our INVITE beyond what clients show by themselves.
    pub client_forms: ClientForms,
    /// Least time between a 2xx to REFER or SUBSCRIBE and the first NOTIFY, ms.
    pub first_notify_delay: Millis,
    /// INVITEs per second of one fan-out; 0: no pacing.
    pub invite_rate: u32,
    /// The document that rules ad-hoc sessions.
    pub adhoc_policy: Arc<Group>,
    /// Hosts under which `sip:+…` is that phone number, besides those of a group's list: our own and those
    /// of the parameter; lower-case, without a final dot.
    pub phone_domains: Vec<String>,
    /// Most people of a session, connected and pending together.
    pub max_participants: u32,
    /// Once that many were connected, a session ends when it has fewer.
    pub min_participants: u32,
    /// How long a target may ring, ms.
    pub invite_timeout: Millis,
    /// Least time between a NOTIFY and a provisional one after it, ms.
    pub refer_notify_interval: Millis,
    /// Least time between two rounds of conference NOTIFYs, ms.
    pub conference_notify_interval: Millis,
    /// Most conference subscriptions of one session.
    pub max_subscriptions: u32,
    /// Most conference subscriptions of one person in one session.
    pub max_person_subscriptions: u32,
    /// Port and maddr of a target's URI choose where its INVITE goes, if no Route set does.
    pub target_next_hop: bool,
    /// Parameters `refer_rate`, `session_rate`, `target_rate` and `next_hop_rate`.
    pub rates: Rates,
    /// All sockets of this Kamailio, in its own order.
    pub sockets: Vec<Socket>,
    /// Texts of the Warning header.
    pub warnings: WarningTexts,
}

/// How often what may happen. Each is documented in docs/manual.md as the parameter of its name with
/// `_rate`.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Targets of REFERs and lists, and members called together, of one person.
    pub refer: Rate,
    /// INVITEs of one session.
    pub session: Rate,
    /// INVITEs to one domain.
    pub target: Rate,
    /// INVITEs that leave to one next hop.
    pub next_hop: Rate,
}

impl Rates {
    /// Rates per second, each with what may happen at once.
    pub fn new(refer: u32, session: u32, target: u32, next_hop: u32) -> Rates {
        Rates {
            // A client without lists refers one after the other; it may ask for `max_participants`.
            refer: Rate::new(refer, 5),
            session: Rate::new(session, 1),
            target: Rate::new(target, 1),
            next_hop: Rate::new(next_hop, 1),
        }
    }
}

impl Settings {
    /// The Request-URI of an INVITE to `target`. Whoever names a target must not choose by it which port or
    /// machine this server sends to. With `orig_route` it is not by the URI that a request leaves.
    pub fn request_uri_for(&self, target: &Uri) -> Uri {
        match self.target_next_hop || !self.orig_route.is_empty() {
            true => target.clone(),
            false => target.without_next_hop(),
        }
    }

    /// The socket a request to `next_hop` leaves by: same transport, and the same address family when
    /// the next hop is an address. The one that its cause came in on is preferred.
    pub fn socket_towards(&self, next_hop: &Uri, arrived: Option<Socket>) -> Socket {
        let transport = Transport::of_uri(next_hop);
        let ipv6 = if next_hop.is_address_literal() {
            next_hop.host().starts_with('[')
        } else {
            arrived.is_some_and(|arrived| arrived.address.is_ipv6())
        };
        let fits = |s: &Socket| s.transport == transport && s.address.is_ipv6() == ipv6;
        let sockets = || self.sockets.iter().copied().filter(fits);
        let same_address = |s: &Socket| arrived.is_some_and(|a| a.address == s.address);
        arrived
            .filter(fits)
            .or_else(|| sockets().find(same_address))
            .or_else(|| sockets().next())
            .or(arrived)
            .or_else(|| self.sockets.first().copied())
            .unwrap_or(Socket::NOWHERE)
    }

    /// URI of the focus with this token: `sip:TOKEN@domain`.
    pub fn focus_uri(&self, token: &str) -> Uri {
        self.own_uri(&["sip:", token, "@", &self.domain].concat())
    }

    /// `sip:TOKEN@host`, by which a peer reaches the focus over `socket`.
    pub fn contact_uri(&self, token: &str, socket: Socket) -> Uri {
        if let Some(host) = &self.contact_host {
            return self.own_uri(&["sip:", token, "@", host].concat());
        }
        let (host, port) = (socket.host(), socket.port.to_string());
        let transport = match socket.transport {
            Transport::Udp => ["", ""],
            other => [";transport=", other.as_str()],
        };
        let at = ["sip:", token, "@", &host, ":", &port];
        self.own_uri(&[at.concat(), transport.concat()].concat())
    }

    /// A URI made of a token and a host that was checked at start. It cannot fail; the factory's would
    /// stand for it.
    fn own_uri(&self, text: &str) -> Uri {
        Uri::parse(text.as_bytes()).unwrap_or_else(|_| self.factory.clone())
    }

    /// The MSRP address that goes into SDP (RFC 4975 section 8).
    pub fn msrp_for(&self, socket: Socket) -> String {
        self.msrp_uri
            .clone()
            .unwrap_or_else(|| ["msrp://", &socket.host(), ":2855"].concat())
    }

    /// The Warning text for a reason.
    pub fn warning(&self, reason: WarningText) -> &str {
        self.warnings.text(reason)
    }
}
