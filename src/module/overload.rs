//! Overload: while messages wait too long until they are read, what would begin something new is refused, before a
//! transaction, a record or a trail is made of it. What has begun goes on.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::counters;
use super::runtime::Runtime;
use super::sampled_log::Sampled;
use crate::cpm::action::Counter;
use crate::cpm::overload::{Backlog, Busy, Shedder};
use crate::cpm::time::{Micros, Millis};
use crate::kamailio::backlog::{behind, Behind};
use crate::kamailio::message::Message;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::tm::AckOrCancel;
use crate::kamailio::{clock, log, sl};
use crate::sip::status::reason_phrase;

/// Overload is over when nothing was refused for so long, ms.
const OVER: Millis = 5_000;
/// How often a process measures how long messages wait, µs: while they do, and while they do not. It costs two system
/// calls.
const OFTEN: Micros = 2_000;
const SELDOM: Micros = 10_000;
/// So long one process goes by what another has measured, ms.
const RECENT: Millis = 50;
/// So long a measured delay says something to the operator, ms.
const FRESH: Millis = 1_000;
/// Least seconds in Retry-After, and how many more are spread over, so that not all come back together.
const RETRY: u64 = 5;
const SPREAD: u64 = 6;

/// What this process remembers; a copy of its own since the fork.
static OWN: Mutex<Option<Own>> = Mutex::new(None);
/// Bytes of messages that this process has handled.
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[derive(Default)]
struct Own {
    shedder: Shedder,
    busy: Busy,
    measure_at: Micros,
    backlog: Backlog,
}

/// How the server is loaded; seen by all processes.
#[derive(Clone, Copy)]
pub struct Load(NonNull<State>);

/// Times in ms of the clock that never jumps.
#[derive(Default)]
struct State {
    /// Since when there is overload; 0: there is none.
    since: AtomicU64,
    refused: AtomicU64,
    last_refused: AtomicU64,
    /// How long messages wait where they wait longest, ms, and when that was measured.
    delay: AtomicU64,
    measured: AtomicU64,
}

// SAFETY: atomics at an address that is valid in all processes for as long as the server runs.
unsafe impl Send for Load {}
// SAFETY: as above.
unsafe impl Sync for Load {}

impl Load {
    /// In `mod_init`; None when shared memory has no room.
    pub fn create() -> Option<Load> {
        let state = KamailioShm.allocate(size_of::<State>())?.cast::<State>();
        // SAFETY: the block is large enough and nobody else knows it.
        unsafe { state.write(State::default()) };
        Some(Load(state))
    }

    fn state(&self) -> &State {
        // SAFETY: made by `create`, never released.
        unsafe { self.0.as_ref() }
    }

    /// This process has measured that messages wait so long.
    fn measured(&self, delay: Millis, now: Millis) {
        if delay >= self.longest(now) {
            self.state().measured.store(now, Ordering::Relaxed);
            self.set_delay(delay);
        }
    }

    /// How long messages wait in the process where they wait longest.
    fn longest(&self, now: Millis) -> Millis {
        let measured = self.state().measured.load(Ordering::Relaxed);
        match now.saturating_sub(measured) < RECENT {
            true => self.state().delay.load(Ordering::Relaxed),
            false => 0,
        }
    }

    /// The statistic is the sum of what all processes have added to it.
    fn set_delay(&self, delay: Millis) {
        if self.state().delay.load(Ordering::Relaxed) != delay {
            let before = self.state().delay.swap(delay, Ordering::Relaxed);
            counters::QUEUE_DELAY.add(delay.cast_signed() - before.cast_signed());
        }
    }

    /// Counts a refusal. Gives how many there were in this overload.
    fn refused(&self, now: Millis) -> u64 {
        self.state().last_refused.store(now, Ordering::Relaxed);
        self.state().refused.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether overload has begun `now`, and no other process has said so.
    fn begins(&self, now: Millis) -> bool {
        let since = &self.state().since;
        since.load(Ordering::Relaxed) == 0
            && since
                .compare_exchange(0, now.max(1), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// Every message that this process has received passes here, so that it knows how much waits behind them.
pub fn handled(runtime: &Runtime, message: &Message<'_>) {
    let before = HANDLED.fetch_add(message.bytes().len() as u64, Ordering::Relaxed);
    if runtime.config.shed_delay == 0 {
        return;
    }
    let handled = before + message.bytes().len() as u64;
    let now = clock::monotonic_us();
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    let own = own.get_or_insert_default();
    if now >= own.measure_at {
        own.measure(message, handled, now);
        let often = own.backlog.waited.saturating_mul(4) >= runtime.config.shed_delay
            || own.backlog.filled >= 100;
        own.measure_at = now + if often { OFTEN } else { SELDOM };
        // Whoever connects can keep one reader busy. That says nothing of the others, unless it is a peer of ours.
        if !message.is_stream() || runtime.trusts(message.source()) {
            runtime
                .load
                .measured(own.backlog.waited / 1_000, now / 1_000);
        }
    }
}

/// Answers a request that would begin something if there is too much to do, or lets tm repeat its answer. False: the
/// request is to be served.
pub fn is_turned_away(runtime: &Runtime, message: &Message<'_>) -> bool {
    let limit = runtime.config.shed_delay;
    if limit == 0 || !begins_something(message) {
        return false;
    }
    let now = clock::monotonic_us();
    let (refuses, backlog) = {
        let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        let own = own.get_or_insert_default();
        // Work that one process accepts may come back to another, which has too much.
        let longest = runtime.load.longest(now / 1_000) * 1_000;
        let backlog = Backlog {
            waited: own.backlog.waited.max(longest),
            filled: own.backlog.filled,
        };
        (own.shedder.refuses(now, backlog, limit), backlog)
    };
    if !refuses {
        return false;
    }
    // What was accepted and is asked again gets its answer.
    if runtime.tm.check_transaction(message) != Ok(AckOrCancel::Matched) {
        refuse(runtime, message, backlog, now / 1_000);
    }
    true
}

impl Own {
    fn measure(&mut self, message: &Message<'_>, handled: u64, now: Micros) {
        self.backlog = match behind(message) {
            Some(Behind::Datagram { waited, filled }) => Backlog {
                waited: waited.unwrap_or(0),
                filled,
            },
            // Nothing is lost when its buffer is full.
            Some(Behind::Stream { unread }) => Backlog {
                waited: self.busy.lasts(now, handled, unread),
                filled: 0,
            },
            None => Backlog::default(),
        };
    }
}

/// What ends something or keeps it going is not refused: an ACK, a BYE, a CANCEL, a refresh.
fn begins_something(message: &Message<'_>) -> bool {
    match message.method() {
        b"REFER" => true,
        b"ACK" | b"BYE" | b"CANCEL" => false,
        _ => !message.has_to_tag(),
    }
}

fn refuse(runtime: &Runtime, message: &Message<'_>, backlog: Backlog, now: Millis) {
    let status = runtime.config.shed_status;
    let count = runtime.load.refused(now);
    let headers = format!("Retry-After: {}\r\n", RETRY + count % SPREAD);
    // A failure is not told: it would be told as often.
    let _ = sl::reply_stateless(message, status, reason_phrase(status), &headers);
    counters::SHED.add(1);
    if message.method() == b"REFER" {
        counters::of(Counter::RefersRefused).add(1);
    }
    if runtime.load.begins(now) {
        counters::OVERLOADED.add(1);
        // It notices the end.
        runtime.store.ring();
        if let Some(kept_back) = runtime.samples.due(Sampled::OverloadBegins, now) {
            log::warning!(
                "overload: messages wait {} ms, their buffer is {} % full; new requests are answered {status}{kept_back}",
                backlog.waited / 1_000,
                backlog.filled / 10
            );
        }
    }
}

/// Ends what is over. Gives after how many milliseconds it wants to look again; `None`: not before something changes.
pub fn look(runtime: &Runtime) -> Option<Millis> {
    let (load, state) = (&runtime.load, runtime.load.state());
    let now = clock::monotonic_ms();
    if now.saturating_sub(state.measured.load(Ordering::Relaxed)) >= FRESH {
        load.set_delay(0);
    }
    let since = state.since.load(Ordering::Relaxed);
    if since == 0 {
        return None;
    }
    if now.saturating_sub(state.last_refused.load(Ordering::Relaxed)) < OVER {
        return Some(FRESH);
    }
    state.since.store(0, Ordering::Relaxed);
    counters::OVERLOADED.add(-1);
    let refused = state.refused.swap(0, Ordering::Relaxed);
    if let Some(kept_back) = runtime.samples.due(Sampled::OverloadEnds, now) {
        let seconds = now
            .saturating_sub(since)
            .saturating_sub(OVER)
            .div_ceil(1_000);
        log::notice!("overload is over: {refused} requests were refused in {seconds} s{kept_back}");
    }
    None
}
