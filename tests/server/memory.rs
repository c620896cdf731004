//! Shared memory: full, and back where it was after many sessions.

use super::robustness::{group, still_works};
use crate::kit::groups::all_actions;
use crate::kit::refer::expect_outcome;
use crate::kit::schema::root;
use crate::kit::watch::Watcher;
use crate::kit::{
    check, watch, Dialog, Group, Msg, Rule, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL,
    QUIET, SOON,
};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Sessions that go on at the same time.
const LANES: usize = 4;
/// Sessions of a lane, one after the other, until everybody forgets what has arrived.
const BATCH: usize = 25;
/// Kinds of sessions that end by themselves, in turn; in the last of a batch a target is waited for in vain instead.
const KINDS: usize = 5;
/// How long a target may ring, ms: long enough to end a session meanwhile.
const RING: u64 = 200;

/// A group of its own, and its two members.
struct Lane {
    group: Group,
    alice: Ua,
    bob: Ua,
}

/// Shared memory after so many sessions is what it was before them. The first ones, of `warm_up`, make what is
/// made once.
fn leave_nothing_behind(
    setup: fn(Setup) -> Setup,
    warm_up: usize,
    sessions: usize,
    session: fn(&Scene, &Lane, usize, usize),
) {
    let groups: Vec<Group> = (0..LANES)
        .map(|lane| Group::open(&format!("s{lane}"), &[ALICE, BOB]))
        .collect();
    // The same two people refer all the time.
    let setup = setup(Setup::new(&groups)).param_int("refer_rate", 0);
    let scene = Scene::with(setup, Transport::Udp);
    scene.target(Script::on("INVITE").to("yes").reply(180).accept());
    scene.target(Script::on("INVITE").to("no").reply(486));
    scene.target(Script::on("INVITE").to("rings").reply(180));
    let lanes: Vec<Lane> = groups
        .into_iter()
        .map(|group| Lane {
            group,
            alice: scene.ua(ALICE),
            bob: scene.ua(BOB),
        })
        .collect();
    let go = |sessions: usize| {
        assert_eq!(sessions % (LANES * BATCH), 0);
        for _ in 0..sessions / (LANES * BATCH) {
            std::thread::scope(|threads| {
                for (lane, own) in lanes.iter().enumerate() {
                    let scene = &scene;
                    threads.spawn(move || (0..BATCH).for_each(|n| session(scene, own, lane, n)));
                }
            });
            let members = lanes.iter().flat_map(|own| [&own.alice, &own.bob]);
            members.chain([&scene.targets]).for_each(Ua::forget);
        }
    };
    go(warm_up);
    let before = scene.server.settled();
    go(sessions);
    let after = scene.server.settled();
    println!("shared memory: {before} bytes before, {after} after {sessions} sessions");
    // A few bytes per session are less than anything that could have been kept for one.
    assert!(
        after <= before + 8 * sessions as u64,
        "{before} bytes before, {after} after {sessions} sessions"
    );
}

#[test]
fn slow_five_thousand_sessions_leave_nothing_behind() {
    let setup = |setup: Setup| {
        setup
            .env("CPM_SHM_MB", "256")
            .param_int("invite_timeout", RING as i64)
            .param_int("conference_notify_interval", 0)
    };
    leave_nothing_behind(setup, 200, 5000, of_every_kind);
}

/// Joined, invited into (accepted, declined, still ringing, suppressed, rung out), watched, and ended.
fn of_every_kind(scene: &Scene, own: &Lane, lane: usize, n: usize) {
    let mut alice = scene.join(&own.alice, &own.group.uri);
    let mut bob = scene.join(&own.bob, &own.group.uri);
    let [yes, no, rings] =
        ["yes", "no", "rings"].map(|answer| format!("sip:{answer}{lane}@home1.test"));
    let kind = match n {
        _ if n == BATCH - 1 => KINDS,
        _ => (n + lane) % KINDS,
    };
    match kind {
        0 => {
            check::accepted(&alice.referred(&format!("<{yes}>")));
            expect_outcome(alice.ua(), alice.call_id(), 200);
        }
        1 => {
            let refer = alice.refer_outside(&format!("<{no}>"));
            check::accepted(&alice.send(&refer).answer());
            expect_outcome(alice.ua(), refer.call_id(), 486);
        }
        2 => {
            let refer = alice
                .refer(&format!("<{rings}>"))
                .with("Refer-Sub", "false");
            check::accepted(&alice.send(&refer).answer());
            scene.invite_for(&rings);
        }
        3 => {
            let mut watcher = Watcher::of(&alice);
            check::accepted(&bob.referred(&format!("<{yes}>")));
            watcher.until(&yes, "connected dialed-out");
        }
        KINDS => {
            check::accepted(&alice.referred(&format!("<{rings}>")));
            expect_outcome(alice.ua(), alice.call_id(), 408);
        }
        _ => {}
    }
    check::accepted(&alice.dialog.bye());
    let bye = bob.dialog.request("BYE");
    // The focus's own BYE to the last one may cross with hers.
    assert!([200, 481].contains(&bob.send(&bye).answer().status()));
    // The target must still know the INVITE when its CANCEL comes, or the focus waits for an answer in vain.
    if matches!(kind, 2 | KINDS) {
        let of_it = |m: &Msg| m.request_uri() == rings;
        scene.targets.expect_where("CANCEL", &rings, of_it);
    }
}

#[test]
fn slow_watched_sessions_leave_nothing_behind() {
    let setup = |setup: Setup| setup.param_int("conference_notify_interval", 50);
    leave_nothing_behind(setup, 100, 200, watched);
}

/// Watched by both, invited into in vain, and ended; every other time one of them watches no more.
fn watched(scene: &Scene, own: &Lane, lane: usize, n: usize) {
    let mut alice = scene.join(&own.alice, &own.group.uri);
    let mut bob = scene.join(&own.bob, &own.group.uri);
    let mut watchers = [Watcher::of(&alice), Watcher::of(&bob)];
    let no = format!("sip:no{lane}@home1.test");
    let refer = alice.refer(&format!("<{no}>")).with("Refer-Sub", "false");
    check::accepted(&alice.send(&refer).answer());
    watchers[0].until(&no, "disconnected busy");
    if (n + lane).is_multiple_of(2) {
        check::accepted(&watchers[1].again(0));
    }
    check::accepted(&bob.dialog.bye());
    watchers[0].end();
    alice.dialog.expect("BYE");
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
        match sent.answer_within(SOON) {
            Some(answer) if answer.status() == 200 => open.push(Dialog::as_uac(&sent, &answer)),
            Some(answer) => {
                left_out.push(format!("sip:guest{n}@home1.test"));
                refusal = Some(answer);
                break;
            }
            None => left_out.push(format!("sip:guest{n}@home1.test")),
        }
        // A 200 that nobody acknowledges repeats itself; the copies are not looked at.
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
    // A subscription is refreshed as before; a new one is refused.
    check::accepted(&watcher.again(600));
    assert_eq!(root(&watcher.next(), "state"), "full");
    let another = watch::subscribe(&alice, &alice.focus);
    check::refused(&alice.send(&another).answer(), 503, None);
    // A refused join leaves no participant, and a refused REFER no INVITE.
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
    // Everybody acknowledges and leaves. After tm's wait there is room, and everything works again.
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
