//! The safe wrapper of what this module uses of Kamailio.
//!
//! Each file opens with what Kamailio guarantees there: which process, which lock, which memory, what
//! may come twice. All files keep these rules:
//! * Every function that C can call runs inside [`guard::guard`], so no panic reaches Kamailio.
//! * What Kamailio lends (message buffers, `str`s, parsed headers) is copied, or borrowed for the length
//!   of one call. Nothing borrowed outlives the callback it came in.
//! * Function tables of other modules are loaded in `mod_init`, before the workers are forked. So all
//!   processes have the same ones.
//! * `kamailio_sys` and raw pointers stay inside.

pub mod allocator;
pub mod backlog;
mod cfg_framework;
pub mod clock;
pub mod core_state;
pub mod counters;
mod export_table;
pub mod exports;
mod import;
pub mod kemi;
pub mod log;
pub mod message;
pub mod panic_guard;
pub mod params;
pub mod process;
pub mod received;
pub mod rpc;
pub mod script;
pub mod shm;
pub mod sl;
pub mod sockets;
mod str_conversion;
pub mod tm;
