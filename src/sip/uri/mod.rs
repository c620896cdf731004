//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966): checked once, kept as written.
//! Not here: who somebody is (`identity.rs`), and URIs we do not send requests to (cid, http, …).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use parts::Parts;

use super::chars;
use super::text;

pub(crate) use super::text::percent_decode;

pub(crate) mod compare;
pub(crate) mod grammar;
mod parts;
mod stored;
#[cfg(test)]
mod tests;

/// The schemes requests can be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
}

/// Why bytes are no URI of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// A URI, but not sip, sips or tel; the scheme in lower case.
    #[error("uri scheme {0} is not supported")]
    UnsupportedScheme(String),
    /// Not a URI at all, or one that breaks the grammar of its scheme.
    #[error("malformed uri: {0}")]
    Malformed(String),
}

/// A sip, sips or tel URI, as written. Visible ASCII only, no `<`, `>`, `"`, `\`, at most
/// [`MAX_URI`] octets. Equality and hash are those of the text; see [`Uri::equivalent`] and
/// [`Identity`](super::Identity) for the looser ones.
#[derive(Clone, Debug)]
pub struct Uri {
    /// As written. Behind it the host in lower case, if it is not written so.
    text: Box<str>,
    parts: Parts,
}

/// A URI that was checked but not copied: where its parts are in the bytes that were read. It becomes a
/// [`Uri`] where somebody asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CheckedUri(Parts);

/// The longest URI taken, in octets. RFC 4475 section 3.1.1.7 shows ones of some hundred.
pub const MAX_URI: usize = 2048;

impl Uri {
    /// Reads a URI without brackets or blanks around it.
    ///
    /// # Errors
    /// [`UriError::UnsupportedScheme`] for a well-formed scheme that is not ours, whatever follows
    /// it; [`UriError::Malformed`] for all else.
    pub fn parse(text: &[u8]) -> Result<Uri, UriError> {
        Ok(Uri::build(text, Uri::check(text)?))
    }

    /// The same without a copy.
    ///
    /// # Errors
    /// As [`Uri::parse`].
    pub(crate) fn check(text: &[u8]) -> Result<CheckedUri, UriError> {
        grammar::check(text).map(CheckedUri)
    }

    /// The URI that [`Uri::check`] found in this text.
    pub(crate) fn build(text: &[u8], CheckedUri(mut parts): CheckedUri) -> Uri {
        // Checked text is ASCII.
        let text = std::str::from_utf8(text).unwrap_or_default();
        let host = part(text, (parts.host, parts.host_end));
        if !host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let text = text.into();
            return Uri { text, parts };
        }
        let mut both = String::with_capacity(text.len() + host.len());
        both.push_str(text);
        both.push_str(&host.to_ascii_lowercase());
        let moved = parts.end - parts.host;
        parts.host += moved;
        parts.host_end += moved;
        let text = both.into_boxed_str();
        Uri { text, parts }
    }

    /// The whole URI as written.
    pub fn as_str(&self) -> &str {
        self.part((0, self.parts.end))
    }

    fn part(&self, range: (u16, u16)) -> &str {
        part(&self.text, range)
    }

    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.parts.scheme
    }

    /// The user part as written, escapes kept, without a password; for tel the number. It may hold
    /// `;`-parameters of its own (RFC 3261 section 19.1.6).
    pub fn user(&self) -> Option<&str> {
        self.parts.user().map(|range| self.part(range))
    }

    /// The host in lower case, an IPv6 address in brackets; `""` for tel.
    pub fn host(&self) -> &str {
        self.part((self.parts.host, self.parts.host_end))
    }

    /// The port if one is written.
    pub fn port(&self) -> Option<u16> {
        (self.parts.port != 0).then_some(self.parts.port)
    }

    /// The value of a URI parameter (name in any case) as written; `""` when it has none.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params()
            .find(|(have, _)| have.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.unwrap_or(""))
    }

    /// All URI parameters as written.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let all = self.part(self.parts.params());
        all.split(';')
            .filter(|piece| !piece.is_empty())
            .map(|piece| match piece.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (piece, None),
            })
    }

    /// The embedded `?name=value&…` headers, raw. They are whatever a peer wrote: RFC 3261 section
    /// 19.1.5 tells which ones are dangerous, and [`Uri::to_target`] drops them all.
    pub fn headers(&self) -> Vec<(String, String)> {
        let all = self.part(self.parts.headers());
        all.split('&')
            .filter(|piece| !piece.is_empty())
            .map(|piece| piece.split_once('=').unwrap_or((piece, "")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The same URI with a parameter set (added last, or its value replaced). Characters a parameter
    /// cannot have are escaped. Unchanged if the result would be longer than [`MAX_URI`].
    pub fn with_param(&self, name: &str, value: Option<&str>) -> Uri {
        let mut params: Vec<String> = self
            .params()
            .filter(|(have, _)| !have.eq_ignore_ascii_case(name))
            .map(|(name, value)| param_text(name, value))
            .collect();
        let value = value.map(escape_param);
        params.push(param_text(&escape_param(name), value.as_deref()));
        self.rebuilt(&params, true)
    }

    /// The same URI without a parameter.
    pub fn without_param(&self, name: &str) -> Uri {
        let params = self.params_but(name);
        self.rebuilt(&params, true)
    }

    /// The URI a request may be sent to: without the `method` parameter and without every embedded
    /// header (RFC 3261 section 19.1.5).
    pub fn to_target(&self) -> Uri {
        if self.parts.params_end == self.parts.end && self.param("method").is_none() {
            return self.clone();
        }
        let params = self.params_but("method");
        self.rebuilt(&params, false)
    }

    /// The same URI without what leads a request elsewhere than to the usual port of its host: `port` and
    /// `maddr` (RFC 3261 section 19.1.1).
    pub fn without_next_hop(&self) -> Uri {
        let params = self.params_but("maddr");
        let address = self.part((0, self.parts.before_params));
        let address = match (self.port(), address.rsplit_once(':')) {
            (Some(_), Some((address, _))) => address,
            _ => address,
        };
        self.rebuilt_on(address, &params, true)
    }

    /// True when the host is an IPv4 or IPv6 address, so that no name must be resolved to reach it.
    pub fn is_address_literal(&self) -> bool {
        let host = self.host();
        host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok()
    }

    /// URI equality of RFC 3261 section 19.1.4; for tel of RFC 3966 section 4.
    pub fn equivalent(&self, other: &Uri) -> bool {
        compare::equivalent(self, other)
    }

    /// All parameters but one, ready to be written.
    fn params_but(&self, name: &str) -> Vec<String> {
        self.params()
            .filter(|(have, _)| !have.eq_ignore_ascii_case(name))
            .map(|(name, value)| param_text(name, value))
            .collect()
    }

    /// The same URI with other parameters, with or without its embedded headers.
    fn rebuilt(&self, params: &[String], keep_headers: bool) -> Uri {
        let address = self.part((0, self.parts.before_params));
        self.rebuilt_on(address, params, keep_headers)
    }

    /// The same with another text before the parameters.
    fn rebuilt_on(&self, address: &str, params: &[String], keep_headers: bool) -> Uri {
        let mut text = address.to_owned();
        for param in params {
            text.push(';');
            text.push_str(param);
        }
        let headers = self.part(self.parts.headers());
        if keep_headers && !headers.is_empty() {
            text.push('?');
            text.push_str(headers);
        }
        Uri::parse(text.as_bytes()).unwrap_or_else(|_| self.clone())
    }
}

/// The value of an embedded header ([`Uri::headers`]), unescaped. `None` when the header is not
/// there, or its value is not one printable word of at most `longest` octets.
pub fn embedded_word(headers: &[(String, String)], name: &str, longest: usize) -> Option<String> {
    let mut named = headers
        .iter()
        .filter(|(have, _)| have.eq_ignore_ascii_case(name));
    let (_, raw) = named.next()?;
    let word = String::from_utf8(percent_decode(raw.as_bytes())?).ok()?;
    let fit = (1..=longest).contains(&word.len()) && text::is_visible(word.as_bytes());
    fit.then_some(word)
}

impl PartialEq for Uri {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Uri {}

impl Hash for Uri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Uri> for String {
    fn from(uri: Uri) -> String {
        let end = usize::from(uri.parts.end);
        let mut text = String::from(uri.text);
        text.truncate(end);
        text
    }
}

impl TryFrom<String> for Uri {
    type Error = UriError;

    fn try_from(text: String) -> Result<Uri, UriError> {
        Uri::parse(text.as_bytes())
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Uri, UriError> {
        Uri::parse(text.as_bytes())
    }
}

/// The part of a text; empty if it is not in it.
fn part(text: &str, (start, end): (u16, u16)) -> &str {
    text.get(start.into()..end.into()).unwrap_or_default()
}

fn param_text(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{name}={value}"),
        None => name.to_owned(),
    }
}

/// Escapes what `paramchar` of RFC 3261 section 25.1 does not have; escapes already there stay.
fn escape_param(value: &str) -> String {
    let bytes = value.as_bytes();
    let mut out = String::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        let escaped = text::escape_at(bytes.get(at..).unwrap_or_default()).is_some();
        if chars::URI_PARAM.has(byte) || escaped {
            out.push(char::from(byte));
        } else {
            text::push_escape(&mut out, byte);
        }
    }
    out
}
