//! Every single allocation of a session's events fails once, over the real store: the old state stands and nothing
//! stays allocated. Not here: what peers make of it (`tests/pure/flows/scarcity.rs`).

#[allow(dead_code)] // Shared with the benchmarks; not all of it is needed here.
#[path = "../bench/bed.rs"]
mod bed;

use std::cell::Cell;
use std::ptr::NonNull;

use bed::{arrived, refer_to, request, Bed, ALICE, SDP, SDP_TYPE};
use cpm::cpm::action::Action;
use cpm::cpm::input::{Arrival, Input, MessageSource};
use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::records::{Head, Id, Record, TransactionId};
use cpm::sip::{Method, Response};
use cpm::store::memory::{Arena, Memory, SharedMap};
use cpm::store::sessions::AccessError;

/// An arena in which one allocation fails.
#[derive(Clone, Copy)]
struct Failing<'a> {
    arena: Arena<'a>,
    /// Which of the next ones, counted from 1; 0: none.
    which: &'a Cell<u32>,
}

// SAFETY: it gives blocks of an arena, or none.
unsafe impl Memory for Failing<'_> {
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let which = self.which.get();
        self.which.set(which.saturating_sub(1));
        match which {
            1 => None,
            _ => self.arena.allocate(size),
        }
    }

    unsafe fn release(&self, block: NonNull<u8>) {
        // SAFETY: promised by the caller.
        unsafe { self.arena.release(block) }
    }
}

struct World<'a> {
    map: &'a SharedMap,
    which: &'a Cell<u32>,
    bed: Bed<Failing<'a>>,
    /// Events that were refused for want of memory.
    refused: Cell<u32>,
}

type Outcome = Result<Vec<Action>, AccessError>;

impl<'a> World<'a> {
    /// Lets something happen, once more if there was no room for it.
    fn happens(&self, event: impl Fn(&Bed<Failing<'a>>) -> Outcome) -> Vec<Action> {
        let before = (self.map.used(), self.sessions());
        let error = match event(&self.bed) {
            Ok(actions) => return actions,
            Err(error) => error,
        };
        assert_eq!(error, AccessError::Full);
        assert_eq!(self.which.get(), 0, "full although there is room");
        assert_eq!((self.map.used(), self.sessions()), before);
        self.refused.set(self.refused.get() + 1);
        event(&self.bed).expect("there is room again")
    }

    fn sessions(&self) -> Vec<(Head, Vec<(Id, Record)>)> {
        let ids = self.bed.store.sessions(None, usize::MAX);
        ids.into_iter()
            .filter_map(|id| self.bed.store.view(id))
            .collect()
    }

    fn joins(&self, who: &str, call_id: &str) -> String {
        let invite = arrived(&request("INVITE", who, call_id, None, SDP, SDP_TYPE));
        let actions = self.happens(|bed| bed.group_tries(&invite));
        let Some(Action::Answer(answer)) = actions.iter().find(|a| matches!(a, Action::Answer(_)))
        else {
            panic!("no answer: {actions:?}");
        };
        assert_eq!(answer.code, 200);
        let tag = answer.to_tag.to_string();
        let ack = arrived(&request("ACK", who, call_id, Some(&tag), "", ""));
        let leg = self.bed.holder_of(&ack);
        let request = &ack.request;
        self.happens(|bed| {
            let from = from();
            bed.tries(leg, Input::AckReceived { leg, request, from })
        });
        tag
    }

    fn asks(&self, arrival: &Arrival) -> Vec<Action> {
        let holder = self.bed.holder_of(arrival);
        self.happens(|bed| bed.tries(holder, Input::RequestReceived { holder, arrival }))
    }

    /// The answer to a request of ours comes.
    fn answered(
        &self,
        request: &OutgoingRequest,
        status: &str,
        headers: &str,
        body: &str,
    ) -> Vec<Action> {
        let text = response(request, status, headers, body);
        let response = Response::parse(text.as_bytes(), false).expect("an answer");
        let record = request.owner.expect("somebody waits for it");
        let response = &response;
        self.happens(|bed| {
            let (from, expected) = (from(), true);
            bed.tries(
                record,
                Input::AnswerReceived {
                    record,
                    response,
                    from,
                    expected,
                },
            )
        })
    }

    /// Everything that is due by then.
    fn passes(&self, ms: u64) -> Vec<Action> {
        self.bed.now.set(self.bed.now.get() + ms);
        let due = self.bed.store.due(self.bed.now.get(), usize::MAX);
        let happens =
            |record| self.happens(|bed| bed.tries(record, Input::DeadlineReached { record }));
        due.into_iter().flat_map(happens).collect()
    }
}

fn from() -> MessageSource {
    MessageSource {
        address: [127, 0, 0, 1].into(),
        trusted: true,
    }
}

fn response(request: &OutgoingRequest, status: &str, headers: &str, body: &str) -> String {
    let (from, to, ours) = (&request.from, &request.to, &*request.local_tag);
    let theirs = request.remote_tag.as_deref().unwrap_or("theirs");
    let (call_id, cseq, method) = (&request.call_id, request.cseq, request.method.as_str());
    format!(
        "SIP/2.0 {status}\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKours\r\nFrom: <{from}>;tag={ours}\r\n\
         To: <{to}>;tag={theirs}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn sent(actions: &[Action], method: &Method) -> OutgoingRequest {
    let found = actions.iter().find_map(|action| match action {
        Action::Send(request) if request.method == *method => Some(request.as_ref().clone()),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no {method}: {actions:?}"))
}

#[test]
fn each_allocation_may_fail_and_nothing_is_half_done() {
    let map = SharedMap::new(64 << 20).expect("memory");
    let (mut at, mut refused) = (1, 0);
    while let Some(more) = failing_at(&map, at) {
        refused += more;
        at += 1;
    }
    // What fits into the block that was there before allocates nothing.
    assert!(at > 18 && refused > 15, "{refused} of {at} refused");
}

/// Two join, one refers a third, who accepts; the referrer is told; all leave; what is remembered is forgotten.
/// Gives how many events were refused; `None`: there are fewer allocations.
fn failing_at(map: &SharedMap, at: u32) -> Option<u32> {
    let which = Cell::new(0);
    let memory = Failing {
        arena: map.arena(),
        which: &which,
    };
    let (bed, refused) = (Bed::new(memory), Cell::new(0));
    let empty = map.used();
    which.set(at);
    let world = World {
        map,
        which: &which,
        bed,
        refused,
    };
    let tags = [ALICE, "sip:bob@home1.test"].map(|who| (who, world.joins(who, who)));

    let refer = arrived(&refer_to("t", "refer", ""));
    let actions = world.happens(|bed| bed.group_tries(&refer));
    let invite = sent(&actions, &Method::Invite);
    let (leg, cseq) = (invite.owner.expect("a leg"), invite.cseq);
    let transaction = TransactionId { index: 1, label: 1 };
    world.happens(|bed| {
        bed.tries(
            leg,
            Input::InviteSent {
                leg,
                cseq,
                transaction,
            },
        )
    });
    let contact = "Contact: <sip:t@127.0.0.1:5080>\r\n";
    world.answered(&invite, "180 Ringing", contact, "");
    let first = sent(&world.passes(50), &Method::Notify);
    let actions = world.answered(&invite, "200 OK", &format!("{contact}{SDP_TYPE}"), SDP);
    sent(&actions, &Method::Ack);
    world.happens(|bed| bed.tries(leg, Input::AckSent { leg }));
    let last = sent(&world.answered(&first, "200 OK", "", ""), &Method::Notify);
    assert!(String::from_utf8_lossy(&last.body).starts_with("SIP/2.0 200"));
    world.answered(&last, "200 OK", "", "");

    for (who, tag) in &tags {
        let actions = world.asks(&arrived(&request("BYE", who, who, Some(tag), "", "")));
        if *who != ALICE {
            // The session is over for the third, too.
            world.answered(&sent(&actions, &Method::Bye), "200 OK", "", "");
        }
    }
    for _ in 0..10 {
        world.passes(20_000);
    }
    assert_eq!(world.sessions(), []);
    assert_eq!(map.used(), empty);
    let (reached, refused) = (which.get() == 0, world.refused.get());
    // SAFETY: the last use of the store.
    unsafe { world.bed.store.engine().destroy() };
    reached.then_some(refused)
}
