//! The way from bytes to inputs and from actions to bytes, as `src/module` does it in Kamailio.
//! Not here: transactions (`super::tm`) and any decision (`cpm::cpm`).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use cpm::cpm::action::{Action, Counter};
use cpm::cpm::cpm_identifiers::contribution_id;
use cpm::cpm::env::Env;
use cpm::cpm::input::{Arrival, Input, MessageSource};
use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::policy::Group;
use cpm::cpm::records::{Id, Name};
use cpm::cpm::refusal::Refusal;
use cpm::cpm::refusal_answer::refuse_at_the_door;
use cpm::cpm::request_uri::{destination, Destination};
use cpm::cpm::session::Session;
use cpm::cpm::stray_answer::StrayAnswer;
use cpm::cpm::time::Millis;
use cpm::cpm::trail_entries::{self, TrailEntries, TrailEntry};
use cpm::sip::identity::Identity;
use cpm::sip::uri::Uri;
use cpm::sip::Method;
use cpm::sip::{Request, Response};

use super::chance::fingerprint;
use super::groups::identity;
use super::message::{answer, read, Message};
use super::tm::Reply;
use super::world::{Event, Told, World};

/// Where actions are carried out.
#[derive(Clone)]
pub enum Place {
    /// With the request of a peer in hand.
    Request {
        peer: usize,
        request: Box<Request>,
    },
    Elsewhere,
}

/// Which session a request outside a dialog is for.
enum Which {
    Living(Id),
    New(Arc<Group>),
    AdHoc,
}

impl World {
    /// A datagram from a peer.
    pub(super) fn focus_receives(&mut self, from: usize, bytes: &[u8]) {
        match read(bytes) {
            Ok(Message::Response(response)) => self.response(&response, from),
            Ok(Message::Request(request)) => match request.method {
                Method::Ack => self.ack(from, &request),
                Method::Cancel => self.cancel(from, &request),
                _ => self.request(from, request),
            },
            Err(why) => self.fail(&format!("a peer of the test writes nonsense: {why}")),
        }
    }

    /// Where a peer's messages come from.
    fn source(&self, peer: usize) -> MessageSource {
        let peer = &self.peers[peer];
        MessageSource {
            address: peer.host.parse().expect("an IP address"),
            trusted: !peer.untrusted,
        }
    }

    fn ack(&mut self, from: usize, request: &Request) {
        self.tm_ack(request);
        if let Some(leg) = self.in_dialog(request) {
            let from = self.source(from);
            let actions = self.apply(leg, Input::AckReceived { leg, request, from });
            self.perform_later(actions, Place::Elsewhere);
        }
    }

    fn cancel(&mut self, from: usize, request: &Request) {
        let (code, reason) = if self.tm_knows_invite(request) {
            (200, "OK")
        } else {
            (481, "Call/Transaction Does Not Exist")
        };
        self.deliver_to_peer(from, answer(request, code, reason, "cancel", "", &[]));
    }

    fn request(&mut self, from: usize, request: Request) {
        if !self.tm_new(from, &request) {
            return;
        }
        let arrival = Arrival {
            request,
            socket: self.settings.sockets[0],
            source: SocketAddr::from((self.source(from).address, 5060)),
            trusted: self.source(from).trusted,
            read_at: self.now * 1000,
        };
        let actions = self.dispatch(&arrival);
        let place = Place::Request {
            peer: from,
            request: Box::new(arrival.request),
        };
        self.perform_later(actions, place);
    }

    fn dispatch(&mut self, arrival: &Arrival) -> Vec<Action> {
        let request = &arrival.request;
        let method = &request.method;
        if request.to_tag.is_some() {
            let holder = self.in_dialog(request);
            return match holder {
                Some(holder) => self.apply(holder, Input::RequestReceived { holder, arrival }),
                None => self.refused(arrival, Refusal::NoSuchDialog),
            };
        }
        let forms_dialog = matches!(method, Method::Invite | Method::Refer | Method::Subscribe);
        if forms_dialog && !arrival.trusted {
            return self.refused(arrival, Refusal::UntrustedPeer);
        }
        let invites = *method == Method::Invite;
        let which = self.session_for(&request.uri, invites);
        let input = match (method, &which) {
            (Method::Invite, Some(Which::AdHoc)) => Input::FactoryInviteReceived(arrival),
            (Method::Invite, _) => Input::InviteReceived(arrival),
            (Method::Refer, _) => Input::ReferReceived(arrival),
            (Method::Subscribe, _) => Input::SubscribeReceived(arrival),
            (Method::Options, _) => Input::OptionsReceived(arrival),
            _ => return self.refused(arrival, Refusal::NoSuchDialog),
        };
        match which {
            Some(Which::Living(root)) => self.apply(root, input),
            Some(Which::New(group)) => self.apply_new(Some(&group), input),
            Some(Which::AdHoc) if invites => {
                let known = contribution_id(request).map(Name::Contribution);
                match known.and_then(|name| self.find(&name)) {
                    Some(root) => self.apply(root, input),
                    None => self.apply_new(None, input),
                }
            }
            Some(Which::AdHoc) | None => self.refused(arrival, Refusal::NoSuchSession),
        }
    }

    pub(super) fn refused(&self, arrival: &Arrival, refusal: Refusal) -> Vec<Action> {
        self.with_env(|env| refuse_at_the_door(env, arrival, refusal))
    }

    fn session_for(&self, uri: &str, may_start: bool) -> Option<Which> {
        let destination =
            self.with_env(|env| destination(uri, env, &|host, _| host == "127.0.0.1"));
        match destination {
            Destination::Group(group) => {
                let name = Name::Group(Identity::of(&group.uri));
                match self.find(&name) {
                    Some(root) => Some(Which::Living(root)),
                    None => may_start.then_some(Which::New(group)),
                }
            }
            Destination::Focus(token) => self.find(&Name::Token(token)).map(Which::Living),
            Destination::Factory => Some(Which::AdHoc),
            _ => None,
        }
    }

    fn in_dialog(&self, request: &Request) -> Option<Id> {
        self.find(&Name::Dialog {
            call_id: request.call_id.clone(),
            local_tag: request.to_tag.clone()?,
        })
    }

    // ---- the unit of work ----

    /// Lets an input happen to the session of `record`; nothing if it is gone.
    pub(super) fn apply(&mut self, record: Id, input: Input<'_>) -> Vec<Action> {
        let Some(root) = self.records.root_of(record) else {
            return Vec::new();
        };
        if self.forgets(&input) {
            return Vec::new();
        }
        self.note_input(&input);
        self.happens(root, std::slice::from_ref(&input))
    }

    /// What is due of the session of `record`, in one commit.
    pub(super) fn deadlines_arrive(&mut self, record: Id) {
        let Some(root) = self.records.root_of(record) else {
            return;
        };
        let due = self.records.due_with(record, self.now).into_iter();
        let inputs: Vec<Input<'_>> = due
            .map(|record| Input::DeadlineReached { record })
            .collect();
        for input in &inputs {
            self.note_input(input);
        }
        let actions = self.happens(root, &inputs);
        self.perform_later(actions, Place::Elsewhere);
    }

    /// Lets inputs happen to a session, in one commit.
    fn happens(&mut self, root: Id, inputs: &[Input<'_>]) -> Vec<Action> {
        let before = self.records.moved();
        let handled = self.with_env(|env| {
            let mut session = Session::open(root, &self.records, env)?;
            for input in inputs {
                session.handle(input.clone());
            }
            Some(session.finish())
        });
        let Some((changes, actions)) = handled else {
            self.fail(&format!("{root:?} is no head"));
        };
        let actions = self.committed(root, changes, actions, inputs);
        if let [input] = inputs {
            let moved = self.records.moved() - before;
            self.moved.push((name_of(input), moved));
        }
        actions
    }

    fn apply_new(&mut self, group: Option<&Group>, input: Input<'_>) -> Vec<Action> {
        self.note_input(&input);
        let contribution = match input {
            Input::FactoryInviteReceived(arrival) => contribution_id(&arrival.request),
            _ => None,
        };
        let (root, changes, actions) = self.with_env(|env| {
            let mut session = match group {
                Some(group) => Session::for_group(group, &self.records, env),
                None => {
                    let id = contribution.clone().unwrap_or_else(|| env.token());
                    Session::ad_hoc(&id, &self.records, env)
                }
            };
            session.handle(input.clone());
            let root = session.id();
            let (changes, actions) = session.finish();
            (root, changes, actions)
        });
        self.committed(root, changes, actions, std::slice::from_ref(&input))
    }

    /// An event that could not be stored; what it would have said is found by a deadline.
    fn forgets(&mut self, input: &Input<'_>) -> bool {
        let forgets = self.faults.forgets;
        let forgettable = matches!(
            input,
            Input::AnswerReceived { .. }
                | Input::AckReceived { .. }
                | Input::InviteSent { .. }
                | Input::AckSent { .. }
                | Input::TimedOut { .. }
                | Input::SendFailed { .. }
        );
        forgettable && forgets > 0 && self.chance.percent(forgets)
    }

    /// An operator's hand in the session of `record`; a drain is one on all of them.
    pub fn operator<T>(&mut self, root: Id, hand: impl FnOnce(&mut Session<'_>) -> T) -> T {
        let handled = self.with_env(|env| {
            let mut session = Session::open(root, &self.records, env)?;
            let said = hand(&mut session);
            Some((session.finish(), said))
        });
        let Some(((changes, actions), said)) = handled else {
            self.fail("no such session");
        };
        // Any input that is no request will do for what must hold after it.
        let by_hand = Input::DeadlineReached { record: Id(0) };
        let actions = self.committed(root, changes, actions, &[by_hand]);
        self.perform_later(actions, Place::Elsewhere);
        said
    }

    // ---- carrying out ----

    /// Another worker may get its turn before these actions are carried out.
    fn perform_later(&mut self, actions: Vec<Action>, place: Place) {
        if actions.is_empty() {
            return;
        }
        let late = self.work();
        self.after(late, Event::Perform(actions, place));
    }

    pub(super) fn perform(&mut self, actions: Vec<Action>, place: Place) {
        let mut queue = VecDeque::from(actions);
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Answer(answer) => {
                    let Place::Request { peer, request } = &place else {
                        self.fail("an answer without a request to answer");
                    };
                    self.record_answer(*peer, request, &answer);
                    if self.faults.answers {
                        if let Some(leg) = answer.connects {
                            queue.extend(self.apply(leg, Input::AnswerFailed { leg }));
                        }
                        continue;
                    }
                    self.tm_answer(
                        request,
                        answer.code,
                        &answer.reason,
                        &answer.to_tag,
                        &answer.headers,
                        &answer.body,
                    );
                }
                Action::Send(outgoing) if outgoing.next_hop().is_address_literal() => {
                    self.send(&outgoing);
                }
                // A name is resolved by a process of its own.
                Action::Send(outgoing) => {
                    let late = self.work();
                    self.after(late, Event::HandedOver(outgoing));
                }
                Action::Cancel { transaction, .. } => self.tm_cancel(transaction),
                Action::Count(counter, by) => self.count(counter, by),
                Action::Log(level, line) => {
                    self.note(format!("log   {line}"));
                    self.logs.push((level, line));
                }
                Action::Trail(added) => self.record(&added),
            }
        }
    }

    fn record(&mut self, added: &TrailEntries) {
        for (refer, entry) in added.iter() {
            let told = match entry {
                TrailEntry::Opened { call_id, .. } => Told::Opened(call_id.to_owned()),
                TrailEntry::Note(note) => {
                    let line = trail_entries::line(note, false);
                    Told::Line(line.expect("a note of this build"))
                }
            };
            self.trails.push((refer, told));
        }
    }

    pub(super) fn send(&mut self, outgoing: &OutgoingRequest) {
        let to = self.peer_at(outgoing.request_uri.as_str());
        let fails = self.faults.sends.contains(&outgoing.method);
        let Some(to) = to.filter(|_| !fails) else {
            self.note(format!("send  {} fails", outgoing.method.as_str()));
            self.record_unsent(outgoing);
            if let Some(peer) = to {
                self.peers[peer].unreliable |= outgoing.method == Method::Ack;
            }
            if let Some(record) = outgoing.owner {
                let actions = self.apply(
                    record,
                    Input::SendFailed {
                        record,
                        method: outgoing.method.clone(),
                        cseq: outgoing.cseq,
                        why: "no route".into(),
                    },
                );
                self.perform_later(actions, Place::Elsewhere);
            }
            return;
        };
        let transaction = self.tm_send(outgoing, to);
        if let (Method::Invite, Some(leg)) = (&outgoing.method, outgoing.owner) {
            // tm gives the transaction's name only after the message is out.
            let late = match self.faults.invite_sent_after {
                Some(late) => late,
                None => self.work(),
            };
            let cseq = outgoing.cseq;
            self.after(
                late,
                Event::InviteSent {
                    leg,
                    cseq,
                    transaction,
                },
            );
        }
        if let (Method::Ack, Some(leg)) = (&outgoing.method, outgoing.owner) {
            self.inputs_arrive(leg, Input::AckSent { leg });
        }
    }

    pub(super) fn inputs_arrive(&mut self, record: Id, input: Input<'_>) {
        let actions = self.apply(record, input);
        self.perform_later(actions, Place::Elsewhere);
    }

    fn response(&mut self, response: &Response, from: usize) {
        let dialog = self.find(&Name::Dialog {
            call_id: response.call_id.clone(),
            local_tag: response.from_tag.clone(),
        });
        let accepts =
            response.cseq_method == cpm::sip::Method::Invite && response.status / 100 == 2;
        if accepts && dialog.is_none() && self.ends_stray(response) {
            return;
        }
        let owner = match self.tm_reply(response) {
            Reply::Known(owner) => owner,
            // A 2xx to an INVITE whose transaction is gone finds its leg by the dialog.
            Reply::Unknown => dialog.filter(|_| accepts),
        };
        if let Some(record) = owner {
            self.inputs_arrive(
                record,
                Input::AnswerReceived {
                    record,
                    response,
                    from: self.source(from),
                    expected: true,
                },
            );
        }
    }

    /// Nothing is left of the leg, but the peer believes in a dialog.
    fn ends_stray(&mut self, response: &Response) -> bool {
        let socket = self.settings.sockets[0];
        let Some(stray) = self.with_env(|env| StrayAnswer::of(response, socket, env)) else {
            return false;
        };
        let reaction = stray.remember(&mut self.ended_answers, self.now);
        let requests = stray.requests(reaction).into_iter();
        let sends = requests.map(|request| Action::Send(Box::new(request)));
        self.perform_later(sends.collect(), Place::Elsewhere);
        true
    }

    /// Who is reached by a URI: an address, or somebody registered under it.
    pub fn peer_at(&self, uri: &str) -> Option<usize> {
        let uri = Uri::parse(uri.as_bytes()).ok()?;
        if let Some(peer) = self.peers.iter().position(|p| p.host == uri.host()) {
            return Some(peer);
        }
        let known = identity(&uri);
        self.peers.iter().position(|peer| {
            let own = peer.identities.iter();
            own.filter_map(|own| Uri::parse(own.as_bytes()).ok())
                .any(|own| identity(&own) == known)
        })
    }

    fn count(&mut self, counter: Counter, by: i32) {
        *self.counters.entry(format!("{counter:?}")).or_insert(0) += i64::from(by);
    }

    pub fn counted(&self, counter: Counter) -> i64 {
        self.counters
            .get(&format!("{counter:?}"))
            .copied()
            .unwrap_or(0)
    }

    fn find(&self, name: &Name) -> Option<Id> {
        cpm::cpm::records::SessionStore::find(&self.records, name)
    }

    pub(super) fn with_env<T>(&self, f: impl FnOnce(&Env<'_>) -> T) -> T {
        let now: Millis = self.now;
        f(&Env {
            now,
            unix: 1_700_000_000 + (now / 1000) as i64,
            settings: &self.settings,
            groups: &self.groups,
            random: &|| self.tokens.bits(),
            room: &|| {
                let waiting = self.counted(Counter::InvitesWaiting);
                self.room.saturating_sub(waiting.try_into().unwrap_or(0))
            },
            seal: &|text| u128::from(fingerprint(text.as_bytes())) << 64,
            turn: &|bucket, rate, count, patience| {
                let mut turns = self.turns.borrow_mut();
                let kept = turns.entry(bucket.name()).or_insert(0);
                let (next, wait) = rate.take(*kept, now * 1000, count, patience)?;
                *kept = next;
                Ok(wait)
            },
            clock: &|| now * 1000,
            wanted: self.wanted,
        })
    }
}

/// What an input is called in the figures of what it costs.
fn name_of(input: &Input<'_>) -> &'static str {
    match input {
        Input::AnswerReceived { response, .. } => match (&response.cseq_method, response.status) {
            (Method::Invite, ..200) => "provisional answer",
            (Method::Invite, _) => "final answer",
            (Method::Notify, _) => "answer to NOTIFY",
            _ => "other answer",
        },
        Input::InviteSent { .. } => "INVITE sent",
        Input::AckSent { .. } => "ACK sent",
        Input::DeadlineReached { .. } => "deadline",
        Input::TimedOut { .. } => "timeout",
        _ => "request",
    }
}
