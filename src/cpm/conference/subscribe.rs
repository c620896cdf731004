//! SUBSCRIBE to the conference state (RFC 4575 section 3.5, RFC 4579 section 3.4): who may, and for how
//! long.

use crate::cpm::action::{Counter, Level};
use crate::cpm::event_packages::check_event_outside_dialog;
use crate::cpm::input::Arrival;
use crate::cpm::note::Note;
use crate::cpm::option_tags::check_require;
use crate::cpm::person::{identify, Person};
use crate::cpm::policy::Action;
use crate::cpm::quirk::Quirk;
use crate::cpm::records::conference::Told;
use crate::cpm::records::ids::{Id, MergeKey};
use crate::cpm::records::{Carrier, ConferenceSubscription, Dialog, Ending, Record, Subscription};
use crate::cpm::refusal::{Denial, Refusal};
use crate::cpm::session::Session;
use crate::cpm::time::millis;
use crate::sip::conference_info::CONTENT_TYPE;
use crate::sip::uri::Uri;
use crate::sip::{Method, Request};

/// Seconds of a subscription whose SUBSCRIBE has no Expires (RFC 4575 section 3.3).
const USUAL: u32 = 3_600;
/// Shortest subscription, seconds; less is refused with 423, 0 asks for the state once.
const SHORTEST: u32 = 60;
/// Longest subscription, seconds.
const LONGEST: u32 = 7_200;

/// What a SUBSCRIBE asks for that may be served.
struct Wish {
    who: Person,
    /// Seconds.
    expires: u32,
    event_id: Option<String>,
}

impl Session<'_> {
    /// SUBSCRIBE to the focus or group, outside a dialog.
    pub(in crate::cpm) fn subscribe_outside_dialog(&mut self, arrival: &Arrival) {
        match self.admit_subscriber(arrival) {
            Ok((wish, contact)) => {
                let request = &arrival.request;
                let settings = self.env.settings;
                let own = settings.contact_uri(&self.head.token, arrival.socket);
                let tag = self.env.tag();
                let dialog = Dialog::formed_by(arrival, contact, tag, own);
                let merge = Some(MergeKey::of(request));
                self.begin_subscription(wish, Carrier::Own(Box::new(dialog)), merge);
            }
            Err(denial) => self.refuse(&Method::Subscribe, denial),
        }
    }

    /// SUBSCRIBE for the conference state in the dialog that `holder` keeps.
    pub(in crate::cpm) fn conference_subscribe_received(
        &mut self,
        holder: Id,
        arrival: &Arrival,
        event_id: Option<String>,
    ) {
        let known = self.conference_subscription_in(holder, event_id.as_deref());
        match self.admit_in_dialog(arrival, holder, known, event_id) {
            Ok(wish) => {
                if let Some(dialog) = self.records.dialog_mut(holder) {
                    dialog.refresh_target(arrival.request.contact());
                }
                match known {
                    Some(subscription) => self.refresh_subscription(subscription, &wish),
                    None => self.begin_subscription(wish, Carrier::In(holder), None),
                }
            }
            Err(denial) => self.refuse(&Method::Subscribe, denial),
        }
    }

    /// The subscription in this dialog that the Event header means, whether it is ending or not.
    fn conference_subscription_in(&mut self, holder: Id, event_id: Option<&str>) -> Option<Id> {
        let here = match self.records.leg(holder) {
            Some(leg) => leg.subscriptions.clone(),
            None => vec![holder],
        };
        here.into_iter().find(|id| {
            let subscription = self.records.conference_subscription(*id);
            subscription.is_some_and(|s| s.event_id.as_deref() == event_id)
        })
    }

    fn admit_subscriber(&mut self, arrival: &Arrival) -> Result<(Wish, Uri), Denial> {
        let request = &arrival.request;
        if self.is_merged(request) {
            return Err(Refusal::Merged.into());
        }
        check_require(request)?;
        check_event_outside_dialog(request)?;
        let mut who =
            identify(arrival, |uri| self.identity_of(uri)).map_err(|refusal| match refusal {
                Refusal::NoAssertedIdentity => Refusal::NoAssertedSubscriber,
                other => other,
            })?;
        self.add_what_session_knows(&mut who);
        let shown = who.who();
        let wish = self.check_wish(request, who).and_then(|wish| {
            let contact = request.contact();
            let contact =
                contact.ok_or_else(|| Refusal::malformed("Missing or malformed Contact"))?;
            self.check_room_for_subscription(&wish.who)?;
            Ok((wish, contact))
        });
        wish.map_err(|refusal| refusal.of(&shown))
    }

    fn admit_in_dialog(
        &mut self,
        arrival: &Arrival,
        holder: Id,
        known: Option<Id>,
        event_id: Option<String>,
    ) -> Result<Wish, Denial> {
        let connected = self.records.leg(holder).map(|leg| leg.is_connected());
        let known_one = known.and_then(|id| self.records.conference_subscription(id));
        let ending = known_one.map(|s| s.common.ending.is_some());
        match (connected, ending) {
            // It expired while this was on its way. Asked again when the last NOTIFY is answered, a new
            // one begins.
            (Some(true), Some(true)) => return Err(Refusal::SubscriptionEnding.into()),
            // A new one can only be in the dialog of somebody who is in.
            (Some(true), None) | (_, Some(false)) => {}
            _ => return Err(Refusal::NoSuchConferenceSubscription.into()),
        }
        check_require(&arrival.request)?;
        let who = match arrival.trusted {
            true => self.sender_in_dialog(arrival, holder)?,
            // What the request asserts is not believed.
            false => {
                let peer = self.peer_of_dialog(holder);
                peer.ok_or(Refusal::NoSuchConferenceSubscription)?
            }
        };
        let shown = who.who();
        let wish = self.check_wish(&arrival.request, who).and_then(|wish| {
            if known.is_none() {
                self.check_room_for_subscription(&wish.who)?;
            }
            Ok(Wish { event_id, ..wish })
        });
        wish.map_err(|refusal| refusal.of(&shown))
    }

    /// Whether `who` may subscribe, and what the SUBSCRIBE wants.
    fn check_wish(&mut self, request: &Request, who: Person) -> Result<Wish, Refusal> {
        if self.is_banned(&who.identities) {
            return Err(Refusal::Removed);
        }
        if !self.may_subscribe(&who) {
            return Err(self.not_permitted(Action::AllowConferenceState));
        }
        if !accepts(request) {
            return Err(Refusal::ConferenceInfoNotAccepted);
        }
        let wanted = match request.seconds("Expires") {
            Some(seconds) => seconds,
            None if request.values("Expires").is_empty() => USUAL,
            None => return Err(Refusal::malformed("Malformed Expires")),
        };
        if (1..SHORTEST).contains(&wanted) {
            return Err(Refusal::SubscriptionInterval {
                wanted,
                least: SHORTEST,
            });
        }
        Ok(Wish {
            who,
            expires: wanted.min(LONGEST),
            event_id: request.event().and_then(|(_, id)| id),
        })
    }

    /// As the document says; but somebody who was removed is shown no more than somebody who never
    /// belonged.
    /// Who is being invited counts as a participant: its SUBSCRIBE may overtake its 2xx.
    fn may_subscribe(&mut self, who: &Person) -> bool {
        let mut who = who.clone();
        who.participant |= self.records.member(&who.identities).is_some();
        let verdict = self.permissions_of(&who);
        !self.is_banned(&who.identities) && verdict.allows(Action::AllowConferenceState)
    }

    /// Whether a subscriber still may. Asked before every NOTIFY: people leave, and rules know of time.
    pub(super) fn still_may_subscribe(&mut self, id: Id) -> bool {
        let subscription = self.records.conference_subscription(id);
        let holder = subscription.and_then(|s| s.carrier.holder(id));
        let who = holder.and_then(|holder| self.peer_of_dialog(holder));
        who.is_some_and(|who| self.may_subscribe(&who))
    }

    /// Room for one more in the session, and for one more of this person.
    fn check_room_for_subscription(&mut self, who: &Person) -> Result<(), Refusal> {
        let settings = self.env.settings;
        let most = settings.max_subscriptions as usize;
        let ids = self.subscribers().map_or(Vec::new(), |s| s.ids.clone());
        let there = ids.len();
        if there >= most {
            return Err(Refusal::TooManySubscriptions { there, most });
        }
        let most = settings.max_person_subscriptions as usize;
        if there < most {
            return Ok(());
        }
        let theirs = ids.into_iter().filter(|id| {
            let subscription = self.records.conference_subscription(*id);
            subscription.is_some_and(|s| who.is_any_of(&s.identities))
        });
        match theirs.count() {
            there if there >= most => Err(Refusal::TooManyOfPerson { there, most }),
            _ => Ok(()),
        }
    }

    /// 200, then the full state at once (RFC 6665 section 4.2.1.2).
    fn begin_subscription(&mut self, wish: Wish, carrier: Carrier, merge: Option<MergeKey>) {
        let (now, delay) = (self.env.now, self.env.settings.first_notify_delay);
        let id = self.records.new_id();
        let holder = carrier.holder(id).unwrap_or(id);
        let subscription = ConferenceSubscription {
            common: Subscription::begun(now, now + millis(wish.expires), delay),
            identities: wish.who.identities.clone(),
            uri: wish.who.uri.clone(),
            anonymous: wish.who.anonymous,
            carrier,
            event_id: wish.event_id.clone(),
            version: 0,
            since: self.change_log().map_or(0, |log| log.latest),
            told: Told::default(),
            told_before: Told::default(),
            wants_full: true,
            held_back: false,
            told_at: None,
            paced_until: None,
            merge,
        };
        let record = Record::ConferenceSubscription(Box::new(subscription));
        self.records.insert(id, record);
        if let Some(leg) = self.records.leg_mut(holder) {
            leg.subscriptions.push(id);
        }
        self.add_subscriber(id);
        self.count(Counter::ConferenceSubscriptions, 1);
        let leg = self.records.member(&wish.who.identities);
        let leg = leg.and_then(|id| self.records.leg(id));
        if leg.is_some_and(|leg| leg.is_pending()) {
            self.count(Counter::Quirk(Quirk::SubscribeWhileInvited), 1);
        }
        self.grant_subscription(id, holder, &wish);
    }

    fn refresh_subscription(&mut self, id: Id, wish: &Wish) {
        let expires_at = self.env.now + millis(wish.expires);
        let Some(subscription) = self.records.conference_subscription_mut(id) else {
            return;
        };
        subscription.common.expires_at = expires_at;
        subscription.common.held_until = None;
        subscription.wants_full = true;
        let holder = subscription.carrier.holder(id).unwrap_or(id);
        self.grant_subscription(id, holder, wish);
    }

    /// Answers the SUBSCRIBE and tells the state.
    fn grant_subscription(&mut self, id: Id, holder: Id, wish: &Wish) {
        self.accept_subscribe(holder, wish.expires);
        let subscribed = Note::Subscribed {
            from: wish.who.who_ref(),
            expires: wish.expires,
        };
        self.log(Level::Info, subscribed);
        if wish.expires == 0 {
            self.end_subscription(id, Ending::Timeout);
        } else {
            self.queue_notify(id);
        }
    }
}

/// Whether the documents may be sent; without Accept they may (RFC 4575 section 3.4). Of several ranges
/// that fit the narrowest counts (RFC 3261 section 20.1, RFC 9110 section 12.5.1).
fn accepts(request: &Request) -> bool {
    let ranges = request.list("Accept");
    let wanted = ranges.iter().filter_map(|range| {
        let text = String::from_utf8_lossy(range).to_ascii_lowercase();
        let mut parts = text.split(';').map(str::trim);
        let width = match parts.next() {
            Some(CONTENT_TYPE) => 0,
            Some("application/*") => 1,
            Some("*/*") => 2,
            _ => return None,
        };
        // RFC 9110 section 12.4.2: a quality of 0 is a refusal.
        let refused = parts
            .filter_map(|part| part.split_once('='))
            .any(|(name, q)| {
                name.trim_end() == "q" && q.trim_start().parse::<f32>().is_ok_and(|q| q <= 0.0)
            });
        Some((width, refused))
    });
    let narrowest = wanted.min();
    request.values("Accept").is_empty() || narrowest.is_some_and(|(_, refused)| !refused)
}
