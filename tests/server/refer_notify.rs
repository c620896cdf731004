//! Step 9 against the real server: what the referrer is told, when, and in which dialog.
//! It is not about the INVITE behind it: see `refer_invite.rs`.

use crate::kit::refer::{expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, Group, Leg, Place, Scene, Script, Setup, Transport, Ua, PLACES, QUIET, SOON,
};
use std::time::Duration;

const CAROL: &str = "sip:carol@home1.test";

fn group() -> Group {
    Group::open("s", &["sip:alice@home1.test"])
}

fn with_alice(setup: Setup, transport: Transport) -> (Scene, Leg) {
    let scene = Scene::with(setup, transport);
    let alice = scene.participant("sip:alice@home1.test", &group());
    (scene, alice)
}

fn usual() -> (Scene, Leg) {
    with_alice(Setup::new([group()]), Transport::Udp)
}

/// A script that answers no NOTIFY: the test does.
fn by_hand(ua: &Ua) {
    ua.script(Script::on("NOTIFY"));
}

#[test]
fn step9_trying_comes_after_the_2xx_and_the_result_ends_it() {
    let (scene, mut alice) = usual();
    for (n, place) in PLACES.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer_at(place, &format!("<{target};method=INVITE>"));
        let sent = alice.send(&refer);
        let answer = sent.answer();
        check::accepted(&answer);
        let first = expect_trying(alice.ua(), refer.call_id());
        assert_eq!(first.incoming.msg.need("Content-Length"), "20");
        assert_eq!(
            first.incoming.msg.need("Content-Type").replace(' ', ""),
            "message/sipfrag;version=2.0"
        );
        let order = alice.ua().inbox().all();
        let at =
            |wanted: &dyn Fn(&crate::kit::Incoming) -> bool| order.iter().position(|i| wanted(i));
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
fn step9_every_failure_is_told_with_its_own_code() {
    let (scene, mut alice) = usual();
    let rows = [
        (486, "Busy Here"),
        (603, "Decline"),
        (480, "Temporarily Unavailable"),
        (302, "Moved Temporarily"),
    ];
    for (n, (status, reason)) in rows.into_iter().enumerate() {
        let target = format!("target{n}");
        scene.target(Script::on("INVITE").to(&target).reply(180).reply(status));
        for place in PLACES {
            let refer = alice.refer_at(place, &format!("<sip:{target}@home1.test>"));
            check::accepted(&alice.send(&refer).answer());
            expect_trying(alice.ua(), refer.call_id());
            let last = expect_final(alice.ua(), refer.call_id(), status);
            assert!(
                last.body
                    .starts_with(&format!("SIP/2.0 {status} {reason}\r\n")),
                "{}",
                last.body
            );
        }
    }
}

#[test]
fn step9_the_notify_is_in_the_dialog_of_the_refer() {
    let (_scene, mut alice) = usual();
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
fn step9_an_active_subscription_outlives_the_ringing() {
    let (_scene, mut alice) = with_alice(
        Setup::new([group()]).param_int("invite_timeout", 100_000),
        Transport::Udp,
    );
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
fn step9_from_the_second_refer_on_the_event_has_an_id() {
    let (scene, mut alice) = usual();
    scene.target(Script::on("INVITE").reply(486));
    scene.target(Script::on("INVITE").to("ringing").reply(180));
    for place in PLACES {
        // The first one goes on, so that the dialog of the one outside the session's lives.
        let first = alice.refer_at(place, &format!("<sip:ringing-{place:?}@home1.test>"));
        let sent = alice.send(&first);
        let answer = sent.answer();
        check::accepted(&answer);
        // Optional for the first, but never a wrong one (RFC 3515 section 2.4.6).
        let trying = expect_trying(alice.ua(), first.call_id());
        assert!(trying.id.is_none_or(|id| id == first.cseq().to_string()));
        let mut own = crate::kit::Dialog::as_uac(&sent, &answer);
        for _ in 0..2 {
            let dialog = if place == Place::InDialog {
                &mut alice.dialog
            } else {
                &mut own
            };
            let refer = dialog
                .request("REFER")
                .with("Refer-To", "<sip:busy@home1.test>");
            check::accepted(&dialog.send(&refer).answer());
            let id = refer.cseq().to_string();
            let mine = |m: &crate::kit::Msg| {
                m.call_id() == refer.call_id() && m.need("Event").ends_with(&format!("id={id}"))
            };
            for status in ["SIP/2.0 100", "SIP/2.0 486"] {
                let notify = alice.ua().expect_where("NOTIFY", &format!("id={id}"), mine);
                assert!(notify.msg.body_text().starts_with(status), "{}", notify.msg);
            }
        }
    }
}

#[test]
fn step9_two_subscriptions_in_one_dialog_are_told_apart() {
    let (scene, mut alice) = usual();
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
fn step9_ringing_is_told_when_it_is_due() {
    let (scene, mut alice) = with_alice(
        Setup::new([group()]).param_int("refer_notify_interval", 200),
        Transport::Udp,
    );
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let first = expect_trying(alice.ua(), alice.call_id());
    scene.targets.reply(&invite, 180, &[]);
    let ringing = expect_notify(alice.ua(), alice.call_id());
    assert_eq!(
        (ringing.status, ringing.state.as_str()),
        (180, "active"),
        "{}",
        ringing.incoming.msg
    );
    assert!(
        ringing.incoming.at - first.incoming.at >= Duration::from_millis(150),
        "too early"
    );
    scene.targets.reply(&invite, 180, &[]);
    scene.targets.reply(&invite, 200, &[]);
    // A final is not held back.
    assert_eq!(
        expect_final(alice.ua(), alice.call_id(), 200).body,
        "SIP/2.0 200 OK\r\n"
    );
}

#[test]
fn step9_the_next_notify_waits_for_the_answer_to_the_last() {
    let (scene, mut alice) = usual();
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
fn step9_a_fatal_answer_ends_the_subscription_and_not_the_invite() {
    let (scene, mut alice) = usual();
    by_hand(alice.ua());
    let mut n = 0;
    for status in [481, 404, 405, 489] {
        for place in PLACES {
            n += 1;
            let target = format!("sip:target{n}@home1.test");
            let refer = alice.refer_at(place, &format!("<{target}>"));
            check::accepted(&alice.send(&refer).answer());
            let first = expect_trying(alice.ua(), refer.call_id());
            let invite = scene.invite_for(&target);
            alice.ua().reply(&first.incoming, status, &[]);
            scene.accept(&invite);
            let here = |m: &crate::kit::Msg| m.call_id() == refer.call_id();
            alice.ua().expect_none_where("NOTIFY", QUIET, here);
        }
    }
    assert_eq!(scene.targets.count("CANCEL"), 0);
    // That says nothing about the session in the same dialog: she is still in.
    check::accepted(&alice.dialog.bye());
}

#[test]
fn step9_a_referrer_reached_over_tcp_is_told_over_tcp() {
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Tcp);
    scene.target(Script::on("INVITE").reply(180).accept());
    for place in PLACES {
        let refer = alice.refer_at(place, &format!("<sip:{place:?}@home1.test>"));
        check::accepted(&alice.send(&refer).answer());
        let first = expect_trying(alice.ua(), refer.call_id());
        assert_eq!(first.incoming.path.transport, Transport::Tcp);
        expect_final(alice.ua(), refer.call_id(), 200);
    }
}

#[test]
fn step9_everything_works_over_ipv6() {
    let server = Setup::new([group()]).also_on("::1").start();
    let [alice, carol] = ["alice", "carol"]
        .map(|who| Ua::on("::1", &format!("sip:{who}@home1.test"), Transport::Udp));
    let at = server.addrs[1];
    let invite = alice.request("INVITE", &group().uri);
    let invite = invite.body(
        "application/sdp",
        crate::kit::serve::sdp(alice.local(), "actpass"),
    );
    let sent = alice.send(at, &invite);
    let answer = sent.answer();
    check::accepted(&answer);
    assert!(answer.body_text().contains("c=IN IP"), "{answer}");
    let mut leg = Leg::made(&sent, answer);
    leg.dialog.ack(1);
    carol.script(Script::on("INVITE").reply(180).accept());
    let target = format!("sip:carol@{}", carol.local());
    for place in PLACES {
        let refer = leg.refer_at(place, &format!("<{target};method=INVITE>"));
        check::accepted(&leg.send(&refer).answer());
        expect_outcome(leg.ua(), refer.call_id(), 200);
    }
    assert_eq!(carol.expect("INVITE").msg.request_uri(), target);
    carol.expect("ACK");
}

#[test]
fn slow_a_notify_that_is_never_answered_ends_the_subscription() {
    let (scene, mut alice) = usual();
    by_hand(alice.ua());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let first = expect_trying(alice.ua(), alice.call_id());
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    // It repeats itself (RFC 3261 section 17.1.2.2), then gives up.
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
