//! Offer and answer in legs that are up: hold, UPDATE, offers of ours, glare, TLS.

use crate::kit::{
    check, serve, Dialog, Group, Leg, Msg, Scene, Setup, Transport, ALICE, BOB, CAROL, DAVE, QUIET,
};
use std::time::Duration;

const AUDIO: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0\r\n";

fn group() -> Group {
    Group::open("s", &[ALICE, BOB, CAROL])
}

/// Her first offer with another direction.
fn offer(leg: &Leg, direction: &str) -> String {
    leg.invite
        .body_text()
        .replace("a=sendrecv", &format!("a={direction}"))
}

fn update(leg: &mut Leg, body: Option<&str>) -> Msg {
    let request = leg.dialog.request("UPDATE");
    let request = match body {
        Some(body) => request.body("application/sdp", body),
        None => request,
    };
    leg.send(&request).answer()
}

fn version(sdp: &str) -> u64 {
    let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("o=");
    let version = origin.split(' ').nth(2).and_then(|text| text.parse().ok());
    version.expect("a version")
}

#[test]
fn hold_and_resume_by_re_invite_and_by_update() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let mut last = version(&alice.answer.body_text());
    for (offered, answered) in [
        ("sendonly", "recvonly"),
        ("inactive", "inactive"),
        ("sendrecv", "sendrecv"),
    ] {
        let sdp = offer(&alice, offered);
        let (sent, answer) = alice.re_invite(|invite| invite.body("application/sdp", &sdp));
        check::accepted(&answer);
        alice.dialog.ack(sent.msg.cseq());
        let text = answer.body_text();
        assert!(text.contains(&format!("a={answered}\r\n")), "{text}");
        assert_eq!(version(&text), last + 1);
        last = version(&text);
        let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
        assert!(shown.contains(&format!("media: {answered}")), "{shown}");
        // The same by UPDATE: nothing changes, so neither does the version.
        let again = update(&mut alice, Some(&sdp));
        check::accepted(&again);
        assert_eq!(again.body_text(), text);
    }
}

#[test]
fn an_update_without_sdp_is_just_accepted() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let answer = update(&mut alice, None);
    check::accepted(&answer);
    check::focus_contact(&answer);
    assert!(answer.body.is_empty(), "{answer}");
    assert_eq!(answer.header("Content-Type"), None);
}

#[test]
fn an_update_is_a_target_refresh() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let mut bob = scene.participant(BOB, &group());
    let contact = format!("<sip:moved@{}>", alice.ua().local());
    let moved = alice.dialog.request("UPDATE").with("Contact", contact);
    check::accepted(&alice.send(&moved).answer());
    check::accepted(&bob.dialog.bye());
    let bye = alice.dialog.expect("BYE");
    assert!(
        bye.msg.request_uri().starts_with("sip:moved@"),
        "{}",
        bye.msg
    );
}

#[test]
fn an_update_that_cannot_be_served_leaves_the_session_as_it_was() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    check::refused(&update(&mut alice, Some(AUDIO)), 488, None);
    check::refused(&update(&mut alice, Some("nonsense")), 400, None);
    let text = alice.dialog.request("UPDATE").body("text/plain", "hello");
    check::refused(&alice.send(&text).answer(), 415, None);
    let strange = alice.dialog.request("UPDATE").with("Require", "foo");
    check::refused(&alice.send(&strange).answer(), 420, None);
    let sdp = offer(&alice, "sendrecv");
    let answer = update(&mut alice, Some(&sdp));
    check::accepted(&answer);
    assert_eq!(answer.body_text(), alice.answer.body_text());
    check::accepted(&alice.dialog.bye());
}

#[test]
fn an_update_outside_a_dialog_finds_none() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let update = alice.request("UPDATE", &group().uri);
    check::refused(&scene.send(&alice, &update).answer(), 481, None);
}

/// A re-INVITE without SDP, answered by an offer of the focus; the ACK carries `answer`.
fn offered(scene: &Scene, leg: &mut Leg, answer: Option<&str>) -> Msg {
    let bare = |invite: Msg| invite.without("Content-Type");
    let (sent, ok) = leg.re_invite(bare);
    check::accepted(&ok);
    let setup = check::sdp_attribute(&ok.body_text(), "setup");
    assert_eq!(setup.as_deref(), Some("actpass"), "{ok}");
    let ack = leg
        .dialog
        .request("ACK")
        .with("CSeq", format!("{} ACK", sent.msg.cseq()));
    let ack = match answer {
        Some(sdp) => ack.body("application/sdp", sdp),
        None => ack,
    };
    leg.ua().send(scene.server.addr(), &ack);
    ok
}

#[test]
fn who_offers_nothing_is_offered_something_and_answers_in_the_ack() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let mut bob = scene.participant(BOB, &group());
    let held = serve::sdp(alice.ua().local(), "active").replace("sendrecv", "sendonly");
    let ok = offered(&scene, &mut alice, Some(&held));
    assert_eq!(
        check::msrp_session(&ok.body_text()),
        check::msrp_session(&alice.answer.body_text())
    );
    // The focus handles the next request of the dialog after the ACK.
    check::accepted(&update(&mut alice, None));
    let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
    assert!(shown.contains("media: recvonly"), "{shown}");
    alice.dialog.expect_none("BYE", QUIET);
    check::accepted(&bob.dialog.bye());
}

#[test]
fn an_answer_in_the_ack_that_cannot_be_used_ends_the_leg() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    let _others = [BOB, CAROL].map(|who| scene.participant(who, &group()));
    offered(&scene, &mut alice, Some(AUDIO));
    let bye = alice.dialog.expect("BYE");
    let reason = bye.msg.need("Reason");
    assert!(reason.starts_with("SIP;cause=488"), "{reason}");
}

#[test]
fn one_offer_at_a_time() {
    let setup = Setup::new([group()])
        .param_int("min_se", 2)
        .param_int("session_expires", 12);
    let scene = Scene::with(setup, Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = scene
        .invite(&ua, &group().uri)
        .with("Allow", "INVITE, ACK, BYE");
    let mut alice = scene.enter(&ua, &invite);
    let pending = alice.dialog.expect("INVITE");
    ua.reply(&pending, 100, &[]);
    let sdp = offer(&alice, "sendonly");
    let hold = alice.dialog.request("INVITE").body("application/sdp", &sdp);
    let sent = alice.send(&hold);
    let answer = sent.answer();
    check::refused(&answer, 491, None);
    alice.send(&sent.msg.ack_to_failure(&answer));
    check::refused(&update(&mut alice, Some(&sdp)), 491, None);
    check::accepted(&update(&mut alice, None));
    // Her offer is served once ours is over.
    ua.reply(&pending, 200, &[]);
    assert!(alice.dialog.has_acks(1));
    let answer = update(&mut alice, Some(&sdp));
    check::accepted(&answer);
    assert!(answer.body_text().contains("a=recvonly"), "{answer}");
    alice.dialog.expect_none("BYE", Duration::from_secs(1));
}

/// No offer has been answered yet, so there is nothing to change. The INVITE goes on.
#[test]
fn an_update_before_the_answer_is_put_off() {
    let scene = Scene::new([group()]);
    let mut alice = scene.participant(ALICE, &group());
    check::accepted(&alice.referred("<sip:dave@home1.test>"));
    let invite = scene.invite_for(DAVE);
    let ringing = scene.targets.reply(&invite, 180, &[]);
    let mut early = Dialog::as_uas(&scene.targets, scene.server.addr(), &invite, &ringing);
    let update = early.request("UPDATE");
    let answer = early.send(&update).answer();
    assert_eq!(answer.status(), 500, "{answer}");
    assert!(answer.header("Retry-After").is_some(), "{answer}");
    // RFC 3311 section 5.2: her offer meets ours.
    let offer = alice.invite.body_text();
    let update = early.request("UPDATE").body("application/sdp", offer);
    check::refused(&early.send(&update).answer(), 491, None);
    scene.targets.reply(&invite, 200, &[]);
    early.expect("ACK");
    let update = early.request("UPDATE");
    check::accepted(&early.send(&update).answer());
}

#[test]
fn the_msrp_switch_is_described_as_configured() {
    let print = format!("sha-256 {}", ["AB"; 32].join(":"));
    let setup = Setup::new([group()])
        .param_str("msrp_uri", "msrps://192.0.2.7:2856")
        .param_str("msrp_fingerprint", &print)
        .param_str("msrp_chatroom", "nickname");
    let scene = Scene::with(setup, Transport::Udp);
    let ua = scene.ua(ALICE);
    let invite = scene.invite(&ua, &group().uri);
    let plain = scene.send(&ua, &invite).answer();
    check::refused(&plain, 488, None);
    let offer = invite
        .body_text()
        .replace("TCP/MSRP", "TCP/TLS/MSRP")
        .replace("msrp://", "msrps://");
    let invite = scene
        .invite(&ua, &group().uri)
        .body("application/sdp", offer);
    let answer = scene.send(&ua, &invite).answer();
    check::accepted(&answer);
    let text = answer.body_text();
    assert!(text.contains("TCP/TLS/MSRP *\r\n"), "{text}");
    assert_eq!(check::sdp_attribute(&text, "fingerprint"), Some(print));
    let room = check::sdp_attribute(&text, "chatroom");
    assert_eq!(room.as_deref(), Some("nickname"));
}
