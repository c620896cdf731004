//! Refer-Sub (RFC 4488 section 4): whether a REFER asks for no subscription.

use thiserror::Error;

use super::params;
use super::text;

/// Why a Refer-Sub cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferSubError {
    /// More than one.
    #[error("more than one Refer-Sub")]
    Several,
    /// Neither `true` nor `false`.
    #[error("malformed Refer-Sub: {0}")]
    Malformed(String),
}

/// Reads one value: `true` or `false` in any case; parameters are allowed and ignored.
///
/// # Errors
/// [`ReferSubError`]
pub fn parse(value: &[u8]) -> Result<bool, ReferSubError> {
    if text::split_outside(value, b',').nth(1).is_some() {
        return Err(ReferSubError::Several);
    }
    let malformed = || ReferSubError::Malformed(text::excerpt(value));
    let end = text::find(value, b';').unwrap_or(value.len());
    let (word, rest) = value.split_at_checked(end).unwrap_or((value, b""));
    params::parse(rest).map_err(|_| malformed())?;
    match text::trim(word).to_ascii_lowercase().as_slice() {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(parse(b"false"), Ok(false));
        assert_eq!(parse(b" TRUE "), Ok(true));
        assert_eq!(parse(b"FALSE;x=y"), Ok(false));
        assert_eq!(parse(b"false ; foo=\"a,b\""), Ok(false));
        assert_eq!(parse(b"false, true"), Err(ReferSubError::Several));
        for bad in ["", "maybe", "falsey", "false x", ";x", "false;=x"] {
            assert!(
                matches!(parse(bad.as_bytes()), Err(ReferSubError::Malformed(_))),
                "{bad}"
            );
        }
    }
}
