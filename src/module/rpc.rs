//! Commands for the operator: `cpm.list`, `cpm.show`, `cpm.check`, `cpm.invite`, `cpm.remove`, `cpm.end`,
//! `cpm.drain`.

use super::executor::{perform, Place};
use super::rpc_names::{wants_full, Names};
use super::runtime::{self, runtime, Runtime};
use crate::cpm::policy::explain;
use crate::cpm::records::{
    Carrier, ConferenceSubscription, Head, Id, Leg, LegState, Name, Record, Refer, TargetRecord,
};
use crate::cpm::session::{is_shown_as_administrator, Session};
use crate::cpm::targets::TargetAddress;
use crate::kamailio::rpc::{command, Doc, Fault, Rpc, RpcCommand, RpcStruct};
use crate::kamailio::{clock, log};
use crate::sip::identity::Identity;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;

static LIST_DOC: Doc =
    Doc::new(c"All sessions: focus, group, how many are connected and pending, age in seconds");
static SHOW_DOC: Doc = Doc::new(
    c"One session with its participants, REFERs and watchers; parameters: focus URI, token or group URI; \"full\" names the anonymous too",
);
static CHECK_DOC: Doc =
    Doc::new(c"Policy dry run, nothing is sent; parameters: group URI, referrer URI, target URI");

static INVITE_DOC: Doc =
    Doc::new(c"Invite a user into a session as the focus; parameters: focus URI, target URI");
static REMOVE_DOC: Doc =
    Doc::new(c"Take a user out of a session; parameters: focus URI, user's URI");
static DRAIN_DOC: Doc = Doc::new(
    c"Graceful stop: refuses new sessions, ends the running ones; ask again until done is 1; parameter: seconds to give them (60)",
);
static END_DOC: Doc = Doc::new(c"End a session: BYE to everybody; parameter: focus URI");

/// `cpm.list`: all sessions.
pub const LIST: RpcCommand = command(c"cpm.list", &LIST_DOC, list);
/// `cpm.show`: one session in full.
pub const SHOW: RpcCommand = command(c"cpm.show", &SHOW_DOC, show);
/// `cpm.check`: a dry run of the policy.
pub const CHECK: RpcCommand = command(c"cpm.check", &CHECK_DOC, check);

/// `cpm.invite`: invites somebody as the focus.
pub const INVITE: RpcCommand = command(c"cpm.invite", &INVITE_DOC, invite);
/// `cpm.remove`: takes somebody out.
pub const REMOVE: RpcCommand = command(c"cpm.remove", &REMOVE_DOC, remove);
/// `cpm.drain`: ends all sessions before a stop.
pub const DRAIN: RpcCommand = command(c"cpm.drain", &DRAIN_DOC, drain);
/// `cpm.end`: ends one session.
pub const END: RpcCommand = command(c"cpm.end", &END_DOC, end);

/// Sessions read per turn; each turn takes the locks once.
const PAGE: usize = 100;

fn started() -> Result<&'static Runtime, Fault> {
    runtime().ok_or_else(|| Fault::new(503, "the module is not initialised"))
}

fn list(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let runtime = started()?;
    let mut after = None;
    loop {
        let page = runtime.store.sessions(after, PAGE);
        for id in &page {
            if let Some((head, _)) = runtime.store.view(*id) {
                describe(runtime, &mut rpc.add_struct(), &head);
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(*last),
            _ => return Ok(()),
        }
    }
}

fn show(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let runtime = started()?;
    let wanted = rpc.next_string().ok_or_else(|| {
        let expected = "expected: cpm.show <focus URI, token or group URI> [full]";
        Fault::new(400, expected)
    })?;
    let full = wants_full(rpc)?;
    let id = find(runtime, &wanted).ok_or_else(|| Fault::new(404, "no such live session"))?;
    let (head, records) = runtime
        .store
        .view(id)
        .ok_or_else(|| Fault::new(404, "no such live session"))?;
    let mut answer = rpc.add_struct();
    describe(runtime, &mut answer, &head);
    answer.string(c"conversation_id", &head.conversation_id);
    answer.string(c"contribution_id", &head.contribution_id);
    let names = Names::new(runtime, &head, &records, full);
    let mut list = answer.list(c"participants");
    for (_, record) in &records {
        if let Record::Leg(leg) = record {
            describe_leg(runtime, &mut list.add_struct(), &head, leg, &names);
        }
    }
    let mut list = answer.list(c"refers");
    for (id, record) in &records {
        if let Record::Refer(refer) = record {
            let targets = records.iter().filter_map(|(_, record)| match record {
                Record::Target(target) if target.refer == *id => Some(target.as_ref()),
                _ => None,
            });
            describe_refer(&mut list.add_struct(), refer, targets, &names);
        }
    }
    let mut list = answer.list(c"watchers");
    for (_, record) in &records {
        if let Record::ConferenceSubscription(subscription) = record {
            describe_subscription(&mut list.add_struct(), subscription, &names);
        }
    }
    Ok(())
}

fn find(runtime: &Runtime, wanted: &str) -> Option<Id> {
    let by_token = |token: &str| runtime.store.find(&Name::Token(token.to_owned()));
    let Ok(uri) = Uri::parse(wanted.as_bytes()) else {
        return by_token(wanted);
    };
    match runtime.groups.find(&uri) {
        Some(group) => runtime.store.find(&Name::Group(Identity::of(&group.uri))),
        None => by_token(uri.user()?),
    }
}

fn describe(runtime: &Runtime, answer: &mut RpcStruct<'_, '_>, head: &Head) {
    let focus = format!("sip:{}@{}", head.token, runtime.config.settings.domain);
    let age = clock::monotonic_ms().saturating_sub(head.started) / 1000;
    answer
        .string(c"focus", &focus)
        .string(c"group", head.group.as_ref().map_or("", Uri::as_str))
        .string(c"subject", head.subject.as_deref().unwrap_or_default())
        .string(c"state", if head.live { "live" } else { "ending" })
        .int(c"connected", head.connected.into())
        .int(c"pending", head.pending.into())
        .int(c"max_participants", head.max_participants.into())
        .int(c"age", i64::try_from(age).unwrap_or(i64::MAX));
}

fn describe_leg(
    runtime: &Runtime,
    answer: &mut RpcStruct<'_, '_>,
    head: &Head,
    leg: &Leg,
    names: &Names<'_>,
) {
    let state = match leg.state {
        LegState::Waiting { .. } => "waiting",
        LegState::Inviting { ringing: false, .. } => "inviting",
        LegState::Inviting { ringing: true, .. } => "ringing",
        LegState::Connected => "connected",
        LegState::Withdrawn { .. } => "withdrawn",
        LegState::Left => "left",
    };
    let administrator = runtime.with_env(|env| is_shown_as_administrator(head, leg, env));
    let role = match administrator {
        true => "administrator",
        false => "participant",
    };
    let referrer = leg.referrer.as_ref();
    let referrer = referrer.map_or_else(String::new, |uri| names.of_uri(uri, false));
    answer
        .string(c"uri", &names.of_leg(leg))
        .string(c"state", state)
        .string(c"role", role)
        .string(
            c"joined",
            if leg.formed_by.is_some() {
                "dialed-in"
            } else {
                "dialed-out"
            },
        )
        .string(c"referrer", &referrer)
        .string(c"call_id", &leg.dialog.call_id);
    // Seen from the focus; anything but sendrecv is a hold.
    answer.string(c"media", leg.media.direction.name());
    let (interval, refresher) = match leg.timer.running {
        None => (0, ""),
        Some(timer) if timer.ours => (timer.interval, "focus"),
        Some(timer) => (timer.interval, "participant"),
    };
    answer
        .int(c"session_expires", interval.into())
        .string(c"refresher", refresher);
}

fn describe_refer<'a>(
    answer: &mut RpcStruct<'_, '_>,
    refer: &Refer,
    targets: impl Iterator<Item = &'a TargetRecord>,
    names: &Names<'_>,
) {
    let notify = match (&refer.subscription, &refer.carrier) {
        (None, _) => "over",
        (Some(_), Carrier::Own(_)) => "own dialog",
        (Some(_), Carrier::In(_) | Carrier::None) => "in dialog",
    };
    answer
        .string(c"refer", &refer.label.to_string())
        .string(
            c"referrer",
            &names.of(
                &refer.identities,
                refer.referrer.as_str(),
                refer.is_unnamed(),
            ),
        )
        .int(c"cseq", refer.cseq.into())
        .string(c"notify", notify);
    let mut list = answer.list(c"targets");
    for target in targets {
        let mut entry = list.add_struct();
        let uri = match &target.address {
            TargetAddress::Uri(uri) => names.of_uri(uri, target.hidden),
            TargetAddress::Unusable(text) => names.of(&[], text, target.hidden),
        };
        entry.string(c"uri", &uri);
        let result = target.outcome.as_ref().map_or(0, |outcome| outcome.status);
        entry.int(c"result", result.into());
    }
}

fn describe_subscription(
    answer: &mut RpcStruct<'_, '_>,
    subscription: &ConferenceSubscription,
    names: &Names<'_>,
) {
    let common = &subscription.common;
    let (dialog, left) = (
        match subscription.carrier {
            Carrier::In(_) => "in dialog",
            Carrier::Own(_) | Carrier::None => "own dialog",
        },
        common.expires_at.saturating_sub(clock::monotonic_ms()) / 1000,
    );
    answer
        .string(
            c"uri",
            &names.of(
                &subscription.identities,
                subscription.uri.as_str(),
                subscription.anonymous,
            ),
        )
        .string(c"notify", dialog)
        .string(
            c"state",
            common.ending.map_or("active", |ending| ending.as_str()),
        )
        .int(c"expires", i64::try_from(left).unwrap_or(i64::MAX))
        .int(c"version", subscription.version.into());
}

fn invite(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    act_on_user(rpc, "cpm.invite", |session, user| {
        session.invite_by_operator(user)
    })
}

fn remove(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    act_on_user(rpc, "cpm.remove", |session, user| {
        session.remove_by_operator(user)
    })
}

/// Answers with the status a referrer would be told.
fn act_on_user(
    rpc: &mut Rpc<'_>,
    name: &str,
    act: impl FnOnce(&mut Session<'_>, &Uri) -> u16,
) -> Result<(), Fault> {
    let (Some(focus), Some(user)) = (rpc.next_string(), rpc.next_string()) else {
        return Err(Fault::new(
            400,
            format!("expected: {name} <focus> <user's URI>"),
        ));
    };
    let user = Uri::parse(user.as_bytes())
        .map_err(|error| Fault::new(400, format!("user {user}: {error}")))?;
    let mut status = 0;
    act_on(&focus, |session| status = act(session, &user))?;
    rpc.add_struct()
        .int(c"status", status.into())
        .string(c"reason", reason_phrase(status));
    Ok(())
}

fn end(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let focus = rpc
        .next_string()
        .ok_or_else(|| Fault::new(400, "expected: cpm.end <focus>"))?;
    act_on(&focus, |session| session.end_by_operator())?;
    rpc.add_struct().string(c"state", "ending");
    Ok(())
}

fn drain(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let runtime = started()?;
    let limit = rpc.next_string().map(|text| match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(seconds * 1000),
        _ => Err(Fault::new(
            400,
            format!("seconds {text}: expected: cpm.drain [1 to 3600]"),
        )),
    });
    let draining = &runtime.draining;
    if !draining.begin(limit.transpose()?) {
        log::notice!(
            "draining: no new sessions, the running ones have {} s to end",
            draining.left().div_ceil(1000)
        );
    }
    runtime.store.ring();
    // What is left of ended sessions waits for answers and acknowledgements.
    let records = runtime.store.engine().counts().records;
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    rpc.add_struct()
        .int(c"records", number(records as u64))
        .int(c"seconds_left", number(draining.left().div_ceil(1000)))
        .int(c"given_up", number(draining.given_up()))
        .int(c"done", i64::from(records == 0));
    Ok(())
}

fn act_on(focus: &str, act: impl FnOnce(&mut Session<'_>)) -> Result<(), Fault> {
    let runtime = started()?;
    let id = find(runtime, focus).ok_or_else(|| Fault::new(404, "no such live session"))?;
    let done = runtime.with_env(|env| runtime.store.with_record(id, env, act));
    let actions = done.map_err(|error| Fault::new(500, error.to_string()))?;
    perform(runtime, actions, Place::Inline);
    Ok(())
}

fn check(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let runtime = started()?;
    let (Some(group), Some(referrer), Some(target)) =
        (rpc.next_string(), rpc.next_string(), rpc.next_string())
    else {
        return Err(Fault::new(
            400,
            "expected: cpm.check <group URI> <referrer URI> <target URI>",
        ));
    };
    let parse = |what: &str, text: &str| {
        Uri::parse(text.as_bytes())
            .map_err(|error| Fault::new(400, format!("{what} {text}: {error}")))
    };
    let (group, referrer, target) = (
        parse("group", &group)?,
        parse("referrer", &referrer)?,
        parse("target", &target)?,
    );
    let Some(group) = runtime.groups.find(&group) else {
        return Err(Fault::new(
            404,
            "no such group (or its document was refused, see the log)",
        ));
    };
    let domains = &runtime.config.settings.phone_domains;
    let mut answer = rpc.add_struct();
    for (name, value) in explain(group, &referrer, &target, runtime::unix_now(), domains) {
        if let Ok(name) = std::ffi::CString::new(name) {
            answer.string(&name, &value);
        }
    }
    Ok(())
}
