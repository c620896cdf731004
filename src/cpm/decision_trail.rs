//! The decision trail of a REFER: lines that are written for the log and for the trail at once.

use super::action::{Action, Level, TrailEntry};
use super::input::Arrival;
use super::records::ids::ReferId;
use super::redact::Show;

/// Most characters of a Refer-To, as received, that a trail shows.
const MAX_SHOWN: usize = 200;

/// The one way a line about REFERs is written: to the log with their ids and the session, and to the
/// trail of each, so that the two cannot tell different things. `session` is its token, or empty.
pub fn lines(
    refers: &[ReferId],
    session: &str,
    level: Level,
    line: impl Fn(Show) -> String,
) -> Vec<Action> {
    let mut log = line(match level {
        Level::Warn | Level::Info | Level::Refused => Show::Redacted,
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
        entry: TrailEntry::Line(line(Show::Trail)),
    }));
    actions
}

/// Begins the trail of a request with targets: what it says of itself, before anything is decided.
pub fn open(arrival: &Arrival, refer: ReferId) -> Vec<Action> {
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
    let mut actions = vec![open_empty(refer, &request.call_id)];
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

/// Begins a trail without a line. `call_id` is empty for what was no readable request.
pub fn open_empty(refer: ReferId, call_id: &str) -> Action {
    Action::Trail {
        refer,
        entry: TrailEntry::Opened {
            call_id: call_id.to_owned(),
            refused: false,
        },
    }
}

/// The trail that begins among these actions is that of a refused REFER.
pub fn mark_refused(actions: &mut [Action], refer: ReferId) {
    for action in actions {
        match action {
            Action::Trail {
                refer: its,
                entry: TrailEntry::Opened { refused, .. },
            } if *its == refer => *refused = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpm::redact::Who;

    #[test]
    fn the_log_redacts_what_the_trail_shows() {
        let refers = [ReferId(0xab), ReferId(0xcd)];
        let line = |show: Show| format!("{} joined", show.who(&Who::open("sip:carol@home1.test")));
        let told = lines(&refers, "s1", Level::Info, line);
        let trail = |refer| Action::Trail {
            refer,
            entry: TrailEntry::Line("sip:carol@home1.test joined".into()),
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
}
