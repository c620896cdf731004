//! How people appear in logs and in decision trails.

use std::fmt;

/// An identity as it may stand in a log at INFO and above: the first character of the user part
/// and the host, or the last two digits of a number.
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.split_once(':') {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", self.0),
        };
        let colon = if scheme.is_empty() { "" } else { ":" };
        match rest.split_once('@') {
            Some((user, host)) => {
                let first: String = user.chars().take(1).collect();
                write!(f, "{scheme}{colon}{first}***@{host}")
            }
            None => {
                let digits = rest.chars().count();
                let tail: String = rest.chars().skip(digits.saturating_sub(2)).collect();
                write!(f, "{scheme}{colon}***{tail}")
            }
        }
    }
}

/// How a line shows people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// In logs at INFO and above.
    Redacted,
    /// In trails, and in logs at DBG.
    Whole,
}

impl Show {
    /// Somebody's URI as this line may show it.
    pub fn who(self, uri: &str) -> Shown<'_> {
        Shown { show: self, uri }
    }
}

/// Somebody as a line may show them.
pub struct Shown<'a> {
    show: Show,
    uri: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.show {
            Show::Redacted => Redacted(self.uri).fmt(f),
            Show::Whole => f.write_str(self.uri),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_does_not_carry_a_whole_identity() {
        assert_eq!(
            Redacted("sip:alice@home1.test").to_string(),
            "sip:a***@home1.test"
        );
        assert_eq!(Redacted("tel:+358401234567").to_string(), "tel:***67");
        assert_eq!(Redacted("bob@home1.test").to_string(), "b***@home1.test");
        assert_eq!(Redacted("").to_string(), "***");
    }
}
