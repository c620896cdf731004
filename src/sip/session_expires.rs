//! Session-Expires (RFC 4028 section 4): how long a session lives without a refresh, and who sends it.

use super::params;
use super::text;

/// Who sends the next refresh, seen from the request that negotiates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refresher {
    /// Whoever sent the request.
    Uac,
    /// Whoever answers it.
    Uas,
}

impl Refresher {
    /// The value of the parameter `refresher`.
    pub fn as_str(self) -> &'static str {
        match self {
            Refresher::Uac => "uac",
            Refresher::Uas => "uas",
        }
    }
}

/// One Session-Expires value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Seconds; more than 32 bits counts as the most there is.
    pub seconds: u32,
    /// Who refreshes. `None`: not said.
    pub refresher: Option<Refresher>,
}

/// `1800;refresher=uac`. None when it cannot be understood; an unknown refresher counts as not said.
pub fn parse(value: &[u8]) -> Option<SessionExpires> {
    let end = text::find(value, b';').unwrap_or(value.len());
    let (digits, rest) = value.split_at_checked(end)?;
    let digits = text::trim(digits);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let params = params::parse(rest).ok()?;
    let refresher = params::find(&params, "refresher").map(str::to_ascii_lowercase);
    Some(SessionExpires {
        seconds: u32::try_from(text::number(digits).unwrap_or(u64::MAX)).unwrap_or(u32::MAX),
        refresher: match refresher.as_deref() {
            Some("uac") => Some(Refresher::Uac),
            Some("uas") => Some(Refresher::Uas),
            _ => None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let read = |text: &str| parse(text.as_bytes()).map(|se| (se.seconds, se.refresher));
        assert_eq!(read("1800"), Some((1800, None)));
        assert_eq!(
            read(" 90 ; refresher = UAS ; x"),
            Some((90, Some(Refresher::Uas)))
        );
        assert_eq!(read("90;refresher=uac"), Some((90, Some(Refresher::Uac))));
        assert_eq!(read("90;refresher=me"), Some((90, None)));
        assert_eq!(read("99999999999999999999"), Some((u32::MAX, None)));
        for wrong in ["", "-1", "x", "1 2", ";refresher=uac", "90;=", "90,90"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
