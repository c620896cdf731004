//! Referred-By (RFC 3892 section 2.1): who refers, by the referrer's own word.

use thiserror::Error;

use super::name_addr::{NameAddr, NameAddrError};
use super::text;
use super::uri::{Uri, UriError};

/// A Referred-By that can be sent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferredBy {
    /// The address in it.
    pub uri: Uri,
    /// The whole value as received, `cid` token included (RFC 3892 section 2.2 wants it unmodified);
    /// `<uri>` alone where that was no printable UTF-8.
    pub text: String,
}

/// Why a Referred-By cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferredByError {
    /// More than one (RFC 3892 section 2.1 allows one).
    #[error("more than one Referred-By")]
    Several,
    /// Not to be understood.
    #[error("malformed Referred-By: {0}")]
    Malformed(String),
    /// A URI that is neither sip, sips nor tel.
    #[error("Referred-By scheme {0} is not supported")]
    UnsupportedScheme(String),
}

/// Reads one value.
///
/// # Errors
/// [`ReferredByError`]
pub fn parse(value: &[u8]) -> Result<ReferredBy, ReferredByError> {
    let value = text::trim(value);
    if text::split_outside(value, b',').nth(1).is_some() {
        return Err(ReferredByError::Several);
    }
    let address = NameAddr::parse(value).map_err(|error| match error {
        NameAddrError::Uri(UriError::UnsupportedScheme(scheme)) => {
            ReferredByError::UnsupportedScheme(scheme)
        }
        other => ReferredByError::Malformed(other.to_string()),
    })?;
    let text = text::clean_utf8(value).unwrap_or_else(|| format!("<{}>", address.uri));
    Ok(ReferredBy {
        uri: address.uri,
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_rfc_3892_section_7() {
        let value =
            r#"<sip:referror@referror.example>;cid="20398823.2UWQFN309shb3@referror.example""#;
        let got = parse(value.as_bytes()).unwrap();
        assert_eq!(got.uri.as_str(), "sip:referror@referror.example");
        assert_eq!(got.text, value);
        let got = parse(b"sip:a@b").unwrap();
        assert_eq!(
            (got.uri.as_str(), got.text.as_str()),
            ("sip:a@b", "sip:a@b")
        );
    }

    #[test]
    fn the_misprints_of_rfc_3892_section_7_4_are_refused() {
        for value in [
            r#"<sip:referror@referror.example;cid="203@referror.example">"#,
            r#"<sip:referror@referror.example;cid="203@referror.example"#,
            r#"<sip:referror@referror.example>;cid="203@referror.example"#,
        ] {
            assert!(
                matches!(parse(value.as_bytes()), Err(ReferredByError::Malformed(_))),
                "{value}"
            );
        }
    }

    #[test]
    fn what_cannot_be_sent_on_is_cut_to_the_address() {
        let got = parse(b"\"a\\\x07\" <sip:a@b>").unwrap();
        assert_eq!(got.text, "<sip:a@b>");
        let got = parse(b"\"\xff\" <sip:a@b>").unwrap();
        assert_eq!(got.text, "<sip:a@b>");
    }

    #[test]
    fn refuses() {
        assert_eq!(
            parse(b"<sip:a@b>, <sip:c@d>"),
            Err(ReferredByError::Several)
        );
        assert_eq!(
            parse(b"<mailto:a@b>"),
            Err(ReferredByError::UnsupportedScheme("mailto".into()))
        );
        assert!(parse(b"").is_err());
    }
}
