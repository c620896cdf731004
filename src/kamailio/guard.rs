//! The guard around every function C can call: a panic ends there, with one line in the log.
//! Not here: recovery of state; commit-or-nothing is the caller's (see `store`).
//!
//! Promise: Kamailio's main process ends the whole server when one child dies, and a panic that
//! leaves an `extern "C"` function aborts. Stack overflow and heap exhaustion are not panics and are
//! not caught; recursion and input-sized allocations have to be bounded elsewhere.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use super::log;

thread_local! {
    /// What the panic hook saw last in this thread: message, file and line.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs `f`; if it panics, logs `what`, the message and the place, and gives `fallback`.
pub fn guard<R>(what: &'static str, fallback: R, f: impl FnOnce() -> R) -> R {
    guard_or_else(what, || fallback, f)
}

/// Like [`guard`], for a fallback that has to do something (answer 500, say). The fallback runs
/// guarded too; if it also panics the process has nothing left to return and ends.
pub fn guard_or_else<R>(
    what: &'static str,
    fallback: impl FnOnce() -> R,
    f: impl FnOnce() -> R,
) -> R {
    install_hook();
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(value) => value,
        Err(payload) => {
            report(what, payload);
            fallback()
        }
    }
}

/// The hook records and prints nothing: in a daemon stderr may be closed or anybody's.
fn install_hook() {
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            let text = info.to_string();
            let _ = LAST_PANIC.try_with(|last| {
                if let Ok(mut last) = last.try_borrow_mut() {
                    *last = Some(text);
                }
            });
        }));
    });
}

fn report(what: &'static str, payload: Box<dyn Any + Send>) {
    let seen = LAST_PANIC
        .try_with(|last| last.try_borrow_mut().ok().and_then(|mut last| last.take()))
        .ok()
        .flatten();
    // Neither the log line nor dropping an odd payload may unwind any further.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log::error!(
            "panic in {what}: {}",
            seen.as_deref().unwrap_or("no message")
        );
    }));
    let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
}
