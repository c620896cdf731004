//! When two URIs are the same URI (RFC 3261 section 19.1.4, RFC 3966 section 4).
//! Not here: when two URIs are the same person (`identity.rs`).

use std::borrow::Cow;
use std::net::Ipv6Addr;

use super::{Scheme, Uri};
use crate::sip::chars::{Set, UNRESERVED};
use crate::sip::text;

/// See [`Uri::equivalent`].
pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    if a == b {
        return true;
    }
    if a.scheme() != b.scheme() {
        return false;
    }
    if a.scheme() == Scheme::Tel {
        return same_number(a, b) && same_tel_params(a, b);
    }
    same_user(a, b)
        && host_key(a.host()) == host_key(b.host())
        // No port is not the same as the default port.
        && a.port() == b.port()
        && same_params(a, b)
        && same_headers(a, b)
}

/// A host as it compares: lower case, no final dot, IPv6 in its shortest form.
pub(crate) fn host_key(host: &str) -> Cow<'_, str> {
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Some(address) = inner.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        return Cow::Owned(format!("[{address}]"));
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(host.to_ascii_lowercase());
    }
    Cow::Borrowed(host)
}

/// Undoes the escapes of characters of a set, writes the others in upper case.
pub(crate) fn unescape(text: &str, plain: Set) -> Cow<'_, str> {
    if text::find(text.as_bytes(), b'%').is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match text::escape_at(rest) {
            Some(byte) => {
                if plain.has(byte) {
                    out.push(char::from(byte));
                } else {
                    text::push_escape(&mut out, byte);
                }
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(char::from(*first));
                rest = tail;
            }
        }
    }
    Cow::Owned(out)
}

fn same_user(a: &Uri, b: &Uri) -> bool {
    // Characters outside the "reserved" set equal their escape; the password counts too.
    user_and_password(a) == user_and_password(b)
}

fn user_and_password(uri: &Uri) -> Option<Cow<'_, str>> {
    uri.user()?;
    let (_, behind_scheme) = uri.as_str().split_once(':')?;
    let (info, _) = behind_scheme.split_once('@')?;
    Some(unescape(info, UNRESERVED))
}

fn same_params(a: &Uri, b: &Uri) -> bool {
    // In one URI only, these never match, not even at their default value (transport: by the
    // section's list of examples).
    const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    let mut names = DECISIVE
        .iter()
        .copied()
        .chain(a.params().map(|(name, _)| name));
    names.all(|name| match (a.param(name), b.param(name)) {
        (Some(a), Some(b)) => same_value(a, b),
        (None, None) => true,
        _ => !DECISIVE.iter().any(|d| d.eq_ignore_ascii_case(name)),
    })
}

fn same_value(a: &str, b: &str) -> bool {
    unescape(a, UNRESERVED).eq_ignore_ascii_case(&unescape(b, UNRESERVED))
}

/// Embedded headers are never ignored; their order is.
fn same_headers(a: &Uri, b: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut all: Vec<(String, String)> = uri
            .headers()
            .into_iter()
            .map(|(name, value)| {
                let name = unescape(&name, UNRESERVED).to_ascii_lowercase();
                (name, unescape(&value, UNRESERVED).into_owned())
            })
            .collect();
        all.sort();
        all
    };
    sorted(a) == sorted(b)
}

fn same_number(a: &Uri, b: &Uri) -> bool {
    let bare = |uri: &Uri| {
        let number = uri.user().unwrap_or("").to_ascii_lowercase();
        number.replace(['-', '.', '(', ')'], "")
    };
    bare(a) == bare(b)
}

fn same_tel_params(a: &Uri, b: &Uri) -> bool {
    a.params().count() == b.params().count()
        && a.params().all(|(name, value)| {
            b.param(name)
                .is_some_and(|other| same_value(value.unwrap_or(""), other))
        })
}
