//! `cpm`: the Controlling Function of CPM / RCS group chat as a Kamailio module.
//! Not here: any logic. This file only says which parts exist and who may see whom.
//!
//! Dependency direction: `sip <- cpm <- store <- module -> kamailio -> kamailio_sys`.
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod cpm;
pub mod sip;
pub mod store;

#[cfg(feature = "module")]
pub mod kamailio;
#[cfg(feature = "module")]
mod kamailio_sys;
#[cfg(feature = "module")]
mod module;
