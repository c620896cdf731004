//! Steps 1 to 3 of the procedure: may this person ask, anonymously, for these targets?

use super::Session;
use crate::cpm::action::Counter;
use crate::cpm::policy::{Action, Verdict};
use crate::cpm::quirk::Quirk;
use crate::cpm::refer_request::ReferRequest;
use crate::cpm::refusal::Refusal;
use crate::cpm::targets::{Purpose, Target, Targets};
use crate::cpm::who::Who;
use crate::sip::identity::Identity;

impl Session<'_> {
    /// Step 1: whether the group policy lets the referrer invite, or remove (RFC 4745; P15).
    pub(super) fn authorise(
        &mut self,
        referrer: &Who,
        refer: &ReferRequest,
    ) -> Result<Verdict, Refusal> {
        let verdict = self.permissions_of(referrer);
        let needed = match refer.purpose() {
            Purpose::Invite => Action::AllowInviteUsersDynamically,
            Purpose::Remove => Action::AllowExpelling,
        };
        self.log_verdict(referrer.uri.as_str(), &verdict, needed);
        match verdict.allows(needed) || removes_itself_only(referrer, refer) {
            true => Ok(verdict),
            false => Err(Refusal::Policy(needed)),
        }
    }

    /// Step 2: whether the referrer may stay anonymous, if it asks for that by `Privacy: id` (RFC 3323,
    /// RFC 3325 section 9.3; P16).
    pub(super) fn check_privacy(&self, referrer: &Who, verdict: &Verdict) -> Result<(), Refusal> {
        match referrer.anonymous && !verdict.allows(Action::AllowAnonymity) {
            true => Err(Refusal::Policy(Action::AllowAnonymity)),
            false => Ok(()),
        }
    }

    /// Step 3: the targets, from Refer-To (RFC 3515) or from the list in the body (RFC 5368), within the
    /// operator's limits (P17, P18).
    pub(super) fn extract_targets(&mut self, refer: ReferRequest) -> Result<Targets, Refusal> {
        let targets = refer.targets?;
        self.check_size(&targets)?;
        if targets.purpose == Purpose::Remove {
            return Ok(targets);
        }
        if self.env.settings.precheck_targets && self.nobody_may_join(&targets) {
            return Err(Refusal::NoTargetMayJoin);
        }
        let full = self.head.slots() == 0;
        if full && targets.uris().all(|uri| self.member_called(uri).is_none()) {
            return Err(Refusal::SessionFull);
        }
        Ok(targets)
    }

    /// A list must fit the operator's limit, and all its INVITEs the memory there is: what is begun is
    /// carried through.
    pub(super) fn check_size(&self, targets: &Targets) -> Result<(), Refusal> {
        let (written, most) = (
            targets.written,
            self.env.settings.max_refer_targets as usize,
        );
        if written > most {
            return Err(Refusal::TooManyTargets { written, most });
        }
        let room = (self.env.room)();
        let targets_there = targets.list.len();
        if targets.purpose == Purpose::Invite && targets_there as u64 > room {
            return Err(Refusal::NoMemoryForTargets {
                targets: targets_there,
                room,
            });
        }
        Ok(())
    }

    /// Counts each tolerated form; `strict` refuses those that break a rule.
    pub(super) fn check_quirks(&mut self, quirks: &[Quirk]) -> Result<(), Refusal> {
        for quirk in quirks {
            self.count(Counter::Quirk(*quirk), 1);
        }
        let broken = quirks.iter().find_map(|quirk| quirk.broken_rule());
        match broken.filter(|_| self.env.settings.strict) {
            Some(rule) => Err(Refusal::RuleBroken(rule)),
            None => Ok(()),
        }
    }

    /// R7.5: the policy refuses every single target.
    fn nobody_may_join(&self, targets: &Targets) -> bool {
        targets.uris().all(|uri| {
            !self
                .permissions_of(&Who::of(uri))
                .allows(Action::JoinHandling)
        })
    }
}

/// A participant who names nobody but itself for removal only leaves, which needs no permission
/// (requirements section 2.6).
fn removes_itself_only(referrer: &Who, refer: &ReferRequest) -> bool {
    let Ok(targets) = &refer.targets else {
        return false;
    };
    let itself = |target: &Target| {
        let uri = target.address.uri();
        uri.is_some_and(|uri| referrer.identities.contains(&Identity::of(uri)))
    };
    targets.purpose == Purpose::Remove && referrer.participant && targets.list.iter().all(itself)
}
