//! Steps 3 to 6 against the real server: the forms of Refer-To, and the 2xx to the REFER.
//! It is not about who may invite (`refer_policy.rs`) or what is sent (`refer_invite.rs`, `refer_notify.rs`).

use crate::kit::{
    check, refer, Group, Leg, Place, Scene, Script, Setup, Transport, PLACES, QUIET, SOON,
};
use std::time::{Duration, Instant};

const CAROL: &str = "sip:carol@home1.test";

fn group() -> Group {
    Group::open("s", &["sip:alice@home1.test"])
}

fn with_alice(setup: Setup) -> (Scene, Leg) {
    let scene = Scene::with(setup, Transport::Udp);
    let alice = scene.participant("sip:alice@home1.test", &group());
    (scene, alice)
}

/// What stands in the Refer-To header line, and the Request-URI of the INVITE that comes of it.
const FORMS: [(&str, &str, &str); 16] = [
    (
        "Refer-To",
        "<sip:t1@home1.test;method=INVITE>",
        "sip:t1@home1.test",
    ),
    ("Refer-To", "<sip:t2@home1.test>", "sip:t2@home1.test"),
    (
        "Refer-To",
        "\"Carol, the <third>\" <sip:t3@home1.test>",
        "sip:t3@home1.test",
    ),
    (
        "Refer-To",
        "Carol <sip:t4@home1.test;method=INVITE>",
        "sip:t4@home1.test",
    ),
    ("Refer-To", "sip:t5@home1.test", "sip:t5@home1.test"),
    (
        "r",
        "<sip:t6@home1.test;method=INVITE>",
        "sip:t6@home1.test",
    ),
    ("r", "sip:t7@home1.test", "sip:t7@home1.test"),
    ("REFER-TO", "<sip:t8@home1.test>", "sip:t8@home1.test"),
    ("Refer-To", "<tel:+358401110009>", "tel:+358401110009"),
    ("Refer-To", "tel:+358401110010", "tel:+358401110010"),
    (
        "Refer-To",
        "<sip:t11@home1.test:5099;transport=udp;method=INVITE>",
        "sip:t11@home1.test:5099;transport=udp",
    ),
    (
        "Refer-To",
        "<sip:t%2012@home1.test>",
        "sip:t%2012@home1.test",
    ),
    (
        "Refer-To",
        "<sip:+358401110013@home1.test>;user=phone",
        "sip:+358401110013@home1.test;user=phone",
    ),
    (
        "Refer-To",
        "<sip:t14@home1.test>;method=INVITE",
        "sip:t14@home1.test",
    ),
    (
        "Refer-To",
        "sip:t15@home1.test;method=INVITE",
        "sip:t15@home1.test",
    ),
    (
        "Refer-To",
        "<sip:t16@home1.test>;text;isfocus;admin=true",
        "sip:t16@home1.test",
    ),
];

#[test]
fn step3_every_form_of_refer_to_names_its_target_in_a_dialog() {
    forms(Place::InDialog);
}

#[test]
fn step3_every_form_of_refer_to_names_its_target_outside_a_dialog() {
    forms(Place::OutOfDialog);
}

fn forms(place: Place) {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    for (name, value, target) in FORMS {
        let refer = alice
            .refer_at(place, "")
            .without("Refer-To")
            .with(name, value);
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), 200, "{name}: {value}\n{answer}");
        let invite = scene
            .targets
            .expect_where("INVITE", value, |m| m.request_uri() == target);
        assert_eq!(
            crate::kit::sip::uri_of(invite.msg.need("To")),
            target,
            "{value}"
        );
    }
}

#[test]
fn step3_a_folded_refer_to_is_one_value() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let refer = alice.refer(&format!("\"Carol\"\r\n <{CAROL};method=INVITE>"));
    check::accepted(&alice.send(&refer).answer());
    scene.invite_for(CAROL);
}

#[test]
fn step3_headers_and_method_inside_refer_to_go_nowhere() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let evil = "Route=%3Csip:evil.test%3E&From=sip:evil@evil.test&P-Asserted-Identity=%3Csip:evil@evil.test%3E\
                &Subject=evil%0d%0aX-Evil:%20yes&body=evil";
    check::accepted(&alice.referred(&format!("<{CAROL};method=INVITE?{evil}>")));
    let invite = scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["evil", "method="]);
}

#[test]
fn step4_the_answer_does_not_wait_for_the_target() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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
fn step4_the_answer_is_that_of_a_focus() {
    let (_scene, mut alice) = with_alice(Setup::new([group()]));
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
fn step4_refer_ok_code_202_answers_202() {
    let (scene, mut alice) = with_alice(Setup::new([group()]).param_int("refer_ok_code", 202));
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
fn step5_the_answer_outside_a_dialog_supports_norefersub() {
    let (_scene, alice) = with_alice(Setup::new([group()]));
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
fn step6_refer_sub_false_is_granted_and_nothing_is_notified() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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
fn step6_refer_sub_true_is_as_if_absent() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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
            refer::expect_outcome(alice.ua(), refer.call_id(), 603);
        }
    }
}

#[test]
fn step6_requiring_norefersub_alone_suppresses_nothing() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    scene.target(Script::on("INVITE").accept());
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Require", "NoReferSub");
    check::accepted(&alice.send(&refer).answer());
    refer::expect_outcome(alice.ua(), refer.call_id(), 200);
}

#[test]
fn a_retransmitted_refer_gets_the_identical_answer_and_one_invite() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
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
        refer::expect_trying(alice.ua(), refer.call_id());
        let more = |m: &crate::kit::Msg| m.call_id() == refer.call_id();
        alice.ua().expect_none_where("NOTIFY", QUIET, more);
    }
}
