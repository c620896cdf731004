//! The records of a session: what is kept of it between two events, and by what each is found.
//!
//! A session is one head, one leg per participant or target, one record per REFER that is still owed
//! something and for each of its targets, and what the conference event package needs. How records are encoded
//! and where they live is decided in `crate::store`.

pub mod conference;
pub mod dialog;
pub mod head;
pub mod ids;
pub mod leg;
pub mod refer;
pub mod sealed;
pub mod session_timer;
pub mod subscription;
pub mod target;

use serde::{Deserialize, Serialize};

pub use conference::{ChangeLog, ConferenceSubscription, Subscribers};
pub use dialog::{ByeCause, Carrier, Dialog, DialogEnds, InFlight, Waiting};
pub use head::{Head, HeadProfile, RejoinRights};
pub use ids::{Id, MergeKey, Name, ReferId, TransactionId};
pub use leg::{Leg, LegProfile, LegState, Media};
pub use refer::{Refer, ReferSubscription, Report};
pub use session_timer::{RunningTimer, SessionTimer};
pub use subscription::{Ending, Subscription};
pub use target::TargetRecord;

use super::time::Millis;
use crate::sip::multipart::LastPart;

/// One record of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    /// The session itself.
    Head(Box<Head>),
    /// A participant or target.
    Leg(Box<Leg>),
    /// A REFER.
    Refer(Box<Refer>),
    /// One of its targets.
    Target(Box<TargetRecord>),
    /// What its INVITEs tell of the list (RFC 5366 section 5): the end of their bodies.
    History(LastPart),
    /// Who may come in by an INVITE of their own.
    RejoinRights(RejoinRights),
    /// What changed, for the subscribers of the conference state.
    ChangeLog(Box<ChangeLog>),
    /// Who they are.
    Subscribers(Subscribers),
    /// One of their subscriptions.
    ConferenceSubscription(Box<ConferenceSubscription>),
}

impl Record {
    /// All names of this record of session `session`.
    pub fn names(&self, session: Id) -> Vec<Name> {
        match self {
            Record::Head(head) => head.names(),
            Record::Leg(leg) => leg.names(session),
            Record::Refer(refer) => refer.names(),
            Record::ConferenceSubscription(subscription) => subscription.names(),
            Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => Vec::new(),
        }
    }

    /// Whether all its parts can be read. To be asked of a record that did not come from this very server.
    pub fn is_readable(&self) -> bool {
        let ends = |carrier: &Carrier| carrier.own().is_none_or(|own| own.ends.is_readable());
        match self {
            Record::Head(head) => head.profile.is_readable(),
            Record::Leg(leg) => {
                leg.profile.is_readable()
                    && leg.dialog.ends.is_readable()
                    && leg.media.fixed.is_readable()
            }
            Record::Refer(refer) => ends(&refer.carrier),
            Record::ConferenceSubscription(subscription) => ends(&subscription.carrier),
            Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => true,
        }
    }

    /// What decides on its names besides what [`Record::has_changed_parts`] tells of.
    pub fn naming(&self) -> (bool, bool) {
        match self {
            Record::Head(head) => (head.live, false),
            Record::Leg(leg) => (leg.is_member(), false),
            Record::Refer(refer) => (refer.merge.is_some(), refer.carrier.own().is_some()),
            Record::ConferenceSubscription(subscription) => (
                subscription.merge.is_some(),
                subscription.carrier.own().is_some(),
            ),
            Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => (false, false),
        }
    }

    /// Whether a part that has names in it is new, or somebody has had it to change it.
    pub fn has_changed_parts(&self) -> bool {
        let dialog = |carrier: &Carrier| carrier.own().is_some_and(|own| own.ends.is_changed());
        match self {
            Record::Head(head) => head.profile.is_changed(),
            Record::Leg(leg) => leg.profile.is_changed() || leg.dialog.ends.is_changed(),
            Record::Refer(refer) => dialog(&refer.carrier),
            Record::ConferenceSubscription(subscription) => dialog(&subscription.carrier),
            Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => false,
        }
    }

    /// When the record wants to be handed `Input::DeadlineReached`.
    pub fn deadline(&self) -> Option<Millis> {
        match self {
            Record::Head(head) => head.deadline(),
            Record::Leg(leg) => leg.deadline(),
            Record::Refer(refer) => refer.deadline(),
            Record::ChangeLog(log) => log.deadline(),
            Record::ConferenceSubscription(subscription) => subscription.deadline(),
            Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::Subscribers(_) => None,
        }
    }

    /// The dialog that this record keeps.
    pub fn dialog_mut(&mut self) -> Option<&mut Dialog> {
        match self {
            Record::Leg(leg) => Some(&mut leg.dialog),
            Record::Refer(refer) => refer.carrier.own_mut(),
            Record::ConferenceSubscription(subscription) => subscription.carrier.own_mut(),
            Record::Head(_)
            | Record::Target(_)
            | Record::History(_)
            | Record::RejoinRights(_)
            | Record::ChangeLog(_)
            | Record::Subscribers(_) => None,
        }
    }

    /// The common part of the subscription that this record keeps, and which dialog carries it.
    pub fn subscription_mut(&mut self) -> Option<(&mut Subscription, &Carrier)> {
        match self {
            Record::Refer(refer) => {
                let subscription = refer.subscription.as_mut()?;
                Some((&mut subscription.common, &refer.carrier))
            }
            Record::ConferenceSubscription(subscription) => {
                Some((&mut subscription.common, &subscription.carrier))
            }
            _ => None,
        }
    }
}

/// What a session can ask of the place where its records live, under the session's lock.
pub trait SessionStore {
    /// The record, if it is there and can be read.
    fn load(&self, id: Id) -> Option<Record>;
    /// All records below the head, oldest first.
    fn children(&self, session: Id) -> Vec<Id>;
    /// How many there are, at the same cost in a large session as in a small one.
    fn child_count(&self, session: Id) -> usize;
    /// The record with this name.
    fn find(&self, name: &Name) -> Option<Id>;
    /// An id that was never used.
    fn new_id(&self) -> Id;
}
