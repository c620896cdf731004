//! Shared memory after many sessions, against the real server: back where it was.
//! It is not a benchmark: it measures bytes, not time.

use crate::kit::refer::expect_outcome;
use crate::kit::watch::Watcher;
use crate::kit::{check, Group, Scene, Script, Setup, Transport, Ua};

const SESSIONS: usize = 5000;
const WARM_UP: usize = 150;
/// Kinds of sessions that end by themselves, in turn; and how often one waits for a target in vain instead.
const KINDS: usize = 5;
const IN_VAIN: usize = 25;

/// How long a target may ring, ms: long enough to end a session meanwhile.
const RING: u64 = 200;

/// A few bytes per session are less than anything that could have been kept for one.
const TOLERANCE: u64 = 8 * SESSIONS as u64;

#[test]
fn slow_five_thousand_sessions_leave_nothing_behind() {
    let group = Group::open("s", &["sip:alice@home1.test", "sip:bob@home1.test"]);
    let scene = Scene::with(
        Setup::new([&group])
            .env("CPM_SHM_MB", "256")
            .param_int("invite_timeout", RING as i64)
            .param_int("conference_notify_interval", 0),
        Transport::Udp,
    );
    scene.target(Script::on("INVITE").to("yes").reply(180).accept());
    scene.target(Script::on("INVITE").to("no").reply(486));
    scene.target(Script::on("INVITE").to("rings").reply(180));
    let uas = ["sip:alice@home1.test", "sip:bob@home1.test"].map(|identity| scene.ua(identity));
    for n in 0..WARM_UP {
        session(&scene, &uas, &group, n);
    }
    let before = scene.server.settled();
    for n in 0..SESSIONS {
        session(&scene, &uas, &group, n);
    }
    let after = scene.server.settled();
    println!("shared memory: {before} bytes before, {after} after {SESSIONS} sessions");
    assert!(
        after <= before + TOLERANCE,
        "{before} bytes before, {after} after {SESSIONS} sessions"
    );
}

/// Joined, invited into (accepted, declined, still ringing, suppressed, rung out), watched, and ended.
fn session(scene: &Scene, uas: &[Ua; 2], group: &Group, n: usize) {
    let mut alice = scene.join(&uas[0], &group.uri);
    let mut bob = scene.join(&uas[1], &group.uri);
    let in_vain = n % IN_VAIN == IN_VAIN - 1;
    let kind = if in_vain { KINDS } else { n % KINDS };
    match kind {
        0 => {
            check::accepted(&alice.referred("<sip:yes@home1.test>"));
            expect_outcome(alice.ua(), alice.call_id(), 200);
        }
        1 => {
            let refer = alice.refer_outside("<sip:no@home1.test>");
            check::accepted(&alice.send(&refer).answer());
            expect_outcome(alice.ua(), refer.call_id(), 486);
        }
        2 => {
            let refer = alice
                .refer("<sip:rings@home1.test>")
                .with("Refer-Sub", "false");
            check::accepted(&alice.send(&refer).answer());
            scene.invite_for("sip:rings@home1.test");
        }
        KINDS => {
            check::accepted(&alice.referred("<sip:rings@home1.test>"));
            expect_outcome(alice.ua(), alice.call_id(), 408);
        }
        3 => {
            let mut watcher = Watcher::of(&alice);
            check::accepted(&bob.referred("<sip:yes@home1.test>"));
            watcher.until("sip:yes@home1.test", "connected dialed-out");
        }
        _ => {}
    }
    check::accepted(&alice.dialog.bye());
    let bye = bob.dialog.request("BYE");
    // It may cross with the focus's own BYE to the last one.
    assert!([200, 481].contains(&bob.send(&bye).answer().status()));
    // The target must still know the INVITE when its CANCEL comes, or the focus waits for an answer in vain.
    if matches!(kind, 2 | KINDS) {
        scene.targets.expect("CANCEL");
    }
    for ua in uas.iter().chain([&scene.targets]) {
        ua.forget();
    }
}
