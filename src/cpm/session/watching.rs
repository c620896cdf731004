//! SUBSCRIBE to the conference event package (RFC 4575 section 3.5, RFC 4579 section 3.4): who may watch, and for
//! how long. Not here: what watchers are told (`super::state`).

use super::admit::merge_name;
use super::{Session, Who};
use crate::cpm::action::{Counter, Level};
use crate::cpm::answer::Refusal;
use crate::cpm::dialog::Dialog;
use crate::cpm::input::Arrival;
use crate::cpm::records::{Carrier, Id, Record};
use crate::cpm::route::{check_event, check_require, identify};
use crate::cpm::settings::Millis;
use crate::cpm::text::Redacted;
use crate::cpm::watch::{Ending, Watcher};
use crate::sip::conference_info::CONTENT_TYPE;
use crate::sip::uri::Uri;
use crate::sip::Request;

/// Seconds of a subscription whose SUBSCRIBE has no Expires (RFC 4575 section 3.3).
const USUAL: u32 = 3_600;
/// Shortest subscription, seconds; less is refused with 423, 0 asks for the state once.
const SHORTEST: u32 = 60;
/// Longest subscription, seconds.
const LONGEST: u32 = 7_200;
/// When to ask again in a dialog whose subscription is ending, seconds.
const RETRY_AFTER: &str = "1";

/// What an admitted SUBSCRIBE asks for.
struct Wish {
    who: Who,
    /// Seconds.
    expires: u32,
    event_id: Option<String>,
}

impl Session<'_> {
    /// SUBSCRIBE to the focus or group, outside a dialog.
    pub(super) fn subscribed(&mut self, arrival: &Arrival) {
        match self.admit_watcher(arrival) {
            Ok((wish, contact)) => {
                let request = &arrival.request;
                let (to_tag, socket) = (self.env.token(), arrival.socket.clone());
                let own = self.env.settings.contact_uri(&self.head.token, &socket);
                let dialog = Dialog::formed_by(request, &contact, to_tag, socket, own);
                let merge = (
                    request.call_id.clone(),
                    request.from_tag.clone(),
                    request.cseq,
                );
                self.begin_watching(wish, Carrier::Own(Box::new(dialog)), Some(merge));
            }
            Err(refusal) => self.refuse("SUBSCRIBE", &refusal),
        }
    }

    /// SUBSCRIBE for conference state in the dialog that `holder` keeps.
    pub(super) fn watches_in_dialog(
        &mut self,
        holder: Id,
        arrival: &Arrival,
        event_id: Option<String>,
    ) {
        let known = self.watcher_in(holder, event_id.as_deref());
        match self.admit_in_dialog(arrival, holder, known, event_id) {
            Ok(wish) => {
                if let Some(dialog) = self.dialog_mut(holder) {
                    dialog.refresh_target(arrival.request.contact());
                }
                match known {
                    Some(watcher) => self.refresh(watcher, &wish),
                    None => self.begin_watching(wish, Carrier::In(holder), None),
                }
            }
            Err(refusal) => self.refuse("SUBSCRIBE", &refusal),
        }
    }

    /// The subscription in this dialog that the Event header means, whether it is ending or not.
    fn watcher_in(&mut self, holder: Id, event_id: Option<&str>) -> Option<Id> {
        let here = match self.leg(holder) {
            Some(leg) => leg.subscriptions.clone(),
            None => vec![holder],
        };
        here.into_iter().find(|id| {
            let watcher = self.watcher(*id);
            watcher.is_some_and(|watcher| watcher.event_id.as_deref() == event_id)
        })
    }

    fn admit_watcher(&mut self, arrival: &Arrival) -> Result<(Wish, Uri), Refusal> {
        let request = &arrival.request;
        if self.family.find(&merge_name(request)).is_some() {
            return Err(Refusal::new(482, "merged request"));
        }
        check_require(request)?;
        check_event(request)?;
        let no_state = &self.env.settings.warnings.no_state;
        let mut who = identify(arrival).map_err(|refusal| refusal.warning(no_state))?;
        self.place(&mut who);
        let from = who.uri().to_owned();
        let wish = self.permit_watching(request, who).and_then(|wish| {
            let contact = request.contact();
            let contact =
                contact.ok_or_else(|| Refusal::bad_request("Missing or malformed Contact"))?;
            self.check_room()?;
            Ok((wish, contact))
        });
        wish.map_err(|refusal| refusal.of(&from))
    }

    fn admit_in_dialog(
        &mut self,
        arrival: &Arrival,
        holder: Id,
        known: Option<Id>,
        event_id: Option<String>,
    ) -> Result<Wish, Refusal> {
        let connected = self.leg(holder).map(|leg| leg.is_connected());
        let ending = known
            .and_then(|id| self.watcher(id))
            .map(|w| w.ending.is_some());
        if (connected, ending) == (Some(true), Some(true)) {
            // It expired while this was on its way. Some would take 481 for the end of the whole dialog
            // (RFC 5057 section 5.1); asked again when the last NOTIFY is answered, a new one begins.
            return Err(Refusal::new(500, "its subscription is just ending")
                .header("Retry-After", RETRY_AFTER));
        }
        let possible = match (connected, ending) {
            // A new one can only be in the dialog of somebody who is in.
            (Some(connected), None) => connected,
            (_, Some(ending)) => !ending,
            (None, None) => false,
        };
        if !possible {
            return Err(Refusal::new(481, "no such conference subscription"));
        }
        check_require(&arrival.request)?;
        let who = match arrival.trusted {
            true => self.referrer_in_dialog(arrival, holder)?,
            false => self.known_in_dialog(holder)?,
        };
        let from = who.uri().to_owned();
        let wish = self
            .permit_watching(&arrival.request, who)
            .and_then(|wish| {
                if known.is_none() {
                    self.check_room()?;
                }
                Ok(Wish { event_id, ..wish })
            });
        wish.map_err(|refusal| refusal.of(&from))
    }

    /// Whoever the dialog is with, when what the request asserts is not believed.
    fn known_in_dialog(&mut self, holder: Id) -> Result<Who, Refusal> {
        let (uri, identities, anonymous) = match (self.leg(holder), ()) {
            (Some(leg), ()) => (leg.uri.clone(), leg.identities.clone(), leg.anonymous),
            (None, ()) => match self.watcher(holder) {
                Some(w) => (w.uri.clone(), w.identities.clone(), w.anonymous),
                None => return Err(Refusal::new(481, "no such conference subscription")),
            },
        };
        let mut who = Who::new(Uri::parse(uri.as_bytes()).into_iter().collect(), anonymous);
        who.identities = identities;
        self.place(&mut who);
        Ok(who)
    }

    /// Whether `who` may watch, and what the SUBSCRIBE wants.
    fn permit_watching(&mut self, request: &Request, who: Who) -> Result<Wish, Refusal> {
        if !self.may_watch(&who) {
            return Err(Refusal::new(403, "policy: allow-conference-state")
                .warning(&self.env.settings.warnings.no_state));
        }
        if !accepts(request) {
            return Err(
                Refusal::new(406, "conference-info is not accepted").header("Accept", CONTENT_TYPE)
            );
        }
        let expires = match (
            request.values("Expires").is_empty(),
            request.seconds("Expires"),
        ) {
            (true, _) => USUAL,
            (false, Some(seconds)) => seconds,
            (false, None) => return Err(Refusal::bad_request("Malformed Expires")),
        };
        if (1..SHORTEST).contains(&expires) {
            let why = format!("Expires {expires} is below {SHORTEST}");
            return Err(Refusal::new(423, why).header("Min-Expires", &SHORTEST.to_string()));
        }
        Ok(Wish {
            who,
            expires: expires.min(LONGEST),
            event_id: request.event().and_then(|(_, id)| id),
        })
    }

    /// As the document says, but whoever was removed is shown no more than whoever never belonged.
    fn may_watch(&mut self, who: &Who) -> bool {
        !self.is_removed(&who.identities) && self.decide(who).allowed.allow_conference_state
    }

    /// Asked again before every NOTIFY: people leave, and rules know of time.
    pub(super) fn still_may_watch(&mut self, id: Id) -> bool {
        let holder = match self.watcher(id).map(|watcher| &watcher.carrier) {
            Some(Carrier::In(leg)) => *leg,
            Some(_) => id,
            None => return false,
        };
        match self.known_in_dialog(holder) {
            Ok(who) => self.may_watch(&who),
            Err(_) => false,
        }
    }

    fn check_room(&mut self) -> Result<(), Refusal> {
        let most = self.env.settings.max_subscriptions as usize;
        let there = self
            .audience()
            .map_or(0, |audience| audience.watchers.len());
        if there < most {
            return Ok(());
        }
        let why = format!("{there} conference subscriptions, max_subscriptions is {most}");
        Err(Refusal::new(486, why).warning(&self.env.settings.warnings.too_many_watchers))
    }

    /// 200, then the whole state at once (RFC 6665 section 4.2.1.2).
    fn begin_watching(
        &mut self,
        wish: Wish,
        carrier: Carrier,
        merge: Option<(String, String, u32)>,
    ) {
        let id = self.family.new_id();
        let holder = match &carrier {
            Carrier::In(leg) => *leg,
            Carrier::Own(_) | Carrier::None => id,
        };
        let watcher = Watcher {
            identities: wish.who.identities.clone(),
            uri: wish.who.uri().to_owned(),
            anonymous: wish.who.anonymous,
            carrier,
            event_id: wish.event_id.clone(),
            expires_at: self.env.now + seconds(wish.expires),
            version: 0,
            // Who has gone before is no news to a newcomer.
            told: self.board().map_or(0, |board| board.latest),
            told_before: 0,
            whole: true,
            told_at: None,
            held_until: None,
            retried: false,
            ending: None,
            told_end: false,
            queued: false,
            merge,
        };
        self.insert(id, Record::Watcher(Box::new(watcher)));
        if let Some(leg) = self.leg_mut(holder) {
            leg.subscriptions.push(id);
        }
        self.attends(id);
        self.count(Counter::ConferenceSubscriptions, 1);
        self.grant(id, holder, &wish);
    }

    fn refresh(&mut self, id: Id, wish: &Wish) {
        let expires_at = self.env.now + seconds(wish.expires);
        let Some(watcher) = self.watcher_mut(id) else {
            return;
        };
        watcher.expires_at = expires_at;
        watcher.whole = true;
        watcher.held_until = None;
        let holder = match &watcher.carrier {
            Carrier::In(leg) => *leg,
            Carrier::Own(_) | Carrier::None => id,
        };
        self.grant(id, holder, wish);
    }

    /// Answers the SUBSCRIBE and tells the state.
    fn grant(&mut self, id: Id, holder: Id, wish: &Wish) {
        self.accept_subscribe(holder, wish.expires.into());
        self.log(
            Level::Info,
            format!(
                "SUBSCRIBE accepted from={} expires={}",
                Redacted(wish.who.uri()),
                wish.expires
            ),
        );
        if wish.expires == 0 {
            self.end_watching(id, Ending::Timeout);
        } else {
            self.queue_state(id);
        }
    }
}

/// Whether the documents may be sent; without Accept they may (RFC 4575 section 3.4). Of several ranges that
/// fit the narrowest counts (RFC 3261 section 20.1, RFC 9110 section 12.5.1).
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

fn seconds(seconds: u32) -> Millis {
    u64::from(seconds) * 1000
}
