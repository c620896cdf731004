//! Conference subscriptions (RFC 4575) and the log of what changed in a session that has some.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::dialog::{Carrier, Dialog};
use super::ids::{Id, MergeKey, Name};
use super::leg::{Leg, LegState};
use super::subscription::Subscription;
use crate::cpm::time::{Millis, SIXTY_FOUR_T1};
use crate::sip::conference_info::{Status, User};
use crate::sip::identity::Identity;
use crate::sip::sdp::Direction;
use crate::sip::uri::Uri;

/// Most changed legs the log lists. A subscriber that is further behind gets a full document.
const MAX_CHANGED: usize = 256;
/// Most bytes that the departed take in a document: about a hundred people, as many as one REFER names.
/// The document has to fit into a datagram.
const MAX_DEPARTED: usize = 48 * 1024;
/// How long the departed are remembered after the interval in which the subscribers of the moment
/// were told. A SUBSCRIBE that was sent right after a REFER gets here by then (RFC 3261 section
/// 17.1.2.2).
const REMEMBERED: Millis = SIXTY_FOUR_T1;

/// What changed in a session that has conference subscriptions, or in which an invitation came to
/// nothing a moment ago. One per session, whatever the number of subscribers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeLog {
    /// The record of who is subscribed.
    pub subscribers: Id,
    /// Number of the latest change; the first one is 1.
    pub latest: u64,
    /// Changes up to this one are not listed any more.
    pub floor: u64,
    /// The latest change of each leg that is in the session or invited, oldest first.
    pub changed: VecDeque<(u64, Id)>,
    /// Who has gone, oldest first.
    pub departed: VecDeque<Departed>,
    /// The latest change of what the conference is called; 0: none.
    pub description: u64,
    /// The subscribers are being notified, slice by slice.
    pub round: Option<Round>,
    /// When the next slice is due.
    pub due: Option<Millis>,
    /// When the last round began.
    pub last_round: Option<Millis>,
    /// The session has ended; the next round is the last.
    pub over: bool,
}

/// Somebody who is in the session no more, or never got in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Departed {
    /// Number of the change.
    pub change: u64,
    /// The last that is said of them.
    pub user: User,
    /// Length of `user` in a document, bytes.
    pub length: usize,
    /// Who that is, so that a subscriber is shown its own entry as such.
    pub identities: Vec<Identity>,
    /// The subscriptions that are told; the others never heard that name. `None`: all.
    pub told_to: Option<Vec<Id>>,
    /// When they are forgotten.
    pub until: Millis,
}

impl Departed {
    /// They never were in. New subscribers are told too: what a REFER came to is news to them.
    pub fn never_joined(&self) -> bool {
        let endpoint = self.user.endpoint.as_ref();
        endpoint.is_some_and(|endpoint| endpoint.joining.is_none())
    }
}

/// One round of NOTIFYs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// Index of the subscriber whose turn it is.
    pub next: u32,
    /// The latest change when the round began.
    pub began_with: u64,
}

/// Who is subscribed to the conference state, in the order of their coming.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Subscribers {
    /// Their [`ConferenceSubscription`]s.
    pub ids: Vec<Id>,
}

/// A conference subscription.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConferenceSubscription {
    /// Expiry, hold, retry and end.
    pub common: Subscription,
    /// The subscriber, in all the forms it is known by.
    pub identities: Vec<Identity>,
    /// The URI it subscribed with.
    pub uri: Uri,
    /// Its identity is not to be shown.
    pub anonymous: bool,
    /// The dialog the SUBSCRIBE made, or that of the participant's leg.
    pub carrier: Carrier,
    /// `id` of the Event header.
    pub event_id: Option<String>,
    /// Version of the last document; 0 before the first.
    pub version: u32,
    /// Number of the latest change when it began.
    pub since: u64,
    /// What it was told.
    pub told: Told,
    /// The same before the NOTIFY in flight, should that be refused.
    pub told_before: Told,
    /// The next document is a full one.
    pub wants_full: bool,
    /// The last NOTIFY had no document: a large one waits until the Contact is confirmed.
    pub held_back: bool,
    /// When the last partial document was sent.
    pub told_at: Option<Millis>,
    /// The next change is told then: not more often than once per interval.
    pub paced_until: Option<Millis>,
    /// The SUBSCRIBE itself, when it came outside a dialog.
    pub merge: Option<MergeKey>,
}

/// How far a subscriber has been told, in numbers of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The latest change of those who are in.
    pub members: u64,
    /// The latest change of those who have gone. A full document tells nothing of them, so this may be
    /// behind.
    pub departed: u64,
}

impl ConferenceSubscription {
    /// Whether it still has to be told that somebody has gone. Who was in and left before it began is no
    /// news; an invitation that came to nothing is. `id` is that of this record.
    pub fn owes(&self, id: Id, gone: &Departed) -> bool {
        if gone
            .told_to
            .as_ref()
            .is_some_and(|told| !told.contains(&id))
        {
            return false;
        }
        let news = gone.change > self.since || gone.never_joined();
        news && gone.change > self.told.departed
    }

    /// See `Record::names`.
    pub(super) fn names(&self) -> Vec<Name> {
        self.carrier.names(self.merge.as_ref())
    }

    /// See `Record::deadline`.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let lost = self.carrier.own().and_then(Dialog::deadline);
        let paced = self.paced_until.filter(|_| self.common.hold().is_none());
        let due = [lost, paced, self.common.deadline()];
        due.into_iter().flatten().min()
    }
}

impl ChangeLog {
    /// An empty log.
    pub fn new(subscribers: Id) -> ChangeLog {
        ChangeLog {
            subscribers,
            latest: 0,
            floor: 0,
            changed: VecDeque::new(),
            departed: VecDeque::new(),
            description: 0,
            round: None,
            due: None,
            last_round: None,
            over: false,
        }
    }

    /// What the conference is called has changed.
    pub fn change_description(&mut self) {
        self.latest += 1;
        self.description = self.latest;
    }

    /// Somebody came, or is further in than before. `shown_uri` is how subscribers know them.
    pub fn add_change(&mut self, leg: Id, shown_uri: &str) {
        self.changed.retain(|(_, id)| *id != leg);
        // Who comes back has not departed any more.
        self.departed.retain(|gone| gone.user.entity != shown_uri);
        self.latest += 1;
        self.changed.push_back((self.latest, leg));
        if self.changed.len() > MAX_CHANGED {
            let oldest = self.changed.pop_front();
            self.floor = self.floor.max(oldest.map_or(0, |(change, _)| change));
        }
    }

    /// Somebody is gone, or was never reached. `user` is the last that is said of them, `leg` is theirs
    /// if they had one, `told_to` who is told if not all are.
    pub fn add_departed(
        &mut self,
        leg: Option<Id>,
        user: User,
        identities: Vec<Identity>,
        told_to: Option<Vec<Id>>,
        until: Millis,
    ) {
        self.changed.retain(|(_, id)| Some(*id) != leg);
        self.departed.retain(|gone| gone.user.entity != user.entity);
        self.latest += 1;
        self.departed.push_back(Departed {
            change: self.latest,
            length: user.length(),
            user,
            identities,
            told_to,
            until,
        });
        let lengths = self.departed.iter().rev().scan(0, |sum, gone| {
            *sum += gone.length;
            Some(*sum)
        });
        let fit = lengths.take_while(|sum| *sum <= MAX_DEPARTED).count();
        self.drop_oldest(self.departed.len() - fit);
    }

    /// Forgets who departed long ago.
    pub fn forget_departed(&mut self, now: Millis) {
        let old = self.departed.iter().take_while(|gone| gone.until <= now);
        self.drop_oldest(old.count());
    }

    fn drop_oldest(&mut self, count: usize) {
        let last = self.departed.drain(..count).next_back();
        self.floor = self.floor.max(last.map_or(0, |gone| gone.change));
    }

    /// Until when somebody who departs now is remembered. `interval` is the least time between rounds.
    pub fn remembered_until(now: Millis, interval: Millis) -> Millis {
        now.saturating_add(interval).saturating_add(REMEMBERED)
    }

    /// Something is to be told: at once, or `interval` after the last round began.
    pub fn schedule(&mut self, now: Millis, interval: Millis) {
        if self.round.is_none() && self.due.is_none() && !self.over {
            let earliest = self.last_round.map_or(now, |last| last + interval);
            self.due = Some(earliest.max(now));
        }
    }

    /// The next slice of subscribers is due, or the last of the departed is to be forgotten.
    pub(super) fn deadline(&self) -> Option<Millis> {
        let forgotten = self.departed.back().map(|gone| gone.until);
        [self.due, forgotten].into_iter().flatten().min()
    }
}

/// What a subscriber is shown of a leg. `None`: it is not in the session.
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

/// The peer asked by its offer to be sent nothing. A peer that never answered our offer has no media,
/// which is no hold.
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
    fn the_log_stays_small_and_knows_how_far_back_it_goes() {
        let mut log = ChangeLog::new(Id(1));
        for n in 0..MAX_CHANGED {
            log.add_change(Id(n as u64), &user(n).entity);
        }
        assert_eq!((log.latest, log.floor), (MAX_CHANGED as u64, 0));
        // Once more the same leg: still one entry.
        log.add_change(Id(0), &user(0).entity);
        assert_eq!((log.changed.len(), log.floor), (MAX_CHANGED, 0));
        log.add_change(Id(9_999), "sip:late@home1.test");
        assert_eq!((log.changed.len(), log.floor), (MAX_CHANGED, 2));
        for n in 1..=2_000 {
            log.add_departed(Some(Id(n)), user(n as usize), Vec::new(), None, n);
        }
        let length: usize = log.departed.iter().map(|gone| gone.user.length()).sum();
        assert!(
            length <= MAX_DEPARTED && length + 100 > MAX_DEPARTED,
            "{length}"
        );
        assert_eq!(log.floor, log.departed[0].change - 1);
        let (left, first) = (log.departed.len(), log.departed[0].until);
        log.forget_departed(first + 8);
        assert_eq!(log.departed.len(), left - 9);
        assert_eq!(log.floor, log.departed[0].change - 1);
        assert_eq!(log.deadline(), Some(2_000));
        log.forget_departed(2_000);
        assert_eq!((log.departed.len(), log.floor), (0, log.latest));
        assert_eq!(log.deadline(), None);
    }

    #[test]
    fn who_comes_back_has_not_departed_any_more() {
        let mut log = ChangeLog::new(Id(1));
        log.add_departed(Some(Id(7)), user(7), Vec::new(), None, 1);
        log.add_change(Id(8), &user(7).entity);
        assert!(log.departed.is_empty());
        assert_eq!(log.changed, [(2, Id(8))]);
    }

    #[test]
    fn the_first_change_is_told_at_once_and_the_next_after_the_interval() {
        let mut log = ChangeLog::new(Id(1));
        log.schedule(1_000, 500);
        assert_eq!(log.due, Some(1_000));
        log.due = None;
        log.last_round = Some(1_000);
        log.schedule(1_100, 500);
        assert_eq!(log.due, Some(1_500));
        log.due = None;
        log.schedule(9_000, 500);
        assert_eq!(log.due, Some(9_000));
        log.due = None;
        log.over = true;
        log.schedule(9_000, 500);
        assert_eq!(log.due, None);
    }
}
