//! What the domain asks for: imperative, to be carried out after the session's lock is given back.

use super::outgoing_message::{Answer, OutgoingRequest};
use super::quirk::Quirk;
use super::records::ids::{Id, TransactionId};
use super::trail_entries::TrailEntries;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The final answer to the request being handled. At most one, and before any `Send`.
    Answer(Answer),
    /// A request of ours. With an owner its results come back as inputs for that record.
    Send(Box<OutgoingRequest>),
    /// CANCEL our INVITE (RFC 3261 section 9.1); tm holds it back until a provisional answer came.
    Cancel {
        /// The leg whose INVITE it is.
        owner: Id,
        /// The INVITE.
        transaction: TransactionId,
    },
    /// Adds to a statistic.
    Count(Counter, i32),
    /// Writes a log line.
    Log(Level, String),
    /// Adds to the decision trails of REFERs. At most one, and before all others.
    Trail(TrailEntries),
}

/// Statistics of group `cpm`. The first three go up and down, the others only up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Live sessions now.
    Sessions,
    /// Connected participants now.
    Participants,
    /// Conference subscriptions now.
    ConferenceSubscriptions,
    /// REFERs answered 2xx.
    RefersAccepted,
    /// REFERs refused.
    RefersRefused,
    /// INVITEs sent to targets.
    InvitesSent,
    /// Targets that joined.
    InvitesAccepted,
    /// Targets that did not join.
    InvitesFailed,
    /// NOTIFYs of refer subscriptions.
    NotifiesSent,
    /// NOTIFYs of conference subscriptions.
    ConferenceNotifiesSent,
    /// INVITEs of participants answered 2xx.
    JoinsAccepted,
    /// INVITEs of participants refused.
    JoinsRefused,
    /// Answers to requests of ours that were ignored.
    AnswersIgnored,
    /// SUBSCRIBEs refused because their person has as many as one may have.
    SubscriptionsOverLimit,
    /// REFERs, and lists in an INVITE to the factory, refused because their person asks too often.
    RefersOverRate,
    /// INVITEs that wait because their session sends too many.
    InvitesOverSessionRate,
    /// INVITEs that wait because too many go to their target's domain.
    InvitesOverTargetRate,
    /// INVITEs that wait because too many go to their next hop.
    InvitesOverNextHopRate,
    /// INVITEs that wait for their turn now.
    InvitesWaiting,
    /// A REFER of this unusual form was met.
    Quirk(Quirk),
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something an operator should look at.
    Warn,
    /// What happened; people are redacted.
    Info,
    /// The same, of a request that was refused: of a flood not all are written.
    Refused,
    /// Why, with whole identities.
    Debug,
}
