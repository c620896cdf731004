//! Sessions made on the spot: INVITE to the conference factory with a recipient list (RFC 5366, G1).
//! Not here: inviting the listed users, which is what a REFER does (`super::refer`).

use super::join::Body;
use super::refer::Order;
use super::{Session, Who};
use crate::cpm::action::Level;
use crate::cpm::answer::Refusal;
use crate::cpm::asked::{read_recipients, Purpose, Targets};
use crate::cpm::input::Arrival;
use crate::cpm::route::{check_require_at_factory, identify};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;
use crate::sip::Request;

impl Session<'_> {
    /// INVITE to the factory.
    pub(super) fn factory_invite_received(&mut self, arrival: &Arrival) {
        let (who, contact, body, targets) = match self.admit_creator(arrival) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse("INVITE", &refusal),
        };
        self.head.creator = who.identities.clone();
        self.join(arrival, who.clone(), &contact, body);
        self.remember(&who.identities);
        let listed: Vec<Identity> = targets.identities().collect();
        self.remember(&listed);
        self.log(
            Level::Info,
            format!("created with {} listed users", targets.wanted.len()),
        );
        self.invite_listed(arrival, &who, &targets);
    }

    /// INVITE to the factory with the Contribution-ID of a living session: whoever belongs there comes
    /// back in, and who is listed and missing is invited again (G5).
    pub(super) fn restart_received(&mut self, arrival: &Arrival) {
        let admitted = self.admit(arrival, true).and_then(|admitted| {
            let listed = self.recipients(&arrival.request).transpose();
            let listed = listed.map_err(|refusal| refusal.of(admitted.0.uri()))?;
            Ok((admitted, listed))
        });
        let ((who, contact, body), listed) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse("INVITE", &refusal),
        };
        self.join(arrival, who.clone(), &contact, body);
        let mut inviter = who;
        inviter.participant = true;
        let may_invite = self.decide(&inviter).allowed.allow_invite_users_dynamically;
        if let Some(targets) = listed.filter(|_| may_invite) {
            self.invite_listed(arrival, &inviter, &targets);
        }
    }

    /// Everybody on the list of an INVITE, through the very code a REFER uses.
    pub(super) fn invite_listed(&mut self, arrival: &Arrival, who: &Who, targets: &Targets) {
        self.open_trail(arrival);
        let order = Order {
            referred_by: super::admit::referred_by(who, None),
            socket: Some(arrival.socket.clone()),
            cseq: arrival.request.cseq,
        };
        let refer = self.place_order(order, who, targets);
        self.fan_out(refer, who, targets);
    }

    /// Everything that may refuse a creator, in the order of a REFER's pipeline.
    fn admit_creator(&mut self, arrival: &Arrival) -> Result<(Who, Uri, Body, Targets), Refusal> {
        let request = &arrival.request;
        if self.is_merged(request) {
            return Err(Refusal::new(482, "merged request"));
        }
        check_require_at_factory(request)?;
        let mut who = identify(arrival)?;
        who.participant = true;
        who.creator = true;
        self.note_who(&who, request);
        let served = self.creation(arrival, &who);
        let (contact, body, targets) = served.map_err(|refusal| refusal.of(who.uri()))?;
        Ok((who, contact, body, targets))
    }

    /// The list in an INVITE to the factory, if there is one: it invites, and is not too long.
    fn recipients(&mut self, request: &Request) -> Option<Result<Targets, Refusal>> {
        let read = read_recipients(request, &self.env.settings.warnings)?;
        Some(read.and_then(|targets| {
            if targets.purpose != Purpose::Invite {
                return Err(Refusal::bad_request("A list of an INVITE invites"));
            }
            self.check_quirks(&targets.quirks)?;
            self.check_size(&targets)?;
            Ok(targets)
        }))
    }

    fn creation(&mut self, arrival: &Arrival, who: &Who) -> Result<(Uri, Body, Targets), Refusal> {
        let request = &arrival.request;
        let settings = self.env.settings;
        let texts = &settings.warnings;
        let allowed = self.decide(who).allowed;
        if !allowed.allow_initiate_conference || !allowed.join_handling {
            return Err(
                Refusal::new(403, "ad-hoc policy: allow-initiate-conference")
                    .warning(&texts.function_not_allowed),
            );
        }
        if who.anonymous && !allowed.allow_anonymity {
            return Err(
                Refusal::new(403, "ad-hoc policy: allow-anonymity").warning(&texts.anonymity)
            );
        }
        let nobody = || Refusal::new(403, "nobody to invite").warning(&texts.no_destinations);
        let targets = self.recipients(request).ok_or_else(nobody)??;
        let others = |target: &Identity| !who.identities.contains(target);
        if !targets.identities().any(|target| others(&target)) {
            return Err(nobody());
        }
        let contact = request.contact();
        let contact =
            contact.ok_or_else(|| Refusal::bad_request("Missing or malformed Contact"))?;
        let body = self.media_for(arrival)?;
        Ok((contact, body, targets))
    }
}
