//! A member as an amplifier: what it can make the server send to others.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use crate::kit::watch::{subscribe, Watcher};
use crate::kit::{schema, Group, Leg, Scene, Setup, Transport, ALICE};

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
