//! Sessions made on the spot: INVITE to the conference factory with a recipient list (RFC 5366, G1).
//! Not here: inviting the listed users, which is what a REFER does (`super::refer`).

use super::join::Body;
use super::{Session, Who};
use crate::cpm::action::Level;
use crate::cpm::answer::Refusal;
use crate::cpm::asked::{read_recipients, Purpose, Targets};
use crate::cpm::input::Arrival;
use crate::cpm::records::{Aim, Carrier, Record, Refer};
use crate::cpm::route::{check_require_at_factory, identify};
use crate::cpm::trail::ReferId;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

impl Session<'_> {
    /// INVITE to the factory.
    pub(super) fn factory_invite_received(&mut self, arrival: &Arrival) {
        let (who, contact, body, targets) = match self.admit_creator(arrival) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse("INVITE", &refusal),
        };
        self.head.creator = who.identities.clone();
        let id = self.family.new_id();
        let refer = Refer {
            label: self.about.unwrap_or_else(|| ReferId::new(self.env)),
            cseq: arrival.request.cseq,
            referrer: who.uri().to_owned(),
            identities: who.identities.clone(),
            anonymous: who.anonymous,
            referred_by: super::admit::referred_by(&who, None),
            socket: arrival.socket.clone(),
            targets: targets.wanted.iter().map(Aim::of).collect(),
            history: targets.history.clone(),
            event_id: None,
            carrier: Carrier::None,
            guests: Vec::new(),
            subscription: None,
            merge: None,
            remembered_until: self.env.now,
        };
        self.join(arrival, who.clone(), &contact, body);
        self.remember(&who.identities);
        let listed: Vec<Identity> = targets.identities().collect();
        self.remember(&listed);
        self.insert(id, Record::Refer(Box::new(refer)));
        self.log(
            Level::Info,
            format!("created with {} listed users", targets.wanted.len()),
        );
        self.fan_out(id, &who, &targets);
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

    fn creation(&self, arrival: &Arrival, who: &Who) -> Result<(Uri, Body, Targets), Refusal> {
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
        let targets = read_recipients(request, texts).ok_or_else(nobody)??;
        if targets.purpose != Purpose::Invite {
            return Err(Refusal::bad_request("A list of an INVITE invites"));
        }
        if targets.written > settings.max_refer_targets as usize {
            let why = format!(
                "{} targets, max_refer_targets is {}",
                targets.written, settings.max_refer_targets
            );
            return Err(Refusal::new(403, why).warning(&texts.too_many));
        }
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
