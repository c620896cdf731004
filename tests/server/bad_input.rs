//! Requests that have to be refused, against the real server: each with its own answer, and nothing leaves.
//! It is not about hostile bytes: see `robustness.rs`.

use crate::kit::{check, Group, Leg, Msg, Place, Scene, Transport, PLACES, QUIET, SOON};

const CAROL: &str = "sip:carol@home1.test";
const ALICE: &str = "sip:alice@home1.test";

fn group() -> Group {
    Group::open("s", &[ALICE])
}

fn with_alice() -> (Scene, Leg) {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    (scene, alice)
}

/// Sends what `spoil` makes of a good REFER, in a dialog and outside one; then a good one still works.
fn refused_everywhere(status: u16, spoil: impl Fn(Msg) -> Msg) {
    let (scene, mut alice) = with_alice();
    for place in PLACES {
        let refer = spoil(alice.refer_at(place, &format!("<{CAROL};method=INVITE>")));
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), status, "{place:?}:\n{refer}\n{answer}");
        if status == 400 {
            assert_ne!(
                answer.reason(),
                "Bad Request",
                "it says what was wrong: {answer}"
            );
        }
    }
    scene.nobody_invited();
    alice.ua().expect_none("NOTIFY", QUIET);
    check::accepted(&alice.referred("<sip:dave@home1.test>"));
    scene.invite_for("sip:dave@home1.test");
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
    let (scene, mut alice) = with_alice();
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
    let (scene, mut alice) = with_alice();
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
    let (scene, mut alice) = with_alice();
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
    let (scene, mut alice) = with_alice();
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

#[test]
fn a_required_extension_that_is_unknown() {
    let (scene, mut alice) = with_alice();
    let rows: [(&[&str], &[&str]); 5] = [
        (&["foo"], &["foo"]),
        (&["norefersub, foo"], &["foo"]),
        (&["norefersub,foo", "BAR"], &["foo", "bar"]),
        (&["NoReferSub", "foo ,, norefersub"], &["foo"]),
        (&["recipient-list-invite"], &["recipient-list-invite"]),
    ];
    for (lines, wanted) in rows {
        for place in PLACES {
            let refer = alice.refer_at(place, &format!("<{CAROL}>"));
            let refer = lines
                .iter()
                .fold(refer, |refer, line| refer.and("Require", line));
            unsupported(&alice.send(&refer).answer(), wanted);
        }
    }
    let bob = scene.ua("sip:bob@home1.test");
    let invite = scene
        .invite(&bob, &group().uri)
        .with("Require", "foo, 100foo");
    unsupported(&scene.send(&bob, &invite).answer(), &["foo", "100foo"]);
    scene.nobody_invited();
}

fn unsupported(answer: &Msg, wanted: &[&str]) {
    check::refused(answer, 420, None);
    let mut tags: Vec<String> = answer
        .list("Unsupported")
        .iter()
        .map(|t| t.to_ascii_lowercase())
        .collect();
    tags.sort();
    let mut wanted = wanted.to_vec();
    wanted.sort();
    assert_eq!(tags, wanted, "only the unknown ones: {answer}");
}

#[test]
fn two_referred_by() {
    refused_everywhere(400, |refer| {
        refer
            .and("Referred-By", format!("<{ALICE}>"))
            .and("b", format!("<{ALICE}>"))
    });
}

#[test]
fn a_refer_sub_that_is_neither_true_nor_false() {
    refused_everywhere(400, |refer| refer.with("Refer-Sub", "perhaps"));
}

#[test]
fn two_refer_sub() {
    refused_everywhere(400, |refer| {
        refer.and("Refer-Sub", "false").and("Refer-Sub", "true")
    });
}

#[test]
fn a_cseq_of_another_method() {
    let (scene, mut alice) = with_alice();
    for place in PLACES {
        let refer = alice.refer_at(place, &format!("<{CAROL}>"));
        let spoilt = refer
            .clone()
            .with("CSeq", format!("{} INVITE", refer.cseq()));
        let sent = alice.send(&spoilt);
        let answer = alice.ua().inbox().take(SOON, |i| {
            i.msg.status() >= 200 && i.msg.branch().as_deref() == Some(&sent.branch)
        });
        check::refused(&answer.expect("an answer").msg, 400, None);
    }
    scene.nobody_invited();
}

#[test]
fn no_contact_although_there_is_something_to_notify() {
    let (scene, alice) = with_alice();
    let refer = alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact");
    check::refused(&alice.send(&refer).answer(), 400, None);
    scene.nobody_invited();
    let quiet = alice
        .refer_outside(&format!("<{CAROL}>"))
        .without("Contact")
        .with("Refer-Sub", "false");
    check::accepted(&alice.send(&quiet).answer());
    scene.invite_for(CAROL);
}

#[test]
fn a_content_length_larger_than_the_datagram() {
    let (scene, alice) = with_alice();
    let refer = alice
        .refer_outside(&format!("<{CAROL}>"))
        .with("Content-Length", "500");
    let answer = alice.send(&refer).answer_within(SOON);
    // The host may drop it before the module sees it; whatever it does, nothing comes of it.
    if let Some(answer) = answer {
        check::refused(&answer, 400, None);
    }
    scene.nobody_invited();
}

#[test]
fn headers_that_do_not_end_are_the_sender_s_fault_and_no_lack_of_memory() {
    let (scene, alice) = with_alice();
    let via = alice.ua().via(Transport::Udp);
    let refer = alice.refer_outside(&format!("<{CAROL}>")).with("Via", &via);
    let bytes = refer.to_bytes();
    let cut = bytes.strip_suffix(b"\r\n").expect("an empty line");
    alice
        .ua()
        .send_raw(scene.server.addr(), Transport::Udp, cut);
    let answer = alice.ua().inbox().take(SOON, |i| {
        i.msg.status() >= 200 && i.msg.branch() == refer.branch()
    });
    check::refused(&answer.expect("an answer").msg, 400, None);
    assert!(!scene.server.log_text().contains("shared memory is full"));
    scene.nobody_invited();
}

#[test]
fn an_unknown_focus_a_silent_group_and_the_factory() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let refer = |uri: &str| {
        alice
            .request("REFER", uri)
            .with("Refer-To", format!("<{CAROL}>"))
    };
    let unknown = scene
        .send(
            &alice,
            &refer("sip:0123456789abcdef0123456789abcdef@conf.home1.test"),
        )
        .answer();
    check::refused(&unknown, 404, None);
    let silent = scene.send(&alice, &refer(&group().uri)).answer();
    check::refused(&silent, 404, Some("123 Session does not exist"));
    let factory = scene
        .send(&alice, &refer("sip:conference-factory@conf.home1.test"))
        .answer();
    check::refused(&factory, 404, None);
    let foreign = scene
        .send(&alice, &refer("sip:somebody@elsewhere.test"))
        .answer();
    check::refused(&foreign, 404, None);
    let joined = scene
        .send(&alice, &scene.invite(&alice, "sip:unknown@conf.home1.test"))
        .answer();
    check::refused(&joined, 404, None);
    scene.nobody_invited();
}

#[test]
fn a_group_uri_is_an_alias_of_its_live_session() {
    let (scene, alice) = with_alice();
    let host = scene.server.addr();
    let token = crate::kit::serve::user_of(&alice.focus).to_string();
    let uris = [
        group().uri,
        format!("sip:{token}@conf.home1.test"),
        format!("sip:{token}@CONF.home1.test;transport=udp"),
        format!("sip:{token}@{host}"),
        alice.focus.clone(),
    ];
    for (n, uri) in uris.iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice
            .ua()
            .request("REFER", uri)
            .with("Refer-To", format!("<{target}>"));
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), 200, "{uri}: {answer}");
        scene.invite_for(&target);
    }
}

#[test]
fn the_order_of_the_checks_is_that_of_the_specification() {
    // Of two faults the one that comes first in requirements.md section 1.0 is answered.
    let (scene, mut alice) = with_alice();
    type Row = (&'static str, u16, fn(Msg) -> Msg);
    let rows: [Row; 4] = [
        ("unknown Require before a missing Refer-To", 420, |r| {
            r.with("Require", "foo").without("Refer-To")
        }),
        ("a missing Refer-To before a strange identity", 400, |r| {
            r.without("Refer-To")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
        ("a wrong method before a strange identity", 488, |r| {
            r.with("Refer-To", "<sip:x@y.test;method=MESSAGE>")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
        ("the identity before its privacy", 403, |r| {
            r.with("Privacy", "id")
                .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>")
        }),
    ];
    for (what, status, spoil) in rows {
        let refer = spoil(alice.refer_at(Place::OutOfDialog, &format!("<{CAROL}>")));
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), status, "{what}: {answer}");
        if what.contains("privacy") {
            assert!(!check::warning(&answer).contains("119"), "{what}: {answer}");
        }
    }
    let gone = alice
        .ua()
        .request("REFER", "sip:nobody@conf.home1.test")
        .with("Require", "foo");
    check::refused(&alice.send(&gone).answer(), 404, None);
    scene.nobody_invited();
}

#[test]
fn a_method_nobody_knows() {
    let (_scene, mut alice) = with_alice();
    for method in ["INFO", "MESSAGE", "PUBLISH", "XYZZY"] {
        let outside = alice.ua().request(method, &alice.focus.clone());
        let answer = alice.send(&outside).answer();
        // INFO belongs into a dialog, so that there is none is an answer too.
        let known = answer.status() == 481 && method == "INFO";
        assert!(
            known || [404, 405, 501].contains(&answer.status()),
            "{answer}"
        );
        let inside = alice.dialog.request(method);
        let answer = alice.send(&inside).answer();
        assert!([405, 501].contains(&answer.status()), "{answer}");
        assert!(
            answer.status() != 405 || answer.has_token("Allow", "REFER"),
            "{answer}"
        );
    }
}
