//! Attacks by somebody whom the server does not trust, from 127.0.0.2, and the flushing of trails.

use crate::kit::{
    check, with_alice, Group, Leg, Msg, Scene, Setup, Transport, Ua, BOB, CAROL, QUIET, SOON,
};
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const STRANGER: &str = "127.0.0.2";

fn stranger() -> Ua {
    Ua::on(STRANGER, "sip:stranger@elsewhere.test", Transport::Udp)
}

fn alone(change: impl Fn(Setup) -> Setup) -> (Scene, Leg) {
    with_alice(|setup| change(setup.env("CPM_TRUSTED", "127.0.0.1")))
}

/// A request of the stranger in the dialog of somebody, all of which he has learnt.
fn in_dialog(alice: &mut Leg, method: &str, more: u32) -> Msg {
    let request = alice.dialog.request(method);
    let cseq = request.cseq() + more;
    request
        .without("CSeq")
        .with("CSeq", format!("{cseq} {method}"))
        .without("Contact")
        .with("Contact", format!("<sip:stranger@{STRANGER}:9>"))
}

fn works(scene: &Scene, alice: &mut Leg) {
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
}

/// No transaction, no trail, no log to speak of; who belongs here is served.
#[test]
fn a_flood_of_strangers_takes_nothing() {
    const EACH: usize = 400;
    let (scene, mut alice) = alone(|setup| setup.param_int("trail_size", 8));
    let refer = alice.refer(&format!("<{BOB}>"));
    check::accepted(&alice.send(&refer).answer());
    scene.accept(&scene.invite_for(BOB));
    let id = |of: &str| {
        let told = scene.server.rpc_ok(&["cpm.why", of]);
        let line = told.lines().find(|line| line.contains("refer:"));
        line.unwrap_or_default().to_owned()
    };
    let trail = id(refer.call_id());
    let made = || scene.server.figure("tm.stats", "total");
    let before = made();
    let ua = stranger();
    let begun = Instant::now();
    for _ in 0..EACH {
        for method in ["OPTIONS", "BYE", "INVITE", "REFER", "SUBSCRIBE"] {
            let request = ua.request(method, &alice.focus);
            scene.send(&ua, &request);
        }
    }
    let all = (5 * EACH) as i64;
    let deadline = begun + Duration::from_secs(20);
    while scene.server.statistic("untrusted_requests") < all && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(scene.server.statistic("untrusted_requests") >= all * 9 / 10);
    let since = made() - before;
    assert!(since < 10, "{since} transactions, some NOTIFYs among them");
    let log = scene.server.log_text();
    let lines = log
        .lines()
        .filter(|line| line.contains("not from a trusted peer"));
    let most = 2 + begun.elapsed().as_secs() as usize / 10;
    assert!(lines.count() <= most, "{log}");
    assert_eq!(id(refer.call_id()), trail, "the trail is still there");
    works(&scene, &mut alice);
}

/// What the routing script would answer by itself, and what the module would.
fn all_sorts(alice: &Leg) -> [(&'static str, &str); 6] {
    [
        ("OPTIONS", alice.focus.as_str()),
        ("OPTIONS", "sip:conf.home1.test"),
        ("REGISTER", "sip:conf.home1.test"),
        ("OPTIONS", "sip:x@elsewhere.test"),
        ("BYE", "sip:x@conf.home1.test"),
        ("INVITE", "sip:x@elsewhere.test"),
    ]
}

#[test]
fn with_drop_a_stranger_gets_nothing_whatever_he_asks() {
    let (scene, mut alice) = alone(|setup| setup.param_str("untrusted", "drop"));
    let ua = stranger();
    let sorts = all_sorts(&alice);
    let sent = sorts.map(|(method, uri)| scene.send(&ua, &ua.request(method, uri)));
    assert!(scene.server.log_has("OPTIONS dropped", SOON));
    for (pending, sort) in sent.iter().zip(sorts) {
        assert!(pending.answer_within(QUIET / 4).is_none(), "{sort:?}");
    }
    let counted = scene.server.statistic("untrusted_requests");
    assert_eq!(counted, sorts.len() as i64);
    works(&scene, &mut alice);
}

#[test]
fn a_stranger_gets_403_whatever_he_asks() {
    let (scene, alice) = alone(|setup| setup);
    let ua = stranger();
    for (method, uri) in all_sorts(&alice) {
        let answer = scene.send(&ua, &ua.request(method, uri)).answer();
        assert_eq!(answer.status(), 403, "{method} {uri}");
    }
    assert_eq!(scene.server.statistic("untrusted_requests"), 6);
}

const VIA: &str = "Via: SIP/2.0/UDP 127.0.0.2:9;branch=z9hG4bKx\r\n";
const OURS: &str = "sip:x@conf.home1.test";

/// A message without a body.
fn odd(start: &str, headers: &str) -> String {
    format!("{start}\r\n{headers}\r\n")
}

/// What Kamailio writes to the log, some of it whole.
fn unreadable() -> Vec<String> {
    let people = "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\n";
    let bye = format!("BYE {OURS} SIP/2.0");
    let ringing = "SIP/2.0 180 Ringing";
    let whole = format!("{VIA}{people}CSeq: 1 BYE\r\n");
    let no_via = format!("{people}CSeq: 1 BYE\r\n");
    let with_via = |via: &str| format!("Via: {via}\r\n{no_via}");
    let bad_to = |method: &str| format!("{VIA}To: \"<<\r\nCall-ID: 1\r\nCSeq: 1 {method}\r\n");
    vec![
        odd("INVITE", ""),
        odd(&format!("INVITE {OURS}"), ""),
        odd(&bye, &no_via),
        odd(&bye, &with_via("SIP/2.0/UDP ;;;")),
        odd(&bye, &with_via("rubbish")),
        odd(&bye, &with_via("SIP/2.0/UDP 127.0.0.2:0;branch=z9hG4bKx")),
        odd(
            &bye,
            &format!("{VIA}From: <sip:\r\nTo: <sip:\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n"),
        ),
        odd(&bye, &bad_to("BYE")),
        odd(&bye, &format!("{VIA}Call-ID: 1\r\nCSeq: 1 BYE\r\n")),
        odd(&bye, &format!("{VIA}{people}CSeq: x\r\n")),
        odd("BYE sip:x@ SIP/2.0", &whole),
        odd("BYE hello SIP/2.0", &whole),
        odd(&format!("ACK {OURS} SIP/2.0"), &bad_to("ACK")),
        odd("OPTIONS sip:conf.home1.test SIP/2.0", &bad_to("OPTIONS")),
        format!("{bye}\r\n{whole}{}", "X".repeat(300)),
        odd(ringing, &whole),
        odd(ringing, &format!("{VIA}{}", with_via("x"))),
        odd(ringing, &with_via("x")),
        odd(ringing, &bad_to("INVITE")),
        odd(ringing, &format!("{VIA}{people}CSeq: x\r\n")),
        odd("SIP/2.0 999999 Ringing", &whole),
    ]
}

/// Bytes of good messages exchanged, left out and repeated, always the same ones.
fn mutated(count: usize) -> Vec<Vec<u8>> {
    let people = "From: \"A\" <sip:a@b>;tag=1\r\nTo: B <sip:c@d;x=y>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n";
    let length = "Route: <sip:x;lr>\r\nContact: <sip:x>\r\nContent-Length: 2\r\n\r\nab";
    let good = [
        format!("OPTIONS {OURS} SIP/2.0\r\n{VIA}{people}{length}"),
        format!("SIP/2.0 200 OK\r\n{VIA}{people}{length}"),
    ];
    let mut state = 1u64;
    let mut below = |most: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % most
    };
    let odd = b"\r\n\t \0\"<>;:,=@[]/\\x5%*\xff";
    (0..count)
        .map(|n| {
            let mut bytes = good[n % good.len()].clone().into_bytes();
            for _ in 0..=below(2) {
                let at = below(bytes.len());
                match below(3) {
                    0 => bytes[at] = odd[below(odd.len())],
                    1 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, odd[below(odd.len())]),
                }
            }
            bytes
        })
        .collect()
}

/// By how much the log grows while the stranger sends.
fn logged(scene: &Scene, messages: impl Iterator<Item = Vec<u8>>) -> String {
    let socket = UdpSocket::bind((STRANGER, 0)).expect("a socket");
    let before = scene.server.log_text().len();
    for (sent, bytes) in messages.enumerate() {
        let to = scene.server.addr();
        socket.send_to(&bytes, to).expect("sent");
        if sent % 50 == 49 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    std::thread::sleep(Duration::from_millis(300));
    scene.server.log_text().split_off(before)
}

#[test]
fn what_a_stranger_sends_that_cannot_be_read_does_not_fill_the_log() {
    let (scene, mut alice) = alone(|setup| setup);
    for text in unreadable() {
        let flood = std::iter::repeat_n(text.clone().into_bytes(), 100);
        let log = logged(&scene, flood);
        assert!(log.len() < 1_000, "{text}\n{log}");
    }
    works(&scene, &mut alice);
}

#[test]
fn what_a_stranger_garbles_does_not_fill_the_log() {
    let (scene, mut alice) = alone(|setup| setup);
    let log = logged(&scene, mutated(20_000).into_iter());
    let of_kamailio = log.lines().filter(|line| !line.contains(" cpm "));
    let lines: Vec<&str> = of_kamailio.filter(|line| !line.is_empty()).collect();
    assert!(
        lines.is_empty(),
        "{} lines: {:?}",
        lines.len(),
        &lines[..lines.len().min(20)]
    );
    assert!(log.len() < 2_000, "{log}");
    works(&scene, &mut alice);
}

/// Whoever asks learns nothing: a session that lives and one that does not are the same to him.
#[test]
fn a_stranger_does_not_learn_who_lives() {
    let (scene, alice) = alone(|setup| setup);
    let ua = stranger();
    let answers: BTreeSet<u16> = [alice.focus.as_str(), "sip:none@conf.home1.test"]
        .iter()
        .map(|uri| {
            scene
                .send(&ua, &ua.request("OPTIONS", uri))
                .answer()
                .status()
        })
        .collect();
    assert_eq!(answers, BTreeSet::from([403]));
}

/// Call-ID and tags are all that he lacks, and he has got them.
#[test]
fn who_knows_a_dialog_gets_nothing_out_of_it() {
    let (scene, mut alice) = alone(|setup| setup);
    let ua = stranger();
    for method in ["UPDATE", "SUBSCRIBE", "BYE", "REFER", "INVITE", "OPTIONS"] {
        let mut request = in_dialog(&mut alice, method, 2_000_000_000);
        if method == "SUBSCRIBE" {
            request = request.with("Event", "conference");
        }
        check::refused(&scene.send(&ua, &request).answer(), 403, None);
    }
    let ack = in_dialog(&mut alice, "ACK", 0).body("application/sdp", "nonsense\r\n");
    scene.send(&ua, &ack);
    alice.ua().expect_none("BYE", QUIET);
    ua.expect_none("NOTIFY", Duration::ZERO);
    works(&scene, &mut alice);
}

/// A flood outside dialogs does not hide a peer that was forgotten in trusted_peers.
#[test]
fn a_forgotten_peer_is_seen_in_a_flood_of_strangers() {
    let (scene, mut alice) = alone(|setup| setup);
    let ua = stranger();
    for _ in 0..50 {
        scene.send(&ua, &ua.request("OPTIONS", &alice.focus));
    }
    let bye = in_dialog(&mut alice, "BYE", 1);
    check::refused(&scene.send(&ua, &bye).answer(), 403, None);
    assert!(scene.server.log_has("BYE in a dialog refused 403", SOON));
}

/// With the parameter for it, who is in may send from where its Contact is; nobody else may.
#[test]
fn a_laboratory_may_do_without_an_s_cscf() {
    let group = Group::open("s", &[BOB]);
    let setup = Setup::new([&group])
        .env("CPM_TRUSTED", "127.0.0.1")
        .param_int("untrusted_in_dialog", 1);
    let scene = Scene::with(setup, Transport::Udp);
    let ua = scene.ua(BOB);
    let contact = format!("<sip:bob@{STRANGER}:9>");
    let invite = scene.invite(&ua, &group.uri).without("Contact");
    let mut bob = scene.enter(&ua, &invite.with("Contact", contact));
    let elsewhere = Ua::on("127.0.0.3", BOB, Transport::Udp);
    let phone = Ua::on(STRANGER, BOB, Transport::Udp);
    for (from, method, status) in [
        (&elsewhere, "OPTIONS", 403),
        (&elsewhere, "BYE", 403),
        (&phone, "OPTIONS", 200),
        (&phone, "REFER", 403),
        (&phone, "BYE", 200),
    ] {
        let request = bob
            .dialog
            .request(method)
            .with("Refer-To", format!("<{CAROL}>"));
        assert_eq!(
            scene.send(from, &request).answer().status(),
            status,
            "{method}"
        );
    }
    scene.nobody_invited();
}

/// Refusals have a quarter of the trails, whoever causes them.
#[test]
fn refused_refers_leave_the_trails_of_accepted_ones() {
    let (scene, mut alice) = alone(|setup| setup.param_int("trail_size", 8));
    let refer = alice.refer(&format!("<{BOB}>"));
    check::accepted(&alice.send(&refer).answer());
    for _ in 0..40 {
        let zoe = alice
            .refer_outside(&format!("<{CAROL}>"))
            .without("P-Asserted-Identity")
            .with("P-Asserted-Identity", "<sip:zoe@elsewhere.test>");
        check::refused(&alice.send(&zoe).answer(), 403, Some(""));
    }
    let told = scene.server.rpc_ok(&["cpm.why", refer.call_id()]);
    assert!(told.contains("answered 200"), "{told}");
}

/// tm adds the words of a Call-ID up, so their order means nothing to it.
#[test]
fn call_ids_that_collide_are_noticed() {
    let (scene, alice) = alone(|setup| setup.env("CPM_WORKERS", "1"));
    let words: Vec<String> = (0..8).map(|n| format!("w{n:03}")).collect();
    for n in 0..300 {
        let mut order = words.clone();
        order.rotate_left(n % 8);
        order[1..].rotate_left((n / 8) % 7);
        order[2..].rotate_left((n / 56) % 6);
        let options = alice.ua().request("OPTIONS", &alice.focus);
        let options = options.without("Call-ID").with("Call-ID", order.concat());
        alice.send(&options);
    }
    assert!(scene.server.log_has("Call-IDs collide", SOON));
    assert!(scene.server.statistic("call_id_collisions") > 0);
}
