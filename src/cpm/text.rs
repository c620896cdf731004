//! Words that leave: Warning texts and how identities look in logs.
//! Not here: header syntax (`crate::sip::warning`).

use std::fmt;

/// Texts of the Warning header, one per reason (requirements table of the README).
/// The leading numbers are OMA's and are matched by clients; warn-code is always 399 (RFC 3261 section 20.43).
#[derive(Clone, Debug)]
pub struct WarningTexts {
    pub not_participant: String,
    pub function_not_allowed: String,
    pub anonymity: String,
    pub not_authorised: String,
    pub too_many: String,
    pub no_session: String,
    pub no_destinations: String,
    pub no_state: String,
    pub too_many_watchers: String,
    pub too_many_targets: String,
    pub method_not_served: String,
    pub scheme_not_served: String,
    pub cid_not_found: String,
    pub no_usable_media: String,
    /// `{rule}` stands for what was wrong.
    pub rule_broken: String,
}

type Text = fn(&mut WarningTexts) -> &mut String;

/// By what names an operator overrides them: those of the fields.
const NAMES: [(&str, Text); 15] = [
    ("not_participant", |texts| &mut texts.not_participant),
    ("function_not_allowed", |texts| {
        &mut texts.function_not_allowed
    }),
    ("anonymity", |texts| &mut texts.anonymity),
    ("not_authorised", |texts| &mut texts.not_authorised),
    ("too_many", |texts| &mut texts.too_many),
    ("no_session", |texts| &mut texts.no_session),
    ("no_destinations", |texts| &mut texts.no_destinations),
    ("no_state", |texts| &mut texts.no_state),
    ("too_many_watchers", |texts| &mut texts.too_many_watchers),
    ("too_many_targets", |texts| &mut texts.too_many_targets),
    ("method_not_served", |texts| &mut texts.method_not_served),
    ("scheme_not_served", |texts| &mut texts.scheme_not_served),
    ("cid_not_found", |texts| &mut texts.cid_not_found),
    ("no_usable_media", |texts| &mut texts.no_usable_media),
    ("rule_broken", |texts| &mut texts.rule_broken),
];

/// Why a text was not replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningTextError {
    #[error("there is no =")]
    NoName,
    #[error("no text is called {0:?}")]
    Unknown(String),
    #[error("the text is empty")]
    Empty,
    #[error("the text has {0} bytes")]
    TooLong(usize),
    #[error("the text has a control character or is not UTF-8")]
    NotOneLine,
}

impl WarningTexts {
    /// Longest text, bytes.
    pub const LONGEST: usize = 128;

    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// Puts another text in the place of one: `NAME=TEXT`, blanks around both do not count.
    pub fn replace(&mut self, entry: &str) -> Result<(), WarningTextError> {
        let (name, text) = entry.split_once('=').ok_or(WarningTextError::NoName)?;
        let (name, text) = (name.trim(), text.trim_matches(' '));
        let (_, field) = NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| WarningTextError::Unknown(name.to_owned()))?;
        match text.len() {
            0 => return Err(WarningTextError::Empty),
            1..=Self::LONGEST => {}
            long => return Err(WarningTextError::TooLong(long)),
        }
        if text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err(WarningTextError::NotOneLine);
        }
        *field(self) = text.to_owned();
        Ok(())
    }
}

impl Default for WarningTexts {
    fn default() -> Self {
        WarningTexts {
            not_participant: "Not a participant of this session".into(),
            function_not_allowed: "Not authorised by group policy".into(),
            anonymity: "119 Anonymity not allowed".into(),
            not_authorised: "127 Service not authorised".into(),
            too_many: "102 Too many participants".into(),
            no_session: "123 Session does not exist".into(),
            no_destinations: "129 No destinations".into(),
            no_state: "105 Subscription of conference state not allowed".into(),
            too_many_watchers: "Too many subscriptions".into(),
            too_many_targets: "Too many targets in one request".into(),
            method_not_served: "Cannot refer with this method".into(),
            scheme_not_served: "Cannot refer to a URI of this scheme".into(),
            cid_not_found: "cid body not found".into(),
            no_usable_media: "No usable MSRP media".into(),
            rule_broken: "Not accepted here: {rule}".into(),
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_replaced_by_the_name_of_its_field() {
        let mut texts = WarningTexts::default();
        for name in WarningTexts::names() {
            texts
                .replace(&format!("{name} = {name} \"quoted\" = ä"))
                .unwrap();
        }
        let shown = format!("{texts:?}");
        let fields = shown.matches("\", ").count() + 1;
        assert_eq!(fields, NAMES.len(), "{shown}");
        for name in WarningTexts::names() {
            let replaced = format!("{name}: \"{name} \\\"quoted\\\" = ä\"");
            assert!(shown.contains(&replaced), "{replaced} in {shown}");
        }
    }

    #[test]
    fn what_cannot_be_a_warning_text_is_refused() {
        use WarningTextError::*;
        let long = format!("too_many={}", "x".repeat(129));
        for (entry, why) in [
            ("", NoName),
            ("too_many", NoName),
            ("too_lazy=a", Unknown("too_lazy".into())),
            ("=a", Unknown("".into())),
            ("too_many=", Empty),
            ("too_many=  ", Empty),
            ("too_many=a\r\nRoute: b", NotOneLine),
            ("too_many=a\0", NotOneLine),
            ("too_many=\u{fffd}", NotOneLine),
            (long.as_str(), TooLong(129)),
        ] {
            let mut texts = WarningTexts::default();
            assert_eq!(texts.replace(entry), Err(why), "{entry:?}");
            assert_eq!(texts.too_many, "102 Too many participants");
        }
        let longest = format!("too_many={}", "x".repeat(128));
        assert_eq!(WarningTexts::default().replace(&longest), Ok(()));
    }

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
