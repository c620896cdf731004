//! The role of an administrator: given and taken by REFER, kept by who comes back, passed on when the
//! last one of an ad-hoc session leaves.

use super::refer::KnownRefer;
use super::Session;
use crate::cpm::action::Level;
use crate::cpm::note::Note;
use crate::cpm::person::Person;
use crate::cpm::policy::Action;
use crate::cpm::records::ids::Id;
use crate::cpm::refusal::Denial;
use crate::cpm::targets::{Purpose, TargetAddress};
use crate::sip::identity::Identity;

impl Session<'_> {
    /// REFER with `;admin=1` or `;admin=0`.
    pub(super) fn change_role_by_refer(&mut self, refer: KnownRefer<'_>) -> Result<(), Denial> {
        let administrator = refer.request.purpose() == Purpose::GiveRole;
        self.settle_by_refer(refer, |session, target| {
            session.change_role(target, administrator)
        })
    }

    /// Gives the role to a connected participant, or takes it. Gives the result, and why.
    fn change_role(&mut self, target: &TargetAddress, administrator: bool) -> (u16, &'static str) {
        const ABSENT: (u16, &str) = (404, "not in the session");
        let Some(uri) = target.uri() else {
            return ABSENT;
        };
        let id = self.member_called(uri);
        let leg = id.and_then(|id| self.records.leg(id));
        let (Some(id), Some(leg)) = (id, leg.filter(|leg| leg.is_connected())) else {
            let away = [self.identity_of(uri)];
            if administrator || !self.was_administrator(&away) {
                return ABSENT;
            }
            self.forget_administrator(&away);
            return (200, "does not come back to the role");
        };
        match (leg.administrator, administrator) {
            (true, true) => (200, "has the role already"),
            (false, true) => {
                self.set_administrator(id, true);
                (200, "given the role")
            }
            (false, false) if self.removes_by_document(id) => {
                (403, "the group document lets this person remove others")
            }
            (false, false) => (200, "has not got the role"),
            (true, false) => self.take_role(id),
        }
    }

    fn take_role(&mut self, id: Id) -> (u16, &'static str) {
        if self.head.administrators <= 1 && self.always_has_an_administrator() {
            let Some(next) = self.longest_connected(Some(id)) else {
                return (403, "nobody else is there to have the role");
            };
            self.appoint(next);
        }
        self.set_administrator(id, false);
        if let Some(identities) = self.records.leg(id).map(|leg| leg.identities.clone()) {
            self.forget_administrator(&identities);
        }
        match self.removes_by_document(id) {
            true => (
                200,
                "taken the role; the group document still lets this person remove others",
            ),
            false => (200, "taken the role"),
        }
    }

    /// Whether the document itself, without the role, lets a participant remove others.
    fn removes_by_document(&mut self, id: Id) -> bool {
        let who = self.peer_of_dialog(id);
        who.is_some_and(|who| {
            let without = Person {
                administrator: false,
                ..who
            };
            self.permissions_of(&without).allows(Action::AllowExpelling)
        })
    }

    fn set_administrator(&mut self, id: Id, administrator: bool) {
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        if leg.administrator == administrator {
            return;
        }
        leg.administrator = administrator;
        let count = &mut self.head.administrators;
        *count = match administrator {
            true => count.saturating_add(1),
            false => count.saturating_sub(1),
        };
    }

    /// The next one, because there would be none.
    fn appoint(&mut self, id: Id) {
        self.set_administrator(id, true);
        if let Some(who) = self.who_of_leg(id) {
            self.log(Level::Info, Note::Administrator(who.to_ref()));
        }
    }

    /// A leg ends: its role ends with it, and is remembered if the person may come back to it.
    pub(super) fn lose_role(&mut self, id: Id, remembered: bool) {
        let Some(leg) = self.records.leg(id).filter(|leg| leg.administrator) else {
            return;
        };
        let identities = leg.identities.clone();
        self.set_administrator(id, false);
        if remembered {
            self.remember_administrator(&identities);
        }
    }

    /// Whether somebody who comes in has the role: by the leg that this one replaces, or from before.
    pub(super) fn brings_role(&mut self, who: &[Identity]) -> bool {
        let now = who.iter().any(|identity| {
            let earlier = self.records.member(std::slice::from_ref(identity));
            let leg = earlier.and_then(|id| self.records.leg(id));
            leg.is_some_and(|leg| leg.administrator)
        });
        now || self.was_administrator(who)
    }

    /// Somebody who has the role is in.
    pub(super) fn begin_with_role(&mut self, id: Id) {
        if let Some(identities) = self.records.leg(id).map(|leg| leg.identities.clone()) {
            self.forget_administrator(&identities);
        }
        self.set_administrator(id, true);
    }

    /// An ad-hoc session whose document knows the role is never without an administrator: the creator, and
    /// when the last one leaves, whoever has been connected longest.
    pub(super) fn appoint_administrator(&mut self) {
        let missing = self.head.live && self.head.administrators == 0;
        if !missing || !self.always_has_an_administrator() {
            return;
        }
        if let Some(next) = self.longest_connected(None) {
            self.appoint(next);
        }
    }

    /// See [`Session::appoint_administrator`].
    pub(super) fn always_has_an_administrator(&self) -> bool {
        !self.head.of_group && self.env.settings.adhoc_policy.knows_administrators()
    }

    /// The participant who has been connected longest.
    fn longest_connected(&mut self, but: Option<Id>) -> Option<Id> {
        let mut longest: Option<(i64, Id)> = None;
        for id in self.records.children() {
            let Some(leg) = self.records.leg(id).filter(|leg| leg.is_connected()) else {
                continue;
            };
            // Who has only just come in has no time yet.
            let since = (leg.appearance.joined.unwrap_or(i64::MAX), id);
            if Some(id) != but && longest.is_none_or(|longest| since < longest) {
                longest = Some(since);
            }
        }
        longest.map(|(_, id)| id)
    }
}
