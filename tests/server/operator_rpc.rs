//! What an operator asks and orders by RPC: list, show, check, invite, remove, end; statistics and the log.

use super::operator_drain::field;
use crate::kit::groups::all_actions;
use crate::kit::refer::{expect_final, expect_outcome, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, pair, serve, with_alice, Group, Leg, Rule, Scene, Script, Transport, ALICE, BOB, CAROL,
    QUIET, SOON,
};
use std::time::{Duration, Instant};

fn group() -> Group {
    Group::open("s", &[ALICE])
}

#[test]
fn list_and_show_tell_what_is_going_on() {
    let (scene, mut alice) = with_alice(|setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let focus = uri_of(invite.msg.need("From"));
    let list = scene.server.rpc_ok(&["cpm.list"]);
    assert!(list.contains(&focus), "{focus} in:\n{list}");
    assert!(list.contains(&group().uri), "{list}");
    let show = scene.server.rpc_ok(&["cpm.show", &focus]);
    for part in [ALICE, CAROL] {
        assert!(show.contains(part), "{part} in:\n{show}");
    }
    let carol = scene.accept(&invite);
    let deadline = Instant::now() + SOON;
    let connected = |show: &str| show.matches("connected").count();
    while connected(&scene.server.rpc_ok(&["cpm.show", &focus])) < 2 {
        assert!(
            Instant::now() < deadline,
            "two are connected:\n{}",
            scene.server.rpc_ok(&["cpm.show", &focus])
        );
    }
    let mut carol = carol;
    check::accepted(&carol.bye());
    alice.dialog.expect("BYE");
    let deadline = Instant::now() + SOON;
    while scene.server.rpc_ok(&["cpm.list"]).contains(&focus) {
        assert!(Instant::now() < deadline, "the session is over");
    }
    assert!(
        scene.server.rpc(&["cpm.show", &focus]).is_err(),
        "an unknown focus is a fault"
    );
    assert!(
        scene.server.rpc(&["cpm.show"]).is_err(),
        "a missing argument is a fault"
    );
    assert!(
        scene.server.rpc(&["cpm.show", "%%%"]).is_err(),
        "nonsense is a fault"
    );
}

#[test]
fn check_tells_what_the_policy_would_say() {
    let closed = Group::sample();
    let scene = Scene::new([&closed]);
    let check = |referrer: &str, target: &str| {
        scene
            .server
            .rpc_ok(&["cpm.check", &closed.uri, referrer, target])
            .to_lowercase()
    };
    let fine = check(ALICE, BOB);
    let wrong_target = check(ALICE, "sip:mallory@home1.test");
    let wrong_referrer = check(BOB, CAROL);
    let verdicts = [&fine, &wrong_target, &wrong_referrer];
    assert!(
        verdicts[0] != verdicts[1] && verdicts[0] != verdicts[2] && verdicts[1] != verdicts[2],
        "{verdicts:?}"
    );
    assert!(scene
        .server
        .rpc(&["cpm.check", "sip:nogroup@groups.home1.test", ALICE, CAROL])
        .is_err());
    // The command changes nothing: nobody is invited, no session is made.
    scene.nobody_invited();
    assert!(!scene.server.rpc_ok(&["cpm.list"]).contains(&closed.uri));
}

/// The statistics of the group `cpm`: name and value.
fn statistics(scene: &Scene) -> Vec<(String, i64)> {
    let groups = scene.server.rpc_ok(&["cnt.grps_list"]);
    assert!(groups.lines().any(|l| l.trim() == "cpm"), "{groups}");
    let all = scene.server.rpc_ok(&["cnt.grp_get_all", "cpm"]);
    let parse = |line: &str| {
        let (name, value) = line.split_once([':', '='])?;
        Some((
            name.trim().trim_start_matches("cpm.").to_string(),
            value.trim().parse().ok()?,
        ))
    };
    all.lines().filter_map(parse).collect()
}

fn statistic(scene: &Scene, parts: &[&str]) -> i64 {
    let all = statistics(scene);
    let mut found = all
        .iter()
        .filter(|(name, _)| parts.iter().all(|p| name.contains(p)));
    let (_, value) = found
        .next()
        .unwrap_or_else(|| panic!("no statistic for {parts:?} in {all:?}"));
    *value
}

#[test]
fn statistics_count_sessions_participants_and_refers() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").accept());
    assert_eq!(statistic(&scene, &["sessions"]), 1);
    assert_eq!(statistic(&scene, &["participants"]), 1);
    let (accepted, refused) = (["refer", "accept"], ["refer", "refuse"]);
    let before = [statistic(&scene, &accepted), statistic(&scene, &refused)];
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_outcome(alice.ua(), alice.call_id(), 200);
    let bad = alice.refer("").without("Refer-To");
    check::refused(&alice.send(&bad).answer(), 400, None);
    assert_eq!(
        [statistic(&scene, &accepted), statistic(&scene, &refused)],
        [before[0] + 1, before[1] + 1]
    );
    assert_eq!(statistic(&scene, &["participants"]), 2);
    check::accepted(&alice.dialog.bye());
    scene.targets.expect("BYE");
    let deadline = Instant::now() + SOON;
    while (
        statistic(&scene, &["sessions"]),
        statistic(&scene, &["participants"]),
    ) != (0, 0)
    {
        assert!(Instant::now() < deadline, "{:?}", statistics(&scene));
    }
}

#[test]
fn a_decision_is_one_line_of_the_log_without_identities() {
    let (scene, mut alice) = with_alice(|setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let refused = alice
        .refer_outside(&format!("<{CAROL}>"))
        .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
    check::refused(&alice.send(&refused).answer(), 403, None);
    assert!(scene.server.log_has("403", SOON), "the refusal is told");
    let log = scene.server.log_text();
    let refusals: Vec<&str> = log
        .lines()
        .filter(|l| l.contains("403") && l.contains("REFER"))
        .collect();
    assert_eq!(refusals.len(), 1, "one line for one decision: {refusals:?}");
    for identity in ["alice@home1.test", "carol@home1.test", "zoe@elsewhere.test"] {
        assert!(!log.contains(identity), "{identity} is in the log:\n{log}");
    }
}

fn focus(alice: &Leg) -> String {
    format!("sip:{}@conf.home1.test", serve::user_of(&alice.focus))
}

#[test]
fn cpm_invite_brings_somebody_in() {
    let domain = "<cp:identity><cp:many domain=\"home1.test\"/></cp:identity>";
    let rules = [
        all_actions(Rule::members()),
        Rule::when(domain).allow("join-handling"),
    ];
    let group = Group::new("sip:s@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::new([&group]);
    let [alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
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
    // The group document still decides, and a NOTIFY goes to nobody: nobody subscribed.
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
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
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
    // Alice is alone when carol goes, so her session ends.
    assert_eq!(remove(CAROL), "200");
    carol.dialog.expect("BYE");
    check::gone(&alice.dialog.expect("BYE").msg);
}

#[test]
fn cpm_end_ends_a_session() {
    let (scene, mut alice, bob) = pair(Transport::Udp, |setup| setup);
    scene.target(Script::on("INVITE").reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
    scene.server.rpc_ok(&["cpm.end", "sip:s@groups.home1.test"]);
    scene.targets.expect("CANCEL");
    expect_final(alice.ua(), alice.call_id(), 487);
    for leg in [&alice, &bob] {
        check::gone(&leg.dialog.expect("BYE").msg);
    }
    let deadline = Instant::now() + SOON;
    while scene.server.rpc_ok(&["cpm.list"]).contains("live") {
        assert!(Instant::now() < deadline, "it is over");
    }
    assert!(scene.server.rpc(&["cpm.end"]).is_err());
    // The next session of the group is a new one.
    scene.join(bob.ua(), "sip:s@groups.home1.test");
}
