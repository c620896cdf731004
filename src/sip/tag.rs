//! Tags of From and To, which with the Call-ID name a dialog (RFC 3261 sections 12 and 19.3).

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::chars;

/// One tag: visible ASCII without separators, never empty, compared by case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag(String);

impl Tag {
    /// A tag that can be written again as it is. `None` for every other text.
    pub fn parse(text: &str) -> Option<Tag> {
        let fit = !text.is_empty() && chars::TAG.has_all(text.as_bytes());
        fit.then(|| Tag(text.to_owned()))
    }

    /// A tag of ours: 32 hexadecimal digits (RFC 3261 section 19.3 asks for 32 random bits at least).
    pub fn from_bits(bits: u128) -> Tag {
        Tag(hex(bits))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// 32 hexadecimal digits in lower case.
pub(crate) fn hex(bits: u128) -> String {
    let mut text = [0u8; 32];
    let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
    for (pair, byte) in text.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    // Digits are ASCII.
    std::str::from_utf8(&text).unwrap_or_default().to_owned()
}

impl Deref for Tag {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Tag {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Tag {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn what_cannot_be_written_again_is_no_tag() {
        for text in ["", "x;y", "a b", "\u{e9}", "a\"", "a=b"] {
            assert_eq!(Tag::parse(text), None, "{text:?}");
        }
        let odd = "_token~1'+`*%!-.";
        assert_eq!(Tag::parse(odd).unwrap(), odd);
        assert_eq!(Tag::from_bits(0xab).len(), 32);
        let bits = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;
        assert_eq!(Tag::from_bits(bits), "0123456789abcdeffedcba9876543210");
    }
}
