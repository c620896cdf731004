//! Texts of the Warning header: one per reason, each of which an operator can replace.
//!
//! The leading numbers are OMA's and are matched by clients; warn-code is always 399 (RFC 3261
//! section 20.43).

/// What a Warning says, by its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningText {
    /// The asserted identity does not belong to the dialog.
    NotParticipant,
    /// The group policy does not permit what is asked for.
    FunctionNotAllowed,
    /// Anonymity is not permitted.
    Anonymity,
    /// Somebody may not join.
    NotAuthorised,
    /// The session is full.
    TooMany,
    /// There is no such session.
    NoSession,
    /// Nobody is left to invite.
    NoDestinations,
    /// Somebody may not subscribe to the conference state.
    NoState,
    /// The session has all the subscriptions it may have.
    TooManySubscriptions,
    /// A list is longer than the operator allows.
    TooManyTargets,
    /// A REFER names a method other than INVITE and BYE.
    MethodNotServed,
    /// A REFER names a URI that is neither sip, sips nor tel.
    SchemeNotServed,
    /// The body part that a `cid:` URL names is not there.
    CidNotFound,
    /// The SDP has no MSRP media that could be used.
    NoUsableMedia,
    /// Parameter `strict`: a rule is broken. `{rule}` in the text stands for the rule.
    RuleBroken,
    /// One person has all the subscriptions it may have.
    TooManyOfPerson,
    /// One person refers too often.
    TooManyRefers,
}

use WarningText::*;

/// Every reason with the name by which an operator replaces its text, and the text as shipped.
const TABLE: [(WarningText, &str, &str); 17] = [
    (
        NotParticipant,
        "not_participant",
        "Not a participant of this session",
    ),
    (
        FunctionNotAllowed,
        "function_not_allowed",
        "Not authorised by group policy",
    ),
    (Anonymity, "anonymity", "119 Anonymity not allowed"),
    (
        NotAuthorised,
        "not_authorised",
        "127 Service not authorised",
    ),
    (TooMany, "too_many", "102 Too many participants"),
    (NoSession, "no_session", "123 Session does not exist"),
    (NoDestinations, "no_destinations", "129 No destinations"),
    (
        NoState,
        "no_state",
        "105 Subscription of conference state not allowed",
    ),
    (
        TooManySubscriptions,
        "too_many_watchers",
        "Too many subscriptions",
    ),
    (
        TooManyTargets,
        "too_many_targets",
        "Too many targets in one request",
    ),
    (
        MethodNotServed,
        "method_not_served",
        "Cannot refer with this method",
    ),
    (
        SchemeNotServed,
        "scheme_not_served",
        "Cannot refer to a URI of this scheme",
    ),
    (CidNotFound, "cid_not_found", "cid body not found"),
    (NoUsableMedia, "no_usable_media", "No usable MSRP media"),
    (RuleBroken, "rule_broken", "Not accepted here: {rule}"),
    (
        TooManyOfPerson,
        "too_many_of_person",
        "Too many subscriptions of one participant",
    ),
    (
        TooManyRefers,
        "too_many_refers",
        "Too many requests of one participant",
    ),
];

/// Why a text was not replaced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarningTextError {
    /// No `=` between name and text.
    #[error("there is no =")]
    NoName,
    /// The name is none of [`WarningTexts::names`].
    #[error("no text is called {0:?}")]
    Unknown(String),
    /// Nothing behind the `=`.
    #[error("the text is empty")]
    Empty,
    /// More bytes than [`WarningTexts::LONGEST`].
    #[error("the text has {0} bytes")]
    TooLong(usize),
    /// It could not stand in a header line.
    #[error("the text has a control character or is not UTF-8")]
    NotOneLine,
}

/// All texts, as shipped or as the operator has replaced them.
#[derive(Clone, Debug)]
pub struct WarningTexts(Vec<(WarningText, String)>);

impl WarningTexts {
    /// Longest text, bytes.
    pub const LONGEST: usize = 128;

    /// The names by which texts are replaced.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.iter().map(|(_, name, _)| *name)
    }

    /// The texts as shipped, each with its name.
    pub fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
        TABLE.iter().map(|(_, name, text)| (*name, *text))
    }

    /// The text for a reason.
    pub fn text(&self, reason: WarningText) -> &str {
        let found = self.0.iter().find(|(known, _)| *known == reason);
        found.map_or("", |(_, text)| text)
    }

    /// Puts another text in the place of one.
    ///
    /// # Errors
    /// [`WarningTextError`]; nothing is replaced then. `entry` is `NAME=TEXT`, blanks around both do
    /// not count.
    pub fn replace(&mut self, entry: &str) -> Result<(), WarningTextError> {
        let (name, text) = entry.split_once('=').ok_or(WarningTextError::NoName)?;
        let (name, text) = (name.trim(), text.trim_matches(' '));
        let reason = TABLE.iter().find(|(_, known, _)| *known == name);
        let (reason, _, _) = reason.ok_or_else(|| WarningTextError::Unknown(name.to_owned()))?;
        match text.len() {
            0 => return Err(WarningTextError::Empty),
            1..=Self::LONGEST => {}
            long => return Err(WarningTextError::TooLong(long)),
        }
        if text.contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER) {
            return Err(WarningTextError::NotOneLine);
        }
        for (known, kept) in &mut self.0 {
            if known == reason {
                *kept = text.to_owned();
            }
        }
        Ok(())
    }
}

impl Default for WarningTexts {
    fn default() -> Self {
        let shipped = TABLE.iter();
        WarningTexts(
            shipped
                .map(|(reason, _, text)| (*reason, (*text).to_owned()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_can_be_replaced() {
        let mut texts = WarningTexts::default();
        for (reason, name, shipped) in TABLE {
            assert_eq!(texts.text(reason), shipped);
            texts
                .replace(&format!("{name} = {name} \"quoted\" = ä"))
                .unwrap();
        }
        for (reason, name, _) in TABLE {
            assert_eq!(texts.text(reason), format!("{name} \"quoted\" = ä"));
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
            assert_eq!(texts.text(TooMany), "102 Too many participants");
        }
        let longest = format!("too_many={}", "x".repeat(128));
        assert_eq!(WarningTexts::default().replace(&longest), Ok(()));
    }
}
