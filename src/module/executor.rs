//! Carries out what the domain asked for, after the session's lock was given back. What comes of an
//! action is an input again, handled here too.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::counters;
use super::rpc_why;
use super::runtime::{has_room_to_invite, Runtime};
use super::sampled_log::Sampled;
use crate::cpm::action::{Action, Level};
use crate::cpm::input::Input;
use crate::cpm::outgoing_message::{Answer, OutgoingRequest};
use crate::cpm::rate::Rate;
use crate::cpm::records::{Id, TransactionId};
use crate::kamailio::message::Message;
use crate::kamailio::panic_guard::guard;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::sockets::LocalSocket;
use crate::kamailio::tm::{self, Reply, TmError};
use crate::kamailio::{clock, log, sl};
use crate::sip::status::reason_phrase;
use crate::sip::{Method, Route};
use crate::store::queue::Queue;
use crate::store::sessions::AccessError;

/// Lines of refused requests, of all processes together.
const REFUSALS: Rate = Rate {
    per_second: 50,
    burst: 100,
};

/// INVITEs sent before it is noted that they left, so that what comes of the first does not wait for the last of a
/// long list.
const TOGETHER: usize = 32;

/// An INVITE that has left.
struct SentInvite {
    leg: Id,
    cseq: u32,
    /// By which it can be cancelled.
    transaction: TransactionId,
}

/// tm gave up on a request, in its timer process, which must not be kept: for our own.
#[derive(Debug, Serialize, Deserialize)]
pub struct TimedOut {
    pub record: Id,
    pub status: u16,
}

/// Where actions are carried out.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// A SIP worker (or TCP reader) with the request in hand, which may be answered.
    Request(&'a Message<'a>),
    /// A SIP worker without a request to answer, or our timer: must not wait for names.
    Inline,
    /// A process of our own that may wait.
    Sender,
}

/// Carries out `actions` and whatever follows from them. Takes no lock while Kamailio is called.
pub fn perform(runtime: &Runtime, actions: Vec<Action>, place: Place<'_>) {
    let mut queue = VecDeque::from(with_trails_written(runtime, actions));
    let mut invites = Vec::new();
    loop {
        // Those of a list leave first, then it is noted that they did.
        if invites.len() >= TOGETHER || (queue.is_empty() && !invites.is_empty()) {
            let more = invites_sent(runtime, &std::mem::take(&mut invites));
            queue.extend(with_trails_written(runtime, more));
        }
        let Some(action) = queue.pop_front() else {
            return;
        };
        match action {
            Action::Answer(answer) => {
                if let Some(failed) = answer_request(runtime, &answer, place) {
                    queue.extend(with_trails_written(runtime, failed));
                }
            }
            Action::Send(request) => {
                let more = send(runtime, request, place, &mut invites);
                queue.extend(with_trails_written(runtime, more));
            }
            Action::Cancel { transaction, .. } => cancel(runtime, transaction),
            Action::Count(counter, by) => counters::of(counter).add(i64::from(by)),
            Action::Log(level, line) => write_log(runtime, level, &line),
            // Written already.
            Action::Trail(_) => {}
        }
    }
}

/// Trails are written first: what another process makes of our sends must not come before their cause.
fn with_trails_written(runtime: &Runtime, actions: Vec<Action>) -> Vec<Action> {
    // Each event has one at most, but these may be the actions of several.
    for action in &actions {
        if let Action::Trail(added) = action {
            rpc_why::record(runtime, added);
        }
    }
    actions
}

/// Lets an input happen to the session of `record` and gives the actions. A failure to store is
/// logged; what was lost by it is found by the record's deadline.
pub fn apply(runtime: &Runtime, record: Id, input: Input<'_>) -> Vec<Action> {
    let handled = runtime.with_env(|env| {
        runtime
            .store
            .with_record(record, env, |session| session.handle(input))
    });
    match handled {
        Ok(actions) => actions,
        // The record was finished before its last echo came.
        Err(AccessError::NoSession) => Vec::new(),
        Err(error) => {
            if is_news(&error) {
                log::error!("an event of a session was not stored: {error}");
            }
            Vec::new()
        }
    }
}

/// Whether to log this error. While memory is full everything due fails at every look; each process logs that
/// once a second.
pub fn is_news(error: &AccessError) -> bool {
    static SAID: AtomicU64 = AtomicU64::new(0);
    if *error != AccessError::Full {
        return true;
    }
    let now = clock::monotonic_ms();
    let news = now.saturating_sub(SAID.load(Ordering::Relaxed)) >= 1_000;
    if news {
        SAID.store(now, Ordering::Relaxed);
    }
    news
}

fn answer_request(runtime: &Runtime, answer: &Answer, place: Place<'_>) -> Option<Vec<Action>> {
    let Place::Request(message) = place else {
        log::error!("an answer without a request to answer");
        return None;
    };
    let reply = Reply {
        code: answer.code,
        reason: &answer.reason,
        to_tag: Some(&answer.to_tag),
        headers: &answer.headers,
        body: &answer.body,
    };
    let error = runtime.tm.reply(message, &reply).err()?;
    log::warning!("answer {} not sent: {error}", answer.code);
    // tm fails here when shared memory is full, of which sl needs none: nobody is left without an answer.
    if error != TmError::AlreadyAnswered {
        let (code, reason, headers) = match answer.code {
            200..=299 => (503, "Service Unavailable", "Retry-After: 10\r\n"),
            code => (code, reason_phrase(code), answer.headers.as_str()),
        };
        if let Err(error) = sl::reply_stateless(message, code, reason, headers) {
            log::warning!("answer {code} not sent: {error}");
        }
    }
    let leg = answer.connects?;
    Some(apply(runtime, leg, Input::AnswerFailed { leg }))
}

/// Sends a request; an INVITE that has left is added to `invites`.
fn send(
    runtime: &Runtime,
    request: Box<OutgoingRequest>,
    place: Place<'_>,
    invites: &mut Vec<SentInvite>,
) -> Vec<Action> {
    let begins = request.method == Method::Invite && request.remote_tag.is_none();
    if begins && !has_room_to_invite() {
        let why = "shared memory is full".to_owned();
        return failed(runtime, &request, request.owner, why);
    }
    if !matches!(place, Place::Sender) {
        if let Some(name) = next_hop_name(&request) {
            return hand_over(runtime, &request, name);
        }
    }
    let socket = LocalSocket::from(request.socket);
    let route: Vec<&str> = request.route.iter().map(Route::as_str).collect();
    let outgoing = tm::OutgoingRequest {
        method: request.method.as_str(),
        request_uri: request.request_uri.as_str(),
        local_uri: request.from.as_str(),
        remote_uri: request.to.as_str(),
        call_id: &request.call_id,
        local_tag: &request.local_tag,
        remote_tag: request.remote_tag.as_deref(),
        cseq: request.cseq,
        route: &route,
        headers: &request.headers,
        body: &request.body,
        socket: Some(&socket),
    };
    if request.method == Method::Ack {
        return match (runtime.tm.send_ack(&outgoing), request.owner) {
            (Ok(()), Some(leg)) => apply(runtime, leg, Input::AckSent { leg }),
            (Ok(()), None) => Vec::new(),
            (Err(error), owner) => failed(runtime, &request, owner, error.to_string()),
        };
    }
    match (
        runtime.tm.send(&outgoing, request.owner.map(|id| id.0)),
        request.owner,
    ) {
        (Ok(id), Some(leg)) if request.method == Method::Invite => {
            let transaction = TransactionId {
                index: id.index,
                label: id.label,
            };
            invites.push(SentInvite {
                leg,
                cseq: request.cseq,
                transaction,
            });
            Vec::new()
        }
        (Ok(_), _) => Vec::new(),
        (Err(error), owner) => failed(runtime, &request, owner, error.to_string()),
    }
}

/// Tells the legs by which names their INVITEs can be cancelled: in one commit if they are of one session.
fn invites_sent(runtime: &Runtime, invites: &[SentInvite]) -> Vec<Action> {
    let legs: Vec<Id> = invites.iter().map(|invite| invite.leg).collect();
    let sessions = match legs.len() {
        1 => 1,
        _ => runtime.store.by_session(&legs).len(),
    };
    match sessions {
        1 => invite_sent(runtime, invites),
        _ => invites
            .chunks(1)
            .flat_map(|invite| invite_sent(runtime, invite))
            .collect(),
    }
}

/// The same for INVITEs of one session. If nothing is left of a leg, because its INVITE waited too long for a
/// sender, nobody else would ever cancel it.
fn invite_sent(runtime: &Runtime, invites: &[SentInvite]) -> Vec<Action> {
    let Some(first) = invites.first() else {
        return Vec::new();
    };
    // A panic over one leg must not cost the others the names that their INVITEs are cancelled by.
    let handled = guard("INVITEs that left", None, || {
        Some(runtime.with_env(|env| {
            runtime.store.with_record(first.leg, env, |session| {
                for invite in invites {
                    session.handle(Input::InviteSent {
                        leg: invite.leg,
                        cseq: invite.cseq,
                        transaction: invite.transaction,
                    });
                }
            })
        }))
    });
    match handled {
        Some(Ok(actions)) => actions,
        // Each by itself: of others the leg may still be there.
        _ if invites.len() > 1 => invites
            .chunks(1)
            .flat_map(|invite| invite_sent(runtime, invite))
            .collect(),
        Some(Err(AccessError::NoSession)) => vec![Action::Cancel {
            owner: first.leg,
            transaction: first.transaction,
        }],
        Some(Err(error)) => {
            log::error!("an INVITE was sent but not stored: {error}");
            Vec::new()
        }
        // The guard has logged it.
        None => Vec::new(),
    }
}

/// Requests to one next hop go through one sender, so those of one dialog leave in their order (an ACK
/// before its BYE), and a name that is slow to resolve holds up one sender only.
fn hand_over(runtime: &Runtime, request: &OutgoingRequest, next_hop: &str) -> Vec<Action> {
    let sender = sender_for(next_hop, runtime.senders.len());
    let pushed = match runtime.senders.get(sender) {
        Some(queue) => enqueue(queue, request),
        None => Err("there are no senders".to_owned()),
    };
    match pushed {
        Err(why) => failed(runtime, request, request.owner, why),
        Ok(()) => Vec::new(),
    }
}

/// Leaves a job to the process that waits on this queue.
pub fn enqueue(queue: &Queue<KamailioShm>, job: &impl Serialize) -> Result<(), String> {
    let bytes = postcard::to_stdvec(job).map_err(|error| error.to_string())?;
    queue.push(&bytes).map_err(|error| error.to_string())
}

fn sender_for(next_hop: &str, senders: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    next_hop.hash(&mut hasher);
    // Below the number of senders, so nothing is cut.
    (hasher.finish() % senders.max(1) as u64) as usize
}

fn failed(
    runtime: &Runtime,
    request: &OutgoingRequest,
    owner: Option<Id>,
    why: String,
) -> Vec<Action> {
    let Some(record) = owner else {
        log::warning!("{} not sent: {why}", request.method.as_str());
        return Vec::new();
    };
    let input = Input::SendFailed {
        record,
        method: request.method.clone(),
        cseq: request.cseq,
        why,
    };
    apply(runtime, record, input)
}

/// The name tm would have to ask DNS for. `None`: the next hop is an address.
fn next_hop_name(request: &OutgoingRequest) -> Option<&str> {
    let next_hop = request.next_hop();
    (!next_hop.is_address_literal()).then(|| next_hop.host())
}

fn cancel(runtime: &Runtime, transaction: TransactionId) {
    let id = tm::TransactionId {
        index: transaction.index,
        label: transaction.label,
    };
    if let Err(error) = runtime.tm.cancel(id, "") {
        // Its final answer was faster.
        log::debug!("INVITE not cancelled: {error}");
    }
}

/// A line was only put together because its level is on (`Env::wanted`).
fn write_log(runtime: &Runtime, level: Level, line: &str) {
    let severity = match level {
        Level::Warn => log::Level::Warn,
        Level::Info => log::Level::Info,
        Level::Refused => return log_refused(runtime, line),
        Level::Debug => log::Level::Debug,
    };
    log::log_wanted(severity, format_args!("{line}"));
}

/// The line of a request that was refused, unless there are too many of them.
pub fn log_refused(runtime: &Runtime, line: &str) {
    let now = clock::monotonic_us();
    if let Some(kept_back) = runtime.samples.within(Sampled::Refusals, REFUSALS, now) {
        log::info!("{line}{kept_back}");
    }
}
