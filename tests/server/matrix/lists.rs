//! Rows 28 to 37, 67 and 68: resource lists.

use super::stage::{each, stage, Outcome, Stage};
use crate::kit::lists::{entry, list, list_to, with_list, with_multipart};
use crate::kit::refer::{expect_notify, expect_trying};
use crate::kit::{check, Incoming, Msg, Script, Transport, CAROL, QUIET, SOON};
use std::collections::HashSet;

pub(super) const THREE: [&str; 3] = [
    "sip:carol@home1.test",
    "sip:dave@home1.test",
    "tel:+358401112222",
];

/// A REFER of alice in her dialog with that list.
pub(super) fn refer_list(stage: &mut Stage, xml: &str) -> Msg {
    let refer = stage.alice.refer("");
    with_list(
        refer
            .and("Require", "multiple-refer")
            .and("Require", "norefersub"),
        xml,
    )
}

pub(super) fn invited(stage: &Stage, wanted: &[&str]) {
    for uri in wanted {
        stage.scene.invite_for(uri);
    }
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_28(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list_to(&THREE)).with("Refer-Sub", "false");
    let answer = stage.alice.send(&refer).answer();
    check::accepted(&answer);
    assert!(answer.need("Refer-Sub").starts_with("false"), "{answer}");
    for uri in THREE {
        let invite = stage.scene.invite_for(uri);
        let body = invite.msg.body_text();
        assert!(
            invite
                .msg
                .need("Content-Type")
                .starts_with("multipart/mixed"),
            "{}",
            invite.msg
        );
        assert!(
            body.contains("recipient-list-history") && body.contains("handling=optional"),
            "{body}"
        );
        assert!(THREE.iter().all(|other| body.contains(other)), "{body}");
    }
    stage.alice.ua().expect_none("NOTIFY", QUIET);
}

pub fn row_29(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer("")
        .with("Require", "multiple-refer")
        .with("Refer-Sub", "false");
    let answer = stage
        .alice
        .send(&with_multipart(refer, &list_to(&THREE)))
        .answer();
    check::accepted(&answer);
    invited(&stage, &THREE);
}

pub fn row_30(t: Transport) {
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(486));
    stage
        .scene
        .target(Script::on("INVITE").to("carol").accept());
    let refer = refer_list(&mut stage, &list_to(&THREE));
    check::accepted(&stage.alice.send(&refer).answer());
    expect_trying(stage.alice.ua(), refer.call_id());
    let mut told = HashSet::new();
    for left in (0..THREE.len()).rev() {
        let next = loop {
            let next = expect_notify(stage.alice.ua(), refer.call_id());
            if next.status >= 200 {
                break next;
            }
        };
        let about = THREE
            .into_iter()
            .find(|uri| next.body.contains(uri))
            .expect("it names its target");
        assert_eq!(
            next.status,
            if about == CAROL { 200 } else { 486 },
            "{}",
            next.body
        );
        assert_eq!(
            next.state == "terminated",
            left == 0,
            "the last one ends it: {}",
            next.incoming.msg
        );
        told.insert(about);
    }
    assert_eq!(told.len(), THREE.len());
}

pub fn row_31(t: Transport) {
    let values = [
        ("<cid:list@home1.test>", false),
        ("<cid:list@home1.test>;method=INVITE", false),
        ("<CID:list@home1.test>", false),
        ("<cid:list@home1.test>", true),
    ];
    each(t, Outcome::Refused(400), &values, |r, (value, body)| {
        let refer = r.with("Refer-To", value);
        if !body {
            return refer;
        }
        refer
            .body("application/sdp", "v=0\r\n")
            .with("Content-ID", "<other@x>")
    });
}

pub fn row_32(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, "hello").with("Content-Type", "text/plain");
    let answer = stage.refused(&refer, 415);
    assert!(
        answer.has_token("Accept", "application/resource-lists+xml"),
        "{answer}"
    );
    stage.nothing_came();
}

pub fn row_33(t: Transport) {
    let mut stage = stage(t);
    let bomb = "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;\">]>\
                <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"><list><entry uri=\"sip:&b;@x\"/></list>\
                </resource-lists>";
    let broken = list_to(&THREE).replace("</list>", "");
    let deep = list(&["<list>".repeat(5000)]);
    for xml in [bomb, &broken, &deep, "", "<other/>", "\u{0}\u{1}"] {
        let refer = refer_list(&mut stage, xml);
        stage.refused(&refer, 400);
    }
    stage.nothing_came();
}

pub fn row_34(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list(&[]));
    stage.refused(&refer, 400);
    stage.nothing_came();
}

pub fn row_35(t: Transport) {
    let mut stage = stage(t);
    let xml = list(&[
        entry(CAROL, ""),
        entry("sip:carol@HOME1.test", "cp:copyControl=\"cc\""),
        entry("sip:%63arol@home1.test", "cp:copyControl=\"to\""),
        entry(
            "sip:+358401112222@home1.test;user=phone",
            "cp:copyControl=\"to\"",
        ),
        entry("tel:+358-40-1112222", ""),
    ]);
    let refer = refer_list(&mut stage, &xml);
    check::accepted(&stage.alice.send(&refer).answer());
    let invites: Vec<_> = (0..2)
        .map(|_| stage.scene.targets.expect("INVITE"))
        .collect();
    stage.scene.targets.expect_none("INVITE", QUIET);
    let body = invites[0].msg.body_text();
    assert!(
        !body.contains("copyControl=\"cc\"") && !body.contains("copyControl=\"bcc\""),
        "the highest wins: {body}"
    );
}

pub fn row_36(t: Transport) {
    let mut stage = stage(t);
    let xml = list(&[
        entry("sip:bill@home1.test", "cp:copyControl=\"to\""),
        entry(
            "sip:randy@home1.test",
            "cp:copyControl=\"to\" cp:anonymize=\"true\"",
        ),
        entry(
            "sip:eddy@home1.test",
            "cp:copyControl=\"to\" cp:anonymize=\"true\"",
        ),
        entry("sip:joe@home1.test", "cp:copyControl=\"cc\""),
        entry(
            "sip:carol@home1.test",
            "cp:copyControl=\"cc\" cp:anonymize=\"true\"",
        ),
        entry("sip:ted@home1.test", "cp:copyControl=\"bcc\""),
        entry("sip:andy@home1.test", ""),
    ]);
    let refer = refer_list(&mut stage, &xml);
    check::accepted(&stage.alice.send(&refer).answer());
    let invite: std::sync::Arc<Incoming> = stage.scene.invite_for("sip:bill@home1.test");
    let body = invite.msg.body_text();
    for shown in [
        "sip:bill@home1.test",
        "sip:joe@home1.test",
        "sip:anonymous@anonymous.invalid",
        "count=\"2\"",
    ] {
        assert!(body.contains(shown), "{shown}: {body}");
    }
    check::free_of(body.as_bytes(), &["randy", "eddy", "carol", "ted@", "andy"]);
}

pub fn row_37(t: Transport) {
    let mut stage = stage(t);
    let refer = with_list(stage.alice.refer(""), list_to(&THREE));
    check::accepted(&stage.alice.send(&refer).answer());
    invited(&stage, &THREE);
}

pub fn row_67(t: Transport) {
    let mut stage = stage(t);
    let refer = refer_list(&mut stage, &list_to(&THREE)).with("Content-Encoding", "compress-me");
    let answer = stage.refused(&refer, 415);
    assert!(answer.header("Accept-Encoding").is_some(), "{answer}");
    stage.nothing_came();
}

pub fn row_68(t: Transport) {
    let prefixed = list_to(&THREE)
        .replace("xmlns=", "xmlns:p1=")
        .replace("<resource-lists", "<p1:resource-lists")
        .replace("</resource-lists", "</p1:resource-lists")
        .replace("<list", "<p1:list")
        .replace("</list", "</p1:list")
        .replace("<entry", "<p1:entry");
    let capital = list_to(&THREE).replace("ns:copycontrol", "ns:copyControl");
    for xml in [format!("\u{feff}{}", list_to(&THREE)), prefixed, capital] {
        let mut stage = stage(t);
        let refer = refer_list(&mut stage, &xml);
        check::accepted(
            &stage
                .alice
                .send(&refer)
                .answer_within(SOON)
                .expect("an answer"),
        );
        invited(&stage, &THREE);
    }
}
