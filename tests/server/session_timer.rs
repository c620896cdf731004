//! Session timers (RFC 4028): both roles, both ways of refreshing, dead peers.

use crate::kit::{
    check, Dialog, Group, Leg, Msg, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL, DAVE,
    QUIET, SOON,
};
use std::time::Duration;

const WITHOUT_UPDATE: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY";

fn group() -> Group {
    Group::open("s", &[ALICE, BOB, CAROL])
}

/// A server whose sessions live for four seconds.
fn hasty() -> Scene {
    let setup = Setup::new([group()])
        .param_int("min_se", 2)
        .param_int("session_expires", 4);
    Scene::with(setup, Transport::Udp)
}

/// Joins with what `change` makes of the INVITE.
fn joins(scene: &Scene, ua: &Ua, change: impl Fn(Msg) -> Msg) -> Leg {
    scene.enter(ua, &change(scene.invite(ua, &group().uri)))
}

/// Two without timers, so that the session outlives the third.
fn company(scene: &Scene) -> [Leg; 2] {
    [BOB, CAROL].map(|who| joins(scene, &scene.ua(who), |invite| invite.without("Supported")))
}

fn ended_for_want_of_a_refresh(leg: &Leg) {
    let bye = leg.dialog.expect("BYE");
    let reason = bye.msg.need("Reason");
    assert!(reason.starts_with("SIP;cause=408"), "{reason}");
}

#[test]
fn a_joiner_who_knows_timers_gets_one() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    let answer = &alice.answer;
    assert_eq!(answer.need("Session-Expires"), "1800;refresher=uas");
    assert!(answer.has_token("Require", "timer"), "{answer}");
    assert!(answer.has_token("Supported", "timer"), "{answer}");
    assert!(answer.has_token("Allow", "UPDATE"), "{answer}");
    let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
    assert!(shown.contains("session_expires: 1800"), "{shown}");
    let plain = joins(&scene, &scene.ua(BOB), |invite| invite.without("Supported"));
    assert_eq!(plain.answer.header("Session-Expires"), None);
    assert!(!plain.answer.has_token("Require", "timer"));
}

#[test]
fn too_short_a_session_is_refused_with_422() {
    let scene = Scene::new([group()]);
    let ua = scene.ua(ALICE);
    let short = |invite: Msg| invite.with("Session-Expires", "60;refresher=uac");
    let sent = scene.send(&ua, &short(scene.invite(&ua, &group().uri)));
    let answer = sent.answer();
    check::refused(&answer, 422, None);
    assert_eq!(answer.need("Min-SE"), "90");
    scene.send(&ua, &sent.msg.ack_to_failure(&answer));
    // RFC 4028 section 7.3: the same Call-ID, the next CSeq.
    let again = sent
        .msg
        .clone()
        .without("Via")
        .with("CSeq", "2 INVITE")
        .with("Session-Expires", "90;refresher=uac")
        .with("Min-SE", "90");
    let sent = scene.send(&ua, &again);
    let answer = sent.answer();
    check::accepted(&answer);
    assert_eq!(answer.need("Session-Expires"), "90;refresher=uac");
    let mut alice = Leg::made(&sent, answer);
    alice.dialog.ack(2);
    let update = alice
        .dialog
        .request("UPDATE")
        .with("Supported", "timer")
        .with("Session-Expires", "30");
    let answer = alice.send(&update).answer();
    check::refused(&answer, 422, None);
    check::accepted(&alice.dialog.bye());
}

#[test]
fn the_focus_refreshes_by_update() {
    let scene = hasty();
    let mut alice = joins(&scene, &scene.ua(ALICE), |invite| invite);
    assert_eq!(alice.answer.need("Session-Expires"), "4;refresher=uas");
    let [first, second] = [(); 2].map(|()| alice.dialog.expect("UPDATE"));
    for update in [&first, &second] {
        assert_eq!(update.msg.need("Session-Expires"), "4;refresher=uac");
        assert_eq!(update.msg.need("Min-SE"), "2");
        assert!(update.msg.has_token("Supported", "timer"));
        check::focus_contact(&update.msg);
        assert!(update.msg.body.is_empty());
    }
    let between = second.at.duration_since(first.at);
    assert!(between > Duration::from_millis(1_500), "{between:?}");
    check::accepted(&alice.dialog.bye());
    alice.dialog.expect_none("UPDATE", Duration::from_secs(3));
}

#[test]
fn the_focus_refreshes_by_re_invite_where_update_is_unknown() {
    let scene = hasty();
    let ua = scene.ua(ALICE);
    ua.script(Script::on("INVITE").accept());
    let mut alice = joins(&scene, &ua, |invite| invite.with("Allow", WITHOUT_UPDATE));
    for acks in 1..=2 {
        let again = alice.dialog.expect("INVITE");
        assert_eq!(again.msg.need("Session-Expires"), "4;refresher=uac");
        assert_eq!(
            again.msg.body_text(),
            alice.answer.body_text(),
            "nothing has changed, the version of o= neither"
        );
        assert!(alice.dialog.has_acks(acks), "each 2xx has its ACK");
    }
    assert_eq!(ua.count("UPDATE"), 0);
    check::accepted(&alice.dialog.bye());
}

#[test]
fn a_2xx_to_a_re_invite_that_comes_again_is_acknowledged_again() {
    let scene = hasty();
    let ua = scene.ua(ALICE);
    let alice = joins(&scene, &ua, |invite| invite.with("Allow", WITHOUT_UPDATE));
    let again = alice.dialog.expect("INVITE");
    ua.reply(&again, 100, &[]);
    let ok = ua.reply(&again, 200, &[]);
    assert!(alice.dialog.has_acks(1));
    ua.reply_raw(&again, &ok);
    assert!(alice.dialog.has_acks(2));
}

#[test]
fn a_refused_update_is_followed_by_a_re_invite() {
    let scene = hasty();
    let ua = scene.ua(ALICE);
    ua.script(Script::on("INVITE").accept());
    ua.script(Script::on("UPDATE").reply(405));
    let alice = joins(&scene, &ua, |invite| invite);
    alice.dialog.expect("UPDATE");
    alice.dialog.expect("INVITE");
    assert!(alice.dialog.has_acks(1));
}

#[test]
fn who_does_not_answer_is_out_and_may_come_back() {
    let scene = hasty();
    let [_bob, _carol] = company(&scene);
    let ua = scene.ua(ALICE);
    ua.script(Script::on("UPDATE"));
    let alice = joins(&scene, &ua, |invite| invite);
    alice.dialog.expect("UPDATE");
    let gone = "nobody refreshed the session in time";
    assert!(scene.server.log_has(gone, SOON));
    let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
    assert!(shown.contains("connected: 2"), "{shown}");
    joins(&scene, &scene.ua(ALICE), |invite| invite);
    let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
    assert!(shown.contains("connected: 3"), "{shown}");
}

#[test]
fn who_knows_the_dialog_no_more_gets_a_bye() {
    let scene = hasty();
    let [_bob, _carol] = company(&scene);
    let ua = scene.ua(ALICE);
    ua.script(Script::on("UPDATE").reply(481));
    let alice = joins(&scene, &ua, |invite| invite);
    alice.dialog.expect("UPDATE");
    ended_for_want_of_a_refresh(&alice);
}

#[test]
fn glare_is_tried_again() {
    let scene = hasty();
    let ua = scene.ua(ALICE);
    let long = |invite: Msg| invite.with("Min-SE", "12");
    let alice = joins(&scene, &ua, long);
    ua.script(Script::on("UPDATE").reply(491));
    alice.dialog.expect("UPDATE");
    ua.script(Script::on("UPDATE").reply(200));
    // RFC 3261 section 14.1: within two seconds, because she made the Call-ID.
    alice.dialog.expect("UPDATE");
    alice.dialog.expect_none("BYE", QUIET);
}

#[test]
fn who_has_to_refresh_and_does_not_is_out() {
    let scene = hasty();
    let [_bob, _carol] = company(&scene);
    let theirs = |invite: Msg| invite.with("Session-Expires", "4;refresher=uac");
    let mut alice = joins(&scene, &scene.ua(ALICE), theirs);
    assert_eq!(alice.answer.need("Session-Expires"), "4;refresher=uac");
    // Her refresh comes in time, and counts.
    let refresh = alice
        .dialog
        .request("UPDATE")
        .with("Supported", "timer")
        .with("Session-Expires", "4;refresher=uac");
    let answer = alice.send(&refresh).answer();
    check::accepted(&answer);
    assert_eq!(answer.need("Session-Expires"), "4;refresher=uac");
    assert!(answer.body.is_empty() && answer.header("Content-Type").is_none());
    ended_for_want_of_a_refresh(&alice);
    assert_eq!(alice.ua().count("UPDATE"), 0);
}

#[test]
fn an_invited_participant_is_refreshed_too() {
    let scene = hasty();
    let mut alice = joins(&scene, &scene.ua(ALICE), |invite| invite);
    check::accepted(&alice.referred(&format!("<{DAVE}>")));
    let invite = scene.invite_for(DAVE);
    assert_eq!(invite.msg.need("Session-Expires"), "4;refresher=uac");
    assert_eq!(invite.msg.need("Min-SE"), "2");
    assert!(invite.msg.has_token("Supported", "timer"));
    let headers = [
        ("Require", "timer"),
        ("Session-Expires", "4;refresher=uac"),
        ("Allow", "INVITE, ACK, BYE, UPDATE"),
    ];
    let answer = scene.targets.reply(&invite, 200, &headers);
    let dave = Dialog::as_uas(&scene.targets, scene.server.addr(), &invite, &answer);
    dave.expect("ACK");
    for _ in 0..2 {
        dave.expect("UPDATE");
    }
    dave.expect_none("BYE", QUIET);
}

#[test]
fn a_peer_that_never_stops_refusing_is_not_asked_for_ever() {
    let scene = hasty();
    let [_bob, _carol] = company(&scene);
    let ua = scene.ua(ALICE);
    let small = [("Min-SE", "100000")];
    ua.script(Script::on("UPDATE").reply_with(422, &small));
    ua.script(Script::on("INVITE").reply(488));
    let alice = joins(&scene, &ua, |invite| invite);
    ended_for_want_of_a_refresh(&alice);
    assert!(ua.count("UPDATE") + ua.count("INVITE") <= 4);
}

#[test]
fn without_timers_nobody_is_asked_for_one() {
    let setup = Setup::new([group()]).param_int("session_expires", 0);
    let scene = Scene::with(setup, Transport::Udp);
    let mut alice = joins(&scene, &scene.ua(ALICE), |invite| invite);
    assert_eq!(alice.answer.header("Session-Expires"), None);
    check::accepted(&alice.referred(&format!("<{DAVE}>")));
    let invite = scene.invite_for(DAVE);
    assert_eq!(invite.msg.header("Session-Expires"), None);
}
