//! Attacks by somebody whom the server does not trust, from 127.0.0.2, and the flushing of trails.

use crate::kit::{
    check, with_alice, Leg, Msg, Scene, Setup, Transport, Ua, BOB, CAROL, QUIET, SOON,
};
use std::collections::BTreeSet;
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

#[test]
fn what_a_stranger_sends_can_be_dropped() {
    let (scene, mut alice) = alone(|setup| setup.param_str("untrusted", "drop"));
    let ua = stranger();
    let request = ua.request("OPTIONS", &alice.focus);
    let pending = scene.send(&ua, &request);
    assert!(scene.server.log_has("OPTIONS dropped", SOON));
    assert!(pending.answer_within(QUIET).is_none());
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

#[test]
fn a_laboratory_may_do_without_an_s_cscf() {
    let (scene, mut alice) = alone(|setup| setup.param_int("untrusted_in_dialog", 1));
    let ua = stranger();
    let refer = in_dialog(&mut alice, "REFER", 0).with("Refer-To", format!("<{CAROL}>"));
    check::refused(&scene.send(&ua, &refer).answer(), 403, None);
    scene.nobody_invited();
    let options = in_dialog(&mut alice, "OPTIONS", 1);
    check::accepted(&scene.send(&ua, &options).answer());
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
