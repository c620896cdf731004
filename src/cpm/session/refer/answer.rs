//! Step 4 of the procedure: the 2xx to a REFER, and the record that follows it from then on.

use super::KnownRefer;
use crate::cpm::action::{Counter, Level};
use crate::cpm::header_lines::{HeaderLines, ALLOW, ALLOW_EVENTS};
use crate::cpm::note::Note;
use crate::cpm::outgoing_message::Answer;
use crate::cpm::person::Person;
use crate::cpm::records::ids::{Id, MergeKey};
use crate::cpm::records::refer::TargetList;
use crate::cpm::records::{
    Carrier, Dialog, Record, Refer, ReferSubscription, Subscription, TargetRecord,
};
use crate::cpm::session::Session;
use crate::cpm::socket::Socket;
use crate::cpm::targets::{Target, Targets};
use crate::cpm::time::{Millis, SIXTY_FOUR_T1};
use crate::sip::multipart::{LastPart, NewPart};
use crate::sip::privacy::ANONYMOUS;
use crate::sip::resource_list;
use crate::sip::uri::Uri;
use crate::sip::{ReferredBy, Tag};

/// How long a subscription outlives the longest ringing (RFC 3515 section 3.4, N3), ms.
const EXPIRES_MARGIN: Millis = 60_000;

/// The 2xx to a REFER while it is put together.
pub(in crate::cpm::session) struct ReferAnswer {
    code: u16,
    to_tag: Tag,
    /// Our Contact.
    contact: Uri,
    pub(super) lines: HeaderLines,
}

/// What a record keeps of the request that ordered its INVITEs.
pub(in crate::cpm::session) struct Origin {
    /// Referred-By of the INVITEs.
    pub referred_by: String,
    /// The socket it came in on. `None`: it did not come over the network.
    pub socket: Option<Socket>,
    /// Its CSeq; 0 if it was no request.
    pub cseq: u32,
}

impl Session<'_> {
    /// Step 4: a 2xx (RFC 3515 section 2.4.2), in the dialog of the REFER or one that it makes.
    pub(in crate::cpm::session) fn prepare_answer(
        &mut self,
        refer: &KnownRefer<'_>,
    ) -> ReferAnswer {
        let settings = self.env.settings;
        let dialog = refer.holder.and_then(|id| self.records.dialog_mut(id));
        let (to_tag, contact) = match dialog {
            Some(dialog) => {
                dialog.refresh_target(refer.request.contact.clone());
                (dialog.local_tag.clone(), dialog.contact.clone())
            }
            None => (
                self.env.tag(),
                settings.contact_uri(&self.head.token, refer.arrival.socket),
            ),
        };
        // R4.1: 202 promises a NOTIFY, so a suppressed subscription is always answered 200.
        let code = match refer.request.suppressed {
            true => 200,
            false => settings.refer_ok_code,
        };
        let lines = HeaderLines::new()
            .contact(&contact)
            .line("Allow", ALLOW)
            .line("Allow-Events", ALLOW_EVENTS);
        ReferAnswer {
            code,
            to_tag,
            contact,
            lines,
        }
    }

    /// Sends the answer and the first NOTIFY. Gives the record that follows the REFER from now on.
    pub(in crate::cpm::session) fn answer_and_begin_reporting(
        &mut self,
        refer: &KnownRefer<'_>,
        targets: &Targets,
        answer: ReferAnswer,
    ) -> Id {
        let id = self.records.new_id();
        let record = self.record_of(id, refer, targets, &answer);
        let subscribed = record.subscription.is_some();
        self.records.insert(id, Record::Refer(Box::new(record)));
        if let Some(holder) = refer.holder.filter(|_| subscribed) {
            self.host_refer(holder, id);
        }
        let code = answer.code;
        self.log(Level::Debug, Note::Answered(code));
        self.answer(Answer::new(code, answer.to_tag, answer.lines.text()));
        self.count(Counter::RefersAccepted, 1);
        let accepted = Note::ReferAccepted {
            from: refer.referrer.who_ref(),
            purpose: targets.purpose,
            targets: targets.list.len(),
            notify: subscribed,
        };
        self.log_refer(id, Level::Info, accepted);
        self.report_trying(id);
        id
    }

    fn record_of(
        &mut self,
        id: Id,
        refer: &KnownRefer<'_>,
        targets: &Targets,
        answer: &ReferAnswer,
    ) -> Refer {
        let (arrival, referrer) = (refer.arrival, &refer.referrer);
        let request = &arrival.request;
        let origin = Origin {
            referred_by: self.referred_by(referrer, refer.request.referred_by.as_ref()),
            socket: Some(arrival.socket),
            cseq: request.cseq,
        };
        let mut record = self.new_refer(id, referrer, targets, origin);
        let remembered_until = self.env.now + SIXTY_FOUR_T1;
        match refer.holder {
            Some(holder) => {
                let again = self.is_further_refer(holder, remembered_until);
                record.event_id = again.then_some(request.cseq);
            }
            None => {
                record.merge = Some(MergeKey::of(request));
                record.remembered_until = remembered_until;
            }
        }
        if refer.request.suppressed {
            return record;
        }
        record.carrier = match (refer.holder, &refer.request.contact) {
            (Some(holder), _) => Carrier::In(holder),
            (None, Some(contact)) => Carrier::Own(Box::new(Dialog::formed_by(
                arrival,
                contact.clone(),
                answer.to_tag.clone(),
                answer.contact.clone(),
            ))),
            // A REFER that needs a Contact and has none was refused when it was read.
            (None, None) => Carrier::None,
        };
        let (now, settings) = (self.env.now, self.env.settings);
        let expires_at = now + settings.invite_timeout + EXPIRES_MARGIN;
        let subscription = Subscription::begun(now, expires_at, settings.first_notify_delay);
        record.subscription = Some(ReferSubscription::new(subscription));
        record
    }

    /// Whether a REFER is not the first one of its dialog, so that its NOTIFYs need an `id` (RFC 3515
    /// section 2.4.6). The dialog that a REFER made lives on for the sake of this one.
    fn is_further_refer(&mut self, holder: Id, remembered_until: Millis) -> bool {
        if let Some(leg) = self.records.leg_mut(holder) {
            return std::mem::replace(&mut leg.referred_before, true);
        }
        if let Some(first) = self.records.refer_mut(holder) {
            first.remembered_until = remembered_until;
            return true;
        }
        false
    }

    /// The NOTIFYs of `refer` travel in the dialog of `holder`.
    fn host_refer(&mut self, holder: Id, refer: Id) {
        if let Some(leg) = self.records.leg_mut(holder) {
            leg.subscriptions.push(refer);
        } else if let Some(first) = self.records.refer_mut(holder) {
            first.later_refers.push(refer);
        }
    }

    /// An order to invite that nobody sent a REFER for: the list of a factory INVITE, a group's members,
    /// an operator's command. Nobody is owed a NOTIFY.
    pub(in crate::cpm::session) fn new_invitation_list(
        &mut self,
        referrer: &Person,
        targets: &Targets,
        origin: Origin,
    ) -> Id {
        let id = self.records.new_id();
        let refer = self.new_refer(id, referrer, targets, origin);
        self.records.insert(id, Record::Refer(Box::new(refer)));
        id
    }

    /// A REFER that is to have this id, and the records of its targets.
    fn new_refer(&mut self, id: Id, referrer: &Person, targets: &Targets, origin: Origin) -> Refer {
        let history = targets.history.as_deref().and_then(|history| {
            LastPart::new(&NewPart {
                kind: resource_list::CONTENT_TYPE,
                disposition: Some(resource_list::HISTORY_DISPOSITION),
                body: history,
            })
        });
        Refer {
            label: self.refer_id(),
            cseq: origin.cseq,
            referrer: referrer.uri.clone(),
            identities: referrer.identities.clone(),
            anonymous: referrer.anonymous,
            hidden: referrer.hidden,
            referred_by: origin.referred_by,
            socket: origin.socket,
            targets: self.new_targets(id, &targets.list),
            history: history.map(|history| self.records.add(Record::History(history))),
            event_id: None,
            carrier: Carrier::None,
            later_refers: Vec::new(),
            subscription: None,
            merge: None,
            remembered_until: self.env.now,
        }
    }

    /// The records of the targets of this REFER.
    fn new_targets(&mut self, refer: Id, list: &[Target]) -> TargetList {
        let ids: Vec<Id> = list.iter().map(|_| self.records.new_id()).collect();
        let followers = ids.iter().skip(1).copied().map(Some);
        let followers = followers.chain(std::iter::once(None));
        for ((id, target), next) in ids.iter().zip(list).zip(followers) {
            let record = TargetRecord::new(refer, target, next);
            self.records.insert(*id, Record::Target(Box::new(record)));
        }
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        TargetList {
            first: ids.first().copied(),
            count,
            unsettled: count,
        }
    }

    /// Referred-By of the INVITEs (RFC 3892 section 2.2, A8): the received one if it names the referrer,
    /// else the asserted identity. Of an anonymous referrer nothing.
    pub(in crate::cpm::session) fn referred_by(
        &self,
        referrer: &Person,
        received: Option<&ReferredBy>,
    ) -> String {
        if referrer.is_unnamed() {
            return format!("<{ANONYMOUS}>");
        }
        match received {
            Some(received)
                if referrer
                    .identities
                    .contains(&self.identity_of(&received.uri)) =>
            {
                received.text.clone()
            }
            _ => ["<", referrer.uri.as_str(), ">"].concat(),
        }
    }
}
