//! Requests from sources that are not trusted: turned away before a transaction, a record or a trail is made
//! of them, so that a flood of them takes nothing from the trusted peers; and what Kamailio would only complain
//! about before it reads it.

use super::counters;
use super::modparams::Untrusted;
use super::return_codes::{FAILED, NOT_OURS, TAKEN};
use super::runtime::{runtime, Runtime};
use super::sampled_log::Sampled;
use crate::cpm::action::Counter;
use crate::cpm::refusal::Refusal;
use crate::kamailio::message::Message;
use crate::kamailio::received::{with_received, Received};
use crate::kamailio::sl;
use crate::kamailio::{clock, log};
use crate::sip::plain::{self, Plain};
use crate::sip::status::reason_phrase;
use crate::sip::Request;
use std::net::SocketAddr;

/// `cpm_is_trusted()`: whether the message came from an address in `trusted_peers`. Nothing is sent or counted.
pub fn is_trusted(message: &Message<'_>) -> i32 {
    match runtime() {
        Some(runtime) if runtime.trusts(message.source()) => TAKEN,
        Some(_) => NOT_OURS,
        None => FAILED,
    }
}

/// `cpm_turn_away()`: for what the script would answer itself.
pub fn turn_away_stranger(message: &Message<'_>) -> i32 {
    match runtime() {
        Some(runtime) if is_to_be_turned_away(runtime, message) => {
            turn_away(runtime, message);
            TAKEN
        }
        Some(_) => NOT_OURS,
        None => FAILED,
    }
}

/// `cpm_check_received()`: whether Kamailio may read what was received. Not, if it is a stranger's and would fill
/// the log, or is dropped whatever it says.
pub fn check_received(_: &Message<'_>) -> i32 {
    let Some(runtime) = runtime() else {
        return FAILED;
    };
    let may_be_read = with_received(|received| {
        runtime.trusts(received.source) || may_be_read(runtime, &received)
    });
    match may_be_read {
        Some(false) => NOT_OURS,
        _ => TAKEN,
    }
}

fn may_be_read(runtime: &Runtime, received: &Received<'_>) -> bool {
    let source = received.source;
    match plain::parse(received.bytes, received.is_stream) {
        Some(Plain::Response) => true,
        Some(Plain::Request(request)) => {
            let method = request.method.as_str().as_bytes();
            let answered = runtime.config.untrusted == Untrusted::Refuse;
            if answered || is_let_in(runtime, method, || request.to_tag.is_some()) {
                return true;
            }
            count(runtime, method, request.to_tag.is_some(), DROPPED, source);
            false
        }
        None => {
            count(
                runtime,
                b"a message that cannot be read",
                false,
                DROPPED,
                source,
            );
            false
        }
    }
}

/// Whether the request is turned away.
pub fn is_to_be_turned_away(runtime: &Runtime, message: &Message<'_>) -> bool {
    let in_dialog = || {
        Request::parse(message.bytes(), message.is_stream())
            .is_ok_and(|request| request.to_tag.is_some())
    };
    !runtime.trusts(message.source()) && !is_let_in(runtime, message.method(), in_dialog)
}

/// In a laboratory without S-CSCF (parameter `untrusted_in_dialog`) requests in a dialog are not turned away,
/// except REFERs.
fn is_let_in(runtime: &Runtime, method: &[u8], in_dialog: impl FnOnce() -> bool) -> bool {
    runtime.config.untrusted_in_dialog
        && match method {
            b"REFER" => false,
            b"CANCEL" => true,
            _ => in_dialog(),
        }
}

/// Answers 403 without a transaction, or nothing at all. `sl` absorbs the ACK to it.
pub fn turn_away(runtime: &Runtime, message: &Message<'_>) {
    let status = Refusal::UntrustedPeer.status();
    let answered = match (runtime.config.untrusted, message.method()) {
        (_, b"ACK") | (Untrusted::Drop, _) => DROPPED,
        (Untrusted::Refuse, _) => {
            // A failure is not told: it would be told as often.
            let _ = sl::reply_stateless(message, status, reason_phrase(status), "");
            "refused 403"
        }
    };
    let in_dialog = message.has_to_tag();
    count(
        runtime,
        message.method(),
        in_dialog,
        answered,
        message.source(),
    );
}

const DROPPED: &str = "dropped";

/// Into the statistics, and now and then into the log.
fn count(runtime: &Runtime, what: &[u8], in_dialog: bool, answered: &str, source: SocketAddr) {
    counters::UNTRUSTED_REQUESTS.add(1);
    if what == b"REFER" {
        counters::of(Counter::RefersRefused).add(1);
    }
    let now = clock::monotonic_ms();
    let (kind, place) = match in_dialog {
        true => (Sampled::StrangersInDialog, " in a dialog"),
        false => (Sampled::Strangers, ""),
    };
    if let Some(kept_back) = runtime.samples.due(kind, now) {
        let (why, hint) = (Refusal::UntrustedPeer, Refusal::UntrustedPeer.hint());
        log::info!(
            "{}{place} {answered} why=\"{why}\" source={source} hint=\"{}\"{kept_back}",
            String::from_utf8_lossy(what),
            hint.unwrap_or_default()
        );
    }
}
