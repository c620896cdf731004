//! The test world: a clock that stands still until something happens, and everything that can happen.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use cpm::cpm::action::{Action, Level};
use cpm::cpm::env::Wanted;
use cpm::cpm::input::{Arrival, Input};
use cpm::cpm::outgoing_message::{Answer, OutgoingRequest};
use cpm::cpm::policy::Directory;
use cpm::cpm::records::{Id, Record};
use cpm::cpm::records::{ReferId, TransactionId};
use cpm::cpm::settings::Settings;
use cpm::cpm::stray_answer::EndedAnswer;
use cpm::cpm::time::{Micros, Millis};
use cpm::sip::Method;
use cpm::sip::{Request, Response};

use super::chance::{Chance, Link, Network};
use super::focus::Place;
use super::ledger::{Ledger, Promise, Sent};
use super::peer::{Begun, Effect, Peer, Timer};
use super::roster::Roster;
use super::store::Records;
use super::tm::{Tm, TmTimer};

/// How many lines of the past a failure shows.
const TRAIL: usize = 120;

pub enum Event {
    ToFocus(usize, Vec<u8>),
    ToPeer(usize, Vec<u8>),
    PeerTimer(usize, Timer),
    Tm(TmTimer),
    /// A worker carries out what it decided.
    Perform(Vec<Action>, Place),
    /// One of the sender processes has resolved the next hop.
    HandedOver(Box<OutgoingRequest>),
    InviteSent {
        leg: Id,
        cseq: u32,
        transaction: TransactionId,
    },
    TimedOut {
        record: Id,
        status: u16,
    },
}

/// What goes wrong inside the server.
#[derive(Default)]
pub struct Faults {
    /// Requests that tm refuses to send.
    pub sends: Vec<Method>,
    /// No answer can be sent.
    pub answers: bool,
    /// How many of the inputs in a hundred are lost between tm and the store.
    pub forgets: u8,
    /// Which commits find no room in shared memory, counted by `commits` from 1.
    pub full: Range<u64>,
    /// Commits that needed room.
    pub commits: u64,
    /// When the name of an INVITE's transaction comes back, instead of by chance.
    pub invite_sent_after: Option<Millis>,
}

/// One entry of a decision trail, as `cpm.why` shows it.
pub enum Told {
    /// It begins with a request of this Call-ID.
    Opened(String),
    Line(String),
}

pub struct World {
    pub now: Millis,
    pub settings: Settings,
    pub groups: Directory,
    pub records: Records,
    pub peers: Vec<Peer>,
    pub network: Network,
    pub faults: Faults,
    pub ledger: Ledger,
    pub chance: Chance,
    /// What is written down.
    pub wanted: Wanted,
    /// Decision trails, as far as they were performed.
    pub trails: Vec<(ReferId, Told)>,
    /// All lines of the log.
    pub logs: Vec<(Level, String)>,
    /// What conference subscribers believe, by dialog and Event id.
    pub(super) rosters: BTreeMap<((String, String), Option<String>), Roster>,
    /// How often that was held against a full document.
    pub rosters_compared: u64,
    pub(super) tokens: Chance,
    pub tm: Tm,
    pub(super) counters: BTreeMap<String, i64>,
    /// How many INVITEs there is memory for.
    pub room: u64,
    /// Stray 2xx that were ended.
    pub(super) ended_answers: Vec<EndedAnswer>,
    /// What is kept of the rates, by bucket.
    pub(super) turns: RefCell<BTreeMap<String, Micros>>,
    /// Bytes of records that each event of a session moved.
    pub moved: Vec<(&'static str, usize)>,
    queue: BTreeMap<(Millis, u64), Event>,
    serial: u64,
    /// How late the process that watches deadlines looks next.
    pub(super) tick: Millis,
    trail: VecDeque<String>,
}

impl World {
    pub fn new(settings: Settings, groups: Directory, link: Link, seed: u64) -> Self {
        World {
            now: 1_000_000,
            settings,
            groups,
            records: Records::default(),
            peers: Vec::new(),
            network: Network::new(link),
            faults: Faults::default(),
            ledger: Ledger::default(),
            chance: Chance::new(seed),
            wanted: Wanted::ALL,
            trails: Vec::new(),
            logs: Vec::new(),
            rosters: BTreeMap::new(),
            rosters_compared: 0,
            tokens: Chance::new(seed ^ 0x0070_6f6b_656e),
            tm: Tm::default(),
            counters: BTreeMap::new(),
            room: u64::MAX,
            ended_answers: vec![EndedAnswer::default(); 64],
            turns: RefCell::default(),
            moved: Vec::new(),
            queue: BTreeMap::new(),
            serial: 0,
            tick: 0,
            trail: VecDeque::new(),
        }
    }

    /// A new endpoint, known by `identities`.
    pub fn peer(&mut self, name: &str, identities: &[&str]) -> usize {
        let index = self.peers.len();
        let host = format!("127.0.1.{}", index + 1);
        let identities = identities.iter().map(|uri| (*uri).to_owned()).collect();
        self.peers.push(Peer::new(name, identities, host));
        index
    }

    /// Lets an endpoint begin something; the branch names it.
    pub fn lets(&mut self, peer: usize, what: impl FnOnce(&mut Peer) -> Begun) -> String {
        let begun = what(&mut self.peers[peer]);
        self.effects(peer, begun.effects);
        begun.branch
    }

    pub fn effects(&mut self, peer: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(bytes) => self.deliver_to_focus(peer, bytes),
                Effect::After(ms, timer) => self.after(ms, Event::PeerTimer(peer, timer)),
            }
        }
    }

    // ---- time ----

    /// Lets everything happen until `ms` from now.
    pub fn run(&mut self, ms: Millis) {
        let until = self.now + ms;
        while let Some(at) = self.next_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = until;
    }

    /// Lets everything happen until nothing is left to happen.
    pub fn run_out(&mut self) {
        let begun = self.now;
        while let Some(at) = self.next_at() {
            self.now = self.now.max(at);
            if self.now > begun + 3_600_000 {
                self.fail("an hour later there is still something to do");
            }
            self.step();
        }
    }

    fn next_at(&self) -> Option<Millis> {
        let event = self.queue.keys().next().map(|(at, _)| *at);
        let due = self.records.first_due().map(|(at, _)| at + self.tick);
        event.into_iter().chain(due).min()
    }

    fn step(&mut self) {
        let event_at = self.queue.keys().next().map(|(at, _)| *at);
        let due = self.records.first_due();
        if let Some((at, record)) = due {
            if event_at.is_none_or(|event| at + self.tick < event) {
                self.tick = self.work();
                // The process that watches deadlines finds more than one when it is late.
                return match self.chance.percent(50) {
                    true => self.deadlines_arrive(record),
                    false => self.inputs_arrive(record, Input::DeadlineReached { record }),
                };
            }
        }
        let Some((_, event)) = self.queue.pop_first() else {
            return;
        };
        match event {
            Event::ToFocus(from, bytes) => self.focus_receives(from, &bytes),
            Event::ToPeer(to, bytes) => {
                let effects = self.peers[to].arrives(&bytes);
                self.effects(to, effects);
            }
            Event::PeerTimer(peer, timer) => {
                let effects = self.peers[peer].timer(timer);
                self.effects(peer, effects);
            }
            Event::Tm(timer) => self.tm_timer(timer),
            Event::Perform(actions, place) => self.perform(actions, place),
            Event::HandedOver(outgoing) => self.send(&outgoing),
            Event::InviteSent {
                leg,
                cseq,
                transaction,
            } => {
                let input = Input::InviteSent {
                    leg,
                    cseq,
                    transaction,
                };
                self.inputs_arrive(leg, input);
            }
            Event::TimedOut { record, status } => {
                self.inputs_arrive(record, Input::TimedOut { record, status });
            }
        }
    }

    pub(super) fn after(&mut self, ms: Millis, event: Event) {
        self.serial += 1;
        self.queue.insert((self.now + ms, self.serial), event);
    }

    /// How long a process of the server takes this time.
    pub(super) fn work(&self) -> Millis {
        self.chance.upto(self.network.link.work)
    }

    // ---- the network ----

    pub(super) fn deliver_to_peer(&mut self, peer: usize, bytes: Vec<u8>) {
        let copies = self.network.carry(&bytes, &self.chance);
        self.note_datagram("->", peer, &bytes, copies.len());
        for ms in copies {
            self.after(ms, Event::ToPeer(peer, bytes.clone()));
        }
    }

    fn deliver_to_focus(&mut self, peer: usize, bytes: Vec<u8>) {
        let copies = self.network.carry(&bytes, &self.chance);
        self.note_datagram("<-", peer, &bytes, copies.len());
        for ms in copies {
            self.after(ms, Event::ToFocus(peer, bytes.clone()));
        }
    }

    // ---- what was seen ----

    /// Requests of one method that the focus sent, each once.
    pub fn sent(&self, method: &str) -> Vec<&Sent> {
        let sent = self.ledger.sent.iter();
        sent.filter(|sent| sent.request.method.as_str() == method)
            .collect()
    }

    /// The same, to one endpoint.
    pub fn sent_to(&self, peer: usize, method: &str) -> Vec<&Sent> {
        let mut sent = self.sent(method);
        sent.retain(|sent| sent.to == peer);
        sent
    }

    /// The final answer a request got.
    pub fn answer(&self, peer: usize, branch: &str) -> Option<&Response> {
        self.peers[peer].asked.get(branch)?.answer.as_ref()
    }

    /// What an endpoint answered the newest request of that method with, if it has.
    pub fn status_of_last(&self, peer: usize, method: &str) -> Option<u16> {
        self.peers[peer].last_answer(method)
    }

    pub fn status(&self, peer: usize, branch: &str) -> u16 {
        self.answer(peer, branch).map_or(0, |answer| answer.status)
    }

    /// What the focus owes for the REFER with this branch.
    pub fn promise(&self, peer: usize, branch: &str) -> &Promise {
        let request = &self.peers[peer].asked[branch].request;
        let promise = self.ledger.promises.iter().find(|p| {
            p.call_id == request.call_id
                && p.cseq == request.cseq
                && p.theirs == request.from_tag.as_str()
        });
        promise.unwrap_or_else(|| self.fail("this REFER was not accepted"))
    }

    /// Status and whether it was the last word, of each NOTIFY of a REFER.
    pub fn told(&self, peer: usize, branch: &str) -> Vec<(u16, bool)> {
        let told = self.promise(peer, branch).told.iter();
        told.map(|told| (told.status, told.is_terminal())).collect()
    }

    // ---- bookkeeping ----

    pub(super) fn record_sent(&mut self, outgoing: &OutgoingRequest, to: usize, request: &Request) {
        let text = format!(
            "{} {}\r\n{}\r\n{}",
            request.uri,
            outgoing.from,
            outgoing.headers,
            String::from_utf8_lossy(&outgoing.body)
        );
        let text = format!(
            "{text}\r\n{}{}{}",
            outgoing.call_id, outgoing.local_tag, outgoing.to
        );
        let fits = match outgoing.method {
            Method::Notify if request.event().is_some_and(|(e, _)| e == "conference") => {
                let shown = self.ledger.shows(request);
                shown.and_then(|()| self.roster_agrees(outgoing, request))
            }
            Method::Notify => self.ledger.tell(request, self.now),
            // A re-INVITE was asked for by nobody.
            Method::Invite if request.to_tag.is_none() => {
                self.ledger
                    .invites(request, &text, |peer| self.traces(peer))
            }
            _ => Ok(()),
        };
        let fits = fits.and_then(|()| self.ledger.leaves(outgoing, self.now));
        if let Err(why) = fits {
            self.fail(&why);
        }
        let at = self.now;
        self.ledger.sent.push(Sent {
            at,
            to,
            request: request.clone(),
            text,
        });
    }

    /// What would give a peer away, in lower case.
    fn traces(&self, peer: usize) -> Vec<String> {
        let peer = &self.peers[peer];
        let mut traces = vec![peer.name.to_ascii_lowercase(), format!("{}:", peer.host)];
        traces.extend(peer.identities.iter().filter_map(|uri| {
            let number = uri.strip_prefix("tel:+")?;
            Some(number.to_owned())
        }));
        traces
    }

    pub(super) fn record_cancel(&mut self, to: usize, _label: u32, bytes: &[u8]) {
        if let Ok(request) = Request::parse(bytes, false) {
            self.ledger.cancels.push((to, request.uri));
        }
    }

    pub(super) fn record_answer(&mut self, peer: usize, request: &Request, answer: &Answer) {
        self.note(format!(
            "answer {} to {} of {}",
            answer.code, request.method, self.peers[peer].name
        ));
    }

    /// A REFER that is accepted is owed something from the commit on.
    pub(super) fn note_promise(&mut self, root: Id, input: &Input<'_>, actions: &[Action]) {
        let (arrival, holder): (&Arrival, Option<Id>) = match input {
            Input::ReferReceived(arrival) => (arrival, None),
            Input::RequestReceived { arrival, holder } => (arrival, Some(*holder)),
            Input::FactoryInviteReceived(arrival) => {
                let contact = arrival.request.contact();
                let peer = contact.and_then(|contact| self.peer_at(contact.as_str()));
                if let Some(peer) = peer {
                    self.ledger
                        .wishes(peer, &arrival.request, Vec::new(), false);
                }
                return;
            }
            _ => return,
        };
        let accepted = actions.iter().find_map(|action| match action {
            Action::Answer(answer) if answer.code < 300 => Some(answer),
            _ => None,
        });
        if let Some(answer) = accepted.filter(|_| arrival.request.method == cpm::sip::Method::Refer)
        {
            let contact = arrival.request.contact();
            let peer = contact.and_then(|contact| self.peer_at(contact.as_str()));
            let inherits = self.is_anonymous(root, peer, holder)
                || self.ledger.is_anonymous_dialog(&arrival.request);
            let peer = peer.unwrap_or_else(|| self.fail("a REFER from nowhere"));
            self.ledger
                .promised(peer, &arrival.request, answer, inherits);
        }
    }

    /// Who joined anonymously stays so (R2.5).
    fn is_anonymous(&self, root: Id, peer: Option<usize>, holder: Option<Id>) -> bool {
        let contact = peer.map(|peer| self.peers[peer].contact());
        self.records.below(root).any(|(id, record)| match record {
            Record::Leg(leg) => {
                let target = leg.dialog.remote_target.as_str();
                let its = Some(target) == contact.as_deref() && leg.is_connected();
                leg.anonymous && (holder == Some(id) || its)
            }
            _ => false,
        })
    }

    pub(super) fn note_input(&mut self, input: &Input<'_>) {
        self.ledger.heard(input);
        let line = match input {
            Input::InviteReceived(_)
            | Input::ReferReceived(_)
            | Input::SubscribeReceived(_)
            | Input::OptionsReceived(_) => return,
            Input::RequestReceived { .. } | Input::AckReceived { .. } => return,
            Input::FactoryInviteReceived(_) => return,
            Input::AnswerReceived { .. } => return,
            other => format!("input {other:?}"),
        };
        self.note(line);
    }

    fn note_datagram(&mut self, way: &str, peer: usize, bytes: &[u8], copies: usize) {
        let text = String::from_utf8_lossy(bytes);
        let start = text.lines().next().unwrap_or_default();
        let cseq = text.lines().find(|line| line.starts_with("CSeq"));
        let name = &self.peers[peer].name;
        let fate = match copies {
            0 => " LOST",
            1 => "",
            _ => " TWICE",
        };
        let line = format!("{way} {name}: {start} ({}){fate}", cseq.unwrap_or_default());
        self.note(line);
    }

    pub(super) fn note(&mut self, line: String) {
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        let at = self.now - 1_000_000;
        self.trail.push_back(format!("{at:>8} {line}"));
    }

    /// Ends the test; whoever plays shows the trail.
    pub fn fail(&self, why: &str) -> ! {
        panic!("{why}");
    }

    /// What led here, for whoever has to find out why.
    pub fn trail(&self) -> String {
        let trail: Vec<&str> = self.trail.iter().map(String::as_str).collect();
        trail.join("\n")
    }
}
