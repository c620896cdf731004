//! Attacks on what comes back: answers of strangers, stray 2xx, ACKs and numbers that are not the dialog's.

use crate::kit::refer::{expect_final, expect_outcome, expect_trying};
use crate::kit::{
    check, pair, serve, with_alice, Incoming, Msg, Scene, Script, Transport, Ua, CAROL, QUIET, SOON,
};
use std::time::{Duration, Instant};

/// Whom nobody trusts.
const STRANGER: &str = "127.0.0.2";
/// Who is shot at.
const VICTIM: &str = "127.0.0.3";
const HUGE: u32 = 2_147_483_647;

/// A final answer to a request of the server, as somebody else than its receiver writes it.
fn forged(request: &Incoming, status: u16, tag: &str, at: &Ua) -> Msg {
    let to = request.msg.need("To");
    let to = to.split(";tag=").next().unwrap_or(to);
    let answer = request.msg.response(status, "Forged");
    let answer = answer
        .with("To", format!("{to};tag={tag}"))
        .with("Contact", format!("<{}>", at.contact_uri()));
    match request.msg.method() {
        "INVITE" if status / 100 == 2 => {
            answer.body("application/sdp", serve::sdp(at.local(), "passive"))
        }
        _ => answer,
    }
}

fn shoot(from: &Ua, scene: &Scene, answer: &Msg) {
    from.send_raw(scene.server.addr(), Transport::Udp, &answer.to_bytes());
}

/// Waits until a statistic has that value or more.
fn reaches(scene: &Scene, name: &str, value: i64) {
    let deadline = Instant::now() + SOON;
    while scene.server.statistic(name) < value {
        assert!(
            Instant::now() < deadline,
            "{name} is {}, expected {value}",
            scene.server.statistic(name)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_strangers_answer_to_our_invite_is_none() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let stranger = Ua::on(STRANGER, CAROL, Transport::Udp);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let invite = scene.invite_for(CAROL);
    for status in [180, 200, 486, 603] {
        shoot(
            &stranger,
            &scene,
            &forged(&invite, status, "evil", &stranger),
        );
    }
    reaches(&scene, "answers_ignored", 4);
    stranger.expect_none("ACK", QUIET);
    assert_eq!(scene.server.statistic("invites_accepted"), 0);
    assert_eq!(scene.server.statistic("invites_failed"), 0);
    // The transaction goes on: the answer of who was asked counts.
    scene.accept(&invite);
    expect_final(alice.ua(), alice.call_id(), 200);
    assert_eq!(scene.server.statistic("invites_accepted"), 1);
    assert_eq!(scene.server.statistic("answers_ignored"), 4);
}

/// How often a request of that method was sent to an endpoint, repetitions counted.
fn transmissions(ua: &Ua, method: &str) -> usize {
    let bytes = String::from_utf8_lossy(&ua.every_byte()).into_owned();
    bytes.matches(&format!("{method} sip:")).count()
}

#[test]
fn a_strangers_answer_to_our_bye_ends_nothing() {
    let (scene, mut alice, bob) = pair(Transport::Udp, |setup| setup);
    // Bob's phone answers no BYE.
    bob.ua().script(Script::on("BYE"));
    check::accepted(&alice.referred("<sip:bob@home1.test;method=BYE>"));
    let stranger = Ua::on(STRANGER, CAROL, Transport::Udp);
    let bye = bob.dialog.expect("BYE");
    shoot(&stranger, &scene, &forged(&bye, 200, "evil", &stranger));
    reaches(&scene, "answers_ignored", 1);
    let before = transmissions(bob.ua(), "BYE");
    std::thread::sleep(Duration::from_secs(5));
    let after = transmissions(bob.ua(), "BYE");
    assert!(after > before, "the BYE is repeated until he answers");
    bob.ua().reply(&bye, 200, &[]);
}

#[test]
fn an_answer_counts_from_where_the_request_went() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let far = Ua::on(STRANGER, CAROL, Transport::Udp);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let invite = scene.invite_for(CAROL);
    // The target's Contact leads to an address that nobody trusts.
    shoot(&scene.targets, &scene, &forged(&invite, 200, "carol", &far));
    let ack = far.expect("ACK");
    assert_eq!(ack.msg.call_id(), invite.msg.call_id());
    expect_final(alice.ua(), alice.call_id(), 200);
    // It is asked, so it may answer.
    check::accepted(&alice.referred(&format!("<{CAROL};method=BYE>")));
    far.expect("BYE");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(transmissions(&far, "BYE"), 1, "its answer counted");
    assert_eq!(scene.server.statistic("answers_ignored"), 0);
}

#[test]
fn a_stray_200_is_ended_once_and_shoots_at_nobody() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let stranger = Ua::on(STRANGER, CAROL, Transport::Udp);
    let victim = Ua::on(VICTIM, "sip:victim@home1.test", Transport::Udp);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 486, &[]);
    expect_outcome(alice.ua(), alice.call_id(), 486);

    let ignored = scene.server.statistic("answers_ignored");
    for n in 0..50 {
        let stray = forged(&invite, 200, &format!("s{n}"), &victim);
        shoot(&stranger, &scene, &stray);
    }
    reaches(&scene, "answers_ignored", ignored + 50);
    victim.expect_none("ACK", QUIET);
    assert_eq!(victim.every_byte().len(), 0, "a stranger makes us send");

    // A trusted peer's is ended, and repeated ones are acknowledged as often as anybody repeats them.
    let stray = forged(&invite, 200, "late", &victim);
    for _ in 0..60 {
        shoot(&scene.targets, &scene, &stray);
    }
    reaches(&scene, "answers_ignored", ignored + 50 + 44);
    victim.expect("BYE");
    std::thread::sleep(QUIET);
    assert_eq!((victim.count("BYE"), victim.count("ACK")), (1, 16));

    // And few of one Call-ID.
    for n in 0..60 {
        let stray = forged(&invite, 200, &format!("f{n}"), &victim);
        shoot(&scene.targets, &scene, &stray);
    }
    reaches(&scene, "answers_ignored", ignored + 50 + 44 + 45);
    std::thread::sleep(QUIET);
    assert_eq!((victim.count("BYE"), victim.count("ACK")), (16, 31));
    // These were sixteen dialogs of one Call-ID, whose numbers begin anew.
    victim.clear_faults();
}

#[test]
fn an_ack_with_a_foreign_tag_ends_no_leg() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let (sent, answer) = alice.re_invite(|invite| invite);
    check::accepted(&answer);
    assert!(answer.body_text().contains("m=message"), "{answer}");
    let mut other = alice.dialog.clone();
    other.local = other.local.split(";tag=").next().unwrap_or("").to_owned() + ";tag=evil";
    let cseq = sent.msg.cseq();
    let bad = other
        .request("ACK")
        .with("CSeq", format!("{cseq} ACK"))
        .body("application/sdp", "nonsense\r\n");
    alice.send(&bad);
    alice.dialog.expect_none("BYE", Duration::from_secs(1));
    let good = alice
        .dialog
        .request("ACK")
        .with("CSeq", format!("{cseq} ACK"))
        .body("application/sdp", serve::sdp(alice.ua().local(), "passive"));
    alice.send(&good);
    alice.dialog.expect_none("BYE", QUIET);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
}

#[test]
fn options_with_a_huge_cseq_moves_no_number() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let options = alice.dialog.request("OPTIONS");
    let huge = options.with("CSeq", format!("{HUGE} OPTIONS"));
    check::accepted(&alice.send(&huge).answer());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    check::accepted(&alice.dialog.bye());
}

#[test]
fn a_refused_request_moves_no_number() {
    let (scene, mut alice) = with_alice(|setup| setup);
    let stranger = Ua::on(STRANGER, "sip:alice@home1.test", Transport::Udp);
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("CSeq", format!("{HUGE} REFER"));
    check::refused(&scene.send(&stranger, &refer).answer(), 403, None);
    let foreign = refer
        .clone()
        .without("Via")
        .with("P-Asserted-Identity", "<sip:mallory@elsewhere.test>");
    check::refused(&alice.send(&foreign).answer(), 403, None);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
}

/// Who knows Call-ID and tags of a dialog is not its peer.
#[test]
fn a_stranger_who_knows_the_dialog_has_no_say_in_it() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let stranger = Ua::on(STRANGER, "sip:alice@home1.test", Transport::Udp);
    for method in ["UPDATE", "SUBSCRIBE", "OPTIONS", "INVITE", "BYE"] {
        let mut dialog = alice.dialog.clone();
        let request = dialog
            .request(method)
            .with("CSeq", format!("{HUGE} {method}"))
            .with("Contact", format!("<{}>", stranger.contact_uri()))
            .with("Event", "conference");
        check::refused(&scene.send(&stranger, &request).answer(), 403, None);
    }
    // Its ACK is none either.
    let (sent, answer) = alice.re_invite(|invite| invite);
    check::accepted(&answer);
    let cseq = sent.msg.cseq();
    let mut dialog = alice.dialog.clone();
    let ack = dialog
        .request("ACK")
        .with("CSeq", format!("{cseq} ACK"))
        .body("application/sdp", "nonsense\r\n");
    scene.send(&stranger, &ack);
    alice.dialog.expect_none("BYE", Duration::from_secs(1));
    let good = ack
        .without("Via")
        .body("application/sdp", serve::sdp(alice.ua().local(), "passive"));
    alice.send(&good);
    // What the focus sends still goes to her.
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let requests = stranger
        .inbox()
        .all()
        .iter()
        .filter(|got| got.msg.is_request())
        .count();
    assert_eq!(requests, 0, "nothing is sent to the stranger");
    check::accepted(&alice.dialog.bye());
}

/// The same while the leg is there: who was invited answers again and again, each time as another device with
/// the Contact of a victim.
#[test]
fn who_is_in_shoots_at_nobody_by_more_2xx() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let victim = Ua::on(VICTIM, "sip:victim@home1.test", Transport::Udp);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.accept(&invite);
    let mut shot = 0;
    for n in 0..200 {
        let fork = forged(&invite, 200, &format!("f{n}"), &victim);
        shot += fork.to_bytes().len();
        shoot(&scene.targets, &scene, &fork);
    }
    let same = forged(&invite, 200, "f0", &victim);
    for _ in 0..200 {
        shot += same.to_bytes().len();
        shoot(&scene.targets, &scene, &same);
    }
    std::thread::sleep(Duration::from_secs(3));
    let got = victim.every_byte().len();
    let (byes, acks) = (victim.count("BYE"), victim.count("ACK"));
    // Sixteen dialogs of one Call-ID are no fault here.
    victim.clear_faults();
    assert!(
        byes <= 16 && acks <= 16 * 17,
        "400 datagrams of {shot} bytes in all became {byes} BYEs and {acks} ACKs, {got} bytes"
    );
}
