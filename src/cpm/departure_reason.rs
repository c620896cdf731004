//! Why somebody goes, as the subscribers of the conference state are told (RFC 4575 section 5.7.6).

use super::records::dialog::ByeCause;
use crate::sip::conference_info::{Disconnection, Execution};
use crate::sip::status::reason_phrase;

/// How RFC 4575 section 5.7.7 begins a reason that SIP gave.
const REASON_PREFIX: &str = "Reason: ";

/// Why somebody goes.
#[derive(Clone, Debug)]
pub struct Departure {
    /// `None`: the same person is in by another leg, so this entry just goes.
    pub how: Option<Disconnection>,
    /// By whom and for what reason.
    pub info: Execution,
}

impl Departure {
    /// By their own will.
    pub fn left() -> Departure {
        Departure::of(Disconnection::Departed)
    }

    /// Removed by the person with this URI.
    pub fn removed(by: String) -> Departure {
        let mut departure = Departure::of(Disconnection::Booted);
        departure.info.by = Some(by);
        departure
    }

    /// The same person came in by another leg.
    pub fn replaced() -> Departure {
        Departure {
            how: None,
            ..Departure::left()
        }
    }

    /// For a reason that nobody has given.
    pub fn unexplained() -> Departure {
        Departure::of(Disconnection::Failed)
    }

    /// An INVITE of ours came to nothing: busy is 486 and 600, everything else failed (requirements
    /// section 2.8).
    pub fn not_reached(status: u16, reason: &str) -> Departure {
        let how = match status {
            486 | 600 => Disconnection::Busy,
            _ => Disconnection::Failed,
        };
        let text = if reason.is_empty() {
            reason_phrase(status)
        } else {
            reason
        };
        let text = text.replace(['"', '\\'], "");
        let mut departure = Departure::of(how);
        // RFC 4575 section 5.7.7: the form of RFC 3326.
        let reason = format!("{REASON_PREFIX}SIP;cause={status};text=\"{text}\"");
        departure.info.reason = Some(reason);
        departure
    }

    /// We end its dialog.
    pub fn by_bye(cause: ByeCause) -> Departure {
        let how = match cause {
            ByeCause::Replaced => return Departure::replaced(),
            ByeCause::Gone => Disconnection::Departed,
            ByeCause::Removed => Disconnection::Booted,
            _ => Disconnection::Failed,
        };
        let mut departure = Departure::of(how);
        departure.info.reason = cause
            .reason()
            .map(|reason| format!("{REASON_PREFIX}{reason}"));
        departure
    }

    fn of(how: Disconnection) -> Departure {
        Departure {
            how: Some(how),
            info: Execution::default(),
        }
    }
}
