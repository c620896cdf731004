//! The line grammar of session descriptions (RFC 4566 section 5), as far as it matters here.

use super::{Connection, Media, Sdp, SdpError};
use crate::sip::text;

const MAX_MEDIA: usize = 32;
const MAX_ATTRIBUTES: usize = 256;

/// See [`Sdp::parse`].
pub(super) fn parse(body: &[u8]) -> Result<Sdp, SdpError> {
    let mut lines = lines(body);
    if lines.next() != Some(b"v=0") {
        return Err(SdpError::Malformed("does not begin with v=0".into()));
    }
    let mut sdp = Sdp {
        origin: None,
        connection: None,
        attributes: Vec::new(),
        media: Vec::new(),
    };
    for line in lines {
        let wrong = || SdpError::Malformed(text::excerpt(line));
        let (kind, value) = match line {
            [kind, b'=', value @ ..] if kind.is_ascii_lowercase() => (*kind, value),
            _ => return Err(wrong()),
        };
        match kind {
            b'o' => sdp.origin = Some(origin(value).ok_or_else(wrong)?),
            b'c' => {
                let connection = Some(connection(value).ok_or_else(wrong)?);
                match sdp.media.last_mut() {
                    Some(media) => media.connection = connection,
                    None => sdp.connection = connection,
                }
            }
            b'm' => {
                if sdp.media.len() == MAX_MEDIA {
                    return Err(SdpError::Malformed("too many media".into()));
                }
                sdp.media.push(media(value).ok_or_else(wrong)?);
            }
            b'a' => {
                let attributes = match sdp.media.last_mut() {
                    Some(media) => &mut media.attributes,
                    None => &mut sdp.attributes,
                };
                if attributes.len() == MAX_ATTRIBUTES {
                    return Err(SdpError::Malformed("too many attributes".into()));
                }
                attributes.push(attribute(value).ok_or_else(wrong)?);
            }
            _ => {}
        }
    }
    Ok(sdp)
}

/// The lines that are not blank, without their ends.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(body);
    let lines = std::iter::from_fn(move || {
        let (line, behind) = text::cut(rest?, b'\n');
        rest = behind;
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    });
    lines.filter(|line| !line.trim_ascii().is_empty())
}

fn origin(value: &[u8]) -> Option<(String, String)> {
    let text = text::clean_utf8(value)?;
    let mut fields = text.split_ascii_whitespace();
    let (id, version) = (fields.nth(1)?, fields.next()?);
    // Net type, address type and address.
    (fields.count() == 3).then(|| (id.to_owned(), version.to_owned()))
}

fn connection(value: &[u8]) -> Option<Connection> {
    let text = text::ascii(value)?;
    let mut fields = text.split_ascii_whitespace();
    let (net, kind, address) = (fields.next()?, fields.next()?, fields.next()?);
    if !net.eq_ignore_ascii_case("IN") || fields.next().is_some() {
        return None;
    }
    let ipv6 = kind.eq_ignore_ascii_case("IP6");
    if !ipv6 && !kind.eq_ignore_ascii_case("IP4") {
        return None;
    }
    // Some peers write the brackets of a URI here.
    let inner = address.strip_prefix('[').and_then(|a| a.strip_suffix(']'));
    let address = inner.unwrap_or(address);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b".:-_/%".contains(&b);
    if !address.bytes().all(plain) || (address.contains(':') && !ipv6) {
        return None;
    }
    Some(Connection {
        ipv6,
        address: address.to_owned(),
    })
}

fn media(value: &[u8]) -> Option<Media> {
    let text = text::clean_utf8(value)?;
    let (kind, rest) = text.trim().split_once(' ')?;
    let (port, rest) = rest.trim_start().split_once(' ')?;
    let (proto, formats) = rest.trim_start().split_once(' ')?;
    // `port/count` is legal for layered media.
    let port = port.split('/').next()?;
    let proto_ok = proto.split('/').all(|part| text::is_token(part.as_bytes()));
    let formats = formats.trim();
    let formats_ok = formats.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !text::is_token(kind.as_bytes()) || !proto_ok || !formats_ok || formats.is_empty() {
        return None;
    }
    Some(Media {
        kind: kind.to_ascii_lowercase(),
        port: u16::try_from(text::number(port.as_bytes())?).ok()?,
        proto: proto.to_owned(),
        formats: formats.to_owned(),
        connection: None,
        attributes: Vec::new(),
    })
}

/// The value may be any text; what is not printable in it is made so, nothing of it is sent again.
fn attribute(value: &[u8]) -> Option<(String, String)> {
    let (name, value) = text::cut(value, b':');
    let name = text::ascii(text::trim(name)).filter(|name| text::is_token(name.as_bytes()))?;
    Some((
        name.to_ascii_lowercase(),
        text::shown(text::trim(value.unwrap_or_default())),
    ))
}
