//! The black-box matrix of requirements.md section 7: every row that can be decided now, over UDP and over TCP.
//! It is not a description of the rows: those are in the table there, under the same numbers.
#![cfg(feature = "server-tests")]

mod kit;

use kit::refer::{expect_end, expect_final, expect_notify, expect_outcome, expect_trying};
use kit::sip::uri_of;
use kit::{check, Group, Leg, Msg, Place, Scene, Script, Setup, Transport, PLACES, QUIET, SOON};
use std::time::Duration;

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";

/// One test per row and transport, and the table of the rows that are here.
macro_rules! rows {
    ($($number:literal $row:ident $stimulus:literal;)*) => {
        const DECIDED: &[(u8, &str)] = &[$(($number, $stimulus)),*];
        $(mod $row {
            #[test]
            fn udp() {
                super::$row(super::Transport::Udp);
            }
            #[test]
            fn tcp() {
                super::$row(super::Transport::Tcp);
            }
        })*
    };
}

rows! {
    1 row_01 "in-dialog, method=INVITE, no Refer-Sub";
    2 row_02 "the same out of dialog, to the focus";
    3 row_03 "Refer-Sub: false";
    4 row_04 "Refer-Sub: true";
    5 row_05 "Refer-Sub: FALSE;x=y";
    6 row_06 "no Refer-To";
    7 row_07 "two Refer-To lines";
    8 row_08 "two values in one Refer-To line";
    9 row_09 "Refer-To without a method parameter";
    10 row_10 "compact form";
    11 row_11 "bare addr-spec";
    12 row_12 "tel URI";
    13 row_13 "another method";
    14 row_14 "another scheme";
    17 row_17 "unknown focus";
    18 row_18 "unknown To-tag";
    19 row_19 "not a participant and not allowed";
    20 row_20 "no P-Asserted-Identity; untrusted source";
    21 row_21 "spoofed From";
    22 row_22 "Target-Dialog, valid or bogus";
    23 row_23 "Require: foo";
    24 row_24 "Require: norefersub, foo";
    25 row_25 "Require: norefersub without Refer-Sub";
    27 row_27 "Require: explicitsub";
    31 row_31 "cid without its part";
    43 row_43 "Privacy: id, not allowed";
    44 row_44 "Privacy: id, allowed";
    45 row_45 "Privacy: none or header";
    46 row_46 "G: alice invites bob";
    47 row_47 "G: bob invites carol";
    48 row_48 "G: alice invites mallory";
    50 row_50 "second REFER in a dialog";
    51 row_51 "retransmitted REFER";
    53 row_53 "the target fails";
    54 row_54 "the target redirects";
    57 row_57 "NOTIFY answered 481";
    60 row_60 "Referred-By absent, own, another's";
    61 row_61 "two Referred-By";
    62 row_62 "headers inside Refer-To";
    63 row_63 "no Contact though there is something to notify";
    64 row_64 "the session ends while the target rings";
    65 row_65 "CSeq lower than before";
    66 row_66 "re-INVITE that requires recipient-list-invite";
}

/// Rows that wait for something that is not there yet.
const PENDING: &[(u8, &str)] = &[
    (15, "removal by REFER: not served yet, another method than INVITE is answered 488"),
    (16, "removal by REFER"),
    (26, "nosub (RFC 7614) is not supported yet and so answered 420"),
    (28, "resource lists: written in matrix_lists.rs"),
    (29, "resource lists: written in matrix_lists.rs"),
    (30, "resource lists: written in matrix_lists.rs"),
    (32, "resource lists: written in matrix_lists.rs"),
    (33, "resource lists: written in matrix_lists.rs"),
    (34, "resource lists: written in matrix_lists.rs"),
    (35, "resource lists: written in matrix_lists.rs"),
    (36, "resource lists: written in matrix_lists.rs"),
    (37, "resource lists: written in matrix_lists.rs"),
    (38, "already a participant: written in matrix_lists.rs"),
    (39, "oneself: written in matrix_lists.rs"),
    (40, "already being invited: written in matrix_lists.rs"),
    (41, "limits: written in matrix_lists.rs"),
    (42, "limits: written in matrix_lists.rs"),
    (49, "policy documents are read at start: there is no store that could be down"),
    (52, "conference states need the conference event package; ringing in NOTIFYs is in refer_notify.rs"),
    (55, "session timers"),
    (56, "forked answers: written in matrix_lists.rs"),
    (58, "SUBSCRIBE within a refer subscription"),
    (59, "a fresh SUBSCRIBE for refer"),
    (67, "resource lists: written in matrix_lists.rs"),
    (68, "resource lists: written in matrix_lists.rs"),
];

#[test]
fn every_row_is_here_or_pending_with_a_reason() {
    let mut numbers: Vec<u8> = DECIDED.iter().chain(PENDING).map(|(n, _)| *n).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=68).collect::<Vec<u8>>());
    for (number, reason) in PENDING {
        println!("pending: row {number}: {reason}");
    }
}

/// The session "S": alice and bob connected, everything granted to members but anonymity.
struct Stage {
    scene: Scene,
    alice: Leg,
    bob: Leg,
}

fn stage(transport: Transport) -> Stage {
    stage_with(transport, |setup| setup)
}

fn stage_with(transport: Transport, change: impl Fn(Setup) -> Setup) -> Stage {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(change(Setup::new([&group])), transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    Stage { scene, alice, bob }
}

/// What a REFER for one target comes to.
enum Outcome {
    /// 2xx, one INVITE to this URI, `100 Trying`, and the result.
    Told(&'static str),
    /// 2xx with `Refer-Sub: false`, one INVITE to this URI, no NOTIFY.
    Quiet(&'static str),
    /// This status, nothing to anybody.
    Refused(u16),
}

/// Sends what `change` makes of a REFER for carol, in a dialog and outside one, and looks at what comes of it.
fn plain(transport: Transport, outcome: Outcome, change: impl Fn(Msg) -> Msg) {
    for place in PLACES {
        let mut stage = stage(transport);
        let refer = change(
            stage
                .alice
                .refer_at(place, &format!("<{CAROL};method=INVITE>")),
        );
        outcome.check(&mut stage, &refer);
    }
}

impl Outcome {
    fn check(&self, stage: &mut Stage, refer: &Msg) -> Msg {
        let answer = stage.alice.send(refer).answer();
        let ua = stage.alice.ua();
        match self {
            Outcome::Refused(status) => {
                assert_eq!(answer.status(), *status, "{refer}\n{answer}");
                stage.scene.nobody_invited();
                ua.expect_none("NOTIFY", QUIET);
            }
            Outcome::Quiet(target) => {
                check::accepted(&answer);
                assert_eq!(
                    answer.need("Refer-Sub").split(';').next().map(str::trim),
                    Some("false"),
                    "{answer}"
                );
                let invite = stage.scene.invite_for(target);
                stage.scene.accept(&invite);
                ua.expect_none("NOTIFY", QUIET);
            }
            Outcome::Told(target) => {
                check::accepted(&answer);
                assert!(
                    answer
                        .header("Refer-Sub")
                        .is_none_or(|v| v.starts_with("true")),
                    "{answer}"
                );
                expect_trying(ua, refer.call_id());
                let invite = stage.scene.invite_for(target);
                stage.scene.accept(&invite);
                expect_final(ua, refer.call_id(), 200);
                assert_eq!(stage.scene.targets.count("INVITE"), 1);
            }
        }
        answer
    }
}

fn row_01(t: Transport) {
    let mut stage = stage(t);
    let refer = stage.alice.refer(&format!("<{CAROL};method=INVITE>"));
    Outcome::Told(CAROL).check(&mut stage, &refer);
}

fn row_02(t: Transport) {
    let mut stage = stage(t);
    let refer = stage
        .alice
        .refer_outside(&format!("<{CAROL};method=INVITE>"));
    let answer = Outcome::Told(CAROL).check(&mut stage, &refer);
    assert!(answer.has_token("Supported", "norefersub"), "{answer}");
    assert!(answer.tag_to().is_some(), "{answer}");
    check::focus_contact(&answer);
}

fn row_03(t: Transport) {
    plain(t, Outcome::Quiet(CAROL), |r| r.with("Refer-Sub", "false"));
}

fn row_04(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| r.with("Refer-Sub", "true"));
}

fn row_05(t: Transport) {
    plain(t, Outcome::Quiet(CAROL), |r| {
        r.with("Refer-Sub", "FALSE;x=y")
    });
}

fn row_06(t: Transport) {
    plain(t, Outcome::Refused(400), |r| r.without("Refer-To"));
}

fn row_07(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.and("Refer-To", "<sip:dave@home1.test>")
    });
}

fn row_08(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", format!("<{CAROL}>,<sip:dave@home1.test>"))
    });
}

fn row_09(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| {
        r.with("Refer-To", format!("<{CAROL}>"))
    });
}

fn row_10(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| {
        r.without("Refer-To")
            .with("r", format!("<{CAROL};method=INVITE>"))
    });
}

fn row_11(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| r.with("Refer-To", CAROL));
}

fn row_12(t: Transport) {
    plain(t, Outcome::Told("tel:+358401112222"), |r| {
        r.with("Refer-To", "<tel:+358401112222>")
    });
}

fn row_13(t: Transport) {
    for method in ["MESSAGE", "REGISTER", "REFER"] {
        plain(t, Outcome::Refused(488), |r| {
            r.with("Refer-To", format!("<{CAROL};method={method}>"))
        });
    }
}

fn row_14(t: Transport) {
    plain(t, Outcome::Refused(488), |r| {
        r.with("Refer-To", "<http://home1.test/carol>")
    });
}

fn row_17(t: Transport) {
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

fn row_18(t: Transport) {
    let mut stage = stage(t);
    let refer = stage.alice.refer(&format!("<{CAROL}>"));
    let refer = refer.with("To", format!("<{}>;tag=unknown", stage.alice.focus));
    check::refused(&stage.alice.send(&refer).answer(), 481, None);
    stage.scene.nobody_invited();
}

fn row_19(t: Transport) {
    let stage = stage(t);
    let zoe = stage.scene.ua("sip:zoe@elsewhere.test");
    let refer = zoe
        .request("REFER", &stage.alice.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&stage.scene.send(&zoe, &refer).answer(), 403, Some(""));
    stage.scene.nobody_invited();
}

fn row_20(t: Transport) {
    let mut stage = stage(t);
    let nameless = stage
        .alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("P-Asserted-Identity");
    check::refused(&stage.alice.send(&nameless).answer(), 403, None);
    let outsider = kit::Ua::on("127.0.0.2", ALICE, t);
    if t == Transport::Udp {
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
    }
    stage.scene.nobody_invited();
}

fn row_21(t: Transport) {
    let stage = stage(t);
    let refer = stage.alice.refer_outside(&format!("<{CAROL}>"));
    let refer = refer.with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
    check::refused(&stage.alice.send(&refer).answer(), 403, Some(""));
    stage.scene.nobody_invited();
}

fn row_22(t: Transport) {
    let mut stage = stage(t);
    let (call, local, remote) = (
        stage.alice.call_id().to_string(),
        stage.alice.dialog.local_tag(),
        stage.alice.dialog.remote_tag(),
    );
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

fn row_23(t: Transport) {
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

fn row_24(t: Transport) {
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

fn row_25(t: Transport) {
    plain(t, Outcome::Told(CAROL), |r| r.with("Require", "norefersub"));
}

fn row_27(t: Transport) {
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

fn row_31(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", "<cid:list@home1.test>")
    });
    plain(t, Outcome::Refused(400), |r| {
        r.with("Refer-To", "<cid:list@home1.test>")
            .body("application/sdp", "v=0\r\n")
            .with("Content-ID", "<other@x>")
    });
}

fn row_43(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let refer = stage
            .alice
            .refer_at(place, &format!("<{CAROL}>"))
            .with("Privacy", "id");
        let answer = Outcome::Refused(403).check(&mut stage, &refer);
        assert!(check::warning(&answer).contains("119"), "{answer}");
    }
}

fn row_44(t: Transport) {
    let group = Group::discreet("d", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&group]), t);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Privacy", "id")
        .with("Referred-By", format!("<{ALICE}>"));
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.invite_for(CAROL);
    scene.accept(&invite);
    expect_outcome(alice.ua(), alice.call_id(), 200);
    let local = alice.ua().local().to_string();
    check::free_of(
        &scene.targets.every_byte(),
        &["alice", alice.call_id(), &local],
    );
}

fn row_45(t: Transport) {
    for privacy in ["none", "header"] {
        plain(t, Outcome::Told(CAROL), |r| r.with("Privacy", privacy));
    }
}

/// The session "G": the sample group, started by alice, joined by bob.
fn sample(t: Transport) -> (Scene, Leg, Leg) {
    let scene = Scene::with(Setup::new([Group::sample()]), t);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &Group::sample()));
    (scene, alice, bob)
}

fn row_46(t: Transport) {
    let scene = Scene::with(Setup::new([Group::sample()]), t);
    let mut alice = scene.participant(ALICE, &Group::sample());
    for (place, target) in [
        (Place::InDialog, BOB),
        (Place::OutOfDialog, "sip:dora@home1.test"),
    ] {
        let refer = alice.refer_at(place, &format!("<{target}>"));
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(target);
    }
}

fn row_47(t: Transport) {
    let (scene, _alice, mut bob) = sample(t);
    for place in PLACES {
        let refer = bob.refer_at(place, &format!("<{CAROL}>"));
        check::refused(&bob.send(&refer).answer(), 403, Some(""));
    }
    scene
        .targets
        .expect_none_where("INVITE", QUIET, |m| m.request_uri() == CAROL);
}

fn row_48(t: Transport) {
    let (scene, mut alice, _bob) = sample(t);
    for place in PLACES {
        let refer = alice.refer_at(place, "<sip:mallory@home1.test>");
        check::accepted(&alice.send(&refer).answer());
        expect_outcome(alice.ua(), refer.call_id(), 403);
    }
    scene
        .targets
        .expect_none_where("INVITE", QUIET, |m| m.request_uri().contains("mallory"));
}

fn row_50(t: Transport) {
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(486));
    check::accepted(&stage.alice.referred("<sip:first@home1.test>"));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 486);
    let second = stage.alice.refer("<sip:second@home1.test>");
    check::accepted(&stage.alice.send(&second).answer());
    for _ in 0..2 {
        let notified = expect_notify(stage.alice.ua(), stage.alice.call_id());
        assert_eq!(
            notified.id,
            Some(second.cseq().to_string()),
            "{}",
            notified.incoming.msg
        );
    }
}

fn row_51(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = stage.alice.refer_at(place, &format!("<{target}>"));
        let sent = stage.alice.send(&refer);
        let first = sent.response(SOON, |s| s >= 200).expect("an answer");
        check::accepted(&first.msg);
        sent.resend();
        assert_eq!(
            sent.response(SOON, |s| s >= 200)
                .expect("the answer again")
                .raw,
            first.raw
        );
        stage.scene.invite_for(&target);
        stage.scene.targets.expect_none("INVITE", QUIET);
    }
}

fn row_53(t: Transport) {
    let mut stage = stage_with(t, |setup| setup.param_int("invite_timeout", 1500));
    for status in [486, 603, 480, 408] {
        let target = format!("sip:t{status}@home1.test");
        stage
            .scene
            .target(Script::on("INVITE").to(&target).reply(180).reply(status));
        check::accepted(&stage.alice.referred(&format!("<{target}>")));
        expect_outcome(stage.alice.ua(), stage.alice.call_id(), status);
        stage.scene.invite_for(&target);
        stage.scene.targets.expect("ACK");
    }
    stage
        .scene
        .target(Script::on("INVITE").to("silent").reply(180));
    check::accepted(&stage.alice.referred("<sip:silent@home1.test>"));
    stage.scene.invite_for("sip:silent@home1.test");
    stage.scene.targets.expect("CANCEL");
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    let status = expect_end(stage.alice.ua(), stage.alice.call_id()).status;
    assert!([408, 487].contains(&status), "{status}");
    stage.scene.targets.expect_none("INVITE", QUIET);
}

fn row_54(t: Transport) {
    let mut stage = stage(t);
    let elsewhere = format!("<sip:elsewhere@{}>", stage.scene.targets.local());
    stage
        .scene
        .target(Script::on("INVITE").reply_with(302, &[("Contact", &elsewhere)]));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 302);
    stage.scene.invite_for(CAROL);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

fn row_57(t: Transport) {
    for place in PLACES {
        let mut stage = stage(t);
        stage.alice.ua().script(Script::on("NOTIFY").reply(481));
        let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
        check::accepted(&stage.alice.send(&refer).answer());
        expect_trying(stage.alice.ua(), refer.call_id());
        let invite = stage.scene.invite_for(CAROL);
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(stage.scene.targets.count("CANCEL"), 0);
        check::accepted(&stage.alice.dialog.bye());
        check::accepted(&stage.bob.dialog.bye());
    }
}

fn row_60(t: Transport) {
    let mut stage = stage(t);
    let rows = [
        (None, ALICE),
        (Some(ALICE), ALICE),
        (Some("sip:boss@home1.test"), ALICE),
    ];
    for (n, (given, wanted)) in rows.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let mut refer = stage.alice.refer(&format!("<{target}>"));
        if let Some(given) = given {
            refer = refer.with("Referred-By", format!("<{given}>"));
        }
        check::accepted(&stage.alice.send(&refer).answer());
        let invite = stage.scene.invite_for(&target);
        assert_eq!(uri_of(invite.msg.need("Referred-By")), wanted, "{given:?}");
    }
}

fn row_61(t: Transport) {
    plain(t, Outcome::Refused(400), |r| {
        r.and("Referred-By", format!("<{ALICE}>"))
            .and("Referred-By", format!("<{ALICE}>"))
    });
}

fn row_62(t: Transport) {
    let mut stage = stage(t);
    let embedded = "Route=%3Csip%3Aevil.test%3E&From=%3Csip%3Aevil%40evil.test%3E";
    check::accepted(
        &stage
            .alice
            .referred(&format!("<{CAROL};method=INVITE?{embedded}>")),
    );
    let invite = stage.scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["evil"]);
}

fn row_63(t: Transport) {
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

fn row_64(t: Transport) {
    // Connected and pending count together, so it is the last one connected whose leaving ends it.
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(180));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    stage.scene.invite_for(CAROL);
    check::accepted(&stage.alice.dialog.bye());
    check::accepted(&stage.bob.dialog.bye());
    stage.scene.targets.expect("CANCEL");
    expect_final(stage.alice.ua(), stage.alice.call_id(), 487);
    // And the one who is left when nobody rings gets a BYE that says so.
    let group = Group::open("s", &[ALICE, BOB]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| stage.scene.participant(who, &group));
    check::accepted(&alice.dialog.bye());
    let bye = bob
        .dialog
        .find("BYE", Duration::from_secs(5))
        .expect("a BYE");
    assert_eq!(
        bye.msg.need("Reason").replace(' ', ""),
        "SIP;cause=410;text=\"Gone\""
    );
}

fn row_65(t: Transport) {
    let mut stage = stage(t);
    stage.alice.dialog.cseq = 90;
    check::accepted(&stage.alice.referred("<sip:first@home1.test>"));
    stage.scene.invite_for("sip:first@home1.test");
    stage.alice.dialog.cseq = 50;
    check::refused(&stage.alice.referred(&format!("<{CAROL}>")), 500, None);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

fn row_66(t: Transport) {
    let mut stage = stage(t);
    let body = stage.alice.invite.body.clone();
    let invite = stage
        .alice
        .dialog
        .request("INVITE")
        .with("Require", "recipient-list-invite");
    let sent = stage.alice.send(&invite.body("application/sdp", body));
    let answer = sent.answer();
    check::refused(&answer, 420, None);
    assert_eq!(
        answer.list("Unsupported"),
        ["recipient-list-invite"],
        "{answer}"
    );
    stage.alice.ua().send_raw(
        stage.scene.server.addr(),
        t,
        &sent.msg.ack_to_failure(&answer).to_bytes(),
    );
    check::accepted(&stage.alice.dialog.bye());
}
