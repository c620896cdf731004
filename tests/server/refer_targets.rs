//! Step 3 of a REFER: every form of Refer-To, and what is none.

use super::refer_refused::refused_everywhere;
use crate::kit::sip::uri_of;
use crate::kit::{check, with_alice, Place, CAROL, PLACES};

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
fn headers_and_method_inside_refer_to_go_nowhere() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let evil = "Route=%3Csip:evil.test%3E&From=sip:evil@evil.test&P-Asserted-Identity=%3Csip:evil@evil.test%3E\
                &Subject=evil%0d%0aX-Evil:%20yes&body=evil";
    check::accepted(&alice.referred(&format!("<{CAROL};method=INVITE?{evil}>")));
    let invite = scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["evil", "method="]);
}

#[test]
fn no_refer_to() {
    refused_everywhere(400, |refer| refer.without("Refer-To"));
}

#[test]
fn two_refer_to_lines() {
    refused_everywhere(400, |refer| refer.and("r", "<sip:dave@home1.test>"));
}

#[test]
fn two_values_in_one_refer_to() {
    refused_everywhere(400, |refer| {
        refer.with("Refer-To", format!("<{CAROL}>, <sip:dave@home1.test>"))
    });
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

#[test]
fn a_cid_without_its_part() {
    let (scene, mut alice) = with_alice(|setup| setup);
    for place in PLACES {
        for value in [
            "<cid:list@home1.test>",
            "<cid:list@home1.test>;method=INVITE",
            "<CID:list@home1.test>",
        ] {
            let refer = alice.refer_at(place, value);
            let answer = alice.send(&refer).answer();
            check::refused(&answer, 400, None);
            assert!(
                answer.header("Warning").is_some() || answer.reason() != "Bad Request",
                "with a reason: {answer}"
            );
        }
    }
    scene.nobody_invited();
}

#[test]
fn another_method_in_refer_to() {
    let (scene, mut alice) = with_alice(|setup| setup);
    for method in [
        "MESSAGE",
        "REGISTER",
        "REFER",
        "SUBSCRIBE",
        "OPTIONS",
        "XYZZY",
    ] {
        for place in PLACES {
            let refer = alice.refer_at(place, &format!("<{CAROL};method={method}>"));
            check::refused(&alice.send(&refer).answer(), 488, Some(""));
        }
    }
    scene.nobody_invited();
}

#[test]
fn another_scheme_in_refer_to() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let uris = [
        "http://home1.test/carol",
        "mailto:carol@home1.test",
        "im:carol@home1.test",
        "urn:uuid:1",
        "pres:carol@home1.test",
    ];
    for uri in uris {
        for place in PLACES {
            let refer = alice.refer_at(place, &format!("<{uri}>"));
            check::refused(&alice.send(&refer).answer(), 488, None);
        }
    }
    scene.nobody_invited();
}
