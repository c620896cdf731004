//! REFER with `method=BYE`: people are taken out of the session (RFC 4579 section 5.11, requirements
//! section 2.6).

use super::refer::KnownRefer;
use super::Session;
use crate::cpm::departure_reason::Departure;
use crate::cpm::person::Person;
use crate::cpm::records::ByeCause;
use crate::cpm::refusal::Denial;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

impl Session<'_> {
    /// The counterpart of `Session::invite_by_refer`.
    pub(super) fn remove_by_refer(&mut self, refer: KnownRefer<'_>) -> Result<(), Denial> {
        let referrer = refer.referrer.clone();
        self.settle_by_refer(refer, |session, target| match target.uri() {
            Some(uri) => session.remove(&referrer, uri),
            None => (404, "a URI that cannot be in the session"),
        })
    }

    /// BYE to somebody who is in, CANCEL to somebody who is being invited. They do not come back by
    /// themselves. Gives the result for the one who asked, and why.
    pub(super) fn remove(&mut self, referrer: &Person, target: &Uri) -> (u16, &'static str) {
        const ABSENT: (u16, &str) = (404, "not in the session");
        let Some(id) = self.member_called(target) else {
            return ABSENT;
        };
        let Some(leg) = self.records.leg(id) else {
            return ABSENT;
        };
        let connected = leg.is_connected();
        let identities = leg.identities.clone();
        let leaves = referrer.is_any_of(&identities);
        let departure = match leaves {
            true => Departure::left(),
            false => {
                self.ban(&identities);
                Departure::removed(self.shown_uri_of(referrer))
            }
        };
        self.note_departure(id, departure);
        if connected {
            self.end_leg(id, ByeCause::Removed);
        } else {
            self.settle_leg(id, 487, reason_phrase(487));
            self.withdraw(id);
        }
        (200, if leaves { "left by itself" } else { "removed" })
    }
}
