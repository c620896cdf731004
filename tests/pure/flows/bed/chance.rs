//! Chance that comes out the same for the same seed, and the network that is made of it.

use std::cell::Cell;
use std::collections::BTreeMap;

/// Splitmix64: every draw follows from the seed alone.
pub struct Chance(Cell<u64>);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Chance(Cell::new(seed ^ 0x9e37_79b9_7f4a_7c15))
    }

    pub fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn bits(&self) -> u128 {
        (u128::from(self.next()) << 64) | u128::from(self.next())
    }

    /// From 0 to `most`, both included.
    pub fn upto(&self, most: u64) -> u64 {
        self.next() % (most + 1)
    }

    pub fn percent(&self, percent: u8) -> bool {
        self.upto(99) < u64::from(percent)
    }
}

/// What a network does to datagrams. Delays differ per datagram, so they overtake each other.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// In percent.
    pub loss: u8,
    /// In percent.
    pub duplicates: u8,
    /// The longest way, ms.
    pub delay: u64,
    /// How long a worker may take from its decision to the last of its sends, ms.
    pub work: u64,
}

impl Link {
    pub const PERFECT: Link = Link {
        loss: 0,
        duplicates: 0,
        delay: 0,
        work: 0,
    };
    /// Everything arrives once, in any order.
    pub const SLOW: Link = Link {
        loss: 0,
        duplicates: 0,
        delay: 300,
        work: 20,
    };
    pub const BAD: Link = Link {
        loss: 30,
        duplicates: 20,
        delay: 1_500,
        work: 50,
    };
}

/// Losses in a row that one message can suffer. A request and its answer must get through once within
/// 64*T1, so that what never arrives is the sender's fault.
const LOST_IN_A_ROW: u8 = 1;

/// Draws what happens to each datagram.
pub struct Network {
    pub link: Link,
    lost: BTreeMap<u64, u8>,
}

impl Network {
    pub fn new(link: Link) -> Self {
        Network {
            link,
            lost: BTreeMap::new(),
        }
    }

    /// After how many ms the copies of a datagram arrive; none: it is lost.
    pub fn carry(&mut self, bytes: &[u8], chance: &Chance) -> Vec<u64> {
        let Link {
            loss, duplicates, ..
        } = self.link;
        if loss > 0 {
            let lost = self.lost.entry(fingerprint(bytes)).or_insert(0);
            if *lost < LOST_IN_A_ROW && chance.percent(loss) {
                *lost += 1;
                return Vec::new();
            }
            *lost = 0;
        }
        let copies = if duplicates > 0 && chance.percent(duplicates) {
            2
        } else {
            1
        };
        (0..copies).map(|_| chance.upto(self.link.delay)).collect()
    }
}

/// FNV-1a: the same message, repeated, is the same number.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
