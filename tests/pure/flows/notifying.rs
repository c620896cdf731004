//! The rules of the NOTIFYs themselves: how many, when, with which Event, and when they stop.
//! Not here: what they report (`super::inviting`, `super::racing`).

use cpm::cpm::time::Millis;

use crate::flows::bed::{interleaved, interleaved_over, World};

const TARGET: &str = "sip:carol@home1.test";

fn times(world: &World, peer: usize, branch: &str) -> Vec<(u16, Millis)> {
    let told = world.promise(peer, branch).told.iter();
    told.map(|told| (told.status, told.at)).collect()
}

#[test]
fn the_first_and_the_last_one_look_as_rfc_3515_shows_them() {
    interleaved(|world, cast| {
        world.manners(cast.carol).rings = Vec::new();
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        let told = &world.promise(cast.alice, &refer).told;
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].body, "SIP/2.0 100 Trying\r\n");
        assert_eq!(told[0].state, "active;expires=120");
        assert_eq!(told[0].event, "refer");
        assert_eq!(told[1].body, "SIP/2.0 200 OK\r\n");
        assert_eq!(told[1].state, "terminated;reason=noresource");
        for notify in world.sent("NOTIFY") {
            let request = &notify.request;
            assert_eq!(request.values("Contact").len(), 1);
            let kind = request.content_type().expect("a Content-Type");
            assert_eq!(kind.kind, "message/sipfrag");
        }
        world.end();
    });
}

/// RFC 3515 section 2.4.6: the id from the second REFER of a dialog on.
#[test]
fn from_the_second_refer_on_the_event_has_an_id() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        for (target, more) in [
            (TARGET, ""),
            ("sip:dave@home1.test", ""),
            ("sip:mallory@home1.test", "Refer-Sub: true\r\n"),
        ] {
            let refer = world.refers(cast.alice, target, more);
            world.run_out();
            let promise = world.promise(cast.alice, &refer);
            let event = match promise.first {
                true => "refer".to_owned(),
                false => format!("refer;id={}", promise.cseq),
            };
            assert!(promise.told.iter().all(|told| told.event == event));
            assert!(promise.told.last().is_some_and(|told| told.is_terminal()));
        }
        world.end();
    });
}

#[test]
fn suppressed_means_none() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        for more in [
            "Refer-Sub: false\r\n",
            "Refer-Sub: FALSE;x=y\r\n",
            "Require: nosub\r\n",
            "Require: norefersub\r\nRefer-Sub: false\r\n",
        ] {
            let inside = world.refers(cast.alice, TARGET, more);
            assert_eq!(world.outcome(cast.alice, &inside), 200);
            let echoed = world
                .answer(cast.alice, &inside)
                .and_then(|a| a.text("Refer-Sub"));
            assert_eq!(echoed.is_some(), more.contains("Refer-Sub"));
            let outside = world.refers_outside(cast.alice, TARGET, more);
            assert_eq!(world.outcome(cast.alice, &outside), 200);
        }
        world.run_out();
        assert!(world.sent("NOTIFY").is_empty());
        assert_eq!(world.sent("INVITE").len(), 1);
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn supporting_suppression_is_not_asking_for_it() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "Require: norefersub\r\n");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        world.end();
    });
}

/// N6: provisionals are held back and merged, finals are not.
#[test]
fn provisionals_are_paced_and_finals_are_not() {
    interleaved(|world, cast| {
        world.manners(cast.carol).rings = (0..60).map(|n| (50 * n, 180 + (n % 4) as u16)).collect();
        world.manners(cast.carol).answer = Some((5_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        let times = times(world, cast.alice, &refer);
        for pair in times.windows(2) {
            let [(_, before), (status, at)] = pair else {
                continue;
            };
            if *status < 200 {
                // A worker may be quicker in sending than the one before it was.
                let late = world.network.link.work;
                assert!(
                    at + late >= before + world.settings.refer_notify_interval,
                    "{times:?}"
                );
            }
        }
        assert!(times.len() <= 9, "{times:?}");
        assert_eq!(times.last().map(|(status, _)| *status), Some(200));
        world.end();
    });
}

#[test]
fn a_final_does_not_wait_for_the_interval() {
    interleaved(|world, cast| {
        world.settings.refer_notify_interval = 100_000;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        let times = times(world, cast.alice, &refer);
        let [(100, first), (200, last)] = times[..] else {
            panic!("{times:?}");
        };
        assert!(last - first < 30_000);
        world.end();
    });
}

/// N9: nobody listens any more, and the INVITE goes on.
#[test]
fn a_fatal_answer_ends_the_subscription_and_not_the_invite() {
    interleaved_over(
        &[
            404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604,
        ],
        |world, cast, code| {
            world.manners(cast.alice).notify = Some(code);
            world.join(cast.alice);
            let inside = world.refers(cast.alice, TARGET, "");
            world.outcome(cast.alice, &inside);
            let outside = world.refers_outside(cast.alice, "sip:dave@home1.test", "");
            world.run_out();
            for refer in [inside, outside] {
                let told = world.told(cast.alice, &refer);
                assert!(told.iter().all(|told| *told == (100, false)), "{told:?}");
                // Early enough it may mean that the 2xx has not come yet.
                assert!(
                    told.len() == 1 || code == 481 && told.len() == 2,
                    "{told:?}"
                );
            }
            assert!(world.ledger.cancels.is_empty());
            assert!(world.is_in(cast.carol) && world.is_in(cast.dave));
            world.end();
        },
    );
}

#[test]
fn silence_ends_the_subscription_and_not_the_invite() {
    interleaved(|world, cast| {
        world.manners(cast.alice).notify = None;
        world.manners(cast.carol).answer = Some((20_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer), [(100, false)]);
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

/// RFC 5057 section 5.1: the same once more, when the referrer asked for it and not before.
#[test]
fn a_refusal_with_retry_after_is_told_again_in_time() {
    interleaved(|world, cast| {
        let manners = world.manners(cast.alice);
        manners.notify = Some(503);
        manners.retry_after = Some(20);
        manners.patience = 1;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        let times = times(world, cast.alice, &refer);
        assert!(times[1].1 >= times[0].1 + 20_000, "{times:?}");
        assert_eq!(times[0].0, times[1].0);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        world.end();
    });
}

/// A report that waits does not get around the one that was asked to come again later.
#[test]
fn what_comes_after_a_held_notify_waits_too() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let manners = world.manners(cast.alice);
        manners.notify = Some(503);
        manners.retry_after = Some(20);
        manners.patience = 1;
        // Settled at once: the result waits while 100 is in flight.
        let refer = world.refers(cast.alice, "sip:mallory@home1.test", "");
        world.run_out();
        let times = times(world, cast.alice, &refer);
        let [(100, first), (100, again), (403, _)] = times[..] else {
            panic!("{times:?}");
        };
        assert!(again >= first + 20_000, "{times:?}");
        world.end();
    });
}

/// N10: refreshed by SUBSCRIBE, or ended by it; the INVITE goes on.
#[test]
fn a_subscription_is_refreshed_and_ended_by_subscribe() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((50_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.run(8_000);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let asks = |world: &mut World, headers: &str| {
            let branch = world.lets(cast.alice, |p| {
                p.within(leg, "SUBSCRIBE", headers, Vec::new())
            });
            world.outcome(cast.alice, &branch)
        };
        let before = world.told(cast.alice, &refer).len();
        assert_eq!(asks(world, "Event: refer\r\nExpires: 60\r\n"), 200);
        world.run(8_000);
        assert!(world.told(cast.alice, &refer).len() > before);
        assert_eq!(asks(world, "Event: presence\r\n"), 489);
        assert_eq!(asks(world, "Event: refer;id=77\r\n"), 403);
        assert_eq!(asks(world, "Event: refer\r\nExpires: 0\r\n"), 200);
        world.run_out();
        let told = &world.promise(cast.alice, &refer).told;
        let last = told.last().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=timeout");
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

/// Other failures are not the end of it.
#[test]
fn an_answer_that_is_not_fatal_lets_it_go_on() {
    interleaved_over(&[400, 403, 500, 503], |world, cast, code| {
        world.manners(cast.alice).notify = Some(code);
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(
            world.told(cast.alice, &refer).last(),
            Some(&(200, true)),
            "{code}"
        );
        world.end();
    });
}

/// N14: the time is up before the result is there.
#[test]
fn a_subscription_that_expires_says_what_it_knows() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.manners(cast.carol).answer = None;
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.run(10_000);
        // The operator lets later INVITEs ring longer; an old subscription joins such a one.
        world.settings.invite_timeout = 500_000;
        world.tm.ringing = 510_000;
        world.manners(cast.dave).answer = None;
        let first = world.refers(cast.bob, "sip:dave@home1.test", "");
        world.outcome(cast.bob, &first);
        world.settings.invite_timeout = 60_000;
        let late = world.refers(cast.alice, "sip:dave@home1.test", "");
        world.run(150_000);
        let told = &world.promise(cast.alice, &late).told;
        let last = told.last().expect("a NOTIFY");
        assert_eq!(last.state, "terminated;reason=timeout");
        assert!([100, 180].contains(&last.status));
        world.run_out();
        assert_eq!(world.told(cast.bob, &first).last(), Some(&(408, true)));
        world.end();
    });
}

#[test]
fn a_refer_outside_has_a_dialog_of_its_own() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let inside = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &inside);
        let outside = world.refers_outside(cast.alice, "sip:dave@home1.test", "");
        world.run_out();
        let (inside, outside) = (
            world.promise(cast.alice, &inside),
            world.promise(cast.alice, &outside),
        );
        assert_ne!(inside.call_id, outside.call_id);
        assert_eq!(outside.told[0].cseq, 1);
        assert_eq!(outside.told[0].event, "refer");
        world.end();
    });
}

/// Many REFERs in one dialog: their NOTIFYs share its one place in flight and all get through.
#[test]
fn many_subscriptions_share_a_dialog() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let targets = [
            TARGET,
            "sip:dave@home1.test",
            "tel:+358401234567",
            "sip:mallory@home1.test",
        ];
        let mut refers = Vec::new();
        for target in targets {
            let refer = world.refers(cast.alice, target, "");
            world.outcome(cast.alice, &refer);
            refers.push(refer);
        }
        world.run_out();
        for refer in refers {
            let told = world.told(cast.alice, &refer);
            assert!(told.last().is_some_and(|(_, last)| *last), "{told:?}");
        }
        world.end();
    });
}
