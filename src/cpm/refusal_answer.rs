//! Refusing: the answer, the log line, the trail and the statistic that a refusal comes to.

use std::net::SocketAddr;

use super::action::{Action, Level};
use super::decision_trail::{self, About};
use super::env::Env;
use super::header_lines::HeaderLines;
use super::input::Arrival;
use super::note::{self, Note};
use super::outgoing_message::Answer;
use super::records::ids::ReferId;
use super::redact::Who;
use super::refusal::{Denial, Refusal};
use crate::sip::warning::warning;
use crate::sip::Method;

/// What the log line of a refusal says beside the reason.
pub struct Refused<'a> {
    /// The method, or `request` for what could not be read.
    pub what: &'a str,
    /// The method in whose statistic it counts, if that has one.
    pub counted: Option<&'a Method>,
    /// Where the request came from.
    pub source: Option<SocketAddr>,
    /// URI of a group whose session has not begun, so that no token would tell.
    pub group: Option<&'a str>,
    /// Token of the session; empty if there is none.
    pub session: &'a str,
    /// The REFER that is refused, once it has a name.
    pub refer: Option<ReferId>,
}

impl<'a> Refused<'a> {
    /// A request that reached no session.
    pub fn outside_session(arrival: &'a Arrival) -> Refused<'a> {
        let method = &arrival.request.method;
        Refused {
            what: method.as_str(),
            counted: Some(method),
            source: Some(arrival.source),
            group: None,
            session: "",
            refer: None,
        }
    }
}

/// Adds the answer, the log line, the trail's entry and the statistic of a refusal.
pub fn refuse(env: &Env<'_>, actions: &mut Vec<Action>, refused: &Refused<'_>, denial: &Denial) {
    let refusal = &denial.refusal;
    let warning = warning_text(env, refusal);
    actions.push(Action::Answer(answer(env, refusal, warning.as_deref())));
    let about = About {
        refers: refused.refer.as_slice(),
        session: refused.session,
    };
    let note = Note::Refused(note::Refused {
        what: refused.what,
        status: refusal.status(),
        reason: &refusal.reason(),
        requester: denial.requester.as_ref().map(Who::to_ref),
        source: refused.source,
        group: refused.group,
        warning: warning.as_deref(),
        hint: refusal.hint(),
    });
    decision_trail::write(env, actions, about, Level::Refused, &note);
    let counter = refused.counted.and_then(Refusal::counter);
    let counters = counter.into_iter().chain(refusal.limit_counter());
    actions.extend(counters.map(|counter| Action::Count(counter, 1)));
}

/// Refuses a request that reached no session. A REFER leaves a trail all the same.
pub fn refuse_at_the_door(env: &Env<'_>, arrival: &Arrival, refusal: Refusal) -> Vec<Action> {
    let mut refused = Refused::outside_session(arrival);
    let mut actions = Vec::new();
    if arrival.request.method == Method::Refer {
        let refer = new_refer_id(env);
        refused.refer = Some(refer);
        decision_trail::open(env, &mut actions, arrival, refer);
    }
    refuse(env, &mut actions, &refused, &refusal.into());
    if let Some(refer) = refused.refer {
        decision_trail::mark_refused(&mut actions, refer);
    }
    actions
}

/// Refuses what could not be read as a request. `method` is what its first line says. A REFER leaves a
/// trail without a Call-ID.
pub fn refuse_unreadable(
    env: &Env<'_>,
    source: SocketAddr,
    method: &Method,
    refusal: Refusal,
) -> Vec<Action> {
    let is_refer = *method == Method::Refer;
    let refer = is_refer.then(|| new_refer_id(env));
    let refused = Refused {
        what: if is_refer { "REFER" } else { "request" },
        counted: is_refer.then_some(method),
        source: Some(source),
        group: None,
        session: "",
        refer,
    };
    let mut actions = Vec::new();
    if let Some(refer) = refer {
        decision_trail::open_empty(env, &mut actions, refer, "");
    }
    refuse(env, &mut actions, &refused, &refusal.into());
    if let Some(refer) = refer {
        decision_trail::mark_refused(&mut actions, refer);
    }
    actions
}

/// A name for a REFER that was never used, as far as chance can promise it.
pub fn new_refer_id(env: &Env<'_>) -> ReferId {
    ReferId::from_bits((env.random)() as u32)
}

fn answer(env: &Env<'_>, refusal: &Refusal, warning: Option<&str>) -> Answer {
    let warning = warning.map(|text| warning_value(env, text));
    let mut headers = HeaderLines::new().maybe("Warning", warning.as_deref());
    for (name, value) in refusal.headers() {
        headers = headers.line(name, &value);
    }
    let mut answer = Answer::new(refusal.status(), env.tag(), headers.text());
    if refusal.says_why() {
        answer.reason = printable(&refusal.reason());
    }
    answer
}

fn warning_value(env: &Env<'_>, text: &str) -> String {
    warning(&env.settings.domain, text)
}

fn warning_text(env: &Env<'_>, refusal: &Refusal) -> Option<String> {
    let text = env.settings.warning(refusal.warning()?);
    Some(match refusal {
        Refusal::RuleBroken(rule) => text.replace("{rule}", rule),
        _ => text.to_owned(),
    })
}

/// A reason phrase may hold no control character (RFC 3261 section 25.1, Reason-Phrase).
fn printable(phrase: &str) -> String {
    phrase
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
