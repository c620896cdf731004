//! The refer subscription: refreshed, ended, refused, told again; and whose REFER it is (Target-Dialog).
//! Not here: the usual NOTIFYs: see `refer_notify.rs`.

use super::{pair, ALICE, BOB, CAROL};
use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{check, Dialog, Leg, Msg, Place, Scene, Script, Transport, PLACES, QUIET};
use std::time::Duration;

/// A REFER for carol, who rings; and the dialog its subscription lives in.
fn ringing(scene: &Scene, alice: &mut Leg, place: Place) -> (Msg, Dialog) {
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
    (refer, dialog)
}

fn subscribe(dialog: &mut Dialog, expires: &str) -> Msg {
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
        let (refer, mut dialog) = ringing(&scene, &mut alice, place);
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
        let invite = scene.targets.inbox().all();
        let invite = invite
            .iter()
            .find(|i| i.msg.method() == "INVITE")
            .expect("one");
        scene.targets.reply(invite, 486, &[]);
        expect_final(alice.ua(), refer.call_id(), 486);
    }
}

over_udp_and_tcp! { who_unsubscribes_is_told_and_the_invite_goes_on }

fn who_unsubscribes_is_told_and_the_invite_goes_on(transport: Transport) {
    for place in PLACES {
        let (scene, mut alice, _bob) = pair(transport, |setup| {
            setup.param_int("refer_notify_interval", 100)
        });
        let (refer, mut dialog) = ringing(&scene, &mut alice, place);
        let end = subscribe(&mut dialog, "0");
        let answer = dialog.send(&end).answer();
        check::accepted(&answer);
        assert_eq!(answer.need("Expires"), "0", "{answer}");
        let told = expect_notify(alice.ua(), refer.call_id());
        assert_eq!(
            (told.status, told.state.as_str(), told.reason.as_deref()),
            (180, "terminated", Some("timeout")),
            "{}",
            told.incoming.msg
        );
        let all = scene.targets.inbox().all();
        let invite = all
            .iter()
            .find(|i| i.msg.method() == "INVITE")
            .expect("one");
        scene.accept(invite);
        alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(scene.targets.count("CANCEL"), 0);
        // A subscription that is over is not refreshed.
        let late = subscribe(&mut dialog, "60");
        let status = dialog.send(&late).answer().status();
        assert!([403, 481].contains(&status), "{status}");
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
        let fresh = fresh
            .clone()
            .with("Event", event)
            .with("Call-ID", crate::kit::token(8));
        for msg in [wrong, fresh] {
            let answer = scene.send(alice.ua(), &msg).answer();
            check::refused(&answer, 489, None);
            assert!(answer.has_token("Allow-Events", "refer"), "{answer}");
        }
    }
    alice.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn a_notify_refused_for_a_moment_is_told_once_more() {
    for place in PLACES {
        let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
        alice.ua().script(Script::on("NOTIFY"));
        let refer = alice.refer_at(place, &format!("<{CAROL}>"));
        check::accepted(&alice.send(&refer).answer());
        let first = expect_trying(alice.ua(), refer.call_id());
        alice
            .ua()
            .reply(&first.incoming, 503, &[("Retry-After", "1")]);
        let again = expect_trying(alice.ua(), refer.call_id());
        let waited = again.incoming.at - first.incoming.at;
        assert!(waited >= Duration::from_millis(900), "after {waited:?}");
        assert!(again.incoming.msg.cseq() > first.incoming.msg.cseq());
        alice.ua().reply(&again.incoming, 200, &[]);
        let invite = scene.invite_for(CAROL);
        scene.targets.reply(&invite, 603, &[]);
        let last = expect_final(alice.ua(), refer.call_id(), 603);
        alice
            .ua()
            .reply(&last.incoming, 503, &[("Retry-After", "1")]);
        let last = expect_final(alice.ua(), refer.call_id(), 603);
        alice.ua().reply(&last.incoming, 200, &[]);
        alice.ua().expect_none("NOTIFY", QUIET);
    }
}

over_udp_and_tcp! { every_fatal_answer_ends_the_subscription_and_not_the_invite }

fn every_fatal_answer_ends_the_subscription_and_not_the_invite(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    alice.ua().script(Script::on("NOTIFY"));
    let fatal = [
        404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
    ];
    let mut calls = Vec::new();
    for status in fatal {
        let target = format!("sip:t{status}@home1.test");
        let refer = alice.refer_outside(&format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        let first = expect_trying(alice.ua(), refer.call_id());
        let invite = scene.invite_for(&target);
        alice.ua().reply(&first.incoming, status, &[]);
        scene.accept(&invite);
        calls.push(refer.call_id().to_string());
    }
    let mine = |m: &Msg| calls.iter().any(|call| call == m.call_id());
    alice.ua().expect_none_where("NOTIFY", QUIET, mine);
    assert_eq!(scene.targets.count("CANCEL"), 0);
    // The session's own dialog is another matter altogether.
    check::accepted(&alice.dialog.bye());
}

#[test]
fn who_leaves_is_still_told_what_was_promised() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let targets = [
        "sip:t0@home1.test",
        "sip:t1@home1.test",
        "sip:t2@home1.test",
    ];
    let invites = targets.map(|target| {
        let refer = alice.refer(&format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), refer.call_id());
        (refer.cseq().to_string(), scene.invite_for(target))
    });
    check::accepted(&alice.dialog.bye());
    scene.targets.expect_none("CANCEL", QUIET);
    for ((id, invite), status) in invites.iter().zip([486, 200, 603]) {
        match status {
            200 => drop(scene.accept(invite)),
            _ => drop(scene.targets.reply(invite, status, &[])),
        }
        let told = expect_final(alice.ua(), alice.call_id(), status);
        assert!(told.id.is_none_or(|told| told == *id));
    }
    // Told everything, the dialog is gone: nothing more can be asked in it.
    let late = subscribe(&mut alice.dialog, "60");
    let status = alice.send(&late).answer().status();
    assert!([403, 481].contains(&status), "{status}");
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
fn target_dialog_says_whose_refer_it_is() {
    let (scene, alice, _bob) = pair(Transport::Udp, |setup| setup);
    // The RFC writes the tags as the recipient sees them; some write them as they see them themselves.
    for (target, own_view) in [(CAROL, false), ("sip:dave@home1.test", true)] {
        let mut refer = with_target_dialog(&alice, target).without("P-Asserted-Identity");
        if own_view {
            let swapped = swapped(refer.need("Target-Dialog"));
            refer = refer.with("Target-Dialog", swapped);
        }
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), refer.call_id());
        let invite = scene.invite_for(target);
        assert_eq!(
            uri_of(invite.msg.need("Referred-By")),
            ALICE,
            "{}",
            invite.msg
        );
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
        // Without a name of her own that leaves nobody; with one it leaves her.
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

over_udp_and_tcp! { nosub_means_no_subscription }

fn nosub_means_no_subscription(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup.param_int("refer_ok_code", 202));
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = alice
            .refer_at(place, &format!("<{target}>"))
            .with("Require", "nosub");
        let answer = alice.send(&refer).answer();
        check::accepted(&answer);
        assert!(answer.has_token("Supported", "nosub"), "{answer}");
        scene.accept(&scene.invite_for(&target));
    }
    alice.ua().expect_none("NOTIFY", QUIET);
    // To be able to do without is not to ask for it.
    let able = alice
        .refer(&format!("<{CAROL}>"))
        .with("Supported", "nosub, norefersub");
    assert_eq!(alice.send(&able).answer().status(), 202);
    scene.target(Script::on("INVITE").reply(486));
    expect_trying(alice.ua(), able.call_id());
}

#[test]
fn several_refers_at_once_are_each_told_in_order() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    scene.target(Script::on("INVITE").reply(180).reply(486));
    let sent: Vec<_> = (0..5)
        .map(|n| {
            let refer = alice.refer(&format!("<sip:t{n}@home1.test>"));
            check::accepted(&alice.send(&refer).answer());
            refer.cseq().to_string()
        })
        .collect();
    for id in &sent {
        let mine = |m: &Msg| {
            m.header("Event").is_some_and(|event| {
                event == "refer" && *id == sent[0] || event.ends_with(&format!("id={id}"))
            })
        };
        for status in ["SIP/2.0 100", "SIP/2.0 486"] {
            let told = alice.ua().expect_where("NOTIFY", id, mine);
            assert!(told.msg.body_text().starts_with(status), "{}", told.msg);
        }
    }
    expect_nothing_more(&alice);
}

fn expect_nothing_more(alice: &Leg) {
    alice.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn a_subscription_that_runs_out_says_so() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| {
        setup.param_int("refer_notify_interval", 100)
    });
    let (refer, mut dialog) = ringing(&scene, &mut alice, Place::InDialog);
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
