//! The conference event package: who may watch, what watchers are told, how often, and how it ends.
//! Not here: the XML (`cpm::sip::conference_info`) and REFERs (`super::notifying`).

use cpm::cpm::action::Counter;
use cpm::cpm::settings::Millis;

use crate::bed::{interleaved, interleaved_over, watched_from_outside, Cast, Link, World, GROUP};
use crate::schema::{assert_valid, root, standing, text, user, users, version};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";

/// One conference NOTIFY.
#[derive(Debug)]
pub struct Told {
    pub at: Millis,
    pub call_id: String,
    pub state: String,
    pub body: String,
}

impl Told {
    fn is_terminal(&self) -> bool {
        self.state.starts_with("terminated")
    }
}

pub fn told(world: &World, peer: usize) -> Vec<Told> {
    let notifies = world.sent_to(peer, "NOTIFY").into_iter();
    notifies
        .filter(|sent| sent.request.event().is_some_and(|(e, _)| e == "conference"))
        .map(|sent| Told {
            at: sent.at,
            call_id: sent.request.call_id.clone(),
            state: sent.request.text("Subscription-State").unwrap_or_default(),
            body: String::from_utf8_lossy(&sent.request.body).into_owned(),
        })
        .collect()
}

/// What must hold of everything a watcher was told (I5), by subscription.
pub fn coherent(world: &World, peer: usize) {
    let all = told(world, peer);
    let mut dialogs: Vec<&str> = all.iter().map(|t| t.call_id.as_str()).collect();
    dialogs.dedup();
    for dialog in dialogs {
        let mine: Vec<&Told> = all.iter().filter(|t| t.call_id == dialog).collect();
        let documents = mine.iter().filter(|t| !t.body.is_empty());
        for (n, told) in documents.enumerate() {
            assert_eq!(version(&told.body) as usize, n + 1, "{mine:#?}");
            users(&told.body);
            if n == 0 && !told.is_terminal() {
                assert_eq!(root(&told.body, "state"), "full");
            }
        }
        let ends = mine.iter().filter(|t| t.is_terminal()).count();
        assert!(ends <= 1, "{mine:#?}");
        assert!(ends == 0 || mine.last().is_some_and(|t| t.is_terminal()));
    }
}

pub fn watches(world: &mut World, peer: usize, more: &str) -> String {
    let headers = format!("Event: conference\r\n{more}");
    world.lets(peer, |peer| {
        peer.outside("SUBSCRIBE", GROUP, &headers, Vec::new())
    })
}

/// Watches, and has been told the whole state.
pub fn watch(world: &mut World, peer: usize) -> String {
    let branch = watches(world, peer, "");
    assert_eq!(world.outcome(peer, &branch), 200);
    world.run(100);
    branch
}

/// Once more in the dialog this SUBSCRIBE made.
pub fn again(world: &mut World, peer: usize, branch: &str, more: &str) -> u16 {
    let dialog = world.peers[peer].asked[branch].dialog.expect("a dialog");
    let headers = format!("Event: conference\r\n{more}");
    let branch = world.lets(peer, |p| {
        p.within(dialog, "SUBSCRIBE", &headers, Vec::new())
    });
    world.outcome(peer, &branch)
}

/// What a watcher who reads everything believes of somebody in the end.
pub fn believed(world: &World, peer: usize, entity: &str) -> Option<String> {
    let mut known = None;
    for told in told(world, peer) {
        if told.body.is_empty() {
            continue;
        }
        let here = standing(&told.body, entity);
        let deleted = user(&told.body, entity).is_some() && here.is_none();
        if here.is_some() || deleted || root(&told.body, "state") == "full" {
            known = here;
        }
    }
    known
}

/// Long enough for two rounds, and for repetitions on a bad network.
pub const SETTLED: Millis = 75_000;

pub fn perfectly(scenario: impl Fn(&mut World, Cast)) {
    for seed in 0..4 {
        let (mut world, cast) = World::with_cast(Link::PERFECT, seed);
        scenario(&mut world, cast);
    }
}

#[test]
fn the_first_document_is_whole() {
    perfectly(|world, cast| {
        world.joins_with(cast.alice, "Subject: Lunch & more\r\n");
        world.run(1_000);
        world.join(cast.bob);
        let branch = watch(world, cast.alice);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        assert_eq!(answer.text("Expires").as_deref(), Some("3600"));
        let allowed = answer.text("Allow-Events");
        assert_eq!(allowed.as_deref(), Some("conference, refer"));
        let told = told(world, cast.alice);
        assert_eq!(told.len(), 1);
        assert!(told[0].state.starts_with("active;expires=3"));
        let body = &told[0].body;
        assert_valid(std::slice::from_ref(body));
        assert_eq!(users(body), [ALICE, BOB]);
        assert_eq!(standing(body, BOB).as_deref(), Some("connected dialed-in"));
        assert_eq!(text(body, "user-count"), Some("2"));
        assert_eq!(text(body, "maximum-user-count"), Some("100"));
        assert!(user(body, ALICE).is_some_and(|u| u.contains("yourown=\"true\"")));
        assert!(user(body, BOB).is_some_and(|u| !u.contains("yourown")));
        for host in [ALICE, BOB] {
            assert!(user(body, host).is_some_and(|u| u.contains("<entry>administrator<")));
        }
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 1);
    });
}

#[test]
fn what_a_refer_did_is_visible_to_those_who_suppress_its_notifys() {
    perfectly(|world, cast| {
        world.settings.conference_notify_interval = 100;
        world.manners(cast.carol).rings = vec![(1_000, 180)];
        world.manners(cast.carol).answer = Some((2_000, 200));
        world.join(cast.alice);
        watch(world, cast.alice);
        world.refers(cast.alice, CAROL, "Refer-Sub: false\r\n");
        world.run(5_000);
        let told = told(world, cast.alice);
        let carol: Vec<_> = told
            .iter()
            .filter_map(|t| standing(&t.body, CAROL))
            .collect();
        assert_eq!(carol, ["dialing-out", "alerting", "connected dialed-out"]);
        let bodies: Vec<String> = told.into_iter().map(|t| t.body).collect();
        assert_valid(&bodies);
        for body in &bodies[1..] {
            assert_eq!(root(body, "state"), "partial");
            assert_eq!(users(body), [CAROL]);
            let by = text(user(body, CAROL).unwrap_or_default(), "by");
            assert_eq!(by, Some(ALICE));
        }
        assert_eq!(text(&bodies[3], "user-count"), Some("2"));
        coherent(world, cast.alice);
    });
}

#[test]
fn every_failure_is_told_as_what_it_is() {
    let cases = [
        (Some((300, 486)), "disconnected busy", 486),
        (Some((300, 600)), "disconnected busy", 600),
        (Some((300, 603)), "disconnected failed", 603),
        (Some((300, 404)), "disconnected failed", 404),
        (None, "disconnected failed", 408),
    ];
    interleaved_over(&cases, |world, cast, (answer, expected, status)| {
        world.manners(cast.carol).answer = answer;
        world.join(cast.alice);
        watch(world, cast.alice);
        world.refers(cast.alice, CAROL, "Refer-Sub: false\r\n");
        world.run(SETTLED + 60_000);
        assert_eq!(
            believed(world, cast.alice, CAROL).as_deref(),
            Some(expected)
        );
        let reason = format!("cause={status};");
        assert!(told(world, cast.alice)
            .iter()
            .any(|t| t.body.contains(&reason)));
        coherent(world, cast.alice);
        world.leaves(cast.alice);
        world.run(SETTLED);
        world.end();
    });
}

#[test]
fn who_leaves_and_who_is_removed_are_told_apart() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.carol);
        world.join(cast.dave);
        watch(world, cast.alice);
        world.leaves(cast.dave);
        world.refers(cast.bob, &format!("{CAROL};method=BYE"), "");
        world.run(SETTLED);
        let believed = |who| believed(world, cast.alice, who);
        assert_eq!(believed(DAVE).as_deref(), Some("disconnected departed"));
        assert_eq!(believed(CAROL).as_deref(), Some("disconnected booted"));
        let told = told(world, cast.alice);
        let last = told.iter().rev().find_map(|t| user(&t.body, CAROL));
        assert_eq!(text(last.unwrap_or_default(), "by"), Some(BOB));
        let bodies: Vec<String> = told.into_iter().map(|t| t.body).collect();
        assert_valid(&bodies);
        coherent(world, cast.alice);
        world.leaves(cast.alice);
        world.run(SETTLED);
        world.end();
    });
}

/// The same person by another dialog is still one user.
#[test]
fn who_joins_again_is_still_there() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.alice);
        world.join(cast.bob);
        world.run(SETTLED);
        let bob = believed(world, cast.alice, BOB);
        assert_eq!(bob.as_deref(), Some("connected dialed-in"));
        coherent(world, cast.alice);
        world.leaves(cast.alice);
        world.run(SETTLED);
    });
}

#[test]
fn the_anonymous_have_numbers_and_nothing_else() {
    interleaved(|world, cast| {
        world.join(cast.carol);
        watch(world, cast.carol);
        world.joins_with(cast.alice, "Privacy: id\r\n");
        world.joins_with(cast.bob, "Privacy: id\r\n");
        world.run(SETTLED);
        watch(world, cast.carol);
        world.refers(cast.alice, &format!("{DAVE};method=INVITE"), "");
        world.run(SETTLED);
        world.leaves(cast.bob);
        world.run(SETTLED);
        let mut all = String::new();
        for told in told(world, cast.carol) {
            all += &told.body.to_ascii_lowercase();
        }
        for trace in ["alice", "bob", "127.0.1.1", "127.0.1.2"] {
            assert!(!all.contains(trace), "{trace}: {all}");
        }
        for n in [1, 2] {
            assert!(all.contains(&format!("sip:anonymous-{n}@anonymous.invalid")));
        }
        assert!(all.contains(DAVE));
        coherent(world, cast.carol);
        world.leaves(cast.carol);
        world.run(SETTLED);
    });
}

/// A20: the first change at once, later ones together, a round per interval.
#[test]
fn changes_are_told_at_once_and_then_once_per_interval() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.carol);
        watch(world, cast.alice);
        let begun = world.now;
        for round in 0..10 {
            match round % 2 {
                0 => world.join(cast.bob),
                _ => {
                    world.leaves(cast.bob);
                }
            }
            world.run(1_500);
        }
        world.run(20_000);
        let told = told(world, cast.alice);
        let times: Vec<Millis> = told[1..].iter().map(|t| t.at - begun).collect();
        assert!(times[0] <= 1_000, "{times:?}");
        for pair in times.windows(2) {
            assert!(pair[1] - pair[0] >= 5_000, "{times:?}");
        }
        assert!((3..=5).contains(&times.len()), "{times:?}");
        let bob = believed(world, cast.alice, BOB);
        assert_eq!(bob.as_deref(), Some("disconnected departed"));
        coherent(world, cast.alice);
    });
}

#[test]
fn a_refresh_brings_the_whole_state_and_an_end_ends_it() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.carol);
        let branch = watch(world, cast.alice);
        world.leaves(cast.bob);
        world.run(SETTLED);
        assert_eq!(again(world, cast.alice, &branch, "Expires: 600\r\n"), 200);
        world.run(SETTLED);
        let last = told(world, cast.alice).pop().expect("a NOTIFY");
        assert_eq!(root(&last.body, "state"), "full");
        assert_eq!(users(&last.body), [ALICE, CAROL]);
        assert_eq!(again(world, cast.alice, &branch, "Expires: 0\r\n"), 200);
        world.run(SETTLED);
        let last = told(world, cast.alice).pop().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=timeout");
        assert_eq!(root(&last.body, "state"), "full");
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        assert_eq!(again(world, cast.alice, &branch, ""), 481);
        coherent(world, cast.alice);
        world.end();
    });
}

#[test]
fn a_subscription_nobody_refreshes_ends_by_itself() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let branch = watches(world, cast.alice, "Expires: 60\r\n");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(130_000);
        let last = told(world, cast.alice).pop().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=timeout");
        coherent(world, cast.alice);
        world.end();
    });
}

#[test]
fn a_look_once_leaves_nothing_behind() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let branch = watches(world, cast.alice, "Expires: 0\r\n");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let told = told(world, cast.alice);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].state, "terminated;reason=timeout");
        assert_eq!(users(&told[0].body), [ALICE]);
        world.end();
    });
}

#[test]
fn what_cannot_be_watched_is_refused_with_the_reason() {
    let cases = [
        (
            "Event: conference\r\nExpires: 59\r\n",
            423,
            "Min-Expires",
            "60",
        ),
        ("Event: conference\r\nExpires: soon\r\n", 400, "", ""),
        (
            "Event: conference\r\nAccept: application/pidf+xml\r\n",
            406,
            "Accept",
            "conference-info",
        ),
        (
            "Event: conference\r\nAccept: application/conference-info+xml;q=0\r\n",
            406,
            "",
            "",
        ),
        (
            "Event: presence\r\n",
            489,
            "Allow-Events",
            "conference, refer",
        ),
        ("Event: refer\r\n", 403, "", ""),
        ("", 489, "Allow-Events", "conference, refer"),
        (
            "Event: conference\r\nRequire: magic\r\n",
            420,
            "Unsupported",
            "magic",
        ),
    ];
    interleaved_over(&cases, |world, cast, (headers, status, name, value)| {
        world.join(cast.alice);
        let branch = world.lets(cast.alice, |peer| {
            peer.outside("SUBSCRIBE", GROUP, headers, Vec::new())
        });
        assert_eq!(world.outcome(cast.alice, &branch), status, "{headers}");
        if !name.is_empty() {
            let answer = world.answer(cast.alice, &branch);
            let said = answer
                .and_then(|answer| answer.text(name))
                .unwrap_or_default();
            assert!(said.contains(value), "{name}: {said}");
        }
        assert!(told(world, cast.alice).is_empty());
        world.end();
    });
}

#[test]
fn a_stranger_is_refused_and_so_is_whoever_has_left() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.carol);
        world.join(cast.dave);
        let stranger = watches(world, cast.bob, "");
        assert_eq!(world.outcome(cast.bob, &stranger), 403);
        let warning = world
            .answer(cast.bob, &stranger)
            .and_then(|a| a.text("Warning"));
        assert!(warning.is_some_and(|w| w.contains("\"105 Subscription of conference state")));
        watch(world, cast.carol);
        world.leaves(cast.carol);
        world.run(SETTLED);
        let last = told(world, cast.carol).pop().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=rejected");
        assert!(last.body.is_empty());
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        coherent(world, cast.carol);
        world.end();
    });
}

#[test]
fn one_subscribe_by_two_ways_is_one_subscription() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let branch = watch(world, cast.alice);
        let copy = world.lets(cast.alice, |peer| peer.again_by_another_way(&branch));
        assert_eq!(world.outcome(cast.alice, &copy), 482);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 1);
        world.leaves(cast.alice);
        world.run(SETTLED);
        world.end();
    });
}

#[test]
fn when_the_session_ends_every_watcher_is_told() {
    interleaved(|world, cast| {
        let all = [cast.alice, cast.bob, cast.carol];
        for peer in all {
            world.join(peer);
        }
        for peer in all {
            watch(world, peer);
        }
        world.leaves(cast.bob);
        world.run(SETTLED);
        world.leaves(cast.carol);
        world.run(SETTLED);
        for (peer, reason) in [(cast.alice, "noresource"), (cast.bob, "rejected")] {
            let last = told(world, peer).pop().expect("a NOTIFY");
            assert_eq!(last.state, format!("terminated;reason={reason}"));
            coherent(world, peer);
        }
        let last = told(world, cast.alice).pop().expect("a NOTIFY");
        assert_eq!(root(&last.body, "state"), "deleted");
        assert_valid(std::slice::from_ref(&last.body));
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
    });
}

/// Inside the dialog of the INVITE, beside a REFER's NOTIFYs.
#[test]
fn a_participant_may_watch_in_its_own_dialog() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        for (n, id) in [";id=one", ";id=two", ";id=one"].into_iter().enumerate() {
            let headers = format!("Event: conference{id}\r\n");
            let branch = world.lets(cast.alice, |peer| {
                peer.within(leg, "SUBSCRIBE", &headers, Vec::new())
            });
            assert_eq!(world.outcome(cast.alice, &branch), 200);
            // The third one refreshes the first.
            let now = world.counted(Counter::ConferenceSubscriptions);
            assert_eq!(now, [1, 2, 2][n]);
        }
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        let carol = believed(world, cast.alice, CAROL);
        assert_eq!(carol.as_deref(), Some("connected dialed-out"));
        world.leaves(cast.alice);
        world.run(SETTLED);
        let ends = told(world, cast.alice);
        assert_eq!(ends.iter().filter(|t| t.is_terminal()).count(), 2);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
    });
}

/// A refresh that meets the end of its subscription must not cost anybody the session: some take 481 for
/// the end of the whole dialog (RFC 5057 section 5.1).
#[test]
fn a_refresh_that_comes_too_late_is_asked_to_come_again() {
    perfectly(|world, cast| {
        let joined = world.joins(cast.alice);
        world.join(cast.bob);
        assert_eq!(again(world, cast.alice, &joined, "Expires: 60\r\n"), 200);
        world.run(1_000);
        world.manners(cast.alice).notify = None;
        world.run(60_000);
        assert_eq!(again(world, cast.alice, &joined, "Expires: 60\r\n"), 500);
        // The last NOTIFY is given up.
        world.manners(cast.alice).notify = Some(200);
        world.run(35_000);
        assert!(world.is_in(cast.alice));
        assert_eq!(again(world, cast.alice, &joined, "Expires: 60\r\n"), 200);
        world.run(1_000);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 1);
    });
}

#[test]
fn nobody_listens_any_more() {
    interleaved_over(&[481, 404, 489, 0], |world, cast, code| {
        world.manners(cast.alice).notify = (code > 0).then_some(code);
        world.join(cast.alice);
        watch(world, cast.alice);
        world.run(SETTLED);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.join(cast.bob);
        world.run(SETTLED);
        assert_eq!(told(world, cast.alice).len(), 1);
        world.leaves(cast.bob);
        world.end();
    });
}

/// A watcher who missed a document is told everything next.
#[test]
fn a_refused_document_is_made_good() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        watch(world, cast.alice);
        world.manners(cast.alice).notify = Some(500);
        world.join(cast.bob);
        world.run(6_000);
        world.manners(cast.alice).notify = Some(200);
        world.join(cast.carol);
        world.run(6_000);
        let last = told(world, cast.alice).pop().expect("a NOTIFY");
        assert_eq!(root(&last.body, "state"), "full");
        assert_eq!(users(&last.body), [ALICE, BOB, CAROL]);
        coherent(world, cast.alice);
    });
}

#[test]
fn a_crowd_of_watchers_is_told_slice_by_slice_and_a_limit_holds() {
    perfectly(|world, cast| {
        world.settings.max_subscriptions = 80;
        world.join(cast.alice);
        for _ in 0..80 {
            watch(world, cast.alice);
        }
        let branch = watches(world, cast.alice, "");
        assert_eq!(world.outcome(cast.alice, &branch), 486);
        world.join(cast.bob);
        world.run(4_000);
        let told_of_bob = told(world, cast.alice);
        let told_of_bob = told_of_bob
            .iter()
            .filter(|t| standing(&t.body, BOB).is_some());
        assert_eq!(told_of_bob.count(), 80);
        world.leaves(cast.bob);
        world.leaves(cast.alice);
        world.run(SETTLED);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        coherent(world, cast.alice);
        world.end();
    });
}

/// Whatever the document lets its members see: who was put out is out.
#[test]
fn whoever_is_removed_watches_no_more() {
    interleaved(|world, cast| {
        world.groups = watched_from_outside();
        for peer in [cast.alice, cast.bob, cast.carol] {
            world.join(peer);
        }
        let branch = watch(world, cast.carol);
        world.refers(cast.alice, &format!("{CAROL};method=BYE"), "");
        world.run(SETTLED);
        let last = told(world, cast.carol).pop().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=rejected");
        assert_eq!(again(world, cast.carol, &branch, ""), 481);
        let branch = watches(world, cast.carol, "");
        assert_eq!(world.outcome(cast.carol, &branch), 403);
        world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let branch = watches(world, cast.carol, "");
        assert_eq!(world.outcome(cast.carol, &branch), 200);
    });
}
