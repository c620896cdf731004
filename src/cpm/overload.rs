//! What a server refuses that gets more than it can do: new work, as long as messages wait too long until they are
//! read, or the buffer in which they wait gets full.
//!
//! A refusal costs a small part of what it refuses. So the queue does not grow any more, nothing gets lost in it, and
//! what was accepted is finished.

use super::time::Micros;

/// How long messages have to wait too long before something is refused: a burst is no overload.
const PATIENCE: Micros = 100_000;
/// Once something was refused, refusing goes on at once until messages have waited shorter for so long.
const CALM: Micros = 1_000_000;
/// All of a share.
const WHOLE: u64 = 1_000;
/// From here on a buffer is too full, in thousandths.
const HALF_FULL: u64 = 500;
/// From here on all new work is refused: the rest is for what was accepted.
const ALMOST_FULL: u64 = 750;

/// What waited when a message was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// How long the message had waited.
    pub waited: Micros,
    /// How full the buffer is behind it, in thousandths.
    pub filled: u64,
}

/// What one process remembers to decide what it refuses.
#[derive(Debug, Default)]
pub struct Shedder {
    /// Messages wait too long, or did a short time ago.
    armed: bool,
    /// Whether the last message had waited too long, and since when that has been so for all.
    above: bool,
    since: Micros,
    seen: Micros,
    /// What part of a refusal is still owed, in thousandths.
    owed: u64,
}

impl Shedder {
    /// Whether the request that was read `now` is refused. It would begin something. `limit` is how long messages may
    /// wait: from there on a part of them is refused, from twice as long on all.
    pub fn refuses(&mut self, now: Micros, backlog: Backlog, limit: Micros) -> bool {
        self.note(now, backlog.waited >= limit);
        let too_long = match self.armed {
            true => share(backlog.waited, limit, limit.saturating_mul(2)),
            false => 0,
        };
        let too_full = share(backlog.filled, HALF_FULL, ALMOST_FULL);
        self.owed += too_long.max(too_full);
        if self.owed < WHOLE {
            return false;
        }
        self.owed -= WHOLE;
        true
    }

    fn note(&mut self, now: Micros, above: bool) {
        let silent = now.saturating_sub(self.seen) >= CALM;
        self.seen = now;
        if above != self.above || silent {
            self.above = above;
            self.since = now;
        }
        let lasted = now.saturating_sub(self.since);
        match above {
            _ if silent => self.armed = false,
            true if lasted >= PATIENCE => self.armed = true,
            false if lasted >= CALM => self.armed = false,
            _ => {}
        }
    }
}

/// Nothing up to `none`, all from `all` on, in thousandths.
fn share(value: u64, none: u64, all: u64) -> u64 {
    let above = value.saturating_sub(none);
    let range = all.saturating_sub(none).max(1);
    (above.saturating_mul(WHOLE) / range).min(WHOLE)
}

/// How long a process has found more to read behind each message of its connections, which do not say when their bytes
/// arrived: nothing of what it reads has waited longer, if no connection is left waiting for another.
#[derive(Debug, Default)]
pub struct Busy {
    since: Micros,
    /// Bytes that the process had handled at the last look, and bytes that were not handled yet.
    handled: u64,
    unread: u64,
}

impl Busy {
    /// For how long, at the message that is handled `now`. `handled` is how many bytes the process has handled since
    /// its start, this message among them; `unread` is what waits behind it.
    pub fn lasts(&mut self, now: Micros, handled: u64, unread: u64) -> Micros {
        let since_then = handled.saturating_sub(self.handled);
        // Whatever was handled since the last look was there then, so the process had no pause.
        if self.unread == 0 || since_then > self.unread {
            self.since = now;
        }
        (self.handled, self.unread) = (handled, unread);
        now.saturating_sub(self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Micros = 50_000;

    /// How many of `count` requests, one each ms, are refused, after so long a wait and with so full a buffer.
    fn refused(
        shedder: &mut Shedder,
        from: Micros,
        count: u64,
        waited: Micros,
        filled: u64,
    ) -> u64 {
        let backlog = Backlog { waited, filled };
        let at = |n: u64| from + n * 1_000;
        let refused = (0..count).filter(|n| shedder.refuses(at(*n), backlog, LIMIT));
        refused.count() as u64
    }

    #[test]
    fn nothing_is_refused_while_messages_are_read_in_time() {
        let shedder = &mut Shedder::default();
        assert_eq!(refused(shedder, 5_000_000, 10_000, LIMIT - 1, 500), 0);
    }

    #[test]
    fn a_burst_is_no_overload() {
        let shedder = &mut Shedder::default();
        assert_eq!(refused(shedder, 5_000_000, 100, 4 * LIMIT, 0), 0);
        assert_eq!(refused(shedder, 5_100_000, 1, 0, 0), 0);
        assert_eq!(refused(shedder, 5_101_000, 100, 4 * LIMIT, 0), 0);
        // Two bursts with a silence between them are not a long one.
        assert_eq!(refused(shedder, 9_000_000, 100, 4 * LIMIT, 0), 0);
    }

    #[test]
    fn a_wait_that_stays_too_long_has_its_share_refused() {
        for (waited, expected) in [(50, 0), (60, 200), (75, 500), (99, 980), (100, 1_000)] {
            let shedder = &mut Shedder::default();
            refused(shedder, 5_000_000, 101, waited * 1_000, 0);
            let more = refused(shedder, 5_101_000, 1_000, waited * 1_000, 0);
            assert!(more.abs_diff(expected) <= 1, "{waited} ms: {more}");
        }
    }

    #[test]
    fn refusing_goes_on_at_once_until_it_was_calm_for_a_second() {
        let shedder = &mut Shedder::default();
        refused(shedder, 5_000_000, 150, 4 * LIMIT, 0);
        assert_eq!(refused(shedder, 5_150_000, 900, 0, 0), 0);
        assert_eq!(refused(shedder, 6_050_000, 10, 2 * LIMIT, 0), 10);
        assert_eq!(refused(shedder, 6_060_000, 1_001, 0, 0), 0);
        assert_eq!(refused(shedder, 7_061_000, 10, 2 * LIMIT, 0), 0);
    }

    #[test]
    fn a_buffer_that_gets_full_has_no_patience() {
        for (filled, expected) in [(500, 0), (625, 500), (750, 1_000), (990, 1_000)] {
            let shedder = &mut Shedder::default();
            let refused = refused(shedder, 5_000_000, 1_000, 0, filled);
            assert_eq!(refused, expected, "{filled}");
        }
    }

    #[test]
    fn a_process_is_busy_until_it_has_read_all() {
        let mut busy = Busy::default();
        assert_eq!(busy.lasts(5_000_000, 1_000, 0), 0);
        assert_eq!(busy.lasts(9_000_000, 2_000, 5_000), 0);
        assert_eq!(busy.lasts(9_040_000, 4_000, 9_000), 40_000);
        assert_eq!(busy.lasts(9_090_000, 13_000, 1_000), 90_000);
        // More was handled than had waited: there was a pause, or none to speak of was needed.
        assert_eq!(busy.lasts(9_095_000, 15_000, 3_000), 0);
        assert_eq!(busy.lasts(9_096_000, 16_000, 0), 1_000);
        assert_eq!(busy.lasts(9_097_000, 17_000, 0), 0);
    }

    /// Requests of one to eight times the capacity through a queue, on a virtual clock: what is accepted stays near
    /// the capacity, waits for a bounded time, and after the load nothing is refused any more.
    #[test]
    fn three_times_the_load_is_served_like_the_load() {
        const ACCEPT: Micros = 1_000;
        const REFUSE: Micros = 50;
        for times in [1, 3, 8] {
            let mut shedder = Shedder::default();
            let (mut now, mut accepted, mut longest, mut last_refused) = (0, 0u64, 0, 0);
            let every = ACCEPT / times;
            let seconds = 10;
            let load = seconds * 1_000_000;
            let mut arrived = 0;
            while arrived < load + 3_000_000 {
                now = now.max(arrived);
                let waited = now - arrived;
                let backlog = Backlog { waited, filled: 0 };
                if shedder.refuses(now, backlog, LIMIT) {
                    now += REFUSE;
                    last_refused = arrived;
                } else {
                    now += ACCEPT;
                    accepted += u64::from(arrived < load);
                    if arrived > 1_000_000 {
                        longest = longest.max(waited);
                    }
                }
                // Afterwards half of the capacity.
                arrived += if arrived < load { every } else { 2 * ACCEPT };
            }
            assert!(accepted >= seconds * 1_000 * 6 / 10, "{times}: {accepted}");
            if times == 3 {
                assert!(accepted >= seconds * 1_000 * 8 / 10, "{accepted}");
            }
            assert!(longest <= 2 * LIMIT + ACCEPT, "{times}: {longest}");
            assert!(last_refused <= load + 200_000, "{times}: {last_refused}");
        }
    }
}
