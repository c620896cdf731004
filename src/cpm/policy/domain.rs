//! Domain names as RFC 4745 section 7.1.3 compares them: escapes undone, label by label, without case.
//!
//! An internationalised name has to be written as its A-labels (xn--…): U-labels are refused.

use crate::sip::uri::{percent_decode, Scheme, Uri};

/// A domain name in the form that is compared: lower case, without escapes and trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Reads a `domain` attribute: a name of at most 253 characters, or an IPv6 address in brackets.
    ///
    /// # Errors
    /// What the author of the document can change.
    pub fn parse(text: &str) -> Result<Domain, &'static str> {
        let text = unescaped(text.trim())?;
        if !text.is_ascii() {
            return Err("write an internationalised name as its A-labels (xn--…)");
        }
        if text.starts_with('[') && text.ends_with(']') {
            return Ok(Domain(text.to_ascii_lowercase()));
        }
        // A trailing dot marks a name as complete. It does not change the name.
        let name = text.strip_suffix('.').unwrap_or(&text);
        if name.is_empty() {
            return Err("it is empty");
        }
        if name.len() > 253 {
            return Err("it is longer than 253 characters");
        }
        for label in name.split('.') {
            if label.is_empty() {
                return Err("it has an empty label");
            }
            if label.contains('*') {
                return Err("wildcards do not exist here; <many> without domain means everybody");
            }
            if !label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            {
                return Err("a label has letters, digits, hyphens and underscores only");
            }
        }
        Ok(Domain(name.to_ascii_lowercase()))
    }

    /// Whether a URI is a SIP or SIPS URI of this domain. A tel URI names no domain. The host of a URI has no
    /// escapes, and is in lower case.
    pub fn is_of(&self, uri: &Uri) -> bool {
        let host = uri.host();
        uri.scheme() != Scheme::Tel && self.0 == host.strip_suffix('.').unwrap_or(host)
    }

    /// The name in the form that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn unescaped(text: &str) -> Result<String, &'static str> {
    let decoded = percent_decode(text.as_bytes());
    let decoded = decoded.ok_or("a '%' is not followed by two hexadecimal digits")?;
    String::from_utf8(decoded).map_err(|_| "its escapes are not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        Domain::parse(a).unwrap() == Domain::parse(b).unwrap()
    }

    #[test]
    fn compares_without_case_escapes_and_trailing_dot() {
        assert!(same("Home1.TEST", "home1.test"));
        assert!(same("h%6Fme1.test", "home1.test"));
        assert!(same("home1.test.", "home1.test"));
        assert!(same("XN--bcher-kva.example", "xn--bcher-kva.example"));
        assert!(same("[2001:DB8::1]", "[2001:db8::1]"));
    }

    #[test]
    fn compares_whole_labels() {
        assert!(!same("home1.test", "sub.home1.test"));
        assert!(!same("home1.test", "ahome1.test"));
        assert!(!same("home1.test", "home1.test.evil.example"));
    }

    #[test]
    fn refuses_what_could_never_match() {
        for bad in [
            "",
            ".",
            "a..b",
            "*",
            "*.home1.test",
            "b%zz",
            "b%4",
            "bücher.example",
            "b%C3%BCcher.example",
            "a b",
            "a%00b",
            "home1.test:5060",
            "%ff",
        ] {
            assert!(Domain::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
