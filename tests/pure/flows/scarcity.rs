//! Shared memory has no room at one commit, whichever: it costs one event, and the peers' own repetitions or a
//! deadline make up for it. Not here: single allocations of a commit (`tests/store/allocations.rs`).

use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

use crate::flows::bed::{interleaved, Cast, Link, World};
use crate::flows::watching::{coherent, watch, watches};

const CAROL: &str = "sip:carol@home1.test";

/// Plays a scenario once for each of its commits, and lets that one fail, and once more those that follow it. At
/// the end nothing is left, promises are kept, and both ends of each dialog agree. `least`: so many commits there
/// are at least.
fn at_every_commit(least: u64, scenario: impl Fn(&mut World, Cast)) {
    for link in [Link::PERFECT, Link::SLOW] {
        for many in [1, 2, 4] {
            let mut first = 1;
            while plays(link, first, many, &scenario) {
                first += 1;
            }
            assert!(first > least, "{first} commits");
        }
    }
}

/// Whether there were so many commits.
fn plays(link: Link, first: u64, many: u64, scenario: &impl Fn(&mut World, Cast)) -> bool {
    let (mut world, cast) = World::with_cast(link, first);
    let played = catch_unwind(AssertUnwindSafe(|| {
        world.faults.full = first..first + many;
        scenario(&mut world, cast);
        world.run_out();
        let reached = world.faults.commits >= first;
        world.faults = Default::default();
        for peer in 0..world.peers.len() {
            coherent(&world, peer);
        }
        world.end();
        reached
    }));
    played.unwrap_or_else(|cause| {
        eprintln!(
            "{}\n{many} commits from {first} on failed, {link:?}",
            world.trail()
        );
        resume_unwind(cause)
    })
}

/// In, whatever it takes: no fault counts before.
fn given(world: &mut World, peers: &[usize]) {
    let full = std::mem::take(&mut world.faults.full);
    for peer in peers {
        world.join(*peer);
    }
    world.run_out();
    world.faults.full = full;
    world.faults.commits = 0;
}

fn is_final(world: &World, peer: usize, branch: &str) {
    let status = world.status(peer, branch);
    assert!([200, 503].contains(&status), "{status}");
}

#[test]
fn on_the_way_of_a_join() {
    at_every_commit(1, |world, cast| {
        let branch = world.joins(cast.alice);
        world.run_out();
        is_final(world, cast.alice, &branch);
        assert_eq!(
            world.is_in(cast.alice),
            world.status(cast.alice, &branch) == 200
        );
    });
}

#[test]
fn on_the_way_of_a_refer() {
    at_every_commit(4, |world, cast| {
        given(world, &[cast.alice, cast.bob]);
        let branch = world.refers(cast.alice, CAROL, "");
        world.run_out();
        is_final(world, cast.alice, &branch);
        if world.status(cast.alice, &branch) == 200 {
            let told = world.told(cast.alice, &branch);
            let ends = told.iter().filter(|told| told.1).count();
            assert_eq!(ends, 1, "{told:?}");
        }
    });
}

#[test]
fn on_the_way_of_a_refer_outside_a_dialog() {
    at_every_commit(4, |world, cast| {
        given(world, &[cast.alice, cast.bob]);
        let branch = world.refers_outside(cast.alice, CAROL, "");
        world.run_out();
        is_final(world, cast.alice, &branch);
    });
}

#[test]
fn on_the_way_of_a_refer_that_is_declined() {
    at_every_commit(4, |world, cast| {
        world.manners(cast.carol).answer = Some((300, 486));
        given(world, &[cast.alice, cast.bob]);
        let branch = world.refers(cast.alice, CAROL, "");
        world.run_out();
        is_final(world, cast.alice, &branch);
        assert!(!world.is_in(cast.carol));
    });
}

/// Leg and head only shrink: somebody can always leave.
#[test]
fn a_bye_needs_no_room() {
    interleaved(|world, cast| {
        given(world, &[cast.alice, cast.bob, cast.carol]);
        world.faults.full = 1..u64::MAX;
        let branch = world.leaves(cast.alice);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        assert_eq!(world.faults.commits, 0);
        world.faults.full = 0..0;
        world.end();
    });
}

/// Who sends it will not do so again.
#[test]
fn an_ack_needs_no_room() {
    interleaved(|world, cast| {
        // All but the join itself.
        world.faults.full = 2..u64::MAX;
        let branch = world.joins(cast.alice);
        world.run_out();
        assert_eq!(world.status(cast.alice, &branch), 200);
        assert!(world.is_in(cast.alice));
        world.faults.full = 0..0;
        world.end();
    });
}

/// Who sends it will not do so again.
#[test]
fn the_answer_to_a_notify_needs_no_room() {
    interleaved(|world, cast| {
        given(world, &[cast.alice, cast.bob]);
        world.manners(cast.carol).answer = None;
        let branch = world.refers(cast.alice, CAROL, "");
        while world.sent_to(cast.alice, "NOTIFY").is_empty() {
            world.run(1);
        }
        world.faults.full = world.faults.commits + 1..u64::MAX;
        world.run(10_000);
        world.faults.full = 0..0;
        world.run_out();
        let told = world.told(cast.alice, &branch);
        assert_eq!(told.last(), Some(&(408, true)), "{told:?}");
        world.end();
    });
}

#[test]
fn on_the_way_of_the_bye_that_ends_a_session() {
    at_every_commit(1, |world, cast| {
        given(world, &[cast.alice, cast.bob]);
        let branch = world.leaves(cast.alice);
        world.run_out();
        is_final(world, cast.alice, &branch);
        if world.status(cast.alice, &branch) == 503 {
            // She is still in, as the 503 says. She does not ask again, so what is next sent to her finds out.
            world.peers[cast.alice].unreliable = true;
        }
    });
}

#[test]
fn on_the_way_of_a_subscription_and_its_notify() {
    at_every_commit(2, |world, cast| {
        given(world, &[cast.alice, cast.bob]);
        let branch = watches(world, cast.alice, "");
        world.run(100_000);
        is_final(world, cast.alice, &branch);
    });
}

#[test]
fn on_the_way_of_a_change_that_is_told() {
    at_every_commit(3, |world, cast| {
        given(world, &[cast.alice, cast.bob]);
        let full = std::mem::take(&mut world.faults.full);
        watch(world, cast.bob);
        world.run(60_000);
        (world.faults.full, world.faults.commits) = (full, 0);
        let branch = world.joins(cast.carol);
        world.run(100_000);
        is_final(world, cast.carol, &branch);
    });
}
