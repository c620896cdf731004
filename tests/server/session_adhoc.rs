//! Ad-hoc sessions: made by an INVITE to the conference factory, and what is different in them.

use crate::kit::adhoc::{accepted, creation, FACTORY};
use crate::kit::lists::{entry, list, list_to};
use crate::kit::refer::expect_outcome;
use crate::kit::sip::uri_of;
use crate::kit::{
    adhoc, check, serve, Group, Leg, Scene, Setup, Transport, ALICE, BOB, CAROL, DAVE, QUIET,
};

#[test]
fn a_session_is_made_and_everybody_on_the_list_invited() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = creation(&scene, &ua, &list_to(&[BOB, CAROL])).with("Subject", "Picnic");
    let alice = scene.enter(&ua, &invite);
    check::focus_contact(&alice.answer);
    assert!(
        !serve::user_of(&alice.focus).contains("factory"),
        "a focus of its own: {}",
        alice.focus
    );
    check::msrp_session(&alice.answer.body_text());
    for target in [BOB, CAROL] {
        let invited = scene.invite_for(target);
        let focus = uri_of(invited.msg.need("From"));
        assert_eq!(serve::user_of(&focus), serve::user_of(&alice.focus));
        for id in ["Conversation-ID", "Contribution-ID"] {
            assert_eq!(
                invited.msg.need(id),
                invite.need(id),
                "taken over: {}",
                invited.msg
            );
        }
        assert_eq!(
            uri_of(invited.msg.need("Referred-By")),
            ALICE,
            "{}",
            invited.msg
        );
        scene.accept(&invited);
    }
    scene.targets.expect_none("INVITE", QUIET);
    ua.expect_none("NOTIFY", QUIET);
}

#[test]
fn a_list_alone_makes_a_session_too() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let list = list_to(&[BOB])
        .replace("resource-lists ", "p1:resource-lists ")
        .replace("</resource", "</p1:resource");
    let list = list
        .replace("xmlns=", "xmlns:p1=")
        .replace("<list", "<p1:list")
        .replace("</list", "</p1:list");
    let list = list.replace("<entry", "<p1:entry");
    let invite = scene
        .invite(&ua, FACTORY)
        .body("application/resource-lists+xml", list);
    let sent = scene.send(&ua, &invite);
    let answer = sent.answer();
    check::accepted(&answer);
    // The INVITE has no offer: the 200 carries ours, and the ACK her answer (RFC 3261 section 13.2.1).
    check::msrp_session(&answer.body_text());
    let mut alice = Leg::made(&sent, answer);
    let sdp = serve::sdp(ua.local(), "passive");
    let ack = alice
        .dialog
        .request("ACK")
        .with("CSeq", "1 ACK")
        .body("application/sdp", sdp);
    alice.dialog.send(&ack);
    scene.accept(&scene.invite_for(BOB));
    ua.expect_none("BYE", QUIET);
}

#[test]
fn ids_are_made_when_the_creator_brings_none() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = creation(&scene, &ua, &list_to(&[BOB, CAROL]))
        .without("Conversation-ID")
        .without("Contribution-ID");
    scene.enter(&ua, &invite);
    let seen = [BOB, CAROL].map(|who| {
        let invited = scene.invite_for(who);
        ["Conversation-ID", "Contribution-ID"].map(|id| invited.msg.need(id).to_string())
    });
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].iter().all(|id| id.len() >= 16), "{seen:?}");
}

#[test]
fn without_anybody_to_invite_it_is_refused() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let nobody = scene.send(&ua, &scene.invite(&ua, FACTORY)).answer();
    check::refused(&nobody, 403, Some("129 No destinations"));
    let answer = scene
        .send(&ua, &creation(&scene, &ua, &list_to(&[])))
        .answer();
    assert!([400, 403].contains(&answer.status()), "{answer}");
    scene.nobody_invited();
    assert!(
        !scene.server.rpc_ok(&["cpm.list"]).contains("focus"),
        "no session came of it"
    );
}

#[test]
fn connected_participants_may_invite_and_others_may_not() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB])));
    let invited = scene.invite_for(BOB);
    scene.targets.expect("ACK");
    // Bob, invited, refers dave.
    let mut bob = scene.leg_of(&invited);
    let refer = bob
        .request("REFER")
        .with("Refer-To", "<sip:dave@home1.test>")
        .with("P-Asserted-Identity", format!("<{BOB}>"));
    check::accepted(&bob.send(&refer).answer());
    scene.invite_for(DAVE);
    let zoe = scene.ua("sip:zoe@home1.test");
    let stranger = zoe
        .request("REFER", &alice.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&scene.send(&zoe, &stranger).answer(), 403, Some(""));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_outcome(&ua, alice.call_id(), 200);
}

#[test]
fn anonymity_is_refused_unless_the_operator_allows_it() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB])));
    scene.invite_for(BOB);
    let refer = alice.refer(&format!("<{CAROL}>")).with("Privacy", "id");
    check::refused(&alice.send(&refer).answer(), 403, Some("119"));
    scene.targets.expect_none("INVITE", QUIET);
    let setup = Setup::new(Vec::<Group>::new()).param_int("adhoc_allow_anonymity", 1);
    let scene = Scene::with(setup, Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB])));
    scene.invite_for(BOB);
    let refer = alice.refer(&format!("<{CAROL}>")).with("Privacy", "id");
    check::accepted(&alice.send(&refer).answer());
    check::free_of(&scene.invite_for(CAROL).raw, &["alice"]);
}

#[test]
fn only_the_creator_may_put_somebody_out() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB, CAROL])));
    let [bob, carol] = [BOB, CAROL].map(|who| scene.invite_for(who));
    for leg in [&bob, &carol] {
        scene.leg_of(leg).expect("ACK");
    }
    let mut by_bob = scene.leg_of(&bob);
    let refer = by_bob
        .request("REFER")
        .with("Refer-To", format!("<{CAROL};method=BYE>"));
    let refer = refer.with("P-Asserted-Identity", format!("<{BOB}>"));
    check::refused(&by_bob.send(&refer).answer(), 403, Some(""));
    check::accepted(&alice.referred(&format!("<{CAROL};method=BYE>")));
    scene.leg_of(&carol).expect("BYE");
}

#[test]
fn the_session_ends_when_only_one_is_left() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB])));
    let bob = scene.leg_of(&scene.invite_for(BOB));
    bob.expect("ACK");
    check::accepted(&alice.dialog.bye());
    let bye = bob.expect("BYE");
    check::gone(&bye.msg);
    let gone = scene.send(&ua, &scene.invite(&ua, &alice.focus)).answer();
    check::refused(&gone, 404, Some("123"));
}

#[test]
fn only_the_factory_offers_recipient_list_invite() {
    let scene = adhoc::scene(Transport::Udp);
    let ua = scene.ua(ALICE);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB])));
    assert!(
        !alice.answer.has_token("Supported", "recipient-list-invite"),
        "{}",
        alice.answer
    );
    // In the dialog that it made it may be required, where there is no list.
    for (body, status) in [
        (("application/sdp", serve::sdp(ua.local(), "actpass")), 200),
        (("application/resource-lists+xml", list_to(&[CAROL])), 420),
    ] {
        let (_, answer) = alice.re_invite(|invite| {
            let invite = invite.with("Require", "recipient-list-invite");
            invite.body(body.0, &body.1)
        });
        assert_eq!(answer.status(), status, "{answer}");
    }
    scene.invite_for(BOB);
    assert_eq!(scene.targets.count("INVITE"), 1, "bob alone is invited");
}

#[test]
fn when_the_creator_has_left_who_is_in_longest_may_put_somebody_out() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let list = list_to(&[BOB, CAROL, DAVE]);
    let mut alice = scene.enter(&ua, &creation(&scene, &ua, &list));
    let [mut bob, carol, mut dave] = [BOB, CAROL, DAVE].map(|who| accepted(&scene, who));
    check::accepted(&alice.dialog.bye());
    let refer = dave
        .request("REFER")
        .with("Refer-To", format!("<{CAROL};method=BYE>"))
        .with("P-Asserted-Identity", format!("<{DAVE}>"));
    check::refused(&dave.send(&refer).answer(), 403, Some(""));
    carol.expect_none("BYE", QUIET);
    let refer = bob
        .request("REFER")
        .with("Refer-To", format!("<{CAROL};method=BYE>"))
        .with("P-Asserted-Identity", format!("<{BOB}>"));
    check::accepted(&bob.send(&refer).answer());
    carol.expect("BYE");
}

#[test]
fn session_replaces_of_an_entry_reaches_only_its_user() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let entries = [
        entry(
            "sip:bob@home1.test;method=INVITE?Session-Replaces=one-to-one&amp;Subject=evil&amp;Route=%3Csip%3Aevil%3E",
            "cp:copyControl=\"to\"",
        ),
        entry(CAROL, "cp:copyControl=\"to\""),
    ];
    scene.enter(&ua, &creation(&scene, &ua, &list(&entries)));
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
