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
