//! People who come by themselves: INVITE to the group or focus, BYE, OPTIONS.
//! Not here: people the focus invites (`super::invite`), what changes later (`super::offers`).

use super::admit::merge_name;
use super::board::Parting;
use super::{Session, Who};
use crate::cpm::action::{Action, Answer, Counter, Level};
use crate::cpm::answer::{Lines, Refusal, ACCEPT, SERVICE};
use crate::cpm::asked::{Purpose, Targets};
use crate::cpm::dialog::{ByeCause, Dialog, Waiting};
use crate::cpm::input::Arrival;
use crate::cpm::media::{describe, new_media};
use crate::cpm::policy::Group;
use crate::cpm::records::{AwaitedAck, Id, Leg, LegState, Media, Record};
use crate::cpm::route::{
    check_require, check_require_at_factory, contribution_id, identifier, identify, leads_here,
    IN_REPLY_TO,
};
use crate::cpm::settings::SIXTY_FOUR_T1;
use crate::cpm::text::Redacted;
use crate::cpm::timer::{self, Granted, Keepalive};
use crate::cpm::watch::Appearance;
use crate::sip::content_encoding::ACCEPT_ENCODING;
use crate::sip::identity::Identity;
use crate::sip::message::Request;
use crate::sip::uri::Uri;

/// Longest Subject taken over, in bytes.
const MAX_SUBJECT: usize = 512;

impl Session<'_> {
    /// INVITE to the group URI, the focus URI or our Contact, outside a dialog.
    pub(super) fn invite_received(&mut self, arrival: &Arrival) {
        let starts = self.before.is_none();
        match self.admit(arrival, false) {
            Ok((who, contact, body)) => {
                self.join(arrival, who.clone(), &contact, body);
                if starts {
                    self.invite_members(arrival, &who);
                }
            }
            Err(refusal) => self.refuse("INVITE", &refusal),
        }
    }

    /// Everything that may refuse a joiner, in order; nothing has changed yet.
    pub(super) fn admit(
        &mut self,
        arrival: &Arrival,
        at_factory: bool,
    ) -> Result<(Who, Uri, Body), Refusal> {
        let request = &arrival.request;
        if self.is_merged(request) {
            return Err(Refusal::new(482, "merged request"));
        }
        if at_factory {
            check_require_at_factory(request)?;
        } else {
            check_require(request)?;
        }
        let mut who = identify(arrival)?;
        // Our own INVITE, come back under a name we do not know as ours: two sessions would feed each other.
        if who.uris.iter().any(|uri| leads_here(uri, self.env)) {
            return Err(Refusal::new(403, "a focus is no participant").of(who.uri()));
        }
        who.participant = self.member(&who.identities).is_some();
        let may_return = self.may_return(&who.identities);
        let served = self.let_in(&who, may_return).and_then(|()| {
            let contact = request.contact();
            let contact =
                contact.ok_or_else(|| Refusal::bad_request("Missing or malformed Contact"))?;
            Ok((contact, self.media_for(arrival)?))
        });
        let (contact, body) = served.map_err(|refusal| refusal.of(who.uri()))?;
        Ok((who, contact, body))
    }

    /// A group whose document says so is called together when its session starts (G3).
    fn invite_members(&mut self, arrival: &Arrival, starter: &Who) {
        let Some(group) = self.policy().filter(|group| group.invite_members) else {
            return;
        };
        let others = group
            .members
            .iter()
            .filter(|member| !starter.identities.contains(&member.identity));
        let uris: Vec<Uri> = others.map(|member| member.uri.clone()).collect();
        if !uris.is_empty() {
            self.invite_listed(arrival, starter, &Targets::plain(Purpose::Invite, uris));
        }
    }

    /// What the group document says of somebody who wants to come in, and whether there is room.
    fn let_in(&self, who: &Who, may_return: bool) -> Result<(), Refusal> {
        let texts = &self.env.settings.warnings;
        if !may_return {
            return Err(
                Refusal::new(403, "removed, or never invited").warning(&texts.not_authorised)
            );
        }
        let allowed = self.decide(who).allowed;
        // A document that names who may start a session means it (requirements G3).
        let starts = self.before.is_none();
        let names_starters = |group: &Group| {
            group
                .rules
                .iter()
                .any(|rule| rule.grants.allow_initiate_conference)
        };
        if starts
            && !allowed.allow_initiate_conference
            && self.policy().is_some_and(|g| names_starters(&g))
        {
            return Err(Refusal::new(403, "policy: allow-initiate-conference")
                .warning(&texts.function_not_allowed));
        }
        if !allowed.join_handling {
            return Err(Refusal::new(403, "policy: join-handling").warning(&texts.not_authorised));
        }
        if who.anonymous && !allowed.allow_anonymity {
            return Err(Refusal::new(403, "policy: allow-anonymity").warning(&texts.anonymity));
        }
        if !who.participant && self.head.slots() == 0 {
            return Err(Refusal::new(486, "session is full").warning(&texts.too_many));
        }
        Ok(())
    }

    pub(super) fn is_merged(&self, request: &Request) -> bool {
        self.family.find(&merge_name(request)).is_some()
    }

    /// The SDP for whoever comes in: an answer to the offer, or our offer.
    pub(super) fn media_for(&self, arrival: &Arrival) -> Result<Body, Refusal> {
        let request = &arrival.request;
        let settings = self.env.settings;
        let granted = timer::grant(request, settings, None)?;
        let mut media = new_media(self.env, &arrival.socket);
        let described = describe(request, settings, &media)?;
        media.direction = described.shape.direction;
        media.shape = described.shape;
        Ok(Body {
            media,
            offered: described.offered,
            granted,
        })
    }

    pub(super) fn join(&mut self, arrival: &Arrival, who: Who, contact: &Uri, body: Body) {
        let request = &arrival.request;
        if self.before.is_none() {
            self.take_over(request);
        }
        let contact_uri = self
            .env
            .settings
            .contact_uri(&self.head.token, &arrival.socket);
        let dialog = Dialog::formed_by(
            request,
            contact,
            self.env.token(),
            arrival.socket.clone(),
            contact_uri,
        );
        let leg = Leg {
            identities: who.identities.clone(),
            uri: who.uri().to_owned(),
            display_name: display_name(request, &who),
            anonymous: who.anonymous,
            state: LegState::Connected,
            dialog,
            media: body.media,
            awaited_ack: Some(AwaitedAck {
                cseq: request.cseq,
                offered: body.offered,
                until: self.env.now + SIXTY_FOUR_T1,
            }),
            keepalive: Keepalive::granted(self.env.settings, request, body.granted, self.env.now),
            subscriptions: Vec::new(),
            watchers: Vec::new(),
            asked_by: None,
            referrer: None,
            outgoing: None,
            referred_before: false,
            formed_by: Some((request.from_tag.clone(), request.cseq)),
            forks: Vec::new(),
            appearance: Appearance::default(),
        };
        let headers = self.joiner_headers(&leg, body.granted);
        let sdp = leg.media.text(self.env.settings);
        let to_tag = leg.dialog.local_tag.clone();
        if self.before.is_none() && !self.head.live {
            self.start();
        }
        self.log(
            Level::Info,
            format!("INVITE accepted, joined from={}", Redacted(who.uri())),
        );
        let id = self.family.new_id();
        self.actions.push(Action::Answer(Answer {
            code: 200,
            reason: "OK".into(),
            to_tag,
            headers,
            body: sdp,
            connects: Some(id),
        }));
        // Several when what was known as two turns out to be one: a sip and a tel URI in one assertion.
        for known in &who.identities {
            if let Some(earlier) = self.member(std::slice::from_ref(known)) {
                self.replace(earlier);
            }
        }
        self.insert(id, Record::Leg(Box::new(leg)));
        self.connected();
        self.count(Counter::JoinsAccepted, 1);
    }

    /// The first one in names the conversation, if it brings names (CPM identifiers).
    fn take_over(&mut self, request: &Request) {
        if let Some(id) = identifier(request, "Conversation-ID") {
            self.head.conversation_id = id;
        }
        if let Some(id) = contribution_id(request) {
            self.head.contribution_id = id;
        }
        self.head.in_reply_to = identifier(request, IN_REPLY_TO);
        if self.head.subject.is_none() {
            self.head.subject = request
                .text("Subject")
                .filter(|text| text.len() <= MAX_SUBJECT);
        }
    }

    fn start(&mut self) {
        self.head.live = true;
        self.count(Counter::Sessions, 1);
        let of = match &self.head.group {
            Some(group) => format!("group={group}"),
            None => "ad hoc".to_owned(),
        };
        self.log(Level::Info, format!("session started {of}"));
    }

    /// Somebody who is in, or being invited, comes in through a new dialog: the new one counts.
    fn replace(&mut self, earlier: Id) {
        match self.leg(earlier).map(|leg| leg.is_connected()) {
            Some(true) => self.hang_up(earlier, ByeCause::Replaced),
            Some(false) => {
                self.settle_watchers(earlier, 200, "OK");
                self.parts(earlier, Parting::replaced());
                self.withdraw(earlier);
            }
            None => {}
        }
    }

    fn joiner_headers(&self, leg: &Leg, granted: Option<Granted>) -> String {
        let focus = format!("<sip:{}@{}>", self.head.token, self.env.settings.domain);
        let lines = Lines::new()
            .contact(&leg.dialog.contact)
            .capabilities()
            .line("P-Asserted-Identity", &focus)
            .line("P-Asserted-Service", SERVICE)
            .line("Conversation-ID", &self.head.conversation_id)
            .line("Contribution-ID", &self.head.contribution_id)
            .maybe(IN_REPLY_TO, self.head.in_reply_to.as_deref())
            .maybe("Subject", self.head.subject.as_deref());
        Granted::say(granted, lines)
            .line("Content-Type", "application/sdp")
            .text()
    }

    /// Our 2xx was never acknowledged (RFC 3261 section 13.3.1.4): the dialog ends by BYE.
    pub(super) fn ack_missing(&mut self, id: Id) {
        let Some(leg) = self.leg_mut(id) else { return };
        leg.awaited_ack = None;
        let who = leg.uri.clone();
        let connected = leg.is_connected();
        self.log(
            Level::Warn,
            format!("no ACK within 32 s from={}", Redacted(&who)),
        );
        if connected {
            self.hang_up(id, ByeCause::NoAck);
        } else {
            self.pump(id);
        }
    }

    /// The 2xx that let somebody in did not leave: as if it had never been decided.
    pub(super) fn answer_failed(&mut self, id: Id) {
        let Some(leg) = self.leg_mut(id) else { return };
        leg.awaited_ack = None;
        // A BYE that waited for the ACK has nothing to end.
        leg.dialog.waiting.clear();
        if !leg.is_connected() {
            return;
        }
        leg.state = LegState::Left;
        self.disconnected();
        self.log(
            Level::Warn,
            "the answer to an INVITE could not be sent".into(),
        );
    }

    /// BYE: the participant leaves. Its dialog lives on for NOTIFYs it was promised (N11).
    pub(super) fn bye_received(&mut self, id: Id, request: &Request, to_tag: String) {
        let Some(leg) = self.leg_mut(id) else { return };
        let identities = leg.identities.clone();
        let who = leg.uri.clone();
        let was_in = leg.is_connected();
        // Ours is under way or waits for its turn; then theirs is enough.
        let is_bye = |what: &Waiting| matches!(what, Waiting::Bye(_));
        let sent = leg.dialog.in_flight.is_some_and(|r| is_bye(&r.what));
        let crossed = sent || leg.dialog.waiting.iter().any(is_bye);
        if !was_in && !crossed {
            return self.refuse(
                "BYE",
                &Refusal::new(481, "the participant has left already").of(&who),
            );
        }
        leg.dialog.waiting.retain(|what| !is_bye(what));
        leg.awaited_ack = None;
        leg.state = LegState::Left;
        self.actions.push(Action::Answer(Answer {
            code: 200,
            reason: "OK".into(),
            to_tag,
            ..Answer::default()
        }));
        self.parts(id, Parting::departed());
        if was_in {
            self.disconnected();
            if leaves_for_good(request) {
                self.forget(&identities);
            }
            self.log(Level::Info, format!("BYE, left from={}", Redacted(&who)));
        }
        self.pump(id);
    }

    /// OPTIONS on the focus (RFC 4579 section 5.13).
    pub(super) fn options_received(&mut self, request: &Request, contact: &str, to_tag: String) {
        if let Err(refusal) = check_require(request) {
            return self.refuse("OPTIONS", &refusal);
        }
        let headers = Lines::new()
            .contact(contact)
            .capabilities()
            .line("Accept", ACCEPT)
            .line("Accept-Encoding", ACCEPT_ENCODING)
            .text();
        self.actions.push(Action::Answer(Answer {
            code: 200,
            reason: "OK".into(),
            to_tag,
            headers,
            ..Answer::default()
        }));
    }
}

/// What a joiner gets with its 200, decided before anything changes.
pub(super) struct Body {
    media: Media,
    /// The SDP is an offer.
    offered: bool,
    granted: Option<Granted>,
}

/// What to call whoever comes in: as its network says, or as it says itself under a name that is its own.
fn display_name(request: &Request, who: &Who) -> Option<String> {
    let itself = who.identities.contains(&Identity::of(&request.from.uri));
    let by_itself = || request.from.name().filter(|_| itself);
    let name = request.asserted_name().or_else(by_itself);
    name.filter(|_| !who.anonymous && !request.privacy().hides_name())
}

/// G6: RCS clients say by `Reason: SIP;cause=200` that they leave the group; without it they are only away.
fn leaves_for_good(request: &Request) -> bool {
    request.list("Reason").iter().any(|reason| {
        let text = String::from_utf8_lossy(reason).to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        parts.next() == Some("sip") && parts.any(|part| part.replace(' ', "") == "cause=200")
    })
}
