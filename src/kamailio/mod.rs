//! The only safe door to Kamailio: what the module uses of it, in types that keep its promises.
//! Not here: anything about CPM or sessions; and nobody above sees `kamailio_sys` or a raw pointer.
//!
//! Rules every file here keeps:
//! * Whatever C can call goes through [`guard::guard`]; no panic reaches Kamailio.
//! * Whatever Kamailio lends (message buffers, `str`s, parsed headers) is copied or borrowed for the
//!   length of one call; nothing borrowed can outlive the callback it came in.
//! * Function tables of other modules are loaded in `mod_init`, before the workers are forked, so
//!   every process has the same ones.

pub mod clock;
mod config;
pub mod core;
pub mod counters;
pub mod exports;
pub mod guard;
mod import;
pub mod kemi;
pub mod log;
pub mod message;
pub mod params;
pub mod process;
pub mod rpc;
pub mod script;
pub mod shm;
pub mod sl;
pub mod sockets;
mod table;
mod text;
pub mod tm;
