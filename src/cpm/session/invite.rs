//! Step 8: an INVITE from the focus to one target, sent in its turn, withdrawn when nobody wants it any more.
//! Not here: whom to invite (`super::refer`) and what the target answers (`super::outcome`).

use std::collections::VecDeque;

use super::board::Parting;
use super::Session;
use crate::cpm::action::{Action, Counter, Level, Method, Transaction};
use crate::cpm::answer::{Lines, SERVICE};
use crate::cpm::dialog::Dialog;
use crate::cpm::media::new_media;
use crate::cpm::records::{Attempt, Id, Leg, LegState, Record, Refer};
use crate::cpm::route::IN_REPLY_TO;
use crate::cpm::settings::LOST_REQUEST;
use crate::cpm::timer::Keepalive;
use crate::cpm::watch::Appearance;
use crate::sip::identity::Identity;
use crate::sip::multipart::{self, NewPart};
use crate::sip::name_addr::NameAddr;
use crate::sip::resource_list;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

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
            acknowledging: None,
            waiting: VecDeque::new(),
        };
        let identity = Identity::of(target);
        let turn = nth.saturating_sub(BURST - 1);
        let wait = u64::from(turn) * 1000 / u64::from(settings.invite_rate.max(1));
        let wait = if settings.invite_rate == 0 { 0 } else { wait };
        let leg = Leg {
            identities: vec![identity.clone()],
            uri: target.as_str().to_owned(),
            display_name: None,
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
                early: Vec::new(),
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
            attempt.early.clear();
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
            .maybe(IN_REPLY_TO, self.head.in_reply_to.as_deref())
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
    pub(super) fn invite_sent(&mut self, id: Id, cseq: u32, sent: Transaction) {
        let Some(leg) = self.leg_mut(id) else { return };
        let attempt = leg.outgoing.as_ref();
        if attempt.is_some_and(|attempt| attempt.cseq > cseq) {
            // Its refusal was faster than this, and another one is on its way already.
            return;
        }
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

    pub(super) fn leg_uri(&mut self, id: Id) -> String {
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
