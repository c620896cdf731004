//! Step 7 of a REFER: which targets the policy of the group lets in.

use crate::kit::groups::all_actions;
use crate::kit::lists::{list_to, refer_to_all, with_list};
use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying, results};
use crate::kit::{
    check, Group, Place, Rule, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, PLACES,
};

#[test]
fn only_targets_that_may_join_are_invited() {
    let scene = Scene::new([Group::closed()]);
    let mut alice = scene.participant(ALICE, &Group::closed());
    for place in PLACES {
        for target in [
            "sip:mallory@home1.test",
            "sip:x@other.test",
            "tel:+358409999999",
            // The number of a member, under a host that may not stand for numbers.
            "sip:+358401234567@other.test;user=phone",
        ] {
            let refer = alice.refer_at(place, &format!("<{target}>"));
            check::accepted(&alice.send(&refer).answer());
            expect_outcome(alice.ua(), refer.call_id(), 403);
        }
    }
    scene.nobody_invited();
    // A member by number may join, and so be invited.
    check::accepted(&alice.referred("<sip:+358401234567@home1.test;user=phone>"));
    scene.invite_for("sip:+358401234567@home1.test;user=phone");
}

#[test]
fn one_verdict_and_one_result_per_target() {
    let rules = [
        all_actions(Rule::members()),
        Rule::when(
            "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/></cp:many></cp:identity>",
        )
        .allow("join-handling"),
    ];
    let group = Group::new("sip:mixed@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::new([&group]);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    scene.target(Script::on("INVITE").to("carol").accept());
    scene.target(Script::on("INVITE").to("dave").reply(486));
    let uris: Vec<String> = [
        "carol@home1.test",
        "mallory@home1.test",
        "dave@home1.test",
        "x@other.test",
        "bob@home1.test",
    ]
    .map(|u| format!("sip:{u}"))
    .to_vec();
    let refer = refer_to_all(&mut alice, &uris);
    check::accepted(&alice.send(&refer).answer());
    let told = results(&alice, refer.call_id(), &uris);
    let statuses: Vec<u16> = uris
        .iter()
        .map(|u| told.get(u).copied().unwrap_or(0))
        .collect();
    assert_eq!(statuses, [200, 403, 486, 403, 200]);
    assert_eq!(scene.targets.count("INVITE"), 2);
}

#[test]
fn with_precheck_a_refer_for_nobody_who_may_join_is_refused() {
    let rules = [
        all_actions(Rule::members()),
        Rule::when("<cp:identity><cp:many domain=\"home1.test\"/></cp:identity>")
            .allow("join-handling"),
    ];
    let group = Group::new("sip:closed@groups.home1.test", &[ALICE, BOB], &rules);
    for on in [1, 0] {
        let setup = Setup::new([&group]).param_int("precheck_targets", on);
        let scene = Scene::with(setup, Transport::Udp);
        let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
        let outside = ["sip:x@other.test", "sip:y@other.test"];
        let single = alice.refer("<sip:x@other.test>");
        let several = with_list(
            alice.refer("").with("Require", "multiple-refer"),
            list_to(&outside),
        );
        for refer in [single, several] {
            let answer = alice.send(&refer).answer();
            match on {
                1 => check::refused(&answer, 403, Some("129 No destinations")),
                _ => check::accepted(&answer),
            }
        }
        scene.nobody_invited();
        // One target who may join is enough. The result of the other one is told.
        let some = ["sip:x@other.test", CAROL];
        let mixed = with_list(
            alice.refer_outside("").with("Require", "multiple-refer"),
            list_to(&some),
        );
        check::accepted(&alice.send(&mixed).answer());
        expect_trying(alice.ua(), mixed.call_id());
        let refused = expect_notify(alice.ua(), mixed.call_id());
        assert_eq!(refused.status, 403, "{}", refused.body);
        let invite = scene.invite_for(CAROL);
        scene.accept(&invite);
        expect_final(alice.ua(), mixed.call_id(), 200);
    }
}

fn group() -> Group {
    Group::open("s", &[ALICE])
}

#[test]
fn the_policy_of_one_group_says_nothing_about_another() {
    let narrow = Group::new(
        "sip:narrow@groups.home1.test",
        &[ALICE],
        &[all_actions(Rule::members())],
    );
    let scene = Scene::new([&group(), &narrow]);
    let mut here = scene.participant(ALICE, &group());
    let mut there = scene.participant(ALICE, &narrow);
    assert_ne!(here.focus, there.focus);
    check::accepted(&there.referred(&format!("<{CAROL}>")));
    expect_outcome(there.ua(), there.call_id(), 403);
    scene.nobody_invited();
    let refer = here.refer_at(Place::InDialog, &format!("<{CAROL}>"));
    check::accepted(&here.send(&refer).answer());
    scene.invite_for(CAROL);
}
