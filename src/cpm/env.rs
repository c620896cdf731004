//! What every decision may look at besides the session itself: time, settings, groups, randomness.

use super::action::Level;
use super::policy::Directory;
use super::rate::{Bucket, Rate};
use super::settings::Settings;
use super::time::{Micros, Millis, SIXTY_FOUR_T1};
use crate::sip::tag::hex;
use crate::sip::Tag;

/// A tag tells when it was made by steps of so many ms. The time cannot be read from it, only tried.
const TAG_STEP: Millis = SIXTY_FOUR_T1;

/// See [`Env::turn`].
pub type TakeTurns<'a> = dyn Fn(&Bucket<'_>, Rate, u32, Millis) -> Result<Millis, Millis> + 'a;

/// The surroundings of one decision.
pub struct Env<'a> {
    /// Monotonic time.
    pub now: Millis,
    /// Wall clock in seconds since 1970, for `validity` conditions of a policy.
    pub unix: i64,
    /// The operator's settings.
    pub settings: &'a Settings,
    /// The groups that are served.
    pub groups: &'a Directory,
    /// 128 bits of the operating system, given to nobody else: a generator seeded before the fork would
    /// repeat them in every worker.
    pub random: &'a dyn Fn() -> u128,
    /// How many INVITEs there is still memory for; looked up only when a list is to be served.
    pub room: &'a dyn Fn() -> u64,
    /// A keyed hash of a text, by a key that only this server knows: what carries it is ours.
    pub seal: &'a dyn Fn(&str) -> u128,
    /// Takes so many turns of a bucket if the last comes within so many ms. Gives how long it is waited for, ms;
    /// as an error how long it would have been ([`Rate::take`]).
    pub turn: &'a TakeTurns<'a>,
    /// The clock of `Arrival::read_at`, as it stands when it is asked.
    pub clock: &'a dyn Fn() -> Micros,
    /// What somebody may read of it.
    pub wanted: Wanted,
}

/// Which of what a decision could tell somebody may read. The rest is not put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Decision trails are kept.
    pub trails: bool,
    /// Log lines at WARN are written.
    pub warnings: bool,
    /// Log lines at INFO are written.
    pub info: bool,
    /// Log lines at DBG are written.
    pub debug: bool,
}

impl Wanted {
    /// Everything is wanted.
    pub const ALL: Wanted = Wanted {
        trails: true,
        warnings: true,
        info: true,
        debug: true,
    };

    /// Whether a note of this level is read anywhere.
    pub fn tells(self, level: Level) -> bool {
        self.trails || self.logs(level)
    }

    /// Whether log lines of this level are written.
    pub fn logs(self, level: Level) -> bool {
        match level {
            Level::Warn => self.warnings,
            Level::Info | Level::Refused => self.info,
            Level::Debug => self.debug,
        }
    }
}

impl Env<'_> {
    /// An unguessable token fit for a URI user part or a Call-ID: 32 hexadecimal digits.
    pub fn token(&self) -> String {
        hex((self.random)())
    }

    /// An unguessable tag (RFC 3261 section 19.3).
    pub fn tag(&self) -> Tag {
        Tag::from_bits((self.random)())
    }

    /// Our tag in a dialog that we form by an INVITE sent at `at`: unguessable, and for a while recognisably
    /// ours when nothing else of the dialog is left.
    pub fn tag_for(&self, call_id: &str, at: Millis) -> Tag {
        self.tag_of_step(call_id, at / TAG_STEP)
    }

    /// Whether this server made the tag for an INVITE with that Call-ID, at most `life` ms ago (to the next
    /// whole step of 32 s).
    pub fn made_tag(&self, tag: &Tag, call_id: &str, life: Millis) -> bool {
        let first = self.now.saturating_sub(life) / TAG_STEP;
        let mut steps = (first..=self.now / TAG_STEP).rev();
        steps.any(|step| *tag == self.tag_of_step(call_id, step))
    }

    fn tag_of_step(&self, call_id: &str, step: u64) -> Tag {
        Tag::from_bits((self.seal)(&[call_id, "\n", &step.to_string()].concat()))
    }
}
