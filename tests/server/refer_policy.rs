//! Steps 1, 2 and 7 against the real server: who may invite, who may be anonymous, who may be invited.
//! It is not about the INVITE itself or the NOTIFYs: see `refer_invite.rs` and `refer_notify.rs`.

use crate::kit::groups::all_actions;
use crate::kit::{
    check, refer, Group, Place, Rule, Scene, Script, Transport, Ua, PLACES, QUIET, SOON,
};

const CAROL: &str = "sip:carol@home1.test";

/// As the sample of requirements.md section 3, but everybody whom it knows may start the session.
fn closed() -> Group {
    let start = |rule: Rule| {
        rule.allow("join-handling")
            .allow("allow-initiate-conference")
    };
    Group::new(
        "sip:closed@groups.home1.test",
        &["sip:alice@home1.test", "tel:+358401234567"],
        &[
            start(Rule::members()),
            Rule::one("sip:alice@home1.test").allow("allow-invite-users-dynamically").allow("allow-anonymity"),
            start(Rule::when(
                "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/>\
                 </cp:many></cp:identity>",
            )),
        ],
    )
}

#[test]
fn step1_one_whom_the_document_allows_may_invite() {
    let scene = Scene::new([closed()]);
    let mut alice = scene.participant("sip:alice@home1.test", &closed());
    for (place, target) in [
        (Place::InDialog, CAROL),
        (Place::OutOfDialog, "sip:dave@home1.test"),
    ] {
        let refer = alice.refer_at(place, &format!("<{target};method=INVITE>"));
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(target);
    }
}

#[test]
fn step1_one_whom_it_does_not_allow_gets_403_with_warning() {
    let scene = Scene::new([closed()]);
    let _alice = scene.participant("sip:alice@home1.test", &closed());
    let mut bob = scene.participant("sip:bob@home1.test", &closed());
    for place in PLACES {
        let refer = bob.refer_at(place, &format!("<{CAROL};method=INVITE>"));
        check::refused(&bob.send(&refer).answer(), 403, Some(""));
    }
    scene.nobody_invited();
    bob.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn step1_a_stranger_gets_403() {
    let scene = Scene::new([closed()]);
    let alice = scene.participant("sip:alice@home1.test", &closed());
    let zoe = scene.ua("sip:zoe@elsewhere.test");
    let refer = zoe
        .request("REFER", &alice.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&scene.send(&zoe, &refer).answer(), 403, Some(""));
    scene.nobody_invited();
}

#[test]
fn step1_the_asserted_identity_counts_and_nothing_else() {
    let scene = Scene::new([closed()]);
    let alice = scene.participant("sip:alice@home1.test", &closed());
    let spoofed = alice
        .refer_outside(&format!("<{CAROL}>"))
        .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        .with("P-Preferred-Identity", "<sip:alice@home1.test>")
        .with("Referred-By", "<sip:alice@home1.test>");
    check::refused(&alice.send(&spoofed).answer(), 403, Some(""));
    let nameless = alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("P-Asserted-Identity");
    check::refused(&alice.send(&nameless).answer(), 403, None);
    scene.nobody_invited();
}

#[test]
fn step1_in_a_dialog_the_identity_may_be_left_out_but_not_exchanged() {
    let scene = Scene::new([closed()]);
    let mut alice = scene.participant("sip:alice@home1.test", &closed());
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
fn step1_either_of_two_asserted_identities_will_do() {
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
    let sent = scene.send(&dora, &invite);
    let mut leg = crate::kit::Leg::made(&sent, sent.answer());
    check::accepted(&leg.answer);
    leg.dialog.ack(1);
    for (place, target) in [
        (Place::InDialog, CAROL),
        (Place::OutOfDialog, "sip:dave@home1.test"),
    ] {
        let refer = leg
            .refer_at(place, &format!("<{target}>"))
            .with("P-Asserted-Identity", both);
        check::accepted(&leg.send(&refer).answer());
        scene.invite_for(target);
    }
    let sip_only = leg.refer_outside("<sip:erin@home1.test>");
    check::refused(&leg.send(&sip_only).answer(), 403, Some(""));
}

#[test]
fn step1_an_untrusted_peer_gets_403_whatever_it_asserts() {
    let scene = Scene::new([closed()]);
    let mut alice = scene.participant("sip:alice@home1.test", &closed());
    let outsider = Ua::on("127.0.0.2", "sip:alice@home1.test", Transport::Udp);
    let refer = outsider
        .request("REFER", &alice.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&scene.send(&outsider, &refer).answer(), 403, None);
    let in_dialog = alice.refer(&format!("<{CAROL}>"));
    check::refused(&scene.send(&outsider, &in_dialog).answer(), 403, None);
    let invite = scene.invite(&outsider, &closed().uri);
    check::refused(&scene.send(&outsider, &invite).answer(), 403, None);
    scene.nobody_invited();
    // The operator sees what to put into trusted_peers.
    for method in ["REFER", "INVITE"] {
        let line =
            format!("{method} refused 403 why=\"not from a trusted peer\" source=127.0.0.2:");
        assert!(
            scene.server.log_has(&line, SOON),
            "{}",
            scene.server.log_text()
        );
    }
}

#[test]
fn step2_anonymity_without_permission_gets_403_with_warning_119() {
    let group = Group::open("s", &["sip:alice@home1.test"]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant("sip:alice@home1.test", &group);
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
fn step2_other_privacy_values_ask_for_no_anonymity() {
    let group = Group::open("s", &["sip:alice@home1.test"]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant("sip:alice@home1.test", &group);
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
fn step2_no_trace_of_an_anonymous_referrer_reaches_the_target() {
    let group = Group::discreet("d", &["sip:alice@home1.test"]);
    let scene = Scene::new([&group]);
    scene.target(Script::on("INVITE").reply(180).accept());
    let mut alice = scene.participant("sip:alice@home1.test", &group);
    let secrets = [
        "alice".to_string(),
        alice.ua().local().to_string(),
        alice.call_id().to_string(),
        crate::kit::check::msrp_session(&String::from_utf8_lossy(&alice.invite.body)),
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
        refer::expect_outcome(alice.ua(), call, 200);
    }
    // The session ends, so that the BYEs to the targets are looked at too.
    check::accepted(&alice.dialog.bye());
    let secrets: Vec<&str> = secrets.iter().chain(&calls).map(String::as_str).collect();
    check::free_of(&scene.targets.every_byte(), &secrets);
}

#[test]
fn step2_who_joined_anonymously_stays_anonymous() {
    let group = Group::discreet("d", &["sip:alice@home1.test"]);
    let scene = Scene::new([&group]);
    let ua = scene.ua("sip:alice@home1.test");
    let sent = scene.send(&ua, &scene.invite(&ua, &group.uri).with("Privacy", "id"));
    let answer = sent.answer();
    check::accepted(&answer);
    let mut alice = crate::kit::Leg::made(&sent, answer);
    alice.dialog.ack(1);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["alice", &ua.local().to_string()]);
}

#[test]
fn step7_only_targets_that_may_join_are_invited() {
    let scene = Scene::new([closed()]);
    let mut alice = scene.participant("sip:alice@home1.test", &closed());
    for place in PLACES {
        for target in [
            "sip:mallory@home1.test",
            "sip:x@other.test",
            "tel:+358409999999",
        ] {
            let refer = alice.refer_at(place, &format!("<{target}>"));
            check::accepted(&alice.send(&refer).answer());
            refer::expect_outcome(alice.ua(), refer.call_id(), 403);
        }
    }
    scene.nobody_invited();
    // A member by number may join, and so be invited.
    check::accepted(&alice.referred("<sip:+358401234567@other.test;user=phone>"));
    scene.invite_for("sip:+358401234567@other.test;user=phone");
}
