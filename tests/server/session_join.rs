//! Joining the session of a group: who may, what is answered, and who is called together.

use crate::kit::groups::all_actions;
use crate::kit::sip::uri_of;
use crate::kit::{check, serve, Group, Rule, Scene, Setup, Transport, ALICE, BOB, CAROL, QUIET};

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
    let token = serve::user_of(&focus);
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
            serve::user_of(&uri_of(invite.msg.need("From"))),
            serve::user_of(&alice.focus)
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
fn an_offer_that_cannot_be_served_is_refused() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let good = String::from_utf8_lossy(&scene.invite(&alice, "sip:x@y").body).into_owned();
    let rows = [
        (good.replace("message/cpim", "text/plain"), vec![488]),
        (
            good.replace("m=message 28550 TCP/MSRP *", "m=audio 4000 RTP/AVP 0"),
            vec![488],
        ),
        (good.replace("TCP/MSRP", "UDP/MSRP"), vec![488]),
        (
            good.lines()
                .filter(|l| !l.starts_with("a=path"))
                .map(|l| format!("{l}\r\n"))
                .collect(),
            vec![400, 488],
        ),
        ("this is no session description".to_string(), vec![400, 488]),
    ];
    for (offer, wanted) in rows {
        let invite = scene
            .invite(&alice, &group().uri)
            .body("application/sdp", &offer);
        let answer = scene.send(&alice, &invite).answer();
        assert!(wanted.contains(&answer.status()), "{offer}\n{answer}");
    }
    let text = scene
        .invite(&alice, &group().uri)
        .body("text/plain", "hello");
    let answer = scene.send(&alice, &text).answer();
    assert_eq!(answer.status(), 415, "{answer}");
    assert!(answer.has_token("Accept", "application/sdp"), "{answer}");
    assert!(
        !scene
            .server
            .rpc_ok(&["cpm.list"])
            .contains("conf.home1.test"),
        "no session came of it"
    );
}

#[test]
fn an_offer_of_the_reference_client_is_served() {
    // It offers itself as the active side, with port 9 (requirements.md section 2.5).
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let invite = scene.invite(&alice, &group().uri);
    let offer = String::from_utf8_lossy(&invite.body)
        .replace("a=setup:actpass", "a=setup:active")
        .replace("m=message 28550", "m=message 9")
        .replace(
            "accept-types:message/cpim",
            "accept-types:message/cpim application/im-iscomposing+xml",
        );
    let answer = scene
        .send(&alice, &invite.body("application/sdp", offer))
        .answer();
    check::accepted(&answer);
    assert_eq!(
        check::sdp_attribute(&answer.body_text(), "setup").as_deref(),
        Some("passive"),
        "{answer}"
    );
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
    let rows: [(Group, &str, bool); 23] = [
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
            "sip:+358401234567@home1.test;user=phone",
            true,
        ),
        (
            one(&identity("<cp:one id=\"tel:+358401234567\"/>"), "one5b"),
            "sip:+358401234567@any.test;user=phone",
            false,
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
