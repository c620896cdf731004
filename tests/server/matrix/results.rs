//! Rows 43 to 66: anonymity, the sample group, what comes of an INVITE and who is told.
//! Not here: the forms of a REFER: see `forms.rs`.

use super::stage::{plain, stage, stage_with, Outcome, ALICE, BOB, CAROL};
use crate::kit::refer::{expect_end, expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::watch::Watcher;
use crate::kit::{
    check, Dialog, Group, Leg, Place, Scene, Script, Setup, Transport, PLACES, QUIET, SOON,
};
use std::time::Duration;

pub fn row_43(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let refer = stage
            .alice
            .refer_at(place, &format!("<{CAROL}>"))
            .with("Privacy", "id");
        let answer = Outcome::Refused(403).check(&mut stage, &refer);
        assert!(check::warning(&answer).contains("119"), "{answer}");
    }
}

pub fn row_44(t: Transport) {
    let group = Group::discreet("d", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&group]), t);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Privacy", "id")
        .with("Referred-By", format!("<{ALICE}>"));
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.invite_for(CAROL);
    scene.accept(&invite);
    expect_outcome(alice.ua(), alice.call_id(), 200);
    let local = alice.ua().local().to_string();
    check::free_of(
        &scene.targets.every_byte(),
        &["alice", alice.call_id(), &local],
    );
}

pub fn row_45(t: Transport) {
    for privacy in ["none", "header"] {
        plain(t, Outcome::Told(CAROL), |r| r.with("Privacy", privacy));
    }
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
    scene
        .targets
        .expect_none_where("INVITE", QUIET, |m| m.request_uri() == CAROL);
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

pub fn row_50(t: Transport) {
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(486));
    check::accepted(&stage.alice.referred("<sip:first@home1.test>"));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 486);
    let second = stage.alice.refer("<sip:second@home1.test>");
    check::accepted(&stage.alice.send(&second).answer());
    for _ in 0..2 {
        let notified = expect_notify(stage.alice.ua(), stage.alice.call_id());
        assert_eq!(
            notified.id,
            Some(second.cseq().to_string()),
            "{}",
            notified.incoming.msg
        );
    }
}

pub fn row_51(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = stage.alice.refer_at(place, &format!("<{target}>"));
        let sent = stage.alice.send(&refer);
        let first = sent.response(SOON, |s| s >= 200).expect("an answer");
        check::accepted(&first.msg);
        sent.resend();
        assert_eq!(
            sent.response(SOON, |s| s >= 200)
                .expect("the answer again")
                .raw,
            first.raw
        );
        stage.scene.invite_for(&target);
        stage.scene.targets.expect_none("INVITE", QUIET);
    }
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

pub fn row_52(t: Transport) {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("conference_notify_interval", 100);
    let scene = Scene::with(setup, t);
    let [mut alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let mut watcher = Watcher::of(&bob);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    watcher.until(CAROL, "dialing-out");
    scene.targets.reply(&invite, 180, &[]);
    watcher.until(CAROL, "alerting");
    scene.accept(&invite);
    watcher.until(CAROL, "connected dialed-out");
    expect_outcome(alice.ua(), alice.call_id(), 200);
}

pub fn row_53(t: Transport) {
    let mut stage = stage_with(t, |setup| setup.param_int("invite_timeout", 1500));
    for status in [486, 603, 480, 408] {
        let target = format!("sip:t{status}@home1.test");
        stage
            .scene
            .target(Script::on("INVITE").to(&target).reply(180).reply(status));
        check::accepted(&stage.alice.referred(&format!("<{target}>")));
        expect_outcome(stage.alice.ua(), stage.alice.call_id(), status);
        stage.scene.invite_for(&target);
        stage.scene.targets.expect("ACK");
    }
    stage
        .scene
        .target(Script::on("INVITE").to("silent").reply(180));
    check::accepted(&stage.alice.referred("<sip:silent@home1.test>"));
    stage.scene.invite_for("sip:silent@home1.test");
    stage.scene.targets.expect("CANCEL");
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    let status = expect_end(stage.alice.ua(), stage.alice.call_id()).status;
    assert!([408, 487].contains(&status), "{status}");
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_54(t: Transport) {
    let mut stage = stage(t);
    let elsewhere = format!("<sip:elsewhere@{}>", stage.scene.targets.local());
    stage
        .scene
        .target(Script::on("INVITE").reply_with(302, &[("Contact", &elsewhere)]));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 302);
    stage.scene.invite_for(CAROL);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_55(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    let first = stage.scene.invite_for(CAROL);
    stage
        .scene
        .targets
        .reply(&first, 422, &[("Min-SE", "3600")]);
    let second = stage.scene.invite_for(CAROL);
    assert_eq!(second.msg.call_id(), first.msg.call_id());
    assert_eq!(second.msg.cseq(), first.msg.cseq() + 1);
    let asked = second.msg.need("Session-Expires").split(';').next();
    let asked: u32 = asked.and_then(|text| text.parse().ok()).expect("seconds");
    assert!(asked >= 3600, "{}", second.msg);
    assert_eq!(second.msg.need("Min-SE"), "3600");
    stage.scene.accept(&second);
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 200);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_57(t: Transport) {
    for place in PLACES {
        let mut stage = stage(t);
        stage.alice.ua().script(Script::on("NOTIFY").reply(481));
        let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
        check::accepted(&stage.alice.send(&refer).answer());
        expect_trying(stage.alice.ua(), refer.call_id());
        let invite = stage.scene.invite_for(CAROL);
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(stage.scene.targets.count("CANCEL"), 0);
        check::accepted(&stage.alice.dialog.bye());
        check::accepted(&stage.bob.dialog.bye());
    }
}

pub fn row_58(t: Transport) {
    for place in PLACES {
        let mut stage = stage(t);
        let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
        let sent = stage.alice.send(&refer);
        let answer = sent.answer();
        check::accepted(&answer);
        expect_trying(stage.alice.ua(), refer.call_id());
        let invite = stage.scene.invite_for(CAROL);
        let mut dialog = match place {
            Place::InDialog => stage.alice.dialog.clone(),
            Place::OutOfDialog => Dialog::as_uac(&sent, &answer),
        };
        let end = dialog
            .request("SUBSCRIBE")
            .with("Event", "refer")
            .with("Expires", "0");
        check::accepted(&dialog.send(&end).answer());
        let told = expect_notify(stage.alice.ua(), refer.call_id());
        assert_eq!(
            (told.state.as_str(), told.reason.as_deref()),
            ("terminated", Some("timeout")),
            "{}",
            told.incoming.msg
        );
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(stage.scene.targets.count("CANCEL"), 0);
    }
}

pub fn row_59(t: Transport) {
    let stage = stage(t);
    let fresh = stage
        .alice
        .ua()
        .request("SUBSCRIBE", &stage.alice.focus)
        .with("Event", "refer");
    check::refused(&stage.alice.send(&fresh).answer(), 403, None);
    stage.alice.ua().expect_none("NOTIFY", QUIET);
}

pub fn row_60(t: Transport) {
    let mut stage = stage(t);
    let rows = [
        (None, ALICE),
        (Some(ALICE), ALICE),
        (Some("sip:boss@home1.test"), ALICE),
    ];
    for (n, (given, wanted)) in rows.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let mut refer = stage.alice.refer(&format!("<{target}>"));
        if let Some(given) = given {
            refer = refer.with("Referred-By", format!("<{given}>"));
        }
        check::accepted(&stage.alice.send(&refer).answer());
        let invite = stage.scene.invite_for(&target);
        assert_eq!(uri_of(invite.msg.need("Referred-By")), wanted, "{given:?}");
    }
}

pub fn row_61(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.and("Referred-By", format!("<{ALICE}>"))
            .and("Referred-By", format!("<{ALICE}>"))
    });
}

pub fn row_62(t: Transport) {
    let mut stage = stage(t);
    let embedded = "Route=%3Csip%3Aevil.test%3E&From=%3Csip%3Aevil%40evil.test%3E";
    check::accepted(
        &stage
            .alice
            .referred(&format!("<{CAROL};method=INVITE?{embedded}>")),
    );
    let invite = stage.scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["evil"]);
}

pub fn row_63(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact");
    Outcome::Refused(400).check(&mut stage, &refer);
    let quiet = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact")
        .with("Refer-Sub", "false");
    Outcome::Quiet(CAROL).check(&mut stage, &quiet);
}

pub fn row_64(t: Transport) {
    // Connected and pending count together, so it is the last one connected whose leaving ends it.
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(180));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    stage.scene.invite_for(CAROL);
    check::accepted(&stage.alice.dialog.bye());
    check::accepted(&stage.bob.dialog.bye());
    stage.scene.targets.expect("CANCEL");
    expect_final(stage.alice.ua(), stage.alice.call_id(), 487);
    // And the one who is left when nobody rings gets a BYE that says so.
    let group = Group::open("s", &[ALICE, BOB]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| stage.scene.participant(who, &group));
    check::accepted(&alice.dialog.bye());
    let bye = bob
        .dialog
        .find("BYE", Duration::from_secs(5))
        .expect("a BYE");
    assert_eq!(
        bye.msg.need("Reason").replace(' ', ""),
        "SIP;cause=410;text=\"Gone\""
    );
}

pub fn row_65(t: Transport) {
    let mut stage = stage(t);
    stage.alice.dialog.cseq = 90;
    check::accepted(&stage.alice.referred("<sip:first@home1.test>"));
    stage.scene.invite_for("sip:first@home1.test");
    stage.alice.dialog.cseq = 50;
    check::refused(&stage.alice.referred(&format!("<{CAROL}>")), 500, None);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_66(t: Transport) {
    let mut stage = stage(t);
    let body = stage.alice.invite.body.clone();
    let invite = stage
        .alice
        .dialog
        .request("INVITE")
        .with("Require", "recipient-list-invite");
    let sent = stage.alice.send(&invite.body("application/sdp", body));
    let answer = sent.answer();
    check::refused(&answer, 420, None);
    assert_eq!(
        answer.list("Unsupported"),
        ["recipient-list-invite"],
        "{answer}"
    );
    stage.alice.ua().send_raw(
        stage.scene.server.addr(),
        t,
        &sent.msg.ack_to_failure(&answer).to_bytes(),
    );
    check::accepted(&stage.alice.dialog.bye());
}
