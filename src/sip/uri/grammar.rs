//! The grammar of sip, sips and tel URIs (RFC 3261 section 25.1, RFC 3966 section 3).

use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::parts::Parts;
use super::{Scheme, UriError, MAX_URI};
use crate::sip::chars::{self, Set};
use crate::sip::text;

/// See [`Uri::check`](super::Uri::check).
pub(super) fn check(bytes: &[u8]) -> Result<Parts, UriError> {
    let malformed = |what: &str| UriError::Malformed(format!("{what}: {}", text::excerpt(bytes)));
    let (scheme, Some(_)) = text::cut(bytes, b':') else {
        return Err(malformed("no scheme"));
    };
    if !is_scheme(scheme) {
        return Err(malformed("no scheme"));
    }
    let scheme = if scheme.eq_ignore_ascii_case(b"sip") {
        Scheme::Sip
    } else if scheme.eq_ignore_ascii_case(b"sips") {
        Scheme::Sips
    } else if scheme.eq_ignore_ascii_case(b"tel") {
        Scheme::Tel
    } else {
        let scheme = scheme.to_ascii_lowercase();
        return Err(UriError::UnsupportedScheme(text::excerpt(&scheme)));
    };
    if bytes.len() > MAX_URI {
        return Err(malformed("too long"));
    }
    let parts = match scheme {
        Scheme::Tel => tel(bytes),
        Scheme::Sip | Scheme::Sips => sip(bytes, scheme),
    };
    match parts {
        // All but the embedded headers has been looked at.
        Ok(parts) if chars::URI.has_all(behind(bytes, parts.params_end)) => Ok(parts),
        Err(what) if chars::URI.has_all(bytes) => Err(malformed(what)),
        _ => Err(malformed("character that must be escaped")),
    }
}

fn behind(bytes: &[u8], at: u16) -> &[u8] {
    bytes.get(at.into()..).unwrap_or_default()
}

fn is_scheme(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b))
}

type Checked = Result<Parts, &'static str>;

fn sip(all: &[u8], scheme: Scheme) -> Checked {
    let start = usize::from(scheme.length());
    let rest = all.get(start..).unwrap_or_default();
    // The user part may hold `;` and `?`, so it is found by its `@` alone (RFC 4475 section 3.1.1.9).
    let (user_end, host) = match text::find(rest, b'@') {
        Some(at) => {
            let user = user(rest.get(..at).unwrap_or_default())?;
            (start + user, start + at + 1)
        }
        None => (0, start),
    };
    let rest = all.get(host..).unwrap_or_default();
    let authority = end_before_params(rest);
    let (host_length, port) = host_port(rest.get(..authority).unwrap_or_default())?;
    let before_params = host + authority;
    // Offsets fit, as the text has `MAX_URI` octets at most.
    Ok(Parts {
        scheme,
        user_end: user_end as u16,
        host: host as u16,
        host_end: (host + host_length) as u16,
        port,
        before_params: before_params as u16,
        params_end: params_end(all, before_params)? as u16,
        end: all.len() as u16,
    })
}

/// Checks `userinfo` without its `@` and gives back the length of the user without the password.
fn user(info: &[u8]) -> Result<usize, &'static str> {
    let (user, password) = text::cut(info, b':');
    if user.is_empty() {
        return Err("empty user part");
    }
    if !only(user, chars::USER) || !only(password.unwrap_or_default(), chars::PASSWORD) {
        return Err("user part with a character that must be escaped");
    }
    Ok(user.len())
}

/// The bytes of a set, and well-formed escapes; nothing else.
fn only(bytes: &[u8], allowed: Set) -> bool {
    bytes.iter().enumerate().all(|(at, &byte)| {
        allowed.has(byte)
            || (byte == b'%' && text::escape_at(bytes.get(at..).unwrap_or_default()).is_some())
    })
}

/// The length of the host, and the port; 0 when there is none.
fn host_port(authority: &[u8]) -> Result<(usize, u16), &'static str> {
    let host = if let Some(inner) = authority.strip_prefix(b"[") {
        let (address, Some(_)) = text::cut(inner, b']') else {
            return Err("unterminated ipv6 reference");
        };
        if read::<Ipv6Addr>(address).is_none() {
            return Err("no ipv6 address in brackets");
        }
        address.len() + 2
    } else {
        let (host, _) = text::cut(authority, b':');
        if !is_host(host) {
            return Err("no host name or address");
        }
        host.len()
    };
    let port = authority.get(host..).unwrap_or_default();
    if port.is_empty() {
        return Ok((host, 0));
    }
    let digits = port.strip_prefix(b":").ok_or("text after the host")?;
    let port = text::number(digits)
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port != 0)
        .ok_or("no valid port")?;
    Ok((host, port))
}

/// `hostname` (an underscore is tolerated) or an IPv4 address. A name's last label does not begin
/// with a digit: `2001` of an IPv6 address without brackets is no host (RFC 5118 section 4.2).
pub(crate) fn is_host(host: &[u8]) -> bool {
    let name = host.strip_suffix(b".").unwrap_or(host);
    let mut label = name;
    let mut labels_fit = name.len() <= 255;
    while labels_fit {
        let end = label.iter().position(|byte| *byte == b'.');
        let (this, next) = label.split_at(end.unwrap_or(label.len()));
        labels_fit = !this.is_empty() && chars::LABEL.has_all(this);
        match next.get(1..) {
            Some(next) => label = next,
            None => break,
        }
    }
    let ends_like_an_address = label.first().is_some_and(u8::is_ascii_digit);
    (labels_fit && !ends_like_an_address) || read::<Ipv4Addr>(host).is_some()
}

fn read<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

/// Where `;` or `?` stands, or would.
fn end_before_params(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|byte| matches!(byte, b';' | b'?'));
    end.unwrap_or(bytes.len())
}

/// Checks `;params?headers` from `at` on and gives back where the parameters end.
fn params_end(all: &[u8], at: usize) -> Result<usize, &'static str> {
    let (params, _) = text::cut(all.get(at..).unwrap_or_default(), b'?');
    check_params(params)?;
    Ok(at + params.len())
}

fn check_params(params: &[u8]) -> Result<(), &'static str> {
    let Some(params) = params.strip_prefix(b";") else {
        return Ok(());
    };
    let split = || params.split(|byte| *byte == b';');
    for (count, param) in split().enumerate() {
        let (name, value) = text::cut(param, b'=');
        let value = value.unwrap_or_default();
        if name.is_empty() || !only(name, chars::URI_PARAM) || !only(value, chars::URI_PARAM) {
            return Err("malformed uri parameter");
        }
        // RFC 3261 section 19.1.1: a parameter name must not appear more than once.
        let mut earlier = split().take(count).map(|param| text::cut(param, b'=').0);
        if earlier.any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            return Err("uri parameter given twice");
        }
        if count == MAX_PARAMS {
            return Err("too many uri parameters");
        }
    }
    Ok(())
}

const MAX_PARAMS: usize = 32;

fn tel(all: &[u8]) -> Checked {
    let start = usize::from(Scheme::Tel.length());
    let rest = all.get(start..).unwrap_or_default();
    let number = end_before_params(rest);
    let digits = rest.get(..number).unwrap_or_default();
    let (digits, global) = match digits.strip_prefix(b"+") {
        Some(digits) => (digits, true),
        None => (digits, false),
    };
    // A local number should have a phone-context (RFC 3966 section 5.1.5); clients leave it out.
    let allowed = |b: u8| {
        b"-.()".contains(&b)
            || b.is_ascii_digit()
            || (!global && (b.is_ascii_hexdigit() || b"*#".contains(&b)))
    };
    if !digits.iter().copied().all(allowed) || !digits.iter().any(|b| !b"-.()".contains(b)) {
        return Err("no telephone number");
    }
    let end = start + number;
    Ok(Parts {
        scheme: Scheme::Tel,
        user_end: end as u16,
        host: 0,
        host_end: 0,
        port: 0,
        before_params: end as u16,
        params_end: params_end(all, end)? as u16,
        end: all.len() as u16,
    })
}
