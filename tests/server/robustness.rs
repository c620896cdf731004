//! What must not kill the server: panics, simultaneous and repeated messages, hostile bytes.

use crate::kit::refer::expect_outcome;
use crate::kit::{
    check, Group, Incoming, Leg, Msg, Scene, Script, Setup, Transport, ALICE, CAROL, PLACES, QUIET,
    SOON,
};
use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

const PROBER: &str = "sip:prober@home1.test";

pub fn group() -> Group {
    Group::open("s", &[ALICE, PROBER])
}

/// The main job once: join, REFER, accept, result, end.
pub fn still_works(scene: &Scene) {
    scene.target(Script::on("INVITE").to("proof").reply(180).accept());
    let mut prober = scene.participant(PROBER, &group());
    check::accepted(&prober.referred("<sip:proof@home1.test>"));
    expect_outcome(prober.ua(), prober.call_id(), 200);
    check::accepted(&prober.dialog.bye());
}

#[test]
fn a_panic_in_a_handler_is_answered_500_and_the_server_goes_on() {
    let mut scene = Scene::with(
        Setup::new([group()]).param_str("debug_panic_header", "X-Panic"),
        Transport::Udp,
    );
    let mut alice = scene.participant(ALICE, &group());
    // More often than there are workers: a lost worker would be noticed.
    for _ in 0..10 {
        for place in PLACES {
            let refer = alice
                .refer_at(place, &format!("<{CAROL}>"))
                .with("X-Panic", "now");
            check::refused(&alice.send(&refer).answer(), 500, None);
        }
        let invite = scene
            .invite(alice.ua(), &group().uri)
            .with("X-Panic", "now");
        check::refused(&scene.send(alice.ua(), &invite).answer(), 500, None);
    }
    scene.nobody_invited();
    assert!(scene.server.is_running());
    assert!(
        scene.server.log_has("panic", SOON),
        "one line with file and line"
    );
    // The session she is in is as it was.
    scene.target(Script::on("INVITE").to(CAROL).reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    check::accepted(&alice.dialog.bye());
    scene.targets.expect("CANCEL");
    still_works(&scene);
}

#[test]
fn simultaneous_refers_in_several_workers_each_act_once() {
    const MANY: usize = 40;
    let scene = Scene::new([group()]);
    scene.target(Script::on("INVITE").reply(180).accept());
    let mut alice = scene.participant(ALICE, &group());
    let sent: Vec<_> = (0..MANY)
        .map(|n| {
            let refer = match n % 2 {
                0 => alice.refer(&format!("<sip:target{n}@home1.test>")),
                _ => alice.refer_outside(&format!("<sip:target{n}@home1.test>")),
            };
            alice.send(&refer)
        })
        .collect();
    // Over UDP a REFER in the dialog may overtake another. The one with the lower CSeq gets 500 and invites nobody.
    let taken: HashSet<String> = sent
        .iter()
        .enumerate()
        .filter(|(_, pending)| {
            let status = pending.answer().status();
            assert!([200, 500].contains(&status), "{status}");
            status == 200
        })
        .map(|(n, _)| format!("sip:target{n}@home1.test"))
        .collect();
    assert!(
        taken.len() >= MANY / 2,
        "the ones outside a dialog cannot be out of order"
    );
    let finals = |all: &[Arc<Incoming>]| {
        all.iter()
            .filter(|i| {
                !i.again
                    && i.msg
                        .header("Subscription-State")
                        .is_some_and(|s| s.starts_with("term"))
            })
            .count()
    };
    let told = alice
        .ua()
        .inbox()
        .wait_for_all(Duration::from_secs(20), |all| finals(all) >= taken.len());
    assert!(
        told,
        "{} of {} results were told",
        finals(&alice.ua().inbox().all()),
        taken.len()
    );
    let invited: Vec<String> = scene
        .targets
        .inbox()
        .all()
        .iter()
        .filter(|i| i.msg.method() == "INVITE" && !i.again)
        .map(|i| i.msg.request_uri().to_string())
        .collect();
    assert_eq!(invited.len(), taken.len(), "one INVITE each");
    assert_eq!(invited.into_iter().collect::<HashSet<_>>(), taken);
}

#[test]
fn simultaneous_joins_end_up_in_one_session() {
    let members: Vec<String> = (0..20)
        .map(|n| format!("sip:member{n}@home1.test"))
        .collect();
    let group = Group::open("s", &members.iter().map(String::as_str).collect::<Vec<_>>());
    let scene = Scene::new([&group]);
    let uas: Vec<_> = members.iter().map(|m| scene.ua(m)).collect();
    let sent: Vec<_> = uas
        .iter()
        .map(|ua| scene.send(ua, &scene.invite(ua, &group.uri)))
        .collect();
    let mut legs: Vec<Leg> = sent
        .iter()
        .map(|pending| Leg::made(pending, pending.answer()))
        .collect();
    for leg in &mut legs {
        check::accepted(&leg.answer);
        leg.dialog.ack(1);
    }
    assert_eq!(
        legs.iter()
            .map(|l| l.focus.clone())
            .collect::<HashSet<_>>()
            .len(),
        1,
        "one focus"
    );
    let media: HashSet<String> = legs
        .iter()
        .map(|l| check::msrp_session(&l.answer.body_text()))
        .collect();
    assert_eq!(media.len(), legs.len(), "an MSRP session each");
    let byes: Vec<_> = legs
        .iter_mut()
        .skip(1)
        .map(|leg| {
            let bye = leg.dialog.request("BYE");
            leg.send(&bye)
        })
        .collect();
    for bye in &byes {
        // The last two may cross with the focus's own BYE.
        assert!([200, 481].contains(&bye.answer().status()));
    }
    legs[0].dialog.expect("BYE");
}

#[test]
fn every_message_twice_changes_nothing() {
    let scene = Scene::new([group()]);
    let alice = scene.ua(ALICE);
    let twice = |msg: &Msg| {
        let sent = scene.send(&alice, msg);
        sent.resend();
        sent
    };
    let joined = twice(&scene.invite(&alice, &group().uri));
    let mut leg = Leg::made(&joined, joined.answer());
    leg.dialog.ack(1);
    leg.dialog.ack(1);
    let refer = leg.refer(&format!("<{CAROL}>"));
    let referred = twice(&refer);
    check::accepted(&referred.answer());
    let invite = scene.invite_for(CAROL);
    for status in [180, 180, 200] {
        let answer = scene.targets.reply(&invite, status, &[]);
        scene.targets.reply_raw(&invite, &answer);
    }
    scene.targets.expect("ACK");
    expect_outcome(&alice, leg.call_id(), 200);
    let bye = leg.dialog.request("BYE");
    check::accepted(&twice(&bye).answer());
    scene.targets.expect("BYE");
    assert_eq!(scene.targets.count("INVITE"), 1);
    assert_eq!(scene.targets.count("BYE"), 1);
    alice.expect_none("NOTIFY", QUIET);
    alice.expect_none("BYE", QUIET);
}

/// Raw messages that are wrong or odd at the byte level (after RFC 4475, with REFER as the method).
fn torture(focus: &str, local: &str) -> Vec<Vec<u8>> {
    let via = |n: usize| format!("Via: SIP/2.0/UDP {local};branch=z9hG4bKtorture{n}\r\n");
    let rest = "Max-Forwards: 70\r\nFrom: <sip:alice@home1.test>;tag=t\r\nTo: <sip:x@y>\r\n";
    let good = |n: usize| {
        format!(
            "REFER {focus} SIP/2.0\r\n{}{rest}Call-ID: torture{n}\r\nCSeq: 1 REFER\r\nContact: <sip:alice@{local}>\r\n\
             P-Asserted-Identity: <sip:alice@home1.test>\r\nRefer-To: <sip:victim@home1.test>\r\n",
            via(n)
        )
    };
    let text = |s: String| s.into_bytes();
    vec![
        b"REFER\r\n\r\n".to_vec(),
        b"REFER sip:x SIP/2.0\r\n\r\n".to_vec(),
        vec![0u8; 1200],
        vec![0xff; 1200],
        text("REFER ".repeat(2000)),
        text(good(1).replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia") + "\r\n"),
        text(good(2).replace("CSeq: 1 REFER\r\n", "") + "\r\n"),
        text(good(3).replace("Call-ID: torture3\r\n", "") + "\r\n"),
        text(good(4).replace("From: <sip:alice@home1.test>;tag=t\r\n", "") + "\r\n"),
        text(good(5).replace("CSeq: 1 REFER", "CSeq: 36893488147419103232 REFER") + "\r\n"),
        text(good(6).replace("CSeq: 1 REFER", "CSeq: -1 REFER") + "\r\n"),
        text(good(7) + "Content-Length: -999\r\n\r\n"),
        text(good(8) + "Content-Length: 9999999999999999999\r\n\r\n"),
        text(good(9) + "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        text(
            good(10).replace(
                "<sip:victim@home1.test>",
                "\"unterminated <sip:victim@home1.test>",
            ) + "\r\n",
        ),
        text(
            good(11).replace(
                "<sip:victim@home1.test>",
                &format!("<sip:{}>", "v".repeat(60_000)),
            ) + "\r\n",
        ),
        text(good(12).replace("<sip:victim@home1.test>", &"<".repeat(20_000)) + "\r\n"),
        text(
            good(13).replace(
                "<sip:victim@home1.test>",
                &format!("<sip:a@{}>", "[".repeat(20_000)),
            ) + "\r\n",
        ),
        text(good(14) + &"Require: foo\r\n".repeat(2000) + "\r\n"),
        text(good(15) + &format!("Privacy: {}\r\n\r\n", "id;".repeat(15_000))),
        text(
            good(16).replace(
                "Refer-To: <sip:victim@home1.test>",
                "Refer-To: <sip:\u{0}@home1.test>",
            ) + "\r\n",
        ),
        [
            text(good(17).replace("victim", "v")),
            b"X: \xff\xfe\xfd\r\nRefer-Sub: \xc3\x28\r\n\r\n".to_vec(),
        ]
        .concat(),
        text(good(18).replace("tag=t", "tag=") + "\r\n"),
        text(good(19).replace("Contact: <sip:", "Contact: <sip:<sip:<sip:") + "\r\n"),
        text(good(20).replace(&format!("REFER {focus}"), &format!("REFER <{focus}>")) + "\r\n"),
        text(good(21).replace("\r\n", "\n") + "\n"),
        text(
            good(22)
                + "Content-Type: multipart/mixed;boundary=\"\r\nContent-Length: 6\r\n\r\n--\r\n--",
        ),
        text(
            good(23).replace(
                "P-Asserted-Identity: <sip:alice@home1.test>",
                "P-Asserted-Identity: <<>>,,;",
            ) + "\r\n",
        ),
        text(good(24) + "Referred-By: ;;;\r\n\r\n"),
        text(good(25) + "Record-Route: <sip:\r\n\r\n"),
    ]
}

#[test]
fn hostile_bytes_do_not_stop_the_server_over_udp() {
    let mut scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    for message in torture(&alice.focus, &alice.ua().local().to_string()) {
        // Some are too long for a datagram; then the system refuses to send them.
        let _ = alice
            .ua()
            .try_send_raw(scene.server.addr(), Transport::Udp, &message);
    }
    assert!(scene.server.is_running());
    scene.targets.inbox().clear();
    still_works(&scene);
    alice.ua().clear_faults();
    scene.targets.clear_faults();
}

#[test]
fn hostile_bytes_do_not_stop_the_server_over_tcp() {
    let mut scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    for message in torture(&alice.focus, &alice.ua().local().to_string()) {
        let mut stream =
            std::net::TcpStream::connect(scene.server.addr()).expect("it still accepts");
        let _ = stream.write_all(&message);
    }
    // One connection stays open in the middle of a header.
    let mut open = std::net::TcpStream::connect(scene.server.addr()).expect("it still accepts");
    open.write_all(b"REFER sip:x SIP/2.0\r\nVia: ")
        .expect("it reads");
    assert!(scene.server.is_running());
    still_works(&scene);
    alice.ua().clear_faults();
    scene.targets.clear_faults();
    drop(open);
}
