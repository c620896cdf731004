//! Rates: who refers too often is refused, and INVITEs that are too many wait for their turn.
//! Not here: the pace of one list (`super::listing`).

use cpm::cpm::action::Counter;
use cpm::cpm::settings::Rates;
use cpm::cpm::time::Millis;
use cpm::sip::Route;

use crate::flows::bed::{called_together, interleaved, Cast, Told, World};
use crate::flows::listing::{creates, refers_list};
use crate::flows::watching::perfectly;

const CAROL: &str = "sip:carol@home1.test";

/// Nothing but what a test sets.
fn unlimited(world: &mut World) {
    world.settings.rates = Rates::new(0, 0, 0, 0);
    world.settings.invite_rate = 0;
    world.settings.first_notify_delay = 0;
}

fn guests(world: &mut World, count: usize, domain: &str) -> Vec<String> {
    let guest = |n| format!("sip:guest{n}@{domain}");
    let all: Vec<String> = (0..count).map(guest).collect();
    for uri in &all {
        let peer = world.peer("guest", &[uri]);
        world.manners(peer).answer = Some((50, 486));
    }
    all
}

/// How long after the first one each INVITE to `domain` left, ms.
fn left(world: &World, domain: &str) -> Vec<Millis> {
    let sent = world.sent("INVITE");
    let first = sent.first().map_or(0, |sent| sent.at);
    let there = sent.iter().filter(|s| s.request.uri.ends_with(domain));
    there.map(|sent| sent.at - first).collect()
}

fn lists(world: &mut World, cast: Cast, entries: &[String]) -> String {
    let entries: Vec<&str> = entries.iter().map(String::as_str).collect();
    let refer = refers_list(world, cast.alice, &entries, "Refer-Sub: false\r\n");
    assert_eq!(world.outcome(cast.alice, &refer), 200);
    refer
}

/// Three hundred REFERs at once: a burst is served, the rest is told why not and when again.
#[test]
fn who_refers_too_often_is_refused() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(10, 0, 0, 0);
        world.join(cast.alice);
        world.join(cast.bob);
        world.settings.max_participants = 20;
        let asked: Vec<String> = (0..300)
            .map(|_| world.refers(cast.alice, CAROL, "Refer-Sub: false\r\n"))
            .collect();
        world.run(1_000);
        let status = |branch: &String| world.status(cast.alice, branch);
        let accepted = asked.iter().filter(|branch| status(branch) == 200).count();
        assert_eq!(accepted, 50);
        assert_eq!(asked.iter().filter(|b| status(b) == 486).count(), 250);
        assert_eq!(world.counted(Counter::RefersOverRate), 250);
        assert_eq!(world.counted(Counter::RefersRefused), 250);
        let refused = asked.last().expect("a REFER");
        let answer = world.answer(cast.alice, refused).expect("an answer");
        let warning = answer.text("Warning").unwrap_or_default();
        assert!(warning.contains("\"Too many requests of one participant\""));
        assert_eq!(answer.text("Retry-After").as_deref(), Some("1"));
        let told = world.trails.iter().filter(|(_, told)| match told {
            Told::Line(line) => line.contains("refer_rate, which is 10"),
            Told::Opened(_) => false,
        });
        assert_eq!(told.count(), 250);
        // Another one is not held up, and after its time alice is not either.
        let bob = world.refers(cast.bob, "sip:dave@home1.test", "");
        assert_eq!(world.outcome(cast.bob, &bob), 200);
        let again = world.refers(cast.alice, "sip:dave@home1.test", "");
        assert_eq!(world.outcome(cast.alice, &again), 200);
        world.run(10_000);
        assert!(world.is_in(cast.carol) && world.is_in(cast.dave));
        world.end();
    });
}

/// A client without lists adds sixty people to a group of at most a hundred: sixty REFERs at once.
#[test]
fn sixty_people_may_be_added_one_by_one() {
    perfectly(|world, cast| {
        world.settings.rates = Rates::new(10, 100, 500, 1_000);
        world.join(cast.alice);
        let refer = |world: &mut World, n| {
            let target = format!("sip:p{n}@home1.test");
            world.refers(cast.alice, &target, "Refer-Sub: false\r\n")
        };
        let asked: Vec<String> = (0..60).map(|n| refer(world, n)).collect();
        world.run(2_000);
        for branch in asked {
            assert_eq!(world.status(cast.alice, &branch), 200);
        }
    });
}

/// All sessions of one person count together, and so do the lists in an INVITE to the factory.
#[test]
fn a_person_has_one_rate_in_all_sessions() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(1, 0, 0, 0);
        world.settings.max_participants = 3;
        world.join(cast.alice);
        for n in 0..5 {
            let status = match n % 2 {
                0 => {
                    let branch = creates(world, cast.alice, &[CAROL]);
                    world.outcome(cast.alice, &branch)
                }
                _ => {
                    let branch = world.refers_outside(cast.alice, CAROL, "");
                    world.outcome(cast.alice, &branch)
                }
            };
            assert_eq!(status, 200);
        }
        let before = world.sent("INVITE").len();
        // Waiting for the answers took a second.
        let branch = creates(world, cast.alice, &[CAROL]);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let branch = creates(world, cast.alice, &[CAROL]);
        assert_eq!(world.outcome(cast.alice, &branch), 486);
        assert_eq!(world.sent("INVITE").len(), before + 1);
        assert_eq!(world.counted(Counter::RefersOverRate), 1);
    });
}

/// Several lists of one session wait for each other; none of their INVITEs is lost.
#[test]
fn the_invites_of_a_session_wait_for_their_turn() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(0, 10, 0, 0);
        world.join(cast.alice);
        let all = guests(world, 30, "home1.test");
        for part in all.chunks(10) {
            lists(world, cast, part);
        }
        world.run(5_000);
        let left = left(world, "home1.test");
        assert_eq!(left.len(), 30);
        assert_eq!(left.iter().filter(|at| **at < 100).count(), 10, "{left:?}");
        let last = left.last().copied().unwrap_or(0);
        assert!((1_000..3_000).contains(&last), "{left:?}");
        let waited = world.counted(Counter::InvitesOverSessionRate);
        assert!((15..=20).contains(&waited), "{waited}");
        assert!(world.trails.iter().any(|(_, told)| matches!(
            told,
            Told::Line(line) if line.ends_with("ms: session_rate")
        )));
        world.end();
    });
}

/// What goes to one domain does not hold up what goes to another.
#[test]
fn the_invites_to_a_domain_wait_for_their_turn() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(0, 0, 5, 0);
        let mut all = guests(world, 10, "home1.test");
        all.extend(guests(world, 3, "other.test"));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let branch = creates(world, cast.alice, &all);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(5_000);
        assert_eq!(left(world, "other.test"), [0; 3]);
        let there = left(world, "home1.test");
        assert_eq!(there[..5], [0; 5]);
        assert_eq!(there[5..], [200, 400, 600, 800, 1_000]);
        assert_eq!(world.counted(Counter::InvitesOverTargetRate), 5);
        world.end();
    });
}

#[test]
fn the_invites_to_a_next_hop_wait_for_their_turn() {
    perfectly(|world, cast| {
        unlimited(world);
        let route = Route::parse(b"<sip:127.0.0.1:5070;lr;orig>");
        world.settings.orig_route = route.into_iter().collect();
        world.settings.rates = Rates::new(0, 0, 0, 5);
        let mut all = guests(world, 4, "home1.test");
        all.extend(guests(world, 4, "other.test"));
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let branch = creates(world, cast.alice, &all);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(5_000);
        assert_eq!(left(world, ".test"), [0, 0, 0, 0, 0, 200, 400, 600]);
        assert_eq!(world.counted(Counter::InvitesOverNextHopRate), 3);
        world.end();
    });
}

fn many(count: usize) -> Vec<String> {
    let guest = |n| format!("sip:none{n}@home1.test");
    (0..count).map(guest).collect()
}

/// How long carol's INVITE waits when bob asks for it now, ms.
fn wait_of_somebody_else(world: &mut World, cast: Cast) -> Millis {
    let asked = world.now;
    let branch = creates(world, cast.bob, &[CAROL]);
    let to_carol = |world: &World| {
        let mut sent = world.sent("INVITE").into_iter();
        sent.find(|sent| sent.request.uri.contains("carol"))
            .map(|sent| sent.at)
    };
    while to_carol(world).is_none() {
        world.run(100);
        assert!(world.now < asked + 600_000, "carol is never invited");
    }
    assert_eq!(world.status(cast.bob, &branch), 200);
    to_carol(world).map_or(0, |at| at - asked)
}

/// Each target of a list is charged to who asks for it, so with the defaults one person's lists never use up what
/// all share.
#[test]
fn one_member_does_not_use_up_everybodys_turns() {
    perfectly(|world, cast| {
        world.settings.rates = Rates::new(10, 100, 500, 1_000);
        let all = many(90);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let asked: Vec<String> = (0..50).map(|_| creates(world, cast.alice, &all)).collect();
        world.run(300);
        let status = |branch: &String| world.status(cast.alice, branch);
        assert_eq!(asked.iter().filter(|b| status(b) == 200).count(), 1);
        assert_eq!(asked.iter().filter(|b| status(b) == 486).count(), 49);
        for _ in 0..150 {
            let branch = creates(world, cast.alice, &all);
            world.run(60);
            if world.status(cast.alice, &branch) == 200 {
                world.leaves(cast.alice);
            }
            world.run(40);
        }
        assert!(world.sent("INVITE").len() < 250);
        let waited = wait_of_somebody_else(world, cast);
        assert!(waited < 100, "carol's INVITE waited {waited} ms");
    });
}

/// A group whose document calls all its members together: to start it is as good as a list of all of them.
#[test]
fn starting_a_group_again_and_again_counts_as_referring() {
    perfectly(|world, cast| {
        world.groups = called_together();
        world.settings.rates = Rates::new(10, 100, 500, 1_000);
        world.manners(cast.number).answer = None;
        let begun = world.now;
        let mut refused = 0;
        for _ in 0..400 {
            world.ledger.expects("tel:+358401234567");
            let branch = world.joins(cast.alice);
            world.run(20);
            if world.status(cast.alice, &branch) == 200 {
                world.leaves(cast.alice);
            } else {
                assert_eq!(world.status(cast.alice, &branch), 486);
                refused += 1;
            }
            world.run(20);
        }
        let seconds = (world.now - begun) / 1_000;
        let sent = world.sent("INVITE").len() as u64;
        let most = 100 + 10 * (seconds + 1);
        assert!(sent <= most, "{sent} INVITEs within {seconds} s");
        assert!(refused > 0);
        assert_eq!(world.counted(Counter::RefersOverRate), refused);
    });
}

/// What is given up before it leaves has used no turn of anybody else, however much it is.
#[test]
fn an_invite_that_is_given_up_costs_nobody_a_turn() {
    perfectly(|world, cast| {
        world.settings.rates = Rates::new(0, 100, 20, 20);
        let all = many(90);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for _ in 0..10 {
            creates(world, cast.alice, &all);
            world.run(20);
            world.leaves(cast.alice);
            world.run(20);
        }
        let waited = wait_of_somebody_else(world, cast);
        assert!(waited < 3_000, "carol's INVITE waited {waited} ms");
    });
}

/// One domain in many spellings has one rate.
#[test]
fn a_domain_has_one_rate_in_every_spelling() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(0, 0, 4, 0);
        let spellings = ["victim.test", "VICTIM.test", "victim.test.", "Victim.TEST."];
        let all: Vec<String> = (0..12)
            .map(|n| format!("sip:none{n}@{}", spellings[n % 4]))
            .collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let branch = creates(world, cast.alice, &all);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let sent = world.sent("INVITE").len();
        assert!(sent <= 5, "{sent}");
        assert_eq!(world.counted(Counter::InvitesOverTargetRate), 8);
        world.leaves(cast.alice);
        world.end();
    });
}

/// Who has no turn after half a minute is not reached; the referrer is told, and the others come in their turn.
#[test]
fn nobody_waits_for_a_turn_for_ever() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(0, 0, 1, 0);
        world.join(cast.alice);
        let all = many(60);
        let entries: Vec<&str> = all.iter().map(String::as_str).collect();
        for uri in &all {
            let peer = world.peer("guest", &[uri]);
            world.manners(peer).answer = Some((50, 486));
        }
        let refer = refers_list(world, cast.alice, &entries, "");
        assert_eq!(world.outcome(cast.alice, &refer), 200);
        world.run_out();
        let told = world.told(cast.alice, &refer);
        let told = |wanted: u16| told.iter().filter(|(status, _)| *status == wanted).count();
        let (late, reached) = (told(503), told(486));
        assert_eq!(late + reached, 60);
        assert!((28..=33).contains(&reached), "{reached}");
        world.end();
    });
}

/// Memory for INVITEs that wait is not given to other lists meanwhile; once they have left or been given up, it is
/// taken by them, or free.
#[test]
fn invites_that_wait_have_their_memory() {
    perfectly(|world, cast| {
        unlimited(world);
        world.settings.rates = Rates::new(0, 0, 10, 0);
        world.room = 60;
        let all = many(40);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        creates(world, cast.alice, &all);
        world.run(50);
        assert_eq!(world.counted(Counter::InvitesWaiting), 30);
        let branch = creates(world, cast.bob, &all);
        assert_eq!(world.outcome(cast.bob, &branch), 503);
        world.leaves(cast.alice);
        world.run(50);
        assert_eq!(world.counted(Counter::InvitesWaiting), 0);
        let branch = creates(world, cast.bob, &all);
        assert_eq!(world.outcome(cast.bob, &branch), 200);
        world.leaves(cast.bob);
        world.end();
    });
}

/// The session may end while INVITEs wait: every promise is kept.
#[test]
fn who_waits_for_a_rate_is_told_of_the_end() {
    interleaved(|world, cast| {
        world.settings.rates = Rates::new(0, 1, 0, 0);
        world.join(cast.alice);
        let all = guests(world, 12, "home1.test");
        let entries: Vec<&str> = all.iter().map(String::as_str).collect();
        let refer = refers_list(world, cast.alice, &entries, "");
        assert_eq!(world.outcome(cast.alice, &refer), 200);
        world.leaves(cast.alice);
        world.run_out();
        assert!(world.sent("INVITE").len() < 12);
        let told = world.told(cast.alice, &refer);
        assert_eq!(told.iter().filter(|(status, _)| *status >= 200).count(), 12);
        world.end();
    });
}
