//! Session timers (RFC 4028): what two ends agree on by a request and its 2xx.

use super::header_lines::HeaderLines;
use super::records::session_timer::{RunningTimer, SessionTimer};
use super::refusal::Refusal;
use super::settings::Settings;
use super::time::Millis;
use crate::sip::session_expires::Refresher;
use crate::sip::{Headers, Request};

/// What our 2xx says of the session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// Session interval, seconds.
    pub interval: u32,
    /// Who refreshes.
    pub refresher: Refresher,
    /// The peer knows the extension.
    pub known: bool,
}

impl Granted {
    /// Header lines of the 2xx (RFC 4028 section 9), added to `lines`.
    pub fn header_lines(granted: Option<Granted>, lines: HeaderLines) -> HeaderLines {
        let Some(granted) = granted else { return lines };
        let interval = granted.interval.to_string();
        let value = [interval.as_str(), ";refresher=", granted.refresher.as_str()];
        let lines = lines.joined("Session-Expires", &value);
        if granted.known {
            lines.line("Require", "timer")
        } else {
            lines
        }
    }
}

impl SessionTimer {
    /// The timer of a leg whose peer's request is answered with `granted`.
    pub fn granted(
        settings: &Settings,
        request: &Request,
        granted: Option<Granted>,
        now: Millis,
    ) -> SessionTimer {
        let mut new = SessionTimer::new(settings.min_se);
        new.refresh_asked(request);
        new.grant(granted, now);
        new
    }

    /// Notes what a session refresh request of the peer says: what is least for it stays least for
    /// both.
    pub fn refresh_asked(&mut self, request: &Request) {
        self.learn_updates(request);
        self.min_se = self.min_se.max(request.seconds("Min-SE").unwrap_or(0));
    }

    /// Notes the peer's Allow, where it has one.
    fn learn_updates(&mut self, headers: &Headers) {
        let allowed = headers.tokens("Allow");
        if !allowed.is_empty() {
            self.peer_updates = allowed.iter().any(|method| method == "update");
        }
    }

    /// Starts what our 2xx to a request of the peer says.
    pub fn grant(&mut self, granted: Option<Granted>, now: Millis) {
        if let Some(granted) = granted {
            let ours = granted.refresher == Refresher::Uas;
            self.running = Some(RunningTimer::start(now, granted.interval, ours));
        }
    }

    /// Starts what the peer's 2xx to a request of ours says (RFC 4028 section 7.2). Without the header
    /// there is no timer; but a session that we refresh goes on being refreshed, which harms nobody.
    pub fn agree(&mut self, response: &Headers, now: Millis) {
        self.learn_updates(response);
        let said = response
            .session_expires()
            .map(|said| (said.seconds, said.refresher != Some(Refresher::Uas)));
        let kept = self.running.filter(|timer| timer.ours);
        let agreed = said.or(kept.map(|timer| (timer.interval, true)));
        self.running = agreed.map(|(interval, ours)| {
            // A shorter interval would make us refresh without pause.
            RunningTimer::start(now, interval.max(self.min_se), ours)
        });
    }

    /// Header lines of a request of ours, added to `lines`: we want a timer, and refresh the session
    /// ourselves.
    pub fn asking_lines(&self, lines: HeaderLines, settings: &Settings) -> HeaderLines {
        let wanted = self
            .running
            .map_or(settings.session_expires, |timer| timer.interval);
        if wanted == 0 {
            return lines;
        }
        let wanted = wanted.max(self.min_se);
        lines
            .joined("Session-Expires", &[&wanted.to_string(), ";refresher=uac"])
            .line("Min-SE", &self.min_se.to_string())
    }
}

/// What to answer a session refresh request, `running` being the timer its leg has (RFC 4028
/// section 9). `None`: no timer for somebody who neither knows nor asks for one.
///
/// # Errors
/// [`Refusal::SessionInterval`] for an interval below `min_se`.
pub fn grant(
    request: &Request,
    settings: &Settings,
    running: Option<RunningTimer>,
) -> Result<Option<Granted>, Refusal> {
    let known = ["Supported", "Require"]
        .iter()
        .any(|name| request.tokens(name).iter().any(|tag| tag == "timer"));
    let least = settings.min_se;
    let asked = request.session_expires();
    let too_small = asked.is_some_and(|asked| asked.seconds < least);
    if too_small && known {
        return Err(Refusal::SessionInterval { least });
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
    // The table of RFC 4028 section 9: a peer that does not know timers cannot refresh.
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
