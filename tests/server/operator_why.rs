//! What an operator asks about REFERs of the past: `cpm.why`.

use crate::kit::{check, with_alice, Group, Scene, Script, ALICE, CAROL, DAVE, SOON};
use std::time::{Duration, Instant};

fn group() -> Group {
    Group::open("s", &[ALICE])
}

/// What `cpm.why` says once it says all of `parts`, in this order.
fn why(scene: &Scene, of: &str, parts: &[&str]) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let told = scene.server.rpc(&["cpm.why", of]).unwrap_or_default();
        let mut rest = told.as_str();
        let missing = parts.iter().find(|part| match rest.split_once(**part) {
            Some((_, after)) => {
                rest = after;
                false
            }
            None => true,
        });
        match missing {
            None => return told,
            Some(part) if Instant::now() > deadline => panic!("{part:?} in its turn in:\n{told}"),
            Some(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// The refer-id of an answer of `cpm.why`.
fn id(told: &str) -> String {
    let line = told.lines().find_map(|l| l.trim().strip_prefix("refer: "));
    line.unwrap_or_else(|| panic!("no refer-id in:\n{told}"))
        .to_string()
}

#[test]
fn an_accepted_refer_can_be_asked_about() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").reply(180).accept());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let call_id = alice.call_id().to_string();
    let story = [
        "received: 20",
        " REFER ",
        "in a dialog",
        "from a trusted peer",
        "Refer-To: <sip:carol@home1.test>",
        "referrer sip:alice@home1.test by P-Asserted-Identity, a participant",
        "asks to invite 1: sip:carol@home1.test",
        "answered 200",
        "INVITE to sip:carol@home1.test",
        "sip:carol@home1.test joined",
        "result sip:carol@home1.test: 200 OK",
    ];
    let told = why(&scene, &call_id, &story);
    let refer = id(&told);
    let notified = [
        "to sip:alice@home1.test: 100 Trying; active;expires=",
        "to sip:alice@home1.test: 200 OK for sip:carol@home1.test; terminated",
        "NOTIFY answered 200",
    ];
    let told = why(&scene, &refer, &notified);
    assert_eq!(why(&scene, &call_id, &story), told);
    let log = scene.server.log_text();
    for line in ["REFER accepted", "INVITE to", "test joined"] {
        let line = log.lines().find(|l| l.contains(line)).expect("logged");
        assert!(line.contains(&format!("refer={refer}")), "{line}");
    }
    assert!(!log.contains("carol@home1.test"), "redacted in the log");
}

#[test]
fn a_refused_refer_can_be_asked_about() {
    let (scene, alice) = with_alice(|setup| setup);
    let stranger = scene.ua("sip:zoe@elsewhere.test");
    let refused = stranger
        .request("REFER", &group().uri)
        .with("Refer-To", format!("<{CAROL}>"));
    let call_id = refused.need("Call-ID").to_string();
    check::refused(&scene.send(&stranger, &refused).answer(), 403, None);
    let told = why(
        &scene,
        &call_id,
        &[
            "outside any dialog",
            "Refer-To: <sip:carol@home1.test>",
            "referrer sip:zoe@elsewhere.test by P-Asserted-Identity",
            "REFER refused 403 why=\"policy: allow-invite-users-dynamically\" from=sip:zoe@elsewhere.test",
        ],
    );
    let line = format!("refer={}", id(&told));
    assert!(scene.server.log_has(&line, SOON), "{line}");
    // A REFER for an unknown focus has a trail as well.
    let nowhere = stranger
        .request("REFER", "sip:nobody@conf.home1.test")
        .with("Refer-To", format!("<{CAROL}>"));
    let call_id = nowhere.need("Call-ID").to_string();
    check::refused(&scene.send(&stranger, &nowhere).answer(), 404, None);
    why(&scene, &call_id, &["REFER refused 404"]);
    drop(alice);
}

#[test]
fn each_target_of_a_list_is_told_apart() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").to("carol").reply(486));
    scene.target(Script::on("INVITE").to("dave").accept());
    let refer = alice.refer("<cid:list@home1.test>");
    let list = format!(
        "<?xml version=\"1.0\"?>\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\
         <list><entry uri=\"{CAROL}\"/><entry uri=\"{DAVE}\"/></list></resource-lists>"
    );
    let refer = refer
        .with("Content-ID", "<list@home1.test>")
        .with("Require", "multiple-refer")
        .with("Content-Disposition", "recipient-list")
        .body("application/resource-lists+xml", list);
    let first = alice.send(&refer).answer();
    check::accepted(&first);
    let call_id = alice.call_id().to_string();
    let told = why(&scene, &call_id, &["asks to invite 2: sip:carol"]);
    for story in [
        [
            "INVITE to sip:carol",
            "sip:carol@home1.test not reached: 486",
            "result sip:carol",
        ],
        [
            "INVITE to sip:dave",
            "sip:dave@home1.test joined",
            "result sip:dave",
        ],
    ] {
        why(&scene, &id(&told), &story);
    }
    why(&scene, &call_id, &["486 ", " for sip:carol@home1.test"]);
    // A second REFER of the dialog has the same Call-ID. The newest is shown, and the earlier one named.
    check::accepted(&alice.referred(&format!("<{DAVE}>")));
    let newer = why(&scene, &call_id, &["earlier: ", "already a participant"]);
    assert!(
        newer.contains(&id(&told)) && id(&newer) != id(&told),
        "{newer}"
    );
}

#[test]
fn so_many_are_kept_and_no_more() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("trail_size", 2));
    let mut ids = Vec::new();
    for target in ["sip:a@home1.test", "sip:b@home1.test", "sip:c@home1.test"] {
        check::accepted(&alice.referred(&format!("<{target}>")));
        ids.push(id(&why(&scene, alice.call_id(), &[target])));
    }
    let show = scene.server.rpc_ok(&["cpm.show", &group().uri]);
    for refer in &ids {
        assert!(show.contains(&format!("refer: {refer}")), "{show}");
    }
    assert!(scene.server.rpc(&["cpm.why", &ids[0]]).is_err());
    for kept in &ids[1..] {
        why(&scene, kept, &[kept]);
    }
    for wrong in [&["cpm.why"][..], &["cpm.why", "no-such"], &["cpm.why", "0"]] {
        assert!(scene.server.rpc(wrong).is_err(), "{wrong:?} is a fault");
    }
}

#[test]
fn nothing_is_kept_when_trails_are_off() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("trail_size", 0));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let fault = scene.server.rpc(&["cpm.why", alice.call_id()]).unwrap_err();
    assert!(fault.contains("trail_size"), "{fault}");
}
