//! How a record is referred to: its identity, its anchor, and the keys it is found by.
//!
//! An identity is not an address. One that outlives its record finds nothing.

use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::fmt;
use std::hash::Hasher;
use std::num::NonZeroU64;

const SERIAL_BITS: u32 = 48;
const SERIAL_MASK: u64 = (1 << SERIAL_BITS) - 1;

/// Most anchors of an engine: as many as the bits above the serial can number.
pub const MAX_ANCHORS: u32 = 1 << (u64::BITS - SERIAL_BITS);

/// The identity of a record: its anchor in the upper 16 bits, a serial in the lower 48.
///
/// No serial is used twice while the server runs; 2^48 of them last nine years at a million a second.
/// An identity is never 0 and fits into a callback parameter of Kamailio's tm.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, PartialOrd, Ord)]
pub struct RecordId(NonZeroU64);

/// The number of the lock that guards a record and its whole family. Many families share one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Anchor(u32);

/// A name, as a keyed hash of 128 bits (SipHash-2-4). Equal keys mean equal names: without the hash key
/// nobody can make two names collide.
///
/// Keys are the same in all processes of one server, and different after a restart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Key(u128);

impl RecordId {
    /// The identity as a number; never 0.
    pub fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The identity with this number; `None` for a number that cannot be one.
    pub fn from_bits(bits: u64) -> Option<RecordId> {
        match bits & SERIAL_MASK {
            0 => None,
            _ => NonZeroU64::new(bits).map(RecordId),
        }
    }

    /// The anchor to lock before reading the record.
    pub fn anchor(self) -> Anchor {
        // The shift leaves 16 bits, so the cast loses nothing.
        Anchor((self.to_bits() >> SERIAL_BITS) as u32)
    }

    /// The serial, which grows with every identity that is made, across all anchors.
    pub(super) fn serial(self) -> u64 {
        self.to_bits() & SERIAL_MASK
    }

    /// The identity of this anchor and serial; `None` when all serials are used up.
    pub(super) fn compose(anchor: Anchor, serial: u64) -> Option<RecordId> {
        if serial > SERIAL_MASK {
            return None;
        }
        Self::from_bits(u64::from(anchor.0) << SERIAL_BITS | serial)
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.to_bits())
    }
}

impl Anchor {
    /// The anchor for a hash. `mask` is the number of anchors, which is a power of two, minus one.
    pub(super) fn from_hash(hash: u64, mask: u32) -> Anchor {
        // The cast drops upper bits, which the mask would drop too.
        Anchor(hash as u32 & mask)
    }

    /// The same anchor, brought into the range of an engine: an identity from outside may hold any.
    pub(super) fn masked(self, mask: u32) -> Anchor {
        Anchor(self.0 & mask)
    }

    /// The number of its cell.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Key {
    /// The hash as a number.
    pub fn to_bits(self) -> u128 {
        self.0
    }

    /// The key of a name in parts. The length of each part is hashed before it, so ("ab", "c") and
    /// ("a", "bc") differ.
    pub(super) fn of(hash_key: [u64; 2], parts: &[&[u8]]) -> Key {
        let mut hasher = SipHasher24::new_with_keys(hash_key[0], hash_key[1]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        Key(hasher.finish128().as_u128())
    }

    /// The lower and the upper half. A `u128` would need more alignment than the allocator gives.
    pub(super) fn halves(self) -> [u64; 2] {
        [self.0 as u64, (self.0 >> 64) as u64]
    }

    /// The key with these halves, the lower one first.
    pub(super) fn from_halves([low, high]: [u64; 2]) -> Key {
        Key(u128::from(high) << 64 | u128::from(low))
    }

    /// The hash that chooses the bucket of the table.
    pub(super) fn bucket_hash(self) -> u64 {
        self.halves()[0]
    }

    /// The hash that chooses the anchor. It has other bits than [`Key::bucket_hash`], so that the keys of
    /// one anchor spread over all buckets.
    pub(super) fn anchor_hash(self) -> u64 {
        self.halves()[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_there_and_back() {
        let id = RecordId::compose(Anchor(0xfffe), 77).unwrap();
        assert_eq!(RecordId::from_bits(id.to_bits()), Some(id));
        assert_eq!(id.anchor(), Anchor(0xfffe));
        assert_eq!(id.serial(), 77);
        assert_eq!(id.to_string(), "fffe00000000004d");
        assert_eq!(RecordId::from_bits(0), None);
        assert_eq!(RecordId::from_bits(3 << SERIAL_BITS), None);
        assert_eq!(RecordId::compose(Anchor(0), SERIAL_MASK + 1), None);
    }

    #[test]
    fn parts_are_joined_without_ambiguity() {
        let key = |parts: &[&[u8]]| Key::of([1, 2], parts);
        let all = [
            key(&[]),
            key(&[b""]),
            key(&[b"", b""]),
            key(&[b"abc"]),
            key(&[b"ab", b"c"]),
            key(&[b"a", b"bc"]),
            key(&[b"abc", b""]),
            Key::of([1, 3], &[b"abc"]),
        ];
        for (i, a) in all.iter().enumerate() {
            for (j, b) in all.iter().enumerate() {
                assert_eq!(a == b, i == j, "{i} {j}");
            }
        }
        let halves = all[3].halves();
        assert_eq!(Key::from_halves(halves), all[3]);
    }
}
