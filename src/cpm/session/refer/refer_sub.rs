//! Steps 5 and 6 of the procedure: `norefersub` and Refer-Sub in the 2xx (RFC 4488).

use super::answer::ReferAnswer;
use crate::cpm::refer_syntax::ReferRequest;

impl ReferAnswer {
    /// Step 5: option tag `norefersub` among those that are supported. RFC 4488 section 4 asks for it
    /// outside a dialog; it harms nobody inside.
    pub(in crate::cpm::session) fn name_norefersub(&mut self) {
        self.lines = std::mem::take(&mut self.lines).supported();
    }

    /// Step 6: `Refer-Sub: false` if the REFER has it (RFC 4488 section 4).
    pub(in crate::cpm::session) fn repeat_refer_sub(&mut self, refer: &ReferRequest) {
        if refer.refer_sub_false {
            self.lines = std::mem::take(&mut self.lines).line("Refer-Sub", "false");
        }
    }
}
