//! NOTIFYs of the conference state: when each subscriber's next one leaves, and what it says.

use crate::cpm::action::Counter;
use crate::cpm::person::Person;
use crate::cpm::records::ids::Id;
use crate::cpm::records::Ending;
use crate::cpm::session::{NotifyContent, Session};
use crate::sip::conference_info::CONTENT_TYPE;
use crate::sip::privacy::ANONYMOUS;

impl Session<'_> {
    /// It is a subscriber's turn in a round: it is told what it does not know, but not before an interval
    /// has passed since it was told last.
    pub(super) fn notify_in_round(&mut self, id: Id) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        let latest = self.change_log().map_or(0, |log| log.latest);
        let Some(subscription) = self.records.conference_subscription(id) else {
            return;
        };
        if subscription.told == latest && !subscription.wants_full {
            return;
        }
        let earliest = subscription.told_at.map_or(now, |at| at + interval);
        if earliest > now {
            if let Some(subscription) = self.records.conference_subscription_mut(id) {
                let held = subscription.common.held_until.unwrap_or(0);
                subscription.common.held_until = Some(held.max(earliest));
            }
            return;
        }
        self.queue_notify(id);
    }

    /// What the next NOTIFY of a subscriber says. `None`: nothing at the moment.
    pub(in crate::cpm) fn next_conference_notify(&mut self, id: Id) -> Option<NotifyContent> {
        let now = self.env.now;
        let live = self.head.live;
        let subscription = self.records.conference_subscription(id)?;
        let permitted = !subscription.common.is_active() || self.still_may_subscribe(id);
        let (latest, floor) = self.change_log().map(|log| (log.latest, log.floor))?;
        let subscription = self.records.conference_subscription_mut(id)?;
        let common = &mut subscription.common;
        if common.ending.is_none() && !live {
            common.ending = Some(Ending::NoResource);
        } else if common.ending.is_none() && !permitted {
            common.ending = Some(Ending::Rejected);
        }
        let ending = common.ending;
        let behind = subscription.told < floor;
        let full = subscription.wants_full || behind || ending == Some(Ending::Timeout);
        if ending.is_none() && !full && subscription.told == latest {
            return None;
        }
        let told = subscription.told;
        subscription.told_before = told;
        subscription.told = latest;
        subscription.wants_full = false;
        if !full {
            subscription.told_at = Some(now);
        }
        let state = subscription.common.state(now);
        let event = match &subscription.event_id {
            Some(id) => format!("conference;id={id}"),
            None => "conference".to_owned(),
        };
        let version = subscription.version.saturating_add(1);
        let identities = subscription.identities.clone();
        let document = match ending {
            Some(Ending::Rejected) => None,
            // Its end is all there is to say of a session that is over.
            _ if !live => Some(self.deleted_document(version)),
            _ if full => Some(self.full_document(told, &identities, version)),
            _ => Some(self.partial_document(told, &identities, version)),
        };
        if document.is_some() {
            let subscription = self.records.conference_subscription_mut(id)?;
            subscription.version = version;
        }
        Some(NotifyContent {
            event,
            state,
            content_type: document.as_ref().map(|_| CONTENT_TYPE),
            body: document.map_or(Vec::new(), |document| document.to_xml()),
            more: false,
            counter: Counter::ConferenceNotifiesSent,
        })
    }

    /// The subscriber missed a document, so that a partial one would not fit what it knows.
    pub(in crate::cpm) fn send_full_next(&mut self, id: Id) {
        if let Some(subscription) = self.records.conference_subscription_mut(id) {
            subscription.wants_full = true;
            subscription.told = subscription.told_before;
        }
    }

    /// How somebody who did something is shown to the subscribers.
    pub(in crate::cpm) fn shown_uri_of(&mut self, who: &Person) -> String {
        let leg = self.records.member(&who.identities);
        match leg.and_then(|id| self.records.leg(id)) {
            Some(leg) => leg.shown_uri(),
            None if who.anonymous => ANONYMOUS.to_owned(),
            None => who.uri.to_string(),
        }
    }
}
