//! NOTIFYs of the conference state: when each subscriber's next one leaves, and what it says.

use crate::cpm::action::Counter;
use crate::cpm::person::Person;
use crate::cpm::records::conference::Told;
use crate::cpm::records::ids::Id;
use crate::cpm::records::Ending;
use crate::cpm::session::{NotifyContent, Session};
use crate::sip::conference_info::{User, CONTENT_TYPE};
use crate::sip::privacy::ANONYMOUS;

/// Largest document sent to a Contact that has answered nothing yet, bytes: three people.
const MOST_UNCONFIRMED: usize = 1_500;

impl Session<'_> {
    /// It is a subscriber's turn in a round: it is told what it does not know, but not before an interval
    /// has passed since it was told last.
    pub(super) fn notify_in_round(&mut self, id: Id) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        let latest = self.change_log().map_or(0, |log| log.latest);
        let Some(subscription) = self.records.conference_subscription(id) else {
            return;
        };
        if subscription.told.members == latest && !subscription.wants_full {
            return;
        }
        let earliest = subscription.told_at.map_or(now, |at| at + interval);
        if earliest > now {
            if let Some(subscription) = self.records.conference_subscription_mut(id) {
                subscription.paced_until = Some(earliest);
            }
            return;
        }
        self.queue_notify(id);
    }

    /// Whether a change that was held back for the sake of the interval is to be told now.
    pub(in crate::cpm) fn change_is_due(&mut self, id: Id) -> bool {
        let now = self.env.now;
        let subscription = self.records.conference_subscription_mut(id);
        let paced = subscription.and_then(|s| s.paced_until.take_if(|until| *until <= now));
        paced.is_some()
    }

    /// What the next NOTIFY of a subscriber says. `None`: nothing at the moment. `confirmed`: a request to
    /// its Contact got a 2xx.
    ///
    /// A full document shows who is in. Those who have gone since are told in the partial one that
    /// follows it, once, so that a client that replaces its list by full documents and one that only
    /// applies changes have the same list in the end.
    ///
    /// The Contact of a SUBSCRIBE may be a victim's. So a large document waits until a NOTIFY without one
    /// (RFC 6665 section 4.2.2 permits that) got a 2xx there.
    pub(in crate::cpm) fn next_conference_notify(
        &mut self,
        id: Id,
        confirmed: bool,
    ) -> Option<NotifyContent> {
        let now = self.env.now;
        let live = self.head.live;
        let subscription = self.records.conference_subscription(id)?;
        let permitted = !subscription.common.is_active() || self.still_may_subscribe(id);
        let (latest, floor) = self.change_log().map(|log| (log.latest, log.floor))?;
        let owed = self.owed_departures(id);
        let subscription = self.records.conference_subscription_mut(id)?;
        let common = &mut subscription.common;
        if common.ending.is_none() && !live {
            common.ending = Some(Ending::NoResource);
        } else if common.ending.is_none() && !permitted {
            common.ending = Some(Ending::Rejected);
        }
        let ending = common.ending;
        let told = subscription.told;
        let behind = told.members < floor;
        let full = subscription.wants_full || behind || ending == Some(Ending::Timeout);
        let current = told.members == latest;
        if ending.is_none() && !full && current && owed.is_empty() {
            return None;
        }
        let version = subscription.version.saturating_add(1);
        let identities = subscription.identities.clone();
        let asked = subscription.held_back;
        let more = full && ending.is_none() && !owed.is_empty();
        let document = match ending {
            Some(Ending::Rejected) => None,
            // Its end is all there is to say of a session that is over.
            _ if !live => Some(self.deleted_document(version)),
            _ if full => Some(self.full_document(&identities, version)),
            _ => Some(self.partial_document(told.members, owed, &identities, version)),
        };
        let mut body = document.map(|document| document.to_xml());
        let large = body
            .as_ref()
            .is_some_and(|body| body.len() > MOST_UNCONFIRMED);
        let held_back = large && !confirmed;
        // Who has not confirmed its Contact is asked once before the last one, not again.
        let last = ending.is_some() && (!held_back || asked);
        if held_back {
            body = None;
        }
        let subscription = self.records.conference_subscription_mut(id)?;
        subscription.held_back = held_back;
        subscription.told_before = told;
        if !held_back {
            subscription.told = Told {
                members: latest,
                departed: if full { told.departed } else { latest },
            };
            subscription.wants_full = false;
            if !full && !current {
                subscription.told_at = Some(now);
            }
        }
        if body.is_some() {
            subscription.version = version;
        }
        let common = &subscription.common;
        let state = match last {
            true => common.state(now),
            false => common.active_state(now),
        };
        let event = match &subscription.event_id {
            Some(id) => format!("conference;id={id}"),
            None => "conference".to_owned(),
        };
        Some(NotifyContent {
            event,
            state,
            content_type: body.as_ref().map(|_| CONTENT_TYPE),
            body: body.unwrap_or_default(),
            more: more && !held_back,
            last,
            counter: Counter::ConferenceNotifiesSent,
        })
    }

    /// A NOTIFY was answered 2xx, so the Contact is confirmed: the document that waited for that follows.
    pub(in crate::cpm) fn tell_what_was_held(&mut self, id: Id) {
        let subscription = self.records.conference_subscription(id);
        if subscription.is_some_and(|subscription| subscription.held_back) {
            self.queue_notify(id);
        }
    }

    /// A NOTIFY was refused. If it was to confirm the Contact of a subscription that ends, the last NOTIFY
    /// leaves without a document.
    pub(in crate::cpm) fn end_unconfirmed(&mut self, id: Id) {
        let subscription = self.records.conference_subscription(id);
        if subscription.is_some_and(|s| s.held_back && s.common.ending.is_some()) {
            self.queue_notify(id);
        }
    }

    /// Those who have gone and of whom this subscriber has not been told, as it is shown them.
    fn owed_departures(&mut self, id: Id) -> Vec<User> {
        let Some(subscription) = self.records.conference_subscription(id).cloned() else {
            return Vec::new();
        };
        let log = self.change_log();
        let departed = log.iter().flat_map(|log| &log.departed);
        departed
            .filter(|gone| subscription.owes(id, gone))
            .map(|gone| User {
                yourown: subscription
                    .identities
                    .iter()
                    .any(|me| gone.identities.contains(me)),
                ..gone.user.clone()
            })
            .collect()
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
            None if who.is_unnamed() => ANONYMOUS.to_owned(),
            None => who.uri.to_string(),
        }
    }
}
