//! A member as an amplifier: what it can make the server send to others.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::kit::adhoc::creation;
use crate::kit::lists::list_to;
use crate::kit::watch::{subscribe, Watcher};
use crate::kit::{
    check, schema, serve, Group, Leg, Msg, Pending, Scene, Script, Setup, Transport, Ua, ALICE,
    BOB, CAROL, DAVE,
};

/// How long a victim is watched: an unanswered NOTIFY is repeated three times by then.
const WATCHED: Duration = Duration::from_secs(4);

#[test]
fn a_foreign_contact_gets_less_than_ten_times_what_was_sent() {
    let names: Vec<String> = (0..8).map(|n| format!("sip:m{n}@home1.test")).collect();
    let mut people = vec![ALICE];
    people.extend(names.iter().map(String::as_str));
    let group = Group::open("s", &people);
    let scene = Scene::with(Setup::new([&group]), Transport::Udp);
    let alice = scene.participant(ALICE, &group);
    let _others: Vec<Leg> = names.iter().map(|n| scene.participant(n, &group)).collect();
    let victim = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let there = victim.local_addr().expect("its address");
    let mut sent = 0;
    let mut refused = 0;
    for n in 0..60 {
        let ask = subscribe(&alice, &alice.focus)
            .without("Contact")
            .with("Contact", format!("<sip:victim@{there}>"))
            .without("Expires")
            .with("Expires", if n % 2 == 0 { "3600" } else { "0" });
        sent += ask.to_bytes().len();
        let answer = alice.send(&ask).answer();
        refused += usize::from(answer.status() == 486);
    }
    let got = received(&victim);
    assert!(got.len() > 1_000, "this shows nothing: {got}");
    let times = got.len() / sent;
    assert!(times < 10, "{sent} bytes became {}", got.len());
    assert!(!got.contains("<conference-info"), "{got}");
    assert_eq!(refused, 50, "each person has its limit");
    assert_eq!(scene.server.statistic("subscriptions_over_limit"), 50);
    // Who answers is told as before, alice included once the foreign ones are gone.
    let bob = scene.participant(&names[0], &group);
    let watcher = Watcher::of(&bob);
    assert_eq!(schema::users(&watcher.documents[0]).len(), 9);
}

/// Three hundred single REFERs as fast as they can be sent; over TCP, so that none is lost on the way.
#[test]
fn a_flood_of_refers_is_served_at_a_rate() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&group]), Transport::Tcp);
    let mut alice = scene.participant(ALICE, &group);
    let mut bob = scene.participant(BOB, &group);
    scene.target(Script::on("INVITE").reply(486));
    let began = Instant::now();
    let refer = |n| alice.refer_outside(&format!("<sip:guest{n}@home1.test>"));
    let refers: Vec<Msg> = (0..300)
        .map(|n| refer(n).with("Refer-Sub", "false"))
        .collect();
    let sent: Vec<Pending> = refers.iter().map(|refer| alice.send(refer)).collect();
    let answers: Vec<_> = sent.iter().map(Pending::answer).collect();
    let accepted = answers.iter().filter(|a| a.status() == 200).count();
    let refused: Vec<_> = answers.iter().filter(|a| a.status() == 486).collect();
    assert_eq!(accepted + refused.len(), 300);
    // max_participants at once, and ten more with each second that it took.
    let most = 101 + began.elapsed().as_millis() as usize / 100;
    assert!((100..=most).contains(&accepted), "{accepted} of {most}");
    // A flood of refusals does not fill the log.
    let lines = scene.server.log_text().matches("REFER refused 486").count();
    let most = 101 + began.elapsed().as_millis() as usize / 20;
    assert!((100..=most).contains(&lines), "{lines} lines of {most}");
    let answer = refused.last().expect("a refused REFER");
    let call_id = answer.call_id();
    check::refused(answer, 486, Some("Too many requests of one participant"));
    assert!(answer
        .need("Retry-After")
        .parse::<u32>()
        .is_ok_and(|s| s > 0));
    let counted = scene.server.statistic("refers_over_rate");
    assert_eq!(counted, refused.len() as i64);
    let told = scene.server.rpc_ok(&["cpm.why", call_id]);
    assert!(
        told.contains("more requests of this person than refer_rate, which is 10"),
        "{told}"
    );
    assert!(scene.server.statistic("invites_sent") <= accepted as i64);
    // The others do not notice, and alice may again a moment later.
    check::accepted(&bob.referred(&format!("<{CAROL}>")));
    std::thread::sleep(Duration::from_millis(1_100));
    check::accepted(&alice.referred(&format!("<{DAVE}>")));
    assert!(scene
        .server
        .rpc_ok(&["cpm.show", &group.uri])
        .contains(ALICE));
}

/// Lists that take long to leave, of people who only ring, without any limit of the operator: what does not fit is
/// refused, and what has begun does not run out of memory.
#[test]
fn one_member_does_not_fill_shared_memory() {
    let none: [Group; 0] = [];
    let scene = Scene::with(
        Setup::new(none)
            .param_int("refer_rate", 0)
            .param_int("session_rate", 0),
        Transport::Tcp,
    );
    scene.target(Script::on("INVITE").reply(180));
    let ua = scene.ua(ALICE);
    let names: Vec<String> = (0..99)
        .map(|n| format!("sip:guest{n}@home1.test"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let list = list_to(&names);
    let mut refused = 0;
    for _ in 0..80 {
        let sent = scene.send(&ua, &creation(&scene, &ua, &list));
        match sent.answer().status() {
            200 => {}
            status => {
                assert_eq!(status, 503);
                refused += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(60));
    }
    assert!(refused > 0, "this shows nothing");
    // All that was accepted leaves.
    let until = Instant::now() + Duration::from_secs(40);
    while scene.server.statistic("invites_waiting") > 0 && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(scene.server.statistic("invites_waiting"), 0);
    let free = scene.server.figure("core.shmmem", "free");
    assert!(free > 512 * 1024, "free {free}");
    let failed = scene
        .server
        .log_text()
        .matches("could not allocate")
        .count();
    assert_eq!(failed, 0);
    // Who is small is still served.
    let bob = scene.ua(BOB);
    let sent = scene.send(&bob, &creation(&scene, &bob, &list_to(&[DAVE])));
    let status = sent.answer().status();
    assert!(matches!(status, 200 | 503), "{status}");
}

/// Who names a target does not choose the port or the machine that its INVITE is sent to.
#[test]
fn port_and_maddr_of_a_target_lead_nowhere() {
    let group = Group::open("s", &[ALICE, BOB]);
    // By the Route.
    let scene = Scene::with(Setup::new([&group]), Transport::Udp);
    let mut alice = scene.participant(ALICE, &group);
    let (victim, host) = (UdpSocket::bind("127.0.0.1:0"), "127.63.11.5");
    let victim = victim.expect("a port");
    let port = victim.local_addr().expect("its address").port();
    let target = format!("sip:carol@127.0.0.1:{port};maddr=127.0.0.1");
    let refer = alice.refer(&format!("<{target}>"));
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.targets.expect("INVITE");
    assert_eq!(invite.msg.request_uri(), target);
    // Without one: to the usual port of the host.
    let server = Setup::new([&group]).start();
    let ua = Ua::new(ALICE, Transport::Udp);
    let invite = ua.request("INVITE", &group.uri);
    let invite = invite.body("application/sdp", serve::sdp(ua.local(), "actpass"));
    let sent = ua.send(server.addr(), &invite);
    let mut leg = Leg::made(&sent, sent.answer());
    leg.dialog.ack(1);
    let usual = UdpSocket::bind((host, 5060)).expect("the usual port of an own address");
    let target = format!("sip:carol@{host}:{port};maddr=127.0.0.1");
    let refer = leg.refer(&format!("<{target}>"));
    check::accepted(&leg.send(&refer).answer());
    let first = received(&usual);
    assert!(
        first.starts_with(&format!("INVITE sip:carol@{host} SIP/2.0\r\n")),
        "{first}"
    );
    let told = server.rpc_ok(&["cpm.why", leg.call_id()]);
    assert!(told.contains("are left out: target_next_hop"), "{told}");
    assert_eq!(received(&victim), "");
}

/// What comes to somebody who answers nothing.
fn received(victim: &UdpSocket) -> String {
    let mut all = Vec::new();
    let mut datagram = vec![0; 65_536];
    let until = Instant::now() + WATCHED;
    let some = Some(Duration::from_millis(50));
    victim.set_read_timeout(some).expect("a timeout");
    while Instant::now() < until {
        if let Ok(length) = victim.recv(&mut datagram) {
            all.extend_from_slice(&datagram[..length]);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}
