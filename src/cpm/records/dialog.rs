//! A dialog (RFC 3261 section 12) as the focus keeps it, with the one request it has in flight.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use super::ids::{Id, MergeKey, Name};
use super::sealed::Sealed;
use crate::cpm::socket::Socket;
use crate::cpm::time::{Micros, Millis};
use crate::sip::uri::Uri;
use crate::sip::{Route, Tag};

/// Both ends of a dialog. Per dialog one request of ours other than ACK is in flight; the next waits
/// here, so CSeq stays in order and a BYE never overtakes what was promised before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dialog {
    /// What names its ends.
    pub ends: Sealed<DialogEnds>,
    /// The IP address that the dialog came by: of the request that formed it, or of the 2xx to our INVITE.
    /// `None`: there was no 2xx yet.
    pub peer: Option<IpAddr>,
    /// Our latest CSeq when the peer named this Contact.
    pub target_since: u32,
    /// Highest CSeq of ours that got a 2xx.
    pub confirmed: u32,
    /// CSeq of our latest request other than ACK.
    pub local_cseq: u32,
    /// Highest CSeq seen from the peer. `None` before its first request.
    pub remote_cseq: Option<u32>,
    /// Numbers below `remote_cseq` that have not come, and when the request that skipped them was
    /// accepted.
    pub skipped: Vec<(u32, Micros)>,
    /// The request of ours that has no final answer yet.
    pub in_flight: Option<InFlight>,
    /// The ACK to the 2xx that made this dialog is on its way out, and nothing may overtake it. Until
    /// when that is believed.
    pub acknowledging: Option<Millis>,
    /// Requests of ours that wait for their turn.
    pub waiting: VecDeque<Waiting>,
}

/// What names the two ends of a dialog, and how they reach each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DialogEnds {
    /// Call-ID
    pub call_id: String,
    /// Our tag
    pub local_tag: Tag,
    /// The peer's tag. `None`: our INVITE has had no 2xx yet.
    pub remote_tag: Option<Tag>,
    /// URI of our From.
    pub local: Uri,
    /// URI of our To.
    pub remote: Uri,
    /// Request-URI of our requests: the peer's Contact.
    pub remote_target: Uri,
    /// Route set, next hop first.
    pub route_set: Vec<Route>,
    /// The socket our requests leave by.
    pub socket: Socket,
    /// URI of our Contact.
    pub contact: Uri,
}

impl Deref for Dialog {
    type Target = DialogEnds;

    fn deref(&self) -> &DialogEnds {
        &self.ends
    }
}

impl DerefMut for Dialog {
    fn deref_mut(&mut self) -> &mut DialogEnds {
        &mut self.ends
    }
}

impl Dialog {
    /// The name by which the peer's requests find this dialog.
    pub fn name(&self) -> Name {
        Name::Dialog {
            call_id: self.call_id.clone(),
            local_tag: self.local_tag.clone(),
        }
    }

    /// Whether this address has a say in the dialog even if nobody trusts it: the dialog came by it, or its
    /// remote target is there. A remote target that is a name is not looked up.
    pub fn is_with(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let target = self.remote_target.host();
        let target = target
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        self.peer == Some(address) || target.is_ok_and(|target| target.to_canonical() == address)
    }

    /// Nothing of ours is in flight or waits.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.waiting.is_empty()
    }

    /// A request of ours to this very Contact got a 2xx: it is no stranger's.
    pub fn target_confirmed(&self) -> bool {
        self.confirmed > self.target_since
    }

    /// When something here counts as lost.
    pub fn deadline(&self) -> Option<Millis> {
        let lost = self.in_flight.map(|request| request.lost_at);
        [lost, self.acknowledging].into_iter().flatten().min()
    }
}

/// A request of ours without a final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Its CSeq.
    pub cseq: u32,
    /// What it is.
    pub what: Waiting,
    /// When it counts as lost although nobody told us.
    pub lost_at: Millis,
}

/// A request of ours that the dialog sends as soon as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Waiting {
    /// NOTIFY of the subscription of this record: a REFER, or a conference subscription. What it says
    /// is decided when it leaves.
    Notify(Id),
    /// UPDATE or re-INVITE that keeps the session alive (RFC 4028 section 7.4).
    Refresh,
    /// BYE
    Bye(ByeCause),
}

/// Why the focus ends a leg; becomes the Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByeCause {
    /// The session is over.
    Gone,
    /// Removed by another participant.
    Removed,
    /// Nothing happened for too long; clients take a BYE without 410 for inactivity (G7).
    Inactive,
    /// The participant is in through another leg, or withdrew while the answer was on its way.
    Replaced,
    /// The SDP answer cannot be used.
    NotAcceptable,
    /// No ACK came for our 2xx (RFC 3261 section 13.3.1.4).
    NoAck,
    /// Nobody refreshed the session in time (RFC 4028 section 10).
    Expired,
}

impl ByeCause {
    /// The Reason value. `None`: the BYE has no Reason header.
    pub fn reason(self) -> Option<&'static str> {
        Some(match self {
            ByeCause::Inactive => return None,
            ByeCause::Gone => "SIP;cause=410;text=\"Gone\"",
            ByeCause::Removed => "SIP;cause=200;text=\"Call completed\"",
            ByeCause::Replaced => "SIP;cause=200;text=\"Call completed elsewhere\"",
            ByeCause::NotAcceptable => "SIP;cause=488;text=\"Not Acceptable Here\"",
            ByeCause::Expired => "SIP;cause=408;text=\"Session timer expired\"",
            ByeCause::NoAck => "SIP;cause=408;text=\"No ACK\"",
        })
    }
}

/// Which dialog the NOTIFYs of a subscription travel in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Carrier {
    /// That of another record: a leg, or an earlier REFER.
    In(Id),
    /// The dialog that the REFER or SUBSCRIBE made.
    Own(Box<Dialog>),
    /// None: the REFER suppresses its subscription, or was no request at all.
    None,
}

impl Carrier {
    /// The dialog if it is this record's own.
    pub fn own(&self) -> Option<&Dialog> {
        match self {
            Carrier::Own(dialog) => Some(dialog),
            Carrier::In(_) | Carrier::None => None,
        }
    }

    /// The same, to be changed.
    pub fn own_mut(&mut self) -> Option<&mut Dialog> {
        match self {
            Carrier::Own(dialog) => Some(dialog),
            Carrier::In(_) | Carrier::None => None,
        }
    }

    /// The record whose dialog carries the NOTIFYs of `record`.
    pub fn holder(&self, record: Id) -> Option<Id> {
        match self {
            Carrier::In(holder) => Some(*holder),
            Carrier::Own(_) => Some(record),
            Carrier::None => None,
        }
    }

    /// The names of a request that made this dialog: the dialog's own, and what tells a merged copy.
    pub(super) fn names(&self, merge: Option<&MergeKey>) -> Vec<Name> {
        let dialog = self.own().map(Dialog::name);
        dialog
            .into_iter()
            .chain(merge.cloned().map(Name::Merge))
            .collect()
    }
}
