//! What a decision can tell: one variant per line of the log or of a decision trail.
//!
//! A note is kept as its few bytes and becomes text (`words`) only when somebody reads it.

mod words;

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::policy;
use super::redact::WhoRef;
use super::socket::Socket;
use super::targets::Purpose;
use super::time::Millis;

/// One thing that is told. `words` says how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Note<'a> {
    // ---- what came in ----
    Came(Came<'a>),
    /// The beginning of a Refer-To as it was received, and whether that is not all of it.
    ReferTo(&'a str, bool),
    ForGroup(&'a str),
    Referrer(Referrer<'a>),
    Asks(Wish<'a>),
    OperatorInvites(WhoRef<'a>),
    OperatorRemoves(WhoRef<'a>),
    OperatorEnds,

    // ---- what was decided ----
    Policy {
        who: WhoRef<'a>,
        /// Ids of the rules that matched.
        rules: Vec<&'a str>,
        action: policy::Action,
        allowed: bool,
    },
    Refused(Refused<'a>),
    Answered(u16),
    ReferAccepted {
        from: WhoRef<'a>,
        purpose: Purpose,
        targets: usize,
        notify: bool,
    },
    InvitedAlready(WhoRef<'a>),
    TargetSettled(WhoRef<'a>, u16, &'a str),
    SessionStarted {
        group: Option<&'a str>,
    },
    SessionInactive,
    SessionEnded,
    GivenUp {
        owed: usize,
    },
    ListedUsers(usize),
    SubjectChanged(WhoRef<'a>),
    Subject(&'a str),
    Administrator(WhoRef<'a>),

    // ---- our INVITEs ----
    InviteWaits(WhoRef<'a>, Millis, &'a str),
    Invited(WhoRef<'a>),
    LeftOut(WhoRef<'a>),
    Progress(WhoRef<'a>, u16),
    OnceMore(WhoRef<'a>, u16, Millis),
    OtherForm {
        who: WhoRef<'a>,
        text: bool,
    },
    NoAnswerInTime(WhoRef<'a>),
    CrossedCancel(WhoRef<'a>),
    UnusableAnswer(WhoRef<'a>, &'a str),
    NoToTag,
    SecondAnswer,
    Joined(WhoRef<'a>),
    NotReached(WhoRef<'a>, u16),
    NotSent {
        method: &'a str,
        why: &'a str,
    },

    // ---- what the referrer is told ----
    Result {
        target: WhoRef<'a>,
        status: u16,
        reason: &'a str,
    },
    Notify {
        cseq: u32,
        to: WhoRef<'a>,
        status: u16,
        reason: &'a str,
        about: Option<WhoRef<'a>>,
        state: &'a str,
    },
    NotifyAnswered {
        conference: bool,
        status: u16,
        again: Option<Millis>,
        over: bool,
    },

    // ---- participants ----
    JoinAccepted(WhoRef<'a>),
    NoAck(WhoRef<'a>),
    AnswerNotSent,
    UnusableAck(&'a str, WhoRef<'a>),
    Renewed {
        what: &'a str,
        media: &'a str,
        from: WhoRef<'a>,
    },
    RefreshFailed(u16, WhoRef<'a>),
    UnusableRefresh(&'a str),
    Expired {
        why: &'a str,
        who: WhoRef<'a>,
    },
    Left(WhoRef<'a>),
    Subscribed {
        from: WhoRef<'a>,
        expires: u32,
    },
    SubscriptionExpired,

    /// The beginnings of a note that is too long to be kept: without the names of those who are not to be
    /// named, and with them.
    Cut {
        bare: &'a str,
        full: &'a str,
    },
}

/// A request with targets, and from where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Came<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub cseq: u32,
    pub in_dialog: bool,
    pub socket: Socket,
    pub trusted: bool,
    pub source: SocketAddr,
}

/// Whom we take for the referrer, and by what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Referrer<'a> {
    #[serde(borrow)]
    pub names: WhoRef<'a>,
    /// By P-Asserted-Identity, not by the dialog.
    pub asserted: bool,
    pub anonymous: bool,
    pub hidden: bool,
    pub participant: bool,
}

/// What a REFER asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wish<'a> {
    pub purpose: Purpose,
    /// Entries that the sender wrote.
    pub written: usize,
    /// Targets, one for each person.
    pub kept: usize,
    /// The first of the targets.
    #[serde(borrow)]
    pub names: Vec<WhoRef<'a>>,
    /// No NOTIFY is wanted.
    pub suppressed: bool,
}

/// A request that is not served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused<'a> {
    pub what: &'a str,
    pub status: u16,
    pub reason: &'a str,
    pub requester: Option<WhoRef<'a>>,
    pub source: Option<SocketAddr>,
    pub group: Option<&'a str>,
    pub warning: Option<&'a str>,
    pub hint: Option<&'a str>,
}
