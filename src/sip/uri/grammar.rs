//! The grammar of sip, sips and tel URIs (RFC 3261 section 25.1, RFC 3966 section 3).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{Scheme, Uri, UriError, MAX_URI};
use crate::sip::text;

/// See [`Uri::parse`].
pub(super) fn parse(bytes: &[u8]) -> Result<Uri, UriError> {
    let malformed = |what: &str| UriError::Malformed(format!("{what}: {}", text::excerpt(bytes)));
    let (scheme, rest) = text::cut(bytes, b':');
    if rest.is_none() || !is_scheme(scheme) {
        return Err(malformed("no scheme"));
    }
    let scheme = match scheme.to_ascii_lowercase().as_slice() {
        b"sip" => Scheme::Sip,
        b"sips" => Scheme::Sips,
        b"tel" => Scheme::Tel,
        other => return Err(UriError::UnsupportedScheme(text::excerpt(other))),
    };
    if bytes.len() > MAX_URI {
        return Err(malformed("too long"));
    }
    if !bytes.iter().copied().all(is_plain) {
        return Err(malformed("character that must be escaped"));
    }
    let all = text::ascii(bytes).ok_or_else(|| malformed("not ascii"))?;
    match scheme {
        Scheme::Tel => tel(all),
        Scheme::Sip | Scheme::Sips => sip(all, scheme),
    }
    .map_err(malformed)
}

/// What may stand anywhere in a URI, and ends nothing around it.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte)
}

/// `paramchar` without the escapes.
pub(crate) fn is_param_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"[]/:&+$".contains(&byte)
}

/// `unreserved`.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte)
}

/// `user-unreserved` and `unreserved`.
pub(crate) fn is_user_byte(byte: u8) -> bool {
    is_unreserved(byte) || b"&=+$,;?/".contains(&byte)
}

fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
}

type Parsed = Result<Uri, &'static str>;

fn sip(all: &str, scheme: Scheme) -> Parsed {
    let start = all.find(':').map_or(0, |at| at + 1);
    let rest = all.get(start..).unwrap_or("");
    // The user part may hold `;` and `?`, so it is found by its `@` alone (RFC 4475 section 3.1.1.9).
    let (user, host_at) = match rest.find('@') {
        Some(at) => {
            let end = start + at;
            (Some(user(all, start..end)?), end + 1)
        }
        None => (None, start),
    };
    let rest = all.get(host_at..).unwrap_or("");
    let authority = rest.find([';', '?']).unwrap_or(rest.len());
    let (host, port) = host_port(rest.get(..authority).unwrap_or(""))?;
    let (params, headers) = tail(all, host_at + authority)?;
    Ok(Uri {
        text: all.to_owned(),
        scheme,
        user,
        host,
        host_at,
        port,
        before_params: host_at + authority,
        params,
        headers,
    })
}

/// Checks `userinfo` without its `@` and gives back the user without the password.
fn user(all: &str, range: Range<usize>) -> Result<Range<usize>, &'static str> {
    let info = all.get(range.clone()).unwrap_or("");
    let (user, password) = match info.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (info, None),
    };
    if user.is_empty() {
        return Err("empty user part");
    }
    if !only(user, is_user_byte)
        || !password.is_none_or(|p| only(p, |b| is_unreserved(b) || b"&=+$,".contains(&b)))
    {
        return Err("user part with a character that must be escaped");
    }
    Ok(range.start..range.start + user.len())
}

/// The bytes that `allowed` accepts, and well-formed escapes; nothing else.
fn only(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, &byte)| {
        allowed(byte)
            || (byte == b'%' && text::escape_at(bytes.get(at..).unwrap_or_default()).is_some())
    })
}

fn host_port(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, after) = inner.split_once(']').ok_or("unterminated ipv6 reference")?;
        if address.parse::<Ipv6Addr>().is_err() {
            return Err("no ipv6 address in brackets");
        }
        (format!("[{}]", address.to_ascii_lowercase()), after)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, after) = authority.split_at_checked(end).unwrap_or((authority, ""));
        if !is_host(host) {
            return Err("no host name or address");
        }
        (host.to_ascii_lowercase(), after)
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.strip_prefix(':').ok_or("text after the host")?;
    let port = text::number(digits.as_bytes())
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .ok_or("no valid port")?;
    Ok((host, Some(port)))
}

/// `hostname` (an underscore is tolerated) or an IPv4 address. A name's last label does not begin
/// with a digit: `2001` of an IPv6 address without brackets is no host (RFC 5118 section 4.2).
pub(crate) fn is_host(host: &str) -> bool {
    if host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    host.len() <= 255
        && host.split('.').all(label)
        && host
            .rsplit('.')
            .next()
            .is_some_and(|top| !top.starts_with(|c: char| c.is_ascii_digit()))
}

/// `;params?headers` from `at` on: the range of either, without its first separator.
fn tail(all: &str, at: usize) -> Result<(Range<usize>, Range<usize>), &'static str> {
    let rest = all.get(at..).unwrap_or("");
    let question = rest.find('?').unwrap_or(rest.len());
    let params = rest.get(..question).unwrap_or("");
    check_params(params)?;
    let params_at = (at + usize::from(!params.is_empty())).min(at + question);
    let headers_at = (at + question + 1).min(all.len());
    Ok((params_at..at + question, headers_at..all.len()))
}

fn check_params(params: &str) -> Result<(), &'static str> {
    let Some(params) = params.strip_prefix(';') else {
        return Ok(());
    };
    let mut names: Vec<String> = Vec::new();
    for param in params.split(';') {
        let (name, value) = param.split_once('=').unwrap_or((param, ""));
        if name.is_empty() || !only(name, is_param_byte) || !only(value, is_param_byte) {
            return Err("malformed uri parameter");
        }
        // RFC 3261 section 19.1.1: a parameter name must not appear more than once.
        let name = name.to_ascii_lowercase();
        if names.contains(&name) {
            return Err("uri parameter given twice");
        }
        names.push(name);
        if names.len() > 32 {
            return Err("too many uri parameters");
        }
    }
    Ok(())
}

fn tel(all: &str) -> Parsed {
    let start = all.find(':').map_or(0, |at| at + 1);
    let rest = all.get(start..).unwrap_or("");
    let number = rest.find([';', '?']).unwrap_or(rest.len());
    let digits = rest.get(..number).unwrap_or("");
    let (digits, global) = match digits.strip_prefix('+') {
        Some(digits) => (digits, true),
        None => (digits, false),
    };
    // A local number should have a phone-context (RFC 3966 section 5.1.5); clients leave it out.
    let allowed = |b: u8| {
        b"-.()".contains(&b)
            || b.is_ascii_digit()
            || (!global && (b.is_ascii_hexdigit() || b"*#".contains(&b)))
    };
    if !digits.bytes().all(allowed) || !digits.bytes().any(|b| !b"-.()".contains(&b)) {
        return Err("no telephone number");
    }
    let (params, headers) = tail(all, start + number)?;
    Ok(Uri {
        text: all.to_owned(),
        scheme: Scheme::Tel,
        user: Some(start..start + number),
        host: String::new(),
        host_at: 0,
        port: None,
        before_params: start + number,
        params,
        headers,
    })
}
