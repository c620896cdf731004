//! An accepted REFER: its targets with what became of them, and the subscription it made.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dialog::{Carrier, Dialog};
use super::ids::{Id, MergeKey, Name, ReferId};
use super::subscription::Subscription;
use crate::cpm::redact::Who;
use crate::cpm::socket::Socket;
use crate::cpm::targets::{Target, TargetAddress};
use crate::cpm::time::Millis;
use crate::sip::identity::Identity;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

/// An accepted REFER with the implicit subscription it made (RFC 3515 section 2.4.4). Also any other
/// order to invite, which is served by the same code and owes nobody a NOTIFY: the list of a factory
/// INVITE, the members of a group, an operator's command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refer {
    /// Its name in log lines and for the operator.
    pub label: ReferId,
    /// CSeq number of the REFER.
    pub cseq: u32,
    /// Who asks.
    pub referrer: Uri,
    /// The same in all the forms it is known by.
    pub identities: Vec<Identity>,
    /// The referrer asked not to be shown.
    pub anonymous: bool,
    /// Others are not to learn who the referrer is all the same (`Leg::hidden`).
    pub hidden: bool,
    /// Referred-By of the INVITEs it causes.
    pub referred_by: String,
    /// The socket it came in on. `None`: it did not come over the network.
    pub socket: Option<Socket>,
    /// Whom it is about, in the order of the list.
    pub targets: Vec<TargetRecord>,
    /// Body of type recipient-list-history of the INVITEs it causes.
    pub history: Option<Vec<u8>>,
    /// `id` of the Event header, from the second REFER of a dialog on.
    pub event_id: Option<u32>,
    /// Which dialog its NOTIFYs travel in.
    pub carrier: Carrier,
    /// Later REFERs whose NOTIFYs travel in the dialog this one made.
    pub later_refers: Vec<Id>,
    /// `None`: suppressed, refused by the referrer, or over.
    pub subscription: Option<ReferSubscription>,
    /// The REFER itself, when it came outside a dialog.
    pub merge: Option<MergeKey>,
    /// Until then a merged copy is recognised and the dialog takes further REFERs.
    pub remembered_until: Millis,
}

/// One target of a REFER and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Whom it names.
    pub address: TargetAddress,
    /// Session-Replaces of the INVITE to it.
    pub session_replaces: Option<String>,
    /// Others are not to learn whom it names.
    pub hidden: bool,
    /// The leg that is to reach it. `None`: settled without an INVITE.
    pub leg: Option<Id>,
    /// Final status. `None`: nothing has become of it yet.
    pub outcome: Option<u16>,
}

impl TargetRecord {
    /// As a line of the log names it.
    pub fn who(&self) -> Who {
        self.address.who(self.hidden)
    }

    /// A target of which nothing has become yet.
    pub fn new(target: &Target) -> TargetRecord {
        TargetRecord {
            address: target.address.clone(),
            session_replaces: target.session_replaces.clone(),
            hidden: target.hidden,
            leg: None,
            outcome: None,
        }
    }
}

/// The refer subscription of one REFER.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferSubscription {
    /// Expiry, hold, retry and end.
    pub common: Subscription,
    /// Status lines still to be reported, in order. Finals are never merged (N6).
    pub reports: VecDeque<Report>,
    /// Latest progress not reported yet.
    pub progress: Option<Report>,
    /// When progress may be reported.
    pub progress_due: Millis,
    /// What was reported last, for a termination by expiry (N14).
    pub reported: Option<Report>,
}

impl ReferSubscription {
    /// A subscription with nothing to report yet.
    pub fn new(common: Subscription) -> ReferSubscription {
        ReferSubscription {
            common,
            reports: VecDeque::new(),
            progress: None,
            progress_due: 0,
            reported: None,
        }
    }

    fn deadline(&self) -> Option<Millis> {
        let common = &self.common;
        let free = !common.queued && common.hold().is_none() && common.is_active();
        let progress = self.progress.as_ref().filter(|_| free);
        let progress = progress.map(|_| self.progress_due);
        [common.deadline(), progress].into_iter().flatten().min()
    }
}

/// The state of a target as one NOTIFY tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// SIP status.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Index of the target. `None`: all of them.
    pub target: Option<u32>,
}

impl Report {
    /// What is known right after the 2xx to the REFER (RFC 3515 section 2.4.4).
    pub fn trying() -> Report {
        Report {
            status: 100,
            reason: reason_phrase(100).to_owned(),
            target: None,
        }
    }

    /// Nothing more comes for this target.
    pub fn is_final(&self) -> bool {
        self.status >= 200
    }
}

impl Refer {
    /// The referrer as a line of the log names it.
    pub fn who(&self) -> Who {
        match self.is_unnamed() {
            true => Who::unnamed(self.referrer.as_str()),
            false => Who::open(self.referrer.as_str()),
        }
    }

    /// Nothing that others may read names the referrer.
    pub fn is_unnamed(&self) -> bool {
        self.anonymous || self.hidden
    }

    /// Every target has its result.
    pub fn all_settled(&self) -> bool {
        self.targets.iter().all(|target| target.outcome.is_some())
    }

    /// Nobody is owed anything, no INVITE waits for its turn, and no copy or further REFER is expected.
    pub fn is_finished(&self, now: Millis) -> bool {
        let busy = self.carrier.own().is_some_and(|d| d.in_flight.is_some());
        let remembered = self.merge.is_some() && now < self.remembered_until;
        self.subscription.is_none() && !self.is_needed() && !busy && !remembered
    }

    /// Others need it: REFERs in its dialog, INVITEs that have no result yet.
    fn is_needed(&self) -> bool {
        let unsettled = |target: &TargetRecord| target.leg.is_some() && target.outcome.is_none();
        !self.later_refers.is_empty() || self.targets.iter().any(unsettled)
    }

    /// See `Record::names`.
    pub(super) fn names(&self) -> Vec<Name> {
        self.carrier.names(self.merge.as_ref())
    }

    /// See `Record::deadline`.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let dialog = self.carrier.own().and_then(Dialog::deadline);
        let own = match &self.subscription {
            Some(subscription) => subscription.deadline(),
            // Whatever else it waits for brings its own inputs.
            None if self.merge.is_some() => {
                Some(self.remembered_until).filter(|_| !self.is_needed())
            }
            None => None,
        };
        [dialog, own].into_iter().flatten().min()
    }
}
