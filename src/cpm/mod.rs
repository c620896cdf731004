//! The domain: what a Controlling Function decides. Pure: no I/O, no clock, no locks, no Kamailio.
//!
//! `Session::handle(Input) -> Vec<Action>` is the whole surface: inputs are things that happened,
//! actions are things to do once the session's lock has been given back. To find the nine steps of the
//! OMA procedure, begin at `session/refer/mod.rs`.
#![forbid(unsafe_code)]

pub mod action;
pub mod body_parts;
pub mod client_forms;
mod conference;
pub mod cpm_identifiers;
pub mod decision_trail;
mod departure_reason;
mod dialog_rules;
pub mod env;
pub mod event_packages;
pub mod header_lines;
pub mod input;
mod media;
mod note;
mod option_tags;
pub mod options_method;
pub mod outgoing_message;
pub mod overload;
pub mod person;
pub mod policy;
pub mod quirk;
pub mod rate;
pub mod recipient_list;
pub mod records;
pub mod redact;
pub mod refer_syntax;
pub mod refusal;
pub mod refusal_answer;
pub mod request_uri;
pub mod session;
mod session_timer_negotiation;
pub mod settings;
pub mod socket;
pub mod stray_answer;
pub mod targets;
pub mod time;
pub mod trail_entries;
pub mod warning_texts;
