//! Step 2 of the procedure: may this person stay anonymous?

use crate::cpm::person::Person;
use crate::cpm::policy::{Action, Verdict};
use crate::cpm::refusal::Refusal;
use crate::cpm::session::Session;

impl Session<'_> {
    /// Step 2: whether the referrer may stay anonymous, if it asks for that by `Privacy: id` (RFC 3323,
    /// RFC 3325 section 9.3; P16).
    pub(in crate::cpm::session) fn check_privacy(
        &self,
        referrer: &Person,
        verdict: &Verdict,
    ) -> Result<(), Refusal> {
        match referrer.anonymous && !verdict.allows(Action::AllowAnonymity) {
            true => Err(self.not_permitted(Action::AllowAnonymity)),
            false => Ok(()),
        }
    }
}
