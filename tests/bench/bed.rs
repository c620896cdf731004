//! A focus with one group over the real store: what the benchmarks and the instruction counts drive, without
//! Kamailio. Not here: what is measured.

#[path = "../pure/flows/bed/groups.rs"]
mod groups;

use std::cell::Cell;
use std::fmt::Write as _;
use std::net::SocketAddr;

use cpm::cpm::action::Action;
use cpm::cpm::env::{Env, Wanted};
use cpm::cpm::input::{Arrival, Input};
use cpm::cpm::policy::Directory;
use cpm::cpm::records::{Id, Name};
use cpm::cpm::settings::Settings;
use cpm::cpm::socket::{Socket, Transport};
use cpm::cpm::time::Millis;
use cpm::sip::Request;
use cpm::store::engine::{Engine, EngineConfig};
use cpm::store::memory::Memory;
use cpm::store::sessions::{AccessError, OfGroup, Store};

/// Bytes of the shared map, which never gives memory back to the system.
pub const MEMORY: usize = 1 << 30;
pub const NOW: u64 = 1_000_000;
pub const ALICE: &str = "sip:alice@home1.test";

/// A focus with one group and nobody around it.
pub struct Bed<M: Memory> {
    pub store: Store<M>,
    pub settings: Settings,
    pub groups: Directory,
    /// The time.
    pub now: Cell<Millis>,
    /// How long the next turn of a rate is waited for, ms.
    pub wait: Cell<Millis>,
    drawn: Cell<u128>,
}

impl<M: Memory> Bed<M> {
    pub fn new(memory: M) -> Bed<M> {
        let engine = Engine::create(memory, EngineConfig::default(), NOW);
        let mut settings = groups::settings();
        settings.max_participants = 10_000;
        settings.max_refer_targets = 1_000;
        Bed {
            store: Store::new(engine.expect("the map has room")),
            settings,
            groups: groups::team(None),
            now: Cell::new(NOW),
            wait: Cell::new(0),
            drawn: Cell::new(0),
        }
    }

    pub fn env<T>(&self, f: impl FnOnce(&Env<'_>) -> T) -> T {
        f(&Env {
            now: self.now.get(),
            unix: 1_700_000_000,
            settings: &self.settings,
            groups: &self.groups,
            random: &|| {
                self.drawn.set(self.drawn.get() + 1);
                self.drawn.get()
            },
            room: &|| u64::MAX,
            seal: &|text| self.store.seal(text),
            turn: &|_, _, _, _| Ok(self.wait.get()),
            clock: &|| self.now.get() * 1000,
            wanted: Wanted::ALL,
        })
    }

    /// What a request outside a dialog makes of the group's session.
    pub fn group_gets(&self, bytes: &[u8]) -> Vec<Action> {
        self.group_takes(&arrived(bytes))
    }

    /// The same, parsed already.
    pub fn group_takes(&self, arrival: &Arrival) -> Vec<Action> {
        self.group_tries(arrival).expect("the store takes it")
    }

    /// The same, if there is room.
    pub fn group_tries(&self, arrival: &Arrival) -> Result<Vec<Action>, AccessError> {
        let group = groups::GROUP.parse_uri();
        let group = self.groups.find(&group).expect("the group of the bed");
        let input = match arrival.request.method.as_str() {
            "INVITE" => Input::InviteReceived(arrival),
            "REFER" => Input::ReferReceived(arrival),
            other => panic!("no input for {other}"),
        };
        self.env(|env| {
            let which = OfGroup::LivingOrNew;
            self.store
                .with_group(group, which, env, |session| session.handle(input))
        })
    }

    /// A session of that many participants; gives the Call-ID and our tag of the last one's dialog.
    pub fn session_of(&self, participants: usize) -> (String, String) {
        let mut last = (String::new(), String::new());
        for n in 0..participants {
            let who = match n {
                0 => ALICE.to_owned(),
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

    pub fn in_dialog(&self, bytes: &[u8]) -> Vec<Action> {
        let arrival = arrived(bytes);
        let holder = self.holder_of(&arrival);
        let arrival = &arrival;
        self.happens(holder, Input::RequestReceived { holder, arrival })
    }

    /// Whose dialog a request is in.
    pub fn holder_of(&self, arrival: &Arrival) -> Id {
        let name = Name::Dialog {
            call_id: arrival.request.call_id.clone(),
            local_tag: arrival
                .request
                .to_tag
                .clone()
                .expect("a request in a dialog"),
        };
        self.store.find(&name).expect("the dialog")
    }

    /// What an event makes of the session of this record.
    pub fn happens(&self, record: Id, input: Input<'_>) -> Vec<Action> {
        self.tries(record, input).expect("the store takes it")
    }

    /// The same, if there is room.
    pub fn tries(&self, record: Id, input: Input<'_>) -> Result<Vec<Action>, AccessError> {
        self.env(|env| {
            self.store
                .with_record(record, env, |session| session.handle(input))
        })
    }

    pub fn forget(&self) {
        for id in self.store.sessions(None, usize::MAX) {
            self.forget_one(id);
        }
    }

    pub fn forget_one(&self, id: Id) {
        let done = self.env(|env| self.store.with_record(id, env, |session| session.give_up()));
        done.expect("the store lets it go");
    }
}

pub trait ParseUri {
    fn parse_uri(&self) -> cpm::sip::uri::Uri;
}

impl ParseUri for str {
    fn parse_uri(&self) -> cpm::sip::uri::Uri {
        cpm::sip::uri::Uri::parse(self.as_bytes()).expect("a URI of the bench")
    }
}

pub const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";
pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/s;tcp\r\na=sendrecv\r\n";

pub fn request(
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
pub fn refer(targets: usize) -> Vec<u8> {
    if targets == 1 {
        return refer_to("t0", "refer", "Refer-Sub: false\r\n");
    }
    in_list(targets, "Require: norefersub\r\nRefer-Sub: false\r\n")
}

/// One with a list.
pub fn in_list(targets: usize, more: &str) -> Vec<u8> {
    let list = list(targets);
    let headers = format!(
        "Require: multiple-refer\r\n{more}\
         Refer-To: <cid:list@home1.test>\r\nContent-ID: <list@home1.test>\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n"
    );
    request("REFER", ALICE, "refer", None, &list, &headers)
}

/// One with this target alone.
pub fn refer_to(target: &str, call_id: &str, headers: &str) -> Vec<u8> {
    let headers = format!("Refer-To: <sip:{target}@home1.test>\r\n{headers}");
    request("REFER", ALICE, call_id, None, "", &headers)
}

/// The body that names so many.
fn list(targets: usize) -> String {
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
    list
}

pub fn arrived(bytes: &[u8]) -> Arrival {
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
