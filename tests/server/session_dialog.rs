//! One participant's INVITE dialog: repeated, cancelled, changed, wrong.

use crate::kit::groups::all_actions;
use crate::kit::sip::uri_of;
use crate::kit::{
    check, serve, Group, Leg, Rule, Scene, Setup, Transport, Ua, ALICE, BOB, CAROL, QUIET, SOON,
};
use std::time::Duration;

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

#[test]
fn a_refused_invite_can_be_repeated_and_acknowledged() {
    let narrow = Group::new(
        "sip:narrow@groups.home1.test",
        &[ALICE],
        &[all_actions(Rule::members())],
    );
    let scene = Scene::new([&narrow]);
    let zoe = scene.ua("sip:zoe@elsewhere.test");
    let invite = scene.invite(&zoe, &narrow.uri);
    let sent = scene.send(&zoe, &invite);
    let first = sent.answer();
    sent.resend();
    assert_eq!(sent.answer().status(), first.status());
    let ack = sent.msg.ack_to_failure(&first);
    zoe.send_raw(scene.server.addr(), Transport::Udp, &ack.to_bytes());
    let more = sent.response(Duration::from_secs(2), |s| s >= 200);
    assert!(
        more.is_none(),
        "the refusal repeats itself although acknowledged"
    );
}

/// A refusal is repeated until its ACK comes, or for tm's wt_timer of 5 s: after 0.5, 1 and 2 s more
/// (RFC 3261 section 17.2.1, timer G). A peer that never acknowledges, or was never there, gets no more.
#[test]
fn a_refusal_that_nobody_acknowledges_is_sent_four_times_at_most() {
    let scene = Scene::with(
        Setup::new([group()]).env("CPM_TRUSTED", "127.0.0.1"),
        Transport::Udp,
    );
    let refusals = |ua: &Ua| {
        let all = ua.inbox().all();
        all.iter().filter(|i| i.msg.status() >= 400).count()
    };
    let trusted = scene.ua("sip:zoe@elsewhere.test");
    let stranger = Ua::on("127.0.0.2", ALICE, Transport::Udp);
    let over_tcp = Ua::new("sip:zoe@elsewhere.test", Transport::Tcp);
    for ua in [&trusted, &stranger, &over_tcp] {
        let invite = scene.invite(ua, "sip:nobody@conf.home1.test");
        assert!(scene.send(ua, &invite).answer().status() >= 400);
    }
    std::thread::sleep(Duration::from_secs(8));
    let sent = refusals(&trusted);
    assert!((2..=4).contains(&sent), "{sent} refusals to a trusted peer");
    // Nothing of its INVITE is kept, and TCP loses nothing.
    assert_eq!(refusals(&stranger), 1, "to a stranger");
    assert_eq!(refusals(&over_tcp), 1, "over TCP");
}

#[test]
fn a_cancelled_join_leaves_nothing() {
    // The focus answers an INVITE at once, so a CANCEL comes too late. It is answered all the same.
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let sent = scene.send(&alice, &scene.invite(&alice, &group().uri));
    let answer = sent.answer();
    check::accepted(&answer);
    let cancelled = scene.send(&alice, &sent.msg.cancel()).answer();
    assert!([200, 481].contains(&cancelled.status()), "{cancelled}");
    let mut leg = Leg::made(&sent, answer);
    leg.dialog.ack(1);
    check::accepted(&leg.dialog.bye());
}

#[test]
fn a_cancel_of_nothing_gets_481() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    let stray = scene
        .invite(alice.ua(), &group().uri)
        .with("Via", alice.ua().via(Transport::Udp));
    check::refused(&scene.send(alice.ua(), &stray.cancel()).answer(), 481, None);
}

#[test]
fn a_repeated_invite_gets_the_identical_answer_and_one_place() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let sent = scene.send(&alice, &scene.invite(&alice, &group().uri));
    let first = sent.response(SOON, |s| s == 200).expect("an answer");
    sent.resend();
    let again = sent.response(SOON, |s| s == 200).expect("the answer again");
    assert_eq!(again.raw, first.raw);
    let mut leg = Leg::made(&sent, first.msg.clone());
    leg.dialog.ack(1);
    leg.dialog.ack(1);
    check::accepted(&leg.dialog.bye());
    assert!(
        !scene
            .server
            .rpc_ok(&["cpm.list"])
            .contains(serve::user_of(&leg.focus)),
        "the session is over"
    );
}

#[test]
fn an_unacknowledged_200_is_repeated() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let sent = scene.send(&alice, &scene.invite(&alice, &group().uri));
    let first = sent.response(SOON, |s| s == 200).expect("an answer");
    let again = sent
        .response(SOON, |s| s == 200)
        .expect("repeated without being asked (RFC 3261 section 13.3.1.4)");
    assert_eq!(again.raw, first.raw);
    Leg::made(&sent, first.msg.clone()).dialog.ack(1);
    let mut more = 0;
    while sent
        .response(Duration::from_secs(5), |s| s == 200)
        .is_some()
    {
        more += 1;
        assert!(more < 2, "still repeated although acknowledged");
    }
}

#[test]
fn slow_a_join_that_is_never_acknowledged_ends_with_bye() {
    let scene = Scene::new([group()]);
    let bob = scene.participant(BOB, &group());
    let alice = scene.ua(ALICE);
    let sent = scene.send(&alice, &scene.invite(&alice, &group().uri));
    let answer = sent.answer();
    check::accepted(&answer);
    let leg = Leg::made(&sent, answer);
    // 64*T1 (RFC 3261 section 13.3.1.4).
    let bye = leg
        .dialog
        .find("BYE", Duration::from_secs(45))
        .expect("a BYE for want of an ACK");
    let after = bye.at.elapsed();
    assert!(after < Duration::from_secs(45));
    bob.ua().expect_none("INVITE", QUIET);
    let shown = scene
        .server
        .rpc(&["cpm.show", &leg.focus])
        .unwrap_or_default();
    assert!(!shown.contains(ALICE), "she is no participant:\n{shown}");
}

#[test]
fn a_re_invite_is_answered_with_the_same_session() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let offer = String::from_utf8_lossy(&alice.invite.body).replace("4711 1 IN", "4711 2 IN");
    let contact = format!("<sip:moved@{}>", alice.ua().local());
    let (sent, answer) = alice.re_invite(|invite| {
        invite
            .with("Contact", &contact)
            .body("application/sdp", &offer)
    });
    check::accepted(&answer);
    alice.dialog.ack(sent.msg.cseq());
    assert_eq!(answer.tag_to(), alice.dialog.remote_tag());
    check::focus_contact(&answer);
    let (before, after) = (alice.answer.body_text(), answer.body_text());
    assert_eq!(
        check::msrp_session(&after),
        check::msrp_session(&before),
        "the same leg"
    );
    let origin = |sdp: &str| -> Vec<String> {
        let line = sdp
            .lines()
            .find(|l| l.starts_with("o="))
            .expect("an origin")
            .to_string();
        line.split(' ').take(2).map(str::to_string).collect()
    };
    assert_eq!(
        origin(&after),
        origin(&before),
        "the same origin session (RFC 3264 section 8)"
    );
    // A re-INVITE is a target refresh: what is sent to her goes to the new Contact.
    let mut bob = scene.participant(BOB, &group());
    check::accepted(&bob.dialog.bye());
    let bye = alice.dialog.expect("BYE");
    assert!(
        bye.msg.request_uri().starts_with("sip:moved@"),
        "{}",
        bye.msg
    );
}

#[test]
fn a_re_invite_that_cannot_be_served_leaves_the_session_as_it_was() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let audio = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
    let (sent, answer) = alice.re_invite(|invite| invite.body("application/sdp", audio));
    check::refused(&answer, 488, None);
    alice.ua().send_raw(
        scene.server.addr(),
        Transport::Udp,
        &sent.msg.ack_to_failure(&answer).to_bytes(),
    );
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
}

#[test]
fn a_second_re_invite_before_the_ack_of_the_first_is_refused_or_served_in_order() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let offer = alice.invite.body.clone();
    let (_, answer) = alice.re_invite(|invite| invite.body("application/sdp", &offer));
    check::accepted(&answer);
    let second = alice
        .dialog
        .request("INVITE")
        .body("application/sdp", &offer);
    let answer = alice.send(&second).answer();
    // 500 with Retry-After or 491 while the first is going on (RFC 3261 section 14.2), or 200.
    assert!([200, 491, 500].contains(&answer.status()), "{answer}");
    assert!(
        answer.status() != 500 || answer.header("Retry-After").is_some(),
        "{answer}"
    );
}

#[test]
fn what_is_sent_into_an_unknown_dialog_gets_481() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    for method in ["INVITE", "BYE", "REFER", "NOTIFY", "UPDATE"] {
        for wrong in ["To", "From", "Call-ID"] {
            let mut dialog = alice.dialog.clone();
            let request = dialog
                .request(method)
                .with("Refer-To", format!("<{CAROL}>"));
            let value = match wrong {
                "Call-ID" => "unknown@nowhere.invalid".to_string(),
                name => format!("<{}>;tag=wrong", uri_of(request.need(name))),
            };
            let answer = alice.send(&request.with(wrong, value)).answer();
            check::refused(&answer, 481, None);
        }
    }
    let mut dialog = alice.dialog.clone();
    let ack = dialog
        .request("ACK")
        .with("To", format!("<{}>;tag=wrong", dialog.remote_uri()));
    let dropped = alice.send(&ack).response(QUIET, |_| true);
    assert!(dropped.is_none(), "an ACK is never answered");
    scene.nobody_invited();
}

#[test]
fn a_number_below_the_last_one_gets_500() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    alice.dialog.cseq = 100;
    check::accepted(&alice.referred("<sip:first@home1.test>"));
    scene.invite_for("sip:first@home1.test");
    for method in ["REFER", "BYE", "INVITE"] {
        alice.dialog.cseq = 50;
        let old = alice
            .dialog
            .request(method)
            .with("Refer-To", format!("<{CAROL}>"));
        check::refused(&alice.send(&old).answer(), 500, None);
    }
    scene.targets.expect_none("INVITE", QUIET);
    alice.dialog.cseq = 200;
    check::accepted(&alice.dialog.bye());
}
