//! Rows about several at once: resource lists, limits, who is in already, forked answers, removal.
//! Not here: the rows about one target: see `forms.rs` and `results.rs`.

use super::stage::{stage, Stage, ALICE, BOB, CAROL};
use crate::kit::lists::{entry, list, list_to, with_list, with_multipart};
use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::{
    check, Group, Incoming, Leg, Msg, Rule, Scene, Script, Setup, Transport, PLACES, QUIET, SOON,
};
use std::collections::HashSet;

const THREE: [&str; 3] = [
    "sip:carol@home1.test",
    "sip:dave@home1.test",
    "tel:+358401112222",
];

/// A REFER of alice in her dialog with that list.
fn refer_list(stage: &mut Stage, xml: &str) -> Msg {
    let refer = stage.alice.refer("");
    with_list(
        refer
            .and("Require", "multiple-refer")
            .and("Require", "norefersub"),
        xml,
    )
}

fn invited(stage: &Stage, wanted: &[&str]) {
    for uri in wanted {
        stage.scene.invite_for(uri);
    }
    stage.scene.targets.expect_none("INVITE", QUIET);
}

fn refused(stage: &mut Stage, refer: &Msg, status: u16) -> Msg {
    let answer = stage.alice.send(refer).answer();
    assert_eq!(answer.status(), status, "{refer}\n{answer}");
    stage.scene.nobody_invited();
    answer
}

/// A group in which only alice may put people out.
fn with_host(t: Transport) -> Stage {
    let rules = [
        Rule::members()
            .allow("join-handling")
            .allow("allow-initiate-conference"),
        Rule::one(ALICE)
            .allow("oxe:allow-expelling")
            .allow("allow-invite-users-dynamically"),
    ];
    let group = Group::new("sip:hosted@groups.home1.test", &[ALICE, BOB, CAROL], &rules);
    let scene = Scene::with(Setup::new([&group]), t);
    let [alice, bob, _carol] = [ALICE, BOB, CAROL].map(|who| scene.participant(who, &group));
    Stage { scene, alice, bob }
}

pub fn row_15(t: Transport) {
    for place in PLACES {
        let mut stage = with_host(t);
        let refer = stage.alice.refer_at(place, &format!("<{BOB};method=BYE>"));
        check::accepted(&stage.alice.send(&refer).answer());
        stage.bob.dialog.expect("BYE");
        expect_outcome(stage.alice.ua(), refer.call_id(), 200);
        stage.scene.nobody_invited();
        // Who was put out is not let in again.
        let bob = stage.bob.ua().clone();
        let again = stage.scene.invite(&bob, "sip:hosted@groups.home1.test");
        check::refused(&stage.scene.send(&bob, &again).answer(), 403, Some("127"));
    }
}

pub fn row_16(t: Transport) {
    let mut stage = with_host(t);
    for place in PLACES {
        let refer = stage.bob.refer_at(place, &format!("<{ALICE};method=BYE>"));
        check::refused(&stage.bob.send(&refer).answer(), 403, Some(""));
    }
    stage.alice.dialog.expect_none("BYE", QUIET);
}

pub fn row_28(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list_to(&THREE)).with("Refer-Sub", "false");
    let answer = stage.alice.send(&refer).answer();
    check::accepted(&answer);
    assert!(answer.need("Refer-Sub").starts_with("false"), "{answer}");
    for uri in THREE {
        let invite = stage.scene.invite_for(uri);
        let body = invite.msg.body_text();
        assert!(
            invite
                .msg
                .need("Content-Type")
                .starts_with("multipart/mixed"),
            "{}",
            invite.msg
        );
        assert!(
            body.contains("recipient-list-history") && body.contains("handling=optional"),
            "{body}"
        );
        assert!(THREE.iter().all(|other| body.contains(other)), "{body}");
    }
    stage.alice.ua().expect_none("NOTIFY", QUIET);
}

pub fn row_29(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer("")
        .with("Require", "multiple-refer")
        .with("Refer-Sub", "false");
    let answer = stage
        .alice
        .send(&with_multipart(refer, &list_to(&THREE)))
        .answer();
    check::accepted(&answer);
    invited(&stage, &THREE);
}

pub fn row_30(t: Transport) {
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(486));
    stage
        .scene
        .target(Script::on("INVITE").to("carol").accept());
    let refer = refer_list(&mut stage, &list_to(&THREE));
    check::accepted(&stage.alice.send(&refer).answer());
    expect_trying(stage.alice.ua(), refer.call_id());
    let mut told = HashSet::new();
    for left in (0..THREE.len()).rev() {
        let next = loop {
            let next = expect_notify(stage.alice.ua(), refer.call_id());
            if next.status >= 200 {
                break next;
            }
        };
        let about = THREE
            .into_iter()
            .find(|uri| next.body.contains(uri))
            .expect("it names its target");
        assert_eq!(
            next.status,
            if about == CAROL { 200 } else { 486 },
            "{}",
            next.body
        );
        assert_eq!(
            next.state == "terminated",
            left == 0,
            "the last one ends it: {}",
            next.incoming.msg
        );
        told.insert(about);
    }
    assert_eq!(told.len(), THREE.len());
}

pub fn row_32(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, "hello").with("Content-Type", "text/plain");
    let answer = refused(&mut stage, &refer, 415);
    assert!(
        answer.has_token("Accept", "application/resource-lists+xml"),
        "{answer}"
    );
}

pub fn row_33(t: Transport) {
    let mut stage = stage(t);
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]>\
                <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:&b;@x\"/></list>\
                </resource-lists>";
    let broken = list_to(&THREE).replace("</list>", "");
    let deep = list(&["<list>".repeat(5000)]);
    for xml in [bomb, &broken, &deep, "", "<other/>", "\u{0}\u{1}"] {
        let refer = refer_list(&mut stage, xml);
        refused(&mut stage, &refer, 400);
    }
}

pub fn row_34(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list(&[]));
    refused(&mut stage, &refer, 400);
}

pub fn row_35(t: Transport) {
    let mut stage = stage(t);
    let xml = list(&[
        entry(CAROL, ""),
        entry("sip:carol@HOME1.test", "cp:copyControl=\"cc\""),
        entry("sip:%63arol@home1.test", "cp:copyControl=\"to\""),
        entry(
            "sip:+358401112222@home1.test;user=phone",
            "cp:copyControl=\"to\"",
        ),
        entry("tel:+358-40-1112222", ""),
    ]);
    let refer = refer_list(&mut stage, &xml);
    check::accepted(&stage.alice.send(&refer).answer());
    let invites: Vec<_> = (0..2)
        .map(|_| stage.scene.targets.expect("INVITE"))
        .collect();
    stage.scene.targets.expect_none("INVITE", QUIET);
    let body = invites[0].msg.body_text();
    assert!(
        !body.contains("copyControl=\"cc\"") && !body.contains("copyControl=\"bcc\""),
        "the highest wins: {body}"
    );
}

pub fn row_36(t: Transport) {
    let mut stage = stage(t);
    let xml = list(&[
        entry("sip:bill@home1.test", "cp:copyControl=\"to\""),
        entry(
            "sip:randy@home1.test",
            "cp:copyControl=\"to\" cp:anonymize=\"true\"",
        ),
        entry(
            "sip:eddy@home1.test",
            "cp:copyControl=\"to\" cp:anonymize=\"true\"",
        ),
        entry("sip:joe@home1.test", "cp:copyControl=\"cc\""),
        entry(
            "sip:carol@home1.test",
            "cp:copyControl=\"cc\" cp:anonymize=\"true\"",
        ),
        entry("sip:ted@home1.test", "cp:copyControl=\"bcc\""),
        entry("sip:andy@home1.test", ""),
    ]);
    let refer = refer_list(&mut stage, &xml);
    check::accepted(&stage.alice.send(&refer).answer());
    let invite: std::sync::Arc<Incoming> = stage.scene.invite_for("sip:bill@home1.test");
    let body = invite.msg.body_text();
    for shown in [
        "sip:bill@home1.test",
        "sip:joe@home1.test",
        "sip:anonymous@anonymous.invalid",
        "count=\"2\"",
    ] {
        assert!(body.contains(shown), "{shown}: {body}");
    }
    check::free_of(body.as_bytes(), &["randy", "eddy", "carol", "ted@", "andy"]);
}

pub fn row_37(t: Transport) {
    let mut stage = stage(t);
    let refer = with_list(stage.alice.refer(""), list_to(&THREE));
    check::accepted(&stage.alice.send(&refer).answer());
    invited(&stage, &THREE);
}

pub fn row_38(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{BOB}>")));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 200);
    stage.scene.nobody_invited();
}

pub fn row_39(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{ALICE}>")));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 200);
    stage.scene.nobody_invited();
}

pub fn row_40(t: Transport) {
    let stage = stage(t);
    let first = stage.alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&stage.alice.send(&first).answer());
    let invite = stage.scene.invite_for(CAROL);
    stage.scene.targets.reply(&invite, 180, &[]);
    let second = stage.bob.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&stage.bob.send(&second).answer());
    stage.scene.targets.expect_none("INVITE", QUIET);
    stage.scene.accept(&invite);
    for (leg, refer) in [(&stage.alice, &first), (&stage.bob, &second)] {
        expect_trying(leg.ua(), refer.call_id());
        expect_final(leg.ua(), refer.call_id(), 200);
    }
}

/// A group for so many, with alice and bob in.
fn limited(t: Transport, max: u32) -> (Scene, Leg, Leg) {
    let rules = [
        crate::kit::groups::all_actions(Rule::members()),
        Rule::everybody().allow("join-handling"),
    ];
    let group = Group::limited(
        "sip:small@groups.home1.test",
        &[ALICE, BOB],
        Some(max),
        &rules,
    );
    let scene = Scene::with(Setup::new([&group]), t);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    (scene, alice, bob)
}

pub fn row_41(t: Transport) {
    let (scene, mut alice, _bob) = limited(t, 2);
    check::refused(&alice.referred(&format!("<{CAROL}>")), 486, Some("102"));
    let carol = scene.ua(CAROL);
    let answer = scene
        .send(&carol, &scene.invite(&carol, "sip:small@groups.home1.test"))
        .answer();
    check::refused(&answer, 486, Some("102"));
    scene.nobody_invited();
}

pub fn row_42(t: Transport) {
    let (scene, alice, bob) = limited(t, 3);
    let mut stage = Stage { scene, alice, bob };
    stage.scene.target(Script::on("INVITE").accept());
    let refer = refer_list(&mut stage, &list_to(&THREE[..2]));
    check::accepted(&stage.alice.send(&refer).answer());
    invited(&stage, &THREE[..1]);
    expect_trying(stage.alice.ua(), refer.call_id());
    let mut results = Vec::new();
    while results.len() < 2 {
        let next = expect_notify(stage.alice.ua(), refer.call_id());
        if next.status >= 200 {
            results.push((next.status, next.body.contains("dave")));
        }
    }
    results.sort_unstable();
    assert_eq!(results, [(200, false), (486, true)]);
}

pub fn row_56(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    let invite = stage.scene.invite_for(CAROL);
    let first = stage.scene.targets.reply(&invite, 200, &[]);
    let forked = first
        .clone()
        .with("To", format!("{};tag=other", invite.msg.need("To")));
    // Two workers could take them in either order, so one after the other.
    let acknowledged = |tag: Option<String>| {
        let targets = &stage.scene.targets;
        targets.expect_where("ACK", &format!("{tag:?}"), |m| m.tag_to() == tag);
    };
    acknowledged(first.tag_to());
    stage.scene.targets.reply_raw(&invite, &forked);
    acknowledged(forked.tag_to());
    let bye = stage.scene.targets.expect("BYE");
    assert_eq!(bye.msg.tag_to(), forked.tag_to(), "the later one is let go");
    stage.scene.targets.expect_none("BYE", QUIET);
}

pub fn row_67(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list_to(&THREE)).with("Content-Encoding", "compress-me");
    let answer = refused(&mut stage, &refer, 415);
    assert!(answer.header("Accept-Encoding").is_some(), "{answer}");
}

pub fn row_68(t: Transport) {
    let prefixed = list_to(&THREE)
        .replace("xmlns=", "xmlns:p1=")
        .replace("<resource-lists", "<p1:resource-lists")
        .replace("</resource-lists", "</p1:resource-lists")
        .replace("<list", "<p1:list")
        .replace("</list", "</p1:list")
        .replace("<entry", "<p1:entry");
    let capital = list_to(&THREE).replace("ns:copycontrol", "ns:copyControl");
    for xml in [format!("\u{feff}{}", list_to(&THREE)), prefixed, capital] {
        let mut stage = stage(t);
        let refer = refer_list(&mut stage, &xml);
        check::accepted(
            &stage
                .alice
                .send(&refer)
                .answer_within(SOON)
                .expect("an answer"),
        );
        invited(&stage, &THREE);
    }
}
