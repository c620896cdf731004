//! The life of a session against the real server: restarted, called together, left, closed; OPTIONS.
//! It is not about joining and the dialog of a participant: see `session.rs` and `session_dialog.rs`.

use crate::kit::lists::{entry, list, list_to};
use crate::kit::serve::user_of;
use crate::kit::{
    check, Dialog, Group, Leg, Msg, Rule, Scene, Script, Setup, Transport, Ua, QUIET, SOON,
};
use std::time::Duration;

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";
const FACTORY: &str = "sip:conference-factory@conf.home1.test";

fn ad_hoc(transport: Transport) -> Scene {
    let scene = Scene::with(Setup::new(Vec::<Group>::new()), transport);
    scene.target(Script::on("INVITE").accept());
    scene
}

/// An INVITE to the factory with an offer and that list.
fn creation(scene: &Scene, ua: &Ua, xml: &str) -> Msg {
    let invite = scene
        .invite(ua, FACTORY)
        .with("Require", "recipient-list-invite");
    let body = format!(
        "--b1\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b1\r\nContent-Type: application/resource-lists+xml\r\n\
         Content-Disposition: recipient-list\r\n\r\n{xml}\r\n--b1--\r\n",
        invite.body_text()
    );
    invite.body("multipart/mixed;boundary=\"b1\"", body)
}

fn created(scene: &Scene, ua: &Ua, invite: &Msg) -> Leg {
    let sent = scene.send(ua, invite);
    let answer = sent.answer();
    check::accepted(&answer);
    let mut leg = Leg::made(&sent, answer);
    leg.dialog.ack(1);
    leg
}

/// The dialog of a target that a script has let accept.
fn accepted(scene: &Scene, uri: &str) -> Dialog {
    let leg = scene.leg_of(&scene.invite_for(uri));
    leg.expect("ACK");
    leg
}

/// A BYE that gives this reason, or none.
fn bye(dialog: &mut Dialog, identity: &str, reason: Option<&str>) {
    let mut bye = dialog
        .request("BYE")
        .without("Contact")
        .with("P-Asserted-Identity", format!("<{identity}>"));
    if let Some(reason) = reason {
        bye = bye.with("Reason", reason);
    }
    check::accepted(&dialog.send(&bye).answer());
}

const FOR_GOOD: &str = "SIP;cause=200;text=\"Call completed\"";

#[test]
fn a_restart_finds_the_living_session_over_udp() {
    a_restart_finds_the_living_session(Transport::Udp);
}

#[test]
fn a_restart_finds_the_living_session_over_tcp() {
    a_restart_finds_the_living_session(Transport::Tcp);
}

fn a_restart_finds_the_living_session(transport: Transport) {
    let scene = ad_hoc(transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.ua(who));
    let invite = creation(&scene, &alice, &list_to(&[BOB, CAROL]));
    let made = created(&scene, &alice, &invite);
    let mut away = accepted(&scene, BOB);
    accepted(&scene, CAROL);
    let focus = user_of(&made.focus).to_string();
    // Bob was away and starts it again, with somebody new on his list.
    bye(&mut away, BOB, None);
    let ids = |restart: Msg| {
        restart
            .with("Contribution-ID", invite.need("Contribution-ID"))
            .with("Conversation-ID", invite.need("Conversation-ID"))
    };
    let restart = ids(creation(&scene, &bob, &list_to(&[ALICE, CAROL, DAVE])));
    let back = created(&scene, &bob, &restart);
    assert_eq!(user_of(&back.focus), focus, "no twin");
    let invited = scene.invite_for(DAVE);
    assert_eq!(user_of(&invited.msg.need("From")[1..]), focus);
    // Who is in already is not invited again.
    scene.targets.expect_none("INVITE", QUIET);
    made.dialog.expect_none("BYE", QUIET);
    // A restart by one who is in replaces the leg.
    let again = created(
        &scene,
        &bob,
        &ids(creation(&scene, &bob, &list_to(&[ALICE]))),
    );
    assert_eq!(user_of(&again.focus), focus);
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
    let scene = ad_hoc(Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = creation(&scene, &ua, &list_to(&[BOB]));
    let mut first = created(&scene, &ua, &invite);
    let bob = accepted(&scene, BOB);
    check::accepted(&first.dialog.bye());
    bob.expect("BYE");
    let same = |name: &str| invite.need(name).to_string();
    let restart = creation(&scene, &ua, &list_to(&[BOB]))
        .with("Contribution-ID", same("Contribution-ID"))
        .with("Conversation-ID", same("Conversation-ID"));
    let second = created(&scene, &ua, &restart);
    assert_ne!(user_of(&second.focus), user_of(&first.focus));
    let invited = scene.invite_for(BOB);
    assert_eq!(invited.msg.need("Contribution-ID"), same("Contribution-ID"));
}

#[test]
fn session_replaces_of_an_entry_reaches_only_its_user() {
    let scene = ad_hoc(Transport::Udp);
    let ua = scene.ua(ALICE);
    let entries = [
        entry(
            "sip:bob@home1.test;method=INVITE?Session-Replaces=one-to-one&amp;Subject=evil&amp;Route=%3Csip%3Aevil%3E",
            "cp:copyControl=\"to\"",
        ),
        entry(CAROL, "cp:copyControl=\"to\""),
    ];
    created(&scene, &ua, &creation(&scene, &ua, &list(&entries)));
    for (who, replaces) in [(BOB, Some("one-to-one")), (CAROL, None)] {
        let invite = scene.invite_for(who);
        assert_eq!(
            invite.msg.header("Session-Replaces"),
            replaces,
            "{}",
            invite.msg
        );
        check::free_of(&invite.raw, &["evil"]);
    }
}

#[test]
fn who_left_an_ad_hoc_session_for_good_stays_out() {
    let scene = ad_hoc(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = created(
        &scene,
        &ua,
        &creation(&scene, &ua, &list_to(&[BOB, CAROL, DAVE])),
    );
    let [mut bob, mut carol, _dave] = [BOB, CAROL, DAVE].map(|who| accepted(&scene, who));
    bye(&mut bob, BOB, Some(FOR_GOOD));
    bye(&mut carol, CAROL, None);
    let [bob, carol] = [BOB, CAROL].map(|who| scene.ua(who));
    let refused = scene.send(&bob, &scene.invite(&bob, &alice.focus)).answer();
    check::refused(&refused, 403, Some("127 Service not authorised"));
    // Carol was only away.
    scene.join(&carol, &alice.focus);
    // Bob comes back by invitation.
    check::accepted(&alice.referred(&format!("<{BOB}>")));
    accepted(&scene, BOB);
    alice.dialog.expect_none("BYE", QUIET);
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
fn a_session_that_is_over_is_forgotten() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    check::accepted(&alice.dialog.bye());
    let gone = bob.dialog.expect("BYE");
    assert_eq!(
        gone.msg.need("Reason").replace(' ', ""),
        "SIP;cause=410;text=\"Gone\""
    );
    let back = scene.send(bob.ua(), &scene.invite(bob.ua(), &bob.focus));
    check::refused(&back.answer(), 404, Some("123 Session does not exist"));
    let refer = bob.refer_outside(&format!("<{CAROL}>"));
    check::refused(&bob.send(&refer).answer(), 404, Some("123"));
    let at_group = bob
        .ua()
        .request("REFER", &group.uri)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&bob.send(&at_group).answer(), 404, Some("123"));
    // The group itself is there, and its next session is another one.
    let next = scene.join(bob.ua(), &group.uri);
    assert_ne!(user_of(&next.focus), user_of(&bob.focus));
}

#[test]
fn silence_closes_a_session_without_410() {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("inactivity_timeout", 2_000);
    let scene = Scene::with(setup, Transport::Udp);
    let [alice, mut bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    // Whatever happens in it keeps it.
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
    crate::kit::refer::expect_trying(alice.ua(), alice.call_id());
    crate::kit::refer::expect_final(alice.ua(), alice.call_id(), 487);
    alice.dialog.expect("BYE");
}

/// A group that calls its members together when somebody starts it.
fn called_together(members: &[&str]) -> Group {
    let mut group = Group::open("called", members);
    group.xml = group
        .xml
        .replace("<invite-members>false", "<invite-members>true");
    group
}

#[test]
fn a_group_is_called_together_by_whoever_starts_it() {
    let group = called_together(&[ALICE, BOB, "tel:+358401112222"]);
    let scene = Scene::with(Setup::new([&group]), Transport::Tcp);
    let mut alice = scene.participant(ALICE, &group);
    for who in [BOB, "tel:+358401112222"] {
        let invite = scene.invite_for(who);
        assert_eq!(
            user_of(&crate::kit::sip::uri_of(invite.msg.need("From"))),
            user_of(&alice.focus)
        );
        scene.accept(&invite);
    }
    scene.targets.expect_none("INVITE", QUIET);
    alice.ua().expect_none("NOTIFY", QUIET);
    // A later joiner calls nobody.
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let carol = scene.invite_for(CAROL);
    scene.targets.reply(&carol, 486, &[]);
    scene.participant(BOB, &group);
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn a_group_that_is_not_called_together_waits() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    scene.participant(ALICE, &group);
    scene.nobody_invited();
}

#[test]
fn only_whom_the_document_names_starts_a_group() {
    let rules = [
        Rule::members().allow("join-handling"),
        Rule::one(ALICE).allow("allow-initiate-conference"),
    ];
    let group = Group::new("sip:started@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::new([&group]);
    let bob = scene.ua(BOB);
    let early = scene.send(&bob, &scene.invite(&bob, &group.uri)).answer();
    check::refused(&early, 403, Some("Not authorised by group policy"));
    assert!(!scene.server.rpc_ok(&["cpm.list"]).contains(&group.uri));
    scene.participant(ALICE, &group);
    scene.join(&bob, &group.uri);
}

fn options(scene: &Scene, ua: &Ua, uri: &str) -> Msg {
    scene.send(ua, &ua.request("OPTIONS", uri)).answer()
}

#[test]
fn options_tell_what_each_can_do() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&group]), Transport::Tcp);
    let alice = scene.participant(ALICE, &group);
    let at_focus = format!("sip:{}@conf.home1.test", user_of(&alice.focus));
    for uri in [&alice.focus, &at_focus, &group.uri] {
        let answer = options(&scene, alice.ua(), uri);
        check::accepted(&answer);
        check::focus_contact(&answer);
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "REFER", "OPTIONS"] {
            assert!(answer.has_token("Allow", method), "{uri}: {answer}");
        }
        for tag in ["norefersub", "multiple-refer", "tdialog"] {
            assert!(answer.has_token("Supported", tag), "{uri}: {answer}");
        }
        assert!(
            !answer.has_token("Supported", "recipient-list-invite"),
            "{answer}"
        );
        for kind in ["application/sdp", "application/resource-lists+xml"] {
            assert!(answer.has_token("Accept", kind), "{answer}");
        }
        assert!(answer.has_token("Accept-Encoding", "gzip"), "{answer}");
        assert!(answer.has_token("Allow-Events", "refer"), "{answer}");
    }
    for unknown in [
        "sip:nobody@conf.home1.test",
        "sip:nogroup@groups.home1.test",
    ] {
        check::refused(&options(&scene, alice.ua(), unknown), 404, Some("123"));
    }
}

#[test]
fn options_of_the_factory_offer_lists() {
    let scene = ad_hoc(Transport::Udp);
    let ua = scene.ua(ALICE);
    let answer = options(&scene, &ua, FACTORY);
    check::accepted(&answer);
    assert!(
        answer.has_token("Supported", "recipient-list-invite"),
        "{answer}"
    );
    assert!(answer.has_token("Supported", "norefersub"), "{answer}");
    for kind in [
        "application/sdp",
        "application/resource-lists+xml",
        "multipart/mixed",
    ] {
        assert!(answer.has_token("Accept", kind), "{answer}");
    }
    assert!(answer.has_token("Allow", "INVITE"), "{answer}");
    assert!(
        !answer.to_string().contains("isfocus"),
        "a factory is no focus: {answer}"
    );
    // Asking makes nothing.
    assert!(!scene.server.rpc_ok(&["cpm.list"]).contains("focus"));
    scene.nobody_invited();
}

#[test]
fn a_session_lives_while_its_last_invitations_ring() {
    let scene = ad_hoc(Transport::Udp);
    scene.target(Script::on("INVITE").to("carol").reply(180));
    let ua = scene.ua(ALICE);
    let alice = created(&scene, &ua, &creation(&scene, &ua, &list_to(&[BOB, CAROL])));
    let mut bob = accepted(&scene, BOB);
    let carol = scene.invite_for(CAROL);
    bye(&mut bob, BOB, None);
    alice.dialog.expect_none("BYE", QUIET);
    scene.targets.reply(&carol, 603, &[]);
    let gone = alice.dialog.find("BYE", SOON).expect("a BYE");
    assert!(
        gone.msg.need("Reason").contains("cause=410"),
        "{}",
        gone.msg
    );
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
