//! Rows 1 to 31: what a REFER may look like, who may send it, and what has to be in it.
//! Not here: policy of the sample group, results, the rest of the table: see `results.rs`.

use super::stage::{plain, stage, Outcome, ALICE, CAROL};
use crate::kit::{check, Group, Scene, Setup, Transport, PLACES, QUIET};

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
    plain(t, Outcome::Told(CAROL), |r| r.with("Refer-Sub", "true"));
}

pub fn row_05(t: Transport) {
    plain(t, Outcome::Quiet(CAROL), |r| {
        r.with("Refer-Sub", "FALSE;x=y")
    });
}

pub fn row_06(t: Transport) {
    plain(t, Outcome::Refused(400), |r| r.without("Refer-To"));
}

pub fn row_07(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.and("Refer-To", "<sip:dave@home1.test>")
    });
}

pub fn row_08(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", format!("<{CAROL}>,<sip:dave@home1.test>"))
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
    for method in ["MESSAGE", "REGISTER", "REFER"] {
        for place in PLACES {
            let refer = stage
                .alice
                .refer_at(place, &format!("<{CAROL};method={method}>"));
            Outcome::Refused(488).check(&mut stage, &refer);
        }
    }
}

pub fn row_14(t: Transport) {
    plain(t, Outcome::Refused(488), |r| {
        r.with("Refer-To", "<http://home1.test/carol>")
    });
}

pub fn row_17(t: Transport) {
    let stage = stage(t);
    let refer = stage
        .alice
        .ua()
        .request("REFER", "sip:fedcba9876543210@conf.home1.test");
    let answer = stage
        .alice
        .send(&refer.with("Refer-To", format!("<{CAROL}>")))
        .answer();
    check::refused(&answer, 404, None);
    stage.scene.nobody_invited();
}

pub fn row_18(t: Transport) {
    let mut stage = stage(t);
    let refer = stage.alice.refer(&format!("<{CAROL}>"));
    let refer = refer.with("To", format!("<{}>;tag=unknown", stage.alice.focus));
    check::refused(&stage.alice.send(&refer).answer(), 481, None);
    stage.scene.nobody_invited();
}

pub fn row_19(t: Transport) {
    let stage = stage(t);
    let zoe = stage.scene.ua("sip:zoe@elsewhere.test");
    let refer = zoe
        .request("REFER", &stage.alice.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&stage.scene.send(&zoe, &refer).answer(), 403, Some(""));
    stage.scene.nobody_invited();
}

pub fn row_20(t: Transport) {
    let mut stage = stage(t);
    let nameless = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("P-Asserted-Identity");
    check::refused(&stage.alice.send(&nameless).answer(), 403, None);
    if t == Transport::Udp {
        let outsider = crate::kit::Ua::on("127.0.0.2", ALICE, t);
        for place in PLACES {
            let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
            check::refused(&stage.scene.send(&outsider, &refer).answer(), 403, None);
        }
    } else {
        // The source address of a connection is the system's choice; an untrusted one is made by trusting nobody.
        let group = Group::open("s", &[ALICE]);
        let scene = Scene::with(Setup::new([&group]).env("CPM_TRUSTED", "192.0.2.1"), t);
        let alice = scene.ua(ALICE);
        let refer = alice
            .request("REFER", &group.uri)
            .with("Refer-To", format!("<{CAROL}>"));
        check::refused(&scene.send(&alice, &refer).answer(), 403, None);
        scene.nobody_invited();
    }
    stage.scene.nobody_invited();
}

pub fn row_21(t: Transport) {
    let stage = stage(t);
    let refer = stage.alice.refer_outside(&format!("<{CAROL}>"));
    let refer = refer.with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
    check::refused(&stage.alice.send(&refer).answer(), 403, Some(""));
    stage.scene.nobody_invited();
}

pub fn row_22(t: Transport) {
    let stage = stage(t);
    let (call, local, remote) = (
        stage.alice.call_id().to_string(),
        stage.alice.dialog.remote_tag(),
        stage.alice.dialog.local_tag(),
    );
    // Seen from the focus (RFC 4538 section 3).
    let valid = format!(
        "{call};local-tag={};remote-tag={}",
        local.unwrap_or_default(),
        remote.unwrap_or_default()
    );
    for (target, value) in [
        (CAROL, valid.as_str()),
        ("sip:dave@home1.test", "no@where;local-tag=a;remote-tag=b"),
    ] {
        let refer = stage
            .alice
            .refer_outside(&format!("<{target}>"))
            .with("Target-Dialog", value);
        check::accepted(&stage.alice.send(&refer).answer());
        stage.scene.invite_for(target);
    }
    stage.alice.dialog.expect_none("BYE", QUIET);
}

pub fn row_23(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let refer = stage
            .alice
            .refer_at(place, &format!("<{CAROL}>"))
            .with("Require", "foo");
        let answer = Outcome::Refused(420).check(&mut stage, &refer);
        assert_eq!(answer.list("Unsupported"), ["foo"], "{answer}");
    }
}

pub fn row_24(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let refer = stage
            .alice
            .refer_at(place, &format!("<{CAROL}>"))
            .with("Require", "norefersub, foo");
        let answer = Outcome::Refused(420).check(&mut stage, &refer);
        assert_eq!(answer.list("Unsupported"), ["foo"], "{answer}");
    }
}

pub fn row_25(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| r.with("Require", "norefersub"));
}

pub fn row_26(t: Transport) {
    for place in PLACES {
        let mut stage = stage(t);
        let refer = stage
            .alice
            .refer_at(place, &format!("<{CAROL}>"))
            .with("Require", "nosub");
        check::accepted(&stage.alice.send(&refer).answer());
        let invite = stage.scene.invite_for(CAROL);
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
    }
}

pub fn row_27(t: Transport) {
    let stage = stage(t);
    let refer = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .with("Require", "explicitsub");
    let answer = stage.alice.send(&refer).answer();
    if answer.status() == 420 {
        assert_eq!(answer.list("Unsupported"), ["explicitsub"], "{answer}");
        stage.scene.nobody_invited();
    } else {
        check::accepted(&answer);
        assert!(
            answer.need("Refer-Events-At").starts_with("<sip:"),
            "{answer}"
        );
        stage.scene.invite_for(CAROL);
    }
}

pub fn row_31(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", "<cid:list@home1.test>")
    });
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", "<cid:list@home1.test>")
            .body("application/sdp", "v=0\r\n")
            .with("Content-ID", "<other@x>")
    });
}
