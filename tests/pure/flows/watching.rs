//! The conference event package: what watchers are told, and how often.
//! Not here: the XML (`cpm::sip::conference_info`) and the life of a subscription (`super::subscribing`).

use cpm::cpm::action::Counter;
use cpm::cpm::time::Millis;

use crate::flows::bed::{interleaved, interleaved_over, Cast, Link, World, GROUP};
use crate::kit::schema::{assert_valid, root, standing, text, user, users, version};

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
    pub fn is_terminal(&self) -> bool {
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

/// The documents of a watcher. A large first one comes after a NOTIFY without any.
pub fn documents(world: &World, peer: usize) -> Vec<String> {
    let bodies = told(world, peer).into_iter().map(|told| told.body);
    bodies.filter(|body| !body.is_empty()).collect()
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
        assert_valid(&documents(world, cast.alice));
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
        world.settings.max_person_subscriptions = 80;
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
