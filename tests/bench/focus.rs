//! What the module spends on a request, from its bytes to what is committed, without Kamailio around it.
//! Not here: the network and tm (`price`), and any promise about time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[allow(dead_code)] // Shared with the flow tests; not all of it is needed here.
#[path = "../pure/flows/bed/groups.rs"]
mod groups;

use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::SocketAddr;

use cpm::cpm::action::Action;
use cpm::cpm::env::Env;
use cpm::cpm::input::{Arrival, Input};
use cpm::cpm::policy::Directory;
use cpm::cpm::records::{Id, Name};
use cpm::cpm::settings::Settings;
use cpm::cpm::socket::{Socket, Transport};
use cpm::sip::Request;
use cpm::store::engine::{Engine, EngineConfig};
use cpm::store::memory::{Arena, SharedMap};
use cpm::store::sessions::{OfGroup, Store};
use criterion::{criterion_group, criterion_main, BatchSize, BenchmarkId, Criterion};

/// Bytes of the shared map, which never gives memory back to the system.
const MEMORY: usize = 1 << 30;
const NOW: u64 = 1_000_000;

/// A focus with one group and nobody around it.
struct Bed<'a> {
    store: Store<Arena<'a>>,
    settings: Settings,
    groups: Directory,
    drawn: Cell<u128>,
}

impl<'a> Bed<'a> {
    fn new(map: &'a SharedMap) -> Bed<'a> {
        let engine = Engine::create(map.arena(), EngineConfig::default(), NOW);
        let mut settings = groups::settings();
        settings.max_participants = 10_000;
        settings.max_refer_targets = 1_000;
        Bed {
            store: Store::new(engine.expect("the map has room")),
            settings,
            groups: groups::team(None),
            drawn: Cell::new(0),
        }
    }

    fn env<T>(&self, f: impl FnOnce(&Env<'_>) -> T) -> T {
        f(&Env {
            now: NOW,
            unix: 1_700_000_000,
            settings: &self.settings,
            groups: &self.groups,
            random: &|| {
                self.drawn.set(self.drawn.get() + 1);
                self.drawn.get()
            },
            room: &|| u64::MAX,
            seal: &|text| self.store.seal(text),
            turn: &|_, _, _, _| Ok(0),
            clock: &|| NOW * 1000,
        })
    }

    /// What a request outside a dialog makes of the group's session.
    fn group_gets(&self, bytes: &[u8]) -> Vec<Action> {
        let arrival = arrived(bytes);
        let group = groups::GROUP.parse_uri();
        let group = self.groups.find(&group).expect("the group of the bed");
        let input = match arrival.request.method.as_str() {
            "INVITE" => Input::InviteReceived(&arrival),
            "REFER" => Input::ReferReceived(&arrival),
            other => panic!("no input for {other}"),
        };
        let done = self.env(|env| {
            let which = OfGroup::LivingOrNew;
            self.store
                .with_group(group, which, env, |session| session.handle(input))
        });
        done.expect("the store takes it")
    }

    /// A session of that many participants; gives the Call-ID and our tag of the last one's dialog.
    fn session_of(&self, participants: usize) -> (String, String) {
        let mut last = (String::new(), String::new());
        for n in 0..participants {
            let who = match n {
                0 => "sip:alice@home1.test".to_owned(),
                n => format!("sip:p{n}@home1.test"),
            };
            let call_id = format!("join-{n}");
            let actions = self.group_gets(&request("INVITE", &who, &call_id, None, SDP, SDP_TYPE));
            let tag = actions.iter().find_map(|action| match action {
                Action::Answer(answer) if answer.code == 200 => Some(answer.to_tag.clone()),
                _ => None,
            });
            last = (call_id, tag.expect("joined").to_string());
        }
        last
    }

    fn in_dialog(&self, bytes: &[u8]) -> Vec<Action> {
        let arrival = arrived(bytes);
        let name = Name::Dialog {
            call_id: arrival.request.call_id.clone(),
            local_tag: arrival
                .request
                .to_tag
                .clone()
                .expect("a request in a dialog"),
        };
        let holder = self.store.find(&name).expect("the dialog");
        let arrival = &arrival;
        let done = self.env(|env| {
            self.store.with_record(holder, env, |session| {
                session.handle(Input::RequestReceived { holder, arrival });
            })
        });
        done.expect("the store takes it")
    }

    fn forget(&self) {
        for id in self.store.sessions(None, usize::MAX) {
            self.forget_one(id);
        }
    }

    fn forget_one(&self, id: Id) {
        let done = self.env(|env| self.store.with_record(id, env, |session| session.give_up()));
        done.expect("the store lets it go");
    }
}

trait ParseUri {
    fn parse_uri(&self) -> cpm::sip::uri::Uri;
}

impl ParseUri for str {
    fn parse_uri(&self) -> cpm::sip::uri::Uri {
        cpm::sip::uri::Uri::parse(self.as_bytes()).expect("a URI of the bench")
    }
}

const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/s;tcp\r\na=sendrecv\r\n";

fn request(
    method: &str,
    from: &str,
    call_id: &str,
    to_tag: Option<&str>,
    body: &str,
    headers: &str,
) -> Vec<u8> {
    let group = groups::GROUP;
    let to_tag = to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
    let cseq = if to_tag.is_empty() { 1 } else { 2 };
    format!(
        "{method} {group} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK{call_id}\r\n\
         Max-Forwards: 70\r\nFrom: <{from}>;tag=t\r\nTo: <{group}>{to_tag}\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\nContact: <sip:c@127.0.0.1:5080>\r\nP-Asserted-Identity: <{from}>\r\n\
         {headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A REFER as RCS clients write it: one target, or a list.
fn refer(targets: usize) -> Vec<u8> {
    let alice = "sip:alice@home1.test";
    if targets == 1 {
        let headers = "Refer-To: <sip:t0@home1.test>\r\nRefer-Sub: false\r\n";
        return request("REFER", alice, "refer", None, "", headers);
    }
    let mut list = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists \
         xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>\r\n",
    );
    for n in 0..targets {
        let _ = write!(
            list,
            "<entry uri=\"sip:t{n}@home1.test\" cp:copyControl=\"to\"/>\r\n"
        );
    }
    list.push_str("</list></resource-lists>");
    let headers = "Require: multiple-refer\r\nRequire: norefersub\r\nRefer-Sub: false\r\n\
         Refer-To: <cid:list@home1.test>\r\nContent-ID: <list@home1.test>\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n";
    request("REFER", alice, "refer", None, &list, headers)
}

fn arrived(bytes: &[u8]) -> Arrival {
    Arrival {
        request: Request::parse(bytes, false).expect("a request of the bench"),
        socket: Socket {
            transport: Transport::Udp,
            address: [127, 0, 0, 1].into(),
            port: 5060,
        },
        source: SocketAddr::from(([127, 0, 0, 1], 5060)),
        trusted: true,
        read_at: NOW * 1000,
    }
}

/// A REFER in a session of two: parsed, admitted, all INVITEs decided, committed.
fn refers(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER accepted, by targets");
    group.sample_size(20);
    for targets in [1, 10, 100, 1_000] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(&map);
        let bytes = refer(targets);
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter_batched(
                || {
                    bed.forget();
                    bed.session_of(2);
                },
                |()| {
                    let actions = bed.group_gets(&bytes);
                    assert!(actions.len() >= targets, "{actions:?}");
                    actions
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The head and the list of a REFER, parsed only.
fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER parsed, by targets");
    for targets in [1, 100] {
        let bytes = refer(targets);
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter(|| Request::parse(black_box(&bytes), false));
        });
    }
    group.finish();
}

/// An event on one leg: what it costs must not depend on how many others there are.
fn one_leg(c: &mut Criterion) {
    let mut group = c.benchmark_group("UPDATE of one leg, by participants");
    for participants in [3, 30, 300] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(&map);
        let (call_id, tag) = bed.session_of(participants);
        let who = format!("sip:p{}@home1.test", participants - 1);
        let headers = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
        let text = request("UPDATE", &who, &call_id, Some(&tag), "", headers);
        let text = String::from_utf8(text).expect("text");
        let mut cseq = 2u32;
        group.bench_function(BenchmarkId::from_parameter(participants), |b| {
            b.iter_batched(
                || {
                    cseq += 1;
                    text.replace("CSeq: 2 ", &format!("CSeq: {cseq} "))
                },
                |text| {
                    let actions = bed.in_dialog(text.as_bytes());
                    let ok = |a: &Action| matches!(a, Action::Answer(answer) if answer.code == 200);
                    assert!(actions.iter().any(ok), "{actions:?}");
                    actions
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A look at the deadlines while nothing is due. Each record that waits is met once per round of the
/// timing wheel, so this grows with their number, but by nanoseconds.
fn looking(c: &mut Criterion) {
    let mut group = c.benchmark_group("nothing due, by legs that wait");
    for participants in [10, 1_000, 10_000] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(&map);
        bed.session_of(participants);
        let mut now = NOW;
        group.bench_function(BenchmarkId::from_parameter(participants), |b| {
            b.iter(|| {
                // As often as the module looks, every 50 ms; all legs are refreshed much later.
                now = NOW + (now - NOW + 50) % 60_000;
                bed.store.due(black_box(now), 256)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parsing, refers, one_leg, looking);
criterion_main!(benches);
