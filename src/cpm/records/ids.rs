//! What names things: records, REFERs, transactions, and the keys by which a record is found.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sip::identity::Identity;
use crate::sip::{Request, Tag};

/// Name of a record, unique for as long as the server runs and never used again. Ids grow: of two
/// records of a session the later one has the greater id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(#[serde(with = "postcard::fixint::le")] pub u64);

/// tm's name for a client transaction of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionId {
    /// Slot in tm's table.
    pub index: u32,
    /// Number of the transaction in its slot.
    pub label: u32,
}

/// Short name of a REFER in log lines and for `cpm.why`: eight hexadecimal digits drawn at random,
/// the first of them a letter, because `kamcmd` would send 00123456 or 1e234567 as a number. Unique
/// in practice: trails are kept of some hundred REFERs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReferId(pub u32);

impl ReferId {
    /// The name that these random bits make.
    pub fn from_bits(bits: u32) -> ReferId {
        let letter = 0xa + (bits >> 28) % 6;
        ReferId(letter << 28 | bits & 0x0fff_ffff)
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<ReferId> {
        let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(text, 16)
            .ok()
            .filter(|_| digits)
            .map(ReferId)
    }
}

impl fmt::Display for ReferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What two copies of one dialog-forming request have in common when a proxy forked it to us twice
/// (RFC 3261 section 8.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MergeKey {
    /// Call-ID
    pub call_id: String,
    /// The sender's tag
    pub from_tag: Tag,
    /// The number of CSeq
    pub cseq: u32,
}

impl MergeKey {
    /// The key of this request.
    pub fn of(request: &Request) -> MergeKey {
        MergeKey {
            call_id: request.call_id.clone(),
            from_tag: request.from_tag.clone(),
            cseq: request.cseq,
        }
    }
}

/// By what a record can be found. Each name belongs to one record at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A live session by the user part of its focus URI.
    Token(String),
    /// A live session by the group whose session it is.
    Group(Identity),
    /// A live ad-hoc session by its Contribution-ID.
    Contribution(String),
    /// A dialog by Call-ID and our own tag.
    Dialog {
        /// Call-ID
        call_id: String,
        /// Our tag
        local_tag: Tag,
    },
    /// Who is in a session or being invited into it.
    Member {
        /// The session's head.
        session: Id,
        /// One identity of that person.
        who: Identity,
    },
    /// A request that formed a dialog, to recognise a merged copy.
    Merge(MergeKey),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for id in [ReferId(1), ReferId(0xdead_beef), ReferId(u32::MAX)] {
            assert_eq!(ReferId::parse(&id.to_string()), Some(id));
        }
        for text in ["", "1", "+1234567", "123456789", "1234567g", "ab cd ef"] {
            assert_eq!(ReferId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_is_no_number() {
        for bits in [0, 1, 0x0012_3456, 0x1e23_4567, 0x5fff_ffff, u32::MAX] {
            let id = ReferId::from_bits(bits).to_string();
            assert_eq!(id.len(), 8);
            assert!(
                id.starts_with(|first: char| first.is_ascii_alphabetic()),
                "{id}"
            );
        }
    }
}
