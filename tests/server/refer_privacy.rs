//! Step 2 of a REFER: who may be anonymous, and that nothing gives an anonymous referrer away.

use crate::kit::lists::{refer_to_all, targets};
use crate::kit::refer::expect_outcome;
use crate::kit::{check, Group, Leg, Place, Scene, Script, ALICE, BOB, CAROL, PLACES};

#[test]
fn anonymity_without_permission_gets_403_with_warning_119() {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    for privacy in ["id", "ID", "header;id", "id;critical", "none;id"] {
        for place in PLACES {
            let refer = alice
                .refer_at(place, &format!("<{CAROL}>"))
                .with("Privacy", privacy);
            check::refused(&alice.send(&refer).answer(), 403, Some("119"));
        }
    }
    scene.nobody_invited();
}

#[test]
fn other_privacy_values_ask_for_no_anonymity() {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    for (n, privacy) in ["none", "header", "user", "session"]
        .into_iter()
        .enumerate()
    {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer(&format!("<{target}>")).with("Privacy", privacy);
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(&target);
    }
}

#[test]
fn no_trace_of_an_anonymous_referrer_reaches_the_target() {
    let group = Group::discreet("d", &[ALICE]);
    let scene = Scene::new([&group]);
    scene.target(Script::on("INVITE").reply(180).accept());
    let mut alice = scene.participant(ALICE, &group);
    let secrets = [
        "alice".to_string(),
        alice.ua().local().to_string(),
        alice.call_id().to_string(),
        check::msrp_session(&String::from_utf8_lossy(&alice.invite.body)),
        "wonderland".to_string(),
    ];
    let mut calls = vec![alice.call_id().to_string()];
    for (n, place) in PLACES.into_iter().enumerate() {
        let refer = alice
            .refer_at(place, &format!("<sip:target{n}@home1.test>"))
            .with("Privacy", "id")
            .with("Referred-By", "\"Alice Wonderland\" <sip:alice@home1.test>")
            .with(
                "Contact",
                format!("\"Alice\" <{}>", alice.ua().contact_uri()),
            )
            .with("User-Agent", "Alice's telephone")
            .with("Organization", "Wonderland")
            .with("P-Access-Network-Info", "wonderland-cell");
        check::accepted(&alice.send(&refer).answer());
        if place == Place::OutOfDialog {
            calls.push(refer.call_id().to_string());
        }
        let invite = scene.invite_for(&format!("sip:target{n}@home1.test"));
        assert!(
            invite
                .msg
                .need("Referred-By")
                .contains("anonymous@anonymous.invalid"),
            "{}",
            invite.msg
        );
        scene.targets.expect("ACK");
    }
    for call in &calls {
        expect_outcome(alice.ua(), call, 200);
    }
    // The session ends, so that the BYEs to the targets are looked at too.
    check::accepted(&alice.dialog.bye());
    let secrets: Vec<&str> = secrets.iter().chain(&calls).map(String::as_str).collect();
    check::free_of(&scene.targets.every_byte(), &secrets);
}

#[test]
fn who_joined_anonymously_stays_anonymous() {
    let group = Group::discreet("d", &[ALICE]);
    let scene = Scene::new([&group]);
    let ua = scene.ua(ALICE);
    let sent = scene.send(&ua, &scene.invite(&ua, &group.uri).with("Privacy", "id"));
    let answer = sent.answer();
    check::accepted(&answer);
    let mut alice = Leg::made(&sent, answer);
    alice.dialog.ack(1);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["alice", &ua.local().to_string()]);
}

#[test]
fn the_history_does_not_give_away_an_anonymous_referrer() {
    let group = Group::discreet("d", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let refer = refer_to_all(&mut alice, &targets(3)).with("Privacy", "id");
    check::accepted(&alice.send(&refer).answer());
    for uri in targets(3) {
        scene.invite_for(&uri);
    }
    check::free_of(&scene.targets.every_byte(), &["alice", alice.call_id()]);
}
