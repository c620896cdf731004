//! Session timers (RFC 4028): what two ends agree on by a request and its 2xx, and what follows in time.
//! Not here: sending refreshes and ending legs (`super::session`).

use serde::{Deserialize, Serialize};

use super::answer::{Lines, Refusal};
use super::settings::{Millis, Settings};
use crate::sip::session_expires::Refresher;
use crate::sip::{Headers, Request};

/// How long before its end a session counts as dead, at most (RFC 4028 section 10), ms.
const EARLY: Millis = 32_000;
/// How many 422 are followed in one leg.
const MAX_RAISES: u8 = 3;

/// What a leg knows of its session timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Keepalive {
    /// None: the session does not expire.
    pub timer: Option<Timer>,
    /// The largest Min-SE heard of, in a 422 or a request of the peer, seconds (RFC 4028 section 7.4).
    min_se: u32,
    /// 422 followed so far.
    raises: u8,
    /// The peer's latest Allow names UPDATE (RFC 3311 section 4).
    pub peer_updates: bool,
    /// CSeq of our latest re-INVITE.
    pub reinvite: Option<u32>,
}

/// A session that ends unless it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// Seconds.
    pub interval: u32,
    /// We send the refreshes.
    pub ours: bool,
    /// When we do. None: the peer does, or ours is under way.
    pub refresh_at: Option<Millis>,
    /// When the leg is given up.
    pub expires: Millis,
}

/// What our 2xx says of the session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    pub interval: u32,
    pub refresher: Refresher,
    /// The peer knows the extension.
    pub known: bool,
}

impl Timer {
    /// A session refreshed now. RFC 4028 section 10: a refresh after half the interval; the end comes
    /// a third of it early, but no more than 32 s.
    pub fn start(now: Millis, interval: u32, ours: bool) -> Timer {
        let whole = u64::from(interval) * 1000;
        Timer {
            interval,
            ours,
            refresh_at: ours.then_some(now + whole / 2),
            expires: now + whole - EARLY.min(whole / 3),
        }
    }

    pub fn deadline(&self) -> Millis {
        self.refresh_at
            .map_or(self.expires, |at| at.min(self.expires))
    }
}

impl Keepalive {
    pub fn new(settings: &Settings) -> Keepalive {
        Keepalive {
            timer: None,
            min_se: settings.min_se,
            raises: 0,
            peer_updates: false,
            reinvite: None,
        }
    }

    /// Of a peer's request that our 2xx answers so.
    pub fn granted(
        settings: &Settings,
        request: &Request,
        granted: Option<Granted>,
        now: Millis,
    ) -> Keepalive {
        let mut new = Keepalive::new(settings);
        new.asked(request);
        new.grant(granted, now);
        new
    }

    /// The peer's session refresh request says this: what is least for it stays least for both.
    pub fn asked(&mut self, request: &Request) {
        self.learn(request);
        self.min_se = self.min_se.max(request.seconds("Min-SE").unwrap_or(0));
    }

    /// The peer's Allow, where it has one.
    fn learn(&mut self, headers: &Headers) {
        let allowed = headers.tokens("Allow");
        if !allowed.is_empty() {
            self.peer_updates = allowed.iter().any(|method| method == "update");
        }
    }

    /// Our 2xx to a request of the peer says this.
    pub fn grant(&mut self, granted: Option<Granted>, now: Millis) {
        if let Some(granted) = granted {
            let ours = granted.refresher == Refresher::Uas;
            self.timer = Some(Timer::start(now, granted.interval, ours));
        }
    }

    /// The peer's 2xx to a request of ours says this (RFC 4028 section 7.2). Without the header there
    /// is no timer; but a session that we refresh goes on being refreshed, which harms nobody.
    pub fn agree(&mut self, response: &Headers, now: Millis) {
        self.learn(response);
        let said = response
            .session_expires()
            .map(|said| (said.seconds, said.refresher != Some(Refresher::Uas)));
        let kept = self.timer.filter(|timer| timer.ours);
        let agreed = said.or(kept.map(|timer| (timer.interval, true)));
        self.timer = agreed.map(|(interval, ours)| {
            // Less than anybody may ask for would have us send without end.
            Timer::start(now, interval.max(self.min_se), ours)
        });
    }

    /// Follows a 422: whether there is reason to ask again (RFC 4028 section 7.3).
    pub fn raise(&mut self, min_se: Option<u32>) -> bool {
        match min_se {
            Some(least) if least > self.min_se && self.raises < MAX_RAISES => {
                self.min_se = least;
                self.raises += 1;
                true
            }
            _ => false,
        }
    }

    /// Header lines of a request of ours: that we want a timer, and refresh the session ourselves.
    pub fn ask(&self, lines: Lines, settings: &Settings) -> Lines {
        let wanted = self
            .timer
            .map_or(settings.session_expires, |timer| timer.interval);
        if wanted == 0 {
            return lines;
        }
        let wanted = wanted.max(self.min_se);
        lines
            .line("Session-Expires", &format!("{wanted};refresher=uac"))
            .line("Min-SE", &self.min_se.to_string())
    }
}

impl Granted {
    /// Header lines of the 2xx (RFC 4028 section 9).
    pub fn say(granted: Option<Granted>, lines: Lines) -> Lines {
        let Some(granted) = granted else { return lines };
        let value = format!(
            "{};refresher={}",
            granted.interval,
            granted.refresher.as_str()
        );
        let lines = lines.line("Session-Expires", &value);
        if granted.known {
            lines.line("Require", "timer")
        } else {
            lines
        }
    }
}

/// What to answer a session refresh request, `running` being the timer its leg has (RFC 4028
/// section 9). None: no timer for somebody who neither knows nor asks for one.
///
/// # Errors
/// 422 with our Min-SE for an interval below it.
pub fn grant(
    request: &Request,
    settings: &Settings,
    running: Option<Timer>,
) -> Result<Option<Granted>, Refusal> {
    let known = ["Supported", "Require"]
        .iter()
        .any(|name| request.tokens(name).iter().any(|tag| tag == "timer"));
    let least = settings.min_se;
    let asked = request.session_expires();
    let too_small = asked.is_some_and(|asked| asked.seconds < least);
    if too_small && known {
        return Err(
            Refusal::new(422, "session interval too small").header("Min-SE", &least.to_string())
        );
    }
    // Put in by a proxy for a peer that would not understand a 422.
    let asked = asked.filter(|_| !too_small);
    let floor = request.seconds("Min-SE").unwrap_or(0).max(least);
    let preferred = running.map_or(settings.session_expires, |timer| timer.interval);
    let interval = match asked {
        Some(asked) if preferred == 0 => asked.seconds,
        Some(asked) => preferred.clamp(floor.min(asked.seconds), asked.seconds),
        None if preferred == 0 || (!known && running.is_none()) => return Ok(None),
        None => preferred.max(floor),
    };
    let theirs = running.is_some_and(|timer| !timer.ours);
    // The table of RFC 4028 section 9: who does not know timers cannot refresh.
    let refresher = match asked.and_then(|asked| asked.refresher) {
        Some(said) if known => said,
        None if known && theirs => Refresher::Uac,
        _ => Refresher::Uas,
    };
    Ok(Some(Granted {
        interval,
        refresher,
        known,
    }))
}
