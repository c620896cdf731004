//! When two URIs are the same URI (RFC 3261 section 19.1.4, RFC 3966 section 4).
//! Not here: when two URIs are the same person (`identity.rs`).

use super::{grammar, Scheme, Uri};
use crate::sip::text;

/// See [`Uri::equivalent`].
pub(super) fn equivalent(a: &Uri, b: &Uri) -> bool {
    if a.scheme != b.scheme {
        return false;
    }
    if a.scheme == Scheme::Tel {
        return same_number(a, b) && same_tel_params(a, b);
    }
    same_user(a, b)
        && host_key(&a.host) == host_key(&b.host)
        // No port is not the same as the default port.
        && a.port == b.port
        && same_params(a, b)
        && same_headers(a, b)
}

/// A host as it compares: lower case, no final dot, IPv6 in its shortest form.
pub(crate) fn host_key(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match inner.and_then(|address| address.parse::<std::net::Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.strip_suffix('.').unwrap_or(&host).to_owned(),
    }
}

/// Undoes the escapes of characters for which `plain` holds, writes the others in upper case.
pub(crate) fn unescape(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        match text::escape_at(rest) {
            Some(byte) => {
                if plain(byte) {
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
    out
}

fn same_user(a: &Uri, b: &Uri) -> bool {
    // Characters outside the "reserved" set equal their escape; the password counts too.
    let info = |uri: &Uri| {
        let user = uri.user.as_ref()?;
        let end = uri.text.get(user.start..)?.find('@')? + user.start;
        let all = uri.text.get(user.start..end)?;
        Some(unescape(all, grammar::is_unreserved))
    };
    info(a) == info(b)
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
    unescape(a, grammar::is_unreserved).eq_ignore_ascii_case(&unescape(b, grammar::is_unreserved))
}

/// Embedded headers are never ignored; their order is.
fn same_headers(a: &Uri, b: &Uri) -> bool {
    let sorted = |uri: &Uri| {
        let mut all: Vec<(String, String)> = uri
            .headers()
            .into_iter()
            .map(|(name, value)| {
                let name = unescape(&name, grammar::is_unreserved).to_ascii_lowercase();
                (name, unescape(&value, grammar::is_unreserved))
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
