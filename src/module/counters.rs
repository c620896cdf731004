//! Statistics of group `cpm`: the domain's counters under their public names.
//! Not here: when they count (`crate::cpm`).

use std::ffi::CStr;

use crate::cpm::action::Counter as Name;
use crate::kamailio::counters::{register, Counter, CounterError};

static SESSIONS: Counter = Counter::new();
static PARTICIPANTS: Counter = Counter::new();
static REFERS_ACCEPTED: Counter = Counter::new();
static REFERS_REFUSED: Counter = Counter::new();
static INVITES_SENT: Counter = Counter::new();
static INVITES_ACCEPTED: Counter = Counter::new();
static INVITES_FAILED: Counter = Counter::new();
static NOTIFIES_SENT: Counter = Counter::new();
static JOINS_ACCEPTED: Counter = Counter::new();
static JOINS_REFUSED: Counter = Counter::new();

/// Name, help, counter: the whole table.
pub static TABLE: [(&CStr, &CStr, &Counter); 10] = [
    (c"sessions", c"live sessions now", &SESSIONS),
    (
        c"participants",
        c"connected participants now",
        &PARTICIPANTS,
    ),
    (c"refers_accepted", c"REFERs answered 2xx", &REFERS_ACCEPTED),
    (c"refers_refused", c"REFERs refused", &REFERS_REFUSED),
    (c"invites_sent", c"INVITEs sent to targets", &INVITES_SENT),
    (
        c"invites_accepted",
        c"targets that joined",
        &INVITES_ACCEPTED,
    ),
    (
        c"invites_failed",
        c"targets that did not join",
        &INVITES_FAILED,
    ),
    (c"notifies_sent", c"refer NOTIFYs sent", &NOTIFIES_SENT),
    (
        c"joins_accepted",
        c"INVITEs from participants accepted",
        &JOINS_ACCEPTED,
    ),
    (
        c"joins_refused",
        c"INVITEs from participants refused",
        &JOINS_REFUSED,
    ),
];

/// In `mod_init`.
pub fn register_all() -> Result<(), CounterError> {
    register(c"cpm", &TABLE)
}

pub fn of(name: Name) -> &'static Counter {
    match name {
        Name::Sessions => &SESSIONS,
        Name::Participants => &PARTICIPANTS,
        Name::RefersAccepted => &REFERS_ACCEPTED,
        Name::RefersRefused => &REFERS_REFUSED,
        Name::InvitesSent => &INVITES_SENT,
        Name::InvitesAccepted => &INVITES_ACCEPTED,
        Name::InvitesFailed => &INVITES_FAILED,
        Name::NotifiesSent => &NOTIFIES_SENT,
        Name::JoinsAccepted => &JOINS_ACCEPTED,
        Name::JoinsRefused => &JOINS_REFUSED,
    }
}
