//! The domain: what a Controlling Function decides.
//! Not here: I/O, clocks, locks, Kamailio.
#![forbid(unsafe_code)]

pub mod policy;
