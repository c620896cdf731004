//! The decision trail of a REFER: its short name, and lines written for the log and for the trail at once.
//! Not here: where trails are kept (`crate::store::ring`) and how an operator reads them (`crate::module`).

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::action::{Action, Level};
use super::answer::{origin, Refusal};
use super::input::Arrival;
use super::settings::Env;
use super::text::Redacted;

/// Most characters of a Refer-To, as received, that a trail shows.
const MAX_SHOWN: usize = 200;

/// Short name of a REFER in log lines and for `cpm.why`: eight hexadecimal digits drawn at random, the
/// first of them a letter: `kamcmd` would send 00123456 or 1e234567 as a number. Unique in practice:
/// trails are kept of some hundred REFERs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReferId(pub u32);

impl ReferId {
    pub fn new(env: &Env<'_>) -> ReferId {
        ReferId::drawn((env.random)() as u32)
    }

    fn drawn(bits: u32) -> ReferId {
        let letter = 0xa + (bits >> 28) % 6;
        ReferId(letter << 28 | bits & 0x0fff_ffff)
    }

    /// Reads what [`fmt::Display`] wrote.
    pub fn parse(text: &str) -> Option<ReferId> {
        let digits = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(text, 16)
            .ok()
            .filter(|_| digits)
            .map(ReferId)
    }
}

impl fmt::Display for ReferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// What is added to a trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The REFER came in; everything before belongs to another one.
    Opened {
        call_id: String,
    },
    Line(String),
}

/// How a line shows people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// In logs at INFO and above.
    Redacted,
    /// In trails, and in logs at DBG.
    Whole,
}

impl Show {
    pub fn who(self, uri: &str) -> Shown<'_> {
        Shown { show: self, uri }
    }
}

/// Somebody as a line may show them.
pub struct Shown<'a> {
    show: Show,
    uri: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.show {
            Show::Redacted => Redacted(self.uri).fmt(f),
            Show::Whole => f.write_str(self.uri),
        }
    }
}

/// The one way a line about REFERs is written: to the log with their ids and the session, and to the
/// trail of each, so that the two cannot tell different things.
pub fn lines(
    refers: &[ReferId],
    session: &str,
    level: Level,
    line: impl Fn(Show) -> String,
) -> Vec<Action> {
    let mut log = line(match level {
        Level::Warn | Level::Info => Show::Redacted,
        Level::Debug => Show::Whole,
    });
    for (at, refer) in refers.iter().enumerate() {
        let before = if at == 0 { " refer=" } else { "," };
        log.push_str(&format!("{before}{refer}"));
    }
    if !session.is_empty() {
        log.push_str(&format!(" session={session}"));
    }
    let mut actions = vec![Action::Log(level, log)];
    actions.extend(refers.iter().map(|refer| Action::Trail {
        refer: *refer,
        entry: Entry::Line(line(Show::Whole)),
    }));
    actions
}

/// A request with targets came in: what it says of itself, before anything is decided.
pub fn opened(arrival: &Arrival, refer: ReferId) -> Vec<Action> {
    let request = &arrival.request;
    let place = match &request.to_tag {
        Some(_) => "in a dialog",
        None => "outside any dialog",
    };
    let peer = match arrival.trusted {
        true => "a trusted peer",
        false => "a peer that is not trusted",
    };
    let came = format!(
        "{} {} CSeq {} {place}, on {} from {peer} ({})",
        request.method, request.uri, request.cseq, arrival.socket, arrival.source
    );
    let mut actions = vec![Action::Trail {
        refer,
        entry: Entry::Opened {
            call_id: request.call_id.clone(),
        },
    }];
    actions.extend(lines(&[refer], "", Level::Debug, |_| came.clone()));
    for value in request.values("Refer-To").iter().take(2) {
        let value = String::from_utf8_lossy(value);
        let shown: String = value.chars().take(MAX_SHOWN).collect();
        let cut = if shown.len() < value.len() { "…" } else { "" };
        let said = format!("Refer-To: {shown}{cut}");
        actions.extend(lines(&[refer], "", Level::Debug, |_| said.clone()));
    }
    actions
}

/// A refusal that no session has decided. A REFER leaves a trail all the same.
pub fn refused(env: &Env<'_>, arrival: &Arrival, refusal: &Refusal) -> Vec<Action> {
    let method = arrival.request.method.as_str();
    let from = origin(arrival.source, None);
    if method != "REFER" {
        return refusal.actions(env, method, &from, "");
    }
    let refer = ReferId::new(env);
    let mut actions = opened(arrival, refer);
    actions.extend(refusal.clone().about(refer).actions(env, method, &from, ""));
    actions
}

/// `2026-01-31T12:00:00.123Z` (RFC 3339) of milliseconds since 1970.
pub fn utc(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    // Years that begin in March end with the leap day; 146097 days are 400 years of them, and
    // 1970-01-01 is day 719468 of the era.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// The refusal of a request that could not even be parsed; a REFER leaves a trail without a Call-ID.
pub fn unreadable(
    env: &Env<'_>,
    source: SocketAddr,
    is_refer: bool,
    refusal: Refusal,
) -> Vec<Action> {
    let from = origin(source, None);
    if !is_refer {
        return refusal.actions(env, "request", &from, "");
    }
    let refer = ReferId::new(env);
    let opened = Action::Trail {
        refer,
        entry: Entry::Opened {
            call_id: String::new(),
        },
    };
    let mut actions = vec![opened];
    actions.extend(refusal.about(refer).actions(env, "REFER", &from, ""));
    actions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        for id in [ReferId(1), ReferId(0xdead_beef), ReferId(u32::MAX)] {
            assert_eq!(ReferId::parse(&id.to_string()), Some(id));
        }
        for text in ["", "1", "+1234567", "123456789", "1234567g", "ab cd ef"] {
            assert_eq!(ReferId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_is_no_number() {
        for bits in [0, 1, 0x0012_3456, 0x1e23_4567, 0x5fff_ffff, u32::MAX] {
            let id = ReferId::drawn(bits).to_string();
            assert_eq!(id.len(), 8);
            assert!(
                id.starts_with(|first: char| first.is_ascii_alphabetic()),
                "{id}"
            );
        }
    }

    #[test]
    fn the_log_redacts_what_the_trail_shows() {
        let refers = [ReferId(0xab), ReferId(0xcd)];
        let line = |show: Show| format!("{} joined", show.who("sip:carol@home1.test"));
        let told = lines(&refers, "s1", Level::Info, line);
        let trail = |refer| Action::Trail {
            refer,
            entry: Entry::Line("sip:carol@home1.test joined".into()),
        };
        let log = "sip:c***@home1.test joined refer=000000ab,000000cd session=s1";
        let expected = vec![
            Action::Log(Level::Info, log.into()),
            trail(refers[0]),
            trail(refers[1]),
        ];
        assert_eq!(told, expected);
        let told = lines(&[], "", Level::Debug, line);
        let log = "sip:carol@home1.test joined";
        assert_eq!(told, vec![Action::Log(Level::Debug, log.into())]);
    }

    #[test]
    fn a_moment_is_written_as_everybody_writes_it() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
    }
}
