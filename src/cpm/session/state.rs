//! NOTIFYs of the conference event package: when each watcher's next one leaves, what it says, what came of it.
//! Not here: who may watch (`super::watching`) and what changed (`super::board`).

use super::dialogs::Next;
use super::notify::ends_subscription;
use super::Session;
use crate::cpm::action::{Action, Counter, Level, Method};
use crate::cpm::answer::Lines;
use crate::cpm::dialog::Waiting;
use crate::cpm::records::{Carrier, Id, Record};
use crate::cpm::watch::{Ending, Watcher};
use crate::sip::conference_info::CONTENT_TYPE;

/// Longest Retry-After of a NOTIFY that is waited for, seconds.
const LONGEST_HOLD: u32 = 60;

impl Session<'_> {
    pub(super) fn watcher(&mut self, id: Id) -> Option<&Watcher> {
        match &self.slot(id).record {
            Some(Record::Watcher(watcher)) => Some(watcher),
            _ => None,
        }
    }

    pub(super) fn watcher_mut(&mut self, id: Id) -> Option<&mut Watcher> {
        let slot = self.slot(id);
        match &mut slot.record {
            Some(Record::Watcher(watcher)) => {
                slot.dirty = true;
                Some(watcher)
            }
            _ => None,
        }
    }

    /// It is a watcher's turn in a round: told what it does not know, an interval after it was told last.
    pub(super) fn wake(&mut self, id: Id) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        let latest = self.board().map_or(0, |board| board.latest);
        let Some(watcher) = self.watcher(id) else {
            return;
        };
        if watcher.told == latest && !watcher.whole {
            return;
        }
        let earliest = watcher.told_at.map_or(now, |at| at + interval);
        if earliest > now {
            if let Some(watcher) = self.watcher_mut(id) {
                let held = watcher.held_until.unwrap_or(0);
                watcher.held_until = Some(held.max(earliest));
            }
            return;
        }
        self.queue_state(id);
    }

    /// The subscription ends; its last NOTIFY says why.
    pub(super) fn end_watching(&mut self, id: Id, ending: Ending) {
        let Some(watcher) = self.watcher_mut(id) else {
            return;
        };
        if watcher.ending.is_none() {
            watcher.ending = Some(ending);
            watcher.held_until = None;
            self.queue_state(id);
        }
    }

    /// Lets the watcher's dialog know that there is something to send.
    pub(super) fn queue_state(&mut self, id: Id) {
        let now = self.env.now;
        let Some(watcher) = self.watcher_mut(id) else {
            return;
        };
        if watcher.queued || watcher.held_until.is_some_and(|until| until > now) {
            return;
        }
        watcher.held_until = None;
        watcher.queued = true;
        let holder = match &watcher.carrier {
            Carrier::In(holder) => *holder,
            Carrier::Own(_) | Carrier::None => id,
        };
        if !self.queue(holder, Waiting::State(id)) {
            self.forget_watcher(id);
        }
    }

    /// Sends what there is to tell `id`, in the dialog of `holder`.
    pub(super) fn send_state(&mut self, holder: Id, id: Id) -> Next {
        let now = self.env.now;
        let live = self.head.live;
        let permitted =
            self.watcher(id).is_some_and(|w| w.ending.is_some()) || self.still_may_watch(id);
        let (latest, floor) = match self.board() {
            Some(board) => (board.latest, board.floor),
            None => return Next::Nothing,
        };
        let Some(watcher) = self.watcher_mut(id) else {
            return Next::Nothing;
        };
        watcher.queued = false;
        if watcher.told_end {
            return Next::Nothing;
        }
        if watcher.ending.is_none() && !live {
            watcher.ending = Some(Ending::NoResource);
        } else if watcher.ending.is_none() && !permitted {
            watcher.ending = Some(Ending::Rejected);
        }
        let ending = watcher.ending;
        let whole = watcher.whole || watcher.told < floor || ending == Some(Ending::Timeout);
        if ending.is_none() && !whole && watcher.told == latest {
            return Next::Nothing;
        }
        let (told, version) = (watcher.told, watcher.version.saturating_add(1));
        watcher.told_end = ending.is_some();
        watcher.held_until = None;
        watcher.told_before = told;
        watcher.told = latest;
        watcher.whole = false;
        if !whole {
            watcher.told_at = Some(now);
        }
        let state = match ending {
            Some(ending) => format!("terminated;reason={}", ending.as_str()),
            None => {
                let left = watcher.expires_at.saturating_sub(now).div_ceil(1000);
                format!("active;expires={left}")
            }
        };
        let event = match &watcher.event_id {
            Some(id) => format!("conference;id={id}"),
            None => "conference".to_owned(),
        };
        let identities = watcher.identities.clone();
        let document = match ending {
            Some(Ending::Rejected) => None,
            // Its end is all there is to say of a session that is over.
            _ if !live => Some(self.no_more(version)),
            _ if whole => Some(self.whole(told, &identities, version)),
            _ => Some(self.changes(told, &identities, version)),
        };
        if let (Some(watcher), true) = (self.watcher_mut(id), document.is_some()) {
            watcher.version = version;
        }
        self.send_document(holder, event, state, document.map(|d| d.to_xml()))
    }

    fn send_document(
        &mut self,
        holder: Id,
        event: String,
        state: String,
        body: Option<Vec<u8>>,
    ) -> Next {
        let focus = format!("<{}>", self.focus_uri());
        let Some(dialog) = self.dialog_mut(holder) else {
            return Next::Nothing;
        };
        let headers = Lines::new()
            .contact(&dialog.contact)
            .line("Event", &event)
            .line("Subscription-State", &state)
            .line("P-Asserted-Identity", &focus)
            .supported()
            .maybe("Content-Type", body.as_ref().map(|_| CONTENT_TYPE))
            .text();
        let request = dialog.request(holder, Method::Notify, headers, body.unwrap_or_default());
        let cseq = request.cseq;
        self.count(Counter::ConferenceNotifiesSent, 1);
        self.actions.push(Action::Send(Box::new(request)));
        Next::Sent(cseq)
    }

    /// What the watcher made of a NOTIFY (RFC 6665 section 4.2.2).
    pub(super) fn state_answered(&mut self, id: Id, status: u16, retry_after: Option<u32>) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        let Some(watcher) = self.watcher_mut(id) else {
            return;
        };
        if watcher.told_end {
            return self.forget_watcher(id);
        }
        if ends_subscription(status) {
            self.log(
                Level::Info,
                format!("conference NOTIFY answered {status}: subscription ended"),
            );
            return self.forget_watcher(id);
        }
        if status < 300 {
            watcher.retried = false;
            return;
        }
        // It missed a document, so a change would not fit what it knows.
        watcher.whole = true;
        watcher.told = watcher.told_before;
        let wait = match retry_after {
            None => Some(interval),
            Some(seconds) if seconds <= LONGEST_HOLD => Some(u64::from(seconds) * 1000),
            Some(_) => None,
        };
        // Told again once: no change may come that would make it good.
        if let (Some(wait), false) = (wait, watcher.retried) {
            watcher.retried = true;
            watcher.held_until = Some(now + wait);
        }
    }

    /// A deadline of a watcher came: its time is up, or what was held back is due.
    pub(super) fn watcher_deadline(&mut self, id: Id) {
        let now = self.env.now;
        let Some(watcher) = self.watcher_mut(id) else {
            return;
        };
        let due = watcher.held_until.take_if(|until| *until <= now).is_some();
        if watcher.ending.is_none() && watcher.expires_at <= now {
            self.log(Level::Info, "conference subscription expired".into());
            self.end_watching(id, Ending::Timeout);
        } else if due {
            self.queue_state(id);
        }
    }

    /// Nobody listens any more.
    pub(super) fn forget_watcher(&mut self, id: Id) {
        let Some(watcher) = self.watcher(id) else {
            return;
        };
        if let Carrier::In(holder) = watcher.carrier {
            if let Some(leg) = self.leg_mut(holder) {
                leg.subscriptions.retain(|other| *other != id);
            }
        }
        self.slot(id).record = None;
        self.stays_away(id);
        self.count(Counter::ConferenceSubscriptions, -1);
    }

    /// A leg is out of the session: the subscriptions in its dialog end with it.
    pub(super) fn dismiss_guests(&mut self, leg: Id) {
        let ending = match self.head.live {
            true => Ending::Rejected,
            false => Ending::NoResource,
        };
        let guests = self.leg(leg).map(|leg| leg.subscriptions.clone());
        for id in guests.unwrap_or_default() {
            self.end_watching(id, ending);
        }
    }
}
