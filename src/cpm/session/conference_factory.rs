//! Ad-hoc sessions: INVITE to the conference factory with a recipient list (RFC 5366, G1).

use super::join::Joiner;
use super::Session;
use crate::cpm::action::Level;
use crate::cpm::input::Arrival;
use crate::cpm::note::Note;
use crate::cpm::option_tags::check_require_at_factory;
use crate::cpm::person::{identify, Person};
use crate::cpm::policy::Action;
use crate::cpm::recipient_list::read_recipients;
use crate::cpm::refusal::{Denial, Refusal};
use crate::cpm::targets::{Purpose, Targets};
use crate::sip::identity::Identity;
use crate::sip::{Method, Request};

impl Session<'_> {
    /// INVITE to the factory: a new session.
    pub(super) fn factory_invite_received(&mut self, arrival: &Arrival) {
        let (joiner, targets) = match self.admit_creator(arrival) {
            Ok(admitted) => admitted,
            Err(denial) => return self.refuse(&Method::Invite, denial),
        };
        let creator = joiner.who.clone();
        self.head.creator = creator.identities.clone();
        self.join(arrival, joiner);
        self.remember(&creator.identities);
        let listed: Vec<Identity> = targets.uris().map(|uri| self.identity_of(uri)).collect();
        self.remember(&listed);
        let count = targets.list.len();
        self.log(Level::Info, Note::ListedUsers(count));
        self.invite_listed(arrival, &creator, &targets);
    }

    /// INVITE to the factory with the Contribution-ID of a living session: whoever belongs there comes
    /// back in, and those who are listed and missing are invited again (G5).
    pub(super) fn restart_received(&mut self, arrival: &Arrival) {
        let admitted = self.admit_joiner(arrival, true).and_then(|joiner| {
            let listed = self.recipients(&arrival.request).transpose();
            let listed = listed.and_then(|listed| match listed {
                Some(targets) => {
                    let admitted = self.admit_referrer(&joiner.who, Some(&targets));
                    admitted.map(|()| Some(targets))
                }
                None => Ok(None),
            });
            let listed = listed.map_err(|refusal| refusal.of(&joiner.who.who()))?;
            Ok((joiner, listed))
        });
        let (joiner, listed) = match admitted {
            Ok(admitted) => admitted,
            Err(denial) => return self.refuse(&Method::Invite, denial),
        };
        let mut inviter = joiner.who.clone();
        self.join(arrival, joiner);
        self.add_what_session_knows(&mut inviter);
        let verdict = self.permissions_of(&inviter);
        let may_invite = verdict.allows(Action::AllowInviteUsersDynamically);
        if let Some(targets) = listed.filter(|_| may_invite) {
            self.invite_listed(arrival, &inviter, &targets);
        }
    }

    /// Everything that may refuse a creator, in the order of a REFER's procedure.
    fn admit_creator(&mut self, arrival: &Arrival) -> Result<(Joiner, Targets), Denial> {
        let request = &arrival.request;
        if self.is_merged(request) {
            return Err(Refusal::Merged.into());
        }
        check_require_at_factory(request)?;
        let mut who = identify(arrival, |uri| self.identity_of(uri))?;
        who.participant = true;
        who.creator = true;
        self.log_referrer(&who);
        let shown = who.who();
        let admitted = self.check_creation(&who, request).and_then(|targets| {
            let joiner = self.joiner(arrival, who)?;
            Ok((joiner, targets))
        });
        admitted.map_err(|refusal| refusal.of(&shown))
    }

    /// Whether somebody may create a session, and with whom.
    fn check_creation(&mut self, who: &Person, request: &Request) -> Result<Targets, Refusal> {
        let verdict = self.permissions_of(who);
        let initiate = Action::AllowInitiateConference;
        if !verdict.allows(initiate) || !verdict.allows(Action::JoinHandling) {
            return Err(Refusal::AdHocPolicy(initiate));
        }
        if who.anonymous && !verdict.allows(Action::AllowAnonymity) {
            return Err(Refusal::AdHocPolicy(Action::AllowAnonymity));
        }
        let targets = self.recipients(request).ok_or(Refusal::NobodyToInvite)??;
        let creator_only = targets
            .uris()
            .all(|target| who.identities.contains(&self.identity_of(target)));
        match creator_only {
            true => Err(Refusal::NobodyToInvite),
            false => {
                let admitted = self.admit_referrer(who, Some(&targets));
                admitted.map(|()| targets)
            }
        }
    }

    /// The list in an INVITE to the factory, if there is one: it invites, and is not too long.
    fn recipients(&mut self, request: &Request) -> Option<Result<Targets, Refusal>> {
        let most = self.env.settings.max_refer_targets as usize;
        let read = read_recipients(request, most, &|uri| self.identity_of(uri))?;
        Some(read.and_then(|targets| {
            if targets.purpose != Purpose::Invite {
                return Err(Refusal::malformed("A list of an INVITE invites"));
            }
            self.check_quirks(&targets.quirks)?;
            self.check_size(&targets)?;
            Ok(targets)
        }))
    }
}
