//! Session descriptions for MSRP (RFC 4566, 4975, 6135, 7701): what a peer offers or answers, and
//! whether a group session can use it.

use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::text;

mod build;
mod msrp_path;
mod reader;
#[cfg(test)]
mod tests;

pub use build::{
    build, build_answer, build_offer, build_refusal, is_chatroom, is_fingerprint, LocalMedia,
    Shape, CHATROOM_TOKENS, WRAPPED_TYPES,
};
pub use msrp_path::MsrpPath;

/// Media type of a session description (RFC 4566).
pub const CONTENT_TYPE: &str = "application/sdp";

/// Why a description cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SdpError {
    /// No session description: 400.
    #[error("malformed sdp: {0}")]
    Malformed(String),
    /// One, but without anything a group session can use: 488.
    #[error("no usable media: {0}")]
    NoUsableMedia(String),
}

impl SdpError {
    /// The status of the refusal.
    pub fn status(&self) -> u16 {
        match self {
            SdpError::Malformed(_) => 400,
            SdpError::NoUsableMedia(_) => 488,
        }
    }
}

/// Who opens the connection (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Setup {
    /// The describing side.
    Active,
    /// The other side.
    Passive,
    /// Either.
    ActPass,
}

impl Setup {
    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
        }
    }
}

/// Which way messages flow, seen from the describing side (RFC 4566 section 6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the describing side only.
    SendOnly,
    /// To the describing side only.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// The answer's direction (RFC 3264 section 6.1).
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            same => same,
        }
    }

    /// The attribute's name.
    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

/// `c=IN IP4|IP6 address`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// True for `IP6`.
    pub ipv6: bool,
    /// An address or a host name, without brackets.
    pub address: String,
}

/// One `m=` section, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// `message`, `audio`, …
    pub kind: String,
    /// 0 means refused or removed.
    pub port: u16,
    /// `TCP/MSRP`, `RTP/AVP`, …, as written.
    pub proto: String,
    /// The format list as written, printable.
    pub formats: String,
    /// Its own `c=` line.
    pub connection: Option<Connection>,
    /// Names in lower case; values printable, `""` for none.
    pub attributes: Vec<(String, String)>,
}

impl Media {
    /// The first attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        first(&self.attributes, name)
    }
}

/// A peer's session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sdp {
    /// `<sess-id> <sess-version>` of `o=`: unchanged means that nothing else has changed
    /// (RFC 3264 section 8).
    pub origin: Option<(String, String)>,
    /// The session's `c=` line.
    pub connection: Option<Connection>,
    /// The session's attributes, defaults for the media.
    pub attributes: Vec<(String, String)>,
    /// At most 32, in order.
    pub media: Vec<Media>,
}

/// The MSRP media of a peer's offer or answer, found usable for a group session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its place among the `m=` lines, from 0.
    pub index: usize,
    /// True for `TCP/TLS/MSRP`.
    pub tls: bool,
    /// The path to the peer, its own URI last; never empty (RFC 4975 section 8.2).
    pub path: Vec<MsrpPath>,
    /// `None` when not said: the offerer is active then (RFC 4145 section 4.1).
    pub setup: Option<Setup>,
    /// `a=connection:existing` (RFC 4145 section 5).
    pub existing_connection: bool,
    /// As the peer sees it.
    pub direction: Direction,
    /// In lower case; one of them takes `message/cpim`.
    pub accept_types: Vec<String>,
    /// What may be inside the CPIM; empty when not said.
    pub accept_wrapped_types: Vec<String>,
    /// The tokens of `a=chatroom` (RFC 7701 section 8), lower case, `nickname` in both spellings of the
    /// RFC; `None` without the attribute.
    pub chatroom: Option<Vec<String>>,
    /// Where the peer says it is.
    pub connection: Option<Connection>,
}

impl Sdp {
    /// Reads a description. Line ends may be CRLF or LF; unknown lines are skipped.
    ///
    /// # Errors
    /// [`SdpError::Malformed`] with the line that is wrong.
    pub fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
        reader::parse(body)
    }

    /// The first MSRP media of an offer that a group session can use.
    ///
    /// # Errors
    /// [`SdpError::NoUsableMedia`] says what the last candidate lacked; [`SdpError::Malformed`]
    /// when its path cannot be read.
    pub fn usable_offer(&self) -> Result<Offer, SdpError> {
        self.usable(None)
    }

    /// As [`Sdp::usable_offer`], over the transport our own MSRP URI needs.
    ///
    /// # Errors
    /// As [`Sdp::usable_offer`].
    pub fn usable_offer_for(&self, local: &LocalMedia) -> Result<Offer, SdpError> {
        self.usable(Some(local.tls()))
    }

    /// The MSRP media of an answer to an offer of ours: the only media there may be in it that is
    /// not refused, over the transport that was offered, and not one that waits for us to connect
    /// *and* us to wait.
    ///
    /// # Errors
    /// As [`Sdp::usable_offer`].
    pub fn usable_answer_to(&self, local: &LocalMedia) -> Result<Offer, SdpError> {
        let answer = self.usable_offer_for(local)?;
        // RFC 4145 section 4.1: actpass is for offers only.
        if answer.setup == Some(Setup::ActPass) {
            return Err(SdpError::NoUsableMedia("setup:actpass in an answer".into()));
        }
        Ok(answer)
    }

    /// Over TLS or not; `None`: as it comes.
    fn usable(&self, wanted: Option<bool>) -> Result<Offer, SdpError> {
        let mut why = SdpError::NoUsableMedia("no m=message over MSRP".into());
        for (index, media) in self.media.iter().enumerate() {
            if media.kind != "message" || media.port == 0 {
                continue;
            }
            let Some(tls) = is_tls(media) else { continue };
            if wanted.is_some_and(|wanted| wanted != tls) {
                let proto = &media.proto;
                why = SdpError::NoUsableMedia(format!("msrp_uri is not reached over {proto}"));
                continue;
            }
            match self.msrp(index, tls, media) {
                Ok(offer) => return Ok(offer),
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn msrp(&self, index: usize, tls: bool, media: &Media) -> Result<Offer, SdpError> {
        let lacks = |what: &str| SdpError::NoUsableMedia(what.to_owned());
        let attribute = |name: &str| {
            media
                .attribute(name)
                .or_else(|| first(&self.attributes, name))
        };
        let accept_types = words(
            media
                .attribute("accept-types")
                .ok_or_else(|| lacks("no accept-types"))?,
        );
        // RFC 7701 section 5.2: everything in a chat room is wrapped in message/cpim.
        if !accept_types.iter().any(|entry| takes_cpim(entry)) {
            return Err(lacks("message/cpim is not in accept-types"));
        }
        let path = media.attribute("path").ok_or_else(|| lacks("no path"))?;
        let path = msrp_path::path(path).ok_or_else(|| {
            SdpError::Malformed(format!("path {}", text::excerpt(path.as_bytes())))
        })?;
        let setup = match attribute("setup").map(str::to_ascii_lowercase).as_deref() {
            // RFC 6135 section 4.2.1: MSRP knows no holdconn.
            None | Some("holdconn") => None,
            Some("active") => Some(Setup::Active),
            Some("passive") => Some(Setup::Passive),
            Some("actpass") => Some(Setup::ActPass),
            Some(other) => {
                let other = text::excerpt(other.as_bytes());
                return Err(SdpError::Malformed(format!("setup {other}")));
            }
        };
        let direction = direction(&media.attributes).or_else(|| direction(&self.attributes));
        Ok(Offer {
            index,
            tls,
            path,
            setup,
            existing_connection: attribute("connection")
                .is_some_and(|value| value.eq_ignore_ascii_case("existing")),
            direction: direction.unwrap_or_default(),
            accept_types,
            accept_wrapped_types: words(media.attribute("accept-wrapped-types").unwrap_or("")),
            chatroom: media.attribute("chatroom").map(chatroom),
            connection: media.connection.clone().or_else(|| self.connection.clone()),
        })
    }
}

fn first<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(have, _)| have == name)
        .map(|(_, value)| value.as_str())
}

/// `None` when the protocol is not MSRP.
fn is_tls(media: &Media) -> Option<bool> {
    let is = |proto: &str| media.proto.eq_ignore_ascii_case(proto);
    let tls = is("TCP/TLS/MSRP");
    (tls || is("TCP/MSRP")).then_some(tls)
}

fn direction(attributes: &[(String, String)]) -> Option<Direction> {
    [
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]
    .into_iter()
    .find(|direction| first(attributes, direction.name()).is_some())
}

fn words(value: &str) -> Vec<String> {
    value
        .split_ascii_whitespace()
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Whether an entry of accept-types lets message/cpim pass; it may be a wildcard and have parameters
/// (RFC 4975 section 8.6).
fn takes_cpim(entry: &str) -> bool {
    let kind = entry.split(';').next().unwrap_or(entry);
    ["message/cpim", "message/*", "*"].contains(&kind)
}

/// The prose of RFC 7701 section 8 says `nicknames`, its grammar `nickname`.
fn chatroom(value: &str) -> Vec<String> {
    let mut tokens = words(value);
    for token in tokens.iter_mut().filter(|token| *token == "nicknames") {
        token.pop();
    }
    tokens
}

/// True for the text of an IPv6 address without brackets.
fn is_ipv6(address: &str) -> bool {
    address.parse::<Ipv6Addr>().is_ok()
}
