//! How the server starts: parameters and their mistakes, addresses, trust, documents, memory managers.

use crate::kit::refer::expect_outcome;
use crate::kit::sip::uri_of;
use crate::kit::{
    check, serve, with_alice, Group, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL, SOON,
};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn group() -> Group {
    Group::open("s", &[ALICE])
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
        ("shed_status", 404),
        ("shed_queue_delay", -1),
        ("shed_queue_delay", 251),
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
fn parameters_that_contradict_each_other_stop_the_start() {
    let setup = Setup::new([group()])
        .param_int("session_expires", 60)
        .param_int("min_se", 90);
    let failure = setup.try_start().err().expect("no start");
    assert!(failure.log.contains("session_expires"), "{}", failure.log);
}

#[test]
fn a_warning_text_that_cannot_be_one_stops_the_start() {
    let long = format!("too_many={}", "x".repeat(200));
    for value in [
        "too_lazy=x",
        "too_many",
        "too_many=",
        "too_many=a\\nb",
        &long,
    ] {
        let setup = Setup::new([group()]).param_str("warning_text", value);
        let failure = setup.try_start().err();
        let log = failure
            .unwrap_or_else(|| panic!("it starts with {value:?}"))
            .log;
        let told = log
            .lines()
            .find(|l| l.contains("parameter warning_text is"));
        let told = told.unwrap_or_else(|| panic!("{value:?} is told in:\n{log}"));
        for part in [
            "expected NAME=TEXT",
            "too_many, no_session",
            "example: modparam",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
    }
}

#[test]
fn warning_texts_are_the_operators() {
    let (scene, _alice) = with_alice(|setup| {
        setup
            .param_str("warning_text", "no_session=123 Kein Gespräch")
            .param_str("warning_text", "function_not_allowed = 105 no")
    });
    let stranger = scene.ua("sip:zoe@elsewhere.test");
    let refer = |uri: &str| {
        let refer = stranger.request("REFER", uri);
        refer.with("Refer-To", format!("<{CAROL}>"))
    };
    let sent = |uri: &str| scene.send(&stranger, &refer(uri)).answer();
    let nowhere = sent("sip:nobody@conf.home1.test");
    check::refused(&nowhere, 404, Some("123 Kein Gespräch"));
    assert_eq!(check::warning(&sent(&group().uri)), "105 no");
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
fn what_is_no_file_among_the_documents_is_told_and_the_others_serve() {
    let setup = Setup::new([group()]).among_groups(|groups| {
        fifo(&groups.join("a-fifo.xml"));
        symlink("/dev/zero", groups.join("a-device.xml")).expect("a link");
        std::fs::create_dir(groups.join("a-directory.xml")).expect("a directory");
        UnixListener::bind(groups.join("a-socket.xml")).expect("a socket");
        symlink("nowhere", groups.join("a-link.xml")).expect("a link");
        let large = std::fs::File::create(groups.join("a-large.xml")).expect("a file");
        large.set_len(1 << 40).expect("a terabyte of nothing");
    });
    let scene = Scene::with(setup, Transport::Udp);
    for (file, what) in [
        ("a-fifo.xml", "is a FIFO, expected a regular file"),
        ("a-device.xml", "is a device, expected a regular file"),
        ("a-directory.xml", "is a directory, expected a regular file"),
        ("a-socket.xml", "is a socket, expected a regular file"),
        ("a-link.xml", "cannot be read: No such file"),
        ("a-large.xml", "at most 1048576 are accepted"),
    ] {
        let log = scene.server.log_text();
        let line = log.lines().find(|l| l.contains(file));
        let line = line.unwrap_or_else(|| panic!("{file} is not told:\n{log}"));
        assert!(line.contains("ERROR") && line.contains(what), "{line}");
    }
    let alice = scene.ua(ALICE);
    scene.join(&alice, &group().uri);
}

#[test]
fn an_adhoc_policy_that_is_no_file_stops_the_start() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("adhoc.xml");
    fifo(&path);
    let path = path.to_string_lossy();
    for (value, kind) in [(&*path, "is a FIFO"), ("/dev/zero", "is a device")] {
        let setup = Setup::new([group()]).param_str("adhoc_policy_file", value);
        let told = refuses_to_start(setup, "adhoc_policy_file", value);
        assert!(told.contains(kind), "{told}");
    }
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.expect("mkfifo can be run").success());
}

#[test]
fn trusted_peers_may_be_networks() {
    let setup = Setup::new([group()]).env("CPM_TRUSTED", "192.0.2.1 127.0.0.0/30,::1");
    let scene = Scene::with(setup, Transport::Udp);
    let near = Ua::on("127.0.0.2", ALICE, Transport::Udp);
    scene.join(&near, &group().uri);
    let far = Ua::on("127.0.0.9", BOB, Transport::Udp);
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
    let (scene, mut alice) = with_alice(|setup| {
        setup
            .env("CPM_DOMAIN", "chat.other.test")
            .env("CPM_CONTACT", "psi.other.test:5070")
    });
    assert!(
        alice.focus.ends_with("@psi.other.test:5070"),
        "{}",
        alice.focus
    );
    let token = serve::user_of(&alice.focus).to_string();
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
        let (scene, mut alice) = with_alice(|setup| setup.env("CPM_MEMORY_MANAGER", manager));
        scene.target(Script::on("INVITE").accept());
        check::accepted(&alice.referred(&format!("<{CAROL}>")));
        expect_outcome(alice.ua(), alice.call_id(), 200);
    }
}
