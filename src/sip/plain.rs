//! Whether a message is written plainly enough to be shown to a parser that logs whatever it cannot read.
//!
//! Kamailio's parser writes a line of up to the whole message for each header it does not understand. What
//! strangers send passes here first. Stricter than [`Request::parse`] where that one is lenient: Via, the
//! Request-URI, the version, control characters. What is not plain may still be legal; a stranger has no claim
//! to be read.

use std::net::Ipv6Addr;

use super::headers::Headers;
use super::name_addr::{self, Display};
use super::text;
use super::{Request, Response, Uri};

/// The most Via values a message of a stranger may have.
const MAX_VIAS: usize = 32;

/// What is plain enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plain {
    /// A request.
    Request(Box<Request>),
    /// A response.
    Response,
}

/// Reads one whole message; None if it is not plain. `stream` as for [`Request::parse`].
pub fn parse(raw: &[u8], stream: bool) -> Option<Plain> {
    let start = text::cut(raw, b'\n').0;
    let start = start.strip_suffix(b"\r")?;
    if start.iter().any(u8::is_ascii_control) {
        return None;
    }
    if start.starts_with(b"SIP/2.0 ") {
        // Kamailio wants the blank before a phrase that is empty, too.
        start.get(12..)?;
        let response = Response::parse(raw, stream).ok()?;
        return is_plain(raw, response.headers()).then_some(Plain::Response);
    }
    let request = Request::parse(raw, stream).ok()?;
    let readable = start.ends_with(b" SIP/2.0")
        && Uri::parse(request.uri.as_bytes()).is_ok()
        && is_plain(raw, request.headers());
    readable.then(|| Plain::Request(Box::new(request)))
}

/// Header lines that are plain, and what Kamailio reads of every message.
fn is_plain(raw: &[u8], headers: &Headers) -> bool {
    let Some(block) = header_block(raw) else {
        return false;
    };
    let lines_are_plain = block.split(|b| *b == b'\n').skip(1).all(is_plain_line);
    let mut vias = 0;
    let vias_are_plain = headers.slices("via").all(|line| {
        line.split(|b| *b == b',').map(text::trim).all(|via| {
            vias += 1;
            vias <= MAX_VIAS && is_plain_via(via)
        })
    });
    let addresses_are_plain = ["from", "to"].iter().all(|name| {
        let mut values = headers.slices(name);
        values.all(is_plain_address)
    });
    lines_are_plain && vias > 0 && vias_are_plain && addresses_are_plain
}

/// `name: value` with an ordinary name, no control characters and CR at the end; the empty line; nothing. A
/// folded line is not plain.
fn is_plain_line(line: &[u8]) -> bool {
    let Some(line) = line.strip_suffix(b"\r") else {
        return line.is_empty();
    };
    let name = text::cut(line, b':').0;
    name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && line.iter().all(|b| *b == b'\t' || !b.is_ascii_control())
}

/// With the line ends of the last header and the empty line.
fn header_block(raw: &[u8]) -> Option<&[u8]> {
    let end = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    raw.get(..end + 4)
}

/// `SIP/2.0/UDP host:port;name=value;flag`, values without quotes.
fn is_plain_via(via: &[u8]) -> bool {
    let (head, rest) = match text::find(via, b';') {
        Some(at) => via.split_at(at),
        None => (via, b"".as_slice()),
    };
    let Some(head) = text::ascii(head).and_then(|head| head.strip_prefix("SIP/2.0/")) else {
        return false;
    };
    let Some((transport, sent_by)) = head.split_once(' ') else {
        return false;
    };
    let known = ["UDP", "TCP", "TLS", "SCTP", "WS", "WSS"];
    known.contains(&transport) && is_plain_host(sent_by) && are_plain_params(rest)
}

/// `host` or `host:port`.
fn is_plain_host(sent_by: &str) -> bool {
    let (host_is_plain, port) = match sent_by.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((address, port)) => (address.parse::<Ipv6Addr>().is_ok(), port),
            None => return false,
        },
        None => {
            let end = sent_by.find(':').unwrap_or(sent_by.len());
            let (host, port) = sent_by.split_at(end);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-.".contains(&b);
            (!host.is_empty() && host.bytes().all(plain), port)
        }
    };
    let port_is_plain = match port.strip_prefix(':') {
        Some(port) => {
            port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0)
        }
        None => port.is_empty(),
    };
    host_is_plain && port_is_plain
}

/// `;name=value` and `;flag`, without blanks; empty, too.
fn are_plain_params(params: &[u8]) -> bool {
    let Some(params) = params.strip_prefix(b";") else {
        return params.is_empty();
    };
    params.split(|b| *b == b';').all(|param| {
        let (name, value) = text::cut(param, b'=');
        let flag = [b"rport".as_slice(), b"alias", b"i"];
        let plain = |b: &u8| text::is_token_byte(*b) || b"[:]".contains(b);
        text::is_token(name)
            && match value {
                None => flag.contains(&name),
                Some(value) => !value.is_empty() && value.iter().all(plain),
            }
    })
}

/// An address with no `>` in a display name without quotes, and plain parameters.
fn is_plain_address(value: &[u8]) -> bool {
    name_addr::split(value).is_ok_and(|parts| {
        let name_is_plain = match parts.display {
            Some(Display::Plain(name)) => text::find(name, b'>').is_none(),
            Some(Display::Quoted(_)) | None => true,
        };
        name_is_plain && are_plain_params(text::trim(parts.params))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "From: \"A, b\" <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\n";

    fn is_request(via: &str) -> bool {
        let text = format!("BYE sip:x@h SIP/2.0\r\n{via}\r\n{REST}CSeq: 1 BYE\r\n\r\n");
        matches!(parse(text.as_bytes(), false), Some(Plain::Request(_)))
    }

    #[test]
    fn what_peers_write_is_plain() {
        for via in [
            "Via: SIP/2.0/UDP h",
            "v: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK.a-b;rport",
            "Via: SIP/2.0/UDP [2001:db8::1]:5060;received=[2001:db8::2];rport=9;branch=z9hG4bK1",
            "Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b\r\nVia: SIP/2.0/TLS c",
        ] {
            assert!(is_request(via), "{via}");
        }
        let answer =
            format!("SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP h\r\n{REST}CSeq: 1 BYE\r\n\r\n");
        assert_eq!(parse(answer.as_bytes(), false), Some(Plain::Response));
    }

    #[test]
    fn what_kamailio_stumbles_over_is_not() {
        for via in [
            "Via: rubbish",
            "Via: SIP/2.0/UDP ;;;",
            "Via: SIP/2.0/UDP h:0",
            "Via: SIP/2.0/UDP h:x",
            "Via: SIP/2.0/UDP [::",
            "Via: SIP/2.0/UDP h;branch",
            "Via: SIP/2.0/UDP h;=1",
            "Via: SIP/2.0/UDP a\r\nVia: x",
            "Via: SIP/2.0/UDP a, x",
            "Via: SIP/2.0/UDP a\nX: y",
            "Via: SIP/2.0/UDP a\r\nX: \u{1}",
            "Via: SIP/2.0/UDP a\r\nX:\r\n y",
            "Via: SIP/2.0/UDP a\r\nX%: y",
            "X: y",
        ] {
            assert!(!is_request(via), "{via}");
        }
        assert_eq!(parse(b"INVITE\r\n\r\n", false), None);
        assert_eq!(parse(b"", false), None);
    }
}
