//! The life of a conference subscription: begun, refused, refreshed, ended (RFC 6665, requirements section 2.8).
//! Not here: what the documents say (`super::watching`).

use cpm::cpm::action::Counter;

use crate::flows::bed::{interleaved, interleaved_over, watched_from_outside, GROUP};
use crate::flows::lasting::heads;
use crate::flows::watching::{again, believed, coherent, perfectly, told, watch, watches, SETTLED};
use crate::kit::schema::{assert_valid, root, users};

const ALICE: &str = "sip:alice@home1.test";
const CAROL: &str = "sip:carol@home1.test";

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

/// Who asks for patience is given it, but the end of the session is news at once (RFC 6665 section 4.2.2).
#[test]
fn the_end_does_not_wait_for_a_busy_subscriber() {
    // The NOTIFY before it has been refused, or is in flight.
    interleaved_over(&[1_000, 0], |world, cast, wait| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.alice);
        world.manners(cast.alice).notify = Some(503);
        world.manners(cast.alice).retry_after = Some(60);
        world.manners(cast.alice).patience = 1;
        world.join(cast.carol);
        world.run(wait);
        let end = world.now;
        for head in heads(world) {
            world.operator(head, |session| session.end_by_operator());
        }
        world.run(SETTLED);
        let all = told(world, cast.alice);
        let last = all.last().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=noresource");
        // Not more than the NOTIFY before it may take, should it get lost.
        assert!(last.at - end < 35_000, "{}", last.at - end);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
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
        // 481 so early may mean that the 200 has not come yet.
        let sent = told(world, cast.alice).len();
        assert!(sent == 1 || code == 481 && sent == 2, "{sent}");
        world.leaves(cast.bob);
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
