//! Steps 4 to 6 of a REFER: its 2xx, norefersub, Refer-Sub.

use crate::kit::refer::{expect_outcome, expect_trying};
use crate::kit::{
    check, pair, with_alice, Msg, Place, Script, Transport, CAROL, PLACES, QUIET, SOON,
};
use std::time::{Duration, Instant};

#[test]
fn the_answer_does_not_wait_for_the_target() {
    let (scene, mut alice) = with_alice(|setup| setup);
    for (n, place) in PLACES.into_iter().enumerate() {
        let refer = alice.refer_at(place, &format!("<sip:silent{n}@home1.test>"));
        let before = Instant::now();
        let answer = alice.send(&refer).answer();
        check::accepted(&answer);
        // A sender over UDP repeats itself after T1.
        assert!(
            before.elapsed() < Duration::from_millis(500),
            "took {:?}",
            before.elapsed()
        );
        scene.invite_for(&format!("sip:silent{n}@home1.test"));
    }
}

#[test]
fn the_answer_is_that_of_a_focus() {
    let (_scene, mut alice) = with_alice(|setup| setup);
    for place in PLACES {
        let refer = alice.refer_at(place, &format!("<{CAROL}>")).and(
            "Record-Route",
            "<sip:scscf.home1.test;lr>, <sip:pcscf.home1.test;lr>",
        );
        let answer = alice.send(&refer).answer();
        check::accepted(&answer);
        check::focus_contact(&answer);
        assert_eq!(answer.reason(), "OK", "{answer}");
        assert_eq!(answer.call_id(), refer.call_id());
        assert_eq!(answer.tag_from(), refer.tag_from());
        assert_eq!(answer.body.len(), 0, "{answer}");
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "REFER"] {
            assert!(answer.has_token("Allow", method), "{answer}");
        }
        if place == Place::OutOfDialog {
            // It forms a dialog (RFC 3261 section 12.1.1).
            let routes = ["<sip:scscf.home1.test;lr>", "<sip:pcscf.home1.test;lr>"];
            assert_eq!(answer.list("Record-Route"), routes, "{answer}");
        } else {
            assert_eq!(answer.tag_to(), alice.dialog.remote_tag());
        }
    }
}

#[test]
fn refer_ok_code_202_answers_202() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("refer_ok_code", 202));
    for (n, place) in PLACES.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer_at(place, &format!("<{target}>"));
        let answer = alice.send(&refer).answer();
        assert_eq!(
            (answer.status(), answer.reason()),
            (202, "Accepted"),
            "{answer}"
        );
        scene.invite_for(&target);
    }
    // A suppressed subscription is always granted with 200.
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Refer-Sub", "false");
    check::accepted(&alice.send(&refer).answer());
}

#[test]
fn the_answer_outside_a_dialog_supports_norefersub() {
    let (_scene, alice) = with_alice(|setup| setup);
    for sub in [None, Some("false"), Some("true")] {
        let mut refer = alice.refer_outside(&format!("<{CAROL}>"));
        if let Some(sub) = sub {
            refer = refer.with("Refer-Sub", sub);
        }
        let answer = alice.send(&refer).answer();
        check::accepted(&answer);
        assert!(answer.has_token("Supported", "norefersub"), "{answer}");
        assert!(
            !answer.has_token("Supported", "recipient-list-invite"),
            "{answer}"
        );
    }
}

#[test]
fn refer_sub_false_is_granted_and_nothing_is_notified() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").reply(180).accept());
    for place in PLACES {
        for (n, value) in ["false", "FALSE;x=y", " False ; foo=\"bar\""]
            .into_iter()
            .enumerate()
        {
            let target = format!(
                "sip:{}{n}@home1.test",
                if place == Place::InDialog {
                    "in"
                } else {
                    "out"
                }
            );
            let refer = alice
                .refer_at(place, &format!("<{target};method=INVITE>"))
                .with("Refer-Sub", value);
            let answer = alice.send(&refer).answer();
            check::accepted(&answer);
            assert_eq!(
                answer.need("Refer-Sub").split(';').next().map(str::trim),
                Some("false"),
                "{answer}"
            );
            scene.invite_for(&target);
            scene.targets.expect("ACK");
        }
    }
    alice.ua().expect_none("NOTIFY", QUIET);
}

#[test]
fn refer_sub_true_is_as_if_absent() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").reply(603));
    for place in PLACES {
        for value in ["true", "TRUE;x=y"] {
            let refer = alice
                .refer_at(place, &format!("<{CAROL}>"))
                .with("Refer-Sub", value);
            let answer = alice.send(&refer).answer();
            check::accepted(&answer);
            assert!(
                answer
                    .header("Refer-Sub")
                    .is_none_or(|v| v.starts_with("true")),
                "{answer}"
            );
            expect_outcome(alice.ua(), refer.call_id(), 603);
        }
    }
}

#[test]
fn requiring_norefersub_alone_suppresses_nothing() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").accept());
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Require", "NoReferSub");
    check::accepted(&alice.send(&refer).answer());
    expect_outcome(alice.ua(), refer.call_id(), 200);
}

#[test]
fn a_retransmitted_refer_gets_the_identical_answer_and_one_invite() {
    let (scene, mut alice) = with_alice(|setup| setup);
    for (n, place) in PLACES.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice.refer_at(place, &format!("<{target}>"));
        let sent = alice.send(&refer);
        let first = sent.response(SOON, |s| s >= 200).expect("an answer");
        for _ in 0..3 {
            sent.resend();
            let again = sent.response(SOON, |s| s >= 200).expect("an answer again");
            assert_eq!(again.raw, first.raw);
        }
        scene.invite_for(&target);
        scene
            .targets
            .expect_none_where("INVITE", QUIET, |m| m.request_uri() == target);
        expect_trying(alice.ua(), refer.call_id());
        let more = |m: &Msg| m.call_id() == refer.call_id();
        alice.ua().expect_none_where("NOTIFY", QUIET, more);
    }
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
