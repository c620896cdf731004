//! Ad-hoc sessions that somebody starts again, leaves for good, or is left alone in.

use super::session_end::{bye, FOR_GOOD};
use crate::kit::adhoc::{accepted, creation};
use crate::kit::lists::list_to;
use crate::kit::{
    adhoc, check, serve, Msg, Script, Transport, ALICE, BOB, CAROL, DAVE, QUIET, SOON,
};

#[test]
fn a_restart_finds_the_living_session_over_udp() {
    a_restart_finds_the_living_session(Transport::Udp);
}

#[test]
fn a_restart_finds_the_living_session_over_tcp() {
    a_restart_finds_the_living_session(Transport::Tcp);
}

fn a_restart_finds_the_living_session(transport: Transport) {
    let scene = adhoc::accepting(transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.ua(who));
    let invite = creation(&scene, &alice, &list_to(&[BOB, CAROL]));
    let made = scene.enter(&alice, &invite);
    let mut away = accepted(&scene, BOB);
    accepted(&scene, CAROL);
    let focus = serve::user_of(&made.focus).to_string();
    // Bob was away and starts the session again, with somebody new on his list.
    bye(&mut away, BOB, None);
    let ids = |restart: Msg| {
        restart
            .with("Contribution-ID", invite.need("Contribution-ID"))
            .with("Conversation-ID", invite.need("Conversation-ID"))
    };
    let restart = ids(creation(&scene, &bob, &list_to(&[ALICE, CAROL, DAVE])));
    let back = scene.enter(&bob, &restart);
    assert_eq!(serve::user_of(&back.focus), focus, "no twin");
    let invited = scene.invite_for(DAVE);
    assert_eq!(serve::user_of(&invited.msg.need("From")[1..]), focus);
    // Who is in already is not invited again.
    scene.targets.expect_none("INVITE", QUIET);
    made.dialog.expect_none("BYE", QUIET);
    // A restart by one who is in replaces the leg.
    let again = scene.enter(&bob, &ids(creation(&scene, &bob, &list_to(&[ALICE]))));
    assert_eq!(serve::user_of(&again.focus), focus);
    back.dialog.expect("BYE");
    again.dialog.expect_none("BYE", QUIET);
    let stranger = scene.ua("sip:zoe@home1.test");
    let twin = ids(creation(&scene, &stranger, &list_to(&[ALICE])));
    let answer = scene.send(&stranger, &twin).answer();
    check::refused(&answer, 403, Some("127 Service not authorised"));
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn a_restart_of_what_is_over_makes_a_new_session() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = creation(&scene, &ua, &list_to(&[BOB]));
    let mut first = scene.enter(&ua, &invite);
    let bob = accepted(&scene, BOB);
    check::accepted(&first.dialog.bye());
    bob.expect("BYE");
    let same = |name: &str| invite.need(name).to_string();
    let restart = creation(&scene, &ua, &list_to(&[BOB]))
        .with("Contribution-ID", same("Contribution-ID"))
        .with("Conversation-ID", same("Conversation-ID"));
    let second = scene.enter(&ua, &restart);
    assert_ne!(serve::user_of(&second.focus), serve::user_of(&first.focus));
    let invited = scene.invite_for(BOB);
    assert_eq!(invited.msg.need("Contribution-ID"), same("Contribution-ID"));
}

#[test]
fn who_left_an_ad_hoc_session_for_good_stays_out() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB, CAROL, DAVE])));
    let [mut bob, mut carol, _dave] = [BOB, CAROL, DAVE].map(|who| accepted(&scene, who));
    bye(&mut bob, BOB, Some(FOR_GOOD));
    bye(&mut carol, CAROL, None);
    let [bob, carol] = [BOB, CAROL].map(|who| scene.ua(who));
    let refused = scene.send(&bob, &scene.invite(&bob, &alice.focus)).answer();
    check::refused(&refused, 403, Some("127 Service not authorised"));
    // Carol gave no reason, so she was only away.
    scene.join(&carol, &alice.focus);
    // Bob comes back by invitation.
    check::accepted(&alice.referred(&format!("<{BOB}>")));
    accepted(&scene, BOB);
    alice.dialog.expect_none("BYE", QUIET);
}

#[test]
fn a_session_lives_while_its_last_invitations_ring() {
    let scene = adhoc::accepting(Transport::Udp);
    scene.target(Script::on("INVITE").to("carol").reply(180));
    let ua = scene.ua(ALICE);
    let alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB, CAROL])));
    let mut bob = accepted(&scene, BOB);
    let carol = scene.invite_for(CAROL);
    bye(&mut bob, BOB, None);
    alice.dialog.expect_none("BYE", QUIET);
    scene.targets.reply(&carol, 603, &[]);
    let gone = alice.dialog.find("BYE", SOON).expect("a BYE");
    check::gone(&gone.msg);
}
