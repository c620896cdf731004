//! What an operator does and sees, against the real server: start-up, mistakes, RPC, statistics, log, stop.
//! It is not about SIP procedures: those are in the other files.

use crate::kit::sip::uri_of;
use crate::kit::{check, Group, Leg, Scene, Script, Setup, Transport, Ua, SOON};
use std::time::{Duration, Instant};

const CAROL: &str = "sip:carol@home1.test";
const ALICE: &str = "sip:alice@home1.test";

fn group() -> Group {
    Group::open("s", &[ALICE])
}

fn with_alice(setup: Setup) -> (Scene, Leg) {
    let scene = Scene::with(setup, Transport::Udp);
    let alice = scene.participant(ALICE, &group());
    (scene, alice)
}

/// A start that has to fail; returns the lines that name the parameter.
fn refuses_to_start(setup: Setup, parameter: &str, value: &str) -> String {
    let failure = match setup.try_start() {
        Ok(_) => panic!("it starts although {parameter} is {value:?}"),
        Err(failure) => failure,
    };
    let status = failure
        .status
        .unwrap_or_else(|| panic!("it neither starts nor ends:\n{}", failure.log));
    assert!(!status.success(), "ended with {status}\n{}", failure.log);
    let told: Vec<&str> = failure
        .log
        .lines()
        .filter(|l| l.contains(parameter) && l.contains(value))
        .collect();
    assert!(
        !told.is_empty(),
        "no line names {parameter} and {value:?}:\n{}",
        failure.log
    );
    told.join("\n")
}

#[test]
fn a_wrong_parameter_stops_the_start_and_says_what_is_expected() {
    let numbers = [
        ("refer_ok_code", 201),
        ("invite_timeout", 0),
        ("invite_timeout", -5),
        ("max_participants", 0),
        ("refer_notify_interval", -1),
        ("min_participants", 0),
    ];
    let texts = [
        ("msrp_uri", "http://192.0.2.7"),
        ("msrp_uri", "msrp://"),
        ("msrp_chatroom", "nicknames"),
        ("orig_route", "sip:127.0.0.1"),
        ("orig_route", "<sip:127.0.0.1"),
        ("trusted_peers", "300.1.2.3"),
        ("trusted_peers", "10.0.0.0/40"),
        ("domain", "not a host"),
        ("factory_uri", "factory"),
        ("contact_host", "a b"),
        ("groups_dir", "/nonexistent/groups"),
    ];
    let numbers = numbers.map(|(name, value)| {
        (
            name,
            value.to_string(),
            Setup::new([group()]).param_int(name, value),
        )
    });
    let texts = texts.map(|(name, value)| {
        (
            name,
            value.to_string(),
            Setup::new([group()]).param_str(name, value),
        )
    });
    for (name, value, setup) in numbers.into_iter().chain(texts) {
        let told = refuses_to_start(setup, name, &value);
        let lower = told.to_lowercase();
        assert!(lower.contains("expected"), "what was expected: {told}");
        assert!(
            lower.contains("example") || lower.contains("e.g."),
            "an example: {told}"
        );
    }
}

#[test]
fn a_parameter_that_does_not_exist_stops_the_start() {
    refuses_to_start(
        Setup::new([group()]).param_int("no_such_parameter", 1),
        "no_such_parameter",
        "",
    );
}

#[test]
fn a_wrong_environment_stops_the_start() {
    refuses_to_start(
        Setup::new([group()]).env("CPM_SHM_MB", "many"),
        "CPM_SHM_MB",
        "many",
    );
    refuses_to_start(
        Setup::new([group()]).env("CPM_WORKERS", "0"),
        "CPM_WORKERS",
        "0",
    );
    refuses_to_start(
        Setup::new([group()]).env("CPM_GROUPS_DIR", "/nonexistent"),
        "CPM_GROUPS_DIR",
        "/nonexistent",
    );
    refuses_to_start(
        Setup::new([group()]).env("CPM_LOCAL_CFG", "/nonexistent.cfg"),
        "CPM_LOCAL_CFG",
        "/nonexistent.cfg",
    );
    refuses_to_start(
        Setup::new([group()]).env("CPM_TRUSTED", "nonsense"),
        "trusted_peers",
        "nonsense",
    );
    refuses_to_start(
        Setup::new([group()]).env("CPM_ORIG_ROUTE", "<sip:"),
        "orig_route",
        "<sip:",
    );
}

#[test]
fn timers_of_the_host_that_would_cut_ours_are_told_at_start() {
    // tm gives up an INVITE on its own when fr_inv_timer is shorter than invite_timeout.
    let setup = Setup::new([group()]).local_cfg("modparam(\"tm\", \"fr_inv_timer\", 5000)");
    match setup.try_start() {
        Ok(server) => assert!(
            server.log_has("fr_inv_timer", SOON),
            "{}",
            server.log_text()
        ),
        Err(failure) => assert!(failure.log.contains("fr_inv_timer"), "{}", failure.log),
    }
}

#[test]
fn a_bad_group_document_is_told_and_the_others_serve() {
    let bad = Group::raw(
        "sip:bad@groups.home1.test",
        "<group xmlns=\"urn:oma:xml:poc:list-service\">\n<list-service uri=\"sip:bad@groups.home1.test\">\n<list>\n</group>\n",
    );
    let scene = Scene::new([&bad, &group()]);
    let told = scene.server.log_has("sip-bad-groups-home1-test.xml", SOON);
    assert!(told, "the log names the file");
    let log = scene.server.log_text();
    let line = log
        .lines()
        .find(|l| l.contains("sip-bad-groups-home1-test.xml"))
        .expect("just seen");
    assert!(
        line.contains(":4") || line.contains("line 4"),
        "with its line: {line}"
    );
    let alice = scene.ua(ALICE);
    check::refused(
        &scene.send(&alice, &scene.invite(&alice, &bad.uri)).answer(),
        404,
        None,
    );
    scene.join(&alice, &group().uri);
}

#[test]
fn list_and_show_tell_what_is_going_on() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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
    let fine = check(ALICE, "sip:bob@home1.test");
    let wrong_target = check(ALICE, "sip:mallory@home1.test");
    let wrong_referrer = check("sip:bob@home1.test", CAROL);
    let verdicts = [&fine, &wrong_target, &wrong_referrer];
    assert!(
        verdicts[0] != verdicts[1] && verdicts[0] != verdicts[2] && verdicts[1] != verdicts[2],
        "{verdicts:?}"
    );
    assert!(scene
        .server
        .rpc(&["cpm.check", "sip:nogroup@groups.home1.test", ALICE, CAROL])
        .is_err());
    // A dry run: nobody was invited, no session was made.
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
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    scene.target(Script::on("INVITE").accept());
    assert_eq!(statistic(&scene, &["sessions"]), 1);
    assert_eq!(statistic(&scene, &["participants"]), 1);
    let (accepted, refused) = (["refer", "accept"], ["refer", "refuse"]);
    let before = [statistic(&scene, &accepted), statistic(&scene, &refused)];
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    crate::kit::refer::expect_outcome(alice.ua(), alice.call_id(), 200);
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
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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

#[test]
fn trusted_peers_may_be_networks() {
    let setup = Setup::new([group()]).env("CPM_TRUSTED", "192.0.2.1 127.0.0.0/30,::1");
    let scene = Scene::with(setup, Transport::Udp);
    let near = Ua::on("127.0.0.2", ALICE, Transport::Udp);
    scene.join(&near, &group().uri);
    let far = Ua::on("127.0.0.9", "sip:bob@home1.test", Transport::Udp);
    check::refused(
        &scene.send(&far, &scene.invite(&far, &group().uri)).answer(),
        403,
        None,
    );
}

#[test]
fn nobody_is_trusted_when_the_list_is_empty() {
    let scene = Scene::with(Setup::new([group()]).env("CPM_TRUSTED", ""), Transport::Udp);
    assert!(
        scene.server.log_has("trusted_peers", SOON),
        "a warning:\n{}",
        scene.server.log_text()
    );
    let alice = scene.ua(ALICE);
    check::refused(
        &scene
            .send(&alice, &scene.invite(&alice, &group().uri))
            .answer(),
        403,
        None,
    );
}

#[test]
fn domain_and_contact_host_are_what_was_asked_for() {
    let setup = Setup::new([group()])
        .env("CPM_DOMAIN", "chat.other.test")
        .env("CPM_CONTACT", "psi.other.test:5070");
    let (scene, mut alice) = with_alice(setup);
    assert!(
        alice.focus.ends_with("@psi.other.test:5070"),
        "{}",
        alice.focus
    );
    let token = crate::kit::serve::user_of(&alice.focus).to_string();
    for host in ["chat.other.test", "psi.other.test:5070"] {
        let target = format!("sip:{}@home1.test", host.len());
        let refer = alice
            .ua()
            .request("REFER", &format!("sip:{token}@{host}"))
            .with("Refer-To", format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        let invite = scene.invite_for(&target);
        assert_eq!(
            uri_of(invite.msg.need("From")),
            format!("sip:{token}@chat.other.test"),
            "{}",
            invite.msg
        );
        assert_eq!(
            invite.msg.contact_uri(),
            format!("sip:{token}@psi.other.test:5070"),
            "{}",
            invite.msg
        );
    }
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
}

#[test]
fn options_to_the_server_and_third_party_register_are_answered() {
    let scene = Scene::new([group()]);
    let scscf = scene.ua("sip:scscf.home1.test");
    let options = scscf.request("OPTIONS", &format!("sip:{}", scene.server.addr()));
    check::accepted(&scene.send(&scscf, &options).answer());
    let register = scscf
        .request("REGISTER", "sip:conf.home1.test")
        .with("To", format!("<{ALICE}>"));
    check::accepted(&scene.send(&scscf, &register).answer());
}

#[test]
fn two_servers_run_side_by_side_and_stop_when_asked() {
    let mut one = Setup::new([group()]).start();
    let mut two = Setup::new([group()]).start();
    for server in [&one, &two] {
        assert!(server.rpc(&["cpm.list"]).is_ok());
    }
    assert!(one.stop().expect("it ends on SIGTERM").success());
    assert!(two.is_running() && two.rpc(&["cpm.list"]).is_ok());
    let before = Instant::now();
    two.stop().expect("it ends on SIGTERM");
    assert!(before.elapsed() < Duration::from_secs(8));
    assert!(
        !one.leaves_processes() && !two.leaves_processes(),
        "nothing is left running"
    );
}

#[test]
fn every_memory_manager_of_the_host_will_do() {
    for manager in ["tlsf", "fm", "qm"] {
        let (scene, mut alice) =
            with_alice(Setup::new([group()]).env("CPM_MEMORY_MANAGER", manager));
        scene.target(Script::on("INVITE").accept());
        check::accepted(&alice.referred(&format!("<{CAROL}>")));
        crate::kit::refer::expect_outcome(alice.ua(), alice.call_id(), 200);
    }
}
