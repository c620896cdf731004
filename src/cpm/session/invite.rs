//! Step 8: an INVITE from the focus to one target, and what becomes of it.
//! Not here: whom to invite (`super::refer`).

use std::collections::VecDeque;

use super::board::Parting;
use super::Session;
use crate::cpm::action::{Action, Counter, Level, Method, Outgoing, Transaction};
use crate::cpm::answer::{Lines, SERVICE};
use crate::cpm::dialog::{ByeCause, Dialog};
use crate::cpm::media::{accepted, new_media};
use crate::cpm::records::{Attempt, Id, Leg, LegState, Record, Refer};
use crate::cpm::settings::LOST_REQUEST;
use crate::cpm::timer::Keepalive;
use crate::cpm::watch::Appearance;
use crate::sip::identity::Identity;
use crate::sip::multipart::{self, NewPart};
use crate::sip::name_addr::NameAddr;
use crate::sip::resource_list;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;
use crate::sip::Response;

/// How many further 2xx of one INVITE are remembered; more than that no proxy forks.
const MAX_FORKS: usize = 16;

/// Longest Retry-After that is waited for, seconds.
const LONGEST_RETRY: u32 = 30;
/// Most reliable provisional answers acknowledged per INVITE.
const MAX_PRACKS: usize = 32;
/// Longest To-tag of an answer; RFC 3261 section 19.3 wants 32 bits of randomness in it.
const MAX_TAG: usize = 256;

/// INVITEs of one fan-out that leave at once; the rest follow at `invite_rate`.
const BURST: u32 = 10;

impl Session<'_> {
    /// Commits the leg as being invited, the `nth` (from 0) of the fan-out of `refer`, and asks for its
    /// INVITE to be sent, now or in its turn.
    pub(super) fn invite(&mut self, refer: Id, index: u32, target: &Uri, nth: u32) -> Id {
        let settings = self.env.settings;
        let (arrived, referrer) = match self.refer(refer) {
            Some(refer) => {
                let named = (!refer.anonymous).then(|| refer.referrer.clone());
                (refer.socket.clone(), named)
            }
            None => (None, None),
        };
        let next_hop = settings
            .orig_route
            .first()
            .and_then(|route| NameAddr::parse(route.as_bytes()).ok())
            .map_or_else(|| target.clone(), |route| route.uri);
        let socket = settings.socket_towards(&next_hop, arrived.as_ref());
        let call_id = format!("{}@{}", self.env.token(), settings.domain);
        let dialog = Dialog {
            local_tag: self.env.tag_for(&call_id),
            call_id,
            remote_tag: None,
            local: self.focus_uri(),
            remote: target.as_str().to_owned(),
            remote_target: target.as_str().to_owned(),
            route_set: settings.orig_route.clone(),
            local_cseq: 0,
            remote_cseq: None,
            skipped: Vec::new(),
            contact: settings.contact_uri(&self.head.token, &socket),
            socket,
            in_flight: None,
            waiting: VecDeque::new(),
        };
        let identity = Identity::of(target);
        let turn = nth.saturating_sub(BURST - 1);
        let wait = u64::from(turn) * 1000 / u64::from(settings.invite_rate.max(1));
        let wait = if settings.invite_rate == 0 { 0 } else { wait };
        let leg = Leg {
            identities: vec![identity.clone()],
            uri: target.as_str().to_owned(),
            anonymous: false,
            state: LegState::Waiting {
                at: self.env.now + wait,
            },
            media: new_media(self.env, &dialog.socket),
            dialog,
            awaited_ack: None,
            keepalive: Keepalive::new(settings),
            subscriptions: Vec::new(),
            watchers: Vec::new(),
            asked_by: self.refer(refer).map(|refer| refer.label),
            referrer,
            outgoing: Some(Attempt {
                refer,
                index,
                cseq: 0,
                retried: false,
                acknowledged: Vec::new(),
            }),
            referred_before: false,
            formed_by: None,
            forks: Vec::new(),
            appearance: Appearance::default(),
        };
        self.remember(std::slice::from_ref(&identity));
        self.unban(std::slice::from_ref(&identity));
        let id = self.add(Record::Leg(Box::new(leg)));
        self.head.pending = self.head.pending.saturating_add(1);
        if wait == 0 {
            self.send_invite(id);
        }
        id
    }

    /// The INVITE of a leg whose turn it is.
    pub(super) fn send_invite(&mut self, id: Id) {
        let ring_until = self.env.now + self.env.settings.invite_timeout;
        let Some(leg) = self.leg(id) else { return };
        let (LegState::Waiting { .. }, Some(attempt)) = (leg.state, leg.outgoing.as_ref()) else {
            return;
        };
        let (refer, index) = (attempt.refer, attempt.index);
        let Some(refer) = self.refer(refer).cloned() else {
            return self.invite_failed(id, 500, reason_phrase(500));
        };
        let settings = self.env.settings;
        let Some(leg) = self.leg(id) else { return };
        let offer = leg.media.text(settings);
        let timer = leg.keepalive.ask(Lines::new(), settings).text();
        let contact = leg.dialog.contact.clone();
        let (kind, body) = match &refer.history {
            None => ("application/sdp".to_owned(), offer),
            Some(history) => multipart::build(&[
                NewPart {
                    kind: "application/sdp",
                    disposition: None,
                    body: &offer,
                },
                NewPart {
                    kind: resource_list::CONTENT_TYPE,
                    disposition: Some(resource_list::HISTORY_DISPOSITION),
                    body: history,
                },
            ]),
        };
        let replaces = refer
            .targets
            .get(index as usize)
            .and_then(|aim| aim.session_replaces.clone());
        let headers = self.invite_headers(&refer, &contact, &kind)
            + &timer
            + &Lines::new()
                .maybe("Session-Replaces", replaces.as_deref())
                .text();
        let Some(leg) = self.leg_mut(id) else { return };
        leg.state = LegState::Inviting {
            transaction: None,
            ringing: false,
            ring_until,
        };
        let request = leg.dialog.request(id, Method::Invite, headers, body);
        if let Some(attempt) = &mut leg.outgoing {
            attempt.cseq = request.cseq;
        }
        let target = leg.uri.clone();
        self.count(Counter::InvitesSent, 1);
        self.note_leg(id, Level::Info, |show| {
            format!("INVITE to {}", show.who(&target))
        });
        self.actions.push(Action::Send(Box::new(request)));
    }

    pub(super) fn focus_uri(&self) -> String {
        format!("sip:{}@{}", self.head.token, self.env.settings.domain)
    }

    /// The table of requirements section 2.3; what tm adds itself is left out.
    fn invite_headers(&self, refer: &Refer, contact: &str, content_type: &str) -> String {
        let settings = self.env.settings;
        let icsi =
            "*;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group\"";
        let charging = format!(
            "icid-value=\"{}\";orig-ioi=\"{}\"",
            self.env.token(),
            settings.domain
        );
        Lines::new()
            .contact(contact)
            .line("Accept-Contact", icsi)
            .line("P-Asserted-Service", SERVICE)
            .line("P-Asserted-Identity", &format!("<{}>", self.focus_uri()))
            .maybe("Privacy", refer.anonymous.then_some("id"))
            .line("P-Charging-Vector", &charging)
            .line("Referred-By", &refer.referred_by)
            .line("Conversation-ID", &self.head.conversation_id)
            .line("Contribution-ID", &self.head.contribution_id)
            .maybe("Subject", self.head.subject.as_deref())
            .capabilities()
            .line("Accept", "application/sdp")
            // RFC 3261 section 13.3.1: how long the invitation is worth answering.
            .line(
                "Expires",
                &settings.invite_timeout.div_ceil(1000).max(1).to_string(),
            )
            .line("Content-Type", content_type)
            .text()
    }

    /// The INVITE left; a withdrawal that came before is made good now.
    pub(super) fn invite_sent(&mut self, id: Id, sent: Transaction) {
        let Some(leg) = self.leg_mut(id) else { return };
        match &mut leg.state {
            LegState::Inviting { transaction, .. } => *transaction = Some(sent),
            LegState::Withdrawn { transaction, .. } if transaction.is_none() => {
                *transaction = Some(sent);
                self.actions.push(Action::Cancel {
                    owner: id,
                    transaction: sent,
                });
            }
            // A re-INVITE of ours.
            LegState::Connected => self.refreshes_only = true,
            LegState::Withdrawn { .. } | LegState::Waiting { .. } | LegState::Left => {}
        }
    }

    pub(super) fn invite_answered(&mut self, id: Id, response: &Response, trusted: bool) {
        let attempt = self.leg(id).and_then(|leg| leg.outgoing.as_ref());
        if attempt.is_none_or(|attempt| attempt.cseq != response.cseq) {
            return;
        }
        // The refusal that brought this second attempt about, once more, or what came before it.
        let waits = |leg: &Leg| matches!(leg.state, LegState::Waiting { .. });
        if response.status / 100 != 2 && self.leg(id).is_some_and(waits) {
            return;
        }
        match response.status {
            100..=199 => self.invite_progressed(id, response),
            200..=299 => self.invite_accepted(id, response, trusted),
            _ if self.invite_again(id, response) => {}
            _ => self.invite_failed(id, response.status, &response.reason),
        }
    }

    fn invite_progressed(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.leg(id) else { return };
        if !leg.is_pending() || response.status == 100 || response.status == 199 {
            return;
        }
        let watchers = leg.watchers.clone();
        self.acknowledge_provisional(id, response);
        if let Some(LegState::Inviting { ringing, .. }) = self.leg_mut(id).map(|leg| &mut leg.state)
        {
            *ringing = true;
        }
        let (status, who) = (response.status, self.leg_uri(id));
        self.note_leg(id, Level::Debug, |show| {
            format!("{} answered {status}", show.who(&who))
        });
        for refer in watchers {
            self.progress(refer, id, response.status, &response.reason);
        }
    }

    /// RFC 3262 section 4: a reliable provisional answer gets its PRACK, once, in its own early dialog.
    fn acknowledge_provisional(&mut self, id: Id, response: &Response) {
        let reliable = response.tokens("Require").iter().any(|tag| tag == "100rel");
        let (true, Some(rseq), Some(tag)) =
            (reliable, response.seconds("RSeq"), usable_tag(response))
        else {
            return;
        };
        let Some(leg) = self.leg_mut(id) else { return };
        let Some(attempt) = &mut leg.outgoing else {
            return;
        };
        let seen = (tag.clone(), rseq);
        if attempt.acknowledged.contains(&seen) || attempt.acknowledged.len() >= MAX_PRACKS {
            return;
        }
        attempt.acknowledged.push(seen);
        let rack = format!("{rseq} {} INVITE", response.cseq);
        let mut early = leg.dialog.clone();
        establish(&mut early, tag, response);
        let headers = Lines::new().line("RAck", &rack).text();
        let prack = early.request(id, Method::Prack, headers, Vec::new());
        leg.dialog.local_cseq = early.local_cseq;
        self.actions.push(Action::Send(Box::new(Outgoing {
            owner: None,
            ..prack
        })));
    }

    /// Asks for a longer session where a 422 wants one. A server that is only busy for a moment is
    /// asked once more (requirements section 2.3).
    fn invite_again(&mut self, id: Id, response: &Response) -> bool {
        let wait = match (response.status, response.retry_after()) {
            (491 | 500 | 503, Some(seconds)) if seconds <= LONGEST_RETRY => {
                u64::from(seconds) * 1000
            }
            // RFC 3261 section 14.1: 2.1 to 4 s for the owner of the Call-ID.
            (491, None) => 2_100,
            (422, _) => 0,
            _ => return false,
        };
        let at = self.env.now + wait;
        let Some(leg) = self.leg_mut(id) else {
            return false;
        };
        let (LegState::Inviting { .. }, Some(attempt)) = (leg.state, &mut leg.outgoing) else {
            return false;
        };
        // RFC 4028 section 7.3: a longer interval, in a new INVITE of the same Call-ID.
        let allowed = match response.status {
            422 => leg.keepalive.raise(response.seconds("Min-SE")),
            _ => !std::mem::replace(&mut attempt.retried, true),
        };
        if !allowed {
            return false;
        }
        leg.state = LegState::Waiting { at };
        let (who, status) = (leg.uri.clone(), response.status);
        self.note_leg(id, Level::Info, |show| {
            let who = show.who(&who);
            format!("{who} answered {status}: once more in {wait} ms")
        });
        if wait == 0 {
            self.send_invite(id);
        }
        true
    }

    /// Every 2xx gets its ACK; only the first one of an INVITE still wanted makes a participant.
    fn invite_accepted(&mut self, id: Id, response: &Response, trusted: bool) {
        let Some(tag) = usable_tag(response) else {
            return self.note_leg(id, Level::Warn, |_| {
                "2xx without usable To-tag ignored".into()
            });
        };
        let Some(leg) = self.leg(id) else { return };
        match &leg.dialog.remote_tag {
            Some(known) if *known == tag => {
                let ack = leg.dialog.ack(response.cseq, String::new());
                self.actions.push(Action::Send(Box::new(ack)));
            }
            Some(_) => self.end_fork(id, tag, response),
            None => self.dialog_confirmed(id, tag, response, trusted),
        }
    }

    fn dialog_confirmed(&mut self, id: Id, tag: String, response: &Response, trusted: bool) {
        let Some(leg) = self.leg_mut(id) else { return };
        establish(&mut leg.dialog, tag, response);
        let ack = leg.dialog.ack(response.cseq, String::new());
        let wanted = leg.is_pending();
        let who = leg.uri.clone();
        self.actions.push(Action::Send(Box::new(ack)));
        if !wanted {
            self.note_leg(id, Level::Info, |show| {
                format!("2xx of {} crossed our CANCEL: BYE", show.who(&who))
            });
            return self.hang_up(id, ByeCause::Replaced);
        }
        let answer = accepted(&response.body);
        self.head.pending = self.head.pending.saturating_sub(1);
        let direction = match answer {
            Ok(direction) => direction,
            Err(why) => {
                self.count(Counter::InvitesFailed, 1);
                self.note_leg(id, Level::Info, |show| {
                    let who = show.who(&who);
                    format!("{who} answered with SDP that cannot be used ({why}): BYE")
                });
                self.settle_watchers(id, 488, reason_phrase(488));
                return self.hang_up(id, ByeCause::NotAcceptable);
            }
        };
        let now = self.env.now;
        if let Some(leg) = self.leg_mut(id) {
            leg.state = LegState::Connected;
            leg.media.direction = direction;
            leg.keepalive.agree(response, now);
        }
        if trusted {
            self.learn_identities(id, response);
        }
        self.connected();
        self.count(Counter::InvitesAccepted, 1);
        self.note_leg(id, Level::Info, |show| format!("{} joined", show.who(&who)));
        self.settle_watchers(id, response.status, &response.reason);
    }

    /// R1.3b: what the answerer's network asserts is one more name of the participant, unless it is another's.
    fn learn_identities(&mut self, id: Id, response: &Response) {
        for uri in response.asserted_identities() {
            let identity = Identity::of(&uri);
            if self.member(std::slice::from_ref(&identity)).is_none() {
                if let Some(leg) = self.leg_mut(id) {
                    leg.identities.push(identity);
                }
            }
        }
    }

    /// RFC 3261 section 13.2.2.4: a further 2xx is a dialog of its own: ACK, then BYE; the first one stays.
    fn end_fork(&mut self, id: Id, tag: String, response: &Response) {
        let Some(leg) = self.leg_mut(id) else { return };
        let known = leg.forks.contains(&tag);
        let mut fork = leg.dialog.clone();
        fork.local_cseq = response.cseq;
        establish(&mut fork, tag.clone(), response);
        let ack = fork.ack(response.cseq, String::new());
        let bye = Outgoing {
            owner: None,
            ..fork.request(id, Method::Bye, ByeCause::Replaced.header(), Vec::new())
        };
        if !known && leg.forks.len() < MAX_FORKS {
            leg.forks.push(tag);
        }
        self.actions.push(Action::Send(Box::new(ack)));
        if !known {
            let line = "a second 2xx of one INVITE: ACK, BYE";
            self.note_leg(id, Level::Info, |_| line.into());
            self.actions.push(Action::Send(Box::new(bye)));
        }
    }

    pub(super) fn invite_failed(&mut self, id: Id, status: u16, reason: &str) {
        let Some(leg) = self.leg_mut(id) else { return };
        let was_pending = leg.is_pending();
        if leg.is_connected() || leg.state == LegState::Left {
            return;
        }
        leg.state = LegState::Left;
        let who = leg.uri.clone();
        if was_pending {
            self.head.pending = self.head.pending.saturating_sub(1);
            self.count(Counter::InvitesFailed, 1);
            self.note_leg(id, Level::Info, |show| {
                format!("{} not reached: {status}", show.who(&who))
            });
            self.settle_watchers(id, status, reason);
            self.parts(id, Parting::failed(status, reason));
        }
    }

    /// The target did not answer in time: CANCEL, and 408 is the result.
    pub(super) fn rang_too_long(&mut self, id: Id) {
        let who = self.leg_uri(id);
        self.count(Counter::InvitesFailed, 1);
        self.note_leg(id, Level::Info, |show| {
            format!("{} did not answer in time: CANCEL", show.who(&who))
        });
        self.settle_watchers(id, 408, reason_phrase(408));
        self.parts(id, Parting::failed(408, reason_phrase(408)));
        self.withdraw(id);
    }

    fn leg_uri(&mut self, id: Id) -> String {
        self.leg(id).map(|leg| leg.uri.clone()).unwrap_or_default()
    }

    /// We do not want this INVITE any more. A 2xx may still cross; then ACK and BYE.
    pub(super) fn withdraw(&mut self, id: Id) {
        let until = self.env.now + LOST_REQUEST;
        let Some(leg) = self.leg_mut(id) else { return };
        let transaction = match leg.state {
            LegState::Inviting { transaction, .. } => transaction,
            LegState::Waiting { .. } => {
                leg.state = LegState::Left;
                self.head.pending = self.head.pending.saturating_sub(1);
                return;
            }
            LegState::Connected | LegState::Withdrawn { .. } | LegState::Left => return,
        };
        leg.state = LegState::Withdrawn { transaction, until };
        self.head.pending = self.head.pending.saturating_sub(1);
        if let Some(transaction) = transaction {
            self.actions.push(Action::Cancel {
                owner: id,
                transaction,
            });
        }
    }

    /// Tells every REFER that waits for this leg.
    pub(super) fn settle_watchers(&mut self, id: Id, status: u16, reason: &str) {
        let Some(leg) = self.leg_mut(id) else { return };
        for refer in std::mem::take(&mut leg.watchers) {
            let Some(record) = self.refer(refer) else {
                continue;
            };
            let aims = (0u32..).zip(&record.targets);
            let mine: Vec<u32> = aims
                .filter(|(_, aim)| aim.leg == Some(id))
                .map(|(at, _)| at)
                .collect();
            for index in mine {
                self.settle(refer, index, status, reason);
            }
        }
    }
}

/// The To-tag. Forked answers bring many, which are all remembered: not at any length.
fn usable_tag(response: &Response) -> Option<String> {
    let tag = response.to_tag.clone()?;
    (tag.len() <= MAX_TAG).then_some(tag)
}

/// The state of a dialog from the 2xx to our INVITE (RFC 3261 section 12.1.2).
fn establish(dialog: &mut Dialog, tag: String, response: &Response) {
    dialog.remote_tag = Some(tag);
    dialog.refresh_target(response.contact());
    dialog.route_set = response.record_route();
    dialog.route_set.reverse();
}
