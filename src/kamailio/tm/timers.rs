//! The timers tm was configured with, for those of ours that have to fit in between.
//! Not here: changing them.
//!
//! Promise: tm keeps them in ticks of 1/16 s once its own `mod_init` has run, so they are read in
//! `child_init` ([`Stage::BeforeFork`](crate::kamailio::process::Stage)) or later. An RPC command may
//! change them while the server runs.

use std::ffi::CStr;
use std::ptr::{addr_of, null_mut};

use super::Tm;
use crate::kamailio::text;
use crate::kamailio_sys as sys;

/// Milliseconds, rounded down to ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// No answer at all, and how long a 2xx to INVITE is repeated (`fr_timer`).
    pub no_answer: u64,
    /// After a 1xx to INVITE (`fr_inv_timer`).
    pub ringing: u64,
    /// Whatever happens (`max_inv_lifetime`).
    pub invite_lifetime: u64,
    /// How long a finished transaction absorbs repetitions (`wt_timer`).
    pub wait: u64,
}

impl Tm {
    /// What tm uses now; `None` if this tm does not know one of the names.
    pub fn timers(&self) -> Option<Timers> {
        Some(Timers {
            no_answer: read_ms(c"fr_timer")?,
            ringing: read_ms(c"fr_inv_timer")?,
            invite_lifetime: read_ms(c"max_inv_lifetime")?,
            wait: read_ms(c"wt_timer")?,
        })
    }
}

/// core/timer_ticks.h: TIMER_TICKS_HZ.
const TICKS_PER_SECOND: u64 = 16;

/// One integer of tm's configuration group, as this process sees it.
fn read_ms(name: &CStr) -> Option<u64> {
    let mut group_name = text::str_of(b"tm");
    let mut name = text::str_of(name.to_bytes());
    let mut group: *mut sys::cfg_group_t = null_mut();
    let mut variable: *mut sys::cfg_mapping_t = null_mut();
    // SAFETY: looks names up in lists that do not change after start. The group's handle points to
    // the values of this process, where an int lies at the variable's offset; the records are packed,
    // so members are read unaligned.
    let ticks = unsafe {
        let missing =
            sys::cfg_lookup_var(&mut group_name, &mut name, &mut group, &mut variable) != 0;
        if missing || group.is_null() || variable.is_null() {
            return None;
        }
        let handle = addr_of!((*group).handle).read_unaligned();
        let offset = addr_of!((*variable).offset).read_unaligned();
        let value = (*handle).cast::<u8>().offset(offset as isize);
        value.cast::<i32>().read_unaligned()
    };
    u64::try_from(ticks)
        .ok()
        .map(|ticks| ticks * 1000 / TICKS_PER_SECOND)
}
