//! The nine steps: a REFER that invites (RFC 3515; the CPM Controlling Function's procedure).
//! Not here: the INVITE it causes (`super::invite`) and the NOTIFYs it is owed (`super::notify`).

use std::collections::VecDeque;

use super::invite::Invitation;
use super::{Session, Who};
use crate::cpm::action::{Action, Answer, Counter, Level};
use crate::cpm::answer::{Lines, Refusal};
use crate::cpm::dialog::Dialog;
use crate::cpm::input::Arrival;
use crate::cpm::records::{Aim, Carrier, Id, Name, Record, Refer, Report, Subscription};
use crate::cpm::route::{check_require, identify};
use crate::cpm::settings::MERGE_WINDOW;
use crate::cpm::text::Redacted;
use crate::sip::identity::Identity;
use crate::sip::message::Request;
use crate::sip::refer_to::{ReferTarget, ReferToError};
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

/// How long a subscription outlives the longest ringing (RFC 3515 section 3.4, N3), ms.
const EXPIRES_MARGIN: u64 = 60_000;

/// What an admitted REFER asks for.
struct Admitted {
    who: Who,
    target: Uri,
    /// No subscription: `Refer-Sub: false` (RFC 4488) or `Require: nosub` (RFC 7614).
    suppressed: bool,
    /// `Refer-Sub: false` is echoed.
    echo: bool,
    /// Referred-By as it goes into the INVITE.
    referred_by: String,
    /// Where NOTIFYs go when the REFER forms a dialog.
    contact: Option<Uri>,
}

/// What the syntax of a REFER says, before anything is decided (P9 to P13).
struct Parsed {
    target: Uri,
    suppressed: bool,
    echo: bool,
    referred_by: Option<(Uri, String)>,
    contact: Option<Uri>,
}

impl Session<'_> {
    /// REFER in the dialog of `leg`, or outside any.
    pub(super) fn refer_received(&mut self, arrival: &Arrival, leg: Option<Id>) {
        match self.admit_refer(arrival, leg) {
            Ok(admitted) => self.accept_refer(arrival, leg, admitted),
            Err(refusal) => self.refuse("REFER", &refusal),
        }
    }

    /// The admission pipeline P2 to P18; nothing has changed when it refuses.
    fn admit_refer(&mut self, arrival: &Arrival, leg: Option<Id>) -> Result<Admitted, Refusal> {
        let request = &arrival.request;
        if !arrival.trusted {
            return Err(Refusal::new(403, "not from a trusted peer"));
        }
        if leg.is_none() && self.family.find(&merge_name(request)).is_some() {
            return Err(Refusal::new(482, "merged request"));
        }
        let parsed = parse(request, leg.is_none())?;
        let who = match leg {
            Some(leg) => self.referrer_in_dialog(arrival, leg),
            None => self.referrer_outside(arrival),
        }?;
        let permitted = self.permit(&who, &parsed.target);
        permitted.map_err(|refusal| refusal.of(who.uri()))?;
        Ok(Admitted {
            referred_by: referred_by(&who, parsed.referred_by),
            who,
            target: parsed.target,
            suppressed: parsed.suppressed,
            echo: parsed.echo,
            contact: parsed.contact,
        })
    }

    /// Seed steps 1 and 2, then the limit (P15, P16, P18).
    fn permit(&mut self, who: &Who, target: &Uri) -> Result<(), Refusal> {
        let texts = &self.env.settings.warnings;
        let allowed = self.decide(who).allowed;
        if !allowed.allow_invite_users_dynamically {
            return Err(Refusal::new(403, "policy: allow-invite-users-dynamically")
                .warning(&texts.function_not_allowed));
        }
        if who.anonymous && !allowed.allow_anonymity {
            return Err(Refusal::new(403, "policy: allow-anonymity").warning(&texts.anonymity));
        }
        if self.head.slots() == 0 && self.member(&[Identity::of(target)]).is_none() {
            return Err(Refusal::new(486, "session is full").warning(&texts.too_many));
        }
        Ok(())
    }

    /// R1.3: in a dialog the asserted identity must be the participant's; without one the participant's counts.
    fn referrer_in_dialog(&mut self, arrival: &Arrival, leg: Id) -> Result<Who, Refusal> {
        let request = &arrival.request;
        let Some(leg) = self.leg(leg) else {
            return Err(Refusal::new(481, "no such dialog"));
        };
        let anonymous = request.privacy().id || leg.anonymous;
        let asserted = request.asserted_identities();
        let known = leg.identities.clone();
        let uris = if asserted.is_empty() {
            Uri::parse(leg.uri.as_bytes()).into_iter().collect()
        } else {
            asserted
        };
        let mut who = Who::new(uris, anonymous);
        if !who
            .identities
            .iter()
            .any(|identity| known.contains(identity))
        {
            return Err(
                Refusal::new(403, "asserted identity is not the participant's")
                    .warning(&self.env.settings.warnings.not_participant),
            );
        }
        for identity in known {
            if !who.identities.contains(&identity) {
                who.identities.push(identity);
            }
        }
        who.participant = true;
        Ok(who)
    }

    fn referrer_outside(&mut self, arrival: &Arrival) -> Result<Who, Refusal> {
        let mut who = identify(arrival)?;
        let leg = self.member(&who.identities);
        if let Some(leg) = leg.and_then(|id| self.leg(id)) {
            who.participant = leg.is_connected();
            // Who joined anonymously stays so (R2.5).
            who.anonymous |= leg.anonymous;
        }
        Ok(who)
    }

    /// Steps 4 to 9.
    fn accept_refer(&mut self, arrival: &Arrival, leg: Option<Id>, admitted: Admitted) {
        let request = &arrival.request;
        let id = self.family.new_id();
        let contact = match leg.and_then(|id| self.leg(id)) {
            Some(leg) => leg.dialog.contact.clone(),
            None => self
                .env
                .settings
                .contact_uri(&self.head.token, &arrival.socket),
        };
        let mut refer = Refer {
            cseq: request.cseq,
            event_id: None,
            referrer: admitted.who.uri().to_owned(),
            carrier: Carrier::None,
            targets: vec![Aim {
                uri: admitted.target.as_str().to_owned(),
                leg: None,
                outcome: None,
            }],
            subscription: None,
            merge: None,
            remembered_until: self.env.now + MERGE_WINDOW,
        };
        let to_tag = match leg.and_then(|id| self.leg_mut(id)) {
            Some(leg) => {
                refer.event_id = leg.referred_before.then_some(request.cseq);
                leg.referred_before = true;
                leg.dialog.refresh_target(request.contact());
                leg.dialog.local_tag.clone()
            }
            None => {
                refer.merge = Some((
                    request.call_id.clone(),
                    request.from_tag.clone(),
                    request.cseq,
                ));
                self.env.token()
            }
        };
        if !admitted.suppressed {
            refer.carrier = match (leg, &admitted.contact) {
                (Some(leg), _) => Carrier::Leg(leg),
                (None, Some(remote_target)) => {
                    let tag = to_tag.clone();
                    let socket = arrival.socket.clone();
                    Carrier::Own(Box::new(Dialog::formed_by(
                        request,
                        remote_target,
                        tag,
                        socket,
                        contact.clone(),
                    )))
                }
                // `parse` refused a REFER that needs a Contact and has none.
                (None, None) => Carrier::None,
            };
            refer.subscription = Some(Subscription {
                expires_at: self.env.now + self.env.settings.invite_timeout + EXPIRES_MARGIN,
                reports: VecDeque::new(),
                progress: None,
                progress_due: 0,
                told: None,
                closing: None,
                queued: false,
            });
            if let Some(leg) = leg.and_then(|id| self.leg_mut(id)) {
                leg.subscriptions.push(id);
            }
        }
        let referrer = admitted.who.uri().to_owned();
        self.insert(id, Record::Refer(Box::new(refer)));
        self.answer_refer(&admitted, to_tag, &contact);
        self.count(Counter::RefersAccepted, 1);
        self.log(
            Level::Info,
            format!(
                "REFER accepted from={} target={} notify={}",
                Redacted(&referrer),
                Redacted(admitted.target.as_str()),
                if admitted.suppressed { "no" } else { "yes" }
            ),
        );
        self.tell(id, 100, reason_phrase(100), None);
        self.aim(id, 0, arrival, &admitted);
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
        self.actions.push(Action::Answer(Answer {
            code,
            reason: reason_phrase(code).to_owned(),
            to_tag,
            headers,
            ..Answer::default()
        }));
    }

    /// Steps 7 and 8 for one target: what the policy says of it, who it already is, else an INVITE.
    fn aim(&mut self, refer: Id, index: u32, arrival: &Arrival, admitted: &Admitted) {
        let target = &admitted.target;
        let mut who = Who::new(vec![target.clone()], false);
        let settled = if self.is_ourselves(target) {
            Some((403, "the focus does not invite itself"))
        } else if admitted
            .who
            .identities
            .iter()
            .any(|me| who.identities.contains(me))
        {
            Some((200, "the referrer itself"))
        } else if let Some(member) = self.member(&who.identities) {
            if self.leg(member).is_some_and(|leg| leg.is_connected()) {
                Some((200, "already a participant"))
            } else {
                self.watch(refer, index, member);
                self.log(
                    Level::Info,
                    format!(
                        "target {} is being invited already",
                        Redacted(target.as_str())
                    ),
                );
                return;
            }
        } else {
            who.participant = false;
            let verdict = self.decide(&who);
            if !verdict.allowed.join_handling {
                Some((403, "policy: join-handling"))
            } else if self.head.slots() == 0 {
                Some((486, "session is full"))
            } else {
                None
            }
        };
        if let Some((status, why)) = settled {
            self.log(
                Level::Info,
                format!(
                    "target {} not invited: {status} why=\"{why}\"",
                    Redacted(target.as_str())
                ),
            );
            return self.settle(refer, index, status, reason_phrase(status));
        }
        let leg = self.invite(&Invitation {
            target,
            socket: &arrival.socket,
            referrer: (!admitted.who.anonymous).then(|| admitted.who.uri()),
            referred_by: &admitted.referred_by,
            anonymous_referrer: admitted.who.anonymous,
        });
        self.watch(refer, index, leg);
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

    /// A REFER that names the group, the factory or this focus as the one to invite.
    fn is_ourselves(&self, target: &Uri) -> bool {
        let identity = Identity::of(target);
        let settings = self.env.settings;
        self.head.group_identity().as_ref() == Some(&identity)
            || Identity::of(&settings.factory) == identity
            || target.user() == Some(self.head.token.as_str())
    }
}

fn merge_name(request: &Request) -> Name {
    Name::Merge {
        call_id: request.call_id.clone(),
        from_tag: request.from_tag.clone(),
        cseq: request.cseq,
    }
}

/// P9 to P13: everything that can be refused without knowing anybody.
fn parse(request: &Request, forms_dialog: bool) -> Result<Parsed, Refusal> {
    check_require(request)?;
    let refer_to = request.refer_to();
    let count_error = match &refer_to {
        Err(ReferToError::Missing) => Some("Missing Refer-To"),
        Err(ReferToError::Several) => Some("More than one Refer-To"),
        _ => None,
    };
    if let Some(what) = count_error {
        return Err(Refusal::bad_request(what));
    }
    let referred_by = request
        .referred_by()
        .map_err(|error| Refusal::bad_request(format!("Referred-By: {error}")))?;
    let refer_sub = request
        .refer_sub()
        .map_err(|error| Refusal::bad_request(format!("Refer-Sub: {error}")))?;
    let refer_to = refer_to.map_err(|error| match error {
        ReferToError::UnsupportedScheme(scheme) => {
            unusable(format!("cannot refer to a {scheme} URI"))
        }
        other => Refusal::bad_request(format!("Refer-To: {other}")),
    })?;
    let target = match refer_to.target {
        ReferTarget::Uri(uri) => uri.to_target(),
        ReferTarget::ContentId(_) => {
            return Err(Refusal::bad_request("Resource lists are not served yet"));
        }
    };
    if refer_to.method != "INVITE" {
        return Err(unusable(format!(
            "cannot refer with method {}",
            refer_to.method
        )));
    }
    let echo = refer_sub == Some(false);
    let suppressed = echo || request.tokens("Require").iter().any(|tag| tag == "nosub");
    let contact = request.contact();
    // RFC 3515 section 2.2: Contact is mandatory; without a subscription nobody misses it (N12).
    if forms_dialog && !suppressed && contact.is_none() {
        return Err(Refusal::bad_request("Missing or malformed Contact"));
    }
    Ok(Parsed {
        target,
        suppressed,
        echo,
        referred_by: referred_by.map(|value| (value.uri, value.text)),
        contact,
    })
}

fn unusable(why: String) -> Refusal {
    let warning = why.clone();
    Refusal::new(488, why).warning(&warning)
}

/// Referred-By of the INVITE (RFC 3892 section 2.2, decision A8): the received one if it names the
/// referrer, else the asserted identity; of an anonymous referrer nothing.
fn referred_by(who: &Who, received: Option<(Uri, String)>) -> String {
    if who.anonymous {
        return "<sip:anonymous@anonymous.invalid>".to_owned();
    }
    match received {
        Some((uri, text)) if who.identities.contains(&Identity::of(&uri)) => text,
        _ => format!("<{}>", who.uri()),
    }
}

impl Report {
    pub(super) fn is_final(&self) -> bool {
        self.status >= 200
    }
}
