//! A leg: our dialog towards one participant, or the attempt at one.

use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Serialize};

use super::dialog::Dialog;
use super::ids::{Id, MergeKey, Name, ReferId, TransactionId};
use super::sealed::Sealed;
use super::session_timer::SessionTimer;
use super::target::Awaiting;
use crate::cpm::client_forms::ClientForms;
use crate::cpm::redact::Who;
use crate::cpm::time::Millis;
use crate::sip::identity::Identity;
use crate::sip::privacy::ANONYMOUS_HOST;
use crate::sip::sdp::{Direction, Shape};
use crate::sip::uri::Uri;
use crate::sip::Tag;

/// Our dialog towards one participant, or the attempt at one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Who this is, and what else changes rarely.
    pub profile: Sealed<LegProfile>,
    /// It has the role of an administrator. Only who is connected has it.
    pub administrator: bool,
    /// It asked not to be shown, by the Privacy of its INVITE.
    pub anonymous: bool,
    /// It is not to be named to others all the same: by the copyControl of the list that invited it (RFC 5364
    /// section 4), or by the Privacy of its 2xx.
    pub hidden: bool,
    /// Invited, connected or gone.
    pub state: LegState,
    /// The dialog.
    pub dialog: Dialog,
    /// Our side of its SDP.
    pub media: Media,
    /// The ACK that a 2xx of ours waits for.
    pub awaited_ack: Option<AwaitedAck>,
    /// Its session timer.
    pub timer: SessionTimer,
    /// REFERs and conference subscriptions whose NOTIFYs travel in this dialog.
    pub subscriptions: Vec<Id>,
    /// Targets of REFERs that wait for the outcome of this INVITE.
    pub awaited_by: Vec<Awaiting>,
    /// The REFER that made this leg, by the name log lines have for it.
    pub asked_by: Option<ReferId>,
    /// Our INVITE, when the focus formed the dialog.
    pub outgoing: Option<Attempt>,
    /// The INVITE that formed the dialog required `recipient-list-invite`, or had a list.
    pub list_invite: bool,
    /// Its client takes 410 in a BYE for a failure of its own.
    pub fails_on_410: bool,
    /// A REFER has been accepted in this dialog (RFC 3515 section 2.4.6 asks for an id from the
    /// second on).
    pub referred_before: bool,
    /// To-tags of further 2xx to our INVITE (RFC 3261 section 13.2.2.4) that were already ended by BYE.
    pub forks: Vec<Fork>,
    /// What is kept for the conference state alone.
    pub appearance: Appearance,
}

/// Who a participant is, and what else of a leg changes rarely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LegProfile {
    /// Who this is, in all the forms it is known by.
    pub identities: Vec<Identity>,
    /// The URI it came with or was invited by.
    pub uri: Uri,
    /// The name people give it, as far as its network says. Of the anonymous nothing.
    pub display_name: Option<String>,
    /// The Subject that was said last in this dialog, by its peer or by us.
    pub subject: Option<String>,
    /// Who invited this participant. `None`: nobody, or somebody anonymous.
    pub referrer: Option<Uri>,
    /// The INVITE that formed the dialog, when it came from the peer.
    pub formed_by: Option<MergeKey>,
}

impl Deref for Leg {
    type Target = LegProfile;

    fn deref(&self) -> &LegProfile {
        &self.profile
    }
}

impl DerefMut for Leg {
    fn deref_mut(&mut self) -> &mut LegProfile {
        &mut self.profile
    }
}

/// How far a leg is in the session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum LegState {
    /// Its INVITE waits for its turn in the fan-out, or for a second attempt.
    Waiting {
        /// When it is sent.
        at: Millis,
    },
    /// Our INVITE is on its way or rings.
    Inviting {
        /// Known only after the send.
        transaction: Option<TransactionId>,
        /// A provisional answer above 100 has come.
        ringing: bool,
        /// When we give up.
        ring_until: Millis,
    },
    /// In the session.
    Connected,
    /// We gave up on our INVITE. CANCEL was asked for if the transaction was known, else it is still
    /// owed.
    Withdrawn {
        /// Known only after the send.
        transaction: Option<TransactionId>,
        /// When its answer is not waited for any more.
        until: Millis,
    },
    /// Not in the session any more; the record stays while its dialog has something to finish.
    Left,
}

/// The INVITE to a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The target of a REFER (or of the list of a factory INVITE) that it is to reach.
    pub target: Id,
    /// CSeq of the latest INVITE; answers to an earlier one mean nothing any more.
    pub cseq: u32,
    /// The one bounded retry was used.
    pub retried: bool,
    /// When we give up on all attempts together. `None`: none was sent.
    pub ring_until: Option<Millis>,
    /// Of the rates that all sessions share.
    pub turns: Turns,
    /// In which form it is sent.
    pub forms: ClientForms,
    /// The other form is being tried, or was.
    pub tried_other_form: bool,
    /// Until when further 2xx mean something, and repeated ones of the first. `None`: it was not accepted.
    pub answerable_until: Option<Millis>,
    /// How many ACKs the first 2xx got.
    pub acks: u32,
    /// The 2xx had an offer that we answered in its ACK.
    pub answered: bool,
    /// Early dialogs of this INVITE with reliable provisional answers (RFC 3262).
    pub early: Vec<EarlyDialog>,
}

/// A further 2xx to our INVITE, which was ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fork {
    /// To-tag.
    pub tag: Tag,
    /// How many ACKs it got.
    pub acks: u32,
}

/// Which turns an INVITE has of the rates that all sessions share. It takes them one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Turns {
    /// How many it has.
    pub taken: u8,
    /// It was written down that it waits for the next one.
    pub noted: bool,
    /// When it gives up. `None`: it has not asked for one yet.
    pub until: Option<Millis>,
}

/// An early dialog with reliable provisional answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyDialog {
    /// To-tag.
    pub tag: Tag,
    /// RSeq of the latest one that got its PRACK.
    pub rseq: u32,
    /// What one of them said of the media; a 2xx need not repeat it.
    pub answer: EarlyAnswer,
}

/// The SDP of reliable provisional answers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum EarlyAnswer {
    /// There was none.
    None,
    /// It cannot be used.
    Unusable,
    /// Which way messages flow by it.
    Usable(Direction),
}

/// A 2xx of ours that was not acknowledged yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AwaitedAck {
    /// CSeq of the INVITE and of its ACK.
    pub cseq: u32,
    /// The 2xx carried an offer; the ACK has to carry the answer (RFC 3261 section 13.2.1).
    pub offered: bool,
    /// When the leg is given up without it.
    pub until: Millis,
}

/// Our side of the SDP of a leg.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Media {
    /// What stays as it is.
    pub fixed: Sealed<FixedMedia>,
    /// sess-version of `o=`.
    pub version: u64,
    /// Our description as the peer has it.
    pub shape: Shape,
    /// Which way messages flow at the moment, seen from the focus: anything but both ways is a hold.
    pub direction: Direction,
    /// The peer has never described any: a participant without media.
    pub absent: bool,
}

/// What all our descriptions of a leg have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FixedMedia {
    /// `msrp://host:port` of the MSRP switch.
    pub msrp_uri: String,
    /// Unguessable session id below it.
    pub session: String,
    /// sess-id of `o=` (RFC 4566 section 5.2).
    pub origin_id: u64,
}

/// What a leg keeps for the conference state alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Appearance {
    /// Number of an anonymous participant; 0: it is shown by its URI.
    pub alias: u32,
    /// Since which change of which log subscribers have been told its URI while it is invited. `None`: since
    /// before there was a log.
    pub named: Option<(Id, u64)>,
    /// When it was invited, seconds since 1970.
    pub invited: Option<i64>,
    /// When it joined, seconds since 1970.
    pub joined: Option<i64>,
}

impl Leg {
    /// In the session or invited to it.
    pub fn is_member(&self) -> bool {
        self.is_connected() || self.is_pending()
    }

    /// In the session.
    pub fn is_connected(&self) -> bool {
        self.state == LegState::Connected
    }

    /// Being invited.
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

    /// Being invited, but no INVITE has left yet.
    pub fn is_unasked(&self) -> bool {
        let attempt = self.outgoing.as_ref();
        matches!(self.state, LegState::Waiting { .. })
            && attempt.is_some_and(|attempt| attempt.cseq == 0)
    }

    /// Nothing that others may read names it.
    pub fn is_unnamed(&self) -> bool {
        self.anonymous || self.hidden
    }

    /// As a line of the log names it.
    pub fn who(&self) -> Who {
        match (self.is_unnamed(), self.appearance.alias) {
            (false, _) => Who::open(self.uri.as_str()),
            // Its number comes at the end of the event that made it.
            (true, 0) => Who::unnamed(self.uri.as_str()),
            (true, _) => Who::shown_as(self.uri.as_str(), &self.shown_uri()),
        }
    }

    /// The URI it is shown by. An anonymous participant has nothing but a number (RFC 7701 section
    /// 5.2), a different one for each (RFC 4575 section 4.5).
    pub fn shown_uri(&self) -> String {
        match (self.is_unnamed(), self.appearance.alias) {
            (false, _) => self.uri.to_string(),
            (true, alias) => format!("sip:anonymous-{alias}@{ANONYMOUS_HOST}"),
        }
    }

    /// See `Record::names`.
    pub(super) fn names(&self, session: Id) -> Vec<Name> {
        let mut names = vec![self.dialog.name()];
        names.extend(self.formed_by.clone().map(Name::Merge));
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

    /// See `Record::deadline`.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let state = match self.state {
            LegState::Waiting { at, .. } => Some(at),
            LegState::Inviting { ring_until, .. } => Some(ring_until),
            LegState::Withdrawn { until, .. } => Some(until),
            LegState::Connected | LegState::Left => None,
        };
        let ack = self.awaited_ack.map(|ack| ack.until);
        let timer = self.timer.running.filter(|_| self.is_connected());
        let timer = timer.map(|timer| timer.deadline());
        [state, ack, timer, self.dialog.deadline()]
            .into_iter()
            .flatten()
            .min()
    }
}
