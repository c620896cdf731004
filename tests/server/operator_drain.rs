//! How an operator empties a server: cpm.drain and SIGTERM.

use crate::kit::adhoc::FACTORY;
use crate::kit::refer::{expect_final, expect_outcome, expect_trying};
use crate::kit::{
    check, pair, Group, Leg, OnCancel, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, QUIET,
    SOON,
};
use std::time::{Duration, Instant};

/// The value of that name in the output of a command.
pub fn field(output: &str, name: &str) -> String {
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
fn cpm_drain_ends_what_runs_and_refuses_what_is_new() {
    let (scene, mut alice, bob) = pair(Transport::Udp, |setup| setup);
    scene.target(Script::on("INVITE").reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
    scene.server.rpc_ok(&["cpm.drain"]);
    scene.targets.expect("CANCEL");
    expect_final(alice.ua(), alice.call_id(), 487);
    for leg in [&alice, &bob] {
        check::gone(&leg.dialog.expect("BYE").msg);
    }
    drained(&scene, SOON);
    for uri in ["sip:s@groups.home1.test", FACTORY] {
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
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
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
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
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
        check::gone(&leg.dialog.expect("BYE").msg);
    }
    let before = Instant::now();
    let mut answer = scene.server.rpc_ok(&["cpm.drain", "1"]);
    while field(&answer, "done") != "1" {
        assert!(before.elapsed() < SOON * 2, "not over:\n{answer}");
        std::thread::sleep(Duration::from_millis(20));
        // A later call gives no more time.
        answer = scene.server.rpc_ok(&["cpm.drain", "3600"]);
    }
    assert!(before.elapsed() > Duration::from_millis(900));
    assert_eq!(field(&answer, "given_up"), "1");
    assert_eq!(field(&answer, "seconds_left"), "0");
    // The line follows the state.
    assert!(scene.server.log_has("given up, ", SOON));
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
        check::gone(&leg.dialog.expect("BYE").msg);
    }
}

#[test]
fn drain_is_not_held_up_by_a_refer_of_a_moment_ago() {
    let (scene, alice, _bob) = pair(Transport::Udp, |setup| setup);
    scene.target(Script::on("INVITE").reply(486));
    let refer = alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&refer).answer());
    expect_outcome(alice.ua(), refer.call_id(), 486);
    drained(&scene, SOON);
}

#[test]
fn sigterm_drains_when_asked_to() {
    let (mut scene, mut alice, bob) = pair(Transport::Udp, |setup| setup.env("CPM_DRAIN", "20"));
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
        check::gone(&leg.dialog.expect("BYE").msg);
    }
    scene.targets.expect("CANCEL");
    assert!(!scene.server.leaves_processes(), "nothing is left running");
}

#[test]
fn sigterm_stops_at_the_latest_when_the_time_is_over() {
    let (mut scene, _alice, bob) = pair(Transport::Udp, |setup| setup.env("CPM_DRAIN", "2"));
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
    let (mut scene, alice, bob) = pair(Transport::Udp, |setup| setup);
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

#[test]
fn the_server_ends_when_the_shell_above_it_is_killed() {
    let mut server = Setup::new([Group::open("s", &[ALICE])])
        .env("CPM_DRAIN", "30")
        .start();
    let before = server.processes().len();
    assert!(before > 8, "{before}");
    server.kill();
    let deadline = Instant::now() + SOON;
    while !server.processes().is_empty() {
        assert!(
            Instant::now() < deadline,
            "it runs on:\n{}",
            server.log_text()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
