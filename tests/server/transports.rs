//! A whole session over TCP, over IPv6, and over UDP and TCP at once.

use crate::kit::refer::expect_outcome;
use crate::kit::{
    check, serve, Group, Leg, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL, PLACES, QUIET,
};

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

#[test]
fn a_session_reached_over_tcp_works_as_over_udp() {
    let scene = Scene::with(Setup::new([group()]), Transport::Tcp);
    let mut alice = scene.participant(ALICE, &group());
    let bob = scene.participant(BOB, &group());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let carol = scene.accept(&invite);
    check::accepted(&alice.dialog.bye());
    bob.ua().expect_none("BYE", QUIET);
    let mut carol = carol;
    check::accepted(&carol.bye());
    bob.dialog.expect("BYE");
}

#[test]
fn peers_on_udp_and_tcp_meet_in_one_session() {
    let scene = Scene::new([group()]);
    let alice = scene.participant(ALICE, &group());
    let bob = Ua::new(BOB, Transport::Tcp);
    let mut leg = scene.join(&bob, &group().uri);
    // A Contact names the transport it is for.
    let user = |focus: &str| serve::user_of(focus).to_string();
    assert_eq!(user(&leg.focus), user(&alice.focus));
    check::accepted(&leg.dialog.bye());
    alice.dialog.expect("BYE");
}

#[test]
fn everything_works_over_ipv6() {
    let server = Setup::new([group()])
        .also_on("::1")
        .param_int("target_next_hop", 1)
        .start();
    let [alice, carol] = ["alice", "carol"]
        .map(|who| Ua::on("::1", &format!("sip:{who}@home1.test"), Transport::Udp));
    let at = server.addrs[1];
    let invite = alice.request("INVITE", &group().uri);
    let invite = invite.body("application/sdp", serve::sdp(alice.local(), "actpass"));
    let sent = alice.send(at, &invite);
    let answer = sent.answer();
    check::accepted(&answer);
    assert!(answer.body_text().contains("c=IN IP"), "{answer}");
    let mut leg = Leg::made(&sent, answer);
    leg.dialog.ack(1);
    carol.script(Script::on("INVITE").reply(180).accept());
    let target = format!("sip:carol@{}", carol.local());
    for place in PLACES {
        let refer = leg.refer_at(place, &format!("<{target};method=INVITE>"));
        check::accepted(&leg.send(&refer).answer());
        expect_outcome(leg.ua(), refer.call_id(), 200);
    }
    assert_eq!(carol.expect("INVITE").msg.request_uri(), target);
    carol.expect("ACK");
}
