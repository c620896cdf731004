//! What changed for those who watch: noted on the board, told in rounds, a slice at a time (RFC 4575 section 3.6).
//! Not here: the NOTIFYs themselves (`super::state`) and what people look like (`super::portrait`).

use super::portrait::{REASON_PREFIX, UNNAMED};
use super::{Session, Who};
use crate::cpm::asked::Wanted;
use crate::cpm::dialog::ByeCause;
use crate::cpm::records::{Id, Record};
use crate::cpm::watch::{status_of, Audience, Board, Ending, Round};
use crate::sip::conference_info::{is_entity, Disconnection, Execution, User};
use crate::sip::identity::Identity;
use crate::sip::status::reason_phrase;

/// Watchers told per turn of the process that watches deadlines.
const SLICE: usize = 32;

/// Why somebody goes, as the watchers are told.
#[derive(Clone, Debug)]
pub(super) struct Parting {
    /// None: the same person is in by another leg, so this entry just goes.
    pub how: Option<Disconnection>,
    pub info: Execution,
}

impl Parting {
    pub fn departed() -> Parting {
        Parting::of(Disconnection::Departed)
    }

    pub fn booted(by: String) -> Parting {
        let mut parting = Parting::of(Disconnection::Booted);
        parting.info.by = Some(by);
        parting
    }

    pub fn replaced() -> Parting {
        Parting {
            how: None,
            ..Parting::departed()
        }
    }

    /// An INVITE of ours that came to nothing: busy is 486 and 600, everything else failed (requirements
    /// section 2.8).
    pub fn failed(status: u16, reason: &str) -> Parting {
        let how = match status {
            486 | 600 => Disconnection::Busy,
            _ => Disconnection::Failed,
        };
        let text = if reason.is_empty() {
            reason_phrase(status)
        } else {
            reason
        };
        let text = text.replace(['"', '\\'], "");
        let mut parting = Parting::of(how);
        // RFC 4575 section 5.7.7: the form of RFC 3326.
        parting.info.reason = Some(format!("{REASON_PREFIX}SIP;cause={status};text=\"{text}\""));
        parting
    }

    /// We end its dialog.
    pub fn by_us(cause: ByeCause) -> Parting {
        let how = match cause {
            ByeCause::Replaced => return Parting::replaced(),
            ByeCause::Gone => Disconnection::Departed,
            ByeCause::Removed => Disconnection::Booted,
            _ => Disconnection::Failed,
        };
        let mut parting = Parting::of(how);
        parting.info.reason = cause
            .reason_header()
            .map(|reason| format!("{REASON_PREFIX}{reason}"));
        parting
    }

    fn of(how: Disconnection) -> Parting {
        Parting {
            how: Some(how),
            info: Execution::default(),
        }
    }
}

impl Session<'_> {
    /// A leg goes for this reason; the first one said counts.
    pub(super) fn parts(&mut self, leg: Id, parting: Parting) {
        self.partings.entry(leg).or_insert(parting);
    }

    /// Notes what this input changed in what watchers see; one place for all procedures.
    pub(super) fn publish(&mut self) {
        let mut came = Vec::new();
        let mut went = Vec::new();
        for (id, slot) in &mut self.loaded {
            let Some(Record::Leg(leg)) = &slot.record else {
                continue;
            };
            let status = status_of(leg);
            if status != slot.status {
                slot.status = status;
                match status {
                    Some(_) => came.push(*id),
                    None => went.push(*id),
                }
            }
        }
        for id in went {
            self.note_gone(id);
        }
        for id in came {
            self.note_came(id);
        }
    }

    fn note_came(&mut self, id: Id) {
        let now = self.env.unix;
        let next_alias = self.head.aliases.saturating_add(1);
        self.portraits.remove(&id);
        let Some(leg) = self.leg_mut(id) else { return };
        if leg.outgoing.is_some() && leg.appearance.invited.is_none() {
            leg.appearance.invited = Some(now);
        }
        // Some come in on hold.
        if leg.is_connected() && leg.appearance.joined.is_none() {
            leg.appearance.joined = Some(now);
        }
        let named_now = leg.anonymous && leg.appearance.alias == 0;
        if named_now {
            leg.appearance.alias = next_alias;
        }
        let entity = leg.entity();
        if named_now {
            self.head.aliases = next_alias;
        }
        self.note_on_board(|board| board.note_changed(id, &entity));
    }

    fn note_gone(&mut self, id: Id) {
        let parting = self.partings.remove(&id);
        self.portraits.remove(&id);
        self.dismiss_guests(id);
        let Some(leg) = self.leg(id) else { return };
        let had_joined = leg.appearance.joined.is_some();
        let identities = leg.identities.clone();
        let parting = parting.unwrap_or_else(|| match had_joined {
            true => Parting::departed(),
            false => Parting::of(Disconnection::Failed),
        });
        if !had_joined && parting.how.is_some() {
            self.put_up_board();
        }
        if let Some(user) = self.farewell(id, parting) {
            self.put_on_board(Some(id), user, identities);
        }
    }

    /// A target that gets no INVITE: whoever suppresses NOTIFYs learns of it here or nowhere.
    pub(super) fn note_uninvited(&mut self, referrer: &Who, target: &Wanted, status: u16) {
        let (entity, identities) = match &target.uri {
            Ok(uri) => (uri.as_str(), vec![Identity::of(uri)]),
            Err(text) if is_entity(text) => (text.as_str(), Vec::new()),
            // Nothing that could be named as a user.
            Err(_) => return,
        };
        let by = match referrer.anonymous {
            true => UNNAMED.to_owned(),
            false => referrer.uri().to_owned(),
        };
        let parting = Parting::failed(status, reason_phrase(status));
        let user = self.never_in(entity, by, parting);
        self.put_up_board();
        self.put_on_board(None, user, identities);
    }

    fn put_on_board(&mut self, leg: Option<Id>, user: User, identities: Vec<Identity>) {
        let interval = self.env.settings.conference_notify_interval;
        let until = Board::remembered(self.env.now, interval);
        self.note_on_board(|board| board.note_gone(leg, user, identities, until));
    }

    fn note_on_board(&mut self, change: impl FnOnce(&mut Board)) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        if let Some(board) = self.board_mut() {
            board.forget_gone(now);
            change(board);
            board.schedule(now, interval);
        }
    }

    /// The session is over: one last round.
    pub(super) fn close_board(&mut self) {
        let now = self.env.now;
        if let Some(board) = self.board_mut() {
            board.over = true;
            board.round = None;
            board.due = Some(now);
        }
        self.take_down_board();
    }

    pub(super) fn board_mut(&mut self) -> Option<&mut Board> {
        let slot = self.slot(self.head.board?);
        match &mut slot.record {
            Some(Record::Board(board)) => {
                slot.dirty = true;
                Some(board)
            }
            _ => None,
        }
    }

    pub(super) fn board(&mut self) -> Option<&Board> {
        match &self.slot(self.head.board?).record {
            Some(Record::Board(board)) => Some(board),
            _ => None,
        }
    }

    pub(super) fn audience(&mut self) -> Option<&Audience> {
        let id = self.board()?.audience;
        match &self.slot(id).record {
            Some(Record::Audience(audience)) => Some(audience),
            _ => None,
        }
    }

    fn audience_mut(&mut self) -> Option<&mut Audience> {
        let id = self.board()?.audience;
        let slot = self.slot(id);
        match &mut slot.record {
            Some(Record::Audience(audience)) => {
                slot.dirty = true;
                Some(audience)
            }
            _ => None,
        }
    }

    /// For the first one who watches, or may want to know what came of an invitation.
    fn put_up_board(&mut self) {
        let watchable = self.head.live && self.env.settings.max_subscriptions > 0;
        if self.head.board.is_none() && watchable {
            let audience = self.add(Record::Audience(Audience::default()));
            let board = self.add(Record::Board(Box::new(Board::new(audience))));
            self.head.board = Some(board);
        }
    }

    /// Nobody watches, and nothing is remembered for those who may begin to.
    fn take_down_board(&mut self) {
        let watched = self.audience().is_some_and(|a| !a.watchers.is_empty());
        let Some(board) = self.board() else { return };
        if watched || !(board.over || board.gone.is_empty()) {
            return;
        }
        let audience = board.audience;
        let board = self.head.board.take();
        for id in [Some(audience), board].into_iter().flatten() {
            self.slot(id).record = None;
        }
    }

    /// One more watcher.
    pub(super) fn attends(&mut self, watcher: Id) {
        self.put_up_board();
        if let Some(audience) = self.audience_mut() {
            audience.watchers.push(watcher);
        }
        if let Some(board) = self.board_mut() {
            // Its first change is told at once; the others are held back one by one.
            board.last_round = None;
        }
    }

    /// One watcher less.
    pub(super) fn stays_away(&mut self, watcher: Id) {
        let Some(audience) = self.audience_mut() else {
            return;
        };
        let at = audience.watchers.iter().position(|id| *id == watcher);
        audience.watchers.retain(|id| *id != watcher);
        if let Some(round) = self.board_mut().and_then(|board| board.round.as_mut()) {
            // Nobody behind it loses a turn.
            if at.is_some_and(|at| at < round.next as usize) {
                round.next -= 1;
            }
        }
        self.take_down_board();
    }

    /// A deadline of the board came: the next slice of watchers is told, or who has gone is forgotten.
    pub(super) fn board_deadline(&mut self, record: Id) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        if self.head.board != Some(record) {
            return;
        }
        let watchers = self.audience().map(|audience| audience.watchers.clone());
        let (Some(watchers), Some(board)) = (watchers, self.board_mut()) else {
            return;
        };
        board.forget_gone(now);
        if board.due.is_none_or(|due| due > now) {
            return self.take_down_board();
        }
        if board.round.is_none() {
            board.last_round = Some(now);
        }
        let round = board.round.unwrap_or(Round {
            next: 0,
            began_with: board.latest,
        });
        let slice = watchers.iter().skip(round.next as usize).take(SLICE);
        let slice: Vec<Id> = slice.copied().collect();
        let next = (round.next as usize).saturating_add(slice.len());
        let over = board.over;
        if next < watchers.len() {
            board.round = Some(Round {
                next: u32::try_from(next).unwrap_or(u32::MAX),
                ..round
            });
            board.due = Some(now + 1);
        } else {
            board.round = None;
            board.due = None;
            if board.latest > round.began_with {
                board.schedule(now + 1, interval);
            }
        }
        for watcher in slice {
            if over {
                self.end_watching(watcher, Ending::NoResource);
            } else {
                self.wake(watcher);
            }
        }
        self.take_down_board();
    }

    /// How somebody who did something is shown to the watchers.
    pub(super) fn shown_as(&mut self, who: &Who) -> String {
        let leg = self.member(&who.identities);
        match leg.and_then(|id| self.leg(id)) {
            Some(leg) => leg.entity(),
            None if who.anonymous => UNNAMED.to_owned(),
            // The operator.
            None if who.uris.is_empty() => self.focus_uri(),
            None => who.uri().to_owned(),
        }
    }
}
