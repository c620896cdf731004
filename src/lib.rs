//! `cpm`: the Controlling Function of CPM / RCS group chat as a Kamailio module.
//!
//! Dependency direction: `sip <- cpm <- store <- module -> kamailio -> kamailio_sys`.

pub mod cpm;
pub mod document_file;
pub mod sip;
pub mod store;

#[cfg(feature = "module")]
pub mod kamailio;
#[cfg(feature = "module")]
mod kamailio_sys;
#[cfg(feature = "module")]
mod module;

/// What the module allocates for itself, in each process.
#[cfg(feature = "module")]
#[global_allocator]
static ALLOCATOR: kamailio::allocator::Allocator = kamailio::allocator::Allocator;
