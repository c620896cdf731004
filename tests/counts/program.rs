//! Does each hot path a few times, for valgrind to count instructions. Not here: what they may be (`main.rs`).
//!
//! It is linked with the code that the module is made of, and allocates as the module does. What it needs of
//! Kamailio is nothing: the linker drops that part.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[allow(dead_code)] // Shared with the benchmarks; not all of it is needed here.
#[path = "../bench/bed.rs"]
mod bed;

use std::fmt::Write as _;
use std::hint::black_box;

use bed::{arrived, refer, refer_to, Bed, MEMORY, SDP, SDP_TYPE};
use cpm::cpm::action::Action;
use cpm::cpm::input::{Arrival, Input, MessageSource};
use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::policy::{Group, PolicyQuery, Role};
use cpm::cpm::recipient_list::{read_list, ListPart};
use cpm::cpm::records::{Id, TransactionId};
use cpm::sip::identity::Identity;
use cpm::sip::uri::Uri;
use cpm::sip::{Method, Request, Response};
use cpm::store::memory::{Arena, SharedMap};

/// How often each path is counted; the figure is the mean.
const ROUNDS: u32 = 4;

fn main() {
    parsing();
    deciding();
    for participants in [3, 30, 300] {
        referring(participants);
        answering(participants);
    }
    inviting();
    notifying();
}

fn parsing() {
    let bytes = refer_to("t", "call", "");
    count(
        "parse a REFER",
        |_| (),
        |()| Request::parse(&bytes, false).expect("a REFER"),
    );
    let list = arrived(&refer(100)).request;
    count(
        "read a list of 100",
        |_| (),
        |()| {
            let all =
                read_list(&list, &ListPart::Any, None, usize::MAX, &Identity::of).expect("a list");
            assert_eq!(all.list.len(), 100);
            all
        },
    );
    let map = SharedMap::new(MEMORY).expect("memory");
    let (_, invite) = invited(&Bed::new(map.arena()), 0);
    let bytes = accepting(&invite);
    count(
        "parse a 200",
        |_| (),
        |()| Response::parse(&bytes, false).expect("a 200"),
    );
}

fn deciding() {
    let mut document = String::from(
        "<group xmlns=\"urn:oma:xml:poc:list-service\" xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\">\
         <list-service uri=\"sip:many@conf.home1.test\"><list>",
    );
    for n in 0..10_000 {
        let _ = write!(document, "<entry uri=\"sip:m{n}@home1.test\"/>");
    }
    document.push_str(
        "</list><cp:ruleset><cp:rule id=\"members\"><cp:conditions><is-list-member/></cp:conditions>\
         <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule></cp:ruleset>\
         </list-service></group>",
    );
    let group = Group::parse(document.as_bytes()).expect("a group");
    let uris = [uri("sip:m7000@home1.test")];
    let identities = [Identity::of(&uris[0])];
    let query = PolicyQuery {
        identities: &identities,
        uris: &uris,
        anonymous: false,
        now_unix: 1_700_000_000,
        role: Role::default(),
        phone_domains: &[],
    };
    count(
        "decide for one of 10,000 members",
        |_| (),
        |()| {
            let verdict = group.evaluate(black_box(&query));
            assert_eq!(verdict.matched_rules.len(), 1);
            verdict
        },
    );
}

/// Loaded, decided, committed; the INVITE is among what is decided.
fn referring(participants: usize) {
    let map = SharedMap::new(MEMORY).expect("memory");
    let bed = Bed::new(map.arena());
    bed.session_of(participants);
    let name = format!("handle a REFER, session of {participants}");
    count(
        &name,
        |round| refer_of(round, "Refer-Sub: false\r\n"),
        |arrival| {
            let actions = bed.group_takes(&arrival);
            assert!(sent(&actions, &Method::Invite).is_some(), "{actions:?}");
            (arrival, actions)
        },
    );
}

/// Loaded, decided, committed; the ACK is among what is decided.
fn answering(participants: usize) {
    let map = SharedMap::new(MEMORY).expect("memory");
    let bed = Bed::new(map.arena());
    bed.session_of(participants);
    let name = format!("handle a 200 to an INVITE, session of {participants}");
    count(
        &name,
        |round| {
            let (leg, invite) = invited(&bed, round);
            (
                leg,
                Response::parse(&accepting(&invite), false).expect("a 200"),
            )
        },
        |(record, response)| {
            let input = Input::AnswerReceived {
                record,
                response: &response,
                from: MessageSource {
                    address: [127, 0, 0, 1].into(),
                    trusted: true,
                },
                expected: true,
            };
            let actions = bed.happens(record, input);
            assert!(sent(&actions, &Method::Ack).is_some(), "{actions:?}");
            (response, actions)
        },
    );
}

/// The INVITE of a leg whose turn has come.
fn inviting() {
    let map = SharedMap::new(MEMORY).expect("memory");
    let bed = Bed::new(map.arena());
    bed.session_of(3);
    count(
        "build an INVITE",
        |round| {
            bed.wait.set(20);
            bed.group_takes(&refer_of(round, "Refer-Sub: false\r\n"));
            bed.wait.set(0);
            due_after(&bed, 20)
        },
        |record| {
            let actions = bed.happens(record, Input::DeadlineReached { record });
            assert!(sent(&actions, &Method::Invite).is_some(), "{actions:?}");
            actions
        },
    );
}

/// The first NOTIFY of a REFER.
fn notifying() {
    let map = SharedMap::new(MEMORY).expect("memory");
    let bed = Bed::new(map.arena());
    bed.session_of(3);
    count(
        "build a NOTIFY",
        |round| {
            bed.group_takes(&refer_of(round, ""));
            due_after(&bed, bed.settings.first_notify_delay)
        },
        |record| {
            let actions = bed.happens(record, Input::DeadlineReached { record });
            assert!(sent(&actions, &Method::Notify).is_some(), "{actions:?}");
            actions
        },
    );
}

/// The one record that is due so many ms later.
fn due_after(bed: &Bed<Arena<'_>>, later: u64) -> Id {
    bed.now.set(bed.now.get() + later);
    let due = bed.store.due(bed.now.get(), 2);
    assert_eq!(due.len(), 1, "{due:?}");
    due[0]
}

/// alice's REFER of somebody new.
fn refer_of(round: u32, headers: &str) -> Arrival {
    let (target, call_id) = (format!("t{round}"), format!("refer-{round}"));
    arrived(&refer_to(&target, &call_id, headers))
}

/// Somebody new is being invited by one in the session: the leg, and the INVITE, which tm knows by now.
fn invited(bed: &Bed<Arena<'_>>, round: u32) -> (Id, OutgoingRequest) {
    if bed.store.sessions(None, 1).is_empty() {
        bed.session_of(2);
    }
    let actions = bed.group_takes(&refer_of(round, "Refer-Sub: false\r\n"));
    let invite = sent(&actions, &Method::Invite).expect("an INVITE");
    let leg = invite.owner.expect("its leg");
    let (cseq, label) = (invite.cseq, round);
    let transaction = TransactionId { index: 1, label };
    bed.happens(
        leg,
        Input::InviteSent {
            leg,
            cseq,
            transaction,
        },
    );
    (leg, invite.clone())
}

fn sent<'a>(actions: &'a [Action], method: &Method) -> Option<&'a OutgoingRequest> {
    actions.iter().find_map(|action| match action {
        Action::Send(request) if request.method == *method => Some(request.as_ref()),
        _ => None,
    })
}

/// The 200 of whom it invites, over two proxies.
fn accepting(invite: &OutgoingRequest) -> Vec<u8> {
    let (from, to, tag) = (&invite.from, &invite.to, &invite.local_tag);
    let call_id = &invite.call_id;
    format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKours\r\n\
         Record-Route: <sip:a.home1.test;lr>\r\nRecord-Route: <sip:b.home1.test;lr>\r\n\
         From: <{from}>;tag={}\r\nTo: <{to}>;tag=theirs\r\nCall-ID: {call_id}\r\nCSeq: {} INVITE\r\n\
         Contact: <sip:t@127.0.0.1:5080>;+g.oma.sip-im\r\nAllow: INVITE, ACK, CANCEL, BYE, UPDATE\r\n\
         Supported: timer\r\nP-Asserted-Identity: <{to}>\r\nSession-Expires: 1800;refresher=uac\r\n\
         {SDP_TYPE}Content-Length: {}\r\n\r\n{SDP}",
        &**tag,
        invite.cseq,
        SDP.len(),
    )
    .into_bytes()
}

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).expect("a URI")
}

/// Prints the name of a path and goes it a few times: prepared, then counted, until everything is freed again.
fn count<T, R>(path: &str, mut prepare: impl FnMut(u32) -> T, mut go: impl FnMut(T) -> R) {
    // What is done only once is done by the first round, which does not count.
    let first = prepare(0);
    drop(black_box(go(black_box(first))));
    for round in 1..=ROUNDS {
        let mut prepared = Some(prepare(round));
        cpm_counted(&mut || {
            if let Some(prepared) = prepared.take() {
                drop(black_box(go(black_box(prepared))));
            }
        });
    }
    println!("{ROUNDS} {path}");
    cpm_path_ends();
}

/// What valgrind counts by its name.
#[no_mangle]
#[inline(never)]
pub fn cpm_counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// When valgrind writes down what it counted.
#[no_mangle]
#[inline(never)]
pub fn cpm_path_ends() {
    black_box(());
}

/// Stands before the C library's: keys of hash tables are the same in every run, and so are the counts.
///
/// # Safety
/// As for getrandom(2): there are `length` writable bytes.
#[no_mangle]
pub unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    // SAFETY: the caller's promise.
    unsafe { buffer.write_bytes(7, length) };
    isize::try_from(length).unwrap_or(isize::MAX)
}
