//! What a session writes down: log lines, decision trails, and refusals.

use super::Session;
use crate::cpm::action::{Action, Level};
use crate::cpm::decision_trail;
use crate::cpm::input::{Arrival, Input};
use crate::cpm::person::Person;
use crate::cpm::policy::{Action as PolicyAction, Verdict};
use crate::cpm::records::ids::{Id, ReferId};
use crate::cpm::records::Waiting;
use crate::cpm::redact::{Show, Who};
use crate::cpm::refer_syntax::ReferRequest;
use crate::cpm::refusal::Denial;
use crate::cpm::refusal_answer::{new_refer_id, refuse, Refused};
use crate::cpm::targets::{Purpose, Target};
use crate::sip::{Method, Request};

/// Most targets named in the line that says what was asked.
const MAX_NAMED: usize = 10;

impl Session<'_> {
    /// Opens a trail when the event asks for something to happen to targets, even if it is refused.
    pub(super) fn open_trail_for(&mut self, input: &Input<'_>) {
        let arrival = match input {
            Input::ReferReceived(arrival) | Input::FactoryInviteReceived(arrival) => *arrival,
            Input::RequestReceived { arrival, .. } if arrival.request.method == Method::Refer => {
                *arrival
            }
            _ => return,
        };
        self.open_trail(arrival);
    }

    /// Opens the trail of a request, unless it is open already.
    pub(super) fn open_trail(&mut self, arrival: &Arrival) {
        if self.refer_in_hand.is_some() {
            return;
        }
        let refer = new_refer_id(self.env);
        self.refer_in_hand = Some(refer);
        self.actions.extend(decision_trail::open(arrival, refer));
        if let Some(group) = self.head.group.clone() {
            self.log(Level::Debug, format!("for group {group}"));
        }
    }

    /// The name of the REFER in hand. What no request asked for (an operator did) opens its trail here.
    pub(super) fn refer_id(&mut self) -> ReferId {
        if let Some(about) = self.refer_in_hand {
            return about;
        }
        let refer = new_refer_id(self.env);
        self.refer_in_hand = Some(refer);
        self.actions.push(decision_trail::open_empty(refer, ""));
        refer
    }

    /// Refuses the request in hand.
    pub(in crate::cpm) fn refuse(&mut self, method: &Method, denial: impl Into<Denial>) {
        self.refuse_as(method.as_str(), Some(method), &denial.into());
    }

    /// Refuses a re-INVITE or UPDATE, which counts as no refused join.
    pub(super) fn refuse_renewal(&mut self, what: &str, denial: impl Into<Denial>) {
        self.refuse_as(what, None, &denial.into());
    }

    fn refuse_as(&mut self, what: &str, counted: Option<&Method>, denial: &Denial) {
        // The token of a session that has not begun leads nowhere.
        let group = self.head.group.as_ref().filter(|_| !self.head.live);
        let refused = Refused {
            what,
            counted,
            source: self.source,
            group: group.map(|group| group.as_str()),
            session: &self.head.token,
            refer: self.refer_in_hand,
        };
        let actions = refuse(self.env, &refused, denial);
        self.actions.extend(actions);
        if let Some(refer) = self.refer_in_hand {
            decision_trail::mark_refused(&mut self.actions, refer);
        }
    }

    /// A line that is written as it is; at INFO it must not name people. About the request in hand.
    pub(in crate::cpm) fn log(&mut self, level: Level, line: String) {
        self.log_people(level, |_| line.clone());
    }

    /// A line that names people, about the request in hand.
    pub(in crate::cpm) fn log_people(&mut self, level: Level, line: impl Fn(Show) -> String) {
        let about: Vec<ReferId> = self.refer_in_hand.into_iter().collect();
        self.write(&about, level, line);
    }

    /// A line about the REFER of this record.
    pub(super) fn log_refer(&mut self, refer: Id, level: Level, line: impl Fn(Show) -> String) {
        let about = self.records.refer(refer).map(|record| record.label);
        let about: Vec<ReferId> = about.or(self.refer_in_hand).into_iter().collect();
        self.write(&about, level, line);
    }

    /// A line about a target, for the REFER that names it.
    pub(super) fn log_target(&mut self, target: Id, level: Level, line: impl Fn(Show) -> String) {
        if let Some(refer) = self.records.target(target).map(|target| target.refer) {
            self.log_refer(refer, level, line);
        }
    }

    /// A line about a leg, for the REFER that made it and those that wait for it.
    pub(super) fn log_leg(&mut self, leg: Id, level: Level, line: impl Fn(Show) -> String) {
        let (asked_by, awaited_by) = match self.records.leg(leg) {
            Some(leg) => (leg.asked_by, leg.awaited_by.clone()),
            None => (None, Vec::new()),
        };
        let mut about: Vec<ReferId> = asked_by.into_iter().collect();
        for awaiting in awaited_by {
            if !about.contains(&awaiting.label) {
                about.push(awaiting.label);
            }
        }
        if about.is_empty() {
            about.extend(self.refer_in_hand);
        }
        self.write(&about, level, line);
    }

    /// A line about the request that a record has out: its INVITE, or a NOTIFY of some REFER.
    pub(super) fn log_sent(&mut self, record: Id, level: Level, line: impl Fn(Show) -> String) {
        let in_flight = self.records.dialog_mut(record).and_then(|d| d.in_flight);
        match in_flight.map(|request| request.what) {
            Some(Waiting::Notify(refer)) if self.records.refer(refer).is_some() => {
                self.log_refer(refer, level, line);
            }
            _ => self.log_leg(record, level, line),
        }
    }

    /// Whom we take for the referrer, and by what.
    pub(super) fn log_referrer(&mut self, who: &Person, request: &Request) {
        let by = match request.asserted_identities().is_empty() {
            true => "the identity of its dialog",
            false => "P-Asserted-Identity",
        };
        let shown = who.uri.as_str();
        let mut names: Vec<&str> = who.identities.iter().map(|id| id.as_str()).collect();
        names.retain(|name| *name != shown);
        names.insert(0, shown);
        let names = who.who().with_uri(&names.join(", "));
        let is_so: Vec<&str> = [
            (who.anonymous, ", anonymous"),
            (who.hidden, ", hidden"),
            (who.participant, ", a participant"),
        ]
        .into_iter()
        .filter_map(|(is_so, what)| is_so.then_some(what))
        .collect();
        let is_so = is_so.concat();
        self.log_people(Level::Debug, |show| {
            format!("referrer {} by {by}{is_so}", show.who(&names))
        });
    }

    /// What a REFER asks for. Of a list that cannot be used the refusal tells.
    pub(super) fn log_request(&mut self, refer: &ReferRequest) {
        let Ok(targets) = &refer.targets else { return };
        let what = match targets.purpose {
            Purpose::Invite => "invite",
            Purpose::Remove => "remove",
            Purpose::GiveRole => "make an administrator of",
            Purpose::TakeRole => "take the role of",
        };
        let names: Vec<Who> = targets
            .list
            .iter()
            .take(MAX_NAMED)
            .map(Target::who)
            .collect();
        let more = match targets.list.len().saturating_sub(MAX_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let notify = match refer.suppressed {
            true => "no NOTIFY",
            false => "NOTIFYs",
        };
        let (written, kept) = (targets.written, targets.list.len());
        let counted = match written == kept {
            true => kept.to_string(),
            false => format!("{kept} (of {written} entries)"),
        };
        self.log_people(Level::Debug, |show| {
            let names: Vec<String> = names.iter().map(|who| show.who(who).to_string()).collect();
            let names = names.join(", ");
            format!("asks to {what} {counted}: {names}{more}; {notify}")
        });
    }

    /// What the group document says of somebody.
    pub(super) fn log_verdict(&mut self, who: &Who, verdict: &Verdict, action: PolicyAction) {
        let rules = match verdict.matched_rules.as_slice() {
            [] => "no rule".to_owned(),
            rules => rules.join(", "),
        };
        let answer = match verdict.allows(action) {
            true => "yes",
            false => "no",
        };
        self.log_people(Level::Debug, |show| {
            let who = show.who(who);
            format!("policy: {who} matches {rules}: {action} {answer}")
        });
    }

    fn write(&mut self, about: &[ReferId], level: Level, line: impl Fn(Show) -> String) {
        let lines: Vec<Action> = decision_trail::lines(about, &self.head.token, level, line);
        self.actions.extend(lines);
    }
}
