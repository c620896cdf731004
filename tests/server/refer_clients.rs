//! The forms of REFER that deployed clients send (requirements.md section 11): accepted and counted, refused with `strict`.

use crate::kit::adhoc::FACTORY;
use crate::kit::lists::{list_to, with_list};
use crate::kit::refer::{expect_outcome, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, pair, Leg, Msg, Scene, Script, Transport, ALICE, CAROL, DAVE, PLACES, QUIET, SOON,
};
use std::time::{Duration, Instant};

/// One form of a REFER for `sip:+358401112222@home1.test` or whatever it names.
struct Form {
    what: &'static str,
    make: fn(Msg, &Leg) -> Msg,
    /// The Request-URIs of the INVITEs.
    invited: &'static [&'static str],
    /// Statistics that count it, each by one.
    quirks: &'static [&'static str],
    /// What the Warning of `strict` names; none where no rule is broken.
    rule: Option<&'static str>,
}

const FORMS: &[Form] = &[
    Form {
        what: "RCS reference client, one sip URI, user outside",
        make: |refer, _| refer.with("Refer-To", "<sip:+358401112222@home1.test>;user=phone"),
        invited: &["sip:+358401112222@home1.test;user=phone"],
        quirks: &["user_outside_brackets"],
        rule: Some("RFC 3261"),
    },
    Form {
        what: "RCS reference client, one tel URI",
        make: |refer, _| {
            refer
                .with("Refer-To", "<tel:+358401112222>")
                .with("P-Preferred-Identity", "<sip:xyzzy@home1.test>")
                .with("Contribution-ID", "another")
                .with("Subject", "Picnic")
        },
        invited: &["tel:+358401112222"],
        quirks: &[],
        rule: None,
    },
    Form {
        what: "RCS reference client, several",
        make: |refer, _| {
            with_list(refer, list_to(&[CAROL, "tel:+358401112222"]))
                .with("Require", "multiple-refer,norefersub")
                .with("Refer-To", "<cid:Id_1700000000000@home1.test>")
                .with("Content-ID", "<Id_1700000000000@home1.test>")
        },
        invited: &[CAROL, "tel:+358401112222"],
        quirks: &[],
        rule: None,
    },
    Form {
        what: "a list without Require",
        make: |refer, _| with_list(refer, list_to(&[CAROL])),
        invited: &[CAROL],
        quirks: &["list_without_require"],
        rule: Some("RFC 5368"),
    },
    Form {
        what: "Content-ID in its brackets inside the cid URL",
        make: |refer, _| {
            with_list(refer, list_to(&[CAROL]))
                .with("Require", "multiple-refer")
                .with("Refer-To", "<cid:%3Clist@home1.test%3E>")
        },
        invited: &[CAROL],
        quirks: &["brackets_in_cid"],
        rule: Some("RFC 2392"),
    },
    Form {
        what: "desktop client, ;text",
        make: |refer, _| refer.with("Refer-To", "<sip:carol@home1.test>;text"),
        invited: &[CAROL],
        quirks: &["unknown_parameter"],
        rule: None,
    },
    Form {
        what: "desktop client, ;isfocus",
        make: |refer, _| refer.with("Refer-To", "<sip:carol@home1.test>;isfocus"),
        invited: &[CAROL],
        quirks: &["unknown_parameter"],
        rule: None,
    },
    Form {
        what: "desktop client, method as header parameter",
        make: |refer, _| refer.with("Refer-To", "<sip:carol@home1.test>;method=INVITE"),
        invited: &[CAROL],
        quirks: &["method_outside_brackets"],
        rule: Some("method must be a URI parameter"),
    },
    Form {
        what: "desktop client, Referred-By without brackets",
        make: |refer, _| {
            refer
                .with("Refer-To", "<sip:carol@home1.test>")
                .with("Referred-By", ALICE)
        },
        invited: &[CAROL],
        quirks: &[],
        rule: None,
    },
    Form {
        what: "softphone, unbracketed with a method",
        make: |refer, _| refer.with("Refer-To", "sip:carol@home1.test;method=INVITE"),
        invited: &[CAROL],
        quirks: &["unbracketed"],
        rule: Some("RFC 8217"),
    },
    Form {
        what: "method as embedded header",
        make: |refer, _| refer.with("Refer-To", "<sip:carol@home1.test?method=INVITE>"),
        invited: &[CAROL],
        quirks: &["method_as_header"],
        rule: Some("embedded header"),
    },
    Form {
        what: "phone with operator conferencing, the factory",
        make: |refer, _| phone(refer, &format!("<{FACTORY};method=INVITE>")),
        invited: &[CAROL, DAVE],
        quirks: &[
            "copy_control_namespace",
            "list_without_cid",
            "list_without_require",
        ],
        rule: Some("RFC 5368"),
    },
    Form {
        what: "phone with operator conferencing, the focus",
        make: |refer, alice| phone(refer, &format!("<{};method=INVITE>", alice.focus)),
        invited: &[CAROL, DAVE],
        quirks: &[
            "copy_control_namespace",
            "list_without_cid",
            "list_without_require",
        ],
        rule: Some("RFC 5368"),
    },
];

/// A recipient list without a Content-ID, copyControl spelt with a capital.
fn phone(refer: Msg, refer_to: &str) -> Msg {
    let xml = list_to(&[CAROL, DAVE]).replace("ns:copycontrol", "ns:copyControl");
    refer
        .with("Refer-To", refer_to)
        .with("Content-Disposition", "recipient-list")
        .body("application/resource-lists+xml", xml)
}

/// How often each quirk has been met.
fn quirks(scene: &Scene) -> Vec<(String, i64)> {
    let all = scene.server.rpc_ok(&["cnt.grp_get_all", "cpm"]);
    let parse = |line: &str| {
        let (name, value) = line.split_once([':', '='])?;
        let name = name
            .trim()
            .trim_start_matches("cpm.")
            .strip_prefix("quirk_")?;
        Some((name.to_string(), value.trim().parse().ok()?))
    };
    let found: Vec<_> = all.lines().filter_map(parse).collect();
    assert!(found.len() >= 8, "{all}");
    found
}

/// The counters that have grown, and by how much.
fn counted(before: &[(String, i64)], after: &[(String, i64)]) -> Vec<(String, i64)> {
    let grown = |(before, after): (&(String, i64), &(String, i64))| {
        (before.1 != after.1).then(|| (after.0.clone(), after.1 - before.1))
    };
    before.iter().zip(after).filter_map(grown).collect()
}

/// Waits until every target of the last form has answered.
fn nobody_is_being_invited(scene: &Scene) {
    let show = || {
        scene
            .server
            .rpc_ok(&["cpm.show", "sip:s@groups.home1.test"])
    };
    let deadline = Instant::now() + SOON;
    while !show().contains("pending: 0") {
        assert!(Instant::now() < deadline, "{}", show());
    }
}

over_udp_and_tcp! { every_form_is_accepted_and_counted }

fn every_form_is_accepted_and_counted(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    // Nobody stays, so that each form meets the same session.
    scene.target(Script::on("INVITE").reply(603));
    for form in FORMS {
        let mut wanted: Vec<_> = form
            .quirks
            .iter()
            .map(|name| (name.to_string(), 1))
            .collect();
        wanted.sort();
        for place in PLACES {
            let before = quirks(&scene);
            let refer = (form.make)(alice.refer_at(place, ""), &alice).with("Refer-Sub", "false");
            let answer = alice.send(&refer).answer();
            assert_eq!(answer.status(), 200, "{}\n{refer}\n{answer}", form.what);
            for uri in form.invited {
                let invite = scene.invite_for(uri);
                assert_eq!(uri_of(invite.msg.need("To")), *uri, "{}", form.what);
            }
            nobody_is_being_invited(&scene);
            let mut grown = counted(&before, &quirks(&scene));
            grown.sort();
            assert_eq!(grown, wanted, "{}", form.what);
        }
    }
    scene.targets.expect_none("INVITE", QUIET);
    alice.ua().expect_none("NOTIFY", QUIET);
}

over_udp_and_tcp! { strict_refuses_what_breaks_a_rule }

fn strict_refuses_what_breaks_a_rule(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup.param_int("strict", 1));
    scene.target(Script::on("INVITE").reply(603));
    for form in FORMS {
        let refer = (form.make)(alice.refer(""), &alice).with("Refer-Sub", "false");
        let answer = alice.send(&refer).answer();
        match form.rule {
            Some(rule) => {
                assert_eq!(answer.status(), 400, "{}\n{refer}\n{answer}", form.what);
                assert!(
                    check::warning(&answer).contains(rule),
                    "{}\n{answer}",
                    form.what
                );
                scene
                    .targets
                    .expect_none("INVITE", Duration::from_millis(50));
            }
            None => {
                assert_eq!(answer.status(), 200, "{}\n{refer}\n{answer}", form.what);
                form.invited
                    .iter()
                    .for_each(|uri| drop(scene.invite_for(uri)));
                nobody_is_being_invited(&scene);
            }
        }
    }
}

#[test]
fn two_refers_of_one_action_may_share_call_id_and_number() {
    let (scene, alice, _bob) = pair(Transport::Udp, |setup| setup);
    let first = alice.refer_outside(&format!("<{CAROL}>"));
    let second = first
        .clone()
        .with("From", format!("<{ALICE}>;tag=another"))
        .with("Refer-To", "<sip:dave@home1.test>");
    let sent = [&first, &second].map(|refer| alice.send(refer));
    let tags = sent.map(|pending| {
        let answer = pending.answer();
        check::accepted(&answer);
        answer.tag_to()
    });
    assert_ne!(tags[0], tags[1], "two dialogs");
    for uri in [CAROL, DAVE] {
        scene.invite_for(uri);
    }
    for refer in [&first, &second] {
        let mine = |m: &Msg| m.tag_to() == refer.tag_from() && m.call_id() == refer.call_id();
        alice.ua().expect_where("NOTIFY", "each told", mine);
    }
}

#[test]
fn the_same_invitation_over_another_route_invites_once() {
    let (scene, alice, _bob) = pair(Transport::Udp, |setup| setup);
    let first = alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&first).answer());
    // The retry has another Call-ID. The merged one is the first by another branch (RFC 3261 section 8.2.2.2).
    let retry = alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&retry).answer());
    let merged = alice.send(&first).answer();
    assert_eq!(merged.status(), 482, "{merged}");
    let invite = scene.invite_for(CAROL);
    scene.targets.expect_none("INVITE", QUIET);
    scene.targets.reply(&invite, 486, &[]);
    for refer in [&first, &retry] {
        expect_outcome(alice.ua(), refer.call_id(), 486);
    }
}

#[test]
fn no_content_length_over_udp_is_fine() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let refer = alice.refer(&format!("<{CAROL}>"));
    let via = alice.ua().via(Transport::Udp);
    let bytes = refer.with("Via", via).to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let without: String = text
        .split_inclusive("\r\n")
        .filter(|line| !line.to_ascii_lowercase().starts_with("content-length"))
        .collect();
    assert_ne!(text, without);
    alice
        .ua()
        .send_raw(scene.server.addr(), Transport::Udp, without.as_bytes());
    scene.invite_for(CAROL);
    expect_trying(alice.ua(), alice.call_id());
}
