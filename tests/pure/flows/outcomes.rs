//! What a REFER did, as those see it who only watch: every target, those who come late, those who missed a NOTIFY.
//! Not here: who may watch and how often they are told (`super::watching`).

use cpm::cpm::action::Counter;

use crate::flows::bed::{interleaved, Cast, World, GROUP};
use crate::flows::listing::{creates, refers_list};
use crate::flows::watching::{again, believed, coherent, perfectly, told, watch, watches, SETTLED};
use crate::kit::schema::{assert_valid, root, standing, text, user, users};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";
const MALLORY: &str = "sip:mallory@home1.test";
const QUIET: &str = "Refer-Sub: false\r\n";

/// The last document of the latest subscription.
fn latest(world: &World, peer: usize) -> String {
    told(world, peer).pop().expect("a NOTIFY").body
}

/// The last two documents: the whole state, and those who have gone, who follow it.
fn latest_two(world: &World, peer: usize) -> (String, String) {
    let mut bodies = told(world, peer).into_iter().map(|told| told.body);
    let gone = bodies.next_back().expect("a NOTIFY");
    let whole = bodies.next_back().expect("two NOTIFYs");
    assert_eq!(root(&whole, "state"), "full");
    assert_eq!(root(&gone, "state"), "partial");
    (whole, gone)
}

#[test]
fn targets_that_get_no_invite_are_visible_too() {
    perfectly(|world, cast| {
        world.settings.max_participants = 3;
        world.join(cast.alice);
        watch(world, cast.alice);
        let entries = [
            MALLORY,
            "mailto:x@y",
            ALICE,
            CAROL,
            BOB,
            DAVE,
            "no uri at all",
        ];
        refers_list(world, cast.alice, &entries, QUIET);
        world.run(SETTLED);
        for (who, standing, status) in [
            (MALLORY, "disconnected failed", 403),
            ("mailto:x@y", "disconnected failed", 404),
            (DAVE, "disconnected busy", 486),
        ] {
            let seen = believed(world, cast.alice, who);
            assert_eq!(seen.as_deref(), Some(standing), "{who}");
            let all = told(world, cast.alice);
            let said = all
                .iter()
                .find_map(|t| user(&t.body, who))
                .unwrap_or_default();
            assert_eq!(text(said, "by"), Some(ALICE));
            assert!(said.contains(&format!("cause={status};")), "{said}");
        }
        let carol = believed(world, cast.alice, CAROL);
        assert_eq!(carol.as_deref(), Some("connected dialed-out"));
        let bodies: Vec<String> = told(world, cast.alice)
            .into_iter()
            .map(|t| t.body)
            .collect();
        assert!(!bodies.concat().contains("no uri"));
        assert_valid(&bodies);
        coherent(world, cast.alice);
        // The bed held what the documents add up to against a full one, after each of them.
        assert!(world.rosters_compared > 1, "{}", world.rosters_compared);
    });
}

/// A client that subscribes after its REFER must not miss what came of it before that.
#[test]
fn who_begins_to_watch_after_the_failure_learns_of_it() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((300, 603));
        world.join(cast.alice);
        world.join(cast.bob);
        world.refers(cast.alice, CAROL, QUIET);
        world.refers(cast.bob, MALLORY, QUIET);
        world.run(3_000);
        let nobody_yet = told(world, cast.alice);
        assert!(nobody_yet.is_empty(), "{nobody_yet:?}");
        watch(world, cast.alice);
        world.run(SETTLED);
        for who in [CAROL, MALLORY] {
            let seen = believed(world, cast.alice, who);
            assert_eq!(seen.as_deref(), Some("disconnected failed"), "{who}");
        }
        let bodies: Vec<String> = told(world, cast.alice)
            .into_iter()
            .map(|t| t.body)
            .collect();
        assert_valid(&bodies);
        // Not for ever, and it costs nothing afterwards.
        watch(world, cast.bob);
        world.run(SETTLED);
        assert_eq!(users(&latest(world, cast.bob)), [ALICE, BOB]);
        world.leaves(cast.alice);
        world.run(SETTLED);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
    });
}

/// The same when nobody ever watches: what was kept for them goes by itself, or with the session.
#[test]
fn what_nobody_asks_for_is_forgotten() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((300, 486));
        world.join(cast.alice);
        world.join(cast.bob);
        world.refers(cast.alice, CAROL, QUIET);
        world.run(SETTLED);
        world.refers(cast.alice, MALLORY, QUIET);
        world.leaves(cast.bob);
        world.run(SETTLED);
        world.end();
    });
}

/// The list of a factory INVITE is told of like that of a REFER.
#[test]
fn the_fate_of_those_a_session_was_made_with() {
    perfectly(|world, cast| {
        world.manners(cast.carol).answer = Some((100, 486));
        creates(world, cast.alice, &[CAROL, BOB]);
        world.run(1_000);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        world.lets(cast.alice, |peer| {
            peer.within(leg, "SUBSCRIBE", "Event: conference\r\n", Vec::new())
        });
        world.run(1_000);
        let (whole, gone) = latest_two(world, cast.alice);
        assert!(standing(&whole, BOB).is_some());
        assert_eq!(standing(&whole, CAROL), None);
        let carol = standing(&gone, CAROL);
        assert_eq!(carol.as_deref(), Some("disconnected busy"));
    });
}

/// An outcome whose NOTIFY was refused is in the next document, which comes without a further change.
#[test]
fn a_refused_notify_loses_no_outcome() {
    perfectly(|world, cast| {
        for peer in [cast.alice, cast.bob, cast.carol] {
            world.join(peer);
        }
        watch(world, cast.alice);
        world.manners(cast.alice).notify = Some(500);
        world.leaves(cast.bob);
        world.refers(cast.alice, MALLORY, QUIET);
        world.run(1_000);
        world.manners(cast.alice).notify = Some(200);
        world.run(6_000);
        let (whole, gone) = latest_two(world, cast.alice);
        assert_eq!(users(&whole), [ALICE, CAROL]);
        for (who, fate) in [(MALLORY, "failed"), (BOB, "departed")] {
            let seen = standing(&gone, who);
            assert_eq!(seen, Some(format!("disconnected {fate}")), "{who}");
            assert!(user(&gone, who).unwrap_or_default().contains("deleted"));
        }
        coherent(world, cast.alice);
    });
}

/// Whoever failed and is reached later is there once, as who is in.
#[test]
fn a_second_try_replaces_the_first() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((100, 486));
        world.join(cast.alice);
        let branch = watch(world, cast.alice);
        world.refers(cast.alice, CAROL, QUIET);
        world.run(SETTLED);
        world.manners(cast.carol).answer = Some((100, 200));
        world.refers(cast.alice, CAROL, QUIET);
        world.run(20_000);
        again(world, cast.alice, &branch, "");
        world.run(SETTLED);
        let whole = latest(world, cast.alice);
        assert_eq!(users(&whole), [ALICE, CAROL]);
        coherent(world, cast.alice);
    });
}

/// The first change after somebody began to watch is told at once, whoever else was told just now.
#[test]
fn every_watcher_has_a_leading_edge() {
    perfectly(|world, cast| {
        for peer in [cast.alice, cast.bob] {
            world.join(peer);
        }
        watch(world, cast.alice);
        world.join(cast.carol);
        world.run(500);
        watch(world, cast.bob);
        let begun = world.now;
        world.leaves(cast.carol);
        world.run(20_000);
        let of = |peer| {
            told(world, peer)
                .into_iter()
                .map(move |t| t.at.saturating_sub(begun))
        };
        let (alice, bob): (Vec<_>, Vec<_>) = (of(cast.alice).collect(), of(cast.bob).collect());
        assert!(bob.last().is_some_and(|at| *at < 300), "{bob:?}");
        assert!(alice.last().is_some_and(|at| *at > 3_000), "{alice:?}");
        assert_eq!((alice.len(), bob.len()), (3, 2));
        for peer in [cast.alice, cast.bob] {
            let carol = believed(world, peer, CAROL);
            assert_eq!(carol.as_deref(), Some("disconnected departed"));
        }
    });
}

fn named(world: &mut World, cast: Cast) -> String {
    watches(world, cast.alice, "");
    world.run(1_000);
    latest(world, cast.alice)
}

/// A name is what the network asserts, or what somebody calls itself under a URI that is its own.
#[test]
fn people_are_shown_by_name() {
    perfectly(|world, cast| {
        let asserted = |name: &str, uri: &str| format!("P-Asserted-Identity: {name} <{uri}>\r\n");
        world.joins_with(cast.alice, &asserted("\"Alice \u{c4} & Co\"", ALICE));
        world.joins_with(
            cast.bob,
            &format!("Privacy: id\r\n{}", asserted("Bobby", BOB)),
        );
        world.joins_with(
            cast.dave,
            &format!("Privacy: user\r\n{}", asserted("Davy", DAVE)),
        );
        world.run(1_000);
        let whole = named(world, cast);
        let alice = user(&whole, ALICE).unwrap_or_default();
        assert_eq!(text(alice, "display-text"), Some("Alice \u{c4} &amp; Co"));
        assert!(
            !whole.contains("Bobby") && !whole.contains("Davy"),
            "{whole}"
        );
        assert_valid(std::slice::from_ref(&whole));
    });
}

/// Who comes in on hold is in all the same.
#[test]
fn a_joiner_on_hold_has_joined() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.carol);
        watch(world, cast.alice);
        let sdp = crate::flows::offering::offer("sendonly");
        let headers = "Content-Type: application/sdp\r\n";
        world.lets(cast.bob, |peer| peer.outside("INVITE", GROUP, headers, sdp));
        world.run(6_000);
        let bob = believed(world, cast.alice, BOB);
        assert_eq!(bob.as_deref(), Some("on-hold dialed-in"));
        world.leaves(cast.bob);
        world.run(6_000);
        let bob = believed(world, cast.alice, BOB);
        assert_eq!(bob.as_deref(), Some("disconnected departed"));
        // So it is no news to those who begin to watch now.
        watch(world, cast.carol);
        assert_eq!(users(&latest(world, cast.carol)), [ALICE, CAROL]);
    });
}

#[test]
fn a_hold_is_shown() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.alice);
        let leg = world.peers[cast.bob].leg().expect("a leg");
        for (direction, shown) in [
            ("sendonly", "on-hold dialed-in"),
            ("recvonly", "connected dialed-in"),
            ("inactive", "on-hold dialed-in"),
            ("sendrecv", "connected dialed-in"),
        ] {
            let sdp = crate::flows::offering::offer(direction);
            let headers = "Content-Type: application/sdp\r\n";
            world.lets(cast.bob, |peer| peer.within(leg, "UPDATE", headers, sdp));
            world.run(6_000);
            let bob = believed(world, cast.alice, BOB);
            assert_eq!(bob.as_deref(), Some(shown), "{direction}");
        }
        assert_valid(
            &told(world, cast.alice)
                .into_iter()
                .map(|t| t.body)
                .collect::<Vec<_>>(),
        );
        assert_eq!(text(&latest(world, cast.alice), "user-count"), Some("2"));
    });
}

/// RFC 9110 section 12.5.1.
#[test]
fn of_several_accepted_types_the_narrowest_counts() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        for (accept, status) in [
            ("*/*", 200),
            ("application/*;q=0.1", 200),
            ("*/*, application/conference-info+xml;q=0", 406),
            ("*/*;q=0, application/conference-info+xml", 200),
            ("application/conference-info+xml ; q = 0", 406),
            ("", 406),
        ] {
            let headers = format!("Event: conference\r\nAccept: {accept}\r\n");
            let branch = world.lets(cast.alice, |peer| {
                peer.outside("SUBSCRIBE", GROUP, &headers, Vec::new())
            });
            assert_eq!(world.outcome(cast.alice, &branch), status, "{accept}");
        }
    });
}
