//! What comes back for our requests: answers through tm, timeouts, and 2xx that tm knows no more.

use std::cell::Cell;
use std::net::SocketAddr;

use super::counters;
use super::executor::{self, apply, perform, Place, TimedOut};
use super::overload;
use super::runtime::{runtime, Runtime};
use super::sampled_log::Sampled;
use crate::cpm::action::{Action, Counter};
use crate::cpm::input::{Input, MessageSource};
use crate::cpm::records::{Id, Name};
use crate::cpm::socket::Socket;
use crate::cpm::stray_answer::{Reaction, StrayAnswer};
use crate::kamailio::message::Message;
use crate::kamailio::script::Disposition;
use crate::kamailio::tm::{Event, KnownReply, Verdict};
use crate::kamailio::{clock, core_state, log};
use crate::sip::{may_answer_invite, Method, Response};

thread_local! {
    /// The reply that tm is just asked for, as it was read: tm calls back with the same.
    static READ: Cell<Option<Box<Response>>> = const { Cell::new(None) };
}

/// tm's callback: `handle` is the record the request was sent for, or 0.
pub fn on_event(handle: u64, event: Event<'_>, in_timer: bool) -> Verdict {
    let Some(runtime) = runtime() else {
        return Verdict::Counts;
    };
    if core_state::shutting_down() {
        return Verdict::Counts;
    }
    let record = Id(handle);
    match event {
        Event::Reply {
            source,
            from_next_hop,
            ..
        } if !from_next_hop && !runtime.trusts(source) => return Verdict::Ignored,
        _ if handle == 0 => {}
        Event::Reply {
            bytes,
            is_stream,
            source,
            ..
        } => match READ.take() {
            Some(response) => {
                answered(runtime, record, &response, source, true);
                READ.set(Some(response));
            }
            None => match Response::parse(bytes, is_stream) {
                Ok(response) => answered(runtime, record, &response, source, true),
                Err(error) => log::warning!("an answer that cannot be read: {}", error.reason()),
            },
        },
        Event::Timeout { code } if in_timer => leave_timeout(runtime, record, code),
        Event::Timeout { code } => {
            let input = Input::TimedOut {
                record,
                status: code,
            };
            perform(runtime, apply(runtime, record, input), Place::Inline);
        }
    }
    Verdict::Counts
}

fn answered(
    runtime: &Runtime,
    record: Id,
    response: &Response,
    source: SocketAddr,
    expected: bool,
) {
    let input = Input::AnswerReceived {
        record,
        response,
        from: origin(runtime, source),
        expected,
    };
    perform(runtime, apply(runtime, record, input), Place::Inline);
}

/// Where a message came from, as the domain sees it.
pub fn origin(runtime: &Runtime, source: SocketAddr) -> MessageSource {
    MessageSource {
        address: source.ip(),
        trusted: runtime.trusts(source),
    }
}

/// tm's timer process must not be kept waiting: our own process goes on with it.
fn leave_timeout(runtime: &Runtime, record: Id, status: u16) {
    let job = TimedOut { record, status };
    match executor::enqueue(&runtime.timeouts, &job) {
        Ok(()) => runtime.store.ring(),
        Err(why) => log::error!("a timeout waits for its deadline: {why}"),
    }
}

/// Every reply passes here before tm.
///
/// An answer to a request of ours counts if it comes from a trusted peer or from the address that the request
/// was sent to. Any other is dropped, so that tm goes on as if it had not come.
///
/// A 2xx to an INVITE of ours whose transaction is gone is taken: it gets its ACK (RFC 3261 section
/// 13.2.2.4) by the leg's dialog.
pub fn on_every_reply(message: &Message<'_>) -> Disposition {
    let Some(runtime) = runtime() else {
        return Disposition::Keep;
    };
    overload::handled(runtime, message);
    let trusted = runtime.trusts(message.source());
    let mut accepted = accepted_invite(message);
    if trusted && accepted.is_none() {
        return Disposition::Keep;
    }
    // What has a leg is looked up by tm first, which calls `on_event` if it knows it.
    let leg = accepted.as_ref().and_then(|response| {
        runtime.store.find(&Name::Dialog {
            call_id: response.call_id.clone(),
            local_tag: response.from_tag.clone(),
        })
    });
    let known = match (trusted, leg) {
        // tm may still know the transaction, but nobody waits for its result any more.
        (true, None) => KnownReply::Unknown,
        _ => {
            READ.set(accepted.take());
            let known = runtime.tm.look_up_reply(message);
            accepted = READ.take();
            known
        }
    };
    match (known, accepted, leg) {
        (KnownReply::Ignored, ..) => ignore(runtime, message),
        (_, None, _) | (KnownReply::Known, _, Some(_)) => Disposition::Keep,
        (KnownReply::Unknown, Some(response), Some(leg)) => {
            answered(runtime, leg, &response, message.source(), trusted);
            Disposition::Drop
        }
        (known, Some(response), None) => {
            let counts = trusted || known == KnownReply::Known;
            end_stray(runtime, &response, message, counts)
        }
    }
}

/// The reply, if it is a 2xx to an INVITE.
fn accepted_invite(message: &Message<'_>) -> Option<Box<Response>> {
    let to_invite = || {
        let known = message.answers_invite();
        known.unwrap_or_else(|| may_answer_invite(message.bytes()))
    };
    if !(200..=299).contains(&message.status()) || !to_invite() {
        return None;
    }
    let response = Response::parse(message.bytes(), message.is_stream()).ok()?;
    (response.cseq_method == Method::Invite).then(|| Box::new(response))
}

/// The answer of somebody who was not asked.
fn ignore(runtime: &Runtime, message: &Message<'_>) -> Disposition {
    counters::of(Counter::AnswersIgnored).add(1);
    let kept_back = runtime.samples.due(Sampled::Answers, clock::monotonic_ms());
    if let Some(kept_back) = kept_back {
        log::info!(
            "an answer {} was ignored: its request was not sent to source={}, which is not trusted{kept_back}",
            message.status(),
            message.source()
        );
    }
    Disposition::Drop
}

/// Nothing is left of the leg, but the peer believes in a dialog. `counts`: it may say so.
fn end_stray(
    runtime: &Runtime,
    response: &Response,
    message: &Message<'_>,
    counts: bool,
) -> Disposition {
    let Some(socket) = message.socket() else {
        return Disposition::Keep;
    };
    let socket = Socket::from(socket);
    let Some(stray) = runtime.with_env(|env| StrayAnswer::of(response, socket, env)) else {
        return Disposition::Keep;
    };
    if !counts {
        return ignore(runtime, message);
    }
    let now = clock::monotonic_ms();
    let remembered = &runtime.ended_answers;
    let reaction = remembered.locked(|ended| stray.remember(ended, now));
    match reaction {
        Reaction::AckAndBye => log::info!("a 2xx that came too late: ACK, BYE"),
        Reaction::Ack => log::debug!("a 2xx that came too late was repeated: ACK"),
        Reaction::Nothing => counters::of(Counter::AnswersIgnored).add(1),
    }
    let requests = stray.requests(reaction).into_iter();
    let actions = requests.map(|request| Action::Send(Box::new(request)));
    perform(runtime, actions.collect(), Place::Inline);
    Disposition::Drop
}
