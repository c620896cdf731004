//! One entry of a Route set (RFC 3261 sections 12.1 and 20.34).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::name_addr::NameAddr;
use super::text;
use super::uri::Uri;

/// A hop that requests of a dialog have to visit: printable, well-formed, in angle brackets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct Route {
    text: String,
    uri: Uri,
}

/// As it is read back: not parsed again, but sure to be one line.
#[derive(Deserialize)]
struct Stored {
    text: String,
    uri: Uri,
}

impl TryFrom<Stored> for Route {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Route, Self::Error> {
        let Stored { text, uri } = stored;
        match text.chars().any(char::is_control) {
            true => Err("no entry of a Route set"),
            false => Ok(Route { text, uri }),
        }
    }
}

impl Route {
    /// Reads one value of Route or Record-Route. What is not plain ASCII around the URI is left
    /// away. `None` for what is no address.
    pub fn parse(value: &[u8]) -> Option<Route> {
        let route = NameAddr::parse(value).ok()?;
        let as_written = text::ascii(value).and_then(|v| text::clean_utf8(v.as_bytes()));
        let text = match as_written {
            Some(text) if route.bracketed => text,
            _ => format!("<{}>", route.uri),
        };
        Some(Route {
            text,
            uri: route.uri,
        })
    }

    /// The value as it goes into a Route header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI inside.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
