//! More than the server can do: what is too much is refused, what was accepted is finished, and it passes.

use crate::kit::{
    check, Group, Incoming, Leg, Msg, Pending, Scene, Script, Setup, Transport, Ua, ALICE, BOB,
    CAROL, SOON,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The longest an overload is waited for, and everything that comes after it. Only a test that fails takes so long.
const LONG: Duration = Duration::from_secs(60);
/// REFERs sent at once, before looking.
const BURST: usize = 200;
/// More of them would only say the same.
const MOST: usize = 6_000;
const FIRST: &str = "sip:first@home1.test";

/// One worker, which soon has too much; targets decline.
fn scene(transport: Transport, change: impl Fn(Setup) -> Setup) -> (Scene, Group) {
    let group = Group::open("s", &[ALICE, BOB, CAROL]);
    let setup = [
        "refer_rate",
        "session_rate",
        "target_rate",
        "next_hop_rate",
        "invite_rate",
    ]
    .into_iter()
    .fold(Setup::new([&group]), |setup, rate| setup.param_int(rate, 0))
    .env("CPM_WORKERS", "1")
    .param_int("max_participants", 10_000)
    .param_int("shed_queue_delay", 5);
    let scene = Scene::with(change(setup), transport);
    scene.target(Script::on("INVITE").reply(486));
    (scene, group)
}

/// Sends REFERs without waiting for answers, all but those that `enough` has seen.
fn flood(
    scene: &Scene,
    ua: &Ua,
    group: &Group,
    mut enough: impl FnMut(usize) -> bool,
) -> Vec<Pending> {
    let mut sent = Vec::new();
    while sent.len() < MOST && !enough(sent.len()) {
        for _ in 0..BURST {
            let target = format!("<sip:t{}@home1.test>", sent.len());
            let refer = ua.request("REFER", &group.uri).with("Refer-To", target);
            sent.push(scene.send(ua, &refer));
        }
    }
    sent
}

fn refused(scene: &Scene) -> i64 {
    scene.server.statistic("shed")
}

/// Until a hundred have been refused.
fn overload(scene: &Scene, ua: &Ua, group: &Group) -> Vec<Pending> {
    let sent = flood(scene, ua, group, |_| refused(scene) >= 100);
    assert!(refused(scene) > 0, "nothing was refused of {}", sent.len());
    sent
}

/// The final answers so far, by branch.
fn answers(ua: &Ua) -> BTreeMap<String, Vec<Msg>> {
    let mut found: BTreeMap<String, Vec<Msg>> = BTreeMap::new();
    for incoming in ua.inbox().all() {
        if incoming.msg.status() >= 200 {
            let branch = incoming.msg.branch().unwrap_or_default();
            found.entry(branch).or_default().push(incoming.msg.clone());
        }
    }
    found
}

/// Waits until the server says that it is over and has nothing left to do.
fn is_over(scene: &Scene) {
    let deadline = Instant::now() + LONG;
    while scene.server.statistic("overloaded") != 0 {
        assert!(Instant::now() < deadline, "the overload does not end");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn ends_refer(incoming: &Incoming) -> Option<String> {
    let state = incoming
        .msg
        .header("Subscription-State")
        .unwrap_or_default();
    let ends = incoming.msg.method() == "NOTIFY" && state.starts_with("terminated");
    ends.then(|| incoming.msg.call_id().to_owned())
}

/// Every REFER that was accepted has its terminal NOTIFY.
fn are_finished(ua: &Ua, accepted: &BTreeSet<String>) {
    let finished = |all: &[Arc<Incoming>]| {
        let ended: BTreeSet<String> = all.iter().filter_map(|i| ends_refer(i)).collect();
        accepted.is_subset(&ended)
    };
    let deadline = Instant::now() + LONG;
    while !finished(&ua.inbox().all()) {
        assert!(Instant::now() < deadline, "not every REFER was finished");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn is_refused_in_order(answer: &Msg, status: u16) {
    assert_eq!(answer.status(), status, "{answer}");
    let retry: u32 = answer.need("Retry-After").parse().expect("seconds");
    assert!((5..=10).contains(&retry), "{answer}");
}

fn what_is_too_much_is_refused(transport: Transport) {
    let (scene, group) = scene(transport, |setup| setup);
    let [mut alice, mut bob, _carol] =
        [ALICE, BOB, CAROL].map(|who| scene.participant(who, &group));
    let ua = scene.ua(ALICE);
    let sent = overload(&scene, &ua, &group);
    // What ends something is served while the flood is still worked off.
    ends_are_served(&scene, &mut bob, &group);
    is_over(&scene);

    let answers = answers(&ua);
    let mut accepted = BTreeSet::new();
    for pending in &sent {
        for answer in answers.get(&pending.branch).into_iter().flatten() {
            if answer.status() == 200 {
                accepted.insert(pending.msg.call_id().to_owned());
            } else {
                is_refused_in_order(answer, 503);
            }
        }
    }
    assert!(!accepted.is_empty(), "something is served");
    are_finished(&ua, &accepted);
    let log = scene.server.log_text();
    for line in ["new requests are answered 503", "overload is over"] {
        assert_eq!(log.matches(line).count(), 1, "{line}\n{log}");
    }
    let counted = scene.server.statistic("refers_refused");
    assert_eq!(counted, refused(&scene), "each is a refused REFER");
    check::accepted(&alice.referred("<sip:after@home1.test>"));
    scene.invite_for("sip:after@home1.test");
    assert_eq!(refused(&scene), counted, "nothing is refused any more");
}

fn ends_are_served(scene: &Scene, bob: &mut Leg, group: &Group) {
    let bye = bob.dialog.bye();
    assert_eq!(bye.status(), 200, "{bye}");
    let ua = scene.ua(BOB);
    let cancel = scene.send(&ua, &ua.request("CANCEL", &group.uri)).answer();
    assert_eq!(cancel.status(), 481, "{cancel}");
}

#[test]
fn what_is_too_much_is_refused_udp() {
    what_is_too_much_is_refused(Transport::Udp);
}

#[test]
fn what_is_too_much_is_refused_tcp() {
    what_is_too_much_is_refused(Transport::Tcp);
}

#[test]
fn the_operator_chooses_how_it_is_refused() {
    for status in [480, 486, 500] {
        let (scene, group) = scene(Transport::Udp, |setup| {
            setup.param_int("shed_status", i64::from(status))
        });
        let _alice = scene.participant(ALICE, &group);
        let ua = scene.ua(ALICE);
        overload(&scene, &ua, &group);
        let others = |answers: BTreeMap<String, Vec<Msg>>| -> Vec<Msg> {
            let all = answers.into_values().flatten();
            all.filter(|answer| answer.status() != 200).collect()
        };
        let found = ua.inbox().wait_for_all(SOON, |all| {
            all.iter().any(|incoming| incoming.msg.status() == status)
        });
        assert!(found, "no answer {status}");
        for answer in others(answers(&ua)) {
            is_refused_in_order(&answer, status);
        }
    }
}

/// A REFER that was accepted and is sent again, by a network or by a client whose patience ended.
#[test]
fn what_was_accepted_gets_its_answer_again() {
    let (scene, group) = scene(Transport::Udp, |setup| setup);
    let _alice = scene.participant(ALICE, &group);
    let ua = scene.ua(ALICE);
    let refer = ua
        .request("REFER", &group.uri)
        .with("Refer-To", format!("<{FIRST}>"));
    let first = scene.send(&ua, &refer);
    check::accepted(&first.answer());
    flood(&scene, &ua, &group, |_| {
        first.resend();
        refused(&scene) >= 100
    });
    assert!(refused(&scene) > 0);
    is_over(&scene);
    let answers = answers(&ua);
    let again = &answers[&first.branch];
    assert!(again.len() > 1, "it was answered again");
    for answer in again {
        check::accepted(answer);
    }
    let invites = scene.targets.inbox().all();
    let of_first = invites
        .iter()
        .filter(|i| !i.again && i.msg.method() == "INVITE" && i.msg.request_uri() == FIRST);
    assert_eq!(of_first.count(), 1, "it was accepted once");
}

fn answers_of(answers: &BTreeMap<String, Vec<Msg>>, status: u16) -> usize {
    let of = |all: &&Vec<Msg>| all.iter().any(|answer| answer.status() == status);
    answers.values().filter(of).count()
}

#[test]
fn with_0_nothing_is_refused() {
    let (scene, group) = scene(Transport::Udp, |setup| {
        setup.param_int("shed_queue_delay", 0)
    });
    let _alice = scene.participant(ALICE, &group);
    let ua = scene.ua(ALICE);
    flood(&scene, &ua, &group, |sent| sent >= 2_000);
    let accepted = ua.inbox().wait_for_all(SOON, |all| {
        all.iter().filter(|i| i.msg.status() == 200).count() >= 100
    });
    assert!(accepted);
    assert_eq!(refused(&scene), 0);
    assert_eq!(scene.server.statistic("overloaded"), 0);
    assert_eq!(answers_of(&answers(&ua), 503), 0);
}

/// An idle server refuses nobody.
#[test]
fn a_few_requests_are_no_overload() {
    let (scene, group) = scene(Transport::Tcp, |setup| setup);
    let mut alice = scene.participant(ALICE, &group);
    for n in 0..50 {
        check::accepted(&alice.referred(&format!("<sip:t{n}@home1.test>")));
    }
    assert_eq!(refused(&scene), 0);
}
