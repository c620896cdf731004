//! A group session under its lock: the records it touches, and the one entrance for everything that happens.
//! Not here: the procedures themselves (one file each below) and where records live (`super::records::Family`).

mod admit;
mod board;
mod create;
mod dialogs;
mod ending;
mod invite;
mod join;
mod keepalive;
mod notify;
mod offers;
mod operator;
mod outcome;
mod portrait;
mod refer;
mod roster;
mod state;
mod trail;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use self::board::Parting;
use super::action::{Action, Counter};
use super::input::Input;
use super::policy::{Group, PolicyRequest, Role, Verdict};
use super::records::{Family, Head, Id, Leg, Name, Record, Refer};
use super::settings::Env;
use super::trail::ReferId;
use super::watch::status_of;
use crate::sip::conference_info::{Status, User};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// One record after an input: `body` none means it is to be deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub id: Id,
    pub body: Option<Record>,
}

/// A session while something happens to it.
pub struct Session<'a> {
    id: Id,
    head: Head,
    /// The head as it is in the store; none for a new session.
    before: Option<Head>,
    family: &'a dyn Family,
    env: &'a Env<'a>,
    /// Records looked at so far.
    loaded: BTreeMap<Id, Slot>,
    /// Why legs are going, for those who watch.
    partings: BTreeMap<Id, Parting>,
    /// Legs as watchers are shown them, as far as somebody asked.
    portraits: BTreeMap<Id, User>,
    actions: Vec<Action>,
    /// What happened only kept a leg alive: nobody did anything.
    refreshes_only: bool,
    /// The REFER in hand: whatever is written down meanwhile is about it.
    about: Option<ReferId>,
    /// Where the request in hand came from.
    source: Option<SocketAddr>,
}

struct Slot {
    /// None: deleted, or there never was such a record.
    record: Option<Record>,
    /// It was in the store when it was looked at.
    stored: bool,
    dirty: bool,
    /// A leg as the watchers know it already.
    status: Option<Status>,
}

impl Slot {
    fn is_added(&self) -> bool {
        !self.stored && self.record.is_some()
    }

    fn is_removed(&self) -> bool {
        self.stored && self.record.is_none()
    }
}

impl<'a> Session<'a> {
    /// The session with this head, if it still is there.
    pub fn open(id: Id, family: &'a dyn Family, env: &'a Env<'a>) -> Option<Self> {
        match family.load(id)? {
            Record::Head(head) => Some(Session::with(id, head.clone(), Some(head), family, env)),
            _ => None,
        }
    }

    /// A new session of a pre-defined group. It is kept only if the input makes it live.
    pub fn for_group(group: &Group, family: &'a dyn Family, env: &'a Env<'a>) -> Self {
        let document_limit = group.max_participant_count.filter(|limit| *limit > 0);
        let settings = env.settings;
        let head = Head {
            group: Some(group.uri.as_str().to_owned()),
            subject: group.subject.clone(),
            max_participants: document_limit.map_or(settings.max_participants, |limit| {
                limit.min(settings.max_participants)
            }),
            min_participants: group
                .min_participant_count
                .unwrap_or(settings.min_participants),
            ..new_head(env)
        };
        Session::with(family.new_id(), head, None, family, env)
    }

    /// A new session made on the spot. It is kept only if the input makes it live.
    pub fn ad_hoc(contribution: &str, family: &'a dyn Family, env: &'a Env<'a>) -> Self {
        let head = Head {
            contribution_id: contribution.to_owned(),
            ..new_head(env)
        };
        Session::with(family.new_id(), head, None, family, env)
    }

    fn with(
        id: Id,
        head: Head,
        before: Option<Head>,
        family: &'a dyn Family,
        env: &'a Env<'a>,
    ) -> Self {
        Session {
            id,
            head,
            before,
            family,
            env,
            loaded: BTreeMap::new(),
            partings: BTreeMap::new(),
            portraits: BTreeMap::new(),
            actions: Vec::new(),
            refreshes_only: false,
            about: None,
            source: None,
        }
    }

    pub fn id(&self) -> Id {
        self.id
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Lets one thing happen. Several may be handled before `finish`.
    pub fn handle(&mut self, input: Input<'_>) {
        let by_clock = matches!(input, Input::DeadlineReached { .. });
        self.source = input.arrival().map(|arrival| arrival.source);
        self.expect_trail(&input);
        match input {
            Input::InviteReceived(arrival) => self.invite_received(arrival),
            Input::ReferReceived(arrival) => self.refer_received(arrival, None),
            Input::FactoryInviteReceived(arrival) if self.before.is_some() => {
                self.restart_received(arrival)
            }
            Input::FactoryInviteReceived(arrival) => self.factory_invite_received(arrival),
            Input::SubscribeReceived(arrival) => self.subscribed(arrival),
            Input::OptionsReceived(arrival) => {
                let contact = self
                    .env
                    .settings
                    .contact_uri(&self.head.token, &arrival.socket);
                self.options_received(&arrival.request, &contact, self.env.token());
            }
            Input::RequestReceived { holder, arrival } => self.request_received(holder, arrival),
            Input::AckReceived { leg, request } => self.ack_received(leg, request),
            Input::AnswerFailed { leg } => self.answer_failed(leg),
            Input::AnswerReceived {
                record,
                response,
                trusted,
            } => self.answer_received(record, response, trusted),
            Input::TimedOut { record, status } => self.timed_out(record, status),
            Input::InviteSent {
                leg,
                cseq,
                transaction,
            } => self.invite_sent(leg, cseq, transaction),
            Input::AckSent { leg } => self.ack_sent(leg),
            Input::SendFailed {
                record,
                method,
                cseq,
                why,
            } => self.send_failed(record, method, cseq, &why),
            Input::DeadlineReached { record } => self.deadline_reached(record),
        }
        let idle = by_clock || std::mem::take(&mut self.refreshes_only);
        if self.head.inactivity > 0 && !idle {
            self.head.active = self.env.now;
        }
        self.end_if_due();
        self.about = None;
    }

    /// The records to commit and what to do after that.
    pub fn finish(mut self) -> (Vec<Change>, Vec<Action>) {
        self.publish();
        self.drop_finished();
        let keep = self.head.live || self.has_children();
        let mut changes = Vec::new();
        if keep && self.before.as_ref() != Some(&self.head) {
            changes.push(Change {
                id: self.id,
                body: Some(Record::Head(self.head)),
            });
        }
        for (id, slot) in self.loaded {
            if slot.is_removed() {
                changes.push(Change { id, body: None });
            } else if slot.dirty {
                changes.extend(slot.record.map(|record| Change {
                    id,
                    body: Some(record),
                }));
            }
        }
        if !keep && self.before.is_some() {
            changes.push(Change {
                id: self.id,
                body: None,
            });
        }
        (changes, self.actions)
    }

    /// Records that have nothing left to do go; nobody else would ever look at them again.
    fn drop_finished(&mut self) {
        for slot in self.loaded.values_mut() {
            let finished = match &slot.record {
                Some(Record::Leg(leg)) => leg.is_finished(),
                Some(Record::Refer(refer)) => refer.is_finished(self.env.now),
                _ => false,
            };
            if finished {
                slot.record = None;
            }
        }
    }

    // ---- records ----

    /// Whether anything is left below the head; costs the same in a large session as in a small one.
    fn has_children(&self) -> bool {
        let added = self.loaded.values().filter(|slot| slot.is_added()).count();
        let removed = self
            .loaded
            .values()
            .filter(|slot| slot.is_removed())
            .count();
        self.family.child_count(self.id) + added > removed
    }

    /// All records below the head, oldest first.
    fn children(&self) -> Vec<Id> {
        let mut ids = self.family.children(self.id);
        ids.retain(|id| !self.loaded.get(id).is_some_and(Slot::is_removed));
        // Identities grow, so these follow in the order of their making.
        ids.extend(
            self.loaded
                .iter()
                .filter(|(_, slot)| slot.is_added())
                .map(|(id, _)| *id),
        );
        ids
    }

    fn add(&mut self, record: Record) -> Id {
        let id = self.family.new_id();
        self.insert(id, record);
        id
    }

    fn insert(&mut self, id: Id, record: Record) {
        let slot = Slot {
            record: Some(record),
            stored: false,
            dirty: true,
            status: None,
        };
        self.loaded.insert(id, slot);
    }

    fn slot(&mut self, id: Id) -> &mut Slot {
        let family = self.family;
        self.loaded.entry(id).or_insert_with(|| {
            let record = family.load(id);
            let status = match &record {
                Some(Record::Leg(leg)) => status_of(leg),
                _ => None,
            };
            Slot {
                status,
                stored: record.is_some(),
                record,
                dirty: false,
            }
        })
    }

    fn leg(&mut self, id: Id) -> Option<&Leg> {
        match &self.slot(id).record {
            Some(Record::Leg(leg)) => Some(leg),
            _ => None,
        }
    }

    fn leg_mut(&mut self, id: Id) -> Option<&mut Leg> {
        let slot = self.slot(id);
        match &mut slot.record {
            Some(Record::Leg(leg)) => {
                slot.dirty = true;
                Some(leg)
            }
            _ => None,
        }
    }

    fn refer(&mut self, id: Id) -> Option<&Refer> {
        match &self.slot(id).record {
            Some(Record::Refer(refer)) => Some(refer),
            _ => None,
        }
    }

    fn refer_mut(&mut self, id: Id) -> Option<&mut Refer> {
        let slot = self.slot(id);
        match &mut slot.record {
            Some(Record::Refer(refer)) => {
                slot.dirty = true;
                Some(refer)
            }
            _ => None,
        }
    }

    /// The leg of somebody who is in the session or being invited.
    fn member(&mut self, who: &[Identity]) -> Option<Id> {
        let here = self
            .loaded
            .iter()
            .find_map(|(id, slot)| match &slot.record {
                Some(Record::Leg(leg))
                    if leg.is_member() && who.iter().any(|w| leg.identities.contains(w)) =>
                {
                    Some(*id)
                }
                _ => None,
            });
        here.or_else(|| {
            who.iter().find_map(|w| {
                let name = Name::Member {
                    session: self.id,
                    who: w.clone(),
                };
                // What this input already changed is seen above; the store only knows the rest.
                self.family
                    .find(&name)
                    .filter(|id| !self.loaded.contains_key(id))
            })
        })
    }

    // ---- policy ----

    /// The group document that rules this session. None: it is gone, so nothing is allowed.
    fn policy(&self) -> Option<Arc<Group>> {
        match &self.head.group {
            Some(group) => self
                .env
                .groups
                .find(&Uri::parse(group.as_bytes()).ok()?)
                .cloned(),
            None => Some(Arc::clone(&self.env.settings.adhoc_policy)),
        }
    }

    fn decide(&self, who: &Who) -> Verdict {
        match self.policy() {
            Some(group) => verdict(&group, self.env, who, self.role(who)),
            None => Verdict::default(),
        }
    }

    fn role(&self, who: &Who) -> Role {
        Role {
            participant: who.participant,
            creator: who.creator
                || who
                    .identities
                    .iter()
                    .any(|me| self.head.creator.contains(me)),
        }
    }

    // ---- what to say ----

    fn count(&mut self, counter: Counter, by: i32) {
        self.actions.push(Action::Count(counter, by));
    }
}

/// Somebody whose request the policy is asked about.
#[derive(Clone, Debug)]
pub(super) struct Who {
    pub uris: Vec<Uri>,
    pub identities: Vec<Identity>,
    pub anonymous: bool,
    pub participant: bool,
    pub creator: bool,
}

impl Who {
    pub fn new(uris: Vec<Uri>, anonymous: bool) -> Self {
        let mut identities: Vec<Identity> = Vec::with_capacity(uris.len());
        for identity in uris.iter().map(Identity::of) {
            // A sip and a tel URI of one number are one identity (R1.3b), and a name goes to one record once.
            if !identities.contains(&identity) {
                identities.push(identity);
            }
        }
        Who {
            identities,
            uris,
            anonymous,
            participant: false,
            creator: false,
        }
    }

    /// The URI to show and to pass on.
    pub fn uri(&self) -> &str {
        self.uris.first().map_or("", Uri::as_str)
    }
}

fn new_head(env: &Env<'_>) -> Head {
    Head {
        token: env.token(),
        group: None,
        creator: Vec::new(),
        roster: None,
        conversation_id: env.token(),
        contribution_id: env.token(),
        in_reply_to: None,
        subject: None,
        started: env.now,
        max_participants: env.settings.max_participants,
        min_participants: env.settings.min_participants,
        active: env.now,
        inactivity: env.settings.inactivity_timeout,
        connected: 0,
        pending: 0,
        had_minimum: false,
        live: false,
        board: None,
        aliases: 0,
    }
}

fn verdict(group: &Group, env: &Env<'_>, who: &Who, role: Role) -> Verdict {
    group.evaluate(&PolicyRequest {
        identities: &who.identities,
        uris: &who.uris,
        anonymous: who.anonymous,
        now_unix: env.unix,
        role,
    })
}
