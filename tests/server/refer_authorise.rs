//! Step 1 of a REFER: whose it is, which focus it is for, and whether the group lets him invite.

use crate::kit::adhoc::FACTORY;
use crate::kit::groups::all_actions;
use crate::kit::refer::{expect_final, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, pair, serve, with_alice, Group, Leg, Msg, Place, Rule, Scene, Transport, ALICE, BOB,
    CAROL, DAVE,
};

#[test]
fn in_a_dialog_the_identity_may_be_left_out_but_not_exchanged() {
    let scene = Scene::new([Group::closed()]);
    let mut alice = scene.participant(ALICE, &Group::closed());
    let other = alice
        .refer(&format!("<{CAROL}>"))
        .with("P-Asserted-Identity", "<sip:bob@home1.test>");
    check::refused(&alice.send(&other).answer(), 403, None);
    scene.nobody_invited();
    let same = alice
        .refer(&format!("<{CAROL}>"))
        .without("P-Asserted-Identity");
    check::accepted(&alice.send(&same).answer());
    scene.invite_for(CAROL);
}

#[test]
fn either_of_two_asserted_identities_will_do() {
    let group = Group::new(
        "sip:numbers@groups.home1.test",
        &[],
        &[
            all_actions(Rule::one("tel:+358401234567")),
            Rule::everybody().allow("join-handling"),
        ],
    );
    let scene = Scene::new([&group]);
    let dora = scene.ua("sip:dora@home1.test");
    let both = "<sip:dora@home1.test>, <tel:+358-40-123-4567>";
    let invite = scene
        .invite(&dora, &group.uri)
        .with("P-Asserted-Identity", both);
    let mut leg = scene.enter(&dora, &invite);
    for (place, target) in [(Place::InDialog, CAROL), (Place::OutOfDialog, DAVE)] {
        let refer = leg
            .refer_at(place, &format!("<{target}>"))
            .with("P-Asserted-Identity", both);
        check::accepted(&leg.send(&refer).answer());
        scene.invite_for(target);
    }
    let sip_only = leg.refer_outside("<sip:erin@home1.test>");
    check::refused(&leg.send(&sip_only).answer(), 403, Some(""));
}

/// REFER outside a dialog that names alice's dialog, as the focus sees it (RFC 4538 section 3).
fn with_target_dialog(alice: &Leg, target: &str) -> Msg {
    let tag = |tag: Option<String>| tag.expect("a dialog has tags");
    let value = format!(
        "{};local-tag={};remote-tag={}",
        alice.call_id(),
        tag(alice.dialog.remote_tag()),
        tag(alice.dialog.local_tag())
    );
    alice
        .refer_outside(&format!("<{target}>"))
        .with("Target-Dialog", value)
}

#[test]
fn target_dialog_binds_a_refer_to_the_dialog_of_its_sender() {
    let scene = Scene::new([Group::closed()]);
    let ua = scene.ua(ALICE);
    // A number that only her dialog knows of.
    let both = format!("<{ALICE}>, <tel:+358401234567>");
    let invite = scene
        .invite(&ua, &Group::closed().uri)
        .with("P-Asserted-Identity", both);
    let alice = scene.enter(&ua, &invite);
    // The RFC writes the tags as the recipient sees them. Some clients write them as the sender sees them.
    for (target, own_view) in [(CAROL, false), (DAVE, true)] {
        let mut refer =
            with_target_dialog(&alice, target).with("P-Asserted-Identity", "<tel:+358401234567>");
        if own_view {
            let swapped = swapped(refer.need("Target-Dialog"));
            refer = refer.with("Target-Dialog", swapped);
        }
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), refer.call_id());
        let invite = scene.invite_for(target);
        scene.targets.reply(&invite, 486, &[]);
        expect_final(alice.ua(), refer.call_id(), 486);
    }
}

fn swapped(target_dialog: &str) -> String {
    target_dialog
        .replace("local-tag", "x-tag")
        .replace("remote-tag", "local-tag")
        .replace("x-tag", "remote-tag")
}

#[test]
fn a_bogus_target_dialog_is_as_none() {
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
    let valid = with_target_dialog(&alice, CAROL);
    let value = valid.need("Target-Dialog").to_string();
    let call_only = value.split(';').next().unwrap_or_default().to_string();
    let half_known = value.replace("local-tag=", "local-tag=x");
    for (n, bogus) in [
        call_only.as_str(),
        &half_known,
        "no@where;local-tag=a;remote-tag=b",
        ";;",
        "",
    ]
    .into_iter()
    .enumerate()
    {
        // Without P-Asserted-Identity nobody is named. With it the dialog is not needed.
        let refer = valid.clone().with("Target-Dialog", bogus);
        let nobody = refer.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
        let target = format!("sip:t{n}@home1.test");
        let named = alice
            .refer_outside(&format!("<{target}>"))
            .with("Target-Dialog", bogus);
        check::accepted(&alice.send(&named).answer());
        expect_trying(alice.ua(), named.call_id());
        scene.invite_for(&target);
    }
    // Somebody who asserts another name does not become alice by naming her dialog.
    let refer = with_target_dialog(&alice, CAROL).with("P-Asserted-Identity", format!("<{BOB}>"));
    check::accepted(&bob.send(&refer).answer());
    let invite = scene.invite_for(CAROL);
    assert_eq!(
        uri_of(invite.msg.need("Referred-By")),
        BOB,
        "{}",
        invite.msg
    );
    let stranger =
        with_target_dialog(&alice, CAROL).with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
    check::refused(&alice.send(&stranger).answer(), 403, Some(""));
}

fn group() -> Group {
    Group::open("s", &[ALICE])
}

#[test]
fn an_unknown_focus_a_silent_group_and_the_factory() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let refer = |uri: &str| {
        alice
            .request("REFER", uri)
            .with("Refer-To", format!("<{CAROL}>"))
    };
    let unknown = scene
        .send(
            &alice,
            &refer("sip:0123456789abcdef0123456789abcdef@conf.home1.test"),
        )
        .answer();
    check::refused(&unknown, 404, None);
    let silent = scene.send(&alice, &refer(&group().uri)).answer();
    check::refused(&silent, 404, Some("123 Session does not exist"));
    let factory = scene.send(&alice, &refer(FACTORY)).answer();
    check::refused(&factory, 404, None);
    let foreign = scene
        .send(&alice, &refer("sip:somebody@elsewhere.test"))
        .answer();
    check::refused(&foreign, 404, None);
    let joined = scene
        .send(&alice, &scene.invite(&alice, "sip:unknown@conf.home1.test"))
        .answer();
    check::refused(&joined, 404, None);
    scene.nobody_invited();
}

#[test]
fn a_group_uri_is_an_alias_of_its_live_session() {
    let (scene, alice) = with_alice(|setup| setup);
    let host = scene.server.addr();
    let token = serve::user_of(&alice.focus).to_string();
    let uris = [
        group().uri,
        format!("sip:{token}@conf.home1.test"),
        format!("sip:{token}@CONF.home1.test;transport=udp"),
        format!("sip:{token}@{host}"),
        alice.focus.clone(),
    ];
    for (n, uri) in uris.iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice
            .ua()
            .request("REFER", uri)
            .with("Refer-To", format!("<{target}>"));
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), 200, "{uri}: {answer}");
        scene.invite_for(&target);
    }
}

#[test]
fn the_order_of_the_checks_is_that_of_the_specification() {
    // Each REFER has two faults. The one that comes first in requirements.md section 1.0 is answered.
    let (scene, mut alice) = with_alice(|setup| setup);
    type Row = (&'static str, u16, fn(Msg) -> Msg);
    let rows: [Row; 4] = [
        ("unknown Require before a missing Refer-To", 420, |r| {
            r.with("Require", "foo").without("Refer-To")
        }),
        ("a missing Refer-To before a strange identity", 400, |r| {
            r.without("Refer-To")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
        ("a wrong method before a strange identity", 488, |r| {
            r.with("Refer-To", "<sip:x@y.test;method=MESSAGE>")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
        ("the identity before its privacy", 403, |r| {
            r.with("Privacy", "id")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
    ];
    for (what, status, spoil) in rows {
        let refer = spoil(alice.refer_at(Place::OutOfDialog, &format!("<{CAROL}>")));
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), status, "{what}: {answer}");
        if what.contains("privacy") {
            assert!(!check::warning(&answer).contains("119"), "{what}: {answer}");
        }
    }
    let gone = alice
        .ua()
        .request("REFER", "sip:nobody@conf.home1.test")
        .with("Require", "foo");
    check::refused(&alice.send(&gone).answer(), 404, None);
    scene.nobody_invited();
}
