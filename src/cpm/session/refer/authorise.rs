//! Step 1 of the procedure: may this person invite, or remove, by the group policy?

use crate::cpm::person::Person;
use crate::cpm::policy::{Action, Verdict};
use crate::cpm::refer_syntax::ReferRequest;
use crate::cpm::refusal::Refusal;
use crate::cpm::session::Session;
use crate::cpm::targets::{Purpose, Target};

impl Session<'_> {
    /// Step 1: whether the group policy lets the referrer invite, or remove (RFC 4745; P15), and
    /// `refer_rate`.
    pub(in crate::cpm::session) fn authorise(
        &mut self,
        referrer: &Person,
        refer: &ReferRequest,
    ) -> Result<Verdict, Refusal> {
        let verdict = self.permissions_of(referrer);
        let needed = match refer.purpose() {
            Purpose::Invite => Action::AllowInviteUsersDynamically,
            Purpose::Remove => Action::AllowExpelling,
            Purpose::GiveRole | Purpose::TakeRole => Action::AllowRoleChange,
        };
        self.log_verdict(referrer.who_ref(), &verdict, needed);
        match verdict.allows(needed) || self.removes_itself_only(referrer, refer) {
            // What the policy refuses takes no turn.
            true => {
                let targets = refer.targets.as_ref().ok();
                self.admit_referrer(referrer, targets).map(|()| verdict)
            }
            false => Err(self.not_permitted(needed)),
        }
    }

    /// A participant who names nobody but itself for removal only leaves, which needs no permission
    /// (requirements section 2.6).
    fn removes_itself_only(&self, referrer: &Person, refer: &ReferRequest) -> bool {
        let Ok(targets) = &refer.targets else {
            return false;
        };
        let itself = |target: &Target| {
            let uri = target.address.uri();
            uri.is_some_and(|uri| referrer.identities.contains(&self.identity_of(uri)))
        };
        targets.purpose == Purpose::Remove
            && referrer.participant
            && targets.list.iter().all(itself)
    }
}
