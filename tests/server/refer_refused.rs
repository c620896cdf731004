//! A REFER that has to be refused whomever it is for: each fault with its own answer, and nothing leaves.

use crate::kit::{
    check, with_alice, Group, Msg, Transport, ALICE, BOB, CAROL, DAVE, PLACES, QUIET, SOON,
};

fn group() -> Group {
    Group::open("s", &[ALICE])
}

/// Sends what `spoil` makes of a good REFER, in a dialog and outside one; then a good one still works.
fn refused_everywhere(status: u16, spoil: impl Fn(Msg) -> Msg) {
    let (scene, mut alice) = with_alice(|setup| setup);
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
    scene.invite_for(DAVE);
}

#[test]
fn a_required_extension_that_is_unknown() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let rows: [(&[&str], &[&str]); 3] = [
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
    let bob = scene.ua(BOB);
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
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn headers_that_do_not_end_are_the_sender_s_fault_and_no_lack_of_memory() {
    let (scene, alice) = with_alice(|setup| setup);
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
fn a_method_nobody_knows() {
    let (_scene, mut alice) = with_alice(|setup| setup);
    for method in ["INFO", "MESSAGE", "PUBLISH", "XYZZY"] {
        let outside = alice.ua().request(method, &alice.focus.clone());
        let answer = alice.send(&outside).answer();
        // INFO belongs into a dialog, so 481 is right as well.
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
