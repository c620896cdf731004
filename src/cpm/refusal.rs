//! Why a request is not served: one variant per reason, with the status, the Warning and the further
//! header it is answered with, and what an operator can do about it.

use super::action::Counter;
use super::header_lines::{ACCEPT, ALLOW, ALLOW_EVENTS};
use super::policy;
use super::redact::Who;
use super::time::Millis;
use super::warning_texts::WarningText;
use crate::sip::conference_info;
use crate::sip::content_encoding::ACCEPT_ENCODING;
use crate::sip::MessageError;
use crate::sip::Method;

/// Retry-After of a request that found no room, seconds.
const RETRY_LATER: u32 = 10;
/// Retry-After while something of the same dialog is under way, seconds.
const RETRY_SOON: u32 = 1;
/// Retry-After of an UPDATE that came before our INVITE was answered, seconds.
const RETRY_UPDATE: u32 = 5;

/// Longest reason in a reason phrase or a log line, characters. It may quote the request, but not at
/// any length.
const LONGEST_REASON: usize = 300;

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    // ---- who asks ----
    /// The source address is not in `trusted_peers`.
    #[error("not from a trusted peer")]
    UntrustedPeer,
    /// A trusted peer asserts nobody (RFC 3325 section 9.1).
    #[error("no usable P-Asserted-Identity")]
    NoAssertedIdentity,
    /// The same of a SUBSCRIBE, which has a Warning of its own.
    #[error("no usable P-Asserted-Identity")]
    NoAssertedSubscriber,
    /// In a dialog, somebody else than its peer is asserted (R1.3).
    #[error("asserted identity is not that of the dialog")]
    IdentityNotOfDialog,
    /// Our own INVITE came back under another name: two sessions would feed each other.
    #[error("a focus is no participant")]
    FocusAsParticipant,

    // ---- what the policy says ----
    /// The group document does not permit this action.
    #[error("policy: {0}")]
    Policy(policy::Action),
    /// The policy of ad-hoc sessions does not permit this action.
    #[error("ad-hoc policy: {0}")]
    AdHocPolicy(policy::Action),
    /// Parameter `precheck_targets`: no target may join.
    #[error("policy: no target may join")]
    NoTargetMayJoin,
    /// Somebody was removed, or does not belong to this ad-hoc session.
    #[error("removed, or never invited")]
    MayNotRejoin,
    /// Somebody who was removed wants to watch.
    #[error("removed from the session")]
    Removed,
    /// A factory INVITE without anybody to invite.
    #[error("nobody to invite")]
    NobodyToInvite,

    // ---- limits ----
    /// `max_participants` people are connected or pending.
    #[error("session is full")]
    SessionFull,
    /// More entries than `max_refer_targets`.
    #[error("{written} targets, max_refer_targets is {most}")]
    TooManyTargets {
        /// Entries of the list.
        written: usize,
        /// The limit.
        most: usize,
    },
    /// Shared memory has no room for all INVITEs of a list.
    #[error("{targets} targets, shared memory for {room}")]
    NoMemoryForTargets {
        /// INVITEs that would be sent.
        targets: usize,
        /// INVITEs there is room for.
        room: u64,
    },
    /// As many conference subscriptions as `max_subscriptions`.
    #[error("{there} conference subscriptions, max_subscriptions is {most}")]
    TooManySubscriptions {
        /// Subscriptions of the session.
        there: usize,
        /// The limit.
        most: usize,
    },
    /// As many conference subscriptions of one person as `max_person_subscriptions`.
    #[error("{there} conference subscriptions of this person, max_person_subscriptions is {most}")]
    TooManyOfPerson {
        /// Their subscriptions in the session.
        there: usize,
        /// The limit.
        most: usize,
    },
    /// More REFERs of one person than `refer_rate`.
    #[error("more requests of this person than refer_rate, which is {rate}")]
    TooManyRefers {
        /// The limit, per second.
        rate: u32,
        /// When there is a turn again, ms.
        wait: Millis,
    },
    /// As many sessions as `max_sessions`.
    #[error("max_sessions is reached")]
    TooManySessions,
    /// `cpm.drain` was called.
    #[error("the server is draining")]
    Draining,
    /// Shared memory is full.
    #[error("shared memory is full")]
    OutOfMemory,
    /// A session could not be stored; the error of the store.
    #[error("{0}")]
    NotStored(String),

    // ---- where it goes ----
    /// A host of ours, but no live session behind it.
    #[error("no such session")]
    NoSuchSession,
    /// The Request-URI has a scheme that no focus has.
    #[error("request-uri scheme")]
    RequestUriScheme,
    /// No dialog by this Call-ID and To-tag.
    #[error("no such dialog")]
    NoSuchDialog,
    /// The dialog's peer has another tag.
    #[error("From-tag of another dialog")]
    OtherFromTag,
    /// The INVITE dialog is over, its subscriptions are not.
    #[error("no INVITE dialog any more")]
    NoInviteDialog,
    /// The participant has left the session.
    #[error("the participant has left already")]
    ParticipantLeft,
    /// The dialog holds no conference subscription like this.
    #[error("no such conference subscription")]
    NoSuchConferenceSubscription,
    /// The dialog holds no refer subscription like this.
    #[error("no such refer subscription")]
    NoSuchReferSubscription,
    /// A copy of a request that came by another way (RFC 3261 section 8.2.2.2).
    #[error("merged request")]
    Merged,

    // ---- its form ----
    /// Bytes that are no request.
    #[error("{}", .0.reason())]
    Unreadable(MessageError),
    /// Something in the request cannot be understood; said in the reason phrase.
    #[error("{0}")]
    Malformed(String),
    /// Parameter `strict`: a rule that deployed clients break.
    #[error("{0}")]
    RuleBroken(&'static str),
    /// Option tags of Require that are not known, separated by commas.
    #[error("unsupported: {0}")]
    UnsupportedOption(String),
    /// A method that is not served.
    #[error("method not served")]
    MethodNotServed,
    /// Refer-To has a scheme that no INVITE can be sent to.
    #[error("cannot refer to a {0} URI")]
    ReferToScheme(String),
    /// Refer-To names a method that is neither INVITE nor BYE.
    #[error("cannot refer with method {0}")]
    ReferToMethod(Method),
    /// The `cid:` of Refer-To names no body part.
    #[error("cid body not found")]
    CidNotFound,
    /// A body of a type that is not understood.
    #[error("body of type {0}")]
    BodyType(String),
    /// A body in a coding that is not understood.
    #[error("{0}")]
    BodyCoding(String),
    /// The sender takes no SDP in the answer.
    #[error("no application/sdp in Accept")]
    SdpNotAccepted,
    /// The offer has no MSRP media that could be used.
    #[error("no usable media: {0}")]
    NoUsableMedia(String),
    /// The sender does not take conference-info documents.
    #[error("conference-info is not accepted")]
    ConferenceInfoNotAccepted,
    /// An event package that is not served.
    #[error("no such event package")]
    EventPackage,
    /// A refer subscription is made by REFER only (RFC 3515 section 2.4.4).
    #[error("a refer subscription is made by REFER only")]
    SubscribeToRefer,
    /// An interval below `min_se` (RFC 4028 section 8.1).
    #[error("session interval too small")]
    SessionInterval {
        /// `min_se`, seconds.
        least: u32,
    },
    /// A subscription shorter than is served.
    #[error("Expires {wanted} is below {least}")]
    SubscriptionInterval {
        /// Asked for, seconds.
        wanted: u32,
        /// Least, seconds.
        least: u32,
    },

    // ---- its time ----
    /// RFC 3261 section 12.2.2.
    #[error("CSeq is not above the last one")]
    CseqOutOfOrder,
    /// RFC 3261 section 14.2 and RFC 3311 section 5.2: one offer at a time.
    #[error("an offer of ours is pending")]
    OfferPending,
    /// The dialog is early (RFC 3311 section 5.2).
    #[error("UPDATE before the answer to our INVITE")]
    UpdateTooEarly,
    /// A request of the target overtook its answer to our INVITE.
    #[error("the answer to our INVITE is not here yet")]
    AnswerNotHere,
    /// A refresh met the end of its subscription. Some would take 481 for the end of the whole dialog
    /// (RFC 5057 section 5.1).
    #[error("its subscription is just ending")]
    SubscriptionEnding,
}

impl Refusal {
    /// A 400 that says what was wrong.
    pub fn malformed(what: impl std::fmt::Display) -> Refusal {
        Refusal::Malformed(what.to_string())
    }

    /// Why, in words: for the log, and for the reason phrase if [`Refusal::says_why`].
    pub fn reason(&self) -> String {
        self.to_string().chars().take(LONGEST_REASON).collect()
    }

    /// The status it is answered with.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Unreadable(error) => error.status(),
            Refusal::Malformed(_) | Refusal::RuleBroken(_) | Refusal::CidNotFound => 400,
            Refusal::UntrustedPeer
            | Refusal::NoAssertedIdentity
            | Refusal::NoAssertedSubscriber
            | Refusal::IdentityNotOfDialog
            | Refusal::FocusAsParticipant
            | Refusal::Policy(_)
            | Refusal::AdHocPolicy(_)
            | Refusal::NoTargetMayJoin
            | Refusal::MayNotRejoin
            | Refusal::Removed
            | Refusal::NobodyToInvite
            | Refusal::TooManyTargets { .. }
            | Refusal::NoSuchReferSubscription
            | Refusal::SubscribeToRefer => 403,
            Refusal::NoSuchSession => 404,
            Refusal::MethodNotServed => 405,
            Refusal::SdpNotAccepted | Refusal::ConferenceInfoNotAccepted => 406,
            Refusal::BodyType(_) | Refusal::BodyCoding(_) => 415,
            Refusal::RequestUriScheme => 416,
            Refusal::UnsupportedOption(_) => 420,
            Refusal::SessionInterval { .. } => 422,
            Refusal::SubscriptionInterval { .. } => 423,
            Refusal::NoSuchDialog
            | Refusal::OtherFromTag
            | Refusal::NoInviteDialog
            | Refusal::ParticipantLeft
            | Refusal::NoSuchConferenceSubscription => 481,
            Refusal::Merged => 482,
            Refusal::SessionFull
            | Refusal::TooManySubscriptions { .. }
            | Refusal::TooManyOfPerson { .. } => 486,
            // It passes, so not 403. An S-CSCF goes on without an application server that answers 5xx
            // (TS 24.229 section 5.4.3.2), and 480 ends what the REFER was sent in (RFC 5057 section 5.1).
            Refusal::TooManyRefers { .. } => 486,
            Refusal::ReferToScheme(_) | Refusal::ReferToMethod(_) | Refusal::NoUsableMedia(_) => {
                488
            }
            Refusal::EventPackage => 489,
            Refusal::OfferPending => 491,
            Refusal::NotStored(_)
            | Refusal::CseqOutOfOrder
            | Refusal::UpdateTooEarly
            | Refusal::AnswerNotHere
            | Refusal::SubscriptionEnding => 500,
            Refusal::NoMemoryForTargets { .. }
            | Refusal::TooManySessions
            | Refusal::Draining
            | Refusal::OutOfMemory => 503,
        }
    }

    /// The reason phrase is the reason itself, not the usual phrase of the status.
    pub fn says_why(&self) -> bool {
        self.status() == 400 || matches!(self, Refusal::Unreadable(_))
    }

    /// The text of its Warning header.
    pub fn warning(&self) -> Option<WarningText> {
        use policy::Action;
        Some(match self {
            Refusal::IdentityNotOfDialog => WarningText::NotParticipant,
            Refusal::Policy(action) | Refusal::AdHocPolicy(action) => match action {
                Action::AllowAnonymity => WarningText::Anonymity,
                Action::JoinHandling => WarningText::NotAuthorised,
                Action::AllowConferenceState => WarningText::NoState,
                _ => WarningText::FunctionNotAllowed,
            },
            Refusal::NoTargetMayJoin | Refusal::NobodyToInvite => WarningText::NoDestinations,
            Refusal::MayNotRejoin => WarningText::NotAuthorised,
            Refusal::NoAssertedSubscriber | Refusal::Removed => WarningText::NoState,
            Refusal::SessionFull => WarningText::TooMany,
            Refusal::TooManyTargets { .. } => WarningText::TooManyTargets,
            Refusal::TooManySubscriptions { .. } => WarningText::TooManySubscriptions,
            Refusal::TooManyOfPerson { .. } => WarningText::TooManyOfPerson,
            Refusal::TooManyRefers { .. } => WarningText::TooManyRefers,
            Refusal::NoSuchSession => WarningText::NoSession,
            Refusal::RuleBroken(_) => WarningText::RuleBroken,
            Refusal::ReferToScheme(_) => WarningText::SchemeNotServed,
            Refusal::ReferToMethod(_) => WarningText::MethodNotServed,
            Refusal::CidNotFound => WarningText::CidNotFound,
            Refusal::NoUsableMedia(_) => WarningText::NoUsableMedia,
            _ => return None,
        })
    }

    /// Further headers of the answer.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let retry_after = |seconds: u32| ("Retry-After", seconds.to_string());
        match self {
            Refusal::MethodNotServed => vec![("Allow", ALLOW.to_owned())],
            Refusal::ConferenceInfoNotAccepted => {
                vec![("Accept", conference_info::CONTENT_TYPE.to_owned())]
            }
            Refusal::BodyType(_) => vec![("Accept", ACCEPT.to_owned())],
            Refusal::BodyCoding(_) => vec![
                ("Accept", ACCEPT.to_owned()),
                ("Accept-Encoding", ACCEPT_ENCODING.to_owned()),
            ],
            Refusal::UnsupportedOption(tags) => vec![("Unsupported", tags.clone())],
            Refusal::SessionInterval { least } => vec![("Min-SE", least.to_string())],
            Refusal::SubscriptionInterval { least, .. } => {
                vec![("Min-Expires", least.to_string())]
            }
            Refusal::EventPackage => vec![("Allow-Events", ALLOW_EVENTS.to_owned())],
            Refusal::UpdateTooEarly => vec![retry_after(RETRY_UPDATE)],
            Refusal::AnswerNotHere | Refusal::SubscriptionEnding => vec![retry_after(RETRY_SOON)],
            Refusal::TooManyRefers { wait, .. } => {
                vec![("Retry-After", wait.div_ceil(1_000).max(1).to_string())]
            }
            _ if self.status() == 503 => vec![retry_after(RETRY_LATER)],
            _ => Vec::new(),
        }
    }

    /// What the operator or the author of a routing script can change, for the log.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Refusal::UntrustedPeer => "trusted_peers names the addresses of your S-CSCFs",
            Refusal::NoAssertedIdentity | Refusal::NoAssertedSubscriber => {
                "the S-CSCF has to send P-Asserted-Identity on ISC"
            }
            Refusal::Policy(_) | Refusal::NoTargetMayJoin => "cpm.check says which rules match",
            Refusal::AdHocPolicy(_) => "see adhoc_policy_file, invite_by, adhoc_allow_anonymity",
            Refusal::MayNotRejoin | Refusal::Removed => "cpm.invite lets them in again",
            Refusal::SessionFull => "max_participants, or max-participant-count of the document",
            Refusal::TooManyTargets { .. } => "max_refer_targets",
            Refusal::TooManySubscriptions { .. } => "max_subscriptions",
            Refusal::TooManyOfPerson { .. } => "max_person_subscriptions",
            Refusal::TooManyRefers { .. } => "refer_rate",
            Refusal::TooManySessions => "max_sessions",
            Refusal::NoMemoryForTargets { .. } | Refusal::OutOfMemory => {
                "give Kamailio more shared memory (-m)"
            }
            Refusal::RuleBroken(_) => "strict=0 accepts it",
            _ => return None,
        })
    }

    /// The statistic of the limit that was met, for those that have one.
    pub fn limit_counter(&self) -> Option<Counter> {
        match self {
            Refusal::TooManyOfPerson { .. } => Some(Counter::SubscriptionsOverLimit),
            Refusal::TooManyRefers { .. } => Some(Counter::RefersOverRate),
            _ => None,
        }
    }

    /// The statistic that counts refused requests of this method.
    pub fn counter(method: &Method) -> Option<Counter> {
        match method {
            Method::Refer => Some(Counter::RefersRefused),
            Method::Invite => Some(Counter::JoinsRefused),
            _ => None,
        }
    }
}

/// A refusal with whom it concerns.
#[derive(Clone, Debug, PartialEq)]
pub struct Denial {
    /// Why.
    pub refusal: Refusal,
    /// The believed identity of who asks, if that is known yet.
    pub requester: Option<Who>,
}

impl Refusal {
    /// The same, of this requester.
    pub fn of(self, requester: &Who) -> Denial {
        Denial {
            refusal: self,
            requester: Some(requester.clone()),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Denial {
        Denial {
            refusal,
            requester: None,
        }
    }
}
