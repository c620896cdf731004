//! An accepted REFER: what is true of all its targets together, and the subscription it made.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dialog::{Carrier, Dialog};
use super::ids::{Id, MergeKey, Name, ReferId};
use super::subscription::Subscription;
use crate::cpm::redact::Who;
use crate::cpm::socket::Socket;
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
    /// Whom it is about.
    pub targets: TargetList,
    /// The record of what its INVITEs tell of the list. `None`: it has none, or one that tells nothing.
    pub history: Option<Id>,
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

/// The targets of a REFER, as far as it has to know of them at each event: of one size whatever their number. Each
/// has a record of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetList {
    /// The record of the first one, which leads to the others.
    pub first: Option<Id>,
    /// How many there are.
    pub count: u32,
    /// How many of them have no result yet.
    pub unsettled: u32,
}

/// The refer subscription of one REFER.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferSubscription {
    /// Expiry, hold, retry and end.
    pub common: Subscription,
    /// What is told before any result that waits: that it is being tried, or something once more.
    pub reports: VecDeque<Report>,
    /// Results still to be told. They are never merged (N6).
    pub results: Results,
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
            results: Results::default(),
            progress: None,
            progress_due: 0,
            reported: None,
        }
    }

    /// There is something to tell that does not wait for its time, as progress does.
    pub fn has_news(&self) -> bool {
        !self.reports.is_empty() || self.results.first.is_some()
    }

    fn deadline(&self) -> Option<Millis> {
        let common = &self.common;
        let free = !common.queued && common.hold().is_none() && common.is_active();
        let progress = self.progress.as_ref().filter(|_| free);
        let progress = progress.map(|_| self.progress_due);
        [common.deadline(), progress].into_iter().flatten().min()
    }
}

/// Targets whose results wait to be told, in the order of their coming: each record leads to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// The one that is told next.
    pub first: Option<Id>,
    /// The one that came last.
    pub last: Option<Id>,
}

/// The state of a target as one NOTIFY tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// SIP status.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// The record of the target. `None`: all of them.
    pub target: Option<Id>,
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
        self.targets.unsettled == 0
    }

    /// Nobody is owed anything, no INVITE waits for its turn, and no copy or further REFER is expected.
    pub fn is_finished(&self, now: Millis) -> bool {
        let busy = self.carrier.own().is_some_and(|d| d.in_flight.is_some());
        let remembered = self.merge.is_some() && now < self.remembered_until;
        self.subscription.is_none() && !self.is_needed() && !busy && !remembered
    }

    /// Others need it: REFERs in its dialog, INVITEs that have no result yet.
    fn is_needed(&self) -> bool {
        !self.later_refers.is_empty() || !self.all_settled()
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
