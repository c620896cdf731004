//! The records a session consists of: one head, one leg per participant or target, one per REFER
//! that is still owed something. Not here: how they are encoded and where they live (`crate::store`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::action::Transaction;
use super::asked::Wanted;
use super::dialog::Dialog;
use super::settings::{Millis, Socket};
use super::timer::Keepalive;
use super::trail::ReferId;
use super::watch::{Appearance, Audience, Board, Watcher};
use crate::sip::identity::Identity;
use crate::sip::sdp::{Direction, Shape};
use crate::sip::uri::Uri;

/// Name of a record, unique for as long as the server runs and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Id(pub u64);

/// By what a record can be found. Each name belongs to one record at a time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// A live session by the user part of its focus URI.
    Token(String),
    /// A live session by the group whose session it is.
    Group(Identity),
    /// A live ad-hoc session by its Contribution-ID.
    Contribution(String),
    /// A dialog by Call-ID and our own tag.
    Dialog { call_id: String, local_tag: String },
    /// Who is in a session or being invited into it.
    Member { session: Id, who: Identity },
    /// A dialog-forming request, to recognise a merged copy (RFC 3261 section 8.2.2.2).
    Merge {
        call_id: String,
        from_tag: String,
        cseq: u32,
    },
}

/// One record of a session's family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Record {
    Head(Head),
    Leg(Box<Leg>),
    Refer(Box<Refer>),
    Roster(Roster),
    Board(Box<Board>),
    Audience(Audience),
    Watcher(Box<Watcher>),
}

impl Record {
    /// The full set of names of the record `id` of session `session`.
    pub fn names(&self, session: Id) -> Vec<Name> {
        match self {
            Record::Head(head) => head.names(),
            Record::Leg(leg) => leg.names(session),
            Record::Refer(refer) => refer.names(),
            Record::Watcher(watcher) => watcher.names(),
            Record::Roster(_) | Record::Board(_) | Record::Audience(_) => Vec::new(),
        }
    }

    /// When the record wants to be handed `Input::DeadlineReached`.
    pub fn deadline(&self) -> Option<Millis> {
        match self {
            Record::Head(head) => head.deadline(),
            Record::Roster(_) | Record::Audience(_) => None,
            Record::Leg(leg) => leg.deadline(),
            Record::Refer(refer) => refer.deadline(),
            Record::Board(board) => board.deadline(),
            Record::Watcher(watcher) => watcher.deadline(),
        }
    }
}

/// What is true of the session as a whole. Small, and of one size whatever the number of participants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// User part of the focus URI.
    pub token: String,
    /// URI of the pre-defined group. None: made on the spot.
    pub group: Option<String>,
    /// Who made an ad-hoc session.
    pub creator: Vec<Identity>,
    pub roster: Option<Id>,
    pub conversation_id: String,
    pub contribution_id: String,
    /// Contribution-ID of what the session was made in reply to.
    pub in_reply_to: Option<String>,
    pub subject: Option<String>,
    pub started: Millis,
    pub max_participants: u32,
    pub min_participants: u32,
    pub connected: u32,
    pub pending: u32,
    /// When something last happened; only kept when sessions end by inactivity.
    pub active: Millis,
    /// How long nothing may happen, ms; 0: for ever.
    pub inactivity: Millis,
    /// `min_participants` have been connected at once.
    pub had_minimum: bool,
    pub live: bool,
    /// Where changes are noted for those who watch. None: nobody does.
    pub board: Option<Id>,
    /// How many anonymous participants got a number.
    pub aliases: u32,
}

impl Head {
    pub fn group_identity(&self) -> Option<Identity> {
        let uri = Uri::parse(self.group.as_ref()?.as_bytes()).ok()?;
        Some(Identity::of(&uri))
    }

    fn names(&self) -> Vec<Name> {
        if !self.live {
            return Vec::new();
        }
        let mut names = vec![Name::Token(self.token.clone())];
        match self.group_identity() {
            Some(group) => names.push(Name::Group(group)),
            None => names.push(Name::Contribution(self.contribution_id.clone())),
        }
        names
    }

    fn deadline(&self) -> Option<Millis> {
        let ends = self.live && self.inactivity > 0;
        ends.then(|| self.active.saturating_add(self.inactivity))
    }

    /// Free places (requirements section 2.9).
    pub fn slots(&self) -> u32 {
        self.max_participants
            .saturating_sub(self.connected.saturating_add(self.pending))
    }
}

/// Our dialog towards one participant, or the attempt at one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Who this is, in all the forms it is known by.
    pub identities: Vec<Identity>,
    /// The URI it came with or was invited by.
    pub uri: String,
    /// What people call it, as far as its network says; of the anonymous nothing.
    pub display_name: Option<String>,
    pub anonymous: bool,
    pub state: LegState,
    pub dialog: Dialog,
    pub media: Media,
    /// We sent a 2xx with this CSeq and wait for its ACK until then.
    pub awaited_ack: Option<AwaitedAck>,
    pub keepalive: Keepalive,
    /// REFERs and watchers whose NOTIFYs travel in this dialog.
    pub subscriptions: Vec<Id>,
    /// REFERs that wait for the outcome of this INVITE.
    pub watchers: Vec<Id>,
    /// The REFER that made this leg, by the name log lines have for it.
    pub asked_by: Option<ReferId>,
    /// Who invited this participant.
    pub referrer: Option<String>,
    /// Our INVITE, when the focus formed the dialog.
    pub outgoing: Option<Attempt>,
    /// A REFER has been accepted in this dialog (RFC 3515 section 2.4.6 asks for an id from the second on).
    pub referred_before: bool,
    /// The INVITE that formed the dialog, when it came from the peer: its From-tag and CSeq.
    pub formed_by: Option<(String, u32)>,
    /// To-tags of further 2xx to our INVITE (RFC 3261 section 13.2.2.4) that were already ended by BYE.
    pub forks: Vec<String>,
    pub appearance: Appearance,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LegState {
    /// Its INVITE waits for its turn in the fan-out, or for a second attempt.
    Waiting {
        at: Millis,
    },
    /// Our INVITE is on its way or rings. `transaction` is known only after the send.
    Inviting {
        transaction: Option<Transaction>,
        ringing: bool,
        ring_until: Millis,
    },
    Connected,
    /// We gave up on our INVITE. CANCEL was asked for if the transaction was known, else it is still owed.
    Withdrawn {
        transaction: Option<Transaction>,
        until: Millis,
    },
    /// Not in the session any more; the record stays while its dialog has something to finish.
    Left,
}

/// The INVITE to a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The REFER (or list of a factory INVITE) that asked for it.
    pub refer: Id,
    /// Which of its targets this is.
    pub index: u32,
    /// CSeq of the latest INVITE; answers to an earlier one mean nothing any more.
    pub cseq: u32,
    /// The one bounded retry was used.
    pub retried: bool,
    /// Early dialogs of this INVITE whose provisional answers want to be acknowledged (RFC 3262).
    pub early: Vec<Early>,
}

/// An early dialog with reliable provisional answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Early {
    /// To-tag.
    pub tag: String,
    /// RSeq of the latest one that got its PRACK.
    pub rseq: u32,
    /// Which way messages flow by the answer to our offer in one of them; a 2xx need not repeat it.
    pub answer: Option<Direction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwaitedAck {
    pub cseq: u32,
    /// The 2xx carried an offer; the ACK has to carry the answer (RFC 3261 section 13.2.1).
    pub offered: bool,
    pub until: Millis,
}

/// Our side of the SDP of a leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// `msrp://host:port` of the MSRP switch.
    pub msrp_uri: String,
    /// Unguessable session id below it.
    pub session: String,
    pub origin_id: u64,
    pub version: u64,
    /// Our description as the peer has it.
    pub shape: Shape,
    /// Which way messages flow at the moment, seen from the focus: anything but both ways is a hold.
    pub direction: Direction,
}

impl Leg {
    /// In the session or invited to it.
    pub fn is_member(&self) -> bool {
        self.is_connected() || self.is_pending()
    }

    pub fn is_connected(&self) -> bool {
        self.state == LegState::Connected
    }

    pub fn is_pending(&self) -> bool {
        matches!(
            self.state,
            LegState::Waiting { .. } | LegState::Inviting { .. }
        )
    }

    /// Nothing is left to do in this dialog.
    pub fn is_finished(&self) -> bool {
        self.state == LegState::Left && self.dialog.is_idle() && self.subscriptions.is_empty()
    }

    fn names(&self, session: Id) -> Vec<Name> {
        let mut names = vec![self.dialog.name()];
        if let Some((from_tag, cseq)) = &self.formed_by {
            names.push(Name::Merge {
                call_id: self.dialog.call_id.clone(),
                from_tag: from_tag.clone(),
                cseq: *cseq,
            });
        }
        if self.is_member() {
            names.extend(
                self.identities
                    .iter()
                    .cloned()
                    .map(|who| Name::Member { session, who }),
            );
        }
        names
    }

    fn deadline(&self) -> Option<Millis> {
        let state = match self.state {
            LegState::Waiting { at, .. } => Some(at),
            LegState::Inviting { ring_until, .. } => Some(ring_until),
            LegState::Withdrawn { until, .. } => Some(until),
            LegState::Connected | LegState::Left => None,
        };
        let ack = self.awaited_ack.map(|ack| ack.until);
        let timer = self
            .keepalive
            .timer
            .filter(|_| self.is_connected())
            .map(|timer| timer.deadline());
        [state, ack, timer, self.dialog.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}

/// An accepted REFER with the implicit subscription it made (RFC 3515 section 2.4.4); or the list of a
/// factory INVITE, which is served by the same code and owes nobody a NOTIFY.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refer {
    /// Its name in log lines and for the operator.
    pub label: ReferId,
    /// CSeq number of the REFER.
    pub cseq: u32,
    pub referrer: String,
    pub identities: Vec<Identity>,
    pub anonymous: bool,
    /// Referred-By of the INVITEs it causes.
    pub referred_by: String,
    /// The socket it came in on. None: it did not come over the network.
    pub socket: Option<Socket>,
    pub targets: Vec<Aim>,
    /// recipient-list-history of the INVITEs it causes.
    pub history: Option<Vec<u8>>,
    /// `id` of the Event header, from the second REFER of a dialog on.
    pub event_id: Option<u32>,
    pub carrier: Carrier,
    /// Later REFERs whose NOTIFYs travel in the dialog this one made.
    pub guests: Vec<Id>,
    /// None: suppressed, refused by the referrer or over.
    pub subscription: Option<Subscription>,
    /// The REFER itself, when it came outside a dialog: Call-ID, From-tag, CSeq.
    pub merge: Option<(String, String, u32)>,
    /// Until then a merged copy is recognised and the dialog takes further REFERs.
    pub remembered_until: Millis,
}

/// Which dialog the NOTIFYs of a REFER travel in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Carrier {
    /// That of a leg, or of an earlier REFER.
    In(Id),
    /// The dialog the REFER made.
    Own(Box<Dialog>),
    /// Suppressed: none.
    None,
}

/// One target of a REFER and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aim {
    pub uri: String,
    /// Session-Replaces of the INVITE to it.
    pub session_replaces: Option<String>,
    /// The leg that is to reach it. None: settled without an INVITE.
    pub leg: Option<Id>,
    pub outcome: Option<u16>,
}

impl Aim {
    /// Nothing has become of it yet.
    pub fn of(target: &Wanted) -> Aim {
        Aim {
            uri: match &target.uri {
                Ok(uri) => uri.as_str().to_owned(),
                Err(text) => text.clone(),
            },
            session_replaces: target.session_replaces.clone(),
            leg: None,
            outcome: None,
        }
    }
}

/// What a session remembers of people beyond their legs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Roster {
    /// Ad-hoc: the creator and everybody who was invited.
    pub known: Vec<Identity>,
    /// Removed by somebody.
    pub removed: Vec<Identity>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    pub expires_at: Millis,
    /// Status lines still to be told, in order. Finals are never merged (N6).
    pub reports: VecDeque<Report>,
    /// Latest progress not told yet, and when it may be.
    pub progress: Option<Report>,
    pub progress_due: Millis,
    /// What was told last, for a termination by expiry (N14).
    pub told: Option<Report>,
    pub closing: Option<Closing>,
    /// The referrer asked to be told again later (Retry-After); nothing is sent before.
    pub held_until: Option<Millis>,
    /// That was granted once for the report at hand.
    pub retried: bool,
    /// An entry for this REFER waits in the carrier's dialog.
    pub queued: bool,
}

/// A subscription on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closing {
    /// Its time is up; the last NOTIFY is still to be sent.
    Expired,
    /// The last NOTIFY was sent; its answer ends it.
    Told,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub status: u16,
    pub reason: String,
    /// Index of the target.
    pub target: Option<u32>,
}

impl Carrier {
    /// The names of a request that made this dialog: the dialog's own, and what tells a merged copy.
    pub fn names(&self, merge: Option<&(String, String, u32)>) -> Vec<Name> {
        let mut names = Vec::new();
        if let Carrier::Own(dialog) = self {
            names.push(dialog.name());
        }
        if let Some((call_id, from_tag, cseq)) = merge {
            names.push(Name::Merge {
                call_id: call_id.clone(),
                from_tag: from_tag.clone(),
                cseq: *cseq,
            });
        }
        names
    }
}

impl Refer {
    fn names(&self) -> Vec<Name> {
        self.carrier.names(self.merge.as_ref())
    }

    pub fn all_settled(&self) -> bool {
        self.targets.iter().all(|aim| aim.outcome.is_some())
    }

    /// Nobody is owed anything, no INVITE waits for its turn, and no copy or further REFER is expected.
    pub fn is_finished(&self, now: Millis) -> bool {
        let idle = match &self.carrier {
            Carrier::Own(dialog) => dialog.in_flight.is_none(),
            Carrier::In(_) | Carrier::None => true,
        };
        let remembered = self.merge.is_some() && now < self.remembered_until;
        self.subscription.is_none() && !self.is_needed() && idle && !remembered
    }

    /// Others need it: REFERs in its dialog, INVITEs that have no result yet.
    fn is_needed(&self) -> bool {
        let unsettled = |aim: &Aim| aim.leg.is_some() && aim.outcome.is_none();
        !self.guests.is_empty() || self.targets.iter().any(unsettled)
    }

    fn deadline(&self) -> Option<Millis> {
        let dialog = match &self.carrier {
            Carrier::Own(dialog) => dialog.deadline(),
            Carrier::In(_) | Carrier::None => None,
        };
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

impl Subscription {
    fn deadline(&self) -> Option<Millis> {
        if let Some(until) = self.held_until {
            return Some(until);
        }
        if self.closing.is_some() {
            // The dialog's request in flight has a deadline of its own.
            return None;
        }
        let progress = self
            .progress
            .as_ref()
            .filter(|_| !self.queued)
            .map(|_| self.progress_due);
        [Some(self.expires_at), progress]
            .into_iter()
            .flatten()
            .min()
    }
}

/// What a session can ask of the place where its records live, under the session's lock.
pub trait Family {
    fn load(&self, id: Id) -> Option<Record>;
    /// All records below the head, oldest first.
    fn children(&self, session: Id) -> Vec<Id>;
    fn child_count(&self, session: Id) -> usize;
    fn find(&self, name: &Name) -> Option<Id>;
    fn new_id(&self) -> Id;
}
