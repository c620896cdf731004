//! How often something may happen: a rate with what may happen at once.
//!
//! One number is kept per bucket: the moment when nothing is saved up any more (the generic cell rate
//! algorithm). Where the numbers are kept is decided in `crate::store`.

use super::time::{Micros, Millis};

/// A second in µs.
const SECOND: Micros = 1_000_000;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Per second; 0: as often as it likes.
    pub per_second: u32,
    /// How many may happen at once after a time without any.
    pub burst: u32,
}

/// What a rate is kept of, over the whole server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket<'a> {
    /// What one person asks for, by identity.
    Referrer(&'a str),
    /// INVITEs of one session, by its token.
    Session(&'a str),
    /// INVITEs to one domain.
    Domain(&'a str),
    /// INVITEs that leave to one next hop, by host and port.
    NextHop(&'a str),
}

impl Bucket<'_> {
    /// How many kinds there are.
    pub const KINDS: usize = 4;

    /// The number of its kind, below [`Bucket::KINDS`].
    pub fn kind(&self) -> usize {
        match self {
            Bucket::Referrer(_) => 0,
            Bucket::Session(_) => 1,
            Bucket::Domain(_) => 2,
            Bucket::NextHop(_) => 3,
        }
    }

    /// A text that no other bucket has.
    pub fn name(&self) -> String {
        let (kind, name) = match self {
            Bucket::Referrer(name) => ("referrer", name),
            Bucket::Session(name) => ("session", name),
            Bucket::Domain(name) => ("domain", name),
            Bucket::NextHop(name) => ("hop", name),
        };
        [kind, " ", name].concat()
    }
}

impl Rate {
    /// No limit.
    pub const NONE: Rate = Rate {
        per_second: 0,
        burst: 0,
    };

    /// So many per second. What `seconds` bring may happen at once.
    pub fn new(per_second: u32, seconds: u32) -> Rate {
        Rate {
            per_second,
            burst: per_second.saturating_mul(seconds),
        }
    }

    /// Takes the next `count` turns, at least one and at most the burst, if the last of them comes within
    /// `patience` ms. Gives what is to be kept instead of `kept` (0 in the beginning), and how long the last
    /// turn is waited for, ms.
    ///
    /// # Errors
    /// How long it would have been waited for; nothing is taken then.
    pub fn take(
        self,
        kept: Micros,
        now: Micros,
        count: u32,
        patience: Millis,
    ) -> Result<(Micros, Millis), Millis> {
        let Some(step) = SECOND.checked_div(self.per_second.into()) else {
            return Ok((kept, 0));
        };
        let count = u64::from(count.min(self.burst).max(1));
        let next = kept.max(now).saturating_add(step.saturating_mul(count));
        let saved = step.saturating_mul(self.burst.max(1).into());
        let turn = next.saturating_sub(saved).max(now);
        let wait = (turn - now).div_ceil(1_000);
        match wait <= patience {
            true => Ok((next, wait)),
            false => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Micros = 5_000_000;

    /// How long each of `count` turns is waited for when all are asked for at `now`.
    fn waits(rate: Rate, kept: &mut Micros, now: Micros, count: usize) -> Vec<Millis> {
        let turns = (0..count).map(|_| {
            let (next, wait) = rate.take(*kept, now, 1, Millis::MAX).unwrap();
            *kept = next;
            wait
        });
        turns.collect()
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let rate = Rate::new(10, 1);
        let mut kept = 0;
        let first = waits(rate, &mut kept, NOW, 13);
        assert_eq!(first[..10], [0; 10]);
        assert_eq!(first[10..], [100, 200, 300]);
        // Half a second later what waited has gone, and two more may go at once.
        let later = waits(rate, &mut kept, NOW + 500_000, 3);
        assert_eq!(later, [0, 0, 100]);
        // After a long time there is one burst, not more.
        let late = waits(rate, &mut kept, NOW + 3_600_000_000, 12);
        assert_eq!(late[..10], [0; 10]);
        assert_eq!(late[10..], [100, 200]);
    }

    #[test]
    fn who_does_not_wait_takes_nothing() {
        let rate = Rate::new(2, 1);
        let mut kept = 0;
        assert_eq!(waits(rate, &mut kept, NOW, 2), [0, 0]);
        for _ in 0..1_000 {
            assert_eq!(rate.take(kept, NOW, 1, 0), Err(500));
        }
        let (_, wait) = rate.take(kept, NOW + 500_000, 1, 0).unwrap();
        assert_eq!(wait, 0);
    }

    #[test]
    fn many_turns_are_taken_together_or_not_at_all() {
        let rate = Rate::new(10, 1);
        let (kept, _) = rate.take(0, NOW, 8, 0).unwrap();
        assert_eq!(rate.take(kept, NOW, 3, 0), Err(100));
        let (kept, wait) = rate.take(kept, NOW, 2, 0).unwrap();
        assert_eq!(wait, 0);
        // What is more than the burst takes all of it.
        assert_eq!(rate.take(kept, NOW, 1_000, 0), Err(1_000));
        assert!(rate.take(kept, NOW + 1_000_000, 1_000, 0).is_ok());
    }

    #[test]
    fn no_rate_is_no_limit_and_no_number_overflows() {
        assert_eq!(Rate::NONE.take(7, NOW, 1, 0), Ok((7, 0)));
        let most = Rate::new(u32::MAX, u32::MAX);
        assert!(most.take(u64::MAX, u64::MAX, 1, 0).is_ok());
        assert!(most.take(u64::MAX, 0, 1, 0).is_err());
        let slow = Rate {
            per_second: 1,
            burst: 0,
        };
        assert!(slow.take(0, NOW, 1, 0).is_ok(), "one may always go");
    }

    #[test]
    fn buckets_of_two_kinds_are_apart() {
        assert_ne!(Bucket::Domain("a").name(), Bucket::NextHop("a").name());
    }
}
