//! The nine steps once a REFER is admitted: answer it, then see to each of its targets.
//! Not here: whether to admit it (`super::admit`), the INVITEs (`super::invite`), the NOTIFYs (`super::notify`).

use std::collections::VecDeque;

use super::admit::Admitted;
use super::board::Parting;
use super::{Session, Who};
use crate::cpm::action::{Action, Answer, Counter, Level};
use crate::cpm::answer::Lines;
use crate::cpm::asked::{Purpose, Targets, Wanted};
use crate::cpm::dialog::{ByeCause, Dialog};
use crate::cpm::input::Arrival;
use crate::cpm::records::{Aim, Carrier, Id, Record, Refer, Subscription};
use crate::cpm::route::leads_here;
use crate::cpm::settings::{Socket, SIXTY_FOUR_T1};
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

/// What is not told by who asks and whom for.
pub(super) struct Order {
    pub referred_by: String,
    pub socket: Option<Socket>,
    pub cseq: u32,
}

/// How long a subscription outlives the longest ringing (RFC 3515 section 3.4, N3), ms.
const EXPIRES_MARGIN: u64 = 60_000;

impl Session<'_> {
    /// REFER in the dialog that `holder` keeps (a leg, or an earlier REFER), or outside any.
    pub(super) fn refer_received(&mut self, arrival: &Arrival, holder: Option<Id>) {
        match self.admit_refer(arrival, holder) {
            Ok(admitted) => self.accept_refer(arrival, holder, admitted),
            Err(refusal) => self.refuse("REFER", &refusal),
        }
    }

    /// Steps 4 to 9.
    fn accept_refer(&mut self, arrival: &Arrival, holder: Option<Id>, admitted: Admitted) {
        let request = &arrival.request;
        let settings = self.env.settings;
        let id = self.family.new_id();
        let order = Order {
            referred_by: admitted.referred_by.clone(),
            socket: Some(arrival.socket.clone()),
            cseq: request.cseq,
        };
        let mut refer = self.ordered(order, &admitted.who, &admitted.targets);
        let (to_tag, contact) = match holder {
            Some(holder) => self.refer_in_dialog(holder, arrival, &mut refer),
            None => {
                refer.merge = Some((
                    request.call_id.clone(),
                    request.from_tag.clone(),
                    request.cseq,
                ));
                refer.remembered_until = self.env.now + SIXTY_FOUR_T1;
                (
                    self.env.token(),
                    settings.contact_uri(&self.head.token, &arrival.socket),
                )
            }
        };
        if !admitted.suppressed {
            refer.carrier = match (holder, &admitted.contact) {
                (Some(holder), _) => Carrier::In(holder),
                (None, Some(target)) => {
                    let (tag, contact) = (to_tag.clone(), contact.clone());
                    let dialog =
                        Dialog::formed_by(request, target, tag, arrival.socket.clone(), contact);
                    Carrier::Own(Box::new(dialog))
                }
                // `read_refer` refused a REFER that needs a Contact and has none.
                (None, None) => Carrier::None,
            };
            refer.subscription = Some(Subscription {
                expires_at: self.env.now + settings.invite_timeout + EXPIRES_MARGIN,
                reports: VecDeque::new(),
                progress: None,
                progress_due: 0,
                told: None,
                closing: None,
                held_until: None,
                retried: false,
                queued: false,
            });
            self.host_subscription(holder, id);
        }
        self.insert(id, Record::Refer(Box::new(refer)));
        self.answer_refer(&admitted, to_tag, &contact);
        self.count(Counter::RefersAccepted, 1);
        self.note(id, Level::Info, |show| {
            format!(
                "REFER accepted from={} {:?} targets={} notify={}",
                show.who(admitted.who.uri()),
                admitted.targets.purpose,
                admitted.targets.wanted.len(),
                if admitted.suppressed { "no" } else { "yes" }
            )
        });
        self.tell(id, 100, reason_phrase(100), None);
        match admitted.targets.purpose {
            Purpose::Invite => self.fan_out(id, &admitted.who, &admitted.targets),
            Purpose::Remove => self.remove_all(id, &admitted.who, &admitted.targets),
        }
    }

    /// What the dialog contributes to the REFER in it, and what it remembers of it. Gives our tag and Contact.
    fn refer_in_dialog(
        &mut self,
        holder: Id,
        arrival: &Arrival,
        refer: &mut Refer,
    ) -> (String, String) {
        let request = &arrival.request;
        let remembered_until = self.env.now + SIXTY_FOUR_T1;
        if let Some(leg) = self.leg_mut(holder) {
            // RFC 3515 section 2.4.6: an id from the second REFER of a dialog on.
            refer.event_id = leg.referred_before.then_some(request.cseq);
            leg.referred_before = true;
        } else if let Some(first) = self.refer_mut(holder) {
            refer.event_id = Some(request.cseq);
            first.remembered_until = remembered_until;
        }
        match self.dialog_mut(holder) {
            Some(dialog) => {
                dialog.refresh_target(request.contact());
                (dialog.local_tag.clone(), dialog.contact.clone())
            }
            None => (self.env.token(), self.focus_uri()),
        }
    }

    fn host_subscription(&mut self, holder: Option<Id>, id: Id) {
        let Some(holder) = holder else { return };
        if let Some(leg) = self.leg_mut(holder) {
            leg.subscriptions.push(id);
        } else if let Some(first) = self.refer_mut(holder) {
            first.guests.push(id);
        }
    }

    fn answer_refer(&mut self, admitted: &Admitted, to_tag: String, contact: &str) {
        // R4.1: 202 promises a NOTIFY, so a suppressed subscription is always answered 200.
        let code = if admitted.suppressed {
            200
        } else {
            self.env.settings.refer_ok_code
        };
        let headers = Lines::new()
            .contact(contact)
            .capabilities()
            .maybe("Refer-Sub", admitted.echo.then_some("false"))
            .text();
        self.log(Level::Debug, format!("answered {code}"));
        self.actions.push(Action::Answer(Answer {
            code,
            reason: reason_phrase(code).to_owned(),
            to_tag,
            headers,
            ..Answer::default()
        }));
    }

    /// A fan-out nobody sent a REFER for: the list of a factory INVITE, a group's members, an operator.
    pub(super) fn place_order(&mut self, order: Order, who: &Who, targets: &Targets) -> Id {
        let refer = self.ordered(order, who, targets);
        self.add(Record::Refer(Box::new(refer)))
    }

    /// The record of a fan-out that owes nobody a NOTIFY yet.
    fn ordered(&mut self, order: Order, who: &Who, targets: &Targets) -> Refer {
        Refer {
            label: self.label(),
            cseq: order.cseq,
            referrer: who.uri().to_owned(),
            identities: who.identities.clone(),
            anonymous: who.anonymous,
            referred_by: order.referred_by,
            socket: order.socket,
            targets: targets.wanted.iter().map(Aim::of).collect(),
            history: targets.history.clone(),
            event_id: None,
            carrier: Carrier::None,
            guests: Vec::new(),
            subscription: None,
            merge: None,
            remembered_until: self.env.now,
        }
    }

    /// Steps 7 and 8: each target by itself, in list order; nobody's result touches another's.
    pub(super) fn fan_out(&mut self, refer: Id, referrer: &Who, targets: &Targets) {
        let mut invited = 0;
        for (index, target) in (0u32..).zip(&targets.wanted) {
            let settled = match &target.uri {
                Ok(uri) => self.aim(refer, index, referrer, uri, &mut invited),
                Err(_) => Some((404, "a URI that cannot be invited")),
            };
            self.settle_now(refer, index, target, settled);
            if let Some((status @ 300.., _)) = settled {
                self.note_uninvited(referrer, target, status);
            }
        }
    }

    /// What the policy says of a target and who it already is; else an INVITE. Some: settled without one.
    fn aim(
        &mut self,
        refer: Id,
        index: u32,
        referrer: &Who,
        target: &Uri,
        invited: &mut u32,
    ) -> Option<(u16, &'static str)> {
        let who = Who::new(vec![target.clone()], false);
        if self.is_ourselves(target) || leads_here(target, self.env) {
            return Some((403, "the focus does not invite itself or another one"));
        }
        if referrer
            .identities
            .iter()
            .any(|me| who.identities.contains(me))
        {
            return Some((200, "the referrer itself"));
        }
        if let Some(member) = self.member_called(target) {
            if self.leg(member).is_some_and(|leg| leg.is_connected()) {
                return Some((200, "already a participant"));
            }
            // Shared with whoever invited it first (requirements section 2.9).
            self.note(refer, Level::Debug, |show| {
                format!("{} is being invited already", show.who(target.as_str()))
            });
            self.watch(refer, index, member);
            return None;
        }
        let verdict = self.decide(&who);
        let invitable = verdict.allowed.join_handling;
        self.note_verdict(target.as_str(), &verdict, "join-handling", invitable);
        if !invitable {
            return Some((403, "policy: join-handling"));
        }
        if self.head.slots() == 0 {
            return Some((486, "session is full"));
        }
        let leg = self.invite(refer, index, target, *invited);
        *invited += 1;
        self.watch(refer, index, leg);
        None
    }

    fn settle_now(
        &mut self,
        refer: Id,
        index: u32,
        target: &Wanted,
        settled: Option<(u16, &'static str)>,
    ) {
        let Some((status, why)) = settled else { return };
        let name = match &target.uri {
            Ok(uri) => uri.as_str(),
            Err(text) => text,
        };
        self.note(refer, Level::Info, |show| {
            format!("target {}: {status} why=\"{why}\"", show.who(name))
        });
        self.settle(refer, index, status, reason_phrase(status));
    }

    /// `refer` wants to hear what becomes of `leg`.
    fn watch(&mut self, refer: Id, index: u32, leg: Id) {
        if let Some(aim) = self
            .refer_mut(refer)
            .and_then(|r| r.targets.get_mut(index as usize))
        {
            aim.leg = Some(leg);
        }
        if let Some(leg) = self.leg_mut(leg) {
            leg.watchers.push(refer);
        }
    }

    /// REFER with method BYE: out of the session (requirements section 2.6).
    fn remove_all(&mut self, refer: Id, referrer: &Who, targets: &Targets) {
        for (index, target) in (0u32..).zip(&targets.wanted) {
            let settled = match &target.uri {
                Ok(uri) => self.remove(referrer, uri),
                Err(_) => (404, "a URI that cannot be in the session"),
            };
            self.settle_now(refer, index, target, Some(settled));
        }
    }

    /// BYE to whoever is in, CANCEL to whoever is still being invited. They do not come back by themselves.
    pub(super) fn remove(&mut self, referrer: &Who, target: &Uri) -> (u16, &'static str) {
        let Some(id) = self.member_called(target) else {
            return (404, "not in the session");
        };
        let Some(leg) = self.leg(id) else {
            return (404, "not in the session");
        };
        let connected = leg.is_connected();
        let identities = leg.identities.clone();
        let leaves = referrer.identities.iter().any(|me| identities.contains(me));
        if !leaves {
            self.ban(&identities);
        }
        let by = self.shown_as(referrer);
        self.parts(
            id,
            match leaves {
                true => Parting::departed(),
                false => Parting::booted(by),
            },
        );
        if connected {
            self.hang_up(id, ByeCause::Removed);
        } else {
            self.settle_watchers(id, 487, reason_phrase(487));
            self.withdraw(id);
        }
        (200, if leaves { "left by itself" } else { "removed" })
    }
}
