//! Rows 1 to 14, 62, 63 and 65: what a REFER for one target may look like.

use super::stage::{each, plain, stage, Outcome};
use crate::kit::{check, Transport, CAROL, DAVE, PLACES, QUIET};

pub fn row_01(t: Transport) {
    let mut stage = stage(t);
    let refer = stage.alice.refer(&format!("<{CAROL};method=INVITE>"));
    Outcome::Told(CAROL).check(&mut stage, &refer);
}

pub fn row_02(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer_outside(&format!("<{CAROL};method=INVITE>"));
    let answer = Outcome::Told(CAROL).check(&mut stage, &refer);
    assert!(answer.has_token("Supported", "norefersub"), "{answer}");
    assert!(answer.tag_to().is_some(), "{answer}");
    check::focus_contact(&answer);
}

pub fn row_03(t: Transport) {
    plain(t, Outcome::Quiet(CAROL), |r| r.with("Refer-Sub", "false"));
}

pub fn row_04(t: Transport) {
    each(
        t,
        Outcome::Told(CAROL),
        &["true", "TRUE;x=y"],
        |r, value| r.with("Refer-Sub", value),
    );
}

pub fn row_05(t: Transport) {
    let values = ["FALSE;x=y", " False ; foo=\"bar\""];
    each(t, Outcome::Quiet(CAROL), &values, |r, value| {
        r.with("Refer-Sub", value)
    });
}

pub fn row_06(t: Transport) {
    plain(t, Outcome::Refused(400), |r| r.without("Refer-To"));
}

pub fn row_07(t: Transport) {
    each(t, Outcome::Refused(400), &["Refer-To", "r"], |r, name| {
        r.and(name, "<sip:dave@home1.test>")
    });
}

pub fn row_08(t: Transport) {
    each(t, Outcome::Refused(400), &[",", ", "], |r, comma| {
        r.with("Refer-To", format!("<{CAROL}>{comma}<{DAVE}>"))
    });
}

pub fn row_09(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| {
        r.with("Refer-To", format!("<{CAROL}>"))
    });
}

pub fn row_10(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| {
        r.without("Refer-To")
            .with("r", format!("<{CAROL};method=INVITE>"))
    });
}

pub fn row_11(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| r.with("Refer-To", CAROL));
}

pub fn row_12(t: Transport) {
    plain(t, Outcome::Told("tel:+358401112222"), |r| {
        r.with("Refer-To", "<tel:+358401112222>")
    });
}

pub fn row_13(t: Transport) {
    let mut stage = stage(t);
    for method in [
        "MESSAGE",
        "REGISTER",
        "REFER",
        "SUBSCRIBE",
        "OPTIONS",
        "XYZZY",
    ] {
        for place in PLACES {
            let refer = stage
                .alice
                .refer_at(place, &format!("<{CAROL};method={method}>"));
            check::warning(&stage.refused(&refer, 488));
        }
    }
    stage.nothing_came();
}

pub fn row_14(t: Transport) {
    let uris = [
        "http://home1.test/carol",
        "mailto:carol@home1.test",
        "im:carol@home1.test",
        "urn:uuid:1",
        "pres:carol@home1.test",
    ];
    each(t, Outcome::Refused(488), &uris, |r, uri| {
        r.with("Refer-To", format!("<{uri}>"))
    });
}

pub fn row_62(t: Transport) {
    let mut stage = stage(t);
    for (target, embedded) in [
        (
            CAROL,
            "Route=%3Csip%3Aevil.test%3E&From=%3Csip%3Aevil%40evil.test%3E",
        ),
        (
            DAVE,
            "Route=%3Csip:evil.test%3E&From=sip:evil@evil.test&P-Asserted-Identity=%3Csip:evil@evil.test%3E\
             &Subject=evil%0d%0aX-Evil:%20yes&body=evil",
        ),
    ] {
        let refer_to = format!("<{target};method=INVITE?{embedded}>");
        check::accepted(&stage.alice.referred(&refer_to));
        let invite = stage.scene.invite_for(target);
        check::free_of(&invite.raw, &["evil", "method="]);
    }
}

pub fn row_63(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact");
    Outcome::Refused(400).check(&mut stage, &refer);
    let quiet = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact")
        .with("Refer-Sub", "false");
    Outcome::Quiet(CAROL).check(&mut stage, &quiet);
}

pub fn row_65(t: Transport) {
    let mut stage = stage(t);
    stage.alice.dialog.cseq = 90;
    check::accepted(&stage.alice.referred("<sip:first@home1.test>"));
    stage.scene.invite_for("sip:first@home1.test");
    stage.alice.dialog.cseq = 50;
    check::refused(&stage.alice.referred(&format!("<{CAROL}>")), 500, None);
    stage.scene.targets.expect_none("INVITE", QUIET);
}
