//! Requests from sources that are not trusted: turned away before a transaction, a record or a trail is made
//! of them, so that a flood of them takes nothing from the trusted peers.

use super::counters;
use super::request::{FAILED, NOT_OURS, TAKEN};
use super::runtime::{runtime, Runtime};
use super::sampled_log::Sampled;
use crate::cpm::action::Counter;
use crate::cpm::refusal::Refusal;
use crate::kamailio::message::Message;
use crate::kamailio::sl;
use crate::kamailio::{clock, log};
use crate::sip::status::reason_phrase;
use crate::sip::Request;

/// What a request from a source that is not trusted gets (parameter `untrusted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// 403, without a transaction.
    Refuse,
    /// Nothing.
    Drop,
}

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

/// Whether the request is turned away. In a laboratory without S-CSCF (parameter `untrusted_in_dialog`) those
/// in a dialog are not, except REFERs.
pub fn is_to_be_turned_away(runtime: &Runtime, message: &Message<'_>) -> bool {
    if runtime.trusts(message.source()) {
        return false;
    }
    let in_dialog = || match message.method() {
        b"REFER" => false,
        b"CANCEL" => true,
        _ => Request::parse(message.bytes(), message.is_stream())
            .is_ok_and(|request| request.to_tag.is_some()),
    };
    !(runtime.config.untrusted_in_dialog && in_dialog())
}

/// Answers 403 without a transaction, or nothing at all. `sl` absorbs the ACK to it.
pub fn turn_away(runtime: &Runtime, message: &Message<'_>) {
    counters::UNTRUSTED_REQUESTS.add(1);
    let method = message.method();
    if method == b"REFER" {
        counters::of(Counter::RefersRefused).add(1);
    }
    let status = Refusal::UntrustedPeer.status();
    let answered = match (runtime.config.untrusted, method) {
        (_, b"ACK") | (Untrusted::Drop, _) => "dropped",
        (Untrusted::Refuse, _) => {
            // A failure is not told: it would be told as often.
            let _ = sl::reply_stateless(message, status, reason_phrase(status), "");
            "refused 403"
        }
    };
    let now = clock::monotonic_ms();
    if let Some(kept_back) = runtime.samples.due(Sampled::Strangers, now) {
        let (why, hint) = (Refusal::UntrustedPeer, Refusal::UntrustedPeer.hint());
        log::info!(
            "{} {answered} why=\"{why}\" source={} hint=\"{}\"{kept_back}",
            String::from_utf8_lossy(method),
            message.source(),
            hint.unwrap_or_default()
        );
    }
}
