//! Generated bindings to the Kamailio this module is built for, and macros that bindgen does not see.
//!
//! Only `crate::kamailio` may import this.
#![allow(
    clippy::all,
    clippy::indexing_slicing,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unnecessary_transmutes,
    unsafe_op_in_unsafe_fn
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

mod macros;
pub use macros::*;
