//! Rows 15, 16, 38 to 42 and 46 to 49: what the group and the session allow.

use super::lists::{invited, refer_list, THREE};
use super::stage::{stage, Stage};
use crate::kit::groups::all_actions;
use crate::kit::lists::{entry, list, list_to, with_list};
use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::{
    check, Group, Leg, Place, Rule, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, PLACES,
    QUIET,
};

/// A group in which only alice may put people out.
fn with_host(t: Transport) -> (Stage, Leg) {
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
    let [alice, bob, carol] = [ALICE, BOB, CAROL].map(|who| scene.participant(who, &group));
    (Stage { scene, alice, bob }, carol)
}

pub fn row_15(t: Transport) {
    for place in PLACES {
        let (mut stage, _carol) = with_host(t);
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
    let (mut stage, carol) = with_host(t);
    for place in PLACES {
        let single =
            [ALICE, CAROL].map(|who| stage.bob.refer_at(place, &format!("<{who};method=BYE>")));
        let both = [ALICE, CAROL].map(|who| entry(who, ""));
        let several = with_list(stage.bob.refer_at(place, ""), list(&both))
            .with("Require", "multiple-refer")
            .with("Refer-To", "<cid:list@home1.test;method=BYE>");
        for refer in single.iter().chain([&several]) {
            let answer = stage.bob.send(refer).answer();
            check::refused(&answer, 403, Some("Not authorised by group policy"));
        }
    }
    for leg in [&stage.alice, &carol] {
        leg.dialog.expect_none("BYE", QUIET);
    }
    stage.bob.ua().expect_none("NOTIFY", QUIET);
    stage.scene.nobody_invited();
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
        all_actions(Rule::members()),
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

/// The session "G": the sample group, started by alice, joined by bob.
fn sample(t: Transport) -> (Scene, Leg, Leg) {
    let scene = Scene::with(Setup::new([Group::sample()]), t);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &Group::sample()));
    (scene, alice, bob)
}

pub fn row_46(t: Transport) {
    let scene = Scene::with(Setup::new([Group::sample()]), t);
    let mut alice = scene.participant(ALICE, &Group::sample());
    for (place, target) in [
        (Place::InDialog, BOB),
        (Place::OutOfDialog, "sip:dora@home1.test"),
    ] {
        let refer = alice.refer_at(place, &format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(target);
    }
}

pub fn row_47(t: Transport) {
    let (scene, _alice, mut bob) = sample(t);
    for place in PLACES {
        let refer = bob.refer_at(place, &format!("<{CAROL}>"));
        check::refused(&bob.send(&refer).answer(), 403, Some(""));
    }
    bob.ua().expect_none("NOTIFY", QUIET);
    // Nobody but the member who was called when alice started the session.
    scene
        .targets
        .expect_none_where("INVITE", QUIET, |m| !m.request_uri().starts_with("tel:"));
}

pub fn row_48(t: Transport) {
    let (scene, mut alice, _bob) = sample(t);
    for place in PLACES {
        let refer = alice.refer_at(place, "<sip:mallory@home1.test>");
        check::accepted(&alice.send(&refer).answer());
        expect_outcome(alice.ua(), refer.call_id(), 403);
    }
    scene
        .targets
        .expect_none_where("INVITE", QUIET, |m| m.request_uri().contains("mallory"));
}

/// The document is read at start; what cannot be read serves nobody: its group is answered 404.
pub fn row_49(t: Transport) {
    let uri = "sip:broken@groups.home1.test";
    let broken = Group::raw(
        uri,
        "<group xmlns=\"urn:oma:xml:poc:list-service\"><list-service uri=\"",
    );
    let open = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&open, &broken]), t);
    let alice = scene.participant(ALICE, &open);
    let refer = alice
        .ua()
        .request("REFER", uri)
        .with("Refer-To", format!("<{CAROL}>"));
    for request in [scene.invite(alice.ua(), uri), refer] {
        let answer = scene.send(alice.ua(), &request).answer();
        assert!((400..600).contains(&answer.status()), "{answer}");
    }
    scene.nobody_invited();
}
