//! How people appear in logs and in decision trails.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sip::privacy::ANONYMOUS;

/// An identity as it may stand in a log at INFO and above: the first character of the user part
/// and the host, or the last two digits of a number.
pub struct Redacted<'a>(pub &'a str);

impl fmt::Display for Redacted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = match self.0.split_once(':') {
            Some((scheme, rest)) => (scheme, rest),
            None => ("", self.0),
        };
        f.write_str(scheme)?;
        f.write_str(if scheme.is_empty() { "" } else { ":" })?;
        match rest.split_once('@') {
            Some((user, host)) => {
                let second = user.char_indices().nth(1);
                let first = user.get(..second.map_or(user.len(), |(at, _)| at));
                f.write_str(first.unwrap_or_default())?;
                f.write_str("***@")?;
                f.write_str(host)
            }
            None => {
                let last_two = rest.char_indices().rev().take(2).last();
                let tail = rest.get(last_two.map_or(0, |(at, _)| at)..);
                f.write_str("***")?;
                f.write_str(tail.unwrap_or_default())
            }
        }
    }
}

/// How a line shows people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// In logs at INFO and above.
    Redacted,
    /// In logs at DBG, and in trails for who asks for all of it.
    Whole,
    /// In trails: whole, but of who is not to be named only what stands for them.
    Trail,
}

/// Somebody whom a line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    uri: String,
    /// What stands for them where others may read it. `None`: they may be named.
    instead: Option<String>,
}

impl Who {
    /// Somebody who may be named.
    pub fn open(uri: &str) -> Who {
        Who {
            uri: uri.to_owned(),
            instead: None,
        }
    }

    /// Somebody who is not to be named, and is shown by no URI of their own.
    pub fn unnamed(uri: &str) -> Who {
        Who::shown_as(uri, ANONYMOUS)
    }

    /// Somebody who is not to be named, and is shown by this URI.
    pub fn shown_as(uri: &str, instead: &str) -> Who {
        Who {
            uri: uri.to_owned(),
            instead: Some(instead.to_owned()),
        }
    }

    /// The same, borrowed.
    pub fn to_ref(&self) -> WhoRef<'_> {
        WhoRef {
            uri: &self.uri,
            instead: self.instead.as_deref(),
        }
    }

    /// The URI that others are shown.
    pub fn shown(&self) -> &str {
        self.instead.as_deref().unwrap_or(&self.uri)
    }
}

/// [`Who`], borrowed, as a note keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoRef<'a> {
    uri: &'a str,
    instead: Option<&'a str>,
}

impl<'a> WhoRef<'a> {
    /// See [`Who::open`].
    pub fn open(uri: &'a str) -> WhoRef<'a> {
        WhoRef { uri, instead: None }
    }

    /// See [`Who::unnamed`].
    pub fn unnamed(uri: &'a str) -> WhoRef<'a> {
        WhoRef {
            uri,
            instead: Some(ANONYMOUS),
        }
    }

    /// The same, owned.
    pub fn to_owned(self) -> Who {
        Who {
            uri: self.uri.to_owned(),
            instead: self.instead.map(str::to_owned),
        }
    }

    /// The same with another URI of theirs.
    pub fn with_uri(self, uri: &'a str) -> WhoRef<'a> {
        WhoRef { uri, ..self }
    }
}

impl Show {
    /// Somebody as this line may show them.
    pub fn who(self, who: WhoRef<'_>) -> Shown<'_> {
        Shown { show: self, who }
    }
}

/// Somebody as a line may show them.
pub struct Shown<'a> {
    show: Show,
    who: WhoRef<'a>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WhoRef { uri, instead } = self.who;
        match (self.show, instead) {
            (Show::Redacted | Show::Trail, Some(instead)) => f.write_str(instead),
            (Show::Redacted, None) => Redacted(uri).fmt(f),
            (Show::Whole, _) | (Show::Trail, None) => f.write_str(uri),
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
        assert_eq!(
            Redacted("sip:@home1.test").to_string(),
            "sip:***@home1.test"
        );
        assert_eq!(Redacted("tel:ä").to_string(), "tel:***ä");
        assert_eq!(Redacted("sip:äb@h").to_string(), "sip:ä***@h");
    }

    #[test]
    fn who_is_not_to_be_named_is_not_named() {
        let carol = Who::shown_as("sip:carol@home1.test", "sip:anonymous-1@anonymous.invalid");
        let line = |show: Show| {
            format!(
                "{} joined {}",
                show.who(carol.to_ref()),
                show.who(Who::open("tel:+12345").to_ref())
            )
        };
        assert_eq!(
            line(Show::Redacted),
            "sip:anonymous-1@anonymous.invalid joined tel:***45"
        );
        assert_eq!(line(Show::Whole), "sip:carol@home1.test joined tel:+12345");
        assert_eq!(
            line(Show::Trail),
            "sip:anonymous-1@anonymous.invalid joined tel:+12345"
        );
    }
}
