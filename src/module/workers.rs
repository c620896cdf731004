//! The processes of our own: one that watches deadlines, some that send what may have to wait.

use std::thread::sleep;
use std::time::Duration;

use super::drain_sessions::end_some;
use super::executor::{apply, perform, Place, TimedOut};
use super::overload;
use super::runtime::{runtime, Runtime};
use crate::cpm::action::Action;
use crate::cpm::input::Input;
use crate::cpm::outgoing_message::OutgoingRequest;
use crate::cpm::records::Id;
use crate::kamailio::panic_guard::guard;
use crate::kamailio::process::ProcessError;
use crate::kamailio::{clock, log, process};

/// Longest sleep of the process that watches deadlines, ms: should it ever be forgotten.
const LONGEST_SLEEP: u64 = 30_000;
/// How long it sleeps while it drains, or while something that is due cannot be done, ms.
const TRY_AGAIN: u64 = 50;
/// Most records handled per look, so that a crowd does not delay the next look for ever.
const AT_ONCE: usize = 256;
/// Most records of one session handled in one commit, so that its lock is not held for long.
const TOGETHER: usize = 32;
/// How long a sender waits for work before it looks again, ms. Work wakes it.
const IDLE: u64 = 60_000;

/// In `mod_init`.
pub fn reserve(senders: u32) -> Result<(), ProcessError> {
    process::reserve(senders + 1)
}

/// In `child_init(Main)`.
pub fn start(senders: u32) -> Result<(), ProcessError> {
    process::start(c"CPM deadlines", watch_deadlines)?;
    for index in 0..senders as usize {
        process::start(c"CPM sender", move || send_next(index))?;
    }
    Ok(())
}

fn watch_deadlines() {
    let Some(runtime) = runtime() else {
        return sleep(Duration::from_millis(IDLE));
    };
    let heard = runtime.store.listen();
    let overload = overload::look(runtime);
    let draining = runtime.draining.is_on();
    if draining {
        end_some(runtime);
    }
    let due = runtime.store.due(clock::monotonic_ms(), AT_ONCE);
    let crowd = due.len() == AT_ONCE;
    for records in runtime.store.by_session(&due) {
        for records in records.chunks(TOGETHER) {
            handle_due(runtime, records);
        }
    }
    // What tm's timer process left here.
    for _ in 0..AT_ONCE {
        let Some(bytes) = runtime.timeouts.pop(0) else {
            break;
        };
        match postcard::from_bytes::<TimedOut>(&bytes) {
            Ok(TimedOut { record, status }) => {
                let actions = apply(runtime, record, Input::TimedOut { record, status });
                perform(runtime, actions, Place::Inline);
            }
            Err(error) => log::error!("a timeout that cannot be read: {error}"),
        }
    }
    if crowd || !runtime.timeouts.is_empty() {
        return;
    }
    let longest = match draining {
        true => TRY_AGAIN,
        false => overload.unwrap_or(LONGEST_SLEEP),
    };
    let now = clock::monotonic_ms();
    runtime.store.sleep(heard, now, longest, TRY_AGAIN);
}

/// What is due of one session, in one commit. If that fails, one by one: what can be done is done.
fn handle_due(runtime: &Runtime, records: &[Id]) {
    if let [first, _, ..] = records {
        let together = guard("deadlines of a session", None, || {
            let handled = runtime.with_env(|env| {
                runtime.store.with_record(*first, env, |session| {
                    for record in records.iter().copied() {
                        session.handle(Input::DeadlineReached { record });
                    }
                })
            });
            handled.ok()
        });
        if let Some(actions) = together {
            return perform(runtime, actions, Place::Inline);
        }
    }
    for record in records.iter().copied() {
        let actions = apply(runtime, record, Input::DeadlineReached { record });
        perform(runtime, actions, Place::Inline);
    }
}

fn send_next(index: usize) {
    let Some((runtime, queue)) = runtime().and_then(|r| Some((r, r.senders.get(index)?))) else {
        return sleep(Duration::from_millis(IDLE));
    };
    let Some(bytes) = queue.pop(IDLE) else {
        return;
    };
    match postcard::from_bytes::<Box<OutgoingRequest>>(&bytes) {
        Ok(request) => perform(runtime, vec![Action::Send(request)], Place::Sender),
        Err(error) => log::error!("a job that cannot be read: {error}"),
    }
}
