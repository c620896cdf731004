//! The conference event package (RFC 4575): SUBSCRIBE, whole and partial documents, and their end.

use crate::kit::groups::all_actions;
use crate::kit::schema::{assert_valid, root, standing, text, user, users};
use crate::kit::watch::{subscribe, Watcher};
use crate::kit::{
    check, Group, Leg, Msg, Rule, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, DAVE, QUIET,
};
use std::time::{Duration, Instant};

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

/// Two are in, so that the session outlives a third.
fn with_two(interval: i64, transport: Transport) -> (Scene, Leg, Leg) {
    let setup = Setup::new([group()]).param_int("conference_notify_interval", interval);
    let scene = Scene::with(setup, transport);
    let alice = scene.participant(ALICE, &group());
    let bob = scene.participant(BOB, &group());
    (scene, alice, bob)
}

fn over(transport: Transport) {
    let (scene, alice, _bob) = with_two(200, transport);
    let mut watcher = Watcher::of(&alice);
    let whole = watcher.documents[0].clone();
    assert_eq!(users(&whole), [ALICE, BOB]);
    assert_eq!(text(&whole, "user-count"), Some("2"));
    assert_eq!(text(&whole, "maximum-user-count"), Some("100"));
    assert!(user(&whole, ALICE).is_some_and(|u| u.contains("yourown=\"true\"")));
    assert!(user(&whole, BOB).is_some_and(|u| !u.contains("yourown")));

    let mut carol = scene.participant(CAROL, &group());
    let change = watcher.until(CAROL, "connected dialed-in");
    assert_eq!(root(&change, "state"), "partial");
    assert_eq!(users(&change), [CAROL]);
    check::accepted(&carol.dialog.bye());
    watcher.until(CAROL, "disconnected departed");

    check::accepted(&watcher.again(600));
    let whole = watcher.next();
    assert_eq!(root(&whole, "state"), "full");
    assert_eq!(users(&whole), [ALICE, BOB]);
    check::accepted(&watcher.again(0));
    let last = watcher.end();
    let state = last.msg.need("Subscription-State");
    assert_eq!(state, "terminated;reason=timeout");
    assert_eq!(root(&last.msg.body_text(), "state"), "full");
    assert_eq!(last.path.transport, transport);
    assert_eq!(watcher.again(600).status(), 481);
    assert_valid(&watcher.documents);
}

#[test]
fn a_watcher_over_udp() {
    over(Transport::Udp);
}

#[test]
fn a_watcher_over_tcp() {
    over(Transport::Tcp);
}

#[test]
fn a_suppressed_refer_is_visible() {
    let (scene, mut alice, _bob) = with_two(0, Transport::Udp);
    let mut watcher = Watcher::of(&alice);
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("Refer-Sub", "false");
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.invite_for(CAROL);
    let first = watcher.until(CAROL, "dialing-out");
    assert_eq!(text(user(&first, CAROL).unwrap_or(""), "by"), Some(ALICE));
    scene.targets.reply(&invite, 180, &[]);
    watcher.until(CAROL, "alerting");
    let mut carol = scene.accept(&invite);
    let joined = watcher.until(CAROL, "connected dialed-out");
    assert_eq!(text(&joined, "user-count"), Some("3"));
    for (target, status, how) in [
        ("sip:busy@home1.test", 486, "busy"),
        ("sip:busier@home1.test", 600, "busy"),
        ("sip:declines@home1.test", 603, "failed"),
        ("sip:nowhere@home1.test", 404, "failed"),
    ] {
        scene.target(Script::on("INVITE").to(target).reply(status));
        let refer = alice
            .refer(&format!("<{target}>"))
            .with("Refer-Sub", "false");
        check::accepted(&alice.send(&refer).answer());
        let gone = watcher.until(target, &format!("disconnected {how}"));
        let why = text(user(&gone, target).unwrap_or(""), "reason").unwrap_or("");
        assert!(why.contains(&format!("cause={status};")), "{gone}");
    }
    let remove = alice
        .refer(&format!("<{CAROL};method=BYE>"))
        .with("Refer-Sub", "false");
    check::accepted(&alice.send(&remove).answer());
    carol.expect("BYE");
    carol.cseq += 1;
    let gone = watcher.until(CAROL, "disconnected booted");
    let info = text(&gone, "disconnection-info").unwrap_or("");
    assert_eq!(text(info, "by"), Some(ALICE));
    assert_valid(&watcher.documents);
    alice
        .ua()
        .expect_none_where("NOTIFY", QUIET, |m| m.need("Event") == "refer");
}

/// Whoever subscribes right after a REFER learns what came of it, also of targets that were not invited.
#[test]
fn who_comes_late_has_missed_nothing() {
    let may_join = Rule::one(CAROL).allow("join-handling");
    let rules = [all_actions(Rule::members()), may_join];
    let group = Group::new("sip:s@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::with(Setup::new([&group]), Transport::Udp);
    let mut alice = scene.participant(ALICE, &group);
    let _bob = scene.participant(BOB, &group);
    scene.target(Script::on("INVITE").to(CAROL).reply(603));
    for target in [CAROL, "sip:mallory@elsewhere.test"] {
        let refer = alice
            .refer(&format!("<{target}>"))
            .with("Refer-Sub", "false");
        check::accepted(&alice.send(&refer).answer());
    }
    scene.targets.expect("ACK");
    let mut watcher = Watcher::of(&alice);
    let whole = watcher.documents[0].clone();
    assert_eq!(users(&whole), [ALICE, BOB]);
    assert_eq!(text(&whole, "user-count"), Some("2"));
    let gone = watcher.next();
    assert_eq!(root(&gone, "state"), "partial");
    for (target, status) in [(CAROL, 603), ("sip:mallory@elsewhere.test", 403)] {
        assert_eq!(
            standing(&gone, target).as_deref(),
            Some("disconnected failed")
        );
        let user = user(&gone, target).unwrap_or("");
        assert!(user.contains("state=\"deleted\""), "{user}");
        assert!(user.contains(&format!("cause={status};")), "{user}");
    }
    assert_valid(&watcher.documents);
}

#[test]
fn changes_come_at_once_and_then_once_per_interval() {
    let (scene, alice, _bob) = with_two(1_500, Transport::Udp);
    let mut watcher = Watcher::of(&alice);
    let ua = scene.ua(CAROL);
    let begun = Instant::now();
    let mut times = Vec::new();
    for _ in 0..4 {
        let mut carol = scene.join(&ua, &group().uri);
        std::thread::sleep(Duration::from_millis(400));
        check::accepted(&carol.dialog.bye());
        std::thread::sleep(Duration::from_millis(400));
    }
    while let Some(notify) = watcher.find(Duration::from_secs(2)) {
        times.push(notify.at - begun);
    }
    assert!(times[0] < Duration::from_millis(700), "{times:?}");
    assert!((2..=4).contains(&times.len()), "{times:?}");
    for pair in times.windows(2) {
        // A little less than the interval: the times are those of arrival.
        assert!(
            pair[1] - pair[0] > Duration::from_millis(1_400),
            "{times:?}"
        );
    }
    let last = watcher.documents.last().expect("a document");
    assert_eq!(
        standing(last, CAROL).as_deref(),
        Some("disconnected departed")
    );
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let (scene, mut alice, _bob) = with_two(100, Transport::Udp);
    let focus = alice.focus.clone();
    let refused = |msg: Msg, status: u16| {
        let answer = alice.send(&msg).answer();
        assert_eq!(answer.status(), status, "{msg}\n{answer}");
        answer
    };
    let plain = || subscribe(&alice, &focus);
    let short = refused(plain().with("Expires", "30"), 423);
    assert_eq!(short.need("Min-Expires"), "60");
    refused(plain().with("Accept", "application/pidf+xml"), 406);
    let unknown = refused(plain().with("Event", "presence"), 489);
    assert!(unknown.has_token("Allow-Events", "conference"), "{unknown}");
    refused(plain().without("Event"), 489);
    refused(plain().with("Event", "refer"), 403);
    refused(plain().with("Require", "magic"), 420);
    refused(plain().with("Expires", "never"), 400);
    refused(plain().without("P-Asserted-Identity"), 403);
    let domain = "conf.home1.test";
    refused(subscribe(&alice, &format!("sip:nobody@{domain}")), 404);
    refused(
        subscribe(&alice, &format!("sip:conference-factory@{domain}")),
        404,
    );
    refused(plain().with("To", format!("<{focus}>;tag=stale")), 481);
    let stranger = scene.ua("sip:mallory@elsewhere.test");
    let asked = stranger
        .request("SUBSCRIBE", &group().uri)
        .with("Event", "conference");
    let answer = scene.send(&stranger, &asked).answer();
    assert_eq!(answer.status(), 403, "{answer}");
    assert_eq!(
        check::warning(&answer),
        "105 Subscription of conference state not allowed"
    );
    alice.ua().expect_none("NOTIFY", QUIET);
    // The session goes on as before.
    let watcher = Watcher::of(&alice);
    assert_eq!(users(&watcher.documents[0]), [ALICE, BOB]);
    check::accepted(&alice.dialog.bye());
}

#[test]
fn too_many_subscriptions_do_not_harm_the_others() {
    let setup = Setup::new([group()])
        .param_int("max_subscriptions", 40)
        .param_int("max_person_subscriptions", 40)
        .param_int("conference_notify_interval", 100);
    let scene = Scene::with(setup, Transport::Udp);
    let alice = scene.participant(ALICE, &group());
    let _bob = scene.participant(BOB, &group());
    let mut watchers: Vec<Watcher> = (0..40).map(|_| Watcher::of(&alice)).collect();
    let answer = alice.send(&subscribe(&alice, &alice.focus)).answer();
    assert_eq!(answer.status(), 486, "{answer}");
    let _carol = scene.participant(CAROL, &group());
    for watcher in &mut watchers {
        watcher.until(CAROL, "connected dialed-in");
    }
    let number = |name: &str| {
        let text = scene.server.rpc_ok(&["cnt.grp_get_all", "cpm"]);
        let line = text.lines().find(|l| l.contains(name));
        let value = line.and_then(|l| l.rsplit([':', '=']).next()?.trim().parse::<u64>().ok());
        value.unwrap_or_else(|| panic!("no {name} in {text}"))
    };
    assert_eq!(number("conference_subscriptions"), 40);
    assert!(number("conference_notifies_sent") >= 80);
    let shown = scene.server.rpc_ok(&["cpm.show", &group().uri]);
    assert_eq!(shown.matches("version: ").count(), 40, "{shown}");
}

#[test]
fn the_end_of_a_session_and_of_a_participation() {
    let (scene, alice, mut bob) = with_two(200, Transport::Udp);
    let mut carol = scene.participant(CAROL, &Group::open("s", &[ALICE, BOB, CAROL]));
    let mut of_alice = Watcher::of(&alice);
    // A subscription may be in the dialog of the INVITE as well.
    let inside = bob.dialog.request("SUBSCRIBE").with("Event", "conference");
    check::accepted(&bob.send(&inside).answer());
    let first = bob.dialog.expect("NOTIFY");
    assert_eq!(users(&first.msg.body_text()), [ALICE, BOB, CAROL]);
    check::accepted(&bob.dialog.bye());
    let last = bob.dialog.expect("NOTIFY");
    let state = last.msg.need("Subscription-State");
    assert_eq!(state, "terminated;reason=rejected", "{}", last.msg);
    of_alice.until(BOB, "disconnected departed");
    check::accepted(&carol.dialog.bye());
    let end = of_alice.end();
    let state = end.msg.need("Subscription-State");
    assert_eq!(state, "terminated;reason=noresource");
    assert_valid(&of_alice.documents);
    alice.dialog.expect("BYE");
}

#[test]
fn the_anonymous_are_numbers() {
    let group = Group::discreet("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("conference_notify_interval", 100);
    let scene = Scene::with(setup, Transport::Udp);
    let alice = scene.participant(ALICE, &group);
    let hidden = scene.ua(BOB);
    let invite = scene.invite(&hidden, &group.uri).with("Privacy", "id");
    let mut bob = scene.enter(&hidden, &invite);
    let mut watcher = Watcher::of(&alice);
    let shown = "sip:anonymous-1@anonymous.invalid";
    assert_eq!(users(&watcher.documents[0]), [ALICE, shown]);
    let _carol = scene.participant(CAROL, &group);
    let refer = bob
        .refer("<sip:dave@home1.test>")
        .with("Refer-Sub", "false");
    check::accepted(&bob.send(&refer).answer());
    watcher.until(DAVE, "dialing-out");
    check::accepted(&bob.dialog.bye());
    watcher.until(shown, "disconnected departed");
    assert_valid(&watcher.documents);
    check::free_of(
        &alice.ua().every_byte(),
        &["bob@", &hidden.local().to_string()],
    );
}
