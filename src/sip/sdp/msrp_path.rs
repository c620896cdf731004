//! MSRP URIs (RFC 4975 section 6) and the paths made of them.

use super::is_ipv6;
use crate::sip::text;
use crate::sip::uri::grammar;

/// One MSRP URI, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsrpPath {
    text: String,
    tls: bool,
    host: String,
    port: Option<u16>,
    session: String,
}

impl MsrpPath {
    /// Reads `msrp[s]://[user@]host[:port][/session][;tcp…]`; `None` when it is not one. The session
    /// is left out in the address of a relay or in a configured address.
    pub fn parse(uri: &str) -> Option<MsrpPath> {
        let breaks_out = |b: u8| matches!(b, b'<' | b'>' | b'"' | b'\\');
        if !text::is_visible(uri.as_bytes()) || uri.bytes().any(breaks_out) {
            return None;
        }
        let (scheme, rest) = uri.split_once(':')?;
        let rest = rest.strip_prefix("//")?;
        let tls = scheme.eq_ignore_ascii_case("msrps");
        if !tls && !scheme.eq_ignore_ascii_case("msrp") {
            return None;
        }
        let ends = |b: u8| matches!(b, b'/' | b';');
        let end = rest.bytes().position(ends).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        let authority = authority.rsplit('@').next()?;
        let (host, port) = authority_parts(authority)?;
        let session = match rest.strip_prefix('/') {
            Some(rest) => rest.split(';').next()?,
            None => "",
        };
        Some(MsrpPath {
            text: uri.to_owned(),
            tls,
            host,
            port,
            session: session.to_owned(),
        })
    }

    /// The URI as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// True for `msrps`.
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// In lower case, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// True when the host is an IPv6 address.
    pub fn is_ipv6(&self) -> bool {
        is_ipv6(&self.host)
    }

    /// The port if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The session id; `""` without one.
    pub fn session(&self) -> &str {
        &self.session
    }
}

/// Whether a usable MSRP URI is to be reached over TLS.
pub(super) fn is_tls(uri: &str) -> bool {
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("msrps")
}

fn authority_parts(authority: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (address, port) = inner.split_once(']')?;
        if !is_ipv6(address) {
            return None;
        }
        (address, port)
    } else {
        let end = authority.find(':').unwrap_or(authority.len());
        let (host, port) = authority.split_at_checked(end)?;
        if !grammar::is_host(host.as_bytes()) {
            return None;
        }
        (host, port)
    };
    let port = match port {
        "" => None,
        port => Some(u16::try_from(text::number(port.strip_prefix(':')?.as_bytes())?).ok()?),
    };
    Some((host.to_ascii_lowercase(), port))
}

/// The value of `a=path`: one or more URIs, each that of a session. At most 16.
pub(super) fn path(value: &str) -> Option<Vec<MsrpPath>> {
    let path: Vec<MsrpPath> = value
        .split_ascii_whitespace()
        .take(17)
        .map(MsrpPath::parse)
        .collect::<Option<_>>()?;
    if path.len() > 16 {
        return None;
    }
    // The last one is the peer itself: without a session nothing can be sent to it.
    path.last().filter(|own| !own.session.is_empty())?;
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let p = MsrpPath::parse("MSRPS://bob@Host.Example:8493/asd234;tcp").unwrap();
        assert_eq!(
            (p.tls(), p.host(), p.port(), p.session()),
            (true, "host.example", Some(8493), "asd234")
        );
        let p = MsrpPath::parse("msrp://[2001:db8::1]:9/s;tcp").unwrap();
        assert_eq!((p.host(), p.is_ipv6()), ("2001:db8::1", true));
        let p = MsrpPath::parse("msrp://127.0.0.1:2855").unwrap();
        assert_eq!((p.host(), p.session()), ("127.0.0.1", ""));
    }

    #[test]
    fn refuses() {
        for uri in [
            "",
            "msrp:x",
            "http://x/y",
            "msrp://",
            "msrp://a b/c",
            "msrp://[::1/x",
            "msrp://x:y/z",
            "msrp://x:65536/z",
            "msrp://x/y\r\n",
        ] {
            assert_eq!(MsrpPath::parse(uri), None, "{uri}");
        }
        assert_eq!(path(""), None);
        assert_eq!(path("msrp://a:1"), None);
        assert_eq!(
            path("msrp://relay:1;tcp msrp://a:9/s;tcp").unwrap().len(),
            2
        );
        assert_eq!(path(&"msrp://a:1/s ".repeat(17)), None);
    }
}
