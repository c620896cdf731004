//! How people appear in logs and in decision trails.

use std::fmt;

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
    /// In logs at DBG.
    Whole,
    /// In trails: whole, with a mark on who is not to be named, for [`trail_line`].
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

    /// The same with another URI of theirs.
    pub fn with_uri(&self, uri: &str) -> Who {
        Who {
            uri: uri.to_owned(),
            ..self.clone()
        }
    }

    /// The URI that others are shown.
    pub fn shown(&self) -> &str {
        self.instead.as_deref().unwrap_or(&self.uri)
    }
}

/// Marks around what stands for somebody in a trail, and around who that is. Nothing that a peer wrote gets
/// into a trail with such a character in a place where it would name anybody.
const MARKS: [char; 3] = ['\u{2}', '\u{3}', '\u{4}'];

/// A line of a trail as an operator may read it: with the names of those who are not to be named (`full`), or
/// with what stands for them.
pub fn trail_line(line: &str, full: bool) -> String {
    let [begin, middle, end] = MARKS;
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, marked)) = rest.split_once(begin) {
        out.push_str(before);
        // A line that was cut may lack the rest.
        let (marked, after) = marked.split_once(end).unwrap_or((marked, ""));
        let (instead, uri) = marked.split_once(middle).unwrap_or((marked, ""));
        out.push_str(if full { uri } else { instead });
        rest = after;
    }
    out.push_str(rest);
    out
}

impl Show {
    /// Somebody as this line may show them.
    pub fn who(self, who: &Who) -> Shown<'_> {
        Shown { show: self, who }
    }
}

/// Somebody as a line may show them.
pub struct Shown<'a> {
    show: Show,
    who: &'a Who,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uri, instead) = (&self.who.uri, &self.who.instead);
        match (self.show, instead) {
            (Show::Redacted, Some(instead)) => f.write_str(instead),
            (Show::Redacted, None) => Redacted(uri).fmt(f),
            (Show::Trail, Some(instead)) => {
                let [begin, middle, end] = MARKS;
                write!(f, "{begin}{instead}{middle}{uri}{end}")
            }
            (Show::Whole | Show::Trail, _) => f.write_str(uri),
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

    #[test]
    fn who_is_not_to_be_named_is_not_named() {
        let carol = Who::shown_as("sip:carol@home1.test", "sip:anonymous-1@anonymous.invalid");
        let line = |show: Show| {
            format!(
                "{} joined {}",
                show.who(&carol),
                show.who(&Who::open("tel:+12345"))
            )
        };
        assert_eq!(
            line(Show::Redacted),
            "sip:anonymous-1@anonymous.invalid joined tel:***45"
        );
        assert_eq!(line(Show::Whole), "sip:carol@home1.test joined tel:+12345");
        let kept = line(Show::Trail);
        assert_eq!(
            trail_line(&kept, true),
            "sip:carol@home1.test joined tel:+12345"
        );
        let bare = "sip:anonymous-1@anonymous.invalid joined tel:+12345";
        assert_eq!(trail_line(&kept, false), bare);
        // Wherever a line is cut, it names nobody.
        for (at, _) in kept.char_indices() {
            assert!(!trail_line(&kept[..at], false).contains("carol"), "{at}");
        }
    }
}
