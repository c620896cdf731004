//! A session of a pre-defined group against the real server: joining, leaving, being ended.
//! It is not about inviting others: see the `refer_*.rs` files.

use crate::kit::groups::all_actions;
use crate::kit::refer::{expect_end, expect_final, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{check, Group, Rule, Scene, Script, Setup, Transport, Ua, QUIET, SOON};

const CAROL: &str = "sip:carol@home1.test";
const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

#[test]
fn joining_is_answered_as_a_focus_with_an_msrp_answer() {
    let scene = Scene::with(
        Setup::new([group()]).param_str("msrp_uri", "msrp://192.0.2.7:2855"),
        Transport::Udp,
    );
    let alice = scene.ua(ALICE);
    let invite = scene
        .invite(&alice, &group().uri)
        .and("Record-Route", "<sip:scscf.home1.test;lr>");
    let answer = scene.send(&alice, &invite).answer();
    check::accepted(&answer);
    check::focus_contact(&answer);
    assert!(answer.tag_to().is_some());
    assert_eq!(
        answer.list("Record-Route"),
        ["<sip:scscf.home1.test;lr>"],
        "{answer}"
    );
    assert!(
        answer.has_token("Allow", "REFER") && answer.has_token("Supported", "norefersub"),
        "{answer}"
    );
    let focus = uri_of(answer.need("Contact"));
    let token = crate::kit::serve::user_of(&focus);
    assert!(
        token.len() >= 16 && !group().uri.contains(token),
        "an unguessable focus: {focus}"
    );
    let sdp = answer.body_text();
    assert_eq!(answer.need("Content-Type"), "application/sdp");
    assert_eq!(
        check::sdp_attribute(&sdp, "accept-types").as_deref(),
        Some("message/cpim"),
        "{sdp}"
    );
    let path = check::sdp_attribute(&sdp, "path").expect("a path");
    assert!(
        path.starts_with("msrp://192.0.2.7:2855/") && check::msrp_session(&sdp).len() >= 16,
        "{sdp}"
    );
    let setup = check::sdp_attribute(&sdp, "setup").expect("a setup");
    assert!(["active", "passive"].contains(&setup.as_str()), "{sdp}");
    assert_eq!(
        sdp.lines().filter(|l| l.starts_with("m=")).count(),
        1,
        "{sdp}"
    );
}

#[test]
fn everybody_who_joins_is_in_the_same_session_under_its_own_msrp_session() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    let bob = scene.participant(BOB, &group());
    assert_eq!(alice.focus, bob.focus);
    let media = [&alice, &bob].map(|leg| check::msrp_session(&leg.answer.body_text()));
    assert_ne!(media[0], media[1]);
    // The focus URI leads to the same session as the group's.
    let carol = scene.ua(CAROL);
    assert_eq!(scene.join(&carol, &alice.focus).focus, alice.focus);
}

#[test]
fn a_stranger_may_not_join() {
    let narrow = Group::new(
        "sip:narrow@groups.home1.test",
        &[ALICE],
        &[all_actions(Rule::members())],
    );
    let scene = Scene::new([&narrow]);
    let zoe = scene.ua("sip:zoe@elsewhere.test");
    for running in [false, true] {
        let _alice = running.then(|| scene.participant(ALICE, &narrow));
        let answer = scene.send(&zoe, &scene.invite(&zoe, &narrow.uri)).answer();
        check::refused(&answer, 403, Some(""));
        let spoofed = scene
            .invite(&zoe, &narrow.uri)
            .with("From", format!("<{ALICE}>;tag=1"));
        check::refused(&scene.send(&zoe, &spoofed).answer(), 403, Some(""));
        let nameless = scene
            .invite(&zoe, &narrow.uri)
            .without("P-Asserted-Identity");
        check::refused(&scene.send(&zoe, &nameless).answer(), 403, None);
    }
}

#[test]
fn policy_conditions_decide_who_joins() {
    let one = |condition: &str, name: &str| {
        let uri = format!("sip:{name}@groups.home1.test");
        let rules = [
            all_actions(Rule::when(condition)),
            Rule::one("sip:nobody@home1.test").allow("join-handling"),
        ];
        Group::new(&uri, &[ALICE, "tel:+358401234567"], &rules)
    };
    let identity = |inside: &str| format!("<cp:identity>{inside}</cp:identity>");
    let other = Group::new(
        "sip:other@groups.home1.test",
        &[ALICE],
        &[
            Rule::one("sip:mallory@home1.test").action("join-handling", "false"),
            all_actions(Rule::when("<ocp:other-identity/>")),
        ],
    );
    let zoe = "sip:zoe@elsewhere.test";
    let rows: [(Group, &str, bool); 22] = [
        (
            one(&identity("<cp:one id=\"sip:alice@home1.test\"/>"), "one1"),
            ALICE,
            true,
        ),
        (
            one(&identity("<cp:one id=\"sip:ALICE@home1.test\"/>"), "one2"),
            ALICE,
            false,
        ),
        (
            one(
                &identity("<cp:one id=\"sip:alice@HOME1.test:5060;x=y\"/>"),
                "one3",
            ),
            ALICE,
            true,
        ),
        (
            one(&identity("<cp:one id=\"sip:%61lice@home1.test\"/>"), "one4"),
            ALICE,
            true,
        ),
        (
            one(&identity("<cp:one id=\"tel:+358401234567\"/>"), "one5"),
            "sip:+358401234567@any.test;user=phone",
            true,
        ),
        (
            one(
                &identity("<cp:one id=\"sip:x@y\"/><cp:one id=\"sip:alice@home1.test\"/>"),
                "one6",
            ),
            ALICE,
            true,
        ),
        (one(&identity("<cp:many/>"), "many1"), zoe, true),
        (
            one(&identity("<cp:many domain=\"home1.test\"/>"), "many2"),
            BOB,
            true,
        ),
        (
            one(&identity("<cp:many domain=\"home1.test\"/>"), "many3"),
            zoe,
            false,
        ),
        (
            one(&identity("<cp:many domain=\"ome1.test\"/>"), "many4"),
            BOB,
            false,
        ),
        (
            one(
                &identity("<cp:many><cp:except domain=\"elsewhere.test\"/></cp:many>"),
                "many5",
            ),
            zoe,
            false,
        ),
        (
            one(
                &identity("<cp:many><cp:except id=\"sip:bob@home1.test\"/></cp:many>"),
                "many6",
            ),
            BOB,
            false,
        ),
        (
            one(
                &identity("<cp:many><cp:except id=\"sip:bob@home1.test\"/></cp:many>"),
                "many7",
            ),
            ALICE,
            true,
        ),
        (one("<is-list-member/>", "list1"), ALICE, true),
        (one("<is-list-member/>", "list2"), BOB, false),
        (
            one("<is-list-member/>", "list3"),
            "tel:+358-40-1234567",
            true,
        ),
        (one("", "empty"), zoe, true),
        (
            one(
                "<is-list-member/><cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity>",
                "and1",
            ),
            ALICE,
            false,
        ),
        (
            one(
                "<is-list-member/><cp:identity><cp:many domain=\"home1.test\"/></cp:identity>",
                "and2",
            ),
            ALICE,
            true,
        ),
        (one("<unheard-of/>", "unknown"), ALICE, false),
        (other.clone(), zoe, true),
        (other, "sip:mallory@home1.test", false),
    ];
    let scene = Scene::new(rows.iter().map(|(group, _, _)| group));
    for (group, who, lets_in) in &rows {
        let ua = scene.ua(who);
        let answer = scene.send(&ua, &scene.invite(&ua, &group.uri)).answer();
        assert_eq!(
            answer.status(),
            if *lets_in { 200 } else { 403 },
            "{who} at {}: {answer}",
            group.uri
        );
    }
}

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
fn the_session_ends_when_too_few_are_left() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let bob = scene.participant(BOB, &group());
    check::accepted(&alice.dialog.bye());
    let bye = &bob.dialog.expect("BYE").msg;
    let reason = bye.need("Reason").replace(' ', "");
    assert_eq!(reason, "SIP;cause=410;text=\"Gone\"", "{bye}");
    assert_eq!(bye.request_uri(), bob.ua().contact_uri());
    // The focus is gone, and the next one to join makes a new session.
    let refer = bob.refer_outside(&format!("<{CAROL}>"));
    check::refused(&bob.send(&refer).answer(), 404, Some("123"));
    assert_ne!(scene.participant(ALICE, &group()).focus, bob.focus);
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
    scene.invite_for("sip:dave@home1.test");
    // Connected and pending count together: the two who ring keep it alive until nobody is connected.
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
            .on_cancel(crate::kit::OnCancel::AcceptLate),
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
fn a_session_reached_over_tcp_works_as_over_udp() {
    let scene = Scene::with(Setup::new([group()]), Transport::Tcp);
    let mut alice = scene.participant(ALICE, &group());
    let bob = scene.participant(BOB, &group());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let carol = scene.accept(&invite);
    check::accepted(&alice.dialog.bye());
    bob.ua().expect_none("BYE", QUIET);
    let mut carol = carol;
    check::accepted(&carol.bye());
    bob.dialog.expect("BYE");
}

#[test]
fn peers_on_udp_and_tcp_meet_in_one_session() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    let bob = Ua::new(BOB, Transport::Tcp);
    let mut leg = scene.join(&bob, &group().uri);
    // A Contact names the transport it is for.
    let user = |focus: &str| crate::kit::serve::user_of(focus).to_string();
    assert_eq!(user(&leg.focus), user(&alice.focus));
    check::accepted(&leg.dialog.bye());
    alice.dialog.expect("BYE");
}
