//! Macros of Kamailio's headers that bindgen does not translate, by their own names.
//! Not here: static inline functions; the wrapper re-implements the few it needs where it needs them.

use super::{cell, sip_msg};

/// `T_UNDEFINED` (tm/t_lookup.h): tm has not looked for a transaction of the current message yet.
pub const T_UNDEFINED: *mut cell = usize::MAX as *mut cell;

/// `FAKED_REPLY` (core/parser/msg_parser.h): no message was received, a timer hit instead.
pub const FAKED_REPLY: *mut sip_msg = usize::MAX as *mut sip_msg;

/// `NO_SCRIPT` (core/sr_module.h): an export that routing scripts cannot call.
pub const NO_SCRIPT: i32 = -1;

/// `PARAM_USE_FUNC` (core/sr_module.h): the parameter's pointer is a function to call.
pub const PARAM_USE_FUNC: u32 = 1 << 31;
