//! Step 9 of the procedure: what the referrer is told (RFC 3515 section 2.4.5, requirements section 2.4).

use crate::cpm::action::{Counter, Level};
use crate::cpm::input::Arrival;
use crate::cpm::note::Note;
use crate::cpm::records::ids::Id;
use crate::cpm::records::{Ending, Report, TargetRecord};
use crate::cpm::redact::Who;
use crate::cpm::refusal::Refusal;
use crate::cpm::session::NotifyContent;
use crate::cpm::session::Session;
use crate::cpm::time::millis;
use crate::sip::sipfrag::status_line;
use crate::sip::Method;

/// Media type of the body (RFC 3420).
const SIPFRAG: &str = "message/sipfrag;version=2.0";
/// How long a refreshed subscription outlives the longest ringing, seconds.
const EXPIRES_MARGIN: u32 = 60;

impl Session<'_> {
    /// Reports that the REFER is being carried out.
    pub(in crate::cpm::session) fn report_trying(&mut self, refer: Id) {
        self.report(refer, Report::trying());
    }

    /// One more thing to tell the referrer; finals are told one by one, in order (N6).
    fn report(&mut self, refer: Id, report: Report) {
        let record = self.records.refer_mut(refer);
        if let Some(subscription) = record.and_then(|record| record.subscription.as_mut()) {
            subscription.reports.push_back(report);
            self.queue_notify(refer);
        }
    }

    /// The final result of one target.
    pub(in crate::cpm::session) fn settle_target(
        &mut self,
        refer: Id,
        index: u32,
        status: u16,
        reason: &str,
    ) {
        let Some(record) = self.records.refer_mut(refer) else {
            return;
        };
        let Some(target) = record.targets.get_mut(index as usize) else {
            return;
        };
        if target.outcome.is_some() {
            return;
        }
        target.outcome = Some(status);
        let who = target.who();
        if let Some(subscription) = &mut record.subscription {
            // Its progress is no news any more.
            let progress = &mut subscription.progress;
            progress.take_if(|progress| progress.target == Some(index));
        }
        let result = Note::Result {
            target: who.to_ref(),
            status,
            reason,
        };
        self.log_refer(refer, Level::Debug, result);
        let report = Report {
            status,
            reason: reason.to_owned(),
            target: Some(index),
        };
        self.report(refer, report);
    }

    /// A target rings. Progress is held back until `refer_notify_interval` after the last NOTIFY; the
    /// latest one counts.
    pub(in crate::cpm::session) fn report_progress(
        &mut self,
        refer: Id,
        leg: Id,
        status: u16,
        reason: &str,
    ) {
        let now = self.env.now;
        let Some(record) = self.records.refer_mut(refer) else {
            return;
        };
        let mut targets = (0u32..).zip(&record.targets);
        let Some((index, _)) = targets.find(|(_, target)| target.leg == Some(leg)) else {
            return;
        };
        let Some(subscription) = &mut record.subscription else {
            return;
        };
        subscription.progress = Some(Report {
            status,
            reason: reason.to_owned(),
            target: Some(index),
        });
        if subscription.progress_due <= now {
            self.queue_notify(refer);
        }
    }

    /// What the next NOTIFY of a REFER says, which will have this CSeq. `None`: nothing at the moment.
    pub(in crate::cpm::session) fn next_refer_notify(
        &mut self,
        refer: Id,
        cseq: u32,
    ) -> Option<NotifyContent> {
        let now = self.env.now;
        let interval = self.env.settings.refer_notify_interval;
        let record = self.records.refer_mut(refer)?;
        let settled = record.all_settled();
        let several = record.targets.len() > 1;
        let subscription = record.subscription.as_mut()?;
        let report = subscription.reports.pop_front().or_else(|| {
            let due = subscription.progress_due <= now;
            subscription.progress.take_if(|_| due)
        });
        // N14: an expired subscription ends with what was known last.
        let expired = subscription.common.ending == Some(Ending::Timeout);
        let report = match expired {
            true => subscription.reported.clone().unwrap_or_else(Report::trying),
            false => report?,
        };
        if expired {
            subscription.reports.clear();
            subscription.progress = None;
        } else if settled && subscription.reports.is_empty() && report.is_final() {
            subscription.common.ending = Some(Ending::NoResource);
        }
        subscription.progress_due = now + interval;
        if subscription.reported.as_ref() != Some(&report) {
            subscription.common.retried = false;
        }
        subscription.reported = Some(report.clone());
        let state = subscription.common.state(now);
        let more = !subscription.reports.is_empty();
        let last = subscription.common.ending.is_some();

        let target = report.target.and_then(|i| record.targets.get(i as usize));
        let named = target.map(TargetRecord::who);
        let target = target.map(|target| target.address.as_str().to_owned());
        // N8: with several targets each result names its own.
        let to = target.as_ref().filter(|_| several);
        let to = to.map(|target| format!("<{target}>"));
        let extra: Vec<(&str, &str)> = to.iter().map(|to| ("To", to.as_str())).collect();
        let body = status_line(report.status, &report.reason, &extra);
        let event = match record.event_id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".to_owned(),
        };
        let referrer = record.who();
        let notify = Note::Notify {
            cseq,
            to: referrer.to_ref(),
            status: report.status,
            reason: &report.reason,
            about: named.as_ref().map(Who::to_ref),
            state: &state,
        };
        self.log_refer(refer, Level::Debug, notify);
        Some(NotifyContent {
            event,
            state,
            content_type: Some(SIPFRAG),
            body,
            more,
            last,
            counter: Counter::NotifiesSent,
        })
    }

    /// The NOTIFY that was refused is told once more (RFC 5057 section 5.1).
    pub(in crate::cpm::session) fn repeat_report(&mut self, refer: Id) {
        let record = self.records.refer_mut(refer);
        if let Some(subscription) = record.and_then(|record| record.subscription.as_mut()) {
            let reported = subscription.reported.clone();
            if let Some(report) = reported {
                subscription.reports.push_front(report);
            }
        }
    }

    /// Whether progress that was held back may be reported now.
    pub(in crate::cpm::session) fn progress_is_due(&mut self, refer: Id) -> bool {
        let now = self.env.now;
        let record = self.records.refer(refer);
        let subscription = record.and_then(|record| record.subscription.as_ref());
        subscription.is_some_and(|s| s.progress.is_some() && s.progress_due <= now)
    }

    /// SUBSCRIBE in the dialog of a REFER: refreshed, or ended by `Expires: 0` (N10).
    pub(in crate::cpm::session) fn refer_subscribe_received(
        &mut self,
        holder: Id,
        arrival: &Arrival,
        id: Option<&str>,
    ) {
        let request = &arrival.request;
        let Some(refer) = self.refer_subscription_in(holder, id) else {
            return self.refuse(&Method::Subscribe, Refusal::NoSuchReferSubscription);
        };
        let ringing = self.env.settings.invite_timeout / 1000;
        let longest = u32::try_from(ringing).unwrap_or(u32::MAX);
        let longest = longest.saturating_add(EXPIRES_MARGIN);
        let granted = request.seconds("Expires").unwrap_or(longest).min(longest);
        let now = self.env.now;
        if let Some(dialog) = self.records.dialog_mut(holder) {
            dialog.refresh_target(request.contact());
        }
        self.accept_subscribe(holder, granted);
        if granted == 0 {
            return self.end_subscription(refer, Ending::Timeout);
        }
        let record = self.records.refer_mut(refer);
        if let Some(subscription) = record.and_then(|record| record.subscription.as_mut()) {
            subscription.common.expires_at = now + millis(granted);
            subscription.common.held_until = None;
            // What waits to be reported serves as the state that is owed now.
            if subscription.reports.is_empty() {
                let reported = subscription.reported.clone();
                let report = reported.unwrap_or_else(Report::trying);
                subscription.reports.push_back(report);
            }
        }
        self.queue_notify(refer);
    }

    /// The subscription in this dialog that an Event `id` names; without one the first. One whose last NOTIFY
    /// is still to be repeated has not ended.
    fn refer_subscription_in(&mut self, holder: Id, id: Option<&str>) -> Option<Id> {
        let here: Vec<Id> = if let Some(leg) = self.records.leg(holder) {
            leg.subscriptions.clone()
        } else {
            let first = self.records.refer(holder)?;
            let later = first.later_refers.iter().copied();
            std::iter::once(holder).chain(later).collect()
        };
        here.into_iter().find(|refer| {
            self.records.refer(*refer).is_some_and(|refer| {
                let subscription = refer.subscription.as_ref();
                let lasts = subscription.is_some_and(|s| !s.common.last_sent);
                lasts && id.is_none_or(|id| id == refer.cseq.to_string())
            })
        })
    }
}
