//! Step 3 of a REFER: every form of Refer-To, and what is none.

use crate::kit::sip::uri_of;
use crate::kit::{check, with_alice, Place, CAROL, PLACES};

/// What stands in the Refer-To header line, and the Request-URI of the INVITE that comes of it.
const FORMS: [(&str, &str, &str); 7] = [
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
    ("r", "sip:t7@home1.test", "sip:t7@home1.test"),
    ("REFER-TO", "<sip:t8@home1.test>", "sip:t8@home1.test"),
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
];

#[test]
fn every_form_of_refer_to_names_its_target_in_a_dialog() {
    forms(Place::InDialog);
}

#[test]
fn every_form_of_refer_to_names_its_target_outside_a_dialog() {
    forms(Place::OutOfDialog);
}

fn forms(place: Place) {
    let (scene, mut alice) = with_alice(|setup| setup);
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
        assert_eq!(uri_of(invite.msg.need("To")), target, "{value}");
    }
}

#[test]
fn a_folded_refer_to_is_one_value() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let refer = alice.refer(&format!("\"Carol\"\r\n <{CAROL};method=INVITE>"));
    check::accepted(&alice.send(&refer).answer());
    scene.invite_for(CAROL);
}

#[test]
fn unparsable_refer_to() {
    let values = [
        "",
        "<>",
        "<sip:>",
        "<sip:carol@home1.test",
        "\"Carol <sip:carol@home1.test>",
        "carol",
        "<sip:carol@home1.test:port>",
        "<sip:car ol@home1.test>",
        "<sip:carol@[::1>",
        "<tel:>",
    ];
    let (scene, mut alice) = with_alice(|setup| setup);
    for value in values {
        for place in PLACES {
            let refer = alice.refer_at(place, value);
            check::refused(&alice.send(&refer).answer(), 400, None);
        }
    }
    scene.nobody_invited();
}
