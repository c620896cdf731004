//! Requests inside a dialog of the session, and OPTIONS outside any: which procedure each goes to.

use std::net::IpAddr;

use super::{Activity, Session};
use crate::cpm::action::Action;
use crate::cpm::input::Arrival;
use crate::cpm::option_tags::check_require;
use crate::cpm::options_method::focus_lines;
use crate::cpm::outgoing_message::Answer;
use crate::cpm::records::ids::Id;
use crate::cpm::records::Leg;
use crate::cpm::refusal::Refusal;
use crate::sip::uri::Uri;
use crate::sip::{Method, Request, Tag};

impl Session<'_> {
    /// Any request but ACK inside the dialog that `holder` keeps. Its CSeq becomes the dialog's only when it
    /// is accepted, and not by OPTIONS: that needs no permission and changes nothing.
    pub(super) fn request_received(&mut self, holder: Id, arrival: &Arrival) -> Activity {
        let before = self.actions.len();
        let activity = self.carry_out_request(holder, arrival);
        let accepted = |action: &Action| matches!(action, Action::Answer(a) if a.code / 100 == 2);
        if arrival.request.method != Method::Options
            && self.actions.iter().skip(before).any(accepted)
        {
            self.take_cseq(holder, arrival);
        }
        activity
    }

    fn carry_out_request(&mut self, holder: Id, arrival: &Arrival) -> Activity {
        let request = &arrival.request;
        let method = &request.method;
        let early = |leg: &Leg| leg.is_pending() && leg.dialog.remote_tag.is_none();
        if *method == Method::Update && self.records.leg(holder).is_some_and(early) {
            self.early_update(holder, request);
            return Activity::Counts;
        }
        let (to_tag, contact) = match self.check_dialog(holder, arrival) {
            Ok(dialog) => dialog,
            Err(refusal) => {
                self.refuse(method, refusal);
                return Activity::Counts;
            }
        };
        let connected = self.records.leg(holder).map(|leg| leg.is_connected());
        let refers = self.records.refer(holder).is_some();
        let live = self.head.live;
        match (method, connected) {
            (Method::Bye, Some(_)) => self.bye_received(holder, request, to_tag),
            (Method::Invite | Method::Update, Some(_)) => {
                return self.offer_or_refresh_received(holder, request);
            }
            (Method::Refer, Some(true)) if live => self.refer_received(arrival, Some(holder)),
            (Method::Refer, None) if refers && live => self.refer_received(arrival, Some(holder)),
            (Method::Options, Some(true)) => self.answer_options(request, &contact, to_tag),
            (Method::Subscribe, _) => self.subscribe_in_dialog(holder, arrival),
            (
                Method::Bye | Method::Invite | Method::Update | Method::Refer | Method::Options,
                _,
            ) => self.refuse(method, Refusal::NoInviteDialog),
            _ => self.refuse(method, Refusal::MethodNotServed),
        }
        Activity::Counts
    }

    /// Whether the request is its dialog's, and in order (RFC 3261 section 12.2.2). Gives our tag and our
    /// Contact.
    fn check_dialog(&mut self, holder: Id, arrival: &Arrival) -> Result<(Tag, Uri), Refusal> {
        let request = &arrival.request;
        let dialog = self.records.dialog_mut(holder);
        let dialog = dialog.ok_or(Refusal::NoSuchDialog)?;
        // A target that has answered our INVITE may already send; that overtook the answer. Not so a BYE,
        // which waits for our ACK (RFC 3261 section 15).
        if dialog.remote_tag.is_none() && request.method != Method::Bye {
            return Err(Refusal::AnswerNotHere);
        }
        if dialog.remote_tag.as_ref() != Some(&request.from_tag) {
            return Err(Refusal::OtherFromTag);
        }
        // A dialog stays with the trusted peers, or with the address that it came by.
        if !arrival.trusted && !dialog.is_with(arrival.source.ip()) {
            return Err(Refusal::UntrustedPeer);
        }
        let ours = (dialog.local_tag.clone(), dialog.contact.clone());
        match dialog.is_in_order(request.cseq, arrival.read_at) {
            true => Ok(ours),
            false => Err(Refusal::CseqOutOfOrder),
        }
    }

    /// Whether the dialog that `holder` keeps is with that address.
    pub(super) fn is_with(&mut self, holder: Id, address: IpAddr) -> bool {
        let dialog = self.records.dialog_mut(holder);
        dialog.is_some_and(|dialog| dialog.is_with(address))
    }

    /// The request was authorised and accepted (RFC 3261 section 12.2.2).
    fn take_cseq(&mut self, holder: Id, arrival: &Arrival) {
        let now = (self.env.clock)();
        if let Some(dialog) = self.records.dialog_mut(holder) {
            dialog.take_cseq(arrival.request.cseq, arrival.read_at, now);
        }
    }

    /// OPTIONS to the focus or group, outside a dialog.
    pub(super) fn options_outside_dialog(&mut self, arrival: &Arrival) {
        let settings = self.env.settings;
        let contact = settings.contact_uri(&self.head.token, arrival.socket);
        let to_tag = self.env.tag();
        self.answer_options(&arrival.request, &contact, to_tag);
    }

    /// OPTIONS of the focus (RFC 4579 section 5.13).
    fn answer_options(&mut self, request: &Request, contact: &Uri, to_tag: Tag) {
        match check_require(request) {
            Ok(()) => self.answer(Answer::new(200, to_tag, focus_lines(contact))),
            Err(refusal) => self.refuse(&Method::Options, refusal),
        }
    }
}
