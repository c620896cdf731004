//! The running server: black-box SIP over loopback sockets, one scenario per test.
//! CPM_MODULE names the module that it loads: `tests/run.sh` builds it and sets it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[path = "../kit/mod.rs"]
mod kit;

mod adhoc;
mod bad_input;
mod conference;
mod fanout;
mod kemi;
mod lifecycle;
mod matrix;
mod memory;
mod offer_answer;
mod operability;
mod operator;
mod refer_answer;
mod refer_full;
mod refer_invite;
mod refer_notify;
mod refer_policy;
mod robustness;
mod session;
mod session_dialog;
mod session_timer;
mod torture;
mod why;
