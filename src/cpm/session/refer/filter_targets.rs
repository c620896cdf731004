//! Step 7 of the procedure: whom of the targets to invite, and what becomes of the others.

use crate::cpm::action::Level;
use crate::cpm::note::Note;
use crate::cpm::person::Person;
use crate::cpm::policy::Action;
use crate::cpm::records::ids::Id;
use crate::cpm::records::target::Awaiting;
use crate::cpm::request_uri::leads_here;
use crate::cpm::session::Session;
use crate::cpm::targets::Target;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

/// What becomes of a target.
enum Fate {
    /// It is to be invited.
    Invite(Uri),
    /// An INVITE of this leg is on its way to it, and its result counts for both (requirements section
    /// 2.9).
    Await(Id),
    /// It is settled without an INVITE.
    Settled(u16, &'static str),
}

impl Session<'_> {
    /// The URI to invite for the target with this record. `None`: the target is settled without an INVITE, or another INVITE to it is
    /// under way.
    pub(in crate::cpm::session) fn filter_target(
        &mut self,
        id: Id,
        referrer: &Person,
        target: &Target,
    ) -> Option<Uri> {
        match self.fate_of(referrer, target) {
            Fate::Invite(uri) => return Some(uri),
            Fate::Await(leg) => {
                let already = Note::InvitedAlready(target.who_ref());
                self.log_target(id, Level::Debug, already);
                self.await_leg(id, leg);
            }
            Fate::Settled(status, why) => {
                self.settle_without_invite(id, target, status, why);
                if status >= 300 {
                    self.note_uninvited(referrer, target, status);
                }
            }
        }
        None
    }

    fn fate_of(&mut self, referrer: &Person, target: &Target) -> Fate {
        let Some(uri) = target.address.uri() else {
            return Fate::Settled(404, "a URI that cannot be invited");
        };
        let who = self.person(uri);
        if self.is_ourselves(uri) || leads_here(uri, self.env) {
            return Fate::Settled(403, "the focus does not invite itself or another one");
        }
        if referrer.is_any_of(&who.identities) {
            return Fate::Settled(200, "the referrer itself");
        }
        if let Some(member) = self.member_called(uri) {
            let connected = self.records.leg(member).is_some_and(|l| l.is_connected());
            return match connected {
                true => Fate::Settled(200, "already a participant"),
                false => Fate::Await(member),
            };
        }
        let verdict = self.permissions_of(&who);
        self.log_verdict(target.who_ref(), &verdict, Action::JoinHandling);
        if !verdict.allows(Action::JoinHandling) {
            return Fate::Settled(403, "policy: join-handling");
        }
        if self.head.free_places() == 0 {
            return Fate::Settled(486, "session is full");
        }
        Fate::Invite(uri.clone())
    }

    /// A target has its result at once, and it is logged why.
    pub(in crate::cpm::session) fn settle_without_invite(
        &mut self,
        id: Id,
        target: &Target,
        status: u16,
        why: &str,
    ) {
        let settled = Note::TargetSettled(target.who_ref(), status, why);
        self.log_target(id, Level::Info, settled);
        self.settle_target(id, status, reason_phrase(status));
    }

    /// A target waits for what becomes of `leg`.
    pub(in crate::cpm::session) fn await_leg(&mut self, target: Id, leg: Id) {
        let Some(refer) = self.records.target(target).map(|target| target.refer) else {
            return;
        };
        let Some(label) = self.records.refer(refer).map(|refer| refer.label) else {
            return;
        };
        if let Some(leg) = self.records.leg_mut(leg) {
            leg.awaited_by.push(Awaiting {
                target,
                refer,
                label,
            });
        }
    }
}
