//! Macros of Kamailio's headers that bindgen does not translate, under their own names.

use super::{cell, sip_msg};

/// `T_UNDEFINED` (modules/tm/t_lookup.h): tm has not yet looked up the transaction of the current message.
pub const T_UNDEFINED: *mut cell = usize::MAX as *mut cell;

/// `FAKED_REPLY` (core/parser/msg_parser.h): stands for a reply when a timer ended the transaction.
pub const FAKED_REPLY: *mut sip_msg = usize::MAX as *mut sip_msg;

/// `NO_SCRIPT` (core/sr_module.h): the parameter count of a function that routing scripts cannot call.
pub const NO_SCRIPT: i32 = -1;

/// `PARAM_USE_FUNC` (core/sr_module.h): the pointer of the parameter is a function to call.
pub const PARAM_USE_FUNC: u32 = 1 << 31;
