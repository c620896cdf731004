//! Step 9 of a REFER: what the referrer is told, when, and in which dialog.

use crate::kit::refer::{expect_final, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, pair, with_alice, Incoming, Leg, Msg, Place, Script, Transport, Ua, CAROL, PLACES,
    QUIET, SOON,
};
use std::time::Duration;

/// The endpoint answers no NOTIFY by itself: the test does.
fn by_hand(ua: &Ua) {
    ua.script(Script::on("NOTIFY"));
}

#[test]
fn trying_comes_after_the_2xx_and_the_result_ends_it() {
    let (scene, mut alice) = with_alice(|setup| setup);
    for (n, place) in PLACES.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer_at(place, &format!("<{target};method=INVITE>"));
        let sent = alice.send(&refer);
        let answer = sent.answer();
        check::accepted(&answer);
        let first = expect_trying(alice.ua(), refer.call_id());
        // first_notify_delay; the peers' own clock begins when the 2xx is read.
        let inbox = alice.ua().inbox().all();
        let answered = inbox.iter().find(|i| sent.is_response(i)).expect("the 2xx");
        let room = first.incoming.at - answered.at;
        assert!(room >= Duration::from_millis(40), "{room:?}");
        assert_eq!(first.incoming.msg.need("Content-Length"), "20");
        assert_eq!(
            first.incoming.msg.need("Content-Type").replace(' ', ""),
            "message/sipfrag;version=2.0"
        );
        let order = alice.ua().inbox().all();
        let at = |wanted: &dyn Fn(&Incoming) -> bool| order.iter().position(|i| wanted(i));
        assert!(
            at(&|i| sent.is_response(i)) < at(&|i| i.raw == first.incoming.raw),
            "the 2xx first"
        );
        let invite = scene.invite_for(&target);
        scene.accept(&invite);
        let last = expect_final(alice.ua(), refer.call_id(), 200);
        assert_eq!(last.body, "SIP/2.0 200 OK\r\n");
        assert_eq!(last.incoming.msg.need("Content-Length"), "16");
    }
}

#[test]
fn the_notify_is_in_the_dialog_of_the_refer() {
    let (_scene, mut alice) = with_alice(|setup| setup);
    let hop = alice.ua().local();
    let routes = [
        format!("<sip:first@{hop};lr>"),
        format!("<sip:second@{hop};lr>"),
    ];
    for place in PLACES {
        let refer = alice.refer_at(place, &format!("<{CAROL}>"));
        let refer = if place == Place::OutOfDialog {
            refer.and("Record-Route", routes.join(", "))
        } else {
            refer
        };
        let answer = alice.send(&refer).answer();
        check::accepted(&answer);
        let notify = &expect_trying(alice.ua(), refer.call_id()).incoming.msg;
        assert_eq!(notify.tag_from(), answer.tag_to(), "{notify}");
        assert_eq!(notify.tag_to(), refer.tag_from(), "{notify}");
        assert_eq!(
            uri_of(notify.need("From")),
            uri_of(refer.need("To")),
            "{notify}"
        );
        assert_eq!(notify.request_uri(), refer.contact_uri(), "{notify}");
        assert_eq!(notify.contact_uri(), answer.contact_uri(), "{notify}");
        if place == Place::OutOfDialog {
            assert_eq!(notify.list("Route"), routes, "{notify}");
        }
    }
}

#[test]
fn an_active_subscription_outlives_the_ringing() {
    let (_scene, mut alice) = with_alice(|setup| setup.param_int("invite_timeout", 100_000));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let first = expect_trying(alice.ua(), alice.call_id());
    let state = first.incoming.msg.need("Subscription-State");
    let expires: u32 = state
        .split("expires=")
        .nth(1)
        .and_then(|e| e.parse().ok())
        .expect("expires");
    assert!(
        expires > 100 && expires < 1000,
        "in seconds, longer than invite_timeout: {state}"
    );
}

#[test]
fn two_subscriptions_in_one_dialog_are_told_apart() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let mut invites = Vec::new();
    for n in 0..2 {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer(&format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), alice.call_id());
        invites.push((refer.cseq().to_string(), scene.invite_for(&target)));
    }
    scene.targets.reply(&invites[1].1, 603, &[]);
    let second = expect_final(alice.ua(), alice.call_id(), 603);
    assert_eq!(second.id.as_deref(), Some(invites[1].0.as_str()));
    scene.targets.reply(&invites[0].1, 486, &[]);
    let first = expect_final(alice.ua(), alice.call_id(), 486);
    assert!(first.id.is_none_or(|id| id == invites[0].0));
    alice.dialog.expect_none("NOTIFY", QUIET);
}

#[test]
fn the_next_notify_waits_for_the_answer_to_the_last() {
    let (scene, mut alice) = with_alice(|setup| setup);
    by_hand(alice.ua());
    scene.target(Script::on("INVITE").reply(180).reply(486));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let first = expect_trying(alice.ua(), alice.call_id());
    scene.targets.expect("ACK");
    alice
        .dialog
        .expect_none("NOTIFY", Duration::from_millis(800));
    alice.ua().reply(&first.incoming, 200, &[]);
    let last = expect_final(alice.ua(), alice.call_id(), 486);
    assert!(last.incoming.msg.cseq() > first.incoming.msg.cseq());
    alice.ua().reply(&last.incoming, 200, &[]);
    alice.dialog.expect_none("NOTIFY", QUIET);
}

#[test]
fn slow_a_notify_that_is_never_answered_ends_the_subscription() {
    let (scene, mut alice) = with_alice(|setup| setup);
    by_hand(alice.ua());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let first = expect_trying(alice.ua(), alice.call_id());
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    // The NOTIFY is repeated (RFC 3261 section 17.1.2.2), then given up.
    let repeated = alice.ua().inbox().wait_for_all(SOON, |all| {
        all.iter()
            .filter(|i| i.again && i.msg.branch() == first.incoming.msg.branch())
            .count()
            >= 2
    });
    assert!(repeated, "the NOTIFY was not retransmitted");
    alice.dialog.expect_none("NOTIFY", Duration::from_secs(33));
    scene.accept(&invite);
    alice.dialog.expect_none("NOTIFY", QUIET);
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
    // Not 481: see `a_notify_answered_481_at_once_is_repeated_once`.
    let fatal = [404, 405, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604];
    let mut calls = Vec::new();
    for status in fatal {
        for place in PLACES {
            let target = format!("sip:{place:?}{status}@home1.test");
            let refer = alice.refer_at(place, &format!("<{target}>"));
            check::accepted(&alice.send(&refer).answer());
            let first = expect_trying(alice.ua(), refer.call_id());
            let invite = scene.invite_for(&target);
            alice.ua().reply(&first.incoming, status, &[]);
            scene.accept(&invite);
            calls.push(refer.call_id().to_string());
        }
    }
    let mine = |m: &Msg| calls.iter().any(|call| call == m.call_id());
    alice.ua().expect_none_where("NOTIFY", QUIET, mine);
    assert_eq!(scene.targets.count("CANCEL"), 0);
    // The session's own dialog lives on.
    check::accepted(&alice.dialog.bye());
}

over_udp_and_tcp! { a_notify_answered_481_at_once_is_repeated_once }

fn a_notify_answered_481_at_once_is_repeated_once(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    by_hand(alice.ua());
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = alice.refer_at(place, &format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(&target);
        for _ in 0..2 {
            let first = expect_trying(alice.ua(), refer.call_id());
            alice.ua().reply(&first.incoming, 481, &[]);
        }
        let mine = |m: &Msg| m.call_id() == refer.call_id();
        alice.ua().expect_none_where("NOTIFY", QUIET, mine);
    }
    assert_eq!(scene.server.statistic("quirk_early_notify"), 0);
    // It had come too early, and the next one has not.
    let refer = alice.refer_at(PLACES[1], "<sip:later@home1.test>");
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.invite_for("sip:later@home1.test");
    for status in [481, 200] {
        let first = expect_trying(alice.ua(), refer.call_id());
        alice.ua().reply(&first.incoming, status, &[]);
    }
    scene.targets.reply(&invite, 486, &[]);
    let last = expect_final(alice.ua(), refer.call_id(), 486);
    alice.ua().reply(&last.incoming, 200, &[]);
    assert_eq!(scene.server.statistic("quirk_early_notify"), 1);
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
    // Everything has been told, so the dialog is gone.
    let late = alice
        .dialog
        .request("SUBSCRIBE")
        .with("Event", "refer")
        .with("Expires", "60");
    let status = alice.send(&late).answer().status();
    assert!([403, 481].contains(&status), "{status}");
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
