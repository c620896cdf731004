//! The domain: what a Controlling Function decides. Pure: no I/O, no clock, no locks, no Kamailio.
//! Not here: SIP syntax (`crate::sip`), where records live (`crate::store`), how messages leave (`crate::module`).
//!
//! `Session::handle(Input) -> Vec<Action>` is the whole surface: inputs are things that happened,
//! actions are things to do once the session's lock has been given back.
#![forbid(unsafe_code)]

pub mod action;
pub mod answer;
pub mod asked;
pub mod dialog;
pub mod input;
pub mod media;
pub mod policy;
pub mod records;
pub mod route;
pub mod session;
pub mod settings;
pub mod stray;
pub mod text;
pub mod timer;
pub mod trail;
pub mod watch;
