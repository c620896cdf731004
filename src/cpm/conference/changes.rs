//! What changed for the subscribers: noted in the change log, told in rounds, a slice of subscribers at
//! a time (RFC 4575 section 3.6).

use super::document::renamed_user;
use crate::cpm::departure_reason::Departure;
use crate::cpm::person::Person;
use crate::cpm::records::conference::Round;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{ChangeLog, Ending, Record, Subscribers};
use crate::cpm::session::Session;
use crate::cpm::targets::{Target, TargetAddress};
use crate::cpm::time::Millis;
use crate::sip::conference_info::{is_entity, User};
use crate::sip::identity::Identity;
use crate::sip::privacy::ANONYMOUS;
use crate::sip::status::reason_phrase;

/// Subscribers told at once, and the pause between two slices, ms: the process that watches deadlines has to
/// do other things meanwhile.
const SLICE: usize = 32;
const ROUND_PAUSE: Millis = 50;

impl Session<'_> {
    /// A leg goes for this reason; the first one said counts.
    pub(in crate::cpm) fn note_departure(&mut self, leg: Id, departure: Departure) {
        self.departures.entry(leg).or_insert(departure);
    }

    /// Notes what this event changed in what subscribers see; one place for all procedures.
    pub(in crate::cpm) fn note_changes(&mut self) {
        let changed = self.records.take_changed_legs();
        for (id, _) in changed.iter().filter(|(_, is_in)| !is_in) {
            self.note_gone(*id);
        }
        for (id, _) in changed.iter().filter(|(_, is_in)| *is_in) {
            self.note_came(*id);
        }
    }

    fn note_came(&mut self, id: Id) {
        let now = self.env.unix;
        let next_alias = self.head.aliases.saturating_add(1);
        self.users.remove(&id);
        self.retire_name(id);
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        if leg.outgoing.is_some() && leg.appearance.invited.is_none() {
            leg.appearance.invited = Some(now);
        }
        // Some come in on hold.
        if leg.is_connected() && leg.appearance.joined.is_none() {
            leg.appearance.joined = Some(now);
        }
        if leg.is_unnamed() && leg.appearance.alias == 0 {
            leg.appearance.alias = next_alias;
            self.head.aliases = next_alias;
        }
        let shown_uri = leg.shown_uri();
        self.edit_change_log(|log| log.add_change(id, &shown_uri));
        self.note_named(id);
    }

    /// From which change on subscribers know the URI of somebody who is being invited.
    fn note_named(&mut self, id: Id) {
        let log = self.head.change_log;
        let latest = self.change_log().map(|log| log.latest);
        let (Some(log), Some(latest), Some(leg)) = (log, latest, self.records.leg_mut(id)) else {
            return;
        };
        let named_before = leg.appearance.named.is_some_and(|(known, _)| known == log);
        if leg.is_pending() && !leg.is_unnamed() && !named_before {
            leg.appearance.named = Some((log, latest));
        }
    }

    /// Somebody who was shown by its URI while it was invited is not to be named any more: that entry goes for
    /// those who have heard of it, and for nobody else.
    fn retire_name(&mut self, id: Id) {
        let log = self.head.change_log;
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let was_named = leg.appearance.invited.is_some() && leg.appearance.alias == 0;
        if !was_named || !leg.is_unnamed() || log.is_none() {
            return;
        }
        let since = leg
            .appearance
            .named
            .filter(|(known, _)| Some(*known) == log);
        let since = since.map_or(0, |(_, change)| change);
        let (entity, identities) = (leg.uri.to_string(), leg.identities.clone());
        let subscribers = self.subscribers().map(|s| s.ids.clone());
        let mut told_to = subscribers.unwrap_or_default();
        told_to.retain(|subscription| {
            let subscription = self.records.conference_subscription(*subscription);
            subscription.is_some_and(|it| it.version > 0 && it.told.members >= since)
        });
        if !told_to.is_empty() {
            let user = renamed_user(entity);
            self.add_departed(None, user, identities, Some(told_to));
        }
    }

    /// The conference is called something else.
    pub(in crate::cpm) fn note_description(&mut self) {
        self.edit_change_log(ChangeLog::change_description);
    }

    fn note_gone(&mut self, id: Id) {
        let departure = self.departures.remove(&id);
        self.users.remove(&id);
        self.end_subscriptions_in(id);
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let had_joined = leg.appearance.joined.is_some();
        let identities = leg.identities.clone();
        let departure = departure.unwrap_or_else(|| match had_joined {
            true => Departure::left(),
            false => Departure::unexplained(),
        });
        if !had_joined && departure.how.is_some() {
            self.open_change_log();
        }
        if let Some(user) = self.departed_user(id, departure) {
            self.add_departed(Some(id), user, identities, None);
        }
    }

    /// A leg is out of the session: the subscriptions in its dialog end with it.
    fn end_subscriptions_in(&mut self, leg: Id) {
        let ending = match self.head.live {
            true => Ending::Rejected,
            false => Ending::NoResource,
        };
        let carried = self.records.leg(leg).map(|leg| leg.subscriptions.clone());
        for id in carried.unwrap_or_default() {
            if self.records.conference_subscription(id).is_some() {
                self.end_subscription(id, ending);
            }
        }
    }

    /// Shows a target that gets no INVITE to the subscribers. A referrer without NOTIFYs has no other
    /// source.
    pub(in crate::cpm) fn note_uninvited(
        &mut self,
        referrer: &Person,
        target: &Target,
        status: u16,
    ) {
        // Nobody learns that somebody hidden was to come; the referrer has its NOTIFY.
        if target.hidden {
            return;
        }
        let target = &target.address;
        let identities = match target {
            TargetAddress::Uri(uri) => vec![self.identity_of(uri)],
            TargetAddress::Unusable(text) if is_entity(text) => Vec::new(),
            // Nothing that could be named as a user.
            TargetAddress::Unusable(_) => return,
        };
        let by = match referrer.is_unnamed() {
            true => ANONYMOUS.to_owned(),
            false => referrer.uri.to_string(),
        };
        let departure = Departure::not_reached(status, reason_phrase(status));
        let user = self.never_invited_user(target.as_str(), by, departure);
        self.open_change_log();
        self.add_departed(None, user, identities, None);
    }

    fn add_departed(
        &mut self,
        leg: Option<Id>,
        user: User,
        identities: Vec<Identity>,
        told_to: Option<Vec<Id>>,
    ) {
        let interval = self.env.settings.conference_notify_interval;
        let until = ChangeLog::remembered_until(self.env.now, interval);
        self.edit_change_log(|log| log.add_departed(leg, user, identities, told_to, until));
    }

    fn edit_change_log(&mut self, edit: impl FnOnce(&mut ChangeLog)) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        if let Some(log) = self.change_log_mut() {
            log.forget_departed(now);
            edit(log);
            log.schedule(now, interval);
        }
    }

    /// The session is over: one last round.
    pub(in crate::cpm) fn announce_end(&mut self) {
        let now = self.env.now;
        if let Some(log) = self.change_log_mut() {
            log.over = true;
            log.round = None;
            log.due = Some(now);
        }
        self.close_change_log();
    }

    /// The change log, if there is one.
    pub(super) fn change_log(&mut self) -> Option<&ChangeLog> {
        self.records.change_log(self.head.change_log?)
    }

    fn change_log_mut(&mut self) -> Option<&mut ChangeLog> {
        self.records.change_log_mut(self.head.change_log?)
    }

    /// Who is subscribed.
    pub(super) fn subscribers(&mut self) -> Option<&Subscribers> {
        let id = self.change_log()?.subscribers;
        self.records.subscribers(id)
    }

    fn subscribers_mut(&mut self) -> Option<&mut Subscribers> {
        let id = self.change_log()?.subscribers;
        self.records.subscribers_mut(id)
    }

    /// Makes the log if there is none: for a first subscriber, or for one who subscribes right after a failed invitation.
    fn open_change_log(&mut self) {
        let may_be_subscribed = self.head.live && self.env.settings.max_subscriptions > 0;
        if self.head.change_log.is_none() && may_be_subscribed {
            let nobody = Record::Subscribers(Subscribers::default());
            let subscribers = self.records.add(nobody);
            let log = Record::ChangeLog(Box::new(ChangeLog::new(subscribers)));
            self.head.change_log = Some(self.records.add(log));
        }
    }

    /// Removes the log when nobody is subscribed, and nothing is remembered for those who may be.
    fn close_change_log(&mut self) {
        let subscribed = self.subscribers().is_some_and(|s| !s.ids.is_empty());
        let Some(log) = self.change_log() else {
            return;
        };
        if subscribed || !(log.over || log.departed.is_empty()) {
            return;
        }
        let subscribers = log.subscribers;
        self.records.remove(subscribers);
        if let Some(log) = self.head.change_log.take() {
            self.records.remove(log);
        }
    }

    /// One more subscriber.
    pub(super) fn add_subscriber(&mut self, subscription: Id) {
        self.open_change_log();
        if let Some(subscribers) = self.subscribers_mut() {
            subscribers.ids.push(subscription);
        }
        if let Some(log) = self.change_log_mut() {
            // The newcomer's first change is told at once; the others are paced by their `told_at`.
            log.last_round = None;
        }
    }

    /// One subscriber less.
    pub(in crate::cpm) fn remove_subscriber(&mut self, subscription: Id) {
        let Some(subscribers) = self.subscribers_mut() else {
            return;
        };
        let at = subscribers.ids.iter().position(|id| *id == subscription);
        subscribers.ids.retain(|id| *id != subscription);
        if let Some(round) = self.change_log_mut().and_then(|log| log.round.as_mut()) {
            // Those behind the removed one move up.
            if at.is_some_and(|at| at < round.next as usize) {
                round.next -= 1;
            }
        }
        self.close_change_log();
    }

    /// A deadline of the log came: the next slice of subscribers is told, or the departed are forgotten.
    pub(in crate::cpm) fn change_log_deadline(&mut self, record: Id) {
        let (now, interval) = (self.env.now, self.env.settings.conference_notify_interval);
        if self.head.change_log != Some(record) {
            return;
        }
        let subscribers = self.subscribers().map(|s| s.ids.clone());
        let (Some(subscribers), Some(log)) = (subscribers, self.change_log_mut()) else {
            return;
        };
        log.forget_departed(now);
        if log.due.is_none_or(|due| due > now) {
            return self.close_change_log();
        }
        if log.round.is_none() {
            log.last_round = Some(now);
        }
        let round = log.round.unwrap_or(Round {
            next: 0,
            began_with: log.latest,
        });
        let slice = subscribers.iter().skip(round.next as usize).take(SLICE);
        let slice: Vec<Id> = slice.copied().collect();
        let next = (round.next as usize).saturating_add(slice.len());
        let over = log.over;
        if next < subscribers.len() {
            log.round = Some(Round {
                next: u32::try_from(next).unwrap_or(u32::MAX),
                ..round
            });
            log.due = Some(now + ROUND_PAUSE);
        } else {
            log.round = None;
            log.due = None;
            if log.latest > round.began_with {
                log.schedule(now + 1, interval);
            }
        }
        for subscription in slice {
            if over {
                self.end_subscription(subscription, Ending::NoResource);
            } else {
                self.notify_in_round(subscription);
            }
        }
        self.close_change_log();
    }
}
