//! REFERs that do not invite: the steps that removals and changes of roles have in common with the nine.

use super::KnownRefer;
use crate::cpm::refusal::{Denial, Refusal};
use crate::cpm::session::Session;
use crate::cpm::targets::TargetAddress;

impl Session<'_> {
    /// REFER that does something else to its targets than inviting them, by the same steps as far as they
    /// apply. `carry_out` gives the result for the referrer, and why.
    pub(in crate::cpm::session) fn settle_by_refer(
        &mut self,
        refer: KnownRefer<'_>,
        mut carry_out: impl FnMut(&mut Self, &TargetAddress) -> (u16, &'static str),
    ) -> Result<(), Denial> {
        let referrer = refer.referrer.clone();
        let denied = |refusal: Refusal| refusal.of(&referrer.who());
        let verdict = self.authorise(&referrer, &refer.request).map_err(denied)?;
        self.check_privacy(&referrer, &verdict).map_err(denied)?;
        let targets = self
            .extract_targets(refer.request.clone())
            .map_err(denied)?;
        let mut answer = self.prepare_answer(&refer);
        answer.name_norefersub();
        answer.repeat_refer_sub(&refer.request);
        let record = self.answer_and_begin_reporting(&refer, &targets, answer);
        for (id, target) in self.records.targets_of(record).iter().zip(&targets.list) {
            let (status, why) = carry_out(self, &target.address);
            self.settle_without_invite(*id, target, status, why);
        }
        Ok(())
    }
}
