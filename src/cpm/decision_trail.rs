//! The decision trail of a REFER: what is told goes to the log and into the trail at once.

use std::fmt::Write as _;

use super::action::{Action, Level};
use super::env::Env;
use super::input::Arrival;
use super::note::{Came, Note};
use super::records::ids::ReferId;
use super::redact::Show;
use super::trail_entries::TrailEntries;

/// Most characters of a Refer-To, as received, that a trail shows.
const MAX_SHOWN: usize = 200;

/// What a note is about.
#[derive(Clone, Copy)]
pub struct About<'a> {
    /// The REFERs that it goes to the trails of.
    pub refers: &'a [ReferId],
    /// Token of the session, or empty.
    pub session: &'a str,
}

impl About<'_> {
    /// A REFER that has reached no session yet.
    fn refer(refer: &ReferId) -> About<'_> {
        About {
            refers: std::slice::from_ref(refer),
            session: "",
        }
    }
}

/// The one way a note is written down: to the log, as text with the REFERs and the session, and into the
/// trail of each, so that the two cannot tell different things. Nothing is done for what nobody wants.
pub(super) fn write(
    env: &Env<'_>,
    actions: &mut Vec<Action>,
    about: About<'_>,
    level: Level,
    note: &Note<'_>,
) {
    if env.wanted.trails && !about.refers.is_empty() {
        add(actions, |entries| entries.add(about.refers, note));
    }
    if env.wanted.logs(level) {
        actions.push(Action::Log(level, log_line(about, level, note)));
    }
}

/// The note as a line of the log.
fn log_line(about: About<'_>, level: Level, note: &Note<'_>) -> String {
    let show = match level {
        Level::Warn | Level::Info | Level::Refused => Show::Redacted,
        Level::Debug => Show::Whole,
    };
    let mut line = String::with_capacity(256);
    // A String takes everything.
    let _ = note.write(&mut line, show);
    for (at, refer) in about.refers.iter().enumerate() {
        let before = if at == 0 { " refer=" } else { "," };
        let _ = write!(line, "{before}{refer}");
    }
    if !about.session.is_empty() {
        line.push_str(" session=");
        line.push_str(about.session);
    }
    line
}

/// Adds to the trails: there is one such action, before all others.
fn add(actions: &mut Vec<Action>, what: impl FnOnce(&mut TrailEntries)) {
    if let Some(Action::Trail(entries)) = actions.first_mut() {
        return what(entries);
    }
    let mut entries = TrailEntries::new();
    what(&mut entries);
    actions.insert(0, Action::Trail(entries));
}

/// Begins the trail of a request with targets: what it says of itself, before anything is decided.
pub fn open(env: &Env<'_>, actions: &mut Vec<Action>, arrival: &Arrival, refer: ReferId) {
    let request = &arrival.request;
    open_empty(env, actions, refer, &request.call_id);
    let about = About::refer(&refer);
    let came = Note::Came(Came {
        method: request.method.as_str(),
        uri: &request.uri,
        cseq: request.cseq,
        in_dialog: request.to_tag.is_some(),
        socket: arrival.socket,
        trusted: arrival.trusted,
        source: arrival.source,
    });
    write(env, actions, about, Level::Debug, &came);
    for value in request.values("Refer-To").iter().take(2) {
        let value = String::from_utf8_lossy(value);
        let cut = value.char_indices().nth(MAX_SHOWN);
        let shown = value.get(..cut.map_or(value.len(), |(at, _)| at));
        let said = Note::ReferTo(shown.unwrap_or_default(), cut.is_some());
        write(env, actions, about, Level::Debug, &said);
    }
}

/// Begins a trail without a note. `call_id` is empty for what was no readable request.
pub fn open_empty(env: &Env<'_>, actions: &mut Vec<Action>, refer: ReferId, call_id: &str) {
    if env.wanted.trails {
        add(actions, |entries| entries.open(refer, call_id));
    }
}

/// The trail that begins among these actions is that of a refused REFER.
pub fn mark_refused(actions: &mut [Action], refer: ReferId) {
    if let Some(Action::Trail(entries)) = actions.first_mut() {
        entries.mark_refused(refer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpm::redact::Who;
    use crate::cpm::trail_entries::{line, TrailEntry};

    #[test]
    fn the_log_redacts_what_the_trail_shows() {
        let carol = Who::open("sip:carol@home1.test");
        let joined = Note::Joined(carol.to_ref());
        let two = About {
            refers: &[ReferId(0xab), ReferId(0xcd)],
            session: "s1",
        };
        let log = "sip:c***@home1.test joined refer=000000ab,000000cd session=s1";
        assert_eq!(log_line(two, Level::Info, &joined), log);
        let nobody = About {
            refers: &[],
            session: "",
        };
        let log = "sip:carol@home1.test joined";
        assert_eq!(log_line(nobody, Level::Debug, &joined), log);
        let mut entries = TrailEntries::new();
        entries.add(two.refers, &joined);
        let told = entries.iter().map(|(_, entry)| match entry {
            TrailEntry::Note(note) => line(note, false),
            TrailEntry::Opened { .. } => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), vec![Some(log.to_owned()); 2]);
    }
}
