//! What a session writes down of its REFERs: by the request in hand, by a REFER, by a leg.
//! Not here: the form of a line and its two destinations (`crate::cpm::trail`).

use super::{Session, Who};
use crate::cpm::action::{Action, Level};
use crate::cpm::answer::{origin, Refusal};
use crate::cpm::asked::{Purpose, Targets};
use crate::cpm::dialog::Waiting;
use crate::cpm::input::{Arrival, Input};
use crate::cpm::policy::Verdict;
use crate::cpm::records::Id;
use crate::cpm::trail::{lines, opened, Entry, ReferId, Show};
use crate::sip::Request;

/// Most targets named in the line that says what was asked.
const MAX_NAMED: usize = 10;

impl Session<'_> {
    /// Opens a trail when the input asks for something to happen to targets, even if it is refused.
    pub(super) fn expect_trail(&mut self, input: &Input<'_>) {
        let arrival = match input {
            Input::ReferReceived(arrival) | Input::FactoryInviteReceived(arrival) => *arrival,
            Input::RequestReceived { arrival, .. } if arrival.request.method == "REFER" => *arrival,
            _ => return,
        };
        self.open_trail(arrival);
    }

    /// The trail of a request, unless it is open already.
    pub(super) fn open_trail(&mut self, arrival: &Arrival) {
        if self.about.is_some() {
            return;
        }
        let refer = ReferId::new(self.env);
        self.about = Some(refer);
        self.actions.extend(opened(arrival, refer));
        if let Some(group) = self.head.group.clone() {
            self.log(Level::Debug, format!("for group {group}"));
        }
    }

    /// The name of a REFER that is accepted; what no request asked for (an operator did) opens its trail here.
    pub(super) fn label(&mut self) -> ReferId {
        if let Some(about) = self.about {
            return about;
        }
        let refer = ReferId::new(self.env);
        self.about = Some(refer);
        self.actions.push(Action::Trail {
            refer,
            entry: Entry::Opened {
                call_id: String::new(),
            },
        });
        refer
    }

    pub(super) fn refuse(&mut self, method: &str, refusal: &Refusal) {
        let mut refusal = refusal.clone();
        refusal.refer = self.about;
        // The token of a session that has not begun leads nowhere.
        let group = self.head.group.as_deref().filter(|_| !self.head.live);
        let from = self.source.map(|source| origin(source, group));
        let actions = refusal.actions(
            self.env,
            method,
            &from.unwrap_or_default(),
            &self.head.token,
        );
        self.actions.extend(actions);
    }

    /// A line without people, about the request in hand.
    pub(super) fn log(&mut self, level: Level, line: String) {
        let about: Vec<ReferId> = self.about.into_iter().collect();
        self.write(&about, level, |_| line.clone());
    }

    /// A line about the REFER of this record.
    pub(super) fn note(&mut self, refer: Id, level: Level, line: impl Fn(Show) -> String) {
        let about = self.refer(refer).map(|record| record.label);
        let about: Vec<ReferId> = about.or(self.about).into_iter().collect();
        self.write(&about, level, line);
    }

    /// A line about a leg, for the REFER that made it and those that wait for it.
    pub(super) fn note_leg(&mut self, leg: Id, level: Level, line: impl Fn(Show) -> String) {
        let (asked_by, watchers) = match self.leg(leg) {
            Some(leg) => (leg.asked_by, leg.watchers.clone()),
            None => (None, Vec::new()),
        };
        let mut about: Vec<ReferId> = asked_by.into_iter().collect();
        for watcher in watchers {
            let label = self.refer(watcher).map(|record| record.label);
            about.extend(label.filter(|label| !about.contains(label)));
        }
        if about.is_empty() {
            about.extend(self.about);
        }
        self.write(&about, level, line);
    }

    /// A line about the request that a record has out: its INVITE, or a NOTIFY of some REFER.
    pub(super) fn note_sent(&mut self, record: Id, level: Level, line: impl Fn(Show) -> String) {
        let in_flight = self.dialog_mut(record).and_then(|dialog| dialog.in_flight);
        match in_flight.map(|request| request.what) {
            Some(Waiting::Notify(refer)) => self.note(refer, level, line),
            _ => self.note_leg(record, level, line),
        }
    }

    /// Whom we take for the referrer, and by what.
    pub(super) fn note_who(&mut self, who: &Who, request: &Request) {
        let by = match request.asserted_identities().is_empty() {
            true => "the identity of its dialog",
            false => "P-Asserted-Identity",
        };
        let mut names: Vec<&str> = who.identities.iter().map(|id| id.as_str()).collect();
        names.retain(|name| *name != who.uri());
        names.insert(0, who.uri());
        let mut line = format!("referrer {} by {by}", names.join(", "));
        for (is_so, what) in [
            (who.anonymous, ", anonymous"),
            (who.participant, ", a participant"),
        ] {
            if is_so {
                line.push_str(what);
            }
        }
        self.log(Level::Debug, line);
    }

    /// What is asked for. A list that cannot be used is told by the refusal.
    pub(super) fn note_asked(&mut self, targets: &Result<Targets, Refusal>, suppressed: bool) {
        let Ok(targets) = targets else { return };
        let what = match targets.purpose {
            Purpose::Invite => "invite",
            Purpose::Remove => "remove",
        };
        let names = targets.wanted.iter().map(|target| match &target.uri {
            Ok(uri) => uri.as_str(),
            Err(text) => text,
        });
        let names: Vec<&str> = names.take(MAX_NAMED).collect();
        let more = match targets.wanted.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let notify = if suppressed { "no NOTIFY" } else { "NOTIFYs" };
        let (written, kept) = (targets.written, targets.wanted.len());
        let counted = match written == kept {
            true => kept.to_string(),
            false => format!("{kept} (of {written} entries)"),
        };
        let names = names.join(", ");
        self.log(
            Level::Debug,
            format!("asks to {what} {counted}: {names}{more}; {notify}"),
        );
    }

    /// What the group document says of somebody.
    pub(super) fn note_verdict(&mut self, who: &str, verdict: &Verdict, action: &str, yes: bool) {
        let rules = match verdict.matched_rules.as_slice() {
            [] => "no rule".to_owned(),
            rules => rules.join(", "),
        };
        let yes = if yes { "yes" } else { "no" };
        self.log(
            Level::Debug,
            format!("policy: {who} matches {rules}: {action} {yes}"),
        );
    }

    fn write(&mut self, about: &[ReferId], level: Level, line: impl Fn(Show) -> String) {
        let actions: Vec<Action> = lines(about, &self.head.token, level, line);
        self.actions.extend(actions);
    }
}
