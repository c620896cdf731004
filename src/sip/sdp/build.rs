//! Our own session description: offer and answer for a leg of a group session.
//! Not here: what a peer's may look like (`mod.rs`), and the MSRP switch it points to.

use super::{Direction, MsrpPath, Sdp, SdpError, Setup};
use crate::sip::text;

/// What a participant may wrap in message/cpim.
pub const WRAPPED_TYPES: &str = "text/plain application/im-iscomposing+xml message/imdn+xml \
     application/vnd.gsma.rcs-ft-http+xml application/vnd.gsma.rcspushlocation+xml";

/// The port MSRP has by default (RFC 4975 section 15.4).
const MSRP_PORT: u16 = 2855;

/// Where the message plane serves one leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// `msrp://host:port` or `msrps://host:port`.
    pub msrp_uri: String,
    /// The session id below it; unguessable.
    pub session: String,
    /// `<sess-id>` of `o=`: one per leg.
    pub origin_id: u64,
    /// `<sess-version>` of `o=`: one more for each description that differs from the last.
    pub version: u64,
}

impl LocalMedia {
    /// Whether both parts can be put into a description; for checking a configuration.
    ///
    /// # Errors
    /// [`SdpError::Malformed`] names the part.
    pub fn check(&self) -> Result<(), SdpError> {
        let wrong = |what: &str| Err(SdpError::Malformed(text::excerpt(what.as_bytes())));
        match MsrpPath::parse(&self.msrp_uri) {
            Some(path) if path.session().is_empty() && path.port() != Some(0) => {}
            _ => return wrong(&self.msrp_uri),
        }
        if self.session.is_empty() || self.session != plain_session(&self.session) {
            return wrong(&self.session);
        }
        Ok(())
    }

    /// True when the message plane is reached over TLS.
    pub(super) fn tls(&self) -> bool {
        MsrpPath::parse(&self.msrp_uri).is_some_and(|path| path.tls())
    }
}

/// An offer: both ways, `setup:actpass`, so that the peer chooses who connects.
pub fn build_offer(local: &LocalMedia) -> Vec<u8> {
    let place = Place::of(local);
    let mut sdp = place.session(local);
    place.media(&mut sdp, local, "actpass", Direction::SendRecv);
    sdp.into_bytes()
}

/// The answer to an offer: the first usable MSRP media is taken, every other line is refused with
/// port 0 (RFC 3264 section 6).
///
/// # Errors
/// [`SdpError::NoUsableMedia`] when the offer has none over the transport of `local`.
pub fn build_answer(local: &LocalMedia, offer: &Sdp) -> Result<Vec<u8>, SdpError> {
    let peer = offer.usable_offer_for(local)?;
    let place = Place::of(local);
    // RFC 4145 section 4.1; not said means that the offerer is active (RFC 6135 section 4.2.1).
    let setup = match peer.setup {
        Some(Setup::Passive) => "active",
        Some(Setup::HoldConn) => "holdconn",
        Some(Setup::Active | Setup::ActPass) | None => "passive",
    };
    let mut sdp = place.session(local);
    for (index, media) in offer.media.iter().enumerate() {
        if index == peer.index {
            place.media(&mut sdp, local, setup, peer.direction.mirrored());
        } else {
            sdp.push_str(&format!(
                "m={} 0 {} {}\r\n",
                media.kind, media.proto, media.formats
            ));
        }
    }
    Ok(sdp.into_bytes())
}

/// The parts of `msrp_uri` as a description needs them.
struct Place {
    tls: bool,
    host: String,
    ipv6: bool,
    port: u16,
}

impl Place {
    /// An address that cannot be read (see [`LocalMedia::check`]) leads nowhere rather than out of
    /// its line.
    fn of(local: &LocalMedia) -> Place {
        match MsrpPath::parse(&local.msrp_uri) {
            Some(path) => Place {
                tls: path.tls(),
                host: path.host().to_owned(),
                ipv6: path.is_ipv6(),
                port: path.port().unwrap_or(MSRP_PORT),
            },
            None => Place {
                tls: false,
                host: "0.0.0.0".to_owned(),
                ipv6: false,
                port: MSRP_PORT,
            },
        }
    }

    fn session(&self, local: &LocalMedia) -> String {
        let kind = if self.ipv6 { "IP6" } else { "IP4" };
        let host = &self.host;
        format!(
            "v=0\r\no=- {} {} IN {kind} {host}\r\ns=-\r\nc=IN {kind} {host}\r\nt=0 0\r\n",
            local.origin_id, local.version
        )
    }

    fn media(&self, sdp: &mut String, local: &LocalMedia, setup: &str, direction: Direction) {
        let Place { host, port, .. } = self;
        let (proto, scheme) = if self.tls {
            ("TCP/TLS/MSRP", "msrps")
        } else {
            ("TCP/MSRP", "msrp")
        };
        let host = if self.ipv6 {
            format!("[{host}]")
        } else {
            host.clone()
        };
        let session = plain_session(&local.session);
        let direction = direction.name();
        // RFC 7701 section 5.2: message/cpim and nothing else.
        sdp.push_str(&format!(
            "m=message {port} {proto} *\r\n\
             a=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:{WRAPPED_TYPES}\r\n\
             a=path:{scheme}://{host}:{port}/{session};tcp\r\n\
             a=setup:{setup}\r\n\
             a={direction}\r\n"
        ));
    }
}

/// `session-id` of RFC 4975 section 9 without what is not in it.
fn plain_session(session: &str) -> String {
    session
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_.!~*'()+=".contains(*c))
        .collect()
}
