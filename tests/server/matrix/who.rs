//! Rows 17 to 27, 43 to 45, 60 and 61: whose REFER it is, and what it asks for.

use super::stage::{each, stage, stage_with, Outcome};
use crate::kit::refer::{expect_outcome, expect_trying};
use crate::kit::sip::{param, uri_of};
use crate::kit::{
    check, Group, Place, Scene, Script, Setup, Transport, Ua, ALICE, CAROL, PLACES, QUIET, SOON,
};

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
        let outsider = Ua::on("127.0.0.2", ALICE, t);
        for place in PLACES {
            let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
            check::refused(&stage.scene.send(&outsider, &refer).answer(), 403, None);
        }
        let invite = stage.scene.invite(&outsider, "sip:s@groups.home1.test");
        check::refused(&stage.scene.send(&outsider, &invite).answer(), 403, None);
        // The operator sees what to put into trusted_peers.
        let line = "REFER refused 403 why=\"not from a trusted peer\" source=127.0.0.2:";
        assert!(
            stage.scene.server.log_has(line, SOON),
            "{}",
            stage.scene.server.log_text()
        );
    } else {
        // The system chooses the source address of a connection, so this server trusts another one.
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
    for claims in [&[][..], &["P-Preferred-Identity", "Referred-By"]] {
        let refer = stage
            .alice
            .refer_outside(&format!("<{CAROL}>"))
            .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
        let refer = claims
            .iter()
            .fold(refer, |r, name| r.with(name, format!("<{ALICE}>")));
        check::refused(&stage.alice.send(&refer).answer(), 403, Some(""));
    }
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
    unsupported(t, "foo");
}

pub fn row_24(t: Transport) {
    unsupported(t, "norefersub, foo");
}

/// An extension nobody knows is named, and only that one.
fn unsupported(t: Transport, require: &str) {
    let mut stage = stage(t);
    for place in PLACES {
        let refer = stage.refer(place).with("Require", require);
        let answer = stage.refused(&refer, 420);
        assert_eq!(answer.list("Unsupported"), ["foo"], "{answer}");
    }
    stage.nothing_came();
}

pub fn row_25(t: Transport) {
    each(
        t,
        Outcome::Told(CAROL),
        &["norefersub", "NoReferSub"],
        |r, tag| r.with("Require", tag),
    );
}

pub fn row_26(t: Transport) {
    let mut stage = stage_with(t, |setup| setup.param_int("refer_ok_code", 202));
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = stage
            .alice
            .refer_at(place, &format!("<{target}>"))
            .with("Require", "nosub");
        let answer = stage.alice.send(&refer).answer();
        check::accepted(&answer);
        assert!(answer.has_token("Supported", "nosub"), "{answer}");
        stage.scene.accept(&stage.scene.invite_for(&target));
    }
    stage.alice.ua().expect_none("NOTIFY", QUIET);
    // Supported alone asks for nothing.
    let able = stage
        .alice
        .refer(&format!("<{CAROL}>"))
        .with("Supported", "nosub, norefersub");
    assert_eq!(stage.alice.send(&able).answer().status(), 202);
    expect_trying(stage.alice.ua(), able.call_id());
    stage.scene.invite_for(CAROL);
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

pub fn row_43(t: Transport) {
    let mut stage = stage(t);
    for privacy in ["id", "ID", "header;id", "id;critical", "none;id"] {
        for place in PLACES {
            let refer = stage.refer(place).with("Privacy", privacy);
            check::refused(&stage.alice.send(&refer).answer(), 403, Some("119"));
        }
    }
    stage.nothing_came();
}

pub fn row_44(t: Transport) {
    let group = Group::discreet("d", &[ALICE]);
    let scene = Scene::with(Setup::new([&group]), t);
    scene.target(Script::on("INVITE").reply(180).accept());
    let mut alice = scene.participant(ALICE, &group);
    let secrets = [
        "alice".to_string(),
        alice.ua().local().to_string(),
        alice.call_id().to_string(),
        check::msrp_session(&String::from_utf8_lossy(&alice.invite.body)),
        "wonderland".to_string(),
    ];
    let mut calls = vec![alice.call_id().to_string()];
    for (n, place) in PLACES.into_iter().enumerate() {
        let refer = alice
            .refer_at(place, &format!("<sip:target{n}@home1.test>"))
            .with("Privacy", "id")
            .with("Referred-By", "\"Alice Wonderland\" <sip:alice@home1.test>")
            .with(
                "Contact",
                format!("\"Alice\" <{}>", alice.ua().contact_uri()),
            )
            .with("User-Agent", "Alice's telephone")
            .with("Organization", "Wonderland")
            .with("P-Access-Network-Info", "wonderland-cell");
        check::accepted(&alice.send(&refer).answer());
        if place == Place::OutOfDialog {
            calls.push(refer.call_id().to_string());
        }
        let invite = scene.invite_for(&format!("sip:target{n}@home1.test"));
        assert!(
            invite
                .msg
                .need("Referred-By")
                .contains("anonymous@anonymous.invalid"),
            "{}",
            invite.msg
        );
        scene.targets.expect("ACK");
    }
    for call in &calls {
        expect_outcome(alice.ua(), call, 200);
    }
    // The session ends, so that the BYEs to the targets are looked at too.
    check::accepted(&alice.dialog.bye());
    let secrets: Vec<&str> = secrets.iter().chain(&calls).map(String::as_str).collect();
    check::free_of(&scene.targets.every_byte(), &secrets);
}

pub fn row_45(t: Transport) {
    let values = ["none", "header", "user", "session"];
    each(t, Outcome::Told(CAROL), &values, |r, privacy| {
        r.with("Privacy", privacy)
    });
}

pub fn row_60(t: Transport) {
    let mut stage = stage(t);
    let rows = [
        (None, ALICE, ""),
        (Some("<sip:alice@home1.test>"), ALICE, ""),
        (
            Some("<sip:alice@home1.test>;cid=\"1@x.test\""),
            ALICE,
            "cid",
        ),
        (
            Some("\"Al\" <sip:alice@home1.test:5060>"),
            "sip:alice@home1.test:5060",
            "",
        ),
        (Some(ALICE), ALICE, ""),
        (Some("<sip:boss@home1.test>"), ALICE, ""),
    ];
    for (n, (given, wanted, parameter)) in rows.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let mut refer = stage.alice.refer(&format!("<{target}>"));
        if let Some(given) = given {
            refer = refer.with("Referred-By", given);
        }
        check::accepted(&stage.alice.send(&refer).answer());
        let invite = stage.scene.invite_for(&target);
        let value = invite.msg.need("Referred-By");
        assert_eq!(uri_of(value), wanted, "{given:?}: {value}");
        assert!(
            parameter.is_empty() || param(value, parameter).is_some(),
            "{given:?}: {value}"
        );
    }
}

pub fn row_61(t: Transport) {
    each(
        t,
        Outcome::Refused(400),
        &["Referred-By", "b"],
        |r, name| {
            r.and("Referred-By", format!("<{ALICE}>"))
                .and(name, format!("<{ALICE}>"))
        },
    );
}
