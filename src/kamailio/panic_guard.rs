//! The guard around every function that C can call: a panic ends there, with one line in the log.
//!
//! A panic that leaves an `extern "C"` function aborts the process, and Kamailio's main process ends the
//! whole server when a child dies. The guard does not catch stack overflow or heap exhaustion, which are
//! no panics: code bounds its recursion and the allocations whose size a peer chooses.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use super::log;

thread_local! {
    /// Message, file and line of the last panic in this thread.
    static LAST_PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs `f` and returns its result. If `f` panics, logs `what`, the message and the place, and returns
/// `fallback`.
pub fn guard<R>(what: &'static str, fallback: R, f: impl FnOnce() -> R) -> R {
    guard_or_else(what, || fallback, f)
}

/// Like [`guard`], with a fallback that is computed. The fallback itself is not guarded: if it panics too,
/// the process aborts.
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

/// Installs a panic hook that keeps the message for `report` and prints nothing: the stderr of a daemon
/// may be closed, or belong to another file.
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
    // Writing the log line and dropping the payload may panic in turn. That must not unwind further.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        log::error!(
            "panic in {what}: {}",
            seen.as_deref().unwrap_or("no message")
        );
    }));
    let _ = catch_unwind(AssertUnwindSafe(move || drop(payload)));
}
