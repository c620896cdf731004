//! People who come in by themselves: INVITE to the group, the focus or our Contact (requirements
//! section 2.5).

use super::refer::Origin;
use super::subject::MAX_SUBJECT;
use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::client_forms::{fails_on_410, ClientForms};
use crate::cpm::cpm_identifiers::{contribution_id, identifier};
use crate::cpm::departure_reason::Departure;
use crate::cpm::header_lines::{HeaderLines, IN_REPLY_TO, SERVICE};
use crate::cpm::input::Arrival;
use crate::cpm::media::describe;
use crate::cpm::note::Note;
use crate::cpm::option_tags::{check_require_at_factory, requires_list_invite};
use crate::cpm::outgoing_message::Answer;
use crate::cpm::person::{identify, Person};
use crate::cpm::policy::{Action, Group};
use crate::cpm::recipient_list::carries_list;
use crate::cpm::records::ids::{Id, MergeKey};
use crate::cpm::records::leg::{Appearance, AwaitedAck};
use crate::cpm::records::sealed::Sealed;
use crate::cpm::records::{
    ByeCause, Dialog, Leg, LegProfile, LegState, Media, Record, SessionTimer,
};
use crate::cpm::refusal::{Denial, Refusal};
use crate::cpm::request_uri::leads_here;
use crate::cpm::session_timer_negotiation::{grant, Granted};
use crate::cpm::targets::{Purpose, Target, Targets};
use crate::cpm::time::SIXTY_FOUR_T1;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::uri::Uri;
use crate::sip::{Method, Request};

/// A joiner who may come in, and what it gets with its 200; decided before anything changes.
pub(super) struct Joiner {
    pub who: Person,
    contact: Uri,
    media: Media,
    /// Our SDP is an offer.
    offered: bool,
    granted: Option<Granted>,
    /// The subject that the session gets.
    renames: Option<String>,
}

impl Session<'_> {
    /// INVITE to the group URI, the focus URI or our Contact, outside a dialog.
    pub(super) fn invite_received(&mut self, arrival: &Arrival) {
        let admitted = self.admit_joiner(arrival, false).and_then(|joiner| {
            let called = self.members_to_call(&joiner.who);
            if let Some(targets) = &called {
                let admitted = self.admit_referrer(&joiner.who, Some(targets));
                admitted.map_err(|refusal| refusal.of(&joiner.who.who()))?;
            }
            Ok((joiner, called))
        });
        match admitted {
            Ok((joiner, called)) => {
                let who = joiner.who.clone();
                self.join(arrival, joiner);
                if let Some(targets) = called {
                    self.invite_listed(arrival, &who, &targets);
                }
            }
            Err(denial) => self.refuse(&Method::Invite, denial),
        }
    }

    /// Everything that may refuse a joiner, in order; nothing has changed yet.
    pub(super) fn admit_joiner(
        &mut self,
        arrival: &Arrival,
        at_factory: bool,
    ) -> Result<Joiner, Denial> {
        let request = &arrival.request;
        if self.is_merged(request) {
            return Err(Refusal::Merged.into());
        }
        let requires_no_list = match at_factory {
            true => check_require_at_factory(request).map(|()| false)?,
            false => self.check_list_invite_tag(request, true)?,
        };
        let mut who = identify(arrival, |uri| self.identity_of(uri))?;
        let shown = who.who();
        let denied = |refusal: Refusal| refusal.of(&shown);
        if who.uris.iter().any(|uri| leads_here(uri, self.env)) {
            return Err(denied(Refusal::FocusAsParticipant));
        }
        let known = self.records.member(&who.identities);
        who.participant = known.is_some();
        // Whoever is not to be named stays so in another dialog.
        let known = known.and_then(|id| self.records.leg(id));
        who.hidden = known.is_some_and(|leg| leg.hidden) || self.was_hidden(&who.identities);
        self.check_join(&who).map_err(denied)?;
        let renames = match requires_no_list && self.head.live {
            true => self.check_rename(request, &who).map_err(denied)?,
            false => None,
        };
        let joiner = self.joiner(arrival, who).map_err(denied)?;
        Ok(Joiner { renames, ..joiner })
    }

    /// A liblinphone that has been switched off and on has no dialog to change the subject in, so it comes in
    /// again with it. Other clients repeat the subject that they know, which means nothing.
    fn check_rename(&mut self, request: &Request, who: &Person) -> Result<Option<String>, Refusal> {
        let who = Person {
            participant: true,
            administrator: self.brings_role(&who.identities),
            ..who.clone()
        };
        self.check_subject(request, Some(who))
    }

    /// What the group document says of somebody who wants to come in, and whether there is room.
    fn check_join(&mut self, who: &Person) -> Result<(), Refusal> {
        if !self.may_rejoin(&who.identities) {
            return Err(Refusal::MayNotRejoin);
        }
        let verdict = self.permissions_of(who);
        // If a document grants this to anybody, nobody else may start a session (G3).
        let names_starters = |group: &Group| {
            let mut rules = group.rules.iter();
            rules.any(|rule| rule.grants.allow_initiate_conference)
        };
        let starts = self.before.is_none();
        if starts
            && !verdict.allows(Action::AllowInitiateConference)
            && self.group_document().is_some_and(names_starters)
        {
            return Err(self.not_permitted(Action::AllowInitiateConference));
        }
        if !verdict.allows(Action::JoinHandling) {
            return Err(self.not_permitted(Action::JoinHandling));
        }
        self.check_privacy(who, &verdict)?;
        if !who.participant && self.head.free_places() == 0 {
            return Err(Refusal::SessionFull);
        }
        Ok(())
    }

    /// The SDP and session timer for somebody who comes in: an answer to the offer, or our offer.
    pub(super) fn joiner(&mut self, arrival: &Arrival, who: Person) -> Result<Joiner, Refusal> {
        let request = &arrival.request;
        let settings = self.env.settings;
        let contact = request.contact();
        let contact = contact.ok_or_else(|| Refusal::malformed("Missing or malformed Contact"))?;
        let granted = grant(request, settings, None)?;
        let mut media = Media::new(self.env, arrival.socket);
        let described = describe(request, settings, &media)?;
        media.direction = described.shape.direction;
        media.shape = described.shape;
        Ok(Joiner {
            who,
            contact,
            media,
            offered: described.offered,
            granted,
            renames: None,
        })
    }

    /// 200 and a leg for somebody who was admitted.
    pub(super) fn join(&mut self, arrival: &Arrival, joiner: Joiner) {
        let request = &arrival.request;
        let settings = self.env.settings;
        if self.before.is_none() {
            self.take_names(request);
        }
        let who = joiner.who;
        if let Some(subject) = joiner.renames {
            self.change_subject(&who.who(), subject);
        }
        let contact = settings.contact_uri(&self.head.token, arrival.socket);
        let dialog = Dialog::formed_by(arrival, joiner.contact, self.env.tag(), contact);
        let profile = LegProfile {
            identities: who.identities.clone(),
            uri: who.uri.clone(),
            display_name: self.display_name(request, &who),
            subject: self.subject_told(request),
            referrer: None,
            formed_by: Some(MergeKey::of(request)),
        };
        let leg = Leg {
            profile: Sealed::new(profile),
            administrator: false,
            anonymous: who.anonymous,
            hidden: who.hidden,
            state: LegState::Connected,
            media: joiner.media,
            dialog,
            awaited_ack: Some(AwaitedAck {
                cseq: request.cseq,
                offered: joiner.offered,
                until: self.env.now + SIXTY_FOUR_T1,
            }),
            timer: SessionTimer::granted(settings, request, joiner.granted, self.env.now),
            subscriptions: Vec::new(),
            awaited_by: Vec::new(),
            asked_by: None,
            outgoing: None,
            list_invite: requires_list_invite(request) || carries_list(request),
            fails_on_410: fails_on_410(request),
            referred_before: false,
            forks: Vec::new(),
            appearance: Appearance::default(),
        };
        if self.before.is_none() && !self.head.live {
            self.start();
        }
        self.log(Level::Info, Note::JoinAccepted(who.who_ref()));
        let id = self.records.new_id();
        let headers = self.joiner_headers(&leg, joiner.granted);
        let mut answer = Answer::new(200, leg.dialog.local_tag.clone(), headers);
        answer.body = leg.media.text(settings);
        answer.connects = Some(id);
        self.answer(answer);
        let administrator = self.brings_role(&who.identities);
        // Several when what was known as two turns out to be one: a sip and a tel URI in one assertion.
        for known in &who.identities {
            if let Some(earlier) = self.records.member(std::slice::from_ref(known)) {
                self.replace(earlier);
            }
        }
        self.records.insert(id, Record::Leg(Box::new(leg)));
        if administrator {
            self.begin_with_role(id);
        }
        self.count_connected();
        self.count(Counter::JoinsAccepted, 1);
    }

    /// Takes the session's CPM identifiers and Subject from the INVITE that starts it, and what it shows of
    /// the creator's client.
    fn take_names(&mut self, request: &Request) {
        self.head.forms = ClientForms::shown_by(request);
        if let Some(id) = identifier(request, "Conversation-ID") {
            self.head.conversation_id = id;
        }
        if let Some(id) = contribution_id(request) {
            self.head.contribution_id = id;
        }
        self.head.in_reply_to = identifier(request, IN_REPLY_TO);
        if self.head.subject.is_none() {
            let subject = request.text("Subject");
            self.head.subject = subject.filter(|text| text.len() <= MAX_SUBJECT);
        }
    }

    fn start(&mut self) {
        self.head.live = true;
        self.count(Counter::Sessions, 1);
        let group = self.head.group.clone();
        let group = group.as_ref().map(|group| group.as_str());
        self.log(Level::Info, Note::SessionStarted { group });
    }

    /// Somebody who is in, or being invited, comes in through a new dialog: the new one counts.
    fn replace(&mut self, earlier: Id) {
        match self.records.leg(earlier).map(|leg| leg.is_connected()) {
            Some(true) => self.end_leg(earlier, ByeCause::Replaced),
            Some(false) => {
                self.settle_leg(earlier, 200, "OK");
                self.note_departure(earlier, Departure::replaced());
                self.withdraw(earlier);
            }
            None => {}
        }
    }

    fn joiner_headers(&self, leg: &Leg, granted: Option<Granted>) -> String {
        let lines = HeaderLines::new()
            .contact(&leg.dialog.contact)
            .capabilities()
            .focus_identity(&self.head.token, self.env.settings)
            .line("P-Asserted-Service", SERVICE)
            .line("Conversation-ID", &self.head.conversation_id)
            .line("Contribution-ID", &self.head.contribution_id)
            .maybe(IN_REPLY_TO, self.head.in_reply_to.as_deref())
            .maybe("Subject", self.head.subject.as_deref());
        Granted::header_lines(granted, lines)
            .line("Content-Type", SDP)
            .text()
    }

    /// Who is invited because this person starts the session: all other members, if the document says so
    /// (G3).
    fn members_to_call(&self, starter: &Person) -> Option<Targets> {
        let document = self.group_document().filter(|_| self.before.is_none());
        let group = document.filter(|group| group.invite_members)?;
        let others = group
            .members
            .iter()
            .filter(|member| !starter.identities.contains(&member.identity));
        let others: Vec<Target> = others.map(|m| Target::of(m.uri.clone())).collect();
        (!others.is_empty()).then(|| Targets::plain(Purpose::Invite, others))
    }

    /// Everybody on a list that came with an INVITE, by the steps 7 and 8 of a REFER.
    pub(super) fn invite_listed(&mut self, arrival: &Arrival, inviter: &Person, targets: &Targets) {
        self.open_trail(arrival);
        let origin = Origin {
            referred_by: self.referred_by(inviter, None),
            socket: Some(arrival.socket),
            cseq: arrival.request.cseq,
        };
        let order = self.new_invitation_list(inviter, targets, origin);
        self.invite_targets(order, inviter, targets);
    }

    /// The name of somebody who comes in: as its network says, or as it says itself under a URI that is its
    /// own.
    fn display_name(&self, request: &Request, who: &Person) -> Option<String> {
        let itself = who
            .identities
            .contains(&self.identity_of(&request.from().uri));
        let by_itself = || request.from().name().filter(|_| itself);
        let name = request.asserted_name().or_else(by_itself);
        name.filter(|_| !who.anonymous && !request.privacy().hides_name())
    }
}
