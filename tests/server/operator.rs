//! What an operator does to sessions by hand, against the real server: invite, remove, end, drain, stop.
//! It is not about start-up, statistics and the log: see `operability.rs`.

use crate::kit::refer::{expect_final, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, Group, Leg, Msg, OnCancel, Rule, Scene, Script, Setup, Transport, QUIET, SOON,
};
use std::time::{Duration, Instant};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";

fn pair(change: impl Fn(Setup) -> Setup) -> (Scene, Leg, Leg) {
    let rules = [
        crate::kit::groups::all_actions(Rule::members()),
        Rule::when("<cp:identity><cp:many domain=\"home1.test\"/></cp:identity>")
            .allow("join-handling"),
    ];
    let group = Group::new("sip:s@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::with(change(Setup::new([&group])), Transport::Udp);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    (scene, alice, bob)
}

fn focus(alice: &Leg) -> String {
    format!(
        "sip:{}@conf.home1.test",
        crate::kit::serve::user_of(&alice.focus)
    )
}

fn is_gone(bye: &Msg) {
    assert_eq!(
        bye.need("Reason").replace(' ', ""),
        "SIP;cause=410;text=\"Gone\"",
        "{bye}"
    );
}

/// Whatever the output says for that name.
fn field(output: &str, name: &str) -> String {
    let found = output
        .lines()
        .find_map(|line| line.trim().strip_prefix(&format!("{name}: ")));
    found
        .unwrap_or_else(|| panic!("no {name} in:\n{output}"))
        .to_string()
}

/// Asks until the server has drained.
fn drained(scene: &Scene, wait: Duration) {
    let deadline = Instant::now() + wait;
    while field(&scene.server.rpc_ok(&["cpm.drain"]), "done") != "1" {
        assert!(
            Instant::now() < deadline,
            "not drained:\n{}",
            scene.server.rpc_ok(&["cpm.list"])
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn cpm_invite_brings_somebody_in() {
    let (scene, alice, _bob) = pair(|setup| setup);
    let focus = focus(&alice);
    let invite = |user: &str| scene.server.rpc_ok(&["cpm.invite", &focus, user]);
    assert_eq!(field(&invite(CAROL), "status"), "100");
    let leg = scene.invite_for(CAROL);
    assert_eq!(uri_of(leg.msg.need("Referred-By")), focus, "{}", leg.msg);
    scene.accept(&leg);
    let deadline = Instant::now() + SOON;
    while field(&invite(CAROL), "status") != "200" {
        assert!(Instant::now() < deadline, "she is in");
    }
    // The document still decides, and nobody is told who did not ask.
    assert_eq!(field(&invite("sip:x@other.test"), "status"), "403");
    scene.targets.expect_none("INVITE", QUIET);
    alice.ua().expect_none("NOTIFY", Duration::from_millis(50));
    for wrong in [
        &["cpm.invite", "sip:nobody@conf.home1.test", CAROL][..],
        &["cpm.invite", &focus],
        &["cpm.invite", &focus, "mailto:x@y"],
    ] {
        assert!(scene.server.rpc(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn cpm_remove_takes_somebody_out() {
    let (scene, alice, bob) = pair(|setup| setup);
    let carol = scene.participant(CAROL, &Group::raw("sip:s@groups.home1.test", ""));
    let remove = |user: &str| {
        let output = scene.server.rpc_ok(&["cpm.remove", &focus(&alice), user]);
        field(&output, "status")
    };
    assert_eq!(remove(BOB), "200");
    let bye = bob.dialog.expect("BYE");
    assert!(bye.msg.need("Reason").contains("cause=200"), "{}", bye.msg);
    assert_eq!(remove(BOB), "404");
    let back = scene.send(bob.ua(), &scene.invite(bob.ua(), "sip:s@groups.home1.test"));
    check::refused(&back.answer(), 403, Some("127"));
    for leg in [&alice, &carol] {
        leg.dialog.expect_none("BYE", QUIET);
    }
    // One is left when the next one goes.
    assert_eq!(remove(CAROL), "200");
    carol.dialog.expect("BYE");
    is_gone(&alice.dialog.expect("BYE").msg);
}

#[test]
fn cpm_end_ends_a_session() {
    let (scene, mut alice, bob) = pair(|setup| setup);
    scene.target(Script::on("INVITE").reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
    scene.server.rpc_ok(&["cpm.end", "sip:s@groups.home1.test"]);
    scene.targets.expect("CANCEL");
    expect_final(alice.ua(), alice.call_id(), 487);
    for leg in [&alice, &bob] {
        is_gone(&leg.dialog.expect("BYE").msg);
    }
    let deadline = Instant::now() + SOON;
    while scene.server.rpc_ok(&["cpm.list"]).contains("live") {
        assert!(Instant::now() < deadline, "it is over");
    }
    assert!(scene.server.rpc(&["cpm.end"]).is_err());
    // The next session of the group is a new one.
    scene.join(bob.ua(), "sip:s@groups.home1.test");
}

#[test]
fn cpm_drain_ends_what_runs_and_refuses_what_is_new() {
    let (scene, mut alice, bob) = pair(|setup| setup);
    scene.target(Script::on("INVITE").reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
    scene.server.rpc_ok(&["cpm.drain"]);
    scene.targets.expect("CANCEL");
    expect_final(alice.ua(), alice.call_id(), 487);
    for leg in [&alice, &bob] {
        is_gone(&leg.dialog.expect("BYE").msg);
    }
    drained(&scene, SOON);
    for uri in [
        "sip:s@groups.home1.test",
        "sip:conference-factory@conf.home1.test",
    ] {
        let answer = scene.send(bob.ua(), &scene.invite(bob.ua(), uri)).answer();
        assert_eq!(answer.status(), 503, "{answer}");
        let later: u32 = answer.need("Retry-After").parse().expect("seconds");
        assert!(later > 0, "{answer}");
    }
    scene.targets.expect_none("INVITE", QUIET);
    drained(&scene, SOON);
}

#[test]
fn drain_waits_for_answers_that_are_owed() {
    let (scene, alice, bob) = pair(|setup| setup);
    bob.ua().script(Script::on("BYE"));
    scene.server.rpc_ok(&["cpm.drain"]);
    alice.dialog.expect("BYE");
    let bye = bob.dialog.expect("BYE");
    let ask = || field(&scene.server.rpc_ok(&["cpm.drain"]), "done");
    for _ in 0..10 {
        assert_eq!(ask(), "0", "bob has not answered");
    }
    bob.ua().reply(&bye, 200, &[]);
    drained(&scene, SOON);
}

#[test]
fn drain_gives_up_what_is_not_done_in_time() {
    let (scene, alice, bob) = pair(|setup| setup);
    bob.ua().script(Script::on("BYE"));
    for wrong in ["soon", "0", "3601", "1m"] {
        let error = scene.server.rpc(&["cpm.drain", wrong]).unwrap_err();
        assert!(error.contains("1 to 3600"), "{error}");
    }
    let going_on = scene.server.rpc_ok(&["cpm.list"]);
    assert_eq!(field(&going_on, "state"), "live", "nothing has happened");
    let begun = scene.server.rpc_ok(&["cpm.drain", "3600"]);
    assert_eq!(field(&begun, "given_up"), "0");
    for leg in [&alice, &bob] {
        is_gone(&leg.dialog.expect("BYE").msg);
    }
    let before = Instant::now();
    let mut answer = scene.server.rpc_ok(&["cpm.drain", "1"]);
    while field(&answer, "done") != "1" {
        assert!(before.elapsed() < SOON * 2, "not over:\n{answer}");
        std::thread::sleep(Duration::from_millis(20));
        // More time is not given.
        answer = scene.server.rpc_ok(&["cpm.drain", "3600"]);
    }
    assert!(before.elapsed() > Duration::from_millis(900));
    assert_eq!(field(&answer, "given_up"), "1");
    assert_eq!(field(&answer, "seconds_left"), "0");
    let log = scene.server.log_text();
    assert!(log.contains("given up, "), "{log}");
}

#[test]
fn drain_ends_many_sessions() {
    const MANY: usize = 120;
    let groups: Vec<Group> = (0..MANY)
        .map(|n| Group::open(&format!("g{n}"), &[ALICE, BOB]))
        .collect();
    let scene = Scene::with(Setup::new(&groups), Transport::Udp);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.ua(who));
    let legs: Vec<Leg> = groups
        .iter()
        .flat_map(|group| [scene.join(&alice, &group.uri), scene.join(&bob, &group.uri)])
        .collect();
    drained(&scene, SOON);
    for leg in &legs {
        is_gone(&leg.dialog.expect("BYE").msg);
    }
}

#[test]
fn drain_is_not_held_up_by_a_refer_of_a_moment_ago() {
    let (scene, alice, _bob) = pair(|setup| setup);
    scene.target(Script::on("INVITE").reply(486));
    let refer = alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&refer).answer());
    crate::kit::refer::expect_outcome(alice.ua(), refer.call_id(), 486);
    drained(&scene, SOON);
}

#[test]
fn sigterm_drains_when_asked_to() {
    let (mut scene, mut alice, bob) = pair(|setup| setup.env("CPM_DRAIN", "20"));
    scene.target(
        Script::on("INVITE")
            .reply(180)
            .on_cancel(OnCancel::Terminate),
    );
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
    let before = Instant::now();
    let status = scene.server.stop().expect("it ends");
    assert!(status.success(), "{status}\n{}", scene.server.log_text());
    assert!(
        before.elapsed() < Duration::from_secs(8),
        "as soon as it is done"
    );
    expect_final(alice.ua(), alice.call_id(), 487);
    for leg in [&alice, &bob] {
        is_gone(&leg.dialog.expect("BYE").msg);
    }
    scene.targets.expect("CANCEL");
    assert!(!scene.server.leaves_processes(), "nothing is left running");
}

#[test]
fn sigterm_stops_at_the_latest_when_the_time_is_over() {
    let (mut scene, _alice, bob) = pair(|setup| setup.env("CPM_DRAIN", "2"));
    bob.ua().script(Script::on("BYE"));
    let before = Instant::now();
    let status = scene.server.stop().expect("it ends");
    assert!(status.success(), "{status}\n{}", scene.server.log_text());
    let took = before.elapsed();
    assert!(
        took > Duration::from_secs(1) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert!(!scene.server.leaves_processes(), "nothing is left running");
}

#[test]
fn sigterm_sends_nothing_when_nobody_asked_to_drain() {
    let (mut scene, alice, bob) = pair(|setup| setup);
    assert!(scene.server.stop().expect("it ends").success());
    for leg in [&alice, &bob] {
        leg.dialog.expect_none("BYE", QUIET);
    }
}

#[test]
fn a_server_that_drains_on_sigterm_still_tells_a_failed_start() {
    for (name, value) in [("CPM_DRAIN", "soon"), ("CPM_DRAIN", "0")] {
        let failure = Setup::new(Vec::<Group>::new()).env(name, value).try_start();
        let failure = failure.err().expect("it does not start");
        assert!(
            failure.log.contains("CPM_DRAIN") && failure.log.contains("expected"),
            "{}",
            failure.log
        );
    }
    let setup = Setup::new(Vec::<Group>::new()).env("CPM_DRAIN", "5");
    let failure = setup.param_int("invite_timeout", 1).try_start();
    let failure = failure.err().expect("it does not start");
    assert!(!failure.status.expect("it ended").success());
    assert!(failure.log.contains("invite_timeout"), "{}", failure.log);
}
