//! What the focus has promised and what it has sent since: the REFERs it accepted, its requests in order.
//! Not here: the state it keeps itself (`super::checks`).

use std::collections::{BTreeMap, BTreeSet};

use super::groups::identity;
use super::message::text;
use cpm::cpm::input::Input;
use cpm::cpm::outgoing_message::{Answer, OutgoingRequest};
use cpm::cpm::records::Id;
use cpm::cpm::time::{Millis, LOST_REQUEST};
use cpm::sip::identity::Identity;
use cpm::sip::uri::Uri;
use cpm::sip::Method;
use cpm::sip::{ReferTarget, Request};

/// What a slow worker may make of a span it measured right.
const SLACK: Millis = 200;

/// A request the focus sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Millis,
    pub to: usize,
    pub request: Request,
    pub text: String,
}

/// A REFER that was answered with a 2xx.
#[derive(Debug)]
pub struct Promise {
    pub call_id: String,
    /// The referrer's tag and ours.
    pub theirs: String,
    pub ours: String,
    pub cseq: u32,
    /// It made a dialog of its own.
    pub outside: bool,
    /// The first one of its dialog.
    pub first: bool,
    pub suppressed: bool,
    pub anonymous: bool,
    /// How many people it names, and entries that name nobody.
    pub targets: usize,
    pub told: Vec<Told>,
    /// A NOTIFY got an answer that ends the subscription, or none, or could not be sent.
    pub excused: bool,
}

/// Somebody wants somebody in.
struct Wish {
    target: Identity,
    by: usize,
    anonymous: bool,
}

/// One NOTIFY.
#[derive(Clone, Debug)]
pub struct Told {
    pub at: Millis,
    pub cseq: u32,
    pub status: u16,
    pub state: String,
    pub event: String,
    pub body: String,
    /// The answer was an error that does not end the subscription: it may come again.
    pub refused: bool,
}

impl Told {
    pub fn is_terminal(&self) -> bool {
        self.state.starts_with("terminated")
    }

    /// Nothing may follow it.
    fn is_the_end(&self) -> bool {
        self.is_terminal() && !self.refused
    }
}

struct Flight {
    owner: Option<Id>,
    invite: bool,
    cseq: u32,
    at: Millis,
    over: bool,
}

#[derive(Default)]
pub struct Ledger {
    pub promises: Vec<Promise>,
    pub sent: Vec<Sent>,
    /// CANCELs: to whom, the Request-URI.
    pub cancels: Vec<(usize, String)>,
    flights: BTreeMap<(String, String), Flight>,
    /// The last version of the conference state that each subscription was told.
    shown: BTreeMap<(String, Option<String>), u32>,
    wishes: Vec<Wish>,
}

impl Ledger {
    /// The REFER `request` was accepted.
    pub fn promised(&mut self, peer: usize, request: &Request, answer: &Answer, inherits: bool) {
        let ours = request
            .to_tag
            .as_ref()
            .unwrap_or(&answer.to_tag)
            .to_string();
        let theirs = request.from_tag.to_string();
        let first = !self
            .promises
            .iter()
            .any(|p| p.call_id == request.call_id && p.ours == ours);
        let nosub = request.tokens("Require").contains(&"nosub".to_owned());
        let anonymous = inherits || request.privacy().id;
        let single = match request.refer_to().map(|refer_to| refer_to.target) {
            Ok(ReferTarget::Uri(uri)) if request.body.is_empty() => vec![uri.as_str().to_owned()],
            _ => Vec::new(),
        };
        // Who is given a role is not to be invited.
        let role = request
            .refer_to()
            .is_ok_and(|refer_to| refer_to.admin.is_some());
        let targets = match role {
            true => single.len(),
            false => self.wishes(peer, request, single, anonymous),
        };
        self.promises.push(Promise {
            call_id: request.call_id.clone(),
            theirs,
            ours,
            cseq: request.cseq,
            outside: request.to_tag.is_none(),
            first,
            suppressed: nosub || answer.headers.contains("Refer-Sub: false\r\n"),
            anonymous,
            targets,
            told: Vec::new(),
            excused: false,
        });
    }

    /// Somebody is wanted by the focus itself.
    pub fn expects(&mut self, target: &str) {
        if let Ok(uri) = Uri::parse(target.as_bytes()) {
            self.wishes.push(Wish {
                target: identity(&uri),
                by: 0,
                anonymous: false,
            });
        }
    }

    /// Whom a request wants in, beside `single` those in its list. How many people that is.
    pub fn wishes(
        &mut self,
        by: usize,
        request: &Request,
        single: Vec<String>,
        anonymous: bool,
    ) -> usize {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let listed = body.split("uri=\"").skip(1);
        let listed = listed.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        let texts: Vec<String> = single.into_iter().chain(listed).collect();
        let (mut people, mut nobody) = (BTreeSet::new(), BTreeSet::new());
        for text in texts {
            match Uri::parse(text.as_bytes()) {
                Ok(uri) => people.insert(identity(&uri)),
                Err(_) => nobody.insert(text),
            };
        }
        let count = people.len() + nobody.len();
        let wishes = people.into_iter().map(|target| Wish {
            target,
            by,
            anonymous,
        });
        self.wishes.extend(wishes);
        count
    }

    /// An anonymous REFER made this dialog.
    pub fn is_anonymous_dialog(&self, request: &Request) -> bool {
        self.promises.iter().any(|p| {
            let same = p.call_id == request.call_id && p.ours == text(request.to_tag.as_ref());
            same && p.outside && p.anonymous
        })
    }

    /// One request at a time per dialog, numbered without a gap.
    pub fn leaves(&mut self, outgoing: &OutgoingRequest, now: Millis) -> Result<(), String> {
        let key = (outgoing.call_id.clone(), outgoing.local_tag.to_string());
        if outgoing.method == Method::Prack {
            // Nobody waits for its answer, but it takes a number.
            if let Some(last) = self.flights.get_mut(&key) {
                last.cseq = last.cseq.max(outgoing.cseq);
            }
        }
        if outgoing.method == Method::Ack || outgoing.owner.is_none() {
            return Ok(());
        }
        let what = outgoing.method.as_str();
        if let Some(last) = self.flights.get(&key) {
            if outgoing.cseq != last.cseq + 1 {
                return Err(format!(
                    "{what} has CSeq {} after {}",
                    outgoing.cseq, last.cseq
                ));
            }
            if !last.over && now + SLACK < last.at + LOST_REQUEST {
                return Err(format!("{what} overtakes the request in flight"));
            }
        }
        let flight = Flight {
            owner: outgoing.owner,
            invite: outgoing.method == Method::Invite,
            cseq: outgoing.cseq,
            at: now,
            over: false,
        };
        self.flights.insert(key, flight);
        Ok(())
    }

    /// A NOTIFY leaves: whose it is, and that it may.
    pub fn tell(&mut self, request: &Request, now: Millis) -> Result<(), String> {
        let event = request.text("Event").unwrap_or_default();
        let id = request
            .event()
            .and_then(|(_, id)| id)
            .and_then(|id| id.parse().ok());
        let tag = text(request.to_tag.as_ref());
        let promise = self.promises.iter_mut().find(|p| {
            let dialog = p.call_id == request.call_id
                && p.theirs == tag
                && p.ours == request.from_tag.as_str();
            dialog && id.map_or(p.first, |id: u32| id == p.cseq)
        });
        let Some(promise) = promise else {
            return Err(format!("a NOTIFY nobody was promised: Event: {event}"));
        };
        if promise.suppressed {
            return Err("a NOTIFY of a suppressed subscription".into());
        }
        if promise.told.last().is_some_and(Told::is_the_end) {
            return Err("a NOTIFY after the terminal one".into());
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let status = body
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3))
            .and_then(|code| code.parse().ok());
        let Some(status) = status.filter(|_| body.ends_with("\r\n")) else {
            return Err(format!("not a sipfrag: {body:?}"));
        };
        if promise.told.is_empty() && status != 100 {
            return Err(format!("the first NOTIFY says {status}"));
        }
        promise.told.push(Told {
            at: now,
            cseq: request.cseq,
            status,
            state: request.text("Subscription-State").unwrap_or_default(),
            event,
            body,
            refused: false,
        });
        Ok(())
    }

    /// A NOTIFY of conference state leaves: its version is one more than that of the last (I5).
    pub fn shows(&mut self, request: &Request) -> Result<(), String> {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let root = body.split("<conference-info ").nth(1).unwrap_or_default();
        let version = root.split(" version=\"").nth(1);
        let version = version.and_then(|rest| rest.split('"').next()?.parse::<u32>().ok());
        let Some(version) = version else {
            return match body.is_empty() {
                true => Ok(()),
                false => Err(format!("conference state without a version: {body}")),
            };
        };
        let id = request.event().and_then(|(_, id)| id);
        let tag = text(request.to_tag.as_ref());
        let key = (format!("{} {tag}", request.call_id), id);
        let last = self.shown.insert(key, version);
        if last.is_some_and(|last| version != last + 1) && version != 1 {
            return Err(format!("conference state {version} after {last:?}"));
        }
        Ok(())
    }

    /// A request that did not leave had its number all the same, and a NOTIFY its subscription.
    pub fn unsent(
        &mut self,
        outgoing: &OutgoingRequest,
        request: &Request,
        now: Millis,
    ) -> Result<(), String> {
        self.leaves(outgoing, now)?;
        let conference = request.event().is_some_and(|(e, _)| e == "conference");
        if outgoing.method == Method::Notify && !conference {
            self.tell(request, now)?;
            self.excuse(&outgoing.call_id, outgoing.cseq);
        }
        Ok(())
    }

    /// An INVITE leaves: somebody must have asked for it, and an anonymous referrer leaves no trace.
    /// `traces`: what would give a peer away.
    pub fn invites(
        &self,
        request: &Request,
        text: &str,
        traces: impl Fn(usize) -> Vec<String>,
    ) -> Result<(), String> {
        let Ok(uri) = Uri::parse(request.uri.as_bytes()) else {
            return Err(format!("INVITE to {}", request.uri));
        };
        let target = identity(&uri);
        let asked = || self.wishes.iter().filter(|wish| wish.target == target);
        if asked().next().is_none() {
            return Err(format!("nobody asked for the INVITE to {}", request.uri));
        }
        let referrer = request.text("Referred-By").unwrap_or_default();
        let anonymous = referrer.contains("anonymous.invalid");
        if !anonymous && asked().all(|wish| wish.anonymous) {
            return Err(format!("an anonymous referrer is named: {referrer}"));
        }
        // Who is the target itself, or stands in the list, is named for another reason.
        let text = text.to_ascii_lowercase();
        let hidden = |wish: &&Wish| {
            let others = |trace: &String| !target.as_str().contains(trace.as_str());
            anonymous && wish.anonymous && traces(wish.by).iter().all(others)
        };
        let head = text.split("<?xml").next().unwrap_or_default();
        for wish in asked().filter(hidden) {
            let found = traces(wish.by)
                .into_iter()
                .find(|trace| head.contains(trace));
            if let Some(trace) = found {
                return Err(format!("{trace} gives the referrer away: {text}"));
            }
        }
        Ok(())
    }

    /// What an input means for what is in flight.
    pub fn heard(&mut self, input: &Input<'_>) {
        match input {
            Input::AnswerReceived { response, .. } if response.status >= 200 => {
                if response.cseq_method == cpm::sip::Method::Cancel {
                    return;
                }
                let key = (response.call_id.clone(), response.from_tag.to_string());
                if let Some(flight) = self.flights.get_mut(&key) {
                    // An INVITE may have been followed by PRACKs.
                    let numbered = flight.cseq == response.cseq;
                    flight.over |= numbered
                        || flight.invite && response.cseq_method == cpm::sip::Method::Invite;
                }
                if response.cseq_method != cpm::sip::Method::Notify {
                    return;
                }
                if is_fatal(response.status) {
                    self.excuse(&response.call_id, response.cseq);
                } else if response.status >= 300 {
                    self.refuse_notify(&response.call_id, response.cseq);
                }
            }
            Input::TimedOut { record, .. } | Input::SendFailed { record, .. } => {
                let flights = self.flights.iter_mut();
                let lost: Vec<_> = flights
                    .filter(|(_, flight)| flight.owner == Some(*record) && !flight.over)
                    .map(|(key, flight)| {
                        flight.over = true;
                        (key.0.clone(), flight.cseq)
                    })
                    .collect();
                for (call_id, cseq) in lost {
                    self.excuse(&call_id, cseq);
                }
            }
            _ => {}
        }
    }

    fn refuse_notify(&mut self, call_id: &str, cseq: u32) {
        let here = self.promises.iter_mut().filter(|p| p.call_id == call_id);
        let told = here.flat_map(|promise| &mut promise.told);
        for told in told.filter(|told| told.cseq == cseq) {
            told.refused = true;
        }
    }

    fn excuse(&mut self, call_id: &str, cseq: u32) {
        for promise in &mut self.promises {
            if promise.call_id == call_id && promise.told.iter().any(|told| told.cseq == cseq) {
                promise.excused = true;
            }
        }
    }

    /// At the end of a history nothing is owed any more.
    pub fn settled(&self) -> Result<(), String> {
        for promise in &self.promises {
            if promise.excused {
                continue;
            }
            // The last one may have been refused as often as it was sent.
            let ended = promise.told.last().is_some_and(Told::is_terminal);
            if ended == promise.suppressed {
                return Err(format!("no last NOTIFY, or one too many: {promise:?}"));
            }
            // A refresh or a second attempt may repeat one.
            let finals = promise.told.iter().filter(|t| t.status >= 200);
            let finals: BTreeSet<&str> = finals.map(|t| t.body.as_str()).collect();
            let finals = finals.len();
            let expired = promise
                .told
                .last()
                .is_some_and(|t| t.state.ends_with("timeout"));
            if !promise.suppressed && !expired && finals != promise.targets {
                return Err(format!("{finals} results of {promise:?}"));
            }
        }
        Ok(())
    }
}

/// RFC 6665 section 4.2.2 and RFC 5057: nobody listens any more.
fn is_fatal(status: u16) -> bool {
    [
        404, 405, 408, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
    ]
    .contains(&status)
}
