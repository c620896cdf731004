//! Step 9 of the procedure: what the referrer is told (RFC 3515 section 2.4.5, requirements section 2.4).

use crate::cpm::action::{Counter, Level};
use crate::cpm::input::Arrival;
use crate::cpm::note::Note;
use crate::cpm::records::ids::Id;
use crate::cpm::records::refer::Results;
use crate::cpm::records::target::{Awaiting, Outcome};
use crate::cpm::records::{Ending, ReferSubscription, Report, TargetRecord};
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
        if let Some(subscription) = self.refer_subscription_mut(refer) {
            subscription.reports.push_back(Report::trying());
            self.queue_notify(refer);
        }
    }

    fn refer_subscription_mut(&mut self, refer: Id) -> Option<&mut ReferSubscription> {
        self.records.refer_mut(refer)?.subscription.as_mut()
    }

    /// The final result of one target.
    pub(in crate::cpm::session) fn settle_target(&mut self, target: Id, status: u16, reason: &str) {
        let Some(record) = self.records.target_mut(target) else {
            return;
        };
        if record.outcome.is_some() {
            return;
        }
        record.outcome = Some(Outcome {
            status,
            reason: reason.to_owned(),
        });
        let (refer, who) = (record.refer, record.who());
        let Some(order) = self.records.refer_mut(refer) else {
            return;
        };
        order.targets.unsettled = order.targets.unsettled.saturating_sub(1);
        let result = Note::Result {
            target: who.to_ref(),
            status,
            reason,
        };
        self.log_refer(refer, Level::Debug, result);
        self.report_result(refer, target);
    }

    /// One more result to tell the referrer, after those that wait (N6).
    fn report_result(&mut self, refer: Id, target: Id) {
        let Some(subscription) = self.refer_subscription_mut(refer) else {
            return;
        };
        // Its progress is no news any more.
        let progress = &mut subscription.progress;
        progress.take_if(|progress| progress.target == Some(target));
        let before = subscription.results.last.replace(target);
        subscription.results.first.get_or_insert(target);
        if let Some(before) = before.and_then(|before| self.records.target_mut(before)) {
            before.told_next = Some(target);
        }
        self.queue_notify(refer);
    }

    /// Takes what is told next: the results that wait one by one, in order (N6), and progress after them when it is
    /// due.
    fn next_report(&mut self, refer: Id) -> Option<Report> {
        let now = self.env.now;
        let subscription = self.refer_subscription_mut(refer)?;
        if let Some(report) = subscription.reports.pop_front() {
            return Some(report);
        }
        let Some(target) = subscription.results.first else {
            let due = subscription.progress_due <= now;
            return subscription.progress.take_if(|_| due);
        };
        let record = self.records.target(target);
        let next = record.and_then(|record| record.told_next);
        let report = record.and_then(|record| record.report(target));
        let results = &mut self.refer_subscription_mut(refer)?.results;
        results.first = next;
        results.last = results.last.filter(|_| next.is_some());
        report
    }

    /// A target rings. Progress is held back until `refer_notify_interval` after the last NOTIFY; the
    /// latest one counts.
    pub(in crate::cpm::session) fn report_progress(
        &mut self,
        awaiting: Awaiting,
        status: u16,
        reason: &str,
    ) {
        let now = self.env.now;
        let Some(subscription) = self.refer_subscription_mut(awaiting.refer) else {
            return;
        };
        subscription.progress = Some(Report {
            status,
            reason: reason.to_owned(),
            target: Some(awaiting.target),
        });
        if subscription.progress_due <= now {
            self.queue_notify(awaiting.refer);
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
        let report = self.next_report(refer);
        let record = self.records.refer_mut(refer)?;
        let settled = record.all_settled();
        let several = record.targets.count > 1;
        let subscription = record.subscription.as_mut()?;
        // N14: an expired subscription ends with what was known last.
        let expired = subscription.common.ending == Some(Ending::Timeout);
        let report = match expired {
            true => subscription.reported.clone().unwrap_or_else(Report::trying),
            false => report?,
        };
        if expired {
            subscription.reports.clear();
            subscription.results = Results::default();
            subscription.progress = None;
        } else if settled && !subscription.has_news() && report.is_final() {
            subscription.common.ending = Some(Ending::NoResource);
        }
        subscription.progress_due = now + interval;
        if subscription.reported.as_ref() != Some(&report) {
            subscription.common.retried = false;
        }
        subscription.reported = Some(report.clone());
        let state = subscription.common.state(now);
        let more = subscription.has_news();
        let last = subscription.common.ending.is_some();

        let event = match record.event_id {
            Some(id) => ["refer;id=", &id.to_string()].concat(),
            None => "refer".to_owned(),
        };
        let referrer = record.who();
        let target = report.target.and_then(|id| self.records.target(id));
        let named = target.map(TargetRecord::who);
        let target = target.map(|target| target.address.as_str());
        // N8: with several targets each result names its own.
        let to = target.filter(|_| several);
        let to = to.map(|target| ["<", target, ">"].concat());
        let extra: Vec<(&str, &str)> = to.iter().map(|to| ("To", to.as_str())).collect();
        let body = status_line(report.status, &report.reason, &extra);
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
        if let Some(subscription) = self.refer_subscription_mut(refer) {
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
        if let Some(subscription) = self.refer_subscription_mut(refer) {
            subscription.common.expires_at = now + millis(granted);
            subscription.common.held_until = None;
            // What waits to be reported serves as the state that is owed now.
            if !subscription.has_news() {
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
