//! What a leg knows of its session timer (RFC 4028), and how that changes.

use serde::{Deserialize, Serialize};

use crate::cpm::time::{millis, Millis};

/// How long before its end a session counts as dead, at most (RFC 4028 section 10), ms.
const EARLY: Millis = 32_000;
/// How many 422 are followed in one leg.
const MAX_RAISES: u8 = 3;

/// What a leg knows of its session timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionTimer {
    /// `None`: the session does not expire.
    pub running: Option<RunningTimer>,
    /// The largest Min-SE heard of, in a 422 or a request of the peer, seconds (RFC 4028 section 7.4).
    pub min_se: u32,
    /// 422 followed so far.
    raises: u8,
    /// The peer's latest Allow names UPDATE (RFC 3311 section 4).
    pub peer_updates: bool,
    /// CSeq of our latest re-INVITE.
    pub reinvite: Option<u32>,
}

/// A session that ends unless it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningTimer {
    /// Session interval, seconds.
    pub interval: u32,
    /// We send the refreshes.
    pub ours: bool,
    /// When we do. `None`: the peer does, or ours is under way.
    pub refresh_at: Option<Millis>,
    /// When the leg is given up.
    pub expires: Millis,
}

impl RunningTimer {
    /// A session refreshed now. RFC 4028 section 10: a refresh after half the interval; the end comes
    /// a third of it early, but no more than 32 s.
    pub fn start(now: Millis, interval: u32, ours: bool) -> RunningTimer {
        let whole = millis(interval);
        RunningTimer {
            interval,
            ours,
            refresh_at: ours.then_some(now + whole / 2),
            expires: now + whole - EARLY.min(whole / 3),
        }
    }

    /// When the next thing of this timer is due.
    pub fn deadline(&self) -> Millis {
        self.refresh_at
            .map_or(self.expires, |at| at.min(self.expires))
    }
}

impl SessionTimer {
    /// Nothing agreed yet; `min_se` is the least interval we take, seconds.
    pub fn new(min_se: u32) -> SessionTimer {
        SessionTimer {
            running: None,
            min_se,
            raises: 0,
            peer_updates: false,
            reinvite: None,
        }
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
}
