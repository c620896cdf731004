//! Requests from the routing script: parse once, find the session, let it decide, answer.

use super::collisions;
use super::counters;
use super::executor::{log_refused, perform, Place};
use super::overload;
use super::phone_hosts;
use super::replies::origin;
use super::return_codes::{FAILED, NOT_OURS, TAKEN};
use super::runtime::{runtime, Runtime, RESERVE};
use super::sampled_log::Sampled;
use super::strangers;
use crate::cpm::action::{Action, Counter};
use crate::cpm::cpm_identifiers::contribution_id;
use crate::cpm::env::Env;
use crate::cpm::event_packages::check_event_outside_dialog;
use crate::cpm::input::{Arrival, Input};
use crate::cpm::options_method::answer_at_factory;
use crate::cpm::records::{Id, Name};
use crate::cpm::refusal::Refusal;
use crate::cpm::refusal_answer::{refuse_at_the_door, refuse_unreadable};
use crate::cpm::request_uri::{destination, Destination};
use crate::cpm::socket::Socket;
use crate::kamailio::message::Message;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::tm::{AckOrCancel, NewTransaction, TmError};
use crate::kamailio::{clock, log, sl, sockets};
use crate::sip::identity::Identity;
use crate::sip::message_error::MessageError;
use crate::sip::status::reason_phrase;
use crate::sip::Method;
use crate::sip::Request;
use crate::store::sessions::{AccessError, OfGroup};

/// Seconds in Retry-After of a 503.
const RETRY_AFTER: &str = "10";

/// `cpm_handle_request()`: anything for a focus, a group or the factory, and in their dialogs.
pub fn handle_request(message: &Message<'_>) -> i32 {
    let Some(runtime) = runtime() else {
        log::error!("the module is not initialised");
        return FAILED;
    };
    overload::handled(runtime, message);
    runtime.with_env(|env| {
        let where_to = classify(message.request_uri(), env);
        match (message.method(), &where_to) {
            (_, Destination::NotOurs) => NOT_OURS,
            _ if strangers::is_to_be_turned_away(runtime, message) => {
                strangers::turn_away(runtime, message);
                TAKEN
            }
            _ if overload::is_turned_away(runtime, message) => TAKEN,
            (b"ACK", _) => ack(runtime, message),
            (b"CANCEL", _) => cancel(runtime, message),
            _ => request(runtime, message, env, &where_to),
        }
    })
}

/// `cpm_handle_refer()`: REFER only.
pub fn handle_refer(message: &Message<'_>) -> i32 {
    match message.method() {
        b"REFER" => handle_request(message),
        _ => NOT_OURS,
    }
}

/// `cpm_is_focus()`: whether the Request-URI names a live focus, a group or the factory.
pub fn is_focus(message: &Message<'_>) -> i32 {
    is_focus_uri(message, message.request_uri())
}

/// `cpm_is_focus(uri)`.
pub fn is_focus_uri(_message: &Message<'_>, uri: &[u8]) -> i32 {
    let Some(runtime) = runtime() else {
        return FAILED;
    };
    let live = match runtime.with_env(|env| classify(uri, env)) {
        Destination::Factory | Destination::Group(_) => true,
        Destination::Focus(token) => runtime.store.find(&Name::Token(token)).is_some(),
        Destination::Server | Destination::NotOurs | Destination::WrongScheme => false,
    };
    if live {
        TAKEN
    } else {
        NOT_OURS
    }
}

fn classify(uri: &[u8], env: &Env<'_>) -> Destination {
    let is_socket = |host: &str, port: Option<u16>| sockets::is_local(host, port.unwrap_or(0));
    match std::str::from_utf8(uri) {
        Ok(uri) => destination(uri, env, &is_socket),
        Err(_) => Destination::NotOurs,
    }
}

/// tm stops repeating its 2xx; the leg learns that the exchange is complete. Never answered.
fn ack(runtime: &Runtime, message: &Message<'_>) -> i32 {
    if let Err(error) = runtime.tm.check_transaction(message) {
        log::debug!("ACK: {error}");
    }
    let Ok(request) = Request::parse(message.bytes(), message.is_stream()) else {
        return TAKEN;
    };
    let holder = in_dialog(runtime, &request);
    if let Some(leg) = holder {
        let input = Input::AckReceived {
            leg,
            request: &request,
            from: origin(runtime, message.source()),
        };
        let actions = super::executor::apply(runtime, leg, input);
        perform(runtime, actions, Place::Inline);
    }
    TAKEN
}

/// Every INVITE here is answered finally at once, so a CANCEL only ever finds it answered
/// (RFC 3261 section 9.2) or does not find it.
fn cancel(runtime: &Runtime, message: &Message<'_>) -> i32 {
    match runtime.tm.cancel_received(message) {
        Ok(AckOrCancel::Matched) => TAKEN,
        Ok(AckOrCancel::Unmatched) => {
            stateless(message, 481, "Call/Transaction Does Not Exist", "")
        }
        Err(error) => {
            log::error!("CANCEL: {error}");
            stateless(message, 500, "Server Internal Error", "");
            FAILED
        }
    }
}

/// Shared memory is (nearly) full: nothing new is begun, what is there goes on.
fn out_of_memory(runtime: &Runtime, message: &Message<'_>) -> i32 {
    log_memory_full(runtime);
    let retry = format!("Retry-After: {RETRY_AFTER}\r\n");
    stateless(message, 503, "Service Unavailable", &retry);
    FAILED
}

fn log_memory_full(runtime: &Runtime) {
    counters::OUT_OF_MEMORY.add(1);
    let kept_back = runtime
        .samples
        .due(Sampled::MemoryFull, clock::monotonic_ms());
    if let Some(kept_back) = kept_back {
        log::error!(
            "shared memory is full: give Kamailio more (-m); a request was answered 503{kept_back}"
        );
    }
}

/// tm cannot make a transaction of it, for its Request-URI (P4) or for what `fault` says. Answered if it
/// can be at all (without a Via it cannot).
fn unreadable(
    runtime: &Runtime,
    message: &Message<'_>,
    where_to: &Destination,
    fault: Option<MessageError>,
) -> i32 {
    let (code, reason) = match (fault, where_to) {
        (Some(fault), _) => (fault.status(), fault.reason()),
        (None, Destination::WrongScheme) => (416, reason_phrase(416).to_owned()),
        (None, _) => (400, "Unreadable by the transaction layer".to_owned()),
    };
    let answered = sl::reply_stateless(message, code, &reason, "");
    let note = answered.map_or_else(|error| format!(" ({error})"), |()| String::new());
    let source = message.source();
    let line = format!("request refused {code} why=\"{reason}\" source={source}{note}");
    log_refused(runtime, &line);
    TAKEN
}

fn stateless(message: &Message<'_>, code: u16, reason: &str, headers: &str) -> i32 {
    if let Err(error) = sl::reply_stateless(message, code, reason, headers) {
        log::error!("answer {code} not sent: {error}");
    }
    TAKEN
}

fn request(runtime: &Runtime, message: &Message<'_>, env: &Env<'_>, where_to: &Destination) -> i32 {
    let read_at = clock::monotonic_us();
    let parsed = Request::parse(message.bytes(), message.is_stream());
    let in_dialog = parsed
        .as_ref()
        .is_ok_and(|request| request.to_tag.is_some());
    let begins = match message.method() {
        b"REFER" => true,
        // A re-INVITE or a refresh keeps going what there is.
        b"INVITE" | b"SUBSCRIBE" => !in_dialog,
        _ => false,
    };
    if begins && KamailioShm.available() < RESERVE {
        return out_of_memory(runtime, message);
    }
    match runtime.tm.new_transaction(message) {
        Ok(NewTransaction::Created) => collisions::notice(runtime, message),
        Ok(NewTransaction::Retransmission) => return TAKEN,
        Err(TmError::Malformed) => return unreadable(runtime, message, where_to, parsed.err()),
        Err(TmError::OutOfMemory) => return out_of_memory(runtime, message),
        Err(error) => {
            log::error!("no transaction for a request: {error}");
            stateless(message, 500, "Server Internal Error", "");
            return FAILED;
        }
    }
    let request = match parsed {
        Ok(request) => request,
        Err(error) => {
            let method = Method::of(&String::from_utf8_lossy(message.method()));
            let refusal = Refusal::Unreadable(error);
            let actions = refuse_unreadable(env, message.source(), &method, refusal);
            perform(runtime, actions, Place::Request(message));
            return TAKEN;
        }
    };
    panic_on_purpose(runtime, &request);
    fail_on_purpose(runtime, &request);
    let Some(socket) = message.socket() else {
        log::error!("a request without a socket");
        return FAILED;
    };
    let arrival = Arrival {
        request,
        socket: Socket::from(socket),
        source: message.source(),
        trusted: runtime.trusts(message.source()),
        read_at,
    };
    let (actions, code) = match dispatch(runtime, env, where_to, &arrival) {
        Ok(actions) => (actions, TAKEN),
        Err(refusal) => {
            let failed = refusal.status() >= 500;
            let actions = refuse_at_the_door(env, &arrival, refusal);
            (actions, if failed { FAILED } else { TAKEN })
        }
    };
    perform(runtime, actions, Place::Request(message));
    code
}

/// Finds the session that the request is for, and lets it decide.
fn dispatch(
    runtime: &Runtime,
    env: &Env<'_>,
    where_to: &Destination,
    arrival: &Arrival,
) -> Result<Vec<Action>, Refusal> {
    let request = &arrival.request;
    let method = &request.method;
    if request.to_tag.is_some() {
        let holder = in_dialog(runtime, request).ok_or(Refusal::NoSuchDialog)?;
        return runtime
            .store
            .with_record(holder, env, |session| {
                session.handle(Input::RequestReceived { holder, arrival })
            })
            .map_err(|error| not_stored(runtime, error, Refusal::NoSuchDialog));
    }
    // Nobody outside the trust domain forms a dialog with us or has us invite (P2).
    let forms_dialog = matches!(method, Method::Invite | Method::Refer | Method::Subscribe);
    if forms_dialog && !arrival.trusted {
        return Err(Refusal::UntrustedPeer);
    }
    if forms_dialog {
        phone_hosts::notice(runtime, where_to, arrival);
    }
    let begins = *method == Method::Invite && !matches!(where_to, Destination::Focus(_));
    if begins && runtime.draining.is_on() {
        return Err(Refusal::Draining);
    }
    if begins && !lives(runtime, where_to) && is_full_of_sessions(runtime) {
        return Err(Refusal::TooManySessions);
    }
    let (input, of_group) = match (method, where_to) {
        (_, Destination::WrongScheme) => return Err(Refusal::RequestUriScheme),
        (Method::Options, Destination::Factory) => {
            return Ok(vec![Action::Answer(answer_at_factory(request, env)?)]);
        }
        (Method::Invite, Destination::Factory) => {
            (Input::FactoryInviteReceived(arrival), OfGroup::Living)
        }
        (Method::Invite, _) => (Input::InviteReceived(arrival), OfGroup::LivingOrNew),
        (Method::Refer, _) => (Input::ReferReceived(arrival), OfGroup::Living),
        (Method::Options, _) => (Input::OptionsReceived(arrival), OfGroup::Living),
        (Method::Subscribe, _) => {
            // Also said where there is no session.
            check_event_outside_dialog(request)?;
            (Input::SubscribeReceived(arrival), OfGroup::Living)
        }
        (Method::Bye | Method::Update, _) => return Err(Refusal::NoSuchDialog),
        _ => return Err(Refusal::MethodNotServed),
    };
    let result = match where_to {
        Destination::Group(group) => runtime
            .store
            .with_group(group, of_group, env, |session| session.handle(input)),
        Destination::Focus(token) => runtime
            .store
            .with_focus(token, env, |session| session.handle(input)),
        Destination::Factory if *method == Method::Invite => {
            let contribution = contribution_id(request).unwrap_or_else(|| env.token());
            runtime
                .store
                .with_contribution(&contribution, env, |session| session.handle(input))
        }
        _ => Err(AccessError::NoSession),
    };
    result.map_err(|error| not_stored(runtime, error, Refusal::NoSuchSession))
}

/// Whether the group that is asked for has its session already.
fn lives(runtime: &Runtime, where_to: &Destination) -> bool {
    match where_to {
        Destination::Group(group) => runtime
            .store
            .find(&Name::Group(Identity::of(&group.uri)))
            .is_some(),
        _ => false,
    }
}

/// Two workers may both see the last place; the limit is the operator's, not memory's.
fn is_full_of_sessions(runtime: &Runtime) -> bool {
    let most = i64::from(runtime.config.max_sessions);
    most > 0 && counters::of(Counter::Sessions).value() >= most
}

/// The refusal for a session that could not be looked at or stored; `absent` if it is not there.
fn not_stored(runtime: &Runtime, error: AccessError, absent: Refusal) -> Refusal {
    match error {
        AccessError::NoSession => absent,
        AccessError::Full => {
            log_memory_full(runtime);
            Refusal::OutOfMemory
        }
        AccessError::Refused(_) | AccessError::Encoding => {
            log::error!("a request was answered 500: {error}");
            Refusal::NotStored(error.to_string())
        }
    }
}

/// The leg or REFER whose dialog this request is in, by Call-ID and our tag.
fn in_dialog(runtime: &Runtime, request: &Request) -> Option<Id> {
    runtime.store.find(&Name::Dialog {
        call_id: request.call_id.clone(),
        local_tag: request.to_tag.clone()?,
    })
}

/// The proof that a panic costs one request and nothing else: parameter `debug_panic_header`.
#[expect(clippy::panic, reason = "asked for by the operator, for tests")]
fn panic_on_purpose(runtime: &Runtime, request: &Request) {
    if let Some(name) = &runtime.config.debug_panic_header {
        if !request.values(name).is_empty() {
            panic!("asked for by the header {name}");
        }
    }
}

/// The proof that a full shared memory costs one event and nothing else: parameter `debug_full_header`.
fn fail_on_purpose(runtime: &Runtime, request: &Request) {
    let Some(name) = &runtime.config.debug_full_header else {
        return;
    };
    let which = request.text(name).and_then(|which| which.parse().ok());
    if let Some(which) = which {
        let left = KamailioShm.fail_at(which).unwrap_or(0);
        log::warning!(
            "allocation {which} from now on fails, asked for by the header {name}; left={left}"
        );
    }
}
