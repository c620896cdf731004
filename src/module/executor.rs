//! Carries out what the domain asked for, after the session's lock was given back.
//! Not here: what to ask for. What comes of an action is an input again, handled here too.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::counters;
use super::runtime::Runtime;
use super::why;
use crate::cpm::action::{Action, Answer, Level, Method, Outgoing, Transaction};
use crate::cpm::input::Input;
use crate::cpm::records::Id;
use crate::kamailio::message::Message;
use crate::kamailio::sockets::LocalSocket;
use crate::kamailio::tm::{OutgoingRequest, Reply, TmError, TransactionId};
use crate::kamailio::{log, sl};
use crate::sip::name_addr::NameAddr;
use crate::sip::uri::Uri;
use crate::store::unit::UnitError;

/// Work that must not be done where it was found: for the processes of our own.
#[derive(Debug, Serialize, Deserialize)]
pub enum Job {
    /// A request whose next hop is a name: tm resolves it while the sender waits.
    Send(Box<Outgoing>),
    /// tm gave up on a request, in its timer process.
    TimedOut { record: Id, status: u16 },
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
    let mut queue = VecDeque::from(written(runtime, actions));
    while let Some(action) = queue.pop_front() {
        match action {
            Action::Answer(answer) => {
                if let Some(failed) = answer_request(runtime, &answer, place) {
                    queue.extend(written(runtime, failed));
                }
            }
            Action::Send(request) => queue.extend(written(runtime, send(runtime, request, place))),
            Action::Cancel { transaction, .. } => cancel(runtime, transaction),
            Action::Count(counter, by) => counters::of(counter).add(i64::from(by)),
            Action::Log(level, line) => write_log(level, &line),
            // Written already.
            Action::Trail { .. } => {}
        }
    }
}

/// Trails are written first: what another process makes of our sends must not come before their cause.
fn written(runtime: &Runtime, actions: Vec<Action>) -> Vec<Action> {
    for action in &actions {
        if let Action::Trail { refer, entry } = action {
            why::record(runtime, *refer, entry);
        }
    }
    actions
}

/// Lets an input happen to the session of `record` and gives the actions. A failure to store is
/// logged; what was lost by it is found by the record's deadline.
pub fn apply(runtime: &Runtime, record: Id, input: Input<'_>) -> Vec<Action> {
    let handled = runtime.decide(|env| {
        runtime
            .store
            .with_record(record, env, |session| session.handle(input))
    });
    match handled {
        Ok(actions) => actions,
        // The record was finished before its last echo came.
        Err(UnitError::NoSession) => Vec::new(),
        Err(error) => {
            log::error!("an event of a session was not stored: {error}");
            Vec::new()
        }
    }
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
    if error == TmError::OutOfMemory {
        // sl needs no shared memory.
        let (code, reason, headers) = match answer.code {
            200..=299 => (503, "Service Unavailable", "Retry-After: 10\r\n"),
            code => (code, answer.reason.as_str(), answer.headers.as_str()),
        };
        if let Err(error) = sl::reply_stateless(message, code, reason, headers) {
            log::warning!("answer {code} not sent: {error}");
        }
    }
    let leg = answer.connects?;
    Some(apply(runtime, leg, Input::AnswerFailed { leg }))
}

fn send(runtime: &Runtime, request: Box<Outgoing>, place: Place<'_>) -> Vec<Action> {
    if !matches!(place, Place::Sender) && !next_hop_is_address(&request) {
        return hand_over(runtime, request);
    }
    let socket = LocalSocket::parse(&request.socket.to_string());
    let outgoing = OutgoingRequest {
        method: request.method.as_str(),
        request_uri: &request.request_uri,
        local_uri: &request.from,
        remote_uri: &request.to,
        call_id: &request.call_id,
        local_tag: &request.local_tag,
        remote_tag: request.remote_tag.as_deref(),
        cseq: request.cseq,
        route: &request.route,
        headers: &request.headers,
        body: &request.body,
        socket: socket.as_ref(),
    };
    if request.method == Method::Ack {
        if let Err(error) = runtime.tm.send_ack(&outgoing) {
            log::warning!("ACK not sent: {error}");
        }
        return Vec::new();
    }
    match (
        runtime.tm.send(&outgoing, request.owner.map(|id| id.0)),
        request.owner,
    ) {
        (Ok(id), Some(leg)) if request.method == Method::Invite => {
            let transaction = Transaction {
                index: id.index,
                label: id.label,
            };
            apply(runtime, leg, Input::InviteSent { leg, transaction })
        }
        (Ok(_), _) => Vec::new(),
        (Err(error), owner) => failed(runtime, &request, owner, error.to_string()),
    }
}

fn hand_over(runtime: &Runtime, request: Box<Outgoing>) -> Vec<Action> {
    let owner = request.owner;
    let job = Job::Send(request);
    let pushed = postcard::to_stdvec(&job)
        .map_err(|error| error.to_string())
        .and_then(|bytes| {
            runtime
                .queue
                .push(&bytes)
                .map_err(|error| error.to_string())
        });
    match (pushed, job) {
        (Err(why), Job::Send(request)) => failed(runtime, &request, owner, why),
        _ => Vec::new(),
    }
}

fn failed(runtime: &Runtime, request: &Outgoing, owner: Option<Id>, why: String) -> Vec<Action> {
    let Some(record) = owner else {
        log::warning!("{} not sent: {why}", request.method.as_str());
        return Vec::new();
    };
    let input = Input::SendFailed {
        record,
        method: request.method,
        cseq: request.cseq,
        why,
    };
    apply(runtime, record, input)
}

/// Whether tm can send without asking DNS.
fn next_hop_is_address(request: &Outgoing) -> bool {
    let next_hop = match request.route.first() {
        Some(route) => NameAddr::parse(route.as_bytes())
            .ok()
            .map(|route| route.uri),
        None => Uri::parse(request.request_uri.as_bytes()).ok(),
    };
    // What cannot be read is refused by tm at once.
    next_hop.is_none_or(|uri| uri.is_address_literal())
}

fn cancel(runtime: &Runtime, transaction: Transaction) {
    let id = TransactionId {
        index: transaction.index,
        label: transaction.label,
    };
    if let Err(error) = runtime.tm.cancel(id, "") {
        // Its final answer was faster.
        log::debug!("INVITE not cancelled: {error}");
    }
}

fn write_log(level: Level, line: &str) {
    match level {
        Level::Warn => log::warning!("{line}"),
        Level::Info => log::info!("{line}"),
        Level::Debug => log::debug!("{line}"),
    }
}
