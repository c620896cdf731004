//! Step 3 of the procedure: whom the REFER is about, within the limits of the operator. How Refer-To and
//! lists are read is in `crate::cpm::refer_syntax` and `crate::cpm::recipient_list`.

use crate::cpm::action::Counter;
use crate::cpm::policy::Action;
use crate::cpm::quirk::Quirk;
use crate::cpm::refer_syntax::ReferRequest;
use crate::cpm::refusal::Refusal;
use crate::cpm::session::Session;
use crate::cpm::targets::{Purpose, Targets};

impl Session<'_> {
    /// Step 3: the targets, from Refer-To (RFC 3515) or from the list in the body (RFC 5368), within the
    /// operator's limits (P17, P18).
    pub(in crate::cpm::session) fn extract_targets(
        &mut self,
        refer: ReferRequest,
    ) -> Result<Targets, Refusal> {
        let targets = refer.targets?;
        self.check_size(&targets)?;
        if targets.purpose != Purpose::Invite {
            return Ok(targets);
        }
        if self.env.settings.precheck_targets && self.nobody_may_join(&targets) {
            return Err(Refusal::NoTargetMayJoin);
        }
        let full = self.head.free_places() == 0;
        if full && targets.uris().all(|uri| self.member_called(uri).is_none()) {
            return Err(Refusal::SessionFull);
        }
        Ok(targets)
    }

    /// A list must fit the operator's limit, and all its INVITEs the memory there is: what is begun is
    /// carried through.
    pub(in crate::cpm::session) fn check_size(&self, targets: &Targets) -> Result<(), Refusal> {
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
    pub(in crate::cpm::session) fn check_quirks(
        &mut self,
        quirks: &[Quirk],
    ) -> Result<(), Refusal> {
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
                .permissions_of(&self.person(uri))
                .allows(Action::JoinHandling)
        })
    }
}
