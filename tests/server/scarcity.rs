//! Each single allocation of shared memory by the module fails once, on the way of a REFER, a join, a BYE and a
//! NOTIFY (parameter `debug_full_header`). Not here: memory that stays full (`super::memory`).

use crate::kit::adhoc::FACTORY;
use crate::kit::{
    check, watch, Group, Incoming, Leg, Msg, Scene, Setup, Transport, ALICE, BOB, CAROL, QUIET,
    SOON,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The header that says which allocation fails.
const FULL: &str = "X-Full";
/// More allocations than any of the ways here has.
const MOST: u64 = 40;
/// How long a target may ring, ms. It is also how long the result of a REFER may take.
const RING: u64 = 4_000;

/// What happens in a session of alice and bob. The request that it begins with has the header with this value.
type Deed = fn(&Scene, &Group, &mut [Leg; 2], &str);

/// Does it again and again, and each time the next allocation fails, until there is none left. Then everybody
/// leaves; nothing is left, and shared memory is as it was. `least`: so many allocations there are at least.
fn at_every_allocation(least: u64, deed: Deed) {
    let groups: Vec<Group> = (0..=MOST)
        .map(|n| Group::open(&format!("s{n}"), &[ALICE, BOB, CAROL]))
        .collect();
    let setup = Setup::new(&groups)
        .param_str("debug_full_header", FULL)
        .param_int("conference_notify_interval", 0)
        .param_int("refer_rate", 0)
        .param_int("invite_timeout", RING as i64);
    let mut scene = Scene::with(setup, Transport::Udp);
    let mut before = None;
    let mut asked = 0;
    // None fails at first: what is made once is made then.
    for (group, which) in groups.iter().zip(0..) {
        let mut legs = [ALICE, BOB].map(|who| scene.participant(who, group));
        deed(&scene, group, &mut legs, &which.to_string());
        asked += 2;
        let left = left_to_count(&scene, asked);
        legs.iter_mut().for_each(leave);
        assert!(scene.server.is_running());
        match before {
            None => before = Some(scene.server.settled()),
            Some(before) if left > 0 => {
                println!("{} allocations", which - 1);
                assert!(which > least, "less than {least}");
                let after = scene.server.settled();
                // Nothing that could have been kept for one of them is as small as this.
                assert!(after <= before + 64, "{before} bytes before, {after} after");
                return;
            }
            Some(_) => {}
        }
        scene.targets.inbox().clear();
    }
    panic!("more than {MOST} allocations");
}

/// What is left to count until the allocation that fails, which none is any more. 0: it has failed.
fn left_to_count(scene: &Scene, asked: usize) -> u64 {
    let ua = scene.ua(ALICE);
    let options = ua.request("OPTIONS", FACTORY).with(FULL, "0");
    check::accepted(&scene.send(&ua, &options).answer());
    let deadline = Instant::now() + SOON;
    loop {
        let text = scene.server.log_text();
        let mut lines = text
            .lines()
            .filter(|line| line.contains("asked for by the header"));
        if let Some(line) = lines.nth(asked - 1) {
            let (_, left) = line.rsplit_once("left=").expect("what is left");
            return left.trim().parse().expect("a number");
        }
        assert!(Instant::now() < deadline, "{asked} lines in:\n{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whoever is still in leaves, though the failing allocation be met only now.
fn leave(leg: &mut Leg) {
    let mut answer = leg.dialog.bye();
    if answer.status() == 503 {
        answer = leg.dialog.bye();
    }
    assert!([200, 481].contains(&answer.status()), "{answer}");
}

/// A final answer: done, or not done for want of memory.
fn is_done(answer: &Msg) -> bool {
    match answer.status() {
        503 => {
            assert!(answer.header("Retry-After").is_some(), "{answer}");
            false
        }
        _ => {
            check::accepted(answer);
            true
        }
    }
}

#[test]
fn slow_on_the_way_of_a_join() {
    at_every_allocation(3, |scene, group, _, which| {
        let carol = scene.ua(CAROL);
        let invite = scene.invite(&carol, &group.uri).with(FULL, which);
        let sent = scene.send(&carol, &invite);
        let answer = sent.answer();
        if is_done(&answer) {
            let mut leg = Leg::made(&sent, answer);
            let cseq = leg.dialog.cseq;
            leg.dialog.ack(cseq);
            // A lost ACK would show by the 200 that comes again, and by a BYE.
            leg.dialog.expect_none("BYE", QUIET);
            check::accepted(&leg.dialog.bye());
        }
    });
}

#[test]
fn slow_on_the_way_of_a_refer() {
    at_every_allocation(6, |scene, _, [alice, _], which| {
        let target = format!("sip:t{which}@home1.test");
        let refer = alice.refer(&format!("<{target}>")).with(FULL, which);
        if !is_done(&alice.send(&refer).answer()) {
            return scene.targets.expect_none("INVITE", QUIET);
        }
        let invite = scene.invite_for(&target);
        scene.targets.reply(&invite, 180, &[]);
        accept(scene, &invite);
        let ended = alice
            .ua()
            .find_where("NOTIFY", SOON + Duration::from_millis(RING), |m| {
                m.call_id() == alice.call_id()
                    && m.header("Subscription-State")
                        .is_some_and(|s| s.starts_with("terminated"))
            });
        assert!(ended.is_some(), "the last NOTIFY is owed");
    });
}

/// A target repeats its 200 until the ACK comes (RFC 3261 section 13.3.1.4).
fn accept(scene: &Scene, invite: &Arc<Incoming>) {
    for _ in 0..6 {
        scene.targets.reply(invite, 200, &[]);
        let of_it = |m: &Msg| m.call_id() == invite.msg.call_id();
        if scene.targets.find_where("ACK", QUIET * 2, of_it).is_some() {
            return;
        }
    }
    panic!("no ACK");
}

#[test]
fn slow_on_the_way_of_a_bye() {
    at_every_allocation(1, |_, _, [alice, bob], which| {
        let bye = alice.dialog.request("BYE").with(FULL, which);
        if is_done(&alice.send(&bye).answer()) {
            bob.dialog.expect("BYE");
        } else {
            check::accepted(&alice.dialog.bye());
        }
    });
}

#[test]
fn slow_on_the_way_of_a_notify() {
    at_every_allocation(8, |_, _, [alice, bob], which| {
        let subscribe = watch::subscribe(alice, &alice.focus).with(FULL, which);
        if is_done(&alice.send(&subscribe).answer()) {
            alice.ua().expect("NOTIFY");
        }
        // With bob goes the session, and a subscription says so.
        leave(bob);
    });
}
