//! What comes back for our requests: answers through tm, timeouts, and 2xx that tm knows no more.

use super::executor::{self, apply, perform, Place, TimedOut};
use super::runtime::{runtime, Runtime};
use crate::cpm::action::Action;
use crate::cpm::input::Input;
use crate::cpm::records::{Id, Name};
use crate::cpm::socket::Socket;
use crate::cpm::stray_answer::end_stray_dialog;
use crate::kamailio::message::Message;
use crate::kamailio::script::Disposition;
use crate::kamailio::tm::Event;
use crate::kamailio::{core_state, log};
use crate::sip::{Method, Response};

/// tm's callback: `handle` is the record the request was sent for.
pub fn on_event(handle: u64, event: Event<'_>, in_timer: bool) {
    let Some(runtime) = runtime() else { return };
    if core_state::shutting_down() {
        return;
    }
    let record = Id(handle);
    match event {
        Event::Reply {
            bytes,
            is_stream,
            source,
        } => match Response::parse(bytes, is_stream) {
            Ok(response) => {
                let trusted = runtime.trusts(source);
                answered(runtime, record, &response, trusted);
            }
            Err(error) => log::warning!("an answer that cannot be read: {}", error.reason()),
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
}

fn answered(runtime: &Runtime, record: Id, response: &Response, trusted: bool) {
    let input = Input::AnswerReceived {
        record,
        response,
        trusted,
    };
    perform(runtime, apply(runtime, record, input), Place::Inline);
}

/// tm's timer process must not be kept waiting: our own process goes on with it.
fn leave_timeout(runtime: &Runtime, record: Id, status: u16) {
    let job = TimedOut { record, status };
    match executor::enqueue(&runtime.timeouts, &job) {
        Ok(()) => runtime.store.ring(),
        Err(why) => log::error!("a timeout waits for its deadline: {why}"),
    }
}

/// Every reply passes here before tm. Only a 2xx to an INVITE of ours whose transaction is gone is
/// taken: it gets its ACK (RFC 3261 section 13.2.2.4) by the leg's dialog.
pub fn on_every_reply(message: &Message<'_>) -> Disposition {
    let (Some(runtime), 200..=299) = (runtime(), message.status()) else {
        return Disposition::Keep;
    };
    let Ok(response) = Response::parse(message.bytes(), message.is_stream()) else {
        return Disposition::Keep;
    };
    if response.cseq_method != Method::Invite {
        return Disposition::Keep;
    }
    let name = Name::Dialog {
        call_id: response.call_id.clone(),
        local_tag: response.from_tag.clone(),
    };
    let Some(record) = runtime.store.find(&name) else {
        // tm may still know the transaction, but nobody waits for its result any more.
        return end_stray(runtime, &response, message);
    };
    if runtime.tm.knows_reply(message) {
        return Disposition::Keep;
    }
    answered(runtime, record, &response, runtime.trusts(message.source()));
    Disposition::Drop
}

/// Nothing is left of the leg, but the peer believes in a dialog.
fn end_stray(runtime: &Runtime, response: &Response, message: &Message<'_>) -> Disposition {
    let Some(socket) = message.socket() else {
        return Disposition::Keep;
    };
    let Some(requests) =
        runtime.with_env(|env| end_stray_dialog(response, Socket::from(socket), env))
    else {
        return Disposition::Keep;
    };
    log::info!("a 2xx that came too late: ACK, BYE");
    let actions = requests
        .into_iter()
        .map(|request| Action::Send(Box::new(request)));
    perform(runtime, actions.collect(), Place::Inline);
    Disposition::Drop
}
