//! How a session ends: left, too few, silent; and what it owes by then.

use crate::kit::refer::{expect_end, expect_final, expect_trying};
use crate::kit::{
    check, serve, Dialog, Group, OnCancel, Scene, Script, Setup, Transport, ALICE, BOB, CAROL,
    DAVE, QUIET, SOON,
};
use std::time::Duration;

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

/// A BYE that gives this reason, or none.
pub fn bye(dialog: &mut Dialog, identity: &str, reason: Option<&str>) {
    let mut bye = dialog
        .request("BYE")
        .without("Contact")
        .with("P-Asserted-Identity", format!("<{identity}>"));
    if let Some(reason) = reason {
        bye = bye.with("Reason", reason);
    }
    check::accepted(&dialog.send(&bye).answer());
}

pub const FOR_GOOD: &str = "SIP;cause=200;text=\"Call completed\"";

#[test]
fn one_who_leaves_is_no_longer_in() {
    let group = Group::open("s", &[ALICE, BOB, CAROL]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    let bob = scene.participant(BOB, &group);
    let _carol = scene.participant(CAROL, &group);
    check::accepted(&alice.dialog.bye());
    bob.ua().expect_none("BYE", QUIET);
    let refer = alice.refer("<sip:dave@home1.test>");
    check::refused(&alice.send(&refer).answer(), 481, None);
    scene.nobody_invited();
    // She may come back, into the same session.
    assert_eq!(scene.join(alice.ua(), &group.uri).focus, bob.focus);
}

#[test]
fn who_leaves_a_group_for_good_is_still_on_its_list() {
    let group = Group::open("s", &[ALICE, BOB, CAROL]);
    let scene = Scene::new([&group]);
    let [_alice, mut bob, _carol] = [ALICE, BOB, CAROL].map(|who| scene.participant(who, &group));
    bye(&mut bob.dialog, BOB, Some(FOR_GOOD));
    scene.join(bob.ua(), &group.uri);
}

#[test]
fn the_first_one_may_wait_alone_and_leave_again() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    alice.ua().expect_none("BYE", QUIET);
    check::accepted(&alice.dialog.bye());
    let refer = alice.refer_outside(&format!("<{CAROL}>"));
    check::refused(&alice.send(&refer).answer(), 404, None);
}

#[test]
fn a_session_that_is_over_is_forgotten() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    check::accepted(&alice.dialog.bye());
    let gone = bob.dialog.expect("BYE");
    check::gone(&gone.msg);
    assert_eq!(gone.msg.request_uri(), bob.ua().contact_uri());
    let back = scene.send(bob.ua(), &scene.invite(bob.ua(), &bob.focus));
    check::refused(&back.answer(), 404, Some("123 Session does not exist"));
    let refer = bob.refer_outside(&format!("<{CAROL}>"));
    check::refused(&bob.send(&refer).answer(), 404, Some("123"));
    let at_group = bob
        .ua()
        .request("REFER", &group.uri)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&bob.send(&at_group).answer(), 404, Some("123"));
    // The next session of the group is another one.
    let next = scene.join(bob.ua(), &group.uri);
    assert_ne!(serve::user_of(&next.focus), serve::user_of(&bob.focus));
}

#[test]
fn the_end_of_a_session_cancels_what_rings_and_keeps_what_was_promised() {
    let scene = Scene::new([group()]);
    scene.target(Script::on("INVITE").reply(180));
    let mut alice = scene.participant(ALICE, &group());
    let mut bob = scene.participant(BOB, &group());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let outside = alice.refer_outside("<sip:dave@home1.test>");
    check::accepted(&alice.send(&outside).answer());
    for call in [alice.call_id(), outside.call_id()] {
        expect_trying(alice.ua(), call);
    }
    scene.invite_for(CAROL);
    scene.invite_for(DAVE);
    // Two who ring count like two who are in, until nobody is connected.
    check::accepted(&alice.dialog.bye());
    scene.targets.expect_none("CANCEL", QUIET);
    check::accepted(&bob.dialog.bye());
    for _ in 0..2 {
        let cancel = scene.targets.expect("CANCEL");
        assert_eq!(cancel.msg.tag_to(), None);
    }
    for call in [alice.call_id(), outside.call_id()] {
        expect_final(alice.ua(), call, 487);
    }
}

#[test]
fn a_target_who_answers_while_the_session_ends_is_acknowledged_and_let_go() {
    let scene = Scene::new([group()]);
    scene.target(
        Script::on("INVITE")
            .reply(180)
            .on_cancel(OnCancel::AcceptLate),
    );
    let mut alice = scene.participant(ALICE, &group());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let ringing = scene
        .targets
        .inbox()
        .wait_for_all(SOON, |all| !all.is_empty());
    assert!(ringing);
    check::accepted(&alice.dialog.bye());
    scene.targets.expect("CANCEL");
    let carol = scene.leg_of(&invite);
    carol.expect("ACK");
    carol.expect("BYE");
    expect_end(alice.ua(), alice.call_id());
}

#[test]
fn nobody_is_invited_into_a_session_that_is_over() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    // Her NOTIFYs stay unanswered, so that the dialog of her REFER outlives the session.
    alice.ua().script(Script::on("NOTIFY"));
    let refer = alice.refer_outside(&format!("<{BOB}>"));
    let sent = alice.send(&refer);
    let answer = sent.answer();
    check::accepted(&answer);
    let mut own = Dialog::as_uac(&sent, &answer);
    check::accepted(&alice.dialog.bye());
    bob.dialog.expect("BYE");
    for dialog in [&mut own, &mut alice.dialog] {
        let late = dialog
            .request("REFER")
            .with("Refer-To", format!("<{CAROL}>"));
        check::refused(&dialog.send(&late).answer(), 481, None);
    }
    scene.nobody_invited();
}

#[test]
fn silence_closes_a_session_without_410() {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("inactivity_timeout", 2_000);
    let scene = Scene::with(setup, Transport::Udp);
    let [alice, mut bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    // Any request in a dialog keeps the session.
    std::thread::sleep(Duration::from_millis(1_200));
    let options = bob.dialog.request("OPTIONS");
    check::accepted(&bob.send(&options).answer());
    alice
        .dialog
        .expect_none("BYE", Duration::from_millis(1_200));
    for leg in [&alice, &bob] {
        let bye = leg.dialog.expect("BYE");
        assert!(
            bye.msg
                .header("Reason")
                .is_none_or(|reason| !reason.contains("410")),
            "clients take it for inactivity: {}",
            bye.msg
        );
    }
}

#[test]
fn inactivity_cancels_who_rings_and_tells_the_referrer() {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("inactivity_timeout", 1_500);
    let scene = Scene::with(setup, Transport::Udp);
    scene.target(Script::on("INVITE").reply(180));
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    scene.targets.expect("CANCEL");
    expect_trying(alice.ua(), alice.call_id());
    expect_final(alice.ua(), alice.call_id(), 487);
    alice.dialog.expect("BYE");
}
