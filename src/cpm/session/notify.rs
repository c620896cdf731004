//! Step 9: the NOTIFYs a referrer is owed (RFC 3515 section 2.4.4, requirements section 2.4).
//! Not here: what happened to the targets (`super::invite`, `super::refer`).

use super::dialogs::Next;
use super::Session;
use crate::cpm::action::{Action, Counter, Level, Method};
use crate::cpm::answer::{Lines, Refusal};
use crate::cpm::dialog::Waiting;
use crate::cpm::input::Arrival;
use crate::cpm::records::{Carrier, Closing, Id, Report};
use crate::cpm::route::no_such_package;
use crate::sip::sipfrag::status_line;
use crate::sip::status::reason_phrase;

/// Longest Retry-After of a NOTIFY that is waited for, seconds.
const LONGEST_HOLD: u32 = 60;

impl Session<'_> {
    /// One more thing to tell the referrer; finals are told one by one, in order (N6).
    pub(super) fn tell(&mut self, refer: Id, status: u16, reason: &str, target: Option<u32>) {
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        let Some(subscription) = &mut record.subscription else {
            return;
        };
        subscription.reports.push_back(Report {
            status,
            reason: reason.to_owned(),
            target,
        });
        self.queue_notify(refer);
    }

    /// The final result of one target.
    pub(super) fn settle(&mut self, refer: Id, index: u32, status: u16, reason: &str) {
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        let Some(aim) = record.targets.get_mut(index as usize) else {
            return;
        };
        if aim.outcome.is_some() {
            return;
        }
        aim.outcome = Some(status);
        let target = aim.uri.clone();
        if let Some(subscription) = &mut record.subscription {
            let stale = subscription
                .progress
                .as_ref()
                .is_some_and(|p| p.target == Some(index));
            if stale {
                subscription.progress = None;
            }
        }
        self.note(refer, Level::Debug, |show| {
            format!("result {}: {status} {reason}", show.who(&target))
        });
        self.tell(refer, status, reason, Some(index));
    }

    /// A target rings. Held back until `refer_notify_interval` after the last NOTIFY, the latest one counts.
    pub(super) fn progress(&mut self, refer: Id, leg: Id, status: u16, reason: &str) {
        let now = self.env.now;
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        let Some(index) = record.targets.iter().position(|aim| aim.leg == Some(leg)) else {
            return;
        };
        let Some(subscription) = &mut record.subscription else {
            return;
        };
        subscription.progress = Some(Report {
            status,
            reason: reason.to_owned(),
            target: Some(index as u32),
        });
        if subscription.progress_due <= now {
            self.queue_notify(refer);
        }
    }

    /// Lets the subscription's dialog know that there is something to send.
    fn queue_notify(&mut self, refer: Id) {
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        let Some(subscription) = &mut record.subscription else {
            return;
        };
        if subscription.queued || subscription.held_until.is_some() {
            return;
        }
        subscription.queued = true;
        let holder = match &record.carrier {
            Carrier::In(holder) => *holder,
            Carrier::Own(_) => refer,
            Carrier::None => return,
        };
        if !self.queue(holder, Waiting::Notify(refer)) {
            self.end_subscription(refer);
        }
    }

    /// Sends what is due of `refer` in the dialog of `holder`.
    pub(super) fn send_notify(&mut self, holder: Id, refer: Id) -> Next {
        let now = self.env.now;
        let interval = self.env.settings.refer_notify_interval;
        let Some(record) = self.refer_mut(refer) else {
            return Next::Nothing;
        };
        let settled = record.all_settled();
        let several = record.targets.len() > 1;
        let event_id = record.event_id;
        let referrer = record.referrer.clone();
        let uris: Vec<String> = record.targets.iter().map(|aim| aim.uri.clone()).collect();
        let Some(subscription) = &mut record.subscription else {
            return Next::Nothing;
        };
        subscription.queued = false;
        // A report may have been waiting for its turn when the one before it was put off.
        let held = subscription.held_until.is_some();
        if held || subscription.closing == Some(Closing::Told) {
            return Next::Nothing;
        }
        let report = subscription.reports.pop_front().or_else(|| {
            let due = subscription.progress_due <= now;
            subscription.progress.take_if(|_| due)
        });
        let expired = subscription.closing == Some(Closing::Expired);
        // N14: an expired subscription ends with what was known last.
        let report = match (report, expired) {
            (_, true) => subscription.told.clone().unwrap_or_else(Report::trying),
            (Some(report), false) => report,
            (None, false) => return Next::Nothing,
        };
        let complete = settled && subscription.reports.is_empty() && report.is_final();
        let state = if expired {
            "terminated;reason=timeout".to_owned()
        } else if complete {
            "terminated;reason=noresource".to_owned()
        } else {
            let left = subscription.expires_at.saturating_sub(now).div_ceil(1000);
            format!("active;expires={left}")
        };
        if expired || complete {
            subscription.closing = Some(Closing::Told);
            subscription.reports.clear();
            subscription.progress = None;
        }
        subscription.progress_due = now + interval;
        if subscription.told.as_ref() != Some(&report) {
            subscription.retried = false;
        }
        subscription.told = Some(report.clone());
        let more = !subscription.reports.is_empty();
        subscription.queued = more;

        // N8: with several targets each result names its own.
        let target = report
            .target
            .filter(|_| several)
            .and_then(|index| uris.get(index as usize))
            .map(|uri| format!("<{uri}>"));
        let extra: Vec<(&str, &str)> = target.iter().map(|to| ("To", to.as_str())).collect();
        let body = status_line(report.status, &report.reason, &extra);
        let event = match event_id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_owned(),
        };
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
            .line("Content-Type", "message/sipfrag;version=2.0")
            .text();
        let request = dialog.request(holder, Method::Notify, headers, body);
        if more {
            dialog.waiting.push_back(Waiting::Notify(refer));
        }
        let cseq = request.cseq;
        self.note(refer, Level::Debug, |show| {
            let about = report.target.and_then(|at| uris.get(at as usize));
            let about = about.map(|uri| format!(" for {}", show.who(uri)));
            format!(
                "NOTIFY {cseq} to {}: {} {}{}; {state}",
                show.who(&referrer),
                report.status,
                report.reason,
                about.unwrap_or_default()
            )
        });
        self.count(Counter::NotifiesSent, 1);
        self.actions.push(Action::Send(Box::new(request)));
        Next::Sent(cseq)
    }

    /// What the referrer made of a NOTIFY (N9): some answers end the subscription, none the INVITEs.
    pub(super) fn notify_answered(&mut self, refer: Id, status: u16, retry_after: Option<u32>) {
        if status >= 300 && self.tell_again(refer, status, retry_after) {
            return;
        }
        let Some(record) = self.refer(refer) else {
            return;
        };
        let Some(subscription) = &record.subscription else {
            return;
        };
        let told_all = subscription.closing == Some(Closing::Told);
        let (level, so) = match ends_subscription(status) {
            true => (Level::Info, ": subscription ended"),
            false => (Level::Debug, ""),
        };
        self.note(refer, level, |_| format!("NOTIFY answered {status}{so}"));
        if told_all || ends_subscription(status) {
            self.end_subscription(refer);
        }
    }

    /// A refusal with Retry-After is not the end (RFC 5057 section 5.1): the same is told once more.
    fn tell_again(&mut self, refer: Id, status: u16, retry_after: Option<u32>) -> bool {
        let now = self.env.now;
        let seconds =
            retry_after.filter(|seconds| *seconds <= LONGEST_HOLD && !ends_subscription(status));
        let Some(seconds) = seconds else { return false };
        let Some(record) = self.refer_mut(refer) else {
            return false;
        };
        let Some(subscription) = &mut record.subscription else {
            return false;
        };
        let (Some(told), false) = (subscription.told.clone(), subscription.retried) else {
            return false;
        };
        subscription.retried = true;
        subscription.reports.push_front(told);
        subscription.held_until = Some(now + u64::from(seconds) * 1000);
        if subscription.closing == Some(Closing::Told) {
            subscription.closing = None;
        }
        self.note(refer, Level::Info, |_| {
            format!("NOTIFY answered {status}: once more in {seconds} s")
        });
        true
    }

    /// SUBSCRIBE inside the dialog of a REFER: refreshed, or ended by `Expires: 0` (N10).
    pub(super) fn subscribe_received(&mut self, holder: Id, arrival: &Arrival) {
        let request = &arrival.request;
        let id = match request.event() {
            Some((package, id)) if package == "refer" => id,
            Some((package, id)) if package == "conference" => {
                return self.watches_in_dialog(holder, arrival, id);
            }
            _ => {
                return self.refuse("SUBSCRIBE", &no_such_package());
            }
        };
        let Some(refer) = self.subscription_in(holder, id.as_deref()) else {
            return self.refuse(
                "SUBSCRIBE",
                &Refusal::new(403, "no such refer subscription"),
            );
        };
        let longest = self.env.settings.invite_timeout / 1000 + 60;
        let wanted = request
            .seconds("Expires")
            .map_or(longest, u64::from)
            .min(longest);
        let now = self.env.now;
        let contact = request.contact();
        let Some(dialog) = self.dialog_mut(holder) else {
            return;
        };
        dialog.refresh_target(contact);
        self.accept_subscribe(holder, wanted);
        if let Some(subscription) = self.refer_mut(refer).and_then(|r| r.subscription.as_mut()) {
            if wanted == 0 {
                subscription.closing = Some(Closing::Expired);
            } else {
                subscription.expires_at = now + wanted * 1000;
                let state = subscription.told.clone().unwrap_or_else(Report::trying);
                subscription.reports.push_back(state);
            }
            subscription.held_until = None;
        }
        self.queue_notify(refer);
    }

    /// The living subscription in this dialog that an Event `id` names; without one the first.
    fn subscription_in(&mut self, holder: Id, id: Option<&str>) -> Option<Id> {
        let here: Vec<Id> = if let Some(leg) = self.leg(holder) {
            leg.subscriptions.clone()
        } else {
            let first = self.refer(holder)?;
            std::iter::once(holder)
                .chain(first.guests.iter().copied())
                .collect()
        };
        here.into_iter().find(|refer| {
            self.refer(*refer).is_some_and(|refer| {
                let living = refer
                    .subscription
                    .as_ref()
                    .is_some_and(|s| s.closing.is_none());
                living && id.is_none_or(|id| id == refer.cseq.to_string())
            })
        })
    }

    pub(super) fn end_subscription(&mut self, refer: Id) {
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        record.subscription = None;
        let Carrier::In(holder) = record.carrier else {
            return;
        };
        if let Some(leg) = self.leg_mut(holder) {
            leg.subscriptions.retain(|id| *id != refer);
        } else if let Some(first) = self.refer_mut(holder) {
            first.guests.retain(|id| *id != refer);
        }
    }

    /// A deadline of a REFER came: progress is due, or the subscription is over.
    pub(super) fn refer_deadline(&mut self, refer: Id) {
        let now = self.env.now;
        let Some(record) = self.refer_mut(refer) else {
            return;
        };
        let Some(subscription) = &mut record.subscription else {
            return;
        };
        let held = subscription.held_until.take_if(|until| *until <= now);
        let due =
            held.is_some() || (subscription.progress.is_some() && subscription.progress_due <= now);
        if subscription.expires_at <= now && subscription.closing.is_none() {
            subscription.closing = Some(Closing::Expired);
            self.queue_notify(refer);
        } else if due {
            self.queue_notify(refer);
        }
    }
}

impl Report {
    fn is_final(&self) -> bool {
        self.status >= 200
    }

    /// RFC 3515 section 2.4.4: what is known right after the 2xx.
    fn trying() -> Report {
        Report {
            status: 100,
            reason: reason_phrase(100).to_owned(),
            target: None,
        }
    }
}

/// RFC 6665 section 4.2.2 with RFC 5057: answers to a NOTIFY after which nobody listens any more.
/// 408 is also what tm reports for no answer at all.
pub(super) fn ends_subscription(status: u16) -> bool {
    matches!(
        status,
        404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604
    )
}
