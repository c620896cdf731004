//! The domain: what a Controlling Function decides. Pure: no I/O, no clock, no locks, no Kamailio.
//!
//! `Session::handle(Input) -> Vec<Action>` is the whole surface: inputs are things that happened,
//! actions are things to do once the session's lock has been given back. To find the nine steps of the
//! OMA procedure, begin at `session/refer.rs`.
#![forbid(unsafe_code)]

pub mod action;
pub mod bodies;
mod conference;
pub mod cpm_identifiers;
mod departure;
pub mod destination;
mod dialog;
pub mod env;
pub mod event_packages;
pub mod headers;
pub mod input;
mod media;
mod option_tags;
pub mod options;
pub mod outgoing;
pub mod policy;
pub mod quirk;
pub mod recipient_list;
pub mod records;
pub mod redact;
pub mod refer_request;
pub mod refusal;
pub mod refuse;
pub mod session;
mod session_timer;
pub mod settings;
pub mod socket;
pub mod stray;
pub mod targets;
pub mod time;
pub mod trail;
pub mod warning_texts;
pub mod who;
