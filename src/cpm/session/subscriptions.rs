//! Subscriptions of both event packages (RFC 6665): queued, sent, held, repeated, ended. What a NOTIFY
//! says is the package's own: `refer::notify_referrer`, `crate::cpm::conference`.

use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::event_packages::{event_package, EventPackage};
use crate::cpm::header_lines::HeaderLines;
use crate::cpm::input::Arrival;
use crate::cpm::note::Note;
use crate::cpm::outgoing_message::Answer;
use crate::cpm::quirk::Quirk;
use crate::cpm::records::ids::Id;
use crate::cpm::records::subscription::{AfterNotify, RetryRule};
use crate::cpm::records::{Ending, Waiting};
use crate::cpm::time::Millis;
use crate::sip::Method;

/// What one NOTIFY says.
pub(in crate::cpm) struct NotifyContent {
    /// Event header.
    pub event: String,
    /// Subscription-State header.
    pub state: String,
    /// Media type of the body. `None`: it has no body.
    pub content_type: Option<&'static str>,
    /// Body.
    pub body: Vec<u8>,
    /// There is something to say in another NOTIFY right after.
    pub more: bool,
    /// It is the last one of its subscription.
    pub last: bool,
    /// The statistic that counts it.
    pub counter: Counter,
}

/// The event package of a subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Package {
    Refer,
    Conference,
}

impl Session<'_> {
    /// SUBSCRIBE in the dialog that `holder` keeps.
    pub(super) fn subscribe_in_dialog(&mut self, holder: Id, arrival: &Arrival) {
        match event_package(&arrival.request) {
            Ok(EventPackage::Refer { id }) => {
                self.refer_subscribe_received(holder, arrival, id.as_deref());
            }
            Ok(EventPackage::Conference { id }) => {
                self.conference_subscribe_received(holder, arrival, id);
            }
            Err(refusal) => self.refuse(&Method::Subscribe, refusal),
        }
    }

    /// 200 to a SUBSCRIBE in the dialog that `holder` keeps, granted for so many seconds.
    pub(in crate::cpm) fn accept_subscribe(&mut self, holder: Id, seconds: u32) {
        let Some(dialog) = self.records.dialog_mut(holder) else {
            return;
        };
        let headers = HeaderLines::new()
            .contact(&dialog.contact)
            .line("Expires", &seconds.to_string())
            .capabilities()
            .text();
        let to_tag = dialog.local_tag.clone();
        self.answer(Answer::new(200, to_tag, headers));
    }

    /// Has a NOTIFY of this subscription wait for its turn in its dialog.
    pub(in crate::cpm) fn queue_notify(&mut self, id: Id) {
        let now = self.env.now;
        let Some((subscription, carrier)) = self.records.subscription_mut(id) else {
            return;
        };
        if subscription.queued || subscription.is_held(now) {
            return;
        }
        let Some(holder) = carrier.holder(id) else {
            return;
        };
        subscription.release(now);
        subscription.queued = true;
        match self.records.dialog_mut(holder) {
            Some(dialog) => {
                dialog.wait_before_bye(Waiting::Notify(id));
                self.send_next(holder);
            }
            // The dialog is gone with its leg: nobody is there to be told.
            None => self.remove_subscription(id),
        }
    }

    /// Whether a subscription in the dialog of a leg has not had its first NOTIFY because that is put off.
    pub(super) fn has_unopened(&mut self, leg: Id) -> bool {
        let carried = self.records.leg(leg).map(|leg| leg.subscriptions.clone());
        carried.into_iter().flatten().any(|id| {
            let subscription = self.records.subscription_mut(id);
            subscription.is_some_and(|(subscription, _)| subscription.is_unopened())
        })
    }

    /// It is the turn of this subscription's NOTIFY in the dialog of `holder`. Gives its CSeq. `None`: there
    /// is nothing to say.
    pub(super) fn send_notify(&mut self, holder: Id, id: Id) -> Option<u32> {
        let now = self.env.now;
        let (subscription, _) = self.records.subscription_mut(id)?;
        subscription.queued = false;
        // The NOTIFY before this one may have been put off while this one waited.
        if subscription.is_held(now) || subscription.last_sent {
            return None;
        }
        let dialog = self.records.dialog_mut(holder)?;
        let cseq = dialog.local_cseq.saturating_add(1);
        let confirmed = dialog.target_confirmed();
        let content = match self.package_of(id) {
            Some(Package::Refer) => self.next_refer_notify(id, cseq),
            Some(Package::Conference) => self.next_conference_notify(id, confirmed),
            None => None,
        }?;
        if let Some((subscription, _)) = self.records.subscription_mut(id) {
            subscription.queued = content.more;
            subscription.last_sent = content.last;
        }
        let (token, settings) = (&self.head.token, self.env.settings);
        let dialog = self.records.dialog_mut(holder)?;
        let headers = HeaderLines::new()
            .contact(&dialog.contact)
            .line("Event", &content.event)
            .line("Subscription-State", &content.state)
            .focus_identity(token, settings)
            .supported()
            .maybe("Content-Type", content.content_type)
            .text();
        let request = dialog.request(Some(holder), Method::Notify, headers, content.body);
        if content.more {
            dialog.wait_before_bye(Waiting::Notify(id));
        }
        self.count(content.counter, 1);
        self.send(request);
        Some(cseq)
    }

    /// The NOTIFY in flight was answered, or will never be (RFC 6665 section 4.2.2; N9). None of the
    /// answers ends the INVITEs of a REFER.
    pub(super) fn notify_answered(&mut self, id: Id, status: u16, retry_after: Option<u32>) {
        let now = self.env.now;
        let Some(package) = self.package_of(id) else {
            return;
        };
        let interval = self.env.settings.conference_notify_interval;
        let (pause, repeats_last) = match package {
            Package::Refer => (None, true),
            Package::Conference => (Some(interval), false),
        };
        let rule = RetryRule {
            pause,
            repeats_last,
            repeats_early: !self.env.settings.strict,
        };
        let Some((subscription, _)) = self.records.subscription_mut(id) else {
            return;
        };
        let after = subscription.answered(status, retry_after, rule, now);
        self.log_notify_answered(id, status, after);
        let after = match after {
            AfterNotify::DeliveredLate { last } => {
                self.count(Counter::Quirk(Quirk::EarlyNotify), 1);
                match last {
                    true => AfterNotify::Over,
                    false => AfterNotify::Delivered,
                }
            }
            after => after,
        };
        match (after, package) {
            (AfterNotify::Over, _) => self.remove_subscription(id),
            (AfterNotify::Again(_), Package::Refer) => self.repeat_report(id),
            (AfterNotify::Again(_) | AfterNotify::Missed, Package::Conference) => {
                self.send_full_next(id);
                if after == AfterNotify::Missed {
                    self.end_unconfirmed(id);
                }
            }
            (AfterNotify::Delivered | AfterNotify::DeliveredLate { .. }, Package::Conference) => {
                self.tell_what_was_held(id);
            }
            (
                AfterNotify::Missed | AfterNotify::Delivered | AfterNotify::DeliveredLate { .. },
                Package::Refer,
            ) => {}
        }
    }

    fn log_notify_answered(&mut self, id: Id, status: u16, after: AfterNotify) {
        let (level, again, over) = match after {
            AfterNotify::Again(wait) => (Level::Info, Some(wait), false),
            AfterNotify::Over if status >= 300 => (Level::Info, None, true),
            _ => (Level::Debug, None, false),
        };
        let conference = self.package_of(id) == Some(Package::Conference);
        let answered = Note::NotifyAnswered {
            conference,
            status,
            again,
            over,
        };
        match conference {
            true if status >= 300 => self.log(level, answered),
            true => {}
            false => self.log_refer(id, level, answered),
        }
    }

    /// A deadline of this subscription came: its time is up, or what was held back is due.
    pub(super) fn subscription_deadline(&mut self, id: Id) {
        let now = self.env.now;
        let Some((subscription, _)) = self.records.subscription_mut(id) else {
            return;
        };
        let released = subscription.release(now);
        let expired = subscription.is_active()
            && subscription.expires_at <= now
            && !subscription.is_held(now);
        if expired {
            if self.package_of(id) == Some(Package::Conference) {
                self.log(Level::Info, Note::SubscriptionExpired);
            }
            self.end_subscription(id, Ending::Timeout);
        } else if released || self.progress_is_due(id) || self.change_is_due(id) {
            self.queue_notify(id);
        }
    }

    /// What waits for its time to be told is told now.
    pub(super) fn release_notify(&mut self, id: Id) {
        let Some((subscription, _)) = self.records.subscription_mut(id) else {
            return;
        };
        if subscription.release(Millis::MAX) {
            self.queue_notify(id);
        }
    }

    /// The subscription ends; its last NOTIFY says why.
    pub(in crate::cpm) fn end_subscription(&mut self, id: Id, ending: Ending) {
        let Some((subscription, _)) = self.records.subscription_mut(id) else {
            return;
        };
        if subscription.ending.is_none() {
            subscription.ending = Some(ending);
            subscription.held_until = None;
            self.queue_notify(id);
        }
    }

    /// Nobody listens any more.
    pub(super) fn remove_subscription(&mut self, id: Id) {
        let Some(package) = self.package_of(id) else {
            return;
        };
        let Some((_, carrier)) = self.records.subscription_mut(id) else {
            return;
        };
        let holder = carrier.holder(id).filter(|holder| *holder != id);
        if let Some(holder) = holder {
            if let Some(leg) = self.records.leg_mut(holder) {
                leg.subscriptions.retain(|other| *other != id);
            } else if let Some(first) = self.records.refer_mut(holder) {
                first.later_refers.retain(|other| *other != id);
            }
        }
        match package {
            Package::Refer => {
                if let Some(refer) = self.records.refer_mut(id) {
                    refer.subscription = None;
                }
            }
            Package::Conference => {
                self.records.remove(id);
                self.remove_subscriber(id);
                self.count(Counter::ConferenceSubscriptions, -1);
            }
        }
    }

    fn package_of(&mut self, id: Id) -> Option<Package> {
        if self.records.refer(id).is_some() {
            return Some(Package::Refer);
        }
        let conference = self.records.conference_subscription(id);
        conference.map(|_| Package::Conference)
    }
}
