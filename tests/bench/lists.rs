//! A REFER carried out to its end, by the length of its list: every INVITE rings and is accepted, every NOTIFY is
//! answered. What one target costs must not depend on how many others there are.

use std::collections::VecDeque;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use cpm::cpm::action::Action;
use cpm::cpm::input::{Input, MessageSource};
use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::records::{Id, TransactionId};
use cpm::sip::{Method, Response};
use cpm::store::memory::{Arena, SharedMap};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};

use super::bed::{in_list, refer_to, Bed, MEMORY, SDP, SDP_TYPE};

/// REFERs with NOTIFYs, from the first byte to the last answer.
pub fn carried_out(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER carried out, by targets");
    group.sample_size(20);
    for targets in [1, 10, 50, 100] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let mut bed = Bed::new(map.arena());
        // The clock of the bench stands still.
        bed.settings.first_notify_delay = 0;
        bed.settings.invite_rate = 0;
        let bytes = refer(targets);
        group.throughput(Throughput::Elements(targets as u64));
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter_batched(
                || {
                    bed.forget();
                    bed.session_of(2);
                },
                |()| {
                    let told = carry_out(&bed, &bytes);
                    assert_eq!(told, targets + 1, "NOTIFYs");
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// With NOTIFYs, as `bed::refer` is without.
fn refer(targets: usize) -> Vec<u8> {
    match targets {
        1 => refer_to("t0", "refer", ""),
        _ => in_list(targets, ""),
    }
}

/// Lets the REFER come and everything that follows from it, in the order of its coming. Gives how many NOTIFYs
/// were sent. Not inlined, so that callgrind can count what happens in it.
#[inline(never)]
fn carry_out(bed: &Bed<Arena<'_>>, bytes: &[u8]) -> usize {
    let mut events = VecDeque::from([bed.group_gets(bytes)]);
    let mut notifies = 0;
    while let Some(actions) = events.pop_front() {
        for action in black_box(actions) {
            let Action::Send(request) = action else {
                continue;
            };
            notifies += usize::from(request.method == Method::Notify);
            if let Some(owner) = request.owner {
                follow(bed, owner, &request, &mut events);
            }
        }
    }
    notifies
}

/// What the server and the peer make of a request of ours.
fn follow(
    bed: &Bed<Arena<'_>>,
    owner: Id,
    request: &OutgoingRequest,
    events: &mut VecDeque<Vec<Action>>,
) {
    match request.method {
        Method::Invite => {
            let transaction = TransactionId { index: 1, label: 2 };
            let sent = Input::InviteSent {
                leg: owner,
                cseq: request.cseq,
                transaction,
            };
            events.push_back(bed.happens(owner, sent));
            for (code, body) in [(180, ""), (200, SDP)] {
                events.push_back(bed.answered(owner, &answer(request, code, body)));
            }
        }
        Method::Ack => events.push_back(bed.happens(owner, Input::AckSent { leg: owner })),
        _ => events.push_back(bed.answered(owner, &answer(request, 200, ""))),
    }
}

/// An answer as phones write it.
fn answer(request: &OutgoingRequest, code: u16, body: &str) -> Vec<u8> {
    let kind = if body.is_empty() { "" } else { SDP_TYPE };
    format!(
        "SIP/2.0 {code} OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\n\
         From: <{}>;tag={}\r\nTo: <{}>;tag=peer\r\nCall-ID: {}\r\nCSeq: {} {}\r\n\
         Contact: <sip:c@127.0.0.1:5080>\r\nAllow: INVITE, ACK, BYE, CANCEL, UPDATE\r\n{kind}\
         Content-Length: {}\r\n\r\n{body}",
        request.from,
        request.local_tag,
        request.to,
        request.call_id,
        request.cseq,
        request.method,
        body.len(),
    )
    .into_bytes()
}

impl Bed<Arena<'_>> {
    fn answered(&self, record: Id, bytes: &[u8]) -> Vec<Action> {
        let response = Response::parse(bytes, false).expect("an answer of the bench");
        let input = Input::AnswerReceived {
            record,
            response: &response,
            from: MessageSource {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                trusted: true,
            },
            expected: true,
        };
        self.happens(record, input)
    }
}
