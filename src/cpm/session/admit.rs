//! The admission pipeline of a REFER: who asks, and whether they may (requirements section 1.0).
//! Not here: what is asked for (`crate::cpm::asked`) and what follows (`super::refer`).

use super::{Session, Who};
use crate::cpm::action::Counter;
use crate::cpm::answer::Refusal;
use crate::cpm::asked::{read_refer, Asked, Purpose, Quirk, Targets};
use crate::cpm::input::Arrival;
use crate::cpm::records::{Id, Name};
use crate::cpm::route::identify;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;
use crate::sip::Request;

/// Seconds after which a list that does not fit may be tried again.
const RETRY_AFTER: &str = "10";

/// What an admitted REFER asks for, and by whom.
pub(super) struct Admitted {
    pub who: Who,
    pub targets: Targets,
    pub suppressed: bool,
    pub echo: bool,
    /// Referred-By as it goes into the INVITEs.
    pub referred_by: String,
    /// Where NOTIFYs go when the REFER forms a dialog.
    pub contact: Option<Uri>,
}

impl Session<'_> {
    /// P2 to P18; nothing has changed when it refuses. `holder` keeps the dialog the REFER came in.
    pub(super) fn admit_refer(
        &mut self,
        arrival: &Arrival,
        holder: Option<Id>,
    ) -> Result<Admitted, Refusal> {
        let request = &arrival.request;
        if !arrival.trusted {
            return Err(Refusal::new(403, "not from a trusted peer"));
        }
        if holder.is_none() && self.family.find(&merge_name(request)).is_some() {
            return Err(Refusal::new(482, "merged request"));
        }
        let texts = &self.env.settings.warnings;
        let asked = read_refer(
            request,
            holder.is_none(),
            &|uri| self.is_ourselves(uri),
            texts,
        )?;
        self.check_quirks(&asked.quirks)?;
        let who = match holder {
            Some(holder) => self.referrer_in_dialog(arrival, holder),
            None => self.referrer_outside(arrival),
        }?;
        self.note_who(&who, request);
        self.note_asked(&asked.targets, asked.suppressed);
        let Asked {
            targets,
            suppressed,
            echo,
            referred_by: received,
            contact,
            quirks: _,
        } = asked;
        let targets = self
            .permit(&who, targets)
            .map_err(|refusal| refusal.of(who.uri()))?;
        Ok(Admitted {
            referred_by: referred_by(&who, received),
            who,
            targets,
            suppressed,
            echo,
            contact,
        })
    }

    /// Each tolerated form is counted; `strict` refuses those that break a rule.
    pub(super) fn check_quirks(&mut self, quirks: &[Quirk]) -> Result<(), Refusal> {
        for quirk in quirks {
            self.count(Counter::Quirk(*quirk), 1);
        }
        let broken = quirks.iter().find_map(|quirk| quirk.broken_rule());
        match broken.filter(|_| self.env.settings.strict) {
            Some(rule) => {
                let text = &self.env.settings.warnings.rule_broken;
                Err(Refusal::bad_request(rule).warning(&text.replace("{rule}", rule)))
            }
            None => Ok(()),
        }
    }

    /// Seed steps 1 and 2, then the list and the limits (P15 to P18).
    fn permit(&mut self, who: &Who, targets: Result<Targets, Refusal>) -> Result<Targets, Refusal> {
        let texts = &self.env.settings.warnings;
        let verdict = self.decide(who);
        let allowed = verdict.allowed;
        let purpose = targets
            .as_ref()
            .map_or(Purpose::Invite, |targets| targets.purpose);
        let (permitted, missing) = match purpose {
            Purpose::Invite => (
                allowed.allow_invite_users_dynamically,
                "allow-invite-users-dynamically",
            ),
            Purpose::Remove => (allowed.allow_expelling, "allow-expelling"),
        };
        self.note_verdict(who.uri(), &verdict, missing, permitted);
        let leaves = targets
            .as_ref()
            .is_ok_and(|targets| puts_itself_out(who, targets));
        if !permitted && !leaves {
            let why = format!("policy: {missing}");
            return Err(Refusal::new(403, why).warning(&texts.function_not_allowed));
        }
        if who.anonymous && !allowed.allow_anonymity {
            return Err(Refusal::new(403, "policy: allow-anonymity").warning(&texts.anonymity));
        }
        let targets = targets?;
        self.check_size(&targets)?;
        if purpose == Purpose::Invite
            && self.env.settings.precheck_targets
            && self.nobody_may_join(&targets)
        {
            return Err(
                Refusal::new(403, "policy: no target may join").warning(&texts.no_destinations)
            );
        }
        let mut uris = targets.wanted.iter().flat_map(|wanted| &wanted.uri);
        let all_strangers = uris.all(|uri| self.member_called(uri).is_none());
        if purpose == Purpose::Invite && self.head.slots() == 0 && all_strangers {
            return Err(Refusal::new(486, "session is full").warning(&texts.too_many));
        }
        Ok(targets)
    }

    /// A list must fit the operator's limit, and all its INVITEs into the memory there is: what is begun
    /// is carried through.
    pub(super) fn check_size(&self, targets: &Targets) -> Result<(), Refusal> {
        let settings = self.env.settings;
        let most = settings.max_refer_targets as usize;
        if targets.written > most {
            let why = format!("{} targets, max_refer_targets is {most}", targets.written);
            return Err(Refusal::new(403, why).warning(&settings.warnings.too_many_targets));
        }
        let room = (self.env.room)();
        if targets.purpose == Purpose::Invite && targets.wanted.len() as u64 > room {
            let why = format!("{} targets, shared memory for {room}", targets.wanted.len());
            return Err(Refusal::new(503, why).header("Retry-After", RETRY_AFTER));
        }
        Ok(())
    }

    /// R7.5: the policy refuses every single target.
    fn nobody_may_join(&self, targets: &Targets) -> bool {
        targets
            .wanted
            .iter()
            .flat_map(|wanted| &wanted.uri)
            .all(|uri| {
                let who = Who::new(vec![uri.clone()], false);
                !self.decide(&who).allowed.join_handling
            })
    }

    /// R1.3: in a dialog the asserted identity must be that of whoever it is with; without one that
    /// of the dialog counts.
    pub(super) fn referrer_in_dialog(
        &mut self,
        arrival: &Arrival,
        holder: Id,
    ) -> Result<Who, Refusal> {
        let request = &arrival.request;
        let (known, uri, anonymous) = if let Some(leg) = self.leg(holder) {
            (leg.identities.clone(), leg.uri.clone(), leg.anonymous)
        } else if let Some(refer) = self.refer(holder) {
            (
                refer.identities.clone(),
                refer.referrer.clone(),
                refer.anonymous,
            )
        } else if let Some(watcher) = self.watcher(holder) {
            (
                watcher.identities.clone(),
                watcher.uri.clone(),
                watcher.anonymous,
            )
        } else {
            return Err(Refusal::new(481, "no such dialog"));
        };
        let asserted = request.asserted_identities();
        let uris = if asserted.is_empty() {
            Uri::parse(uri.as_bytes()).into_iter().collect()
        } else {
            asserted
        };
        let mut who = Who::new(uris, anonymous || request.privacy().id);
        if !who
            .identities
            .iter()
            .any(|identity| known.contains(identity))
        {
            return Err(
                Refusal::new(403, "asserted identity is not that of the dialog")
                    .warning(&self.env.settings.warnings.not_participant)
                    .of(who.uri()),
            );
        }
        for identity in known {
            if !who.identities.contains(&identity) {
                who.identities.push(identity);
            }
        }
        self.place(&mut who);
        Ok(who)
    }

    fn referrer_outside(&mut self, arrival: &Arrival) -> Result<Who, Refusal> {
        if let Some(leg) = self.target_dialog(arrival) {
            // Whoever the dialog is with, unless something else is asserted; then the header says nothing.
            if let Ok(who) = self.referrer_in_dialog(arrival, leg) {
                return Ok(who);
            }
        }
        let mut who = identify(arrival)?;
        self.place(&mut who);
        Ok(who)
    }

    /// The leg that Target-Dialog names. Bogus: none, and no error (RFC 4538 section 4, R1.4). The tags are
    /// seen from here (section 3); a sender that wrote them as it sees them itself knows the dialog as well.
    fn target_dialog(&mut self, arrival: &Arrival) -> Option<Id> {
        let target = arrival.request.target_dialog()?;
        let (call, here, there) = (&target.call_id, &target.local_tag, &target.remote_tag);
        self.leg_of_dialog(call, here, there)
            .or_else(|| self.leg_of_dialog(call, there, here))
    }

    /// The connected leg of a dialog.
    fn leg_of_dialog(&mut self, call_id: &str, ours: &str, theirs: &str) -> Option<Id> {
        let name = Name::Dialog {
            call_id: call_id.to_owned(),
            local_tag: ours.to_owned(),
        };
        let id = self.family.find(&name)?;
        let leg = self.leg(id)?;
        let same = leg.dialog.remote_tag.as_deref() == Some(theirs);
        (same && leg.is_connected()).then_some(id)
    }

    /// What the session itself knows of somebody.
    pub(super) fn place(&mut self, who: &mut Who) {
        let leg = self.member(&who.identities);
        if let Some(leg) = leg.and_then(|id| self.leg(id)) {
            who.participant = leg.is_connected();
            // Who joined anonymously stays so (R2.5).
            who.anonymous |= leg.anonymous;
        }
    }

    /// Whether a URI is that of the group, the factory or this focus: nobody to invite.
    pub(super) fn is_ourselves(&self, target: &Uri) -> bool {
        let identity = Identity::of(target);
        self.head.group_identity().as_ref() == Some(&identity)
            || Identity::of(&self.env.settings.factory) == identity
            || target.user() == Some(self.head.token.as_str())
    }
}

/// A participant who names nobody but itself for removal only leaves, which needs no permission
/// (requirements section 2.6).
fn puts_itself_out(who: &Who, targets: &Targets) -> bool {
    let itself = |uri: &Uri| who.identities.contains(&Identity::of(uri));
    let mut wanted = targets.wanted.iter();
    targets.purpose == Purpose::Remove
        && who.participant
        && wanted.all(|wanted| wanted.uri.as_ref().is_ok_and(itself))
}

pub(super) fn merge_name(request: &Request) -> Name {
    Name::Merge {
        call_id: request.call_id.clone(),
        from_tag: request.from_tag.clone(),
        cseq: request.cseq,
    }
}

/// Referred-By of the INVITE (RFC 3892 section 2.2, decision A8): the received one if it names the
/// referrer, else the asserted identity; of an anonymous referrer nothing.
pub(super) fn referred_by(who: &Who, received: Option<(Uri, String)>) -> String {
    if who.anonymous {
        return "<sip:anonymous@anonymous.invalid>".to_owned();
    }
    match received {
        Some((uri, text)) if who.identities.contains(&Identity::of(&uri)) => text,
        _ => format!("<{}>", who.uri()),
    }
}
