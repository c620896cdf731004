//! Shared memory: full, and back where it was after many sessions.

use super::robustness::{group, still_works};
use crate::kit::groups::all_actions;
use crate::kit::refer::expect_outcome;
use crate::kit::schema::root;
use crate::kit::watch::Watcher;
use crate::kit::{
    check, watch, Dialog, Group, Rule, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL,
    QUIET, SOON,
};
use std::collections::HashSet;
use std::time::{Duration, Instant};

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
    let group = Group::open("s", &[ALICE, BOB]);
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
    let uas = [ALICE, BOB].map(|identity| scene.ua(identity));
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

/// Sessions that were watched leave no memory behind.
#[test]
fn slow_watched_sessions_leave_nothing_behind() {
    const SESSIONS: u64 = 200;
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("conference_notify_interval", 50);
    let scene = Scene::with(setup, Transport::Udp);
    scene.target(Script::on("INVITE").to("no").reply(486));
    let uas = [ALICE, BOB].map(|who| scene.ua(who));
    let session = |n: u64| {
        let mut alice = scene.join(&uas[0], &group.uri);
        let mut bob = scene.join(&uas[1], &group.uri);
        let mut watchers = [Watcher::of(&alice), Watcher::of(&bob)];
        let refer = alice
            .refer("<sip:no@home1.test>")
            .with("Refer-Sub", "false");
        check::accepted(&alice.send(&refer).answer());
        watchers[0].until("sip:no@home1.test", "disconnected busy");
        if n.is_multiple_of(2) {
            check::accepted(&watchers[1].again(0));
        }
        check::accepted(&bob.dialog.bye());
        watchers[0].end();
        alice.dialog.expect("BYE");
        for ua in uas.iter().chain([&scene.targets]) {
            ua.forget();
        }
    };
    (0..50).for_each(&session);
    let before = scene.server.settled();
    (0..SESSIONS).for_each(&session);
    let after = scene.server.settled();
    println!("shared memory: {before} bytes before, {after} after {SESSIONS} sessions");
    assert!(after <= before + 8 * SESSIONS, "{before}, then {after}");
}

/// A group whose session everybody may start and join.
fn for_everybody(name: &str) -> Group {
    let rule = all_actions(Rule::everybody());
    Group::new(&format!("sip:{name}@groups.home1.test"), &[], &[rule])
}

/// Free shared memory with which some sessions fit in again, bytes; the server keeps a reserve of 1 MiB.
const ROOM: i64 = 4 << 20;

#[test]
fn full_shared_memory_is_answered_503_and_nothing_is_half_done() {
    let groups: Vec<Group> = (0..40).map(|n| for_everybody(&format!("g{n}"))).collect();
    let setup = Setup::new(groups.iter().chain([&group()])).env("CPM_SHM_MB", "16");
    let mut scene = Scene::with(setup, Transport::Udp);
    let mut alice = scene.participant(ALICE, &group());
    let mut watcher = watch::Watcher::of(&alice);
    // Joins that are not acknowledged hold a transaction each, until there is no room for one more.
    let guests = scene.ua("sip:guest@home1.test");
    let (mut open, mut refusal, mut left_out) = (Vec::new(), None, Vec::new());
    for n in 0..4000 {
        let guest = format!("<sip:guest{n}@home1.test>");
        let invite = scene
            .invite(&guests, &groups[n % groups.len()].uri)
            .with("From", format!("{guest};tag=g{n}"))
            .with("P-Asserted-Identity", &guest);
        let sent = scene.send(&guests, &invite);
        match sent.answer_within(Duration::from_secs(2)) {
            Some(answer) if answer.status() == 200 => open.push(Dialog::as_uac(&sent, &answer)),
            Some(answer) => {
                left_out.push(format!("sip:guest{n}@home1.test"));
                refusal = Some(answer);
                break;
            }
            None => left_out.push(format!("sip:guest{n}@home1.test")),
        }
        // The 200s that nobody acknowledges repeat themselves: they are not looked at.
        guests.forget();
        assert!(
            left_out.len() < 5,
            "{} joins fit, then there is no answer at all",
            open.len()
        );
    }
    let answer = refusal.unwrap_or_else(|| panic!("{} joins fit into 16 MB", open.len()));
    check::refused(&answer, 503, None);
    assert!(
        answer
            .need("Retry-After")
            .trim()
            .parse::<u32>()
            .is_ok_and(|s| s > 0),
        "{answer}"
    );
    assert!(scene.server.is_running());
    // What has begun goes on: the refresh of a subscription, while a new one is refused.
    check::accepted(&watcher.again(600));
    assert_eq!(root(&watcher.next(), "state"), "full");
    let another = watch::subscribe(&alice, &alice.focus);
    check::refused(&alice.send(&another).answer(), 503, None);
    // What was refused left nothing: no participant, no INVITE.
    for focus in open
        .iter()
        .map(|d| d.target.clone())
        .collect::<HashSet<_>>()
    {
        let show = scene.server.rpc_ok(&["cpm.show", &focus]);
        for guest in &left_out {
            assert!(!show.contains(guest), "{guest} is half in:\n{show}");
        }
    }
    let before = scene.targets.count("INVITE");
    let refer = alice.refer(&format!("<{CAROL}>"));
    let sent = alice.send(&refer);
    if let Some(refusal) = sent.answer_within(SOON).filter(|a| a.status() != 200) {
        check::refused(&refusal, 503, None);
        scene.targets.expect_none("INVITE", QUIET);
        assert_eq!(scene.targets.count("INVITE"), before);
    }
    // Room is made: acknowledged and left, and after tm's wait everything works again.
    for dialog in &mut open {
        dialog.ack(1);
        let bye = dialog.request("BYE");
        dialog.send(&bye);
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    while scene.server.figure("core.shmmem", "free") < ROOM {
        assert!(Instant::now() < deadline, "no room although everybody left");
        std::thread::sleep(Duration::from_millis(100));
    }
    still_works(&scene);
}
