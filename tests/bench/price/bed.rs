//! The module's own store with sessions in it, without Kamailio: for more of them than SIP makes in a reasonable time.

#[allow(dead_code)] // Shared with the flow tests; not all of it is needed here.
#[path = "../../pure/flows/bed/groups.rs"]
mod groups;

use cpm::cpm::action::Action;
use cpm::cpm::env::{Env, Wanted};
use cpm::cpm::input::{Arrival, Input, MessageSource};
use cpm::cpm::policy::Directory;
use cpm::cpm::records::Name;
use cpm::cpm::settings::Settings;
use cpm::cpm::socket::{Socket, Transport};
use cpm::sip::uri::Uri;
use cpm::sip::{Request, Tag};
use cpm::store::engine::{Engine, EngineConfig};
use cpm::store::memory::{Arena, SharedMap};
use cpm::store::sessions::{OfGroup, Store};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const NOW: u64 = 1_000_000;

pub struct Bed<'a> {
    store: Store<Arena<'a>>,
    settings: Settings,
    groups: Directory,
    drawn: Cell<u128>,
    /// The last participant of each session.
    last: Vec<Joined>,
    /// Requests made so far: the number of the next.
    made: u64,
}

/// The dialog of a participant.
struct Joined {
    call_id: String,
    tag: Tag,
    group: String,
    who: String,
}

impl<'a> Bed<'a> {
    /// Without sessions, but with groups for so many.
    pub fn new(map: &'a SharedMap, sessions: usize) -> Bed<'a> {
        let sizes = EngineConfig::for_memory(map.size() as u64);
        let engine = Engine::create(map.arena(), sizes, NOW);
        let mut settings = groups::settings();
        settings.max_participants = 10_000;
        let documents =
            (0..sessions).map(|n| (format!("g{n}.xml"), OPEN.replace("GROUP", &group(n))));
        let (groups, problems) = Directory::load(documents);
        assert!(problems.is_empty(), "{problems:?}");
        Bed {
            store: Store::new(engine.expect("the map has room")),
            settings,
            groups,
            drawn: Cell::new(0),
            last: Vec::new(),
            made: 0,
        }
    }

    /// A session of so many connected participants; not when the memory is full.
    pub fn create(&mut self, participants: usize) -> bool {
        let session = self.last.len();
        let group = group(session);
        for n in 0..participants {
            let who = match n {
                0 => "sip:alice@home1.test".to_owned(),
                n => format!("sip:participant{n}@home1.test"),
            };
            let call_id = format!("join-{session}-{n}@127.0.0.1");
            let headers =
                format!("Contribution-ID: d{session}\r\nConversation-ID: c{session}\r\n{SDP_TYPE}");
            let arrival =
                arrived(&self.request("INVITE", &group, &who, &call_id, "", &headers, SDP));
            let uri = Uri::parse(group.as_bytes()).expect("a URI of the bench");
            let document = self.groups.find(&uri).expect("a group of the bed");
            let done = self.env(|env| {
                self.store
                    .with_group(document, OfGroup::LivingOrNew, env, |session| {
                        session.handle(Input::InviteReceived(&arrival));
                    })
            });
            let Ok(actions) = done else {
                return false;
            };
            let answer = actions.iter().find_map(|action| match action {
                Action::Answer(answer) if answer.code == 200 => Some(answer),
                _ => None,
            });
            let Some(answer) = answer else {
                // Full is answered by 503.
                let text = format!("{actions:?}");
                assert!(text.contains("503"), "{who} does not get in: {text}");
                return false;
            };
            let joined = Joined {
                call_id,
                tag: answer.to_tag.clone(),
                group: group.clone(),
                who,
            };
            self.acknowledge(&joined);
            if n + 1 == participants {
                self.last.push(joined);
            }
        }
        true
    }

    fn acknowledge(&mut self, joined: &Joined) {
        let ack = self.in_dialog(joined, "ACK", "");
        let request = Request::parse(&ack, false).expect("an ACK of the bench");
        let name = dialog(joined);
        let leg = self.store.find(&name).expect("the dialog");
        let address = Ipv4Addr::LOCALHOST.into();
        let from = MessageSource {
            address,
            trusted: true,
        };
        let done = self.env(|env| {
            self.store.with_record(leg, env, |session| {
                session.handle(Input::AckReceived {
                    leg,
                    request: &request,
                    from,
                });
            })
        });
        done.expect("the store takes it");
    }

    /// So many UPDATEs, each in another session; the CPU time from their bytes to what is committed.
    pub fn update(&mut self, events: usize) -> Duration {
        let mut time = Duration::ZERO;
        for n in 0..events {
            // A prime far from any size: neighbours in time are not neighbours in memory.
            let at = (n * 7_919 + self.made as usize) % self.last.len();
            let joined = self.last.swap_remove(at);
            let headers = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
            let bytes = self.in_dialog(&joined, "UPDATE", headers);
            let before = thread_time();
            let arrival = arrived(&bytes);
            let arrival = &arrival;
            let holder = self.store.find(&dialog(&joined)).expect("the dialog");
            let done = self.env(|env| {
                self.store.with_record(holder, env, |session| {
                    session.handle(Input::RequestReceived { holder, arrival });
                })
            });
            let actions = done.expect("the store takes it");
            time += thread_time() - before;
            let ok = |a: &Action| matches!(a, Action::Answer(answer) if answer.code == 200);
            assert!(actions.iter().any(ok), "{actions:?}");
            self.last.push(joined);
        }
        time
    }

    fn in_dialog(&mut self, joined: &Joined, method: &str, headers: &str) -> Vec<u8> {
        let Joined {
            call_id,
            tag,
            group,
            who,
        } = joined;
        self.request(
            method,
            group,
            who,
            call_id,
            &format!(";tag={tag}"),
            headers,
            "",
        )
    }

    #[allow(clippy::too_many_arguments)] // A message has as many parts.
    fn request(
        &mut self,
        method: &str,
        uri: &str,
        who: &str,
        id: &str,
        tag: &str,
        headers: &str,
        body: &str,
    ) -> Vec<u8> {
        self.made += 1;
        // Numbers go up in each dialog; an ACK has that of its INVITE.
        let cseq = match (method, tag) {
            ("ACK", _) | (_, "") => 1,
            _ => self.made + 1,
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch=z9hG4bK{}\r\nMax-Forwards: 68\r\n\
             From: <{who}>;tag=t\r\nTo: <{uri}>{tag}\r\nCall-ID: {id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:c@127.0.0.1:5080>\r\nP-Asserted-Identity: <{who}>\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            self.made,
            body.len()
        )
        .into_bytes()
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
            wanted: Wanted::ALL,
        })
    }
}

fn group(n: usize) -> String {
    format!("sip:g{n}@conf.home1.test")
}

fn dialog(joined: &Joined) -> Name {
    Name::Dialog {
        call_id: joined.call_id.clone(),
        local_tag: joined.tag.clone(),
    }
}

fn arrived(bytes: &[u8]) -> Arrival {
    Arrival {
        request: Request::parse(bytes, false).expect("a request of the bench"),
        socket: Socket {
            transport: Transport::Udp,
            address: Ipv4Addr::LOCALHOST.into(),
            port: 5060,
        },
        source: SocketAddr::from((Ipv4Addr::LOCALHOST, 5080)),
        trusted: true,
        read_at: NOW * 1000,
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec, which lives until the call returns.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

const OPEN: &str = r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:cp="urn:ietf:params:xml:ns:common-policy">
 <list-service uri="GROUP"><list/><cp:ruleset><cp:rule id="all">
  <cp:conditions><cp:identity><cp:many/></cp:identity></cp:conditions>
  <cp:actions><join-handling>true</join-handling>
   <allow-initiate-conference>true</allow-initiate-conference></cp:actions>
 </cp:rule></cp:ruleset></list-service></group>"#;
const SDP_TYPE: &str = "Content-Type: application/sdp\r\n";
const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\na=accept-wrapped-types:text/plain\r\n\
    a=setup:active\r\na=path:msrp://127.0.0.1:9/s;tcp\r\na=sendrecv\r\n";
