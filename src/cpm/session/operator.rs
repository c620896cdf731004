//! What an operator does to a session: invite, remove, end, drain (RPC `cpm.invite`, `cpm.remove`,
//! `cpm.end`, `cpm.drain`).

use super::refer::Origin;
use super::Session;
use crate::cpm::action::Level;
use crate::cpm::note::Note;
use crate::cpm::records::ByeCause;
use crate::cpm::redact::Who;
use crate::cpm::targets::{Purpose, Target, Targets};
use crate::sip::uri::Uri;

impl Session<'_> {
    /// Invites one person on the focus' own behalf. The group document still decides who may join.
    /// Gives the status a referrer would be told now: 100 while the INVITE is on its way.
    pub fn invite_by_operator(&mut self, target: &Uri) -> u16 {
        let who = Who::open(target.as_str());
        self.log(Level::Info, Note::OperatorInvites(who.to_ref()));
        let focus = self.person(&self.focus_uri());
        let targets = Targets::plain(Purpose::Invite, vec![Target::of(target.clone())]);
        let origin = Origin {
            referred_by: format!("<{}>", focus.uri),
            socket: None,
            cseq: 0,
        };
        let order = self.new_invitation_list(&focus, &targets, origin);
        self.invite_targets(order, &focus, &targets);
        let target = self.records.refer(order).and_then(|it| it.targets.first);
        let target = target.and_then(|target| self.records.target(target));
        let outcome = target.and_then(|target| target.outcome.as_ref());
        let status = outcome.map_or(100, |outcome| outcome.status);
        self.end_if_due();
        status
    }

    /// Takes one person out, as a REFER with method BYE would. 404: not in the session.
    pub fn remove_by_operator(&mut self, target: &Uri) -> u16 {
        let who = self.who_is_called(target);
        self.log(Level::Info, Note::OperatorRemoves(who.to_ref()));
        let focus = self.person(&self.focus_uri());
        let (status, _) = self.remove(&focus, target);
        self.end_if_due();
        status
    }

    fn who_is_called(&mut self, uri: &Uri) -> Who {
        let leg = self.member_called(uri);
        let known = leg.and_then(|id| self.who_of_leg(id));
        known.unwrap_or_else(|| Who::open(uri.as_str()))
    }

    /// Ends the session: BYE with cause 410 to everybody, and the NOTIFYs that are owed.
    pub fn end_by_operator(&mut self) {
        if self.head.live {
            self.log(Level::Info, Note::OperatorEnds);
            self.end(ByeCause::Gone);
        }
    }

    /// Ends the session because the server is about to stop.
    pub fn drain(&mut self) {
        if self.head.live {
            self.end(ByeCause::Gone);
        }
    }

    /// The time to stop is over: what is still owed is sent without waiting for answers, and the session
    /// is forgotten.
    pub fn give_up(&mut self) {
        self.drain();
        let mut owed = self.records.children();
        owed.retain(|id| !self.records.is_part(*id));
        self.log(Level::Warn, Note::GivenUp { owed: owed.len() });
        for id in owed.iter().copied() {
            self.release_notify(id);
        }
        for id in owed.iter().copied() {
            self.send_all_waiting(id);
        }
        for id in owed {
            self.remove_subscription(id);
            self.records.remove_whole(id);
        }
    }
}
