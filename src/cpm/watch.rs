//! The records of conference subscriptions (RFC 4575): the board where a session's changes are noted, who
//! reads it, and each watcher. Not here: what is told and when (`super::session`).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dialog::Dialog;
use super::records::{Carrier, Id, Leg, LegState, Name};
use super::settings::{Millis, SIXTY_FOUR_T1};
use crate::sip::conference_info::{Status, User};
use crate::sip::identity::Identity;
use crate::sip::sdp::Direction;

/// Most changed legs the board lists; who is further behind is told everything.
const MAX_CHANGED: usize = 256;
/// How much of a document the people may take whom the board remembers as gone, bytes: about a hundred, as
/// many as one REFER names. It has to fit into a datagram with those who are in, for every watcher.
const MAX_GONE: usize = 48 * 1024;
/// How long they are remembered, after the interval in which the watchers there are were told: a SUBSCRIBE
/// that was sent right after a REFER gets here by then (RFC 3261 section 17.1.2.2).
const REMEMBERED: Millis = SIXTY_FOUR_T1;

/// What changed in a session that somebody watches, or in which an invitation came to nothing a moment ago.
/// One per session, whatever the number of watchers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Board {
    pub audience: Id,
    /// Number of the latest change; the first one is 1.
    pub latest: u64,
    /// Changes up to this one are not listed any more.
    pub floor: u64,
    /// The latest change of each leg that is in the session or invited, oldest first.
    pub changed: VecDeque<(u64, Id)>,
    /// Who has gone, oldest first.
    pub gone: VecDeque<Gone>,
    /// The watchers are being told, slice by slice.
    pub round: Option<Round>,
    /// When the next slice is due.
    pub due: Option<Millis>,
    /// When the last round began.
    pub last_round: Option<Millis>,
    /// The session has ended; the next round is the last.
    pub over: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    pub change: u64,
    pub user: User,
    /// Of `user` in a document, bytes.
    pub length: usize,
    /// Who that is, so that a watcher is shown its own entry as such.
    pub identities: Vec<Identity>,
    pub until: Millis,
}

impl Gone {
    /// It never was in: what a REFER did is told to those as well who begin to watch only now.
    pub fn came_to_nothing(&self) -> bool {
        let endpoint = self.user.endpoint.as_ref();
        endpoint.is_some_and(|endpoint| endpoint.joining.is_none())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Index of the watcher whose turn it is.
    pub next: u32,
    /// The latest change when the round began.
    pub began_with: u64,
}

/// Who watches a session, in the order of their coming.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Audience {
    pub watchers: Vec<Id>,
}

/// A conference subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Watcher {
    pub identities: Vec<Identity>,
    pub uri: String,
    pub anonymous: bool,
    /// The dialog the SUBSCRIBE made, or that of the participant's leg.
    pub carrier: Carrier,
    /// `id` of the Event header.
    pub event_id: Option<String>,
    pub expires_at: Millis,
    /// Version of the last document; 0 before the first.
    pub version: u32,
    /// The latest change it was told of.
    pub told: u64,
    /// As `told` was before the NOTIFY in flight, should that be refused.
    pub told_before: u64,
    /// The next document is a whole one.
    pub whole: bool,
    /// When the last change was told.
    pub told_at: Option<Millis>,
    /// There is something to tell, but not before.
    pub held_until: Option<Millis>,
    /// It asked to be told again (Retry-After), and was.
    pub retried: bool,
    pub ending: Option<Ending>,
    /// The last NOTIFY was sent; its answer ends the subscription.
    pub told_end: bool,
    /// An entry for this watcher waits in its dialog.
    pub queued: bool,
    /// The SUBSCRIBE itself, when it came outside a dialog: Call-ID, From-tag, CSeq.
    pub merge: Option<(String, String, u32)>,
}

/// Why a subscription ends (RFC 6665 section 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// Its time is up, or it was given back.
    Timeout,
    /// The session is over.
    NoResource,
    /// The watcher may not watch any more.
    Rejected,
}

impl Ending {
    /// The reason in Subscription-State.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Timeout => "timeout",
            Ending::NoResource => "noresource",
            Ending::Rejected => "rejected",
        }
    }
}

/// What a leg remembers for the watchers alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Appearance {
    /// Number of an anonymous participant; 0: it is shown by its URI.
    pub alias: u32,
    /// Seconds since 1970.
    pub invited: Option<i64>,
    /// Seconds since 1970.
    pub joined: Option<i64>,
}

impl Board {
    pub fn new(audience: Id) -> Board {
        Board {
            audience,
            latest: 0,
            floor: 0,
            changed: VecDeque::new(),
            gone: VecDeque::new(),
            round: None,
            due: None,
            last_round: None,
            over: false,
        }
    }

    /// Somebody came, or is further in than before.
    pub fn note_changed(&mut self, leg: Id, entity: &str) {
        self.changed.retain(|(_, id)| *id != leg);
        // Whoever comes back is not gone any more.
        self.gone.retain(|gone| gone.user.entity != entity);
        self.latest += 1;
        self.changed.push_back((self.latest, leg));
        if self.changed.len() > MAX_CHANGED {
            let oldest = self.changed.pop_front();
            self.floor = self.floor.max(oldest.map_or(0, |(change, _)| change));
        }
    }

    /// Somebody is gone, or was never reached; `user` is the last that is said of them. `leg` is theirs, if
    /// they had one.
    pub fn note_gone(
        &mut self,
        leg: Option<Id>,
        user: User,
        identities: Vec<Identity>,
        until: Millis,
    ) {
        self.changed.retain(|(_, id)| Some(*id) != leg);
        self.gone.retain(|gone| gone.user.entity != user.entity);
        self.latest += 1;
        self.gone.push_back(Gone {
            change: self.latest,
            length: user.length(),
            user,
            identities,
            until,
        });
        let lengths = self.gone.iter().rev().scan(0, |sum, gone| {
            *sum += gone.length;
            Some(*sum)
        });
        let fit = lengths.take_while(|sum| *sum <= MAX_GONE).count();
        self.drop_oldest(self.gone.len() - fit);
    }

    /// Who has gone long ago is forgotten.
    pub fn forget_gone(&mut self, now: Millis) {
        let old = self.gone.iter().take_while(|gone| gone.until <= now);
        self.drop_oldest(old.count());
    }

    fn drop_oldest(&mut self, count: usize) {
        let last = self.gone.drain(..count).next_back();
        self.floor = self.floor.max(last.map_or(0, |gone| gone.change));
    }

    /// Until when somebody who goes now is remembered.
    pub fn remembered(now: Millis, interval: Millis) -> Millis {
        now.saturating_add(interval).saturating_add(REMEMBERED)
    }

    /// The next slice of watchers is due, or nobody remembered is worth it any more.
    pub fn deadline(&self) -> Option<Millis> {
        let forgotten = self.gone.back().map(|gone| gone.until);
        [self.due, forgotten].into_iter().flatten().min()
    }

    /// Something is to be told: at once, or an interval after the last round began.
    pub fn schedule(&mut self, now: Millis, interval: Millis) {
        if self.round.is_none() && self.due.is_none() && !self.over {
            let earliest = self.last_round.map_or(now, |last| last + interval);
            self.due = Some(earliest.max(now));
        }
    }
}

impl Watcher {
    pub fn names(&self) -> Vec<Name> {
        self.carrier.names(self.merge.as_ref())
    }

    pub fn deadline(&self) -> Option<Millis> {
        let lost = match &self.carrier {
            Carrier::Own(dialog) => Dialog::deadline(dialog),
            Carrier::In(_) | Carrier::None => None,
        };
        let expires = self.ending.is_none().then_some(self.expires_at);
        [lost, expires, self.held_until].into_iter().flatten().min()
    }
}

/// What a watcher is shown of a leg. None: it is not in the session.
pub fn status_of(leg: &Leg) -> Option<Status> {
    let asked = leg
        .outgoing
        .as_ref()
        .is_some_and(|attempt| attempt.cseq > 0);
    match leg.state {
        // Between two attempts it is still being asked.
        LegState::Waiting { .. } if asked => Some(Status::DialingOut),
        LegState::Waiting { .. } => Some(Status::Pending),
        LegState::Inviting { ringing: false, .. } => Some(Status::DialingOut),
        LegState::Inviting { ringing: true, .. } => Some(Status::Alerting),
        LegState::Connected if is_on_hold(leg) => Some(Status::OnHold),
        LegState::Connected => Some(Status::Connected),
        LegState::Withdrawn { .. } | LegState::Left => None,
    }
}

/// The peer asked by its offer to be sent nothing. Whoever never answered ours has no media, but no hold either.
fn is_on_hold(leg: &Leg) -> bool {
    matches!(
        leg.media.shape.direction,
        Direction::RecvOnly | Direction::Inactive
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::conference_info::State;

    fn user(n: usize) -> User {
        User {
            entity: format!("sip:{n}@home1.test"),
            state: State::Deleted,
            display_text: None,
            yourown: false,
            roles: Vec::new(),
            endpoint: None,
        }
    }

    #[test]
    fn the_board_stays_small_and_knows_how_far_back_it_goes() {
        let mut board = Board::new(Id(1));
        for n in 0..MAX_CHANGED {
            board.note_changed(Id(n as u64), &user(n).entity);
        }
        assert_eq!((board.latest, board.floor), (MAX_CHANGED as u64, 0));
        // Once more the same leg: still one entry.
        board.note_changed(Id(0), &user(0).entity);
        assert_eq!((board.changed.len(), board.floor), (MAX_CHANGED, 0));
        board.note_changed(Id(9_999), "sip:late@home1.test");
        assert_eq!((board.changed.len(), board.floor), (MAX_CHANGED, 2));
        for n in 1..=2_000 {
            board.note_gone(Some(Id(n)), user(n as usize), Vec::new(), n);
        }
        let length: usize = board.gone.iter().map(|gone| gone.user.length()).sum();
        assert!(length <= MAX_GONE && length + 100 > MAX_GONE, "{length}");
        assert_eq!(board.floor, board.gone[0].change - 1);
        let (left, first) = (board.gone.len(), board.gone[0].until);
        board.forget_gone(first + 8);
        assert_eq!(board.gone.len(), left - 9);
        assert_eq!(board.floor, board.gone[0].change - 1);
        assert_eq!(board.deadline(), Some(2_000));
        board.forget_gone(2_000);
        assert_eq!((board.gone.len(), board.floor), (0, board.latest));
        assert_eq!(board.deadline(), None);
    }

    #[test]
    fn whoever_comes_back_is_not_gone_any_more() {
        let mut board = Board::new(Id(1));
        board.note_gone(Some(Id(7)), user(7), Vec::new(), 1);
        board.note_changed(Id(8), &user(7).entity);
        assert!(board.gone.is_empty());
        assert_eq!(board.changed, [(2, Id(8))]);
    }

    #[test]
    fn the_first_change_is_told_at_once_and_the_next_after_the_interval() {
        let mut board = Board::new(Id(1));
        board.schedule(1_000, 500);
        assert_eq!(board.due, Some(1_000));
        board.due = None;
        board.last_round = Some(1_000);
        board.schedule(1_100, 500);
        assert_eq!(board.due, Some(1_500));
        board.due = None;
        board.schedule(9_000, 500);
        assert_eq!(board.due, Some(9_000));
        board.due = None;
        board.over = true;
        board.schedule(9_000, 500);
        assert_eq!(board.due, None);
    }
}
