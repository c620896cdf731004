//! Steps 4 to 6 of a REFER: its 2xx, norefersub, Refer-Sub.

use crate::kit::{check, with_alice, Place, CAROL, PLACES};
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
