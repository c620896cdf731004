//! A group session under its lock: the one entrance for everything that happens to it.
//!
//! The procedures are one file each below; where to begin reading is `refer`, which has the nine steps.

mod conference_factory;
mod deadlines;
mod end;
mod forks;
mod group_policy;
mod in_dialog_requests;
mod invite_answer;
mod join;
mod leave;
mod log;
mod offer_answer;
mod operator;
mod outgoing_queue;
mod pacing;
mod record_access;
mod refer;
mod refresh;
mod rejoin_rights;
mod removal;
mod requester;
mod roles;
mod subject;
mod subscriptions;

use std::collections::BTreeMap;
use std::net::SocketAddr;

pub use self::group_policy::{identity_in, is_shown_as_administrator};
use self::record_access::{Records, USUAL};
pub(super) use self::subscriptions::NotifyContent;
use super::action::{Action, Counter};
use super::client_forms::ClientForms;
use super::departure_reason::Departure;
use super::env::Env;
use super::input::Input;
use super::outgoing_message::{Answer, OutgoingRequest};
use super::policy::Group;
use super::records::ids::{Id, ReferId};
use super::records::sealed::Sealed;
use super::records::{Head, HeadProfile, Record, SessionStore};
use crate::sip::conference_info::User;
use crate::sip::uri::Uri;

/// One record after an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Which.
    pub id: Id,
    /// `None`: it is to be deleted.
    pub body: Option<Record>,
    /// Its names may differ from those that the store knows. False: they do not.
    pub renamed: bool,
}

/// A session while something happens to it.
pub struct Session<'a> {
    pub(super) id: Id,
    pub(super) head: Head,
    /// The head as it is in the store. `None`: a new session.
    pub(super) before: Option<Head>,
    pub(super) records: Records<'a>,
    pub(super) env: &'a Env<'a>,
    pub(super) actions: Vec<Action>,
    /// Why legs are going, for the conference state.
    pub(super) departures: BTreeMap<Id, Departure>,
    /// Legs as the conference state shows them, as far as somebody asked.
    pub(super) users: BTreeMap<Id, User>,
    /// The REFER in hand. Log lines meanwhile carry its refer-id.
    refer_in_hand: Option<ReferId>,
    /// Where the request in hand came from.
    source: Option<SocketAddr>,
}

/// Whether an event is a sign of life of somebody in the session (parameter `inactivity_timeout`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It counts as one.
    Counts,
    /// A clock, or what only keeps a leg alive.
    DoesNotCount,
}

impl<'a> Session<'a> {
    /// The session with this head, if it still is there.
    pub fn open(id: Id, store: &'a dyn SessionStore, env: &'a Env<'a>) -> Option<Self> {
        match store.load(id)? {
            Record::Head(head) => {
                let before = Some(head.as_ref().clone());
                Some(Session::with(id, *head, before, store, env))
            }
            _ => None,
        }
    }

    /// A new session of a pre-defined group. It is kept only if the input makes it live.
    pub fn for_group(group: &Group, store: &'a dyn SessionStore, env: &'a Env<'a>) -> Self {
        let document_limit = group.max_participant_count.filter(|limit| *limit > 0);
        let settings = env.settings;
        let profile = HeadProfile {
            group: Some(group.uri.clone()),
            subject: group.subject.clone(),
            ..new_profile(env)
        };
        let head = Head {
            of_group: true,
            max_participants: document_limit.map_or(settings.max_participants, |limit| {
                limit.min(settings.max_participants)
            }),
            min_participants: group
                .min_participant_count
                .unwrap_or(settings.min_participants),
            ..new_head(profile, env)
        };
        Session::with(store.new_id(), head, None, store, env)
    }

    /// A new ad-hoc session. It is kept only if the input makes it live.
    pub fn ad_hoc(contribution: &str, store: &'a dyn SessionStore, env: &'a Env<'a>) -> Self {
        let profile = HeadProfile {
            contribution_id: contribution.to_owned(),
            ..new_profile(env)
        };
        let head = new_head(profile, env);
        Session::with(store.new_id(), head, None, store, env)
    }

    fn with(
        id: Id,
        head: Head,
        before: Option<Head>,
        store: &'a dyn SessionStore,
        env: &'a Env<'a>,
    ) -> Self {
        Session {
            id,
            head,
            before,
            records: Records::new(id, store),
            env,
            actions: Vec::new(),
            departures: BTreeMap::new(),
            users: BTreeMap::new(),
            refer_in_hand: None,
            source: None,
        }
    }

    /// Id of the head record.
    pub fn id(&self) -> Id {
        self.id
    }

    /// The head record as it is now.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Lets one thing happen. Several may be handled before `finish`.
    pub fn handle(&mut self, input: Input<'_>) {
        self.source = input.arrival().map(|arrival| arrival.source);
        self.open_trail_for(&input);
        let activity = self.carry_out(input);
        if self.head.inactivity > 0 && activity == Activity::Counts {
            self.head.active = self.env.now;
        }
        self.end_if_due();
        self.refer_in_hand = None;
    }

    fn carry_out(&mut self, input: Input<'_>) -> Activity {
        match input {
            Input::InviteReceived(arrival) => self.invite_received(arrival),
            Input::ReferReceived(arrival) => self.refer_received(arrival, None),
            Input::FactoryInviteReceived(arrival) if self.before.is_some() => {
                self.restart_received(arrival);
            }
            Input::FactoryInviteReceived(arrival) => self.factory_invite_received(arrival),
            Input::SubscribeReceived(arrival) => self.subscribe_outside_dialog(arrival),
            Input::OptionsReceived(arrival) => self.options_outside_dialog(arrival),
            Input::RequestReceived { holder, arrival } => {
                return self.request_received(holder, arrival);
            }
            Input::AckReceived { leg, request, from } => {
                self.ack_received(leg, request, from);
                return Activity::DoesNotCount;
            }
            Input::AnswerFailed { leg } => self.answer_failed(leg),
            Input::AnswerReceived {
                record,
                response,
                from,
                expected,
            } => {
                if expected || self.is_with(record, from.address) {
                    return self.answer_received(record, response, from);
                }
                self.count(Counter::AnswersIgnored, 1);
                return Activity::DoesNotCount;
            }
            Input::TimedOut { record, status } => self.timed_out(record, status),
            Input::InviteSent {
                leg,
                cseq,
                transaction,
            } => return self.invite_sent(leg, cseq, transaction),
            Input::AckSent { leg } => self.ack_sent(leg),
            Input::SendFailed {
                record,
                method,
                cseq,
                why,
            } => self.send_failed(record, &method, cseq, &why),
            Input::DeadlineReached { record } => {
                self.deadline_reached(record);
                return Activity::DoesNotCount;
            }
        }
        Activity::Counts
    }

    /// The records to commit, and what to do after that.
    pub fn finish(mut self) -> (Vec<Change>, Vec<Action>) {
        self.appoint_administrator();
        self.note_changes();
        self.records.remove_finished(self.env.now);
        let keep = self.head.live || self.records.has_children();
        let mut changes = Vec::with_capacity(USUAL);
        if keep && self.before.as_ref() != Some(&self.head) {
            let was_live = self.before.as_ref().map(|before| before.live);
            changes.push(Change {
                id: self.id,
                renamed: was_live != Some(self.head.live) || self.head.profile.is_changed(),
                body: Some(Record::Head(Box::new(self.head))),
            });
        }
        changes.extend(self.records.into_changes());
        if !keep && self.before.is_some() {
            changes.push(Change {
                id: self.id,
                body: None,
                renamed: true,
            });
        }
        (changes, self.actions)
    }

    /// URI of the focus.
    pub(super) fn focus_uri(&self) -> Uri {
        self.env.settings.focus_uri(&self.head.token)
    }

    /// Asks for the final answer to the request in hand.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.actions.push(Action::Answer(answer));
    }

    /// Asks for a request of ours to be sent.
    pub(super) fn send(&mut self, request: OutgoingRequest) {
        self.actions.push(Action::Send(Box::new(request)));
    }

    /// Asks for a statistic to be changed.
    pub(super) fn count(&mut self, counter: Counter, by: i32) {
        self.actions.push(Action::Count(counter, by));
    }
}

fn new_profile(env: &Env<'_>) -> HeadProfile {
    HeadProfile {
        token: env.token(),
        group: None,
        creator: Vec::new(),
        conversation_id: env.token(),
        contribution_id: env.token(),
        in_reply_to: None,
        subject: None,
        former_subjects: Vec::new(),
        forms: ClientForms::default(),
        started: env.now,
    }
}

fn new_head(profile: HeadProfile, env: &Env<'_>) -> Head {
    Head {
        profile: Sealed::new(profile),
        rejoin_rights: None,
        max_participants: env.settings.max_participants,
        min_participants: env.settings.min_participants,
        active: env.now,
        inactivity: env.settings.inactivity_timeout,
        connected: 0,
        administrators: 0,
        pending: 0,
        had_minimum: false,
        live: false,
        of_group: false,
        change_log: None,
        aliases: 0,
    }
}
