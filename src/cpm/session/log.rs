//! What a session writes down: log lines, decision trails, and refusals.

use std::borrow::Cow;

use super::Session;
use crate::cpm::action::Level;
use crate::cpm::decision_trail::{self, About};
use crate::cpm::input::{Arrival, Input};
use crate::cpm::note::{Note, Referrer, Wish};
use crate::cpm::person::Person;
use crate::cpm::policy::{Action as PolicyAction, Verdict};
use crate::cpm::records::ids::{Id, ReferId};
use crate::cpm::records::Waiting;
use crate::cpm::redact::WhoRef;
use crate::cpm::refer_syntax::ReferRequest;
use crate::cpm::refusal::Denial;
use crate::cpm::refusal_answer::{new_refer_id, refuse, Refused};
use crate::cpm::targets::Target;
use crate::sip::Method;

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
        decision_trail::open(self.env, &mut self.actions, arrival, refer);
        if let Some(group) = self.head.group.clone() {
            self.log(Level::Debug, Note::ForGroup(group.as_str()));
        }
    }

    /// The name of the REFER in hand. What no request asked for (an operator did) opens its trail here.
    pub(super) fn refer_id(&mut self) -> ReferId {
        if let Some(about) = self.refer_in_hand {
            return about;
        }
        let refer = new_refer_id(self.env);
        self.refer_in_hand = Some(refer);
        decision_trail::open_empty(self.env, &mut self.actions, refer, "");
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
        refuse(self.env, &mut self.actions, &refused, denial);
        if let Some(refer) = self.refer_in_hand {
            decision_trail::mark_refused(&mut self.actions, refer);
        }
    }

    /// A note about the request in hand.
    pub(in crate::cpm) fn log(&mut self, level: Level, note: Note<'_>) {
        let about = self.refer_in_hand;
        self.write(about.as_slice(), level, &note);
    }

    /// A note about the REFER of this record.
    pub(super) fn log_refer(&mut self, refer: Id, level: Level, note: Note<'_>) {
        if !self.env.wanted.tells(level) {
            return;
        }
        let about = self.records.refer(refer).map(|record| record.label);
        self.write(about.or(self.refer_in_hand).as_slice(), level, &note);
    }

    /// A note about a target, for the REFER that names it.
    pub(super) fn log_target(&mut self, target: Id, level: Level, note: Note<'_>) {
        if let Some(refer) = self.records.target(target).map(|target| target.refer) {
            self.log_refer(refer, level, note);
        }
    }

    /// A note about a leg, for the REFER that made it and those that wait for it.
    pub(super) fn log_leg(&mut self, leg: Id, level: Level, note: Note<'_>) {
        if !self.env.wanted.tells(level) {
            return;
        }
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
        self.write(&about, level, &note);
    }

    /// A note about the request that a record has out: its INVITE, or a NOTIFY of some REFER.
    pub(super) fn log_sent(&mut self, record: Id, level: Level, note: Note<'_>) {
        let in_flight = self.records.dialog_mut(record).and_then(|d| d.in_flight);
        match in_flight.map(|request| request.what) {
            Some(Waiting::Notify(refer)) if self.records.refer(refer).is_some() => {
                self.log_refer(refer, level, note);
            }
            _ => self.log_leg(record, level, note),
        }
    }

    /// Whom we take for the referrer, and by what.
    pub(super) fn log_referrer(&mut self, who: &Person) {
        let shown = who.uri.as_str();
        let others = who.identities.iter().map(|id| id.as_str());
        let others: Vec<&str> = others.filter(|name| *name != shown).collect();
        let names = match others.is_empty() {
            true => shown.into(),
            false => Cow::Owned(format!("{shown}, {}", others.join(", "))),
        };
        let referrer = Referrer {
            names: who.who_ref().with_uri(&names),
            asserted: who.asserted,
            anonymous: who.anonymous,
            hidden: who.hidden,
            participant: who.participant,
        };
        self.log(Level::Debug, Note::Referrer(referrer));
    }

    /// What a REFER asks for. Of a list that cannot be used the refusal tells.
    pub(super) fn log_request(&mut self, refer: &ReferRequest) {
        let Ok(targets) = &refer.targets else { return };
        let named = targets.list.iter().take(MAX_NAMED);
        let wish = Wish {
            purpose: targets.purpose,
            written: targets.written,
            kept: targets.list.len(),
            names: named.map(Target::who_ref).collect(),
            suppressed: refer.suppressed,
        };
        self.log(Level::Debug, Note::Asks(wish));
    }

    /// What the group document says of somebody.
    pub(super) fn log_verdict(&mut self, who: WhoRef<'_>, verdict: &Verdict, action: PolicyAction) {
        let rules = verdict.matched_rules.iter().map(String::as_str).collect();
        let policy = Note::Policy {
            who,
            rules,
            action,
            allowed: verdict.allows(action),
        };
        self.log(Level::Debug, policy);
    }

    fn write(&mut self, refers: &[ReferId], level: Level, note: &Note<'_>) {
        // A trail has no need of it, and it has to be decoded.
        let session = match self.env.wanted.logs(level) {
            true => &self.head.token,
            false => "",
        };
        let about = About { refers, session };
        decision_trail::write(self.env, &mut self.actions, about, level, note);
    }
}
