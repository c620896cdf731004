//! Content-Type and Content-Disposition values: a kind and its parameters.

use super::params::{self, Params};
use super::text;

/// `application/sdp;charset=…`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    /// `type/subtype` in lower case, without blanks.
    pub kind: String,
    /// Names in lower case, values unquoted.
    pub params: Params,
}

/// Longer than any registered type; what names one gets into logs.
const MAX_KIND: usize = 256;

impl ContentType {
    /// Reads a value; `None` when it is not `token/token` with well-formed parameters.
    pub fn parse(value: &[u8]) -> Option<ContentType> {
        let (kind, params) = kind_and_params(value)?;
        let (main, sub) = text::cut(kind, b'/');
        // RFC 3261 section 25.1 SLASH: blanks around it are legal.
        let (main, sub) = (text::trim(main), text::trim(sub?));
        if !text::is_token(main) || !text::is_token(sub) || kind.len() > MAX_KIND {
            return None;
        }
        let mut kind = [text::ascii(main)?, "/", text::ascii(sub)?].concat();
        kind.make_ascii_lowercase();
        Some(ContentType { kind, params })
    }

    /// A parameter (name in any case); `""` when it has no value.
    pub fn param(&self, name: &str) -> Option<&str> {
        params::find(&self.params, name)
    }
}

/// `recipient-list;handling=optional`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentDisposition {
    /// In lower case.
    pub kind: String,
    /// False only for `handling=optional`; `required` is the default (RFC 3261 section 20.11).
    pub required: bool,
}

impl ContentDisposition {
    /// Reads a value; `None` when it is not a token with well-formed parameters.
    pub fn parse(value: &[u8]) -> Option<ContentDisposition> {
        let (kind, params) = kind_and_params(value)?;
        if !text::is_token(kind) {
            return None;
        }
        let handling = params::find(&params, "handling").unwrap_or("");
        Some(ContentDisposition {
            kind: text::ascii(kind)?.to_ascii_lowercase(),
            required: !handling.eq_ignore_ascii_case("optional"),
        })
    }
}

fn kind_and_params(value: &[u8]) -> Option<(&[u8], Params)> {
    let end = text::find(value, b';').unwrap_or(value.len());
    let (kind, rest) = value.split_at_checked(end)?;
    Some((text::trim(kind), params::parse(rest).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let t = ContentType::parse(b"Multipart / Mixed ; boundary=\"a;b\"").unwrap();
        assert_eq!(t.kind, "multipart/mixed");
        assert_eq!(t.param("Boundary"), Some("a;b"));
        for bad in ["", "application", "a/b/c", "/x", "a b/c", "a/b;x=\"y"] {
            assert_eq!(ContentType::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn dispositions() {
        let d = |text: &str| ContentDisposition::parse(text.as_bytes());
        assert_eq!(
            d("Recipient-List; handling=Optional"),
            Some(ContentDisposition {
                kind: "recipient-list".into(),
                required: false
            })
        );
        assert!(d("recipient-list").unwrap().required);
        assert_eq!(d(""), None);
    }
}
