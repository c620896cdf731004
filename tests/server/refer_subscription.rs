//! The subscription that a REFER makes, as its referrer uses it: refreshed, ended, named, run out.

use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::{
    check, pair, token, Dialog, Incoming, Leg, Msg, Place, Scene, Script, Transport, CAROL, PLACES,
    QUIET,
};
use std::sync::Arc;

/// A REFER for carol, the INVITE at which she rings, and the dialog of the subscription.
pub fn ringing(scene: &Scene, alice: &mut Leg, place: Place) -> (Msg, Arc<Incoming>, Dialog) {
    let refer = alice.refer_at(place, &format!("<{CAROL}>"));
    let sent = alice.send(&refer);
    let answer = sent.answer();
    check::accepted(&answer);
    let trying = expect_trying(alice.ua(), refer.call_id());
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    let told = expect_notify(alice.ua(), refer.call_id());
    assert_eq!((told.status, told.id), (180, trying.id));
    let own = Dialog::as_uac(&sent, &answer);
    let dialog = match place {
        Place::InDialog => alice.dialog.clone(),
        Place::OutOfDialog => own,
    };
    (refer, invite, dialog)
}

pub fn subscribe(dialog: &mut Dialog, expires: &str) -> Msg {
    dialog
        .request("SUBSCRIBE")
        .with("Event", "refer")
        .with("Expires", expires)
}

over_udp_and_tcp! { a_refresh_is_answered_and_tells_the_state }

fn a_refresh_is_answered_and_tells_the_state(transport: Transport) {
    for place in PLACES {
        let (scene, mut alice, _bob) = pair(transport, |setup| {
            setup.param_int("refer_notify_interval", 100)
        });
        let (refer, invite, mut dialog) = ringing(&scene, &mut alice, place);
        let refresh = subscribe(&mut dialog, "60");
        let answer = dialog.send(&refresh).answer();
        check::accepted(&answer);
        let granted: u32 = answer.need("Expires").parse().expect("seconds");
        assert!((1..=60).contains(&granted), "{answer}");
        let told = expect_notify(alice.ua(), refer.call_id());
        assert_eq!(
            (told.status, told.state.as_str()),
            (180, "active"),
            "{}",
            told.body
        );
        let state = told.incoming.msg.need("Subscription-State").to_string();
        let left: u32 = state
            .split("expires=")
            .nth(1)
            .and_then(|seconds| seconds.parse().ok())
            .expect("expires");
        assert!(left <= granted, "{state}");
        scene.targets.reply(&invite, 486, &[]);
        expect_final(alice.ua(), refer.call_id(), 486);
    }
}

#[test]
fn an_id_says_which_subscription_is_meant() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let refers = ["sip:t0@home1.test", "sip:t1@home1.test"].map(|target| {
        let refer = alice.refer(&format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), refer.call_id());
        (refer.cseq(), scene.invite_for(target))
    });
    let id = refers[1].0;
    let end = subscribe(&mut alice.dialog, "0").with("Event", format!("refer;id={id}"));
    check::accepted(&alice.send(&end).answer());
    let told = expect_notify(alice.ua(), alice.call_id());
    assert_eq!(told.state, "terminated");
    assert_eq!(told.id, Some(id.to_string()), "{}", told.incoming.msg);
    let unknown = subscribe(&mut alice.dialog, "60").with("Event", "refer;id=77");
    check::refused(&alice.send(&unknown).answer(), 403, None);
    for (_, invite) in &refers {
        scene.targets.reply(invite, 486, &[]);
    }
    let first = expect_final(alice.ua(), alice.call_id(), 486);
    assert!(first
        .id
        .is_none_or(|other| other == refers[0].0.to_string()));
    alice.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn a_subscription_is_made_by_refer_only() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let fresh = alice
        .ua()
        .request("SUBSCRIBE", &alice.focus)
        .with("Event", "refer");
    check::refused(&scene.send(alice.ua(), &fresh).answer(), 403, None);
    let inside = subscribe(&mut alice.dialog, "60");
    check::refused(&alice.send(&inside).answer(), 403, None);
    for event in ["presence", "dialog;id=1"] {
        let wrong = subscribe(&mut alice.dialog, "60").with("Event", event);
        let fresh = fresh.clone().with("Event", event).with("Call-ID", token(8));
        for msg in [wrong, fresh] {
            let answer = scene.send(alice.ua(), &msg).answer();
            check::refused(&answer, 489, None);
            assert!(answer.has_token("Allow-Events", "refer"), "{answer}");
        }
    }
    alice.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn a_subscription_that_runs_out_says_so() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| {
        setup.param_int("refer_notify_interval", 100)
    });
    let (refer, _invite, mut dialog) = ringing(&scene, &mut alice, Place::InDialog);
    let short = subscribe(&mut dialog, "1");
    check::accepted(&dialog.send(&short).answer());
    expect_notify(alice.ua(), refer.call_id());
    let told = expect_notify(alice.ua(), refer.call_id());
    assert_eq!(
        (told.state.as_str(), told.reason.as_deref(), told.status),
        ("terminated", Some("timeout"), 180),
        "{}",
        told.incoming.msg
    );
    alice.dialog.cseq = dialog.cseq;
    scene.targets.expect_none("CANCEL", QUIET);
    // Another REFER in the same dialog is served as ever.
    scene.target(Script::on("INVITE").to("dave").reply(486));
    check::accepted(&alice.referred("<sip:dave@home1.test>"));
    expect_outcome(alice.ua(), alice.call_id(), 486);
}
