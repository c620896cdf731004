//! What subscriptions of all event packages have in common (RFC 6665): life, hold, retry, end.

use serde::{Deserialize, Serialize};

use crate::cpm::time::{millis, Millis};

/// Longest Retry-After of a NOTIFY's answer that is waited for, seconds.
const LONGEST_HOLD: u32 = 60;

/// How long after the 2xx a 481 counts as early, ms.
const EARLY: Millis = 2_000;
/// What passes before a NOTIFY that came too early is repeated, ms: T1 (RFC 3261 section 17.1.1.2).
const TOO_EARLY_PAUSE: Millis = 500;

/// The part of a subscription that does not depend on the event package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// When its time is up.
    pub expires_at: Millis,
    /// Nothing is sent before: the 2xx to the REFER or SUBSCRIBE needs time to arrive first.
    pub opens_at: Option<Millis>,
    /// Until when 481 to a NOTIFY may mean that the 2xx has not arrived. `None`: it has, or this was said once.
    pub early_until: Option<Millis>,
    /// Nothing is sent before: the answer to a NOTIFY asked for that (Retry-After).
    pub held_until: Option<Millis>,
    /// The NOTIFY at hand was put off once already.
    pub retried: bool,
    /// The first NOTIFY is being repeated: 481 came so early that the 2xx may not have arrived.
    pub repeated_early: bool,
    /// A NOTIFY of it waits in its dialog.
    pub queued: bool,
    /// Why it ends. `None`: it does not.
    pub ending: Option<Ending>,
    /// The last NOTIFY was sent; its answer ends the subscription.
    pub last_sent: bool,
}

/// Why a subscription ends (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its time is up, or it was given back.
    Timeout,
    /// There is nothing to tell any more.
    NoResource,
    /// The subscriber has lost the right to it.
    Rejected,
}

impl Ending {
    /// The reason in Subscription-State.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Timeout => "timeout",
            Ending::NoResource => "noresource",
            Ending::Rejected => "rejected",
        }
    }
}

/// How an event package treats a NOTIFY that was refused.
#[derive(Clone, Copy, Debug)]
pub struct RetryRule {
    /// How long to wait when the refusal does not say. `None`: then nothing is repeated.
    pub pause: Option<Millis>,
    /// The last NOTIFY is repeated too.
    pub repeats_last: bool,
    /// The first NOTIFY is repeated if it may have overtaken the 2xx: against RFC 6665 section 4.2.2, for
    /// which 481 ends the subscription.
    pub repeats_early: bool,
}

/// What the answer to a NOTIFY means for its subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterNotify {
    /// The subscriber has it.
    Delivered,
    /// It has the first NOTIFY, which had come too early before.
    DeliveredLate {
        /// That was the last one too.
        last: bool,
    },
    /// It is repeated after so many ms: the same report, or a full document (RFC 5057 section 5.1).
    Again(Millis),
    /// The subscriber does not have it, and it is not repeated.
    Missed,
    /// The subscription is over.
    Over,
}

impl Subscription {
    /// A subscription that begins now and lives until `expires_at`. Its first NOTIFY leaves after `delay` ms.
    pub fn begun(now: Millis, expires_at: Millis, delay: Millis) -> Subscription {
        Subscription {
            expires_at,
            opens_at: (delay > 0).then_some(now + delay),
            early_until: Some(now + delay + EARLY),
            held_until: None,
            repeated_early: false,
            retried: false,
            queued: false,
            ending: None,
            last_sent: false,
        }
    }

    /// It neither ends nor has ended.
    pub fn is_active(&self) -> bool {
        self.ending.is_none() && !self.last_sent
    }

    /// Nothing of it may be sent yet.
    pub fn is_held(&self, now: Millis) -> bool {
        self.hold().is_some_and(|until| until > now)
    }

    /// Its first NOTIFY is still put off.
    pub fn is_unopened(&self) -> bool {
        self.opens_at.is_some()
    }

    /// When what is held is released.
    pub fn hold(&self) -> Option<Millis> {
        self.opens_at.max(self.held_until)
    }

    /// Gives up a hold that is over by `now`. Gives whether there was one.
    pub fn release(&mut self, now: Millis) -> bool {
        let over = self.hold().is_some_and(|until| until <= now);
        if over {
            (self.opens_at, self.held_until) = (None, None);
        }
        over
    }

    /// When something of it is due. What is held waits, its end too.
    pub fn deadline(&self) -> Option<Millis> {
        let expires = || self.is_active().then_some(self.expires_at);
        self.hold().or_else(expires)
    }

    /// The value of Subscription-State (RFC 6665 section 4.1.3) in a NOTIFY that leaves now.
    pub fn state(&self, now: Millis) -> String {
        match self.ending {
            Some(ending) => ["terminated;reason=", ending.as_str()].concat(),
            None => self.active_state(now),
        }
    }

    /// The same while another NOTIFY is to come, even if it is the last one.
    pub fn active_state(&self, now: Millis) -> String {
        let left = self.expires_at.saturating_sub(now).div_ceil(1000);
        let left = match self.ending {
            Some(_) => left.max(1),
            None => left,
        };
        ["active;expires=", &left.to_string()].concat()
    }

    /// Takes the final answer to the NOTIFY in flight. `retry_after` in seconds.
    pub fn answered(
        &mut self,
        status: u16,
        retry_after: Option<u32>,
        rule: RetryRule,
        now: Millis,
    ) -> AfterNotify {
        let early = self.early_until.take().is_some_and(|until| now <= until);
        if status < 300 {
            self.retried = false;
            if std::mem::take(&mut self.repeated_early) {
                return AfterNotify::DeliveredLate {
                    last: self.last_sent,
                };
            }
            return match self.last_sent {
                true => AfterNotify::Over,
                false => AfterNotify::Delivered,
            };
        }
        if rule.repeats_early && early && status == 481 {
            self.opens_at = Some(now + TOO_EARLY_PAUSE);
            self.repeated_early = true;
            self.last_sent = false;
            return AfterNotify::Again(TOO_EARLY_PAUSE);
        }
        if ends_subscription(status) || (self.last_sent && !rule.repeats_last) {
            return AfterNotify::Over;
        }
        let wait = match retry_after {
            None => rule.pause,
            Some(seconds) if seconds <= LONGEST_HOLD => Some(millis(seconds)),
            Some(_) => None,
        };
        match wait {
            // The last one follows this one at once, and says all that is left to say.
            Some(_) if self.ending.is_some() && !self.last_sent && !rule.repeats_last => {
                AfterNotify::Missed
            }
            Some(wait) if !self.retried => {
                self.retried = true;
                self.held_until = Some(now + wait);
                self.last_sent = false;
                AfterNotify::Again(wait)
            }
            _ if self.last_sent => AfterNotify::Over,
            _ => AfterNotify::Missed,
        }
    }
}

/// Answers to a NOTIFY after which nobody listens any more (RFC 6665 section 4.2.2, RFC 5057 section
/// 5.1). 408 is also what tm reports for no answer at all.
fn ends_subscription(status: u16) -> bool {
    matches!(
        status,
        404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604
    )
}
