//! The processes of our own: one that watches deadlines, some that send what may have to wait.
//! Not here: what is due (`crate::cpm`).

use std::thread::sleep;
use std::time::Duration;

use super::drain::end_some;
use super::executor::{apply, perform, Job, Place};
use super::runtime::runtime;
use crate::cpm::action::Action;
use crate::cpm::input::Input;
use crate::kamailio::process::ProcessError;
use crate::kamailio::{clock, log, process};

/// How often deadlines are looked at, ms.
const TICK: u64 = 50;
/// Most records handled per look, so that a crowd does not delay the next look for ever.
const AT_ONCE: usize = 256;
/// How long a sender waits for work before it looks again, ms.
const IDLE: u64 = 1_000;

/// In `mod_init`.
pub fn reserve(senders: u32) -> Result<(), ProcessError> {
    process::reserve(senders + 1)
}

/// In `child_init(Main)`.
pub fn start(senders: u32) -> Result<(), ProcessError> {
    process::start(c"CPM deadlines", watch_deadlines)?;
    for _ in 0..senders {
        process::start(c"CPM sender", send_next)?;
    }
    Ok(())
}

fn watch_deadlines() {
    let Some(runtime) = runtime() else {
        return sleep(Duration::from_millis(TICK));
    };
    if runtime.draining.is_on() {
        end_some(runtime);
    }
    let due = runtime.store.due(clock::monotonic_ms(), AT_ONCE);
    let full = due.len() == AT_ONCE;
    for record in due {
        let actions: Vec<Action> = apply(runtime, record, Input::DeadlineReached { record });
        perform(runtime, actions, Place::Inline);
    }
    if !full {
        sleep(Duration::from_millis(TICK));
    }
}

fn send_next() {
    let Some(runtime) = runtime() else {
        return sleep(Duration::from_millis(IDLE));
    };
    let Some(bytes) = runtime.queue.pop(IDLE) else {
        return;
    };
    match postcard::from_bytes::<Job>(&bytes) {
        Ok(Job::Send(request)) => perform(runtime, vec![Action::Send(request)], Place::Sender),
        Ok(Job::TimedOut { record, status }) => {
            let actions = apply(runtime, record, Input::TimedOut { record, status });
            perform(runtime, actions, Place::Sender);
        }
        Err(error) => log::error!("a job that cannot be read: {error}"),
    }
}
