//! Our own session description: offer and answer for a leg of a group session.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{msrp_path, Direction, Media, MsrpPath, Sdp, SdpError, Setup};
use crate::sip::text;

/// What a participant may wrap in message/cpim.
pub const WRAPPED_TYPES: &str = "text/plain application/im-iscomposing+xml message/imdn+xml \
     application/vnd.gsma.rcs-ft-http+xml application/vnd.gsma.rcspushlocation+xml";

/// What the usual description needs, bytes.
const ROOM: usize = 768;

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
    /// `<hash function> <hash>` of the certificate of the message plane (RFC 4572 section 5), told
    /// when it is reached over TLS.
    pub fingerprint: Option<String>,
    /// The tokens of `a=chatroom` (RFC 7701 section 8): what the message plane offers besides passing
    /// messages on. `None`: the attribute is left out.
    pub chatroom: Option<String>,
}

/// Everything RFC 7701 section 8 has a token for.
pub const CHATROOM_TOKENS: [&str; 2] = ["nickname", "private-messages"];

/// What of a description of ours depends on the peer's. Two descriptions of one leg are the same when
/// their shapes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// `a=setup`: who connects (RFC 4145 section 4).
    pub setup: Setup,
    /// The connection there is goes on, instead of a new one (RFC 4145 section 5).
    pub existing_connection: bool,
    /// Which way messages flow, seen from the focus.
    pub direction: Direction,
    /// `m=` lines refused before and behind ours, as they go out.
    before: Vec<String>,
    behind: Vec<String>,
}

/// Longest `m=` line repeated in a refusal, per field, in bytes.
const MAX_FIELD: usize = 64;

impl Shape {
    /// Of a first offer: both ways, `setup:actpass`, so that the peer chooses who connects.
    pub fn offer() -> Shape {
        Shape {
            setup: Setup::ActPass,
            existing_connection: false,
            direction: Direction::SendRecv,
            before: Vec::new(),
            behind: Vec::new(),
        }
    }

    /// Of a new offer in a session that this describes so far: everything is open again, but each
    /// `m=` line keeps its place (RFC 3264 section 8), and the connection may stay (RFC 4145 section 5.1).
    pub fn offer_again(&self) -> Shape {
        Shape {
            setup: Setup::ActPass,
            existing_connection: true,
            direction: Direction::SendRecv,
            ..self.clone()
        }
    }

    /// Of the answer to `offer`: the first usable MSRP media is taken, every other line is refused
    /// with port 0 (RFC 3264 section 6). The first answer of a leg has no connection to keep: see
    /// [`Shape::answering_again`].
    ///
    /// # Errors
    /// [`SdpError::NoUsableMedia`] when the offer has none over the transport of `local`.
    pub fn answering(local: &LocalMedia, offer: &Sdp) -> Result<Shape, SdpError> {
        Ok(Shape {
            existing_connection: false,
            ..Shape::answering_again(local, offer)?
        })
    }

    /// Of the answer to an `offer` that changes a session: the connection stays if the offer says so.
    /// One that says nothing means a new one, and then so must the answer (RFC 4145 sections 5.1 and 5.2).
    ///
    /// # Errors
    /// As [`Shape::answering`].
    pub fn answering_again(local: &LocalMedia, offer: &Sdp) -> Result<Shape, SdpError> {
        let peer = offer.usable_offer_for(local)?;
        let mut before: Vec<String> = Vec::new();
        for media in &offer.media {
            before.push(refused(media)?);
        }
        let behind = before.split_off((peer.index + 1).min(before.len()));
        before.truncate(peer.index);
        Ok(Shape {
            // RFC 4145 section 4.1; not said means that the offerer is active.
            setup: match peer.setup {
                Some(Setup::Passive) => Setup::Active,
                Some(Setup::Active | Setup::ActPass) | None => Setup::Passive,
            },
            existing_connection: peer.existing_connection,
            direction: peer.direction.mirrored(),
            before,
            behind,
        })
    }
}

/// A line of the offer with port 0. Formats mean nothing there, so a long list of them is cut.
fn refused(media: &Media) -> Result<String, SdpError> {
    let Media { kind, proto, .. } = media;
    if kind.len().max(proto.len()) > MAX_FIELD {
        return Err(SdpError::Malformed("m= line too long".into()));
    }
    let mut formats = media.formats.as_str();
    while formats.len() > MAX_FIELD {
        formats = formats.rsplit_once(' ').map_or("0", |(front, _)| front);
    }
    Ok(format!("m={kind} 0 {proto} {formats}\r\n"))
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
        msrp_path::is_tls(&self.msrp_uri)
    }
}

/// A description of ours, offer or answer.
pub fn build(local: &LocalMedia, shape: &Shape) -> Vec<u8> {
    let place = Place::of(local);
    let mut sdp = place.session(local);
    sdp.extend(shape.before.iter().map(String::as_str));
    place.media(&mut sdp, local, shape);
    sdp.extend(shape.behind.iter().map(String::as_str));
    sdp.into_bytes()
}

/// A first offer.
pub fn build_offer(local: &LocalMedia) -> Vec<u8> {
    build(local, &Shape::offer())
}

/// The answer to an offer of which nothing is taken (RFC 3264 section 6).
///
/// # Errors
/// [`SdpError::Malformed`] for an offer that cannot be repeated.
pub fn build_refusal(local: &LocalMedia, offer: &Sdp) -> Result<Vec<u8>, SdpError> {
    let mut sdp = Place::of(local).session(local);
    for media in &offer.media {
        sdp.push_str(&refused(media)?);
    }
    Ok(sdp.into_bytes())
}

/// The answer to an offer.
///
/// # Errors
/// As [`Shape::answering`].
pub fn build_answer(local: &LocalMedia, offer: &Sdp) -> Result<Vec<u8>, SdpError> {
    Ok(build(local, &Shape::answering(local, offer)?))
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
        let (id, version) = (local.origin_id.to_string(), local.version.to_string());
        let mut sdp = String::with_capacity(ROOM);
        push(&mut sdp, &["v=0\r\no=- ", &id, " ", &version]);
        push(&mut sdp, &[" IN ", kind, " ", &self.host, "\r\ns=-\r\n"]);
        push(&mut sdp, &["c=IN ", kind, " ", &self.host, "\r\nt=0 0\r\n"]);
        sdp
    }

    fn media(&self, sdp: &mut String, local: &LocalMedia, shape: &Shape) {
        let (proto, scheme) = if self.tls {
            ("TCP/TLS/MSRP", "msrps")
        } else {
            ("TCP/MSRP", "msrp")
        };
        let (open, close) = if self.ipv6 { ("[", "]") } else { ("", "") };
        let port = self.port.to_string();
        let session = plain_session(&local.session);
        let connection = match shape.existing_connection {
            true => "existing",
            false => "new",
        };
        let fingerprint = local.fingerprint.as_ref().filter(|_| self.tls);
        push(sdp, &["m=message ", &port, " ", proto, " *\r\n"]);
        // RFC 7701 section 5.2: message/cpim and nothing else.
        push(sdp, &["a=accept-types:message/cpim\r\n"]);
        push(sdp, &["a=accept-wrapped-types:", WRAPPED_TYPES, "\r\n"]);
        push(sdp, &["a=path:", scheme, "://", open, &self.host, close]);
        push(sdp, &[":", &port, "/", &session, ";tcp\r\n"]);
        push(sdp, &["a=setup:", shape.setup.name(), "\r\n"]);
        push(sdp, &["a=connection:", connection, "\r\n"]);
        push(sdp, &["a=", shape.direction.name(), "\r\n"]);
        if let Some(tokens) = &local.chatroom {
            push(sdp, &["a=chatroom:", tokens, "\r\n"]);
        }
        if let Some(fingerprint) = fingerprint {
            push(sdp, &["a=fingerprint:", fingerprint, "\r\n"]);
        }
    }
}

fn push(sdp: &mut String, pieces: &[&str]) {
    for piece in pieces {
        sdp.push_str(piece);
    }
}

/// Whether a text is tokens of `a=chatroom` this module knows, with one blank between them.
pub fn is_chatroom(text: &str) -> bool {
    text.split(' ')
        .all(|token| CHATROOM_TOKENS.contains(&token))
}

/// Whether a text is a fingerprint: hash function, blank, pairs of hexadecimal digits joined by colons
/// (RFC 4572 section 5).
pub fn is_fingerprint(text: &str) -> bool {
    let pair = |pair: &str| pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
    text.split_once(' ').is_some_and(|(function, hash)| {
        text::is_token(function.as_bytes())
            && hash.split(':').count() >= 16
            && hash.split(':').all(pair)
    })
}

/// `session-id` of RFC 4975 section 9 without what is not in it.
fn plain_session(session: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.!~*'()+=".contains(c);
    let ours = |b: u8| b.is_ascii_alphanumeric();
    match session.bytes().all(ours) {
        true => Cow::Borrowed(session),
        false => Cow::Owned(session.chars().filter(|c| fits(*c)).collect()),
    }
}
