//! The timers that tm is configured with. Timers of this module have to fit to them.
//!
//! After its `mod_init` tm keeps them in ticks of 1/16 s. So they can be read in `child_init`
//! ([`Stage::BeforeFork`](crate::kamailio::process::Stage)) or later. An RPC command may change them while
//! the server runs.

use std::ffi::CStr;
use std::ptr::{addr_of, null_mut};

use super::Tm;
use crate::kamailio::str_conversion;
use crate::kamailio_sys as sys;

/// Timers of tm, in milliseconds, rounded down to ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// How long tm waits for a first reply, and retransmits a 2xx to INVITE (`fr_timer`).
    pub no_answer: u64,
    /// How long tm waits for a final reply to INVITE after a 1xx (`fr_inv_timer`).
    pub ringing: u64,
    /// How long an INVITE may take in all (`max_inv_lifetime`).
    pub invite_lifetime: u64,
    /// How long a completed transaction absorbs retransmissions (`wt_timer`).
    pub wait: u64,
}

impl Tm {
    /// The timers that tm uses now. `None` if this version of tm does not know one of them.
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

/// A timer from tm's group of configuration variables, in milliseconds.
fn read_ms(name: &CStr) -> Option<u64> {
    let mut group_name = str_conversion::str_of(b"tm");
    let mut name = str_conversion::str_of(name.to_bytes());
    let mut group: *mut sys::cfg_group_t = null_mut();
    let mut variable: *mut sys::cfg_mapping_t = null_mut();
    // SAFETY: the function searches lists that do not change after the start. The group's handle points
    // to the values that this process uses, and an int lies at the variable's offset. The structs are
    // packed, so members are read unaligned.
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
