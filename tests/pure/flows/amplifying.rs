//! A member as an amplifier: what a Contact that may be a victim's gets, and how much one person may ask
//! for. Not here: what the documents say (`super::watching`).

use cpm::cpm::action::Counter;

use crate::flows::bed::{interleaved, Cast, World};
use crate::flows::watching::{
    again, coherent, documents, perfectly, told, watch, watches, Told, SETTLED,
};
use crate::kit::schema::{root, users};

/// Largest document that an unconfirmed Contact gets, bytes.
const SMALL: usize = 1_500;

/// A session whose document is larger than that.
fn four(world: &mut World, cast: Cast) {
    for peer in [cast.alice, cast.bob, cast.carol, cast.dave] {
        world.join(peer);
    }
}

/// From now on the requests of `peer` have the Contact of a victim who answers nothing.
fn poses(world: &mut World, peer: usize, victim: usize) {
    world.manners(victim).dead = true;
    let there = world.peers[victim].contact();
    world.manners(peer).poses_as = Some(there);
}

fn states(told: &[Told]) -> Vec<(&str, bool)> {
    let short = |state: &'static str| state;
    let of = |told: &Told| match told.state.as_str() {
        "terminated;reason=timeout" => short("timeout"),
        state if state.starts_with("active;expires=") => short("active"),
        _ => short("something else"),
    };
    told.iter().map(|t| (of(t), !t.body.is_empty())).collect()
}

#[test]
fn a_large_document_follows_the_first_answer() {
    perfectly(|world, cast| {
        four(world, cast);
        watch(world, cast.alice);
        let all = told(world, cast.alice);
        assert_eq!(states(&all), [("active", false), ("active", true)]);
        assert!(all[1].body.len() > SMALL, "{}", all[1].body.len());
        assert_eq!(root(&all[1].body, "state"), "full");
        assert_eq!(users(&all[1].body).len(), 4);
        coherent(world, cast.alice);
        // From then on nothing is held back.
        world.leaves(cast.dave);
        world.run(SETTLED);
        let all = told(world, cast.alice);
        assert!(
            all[1..].iter().all(|told| !told.body.is_empty()),
            "{all:#?}"
        );
    });
}

#[test]
fn a_small_document_is_told_at_once() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.alice);
        let all = told(world, cast.alice);
        assert_eq!(states(&all), [("active", true)]);
        assert!(all[0].body.len() <= SMALL, "{}", all[0].body.len());
    });
}

/// A Contact that never answers gets one NOTIFY of each subscription, without a document, as often as a
/// lost one is repeated.
#[test]
fn a_victim_gets_no_document() {
    interleaved(|world, cast| {
        four(world, cast);
        poses(world, cast.alice, cast.mallory);
        for more in ["", "Expires: 0\r\n"] {
            let branch = watches(world, cast.alice, more);
            assert_eq!(world.outcome(cast.alice, &branch), 200);
        }
        world.leaves(cast.dave);
        world.run(SETTLED);
        let all = told(world, cast.mallory);
        assert!(!all.is_empty() && all.len() <= 2, "{all:#?}");
        assert!(all.iter().all(|told| told.body.is_empty()), "{all:#?}");
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
    });
}

/// To be confirmed once is not enough: who has a subscription may name another Contact.
#[test]
fn a_contact_that_moves_is_a_new_one() {
    perfectly(|world, cast| {
        four(world, cast);
        let branch = watch(world, cast.alice);
        assert_eq!(documents(world, cast.alice).len(), 1);
        poses(world, cast.alice, cast.mallory);
        assert_eq!(again(world, cast.alice, &branch, ""), 200);
        world.run(SETTLED);
        let all = told(world, cast.mallory);
        assert_eq!(states(&all), [("active", false)], "{all:#?}");
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        world.end();
    });
}

#[test]
fn a_look_once_waits_for_an_answer_as_well() {
    interleaved(|world, cast| {
        four(world, cast);
        let branch = watches(world, cast.alice, "Expires: 0\r\n");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let all = told(world, cast.alice);
        assert_eq!(states(&all), [("active", false), ("timeout", true)]);
        assert_eq!(users(&all[1].body).len(), 4);
        coherent(world, cast.alice);
        world.end();
    });
}

/// An error does not confirm a Contact, and it is not asked for ever.
#[test]
fn who_refuses_is_not_asked_again_and_again() {
    perfectly(|world, cast| {
        four(world, cast);
        world.manners(cast.alice).notify = Some(500);
        let branch = watches(world, cast.alice, "Expires: 0\r\n");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let all = told(world, cast.alice);
        assert_eq!(states(&all), [("active", false), ("timeout", false)]);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 0);
        let branch = watches(world, cast.alice, "");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let all = told(world, cast.alice);
        // Once more after the interval, then with the next change, of which there is none.
        assert_eq!(states(&all[2..]), [("active", false); 2], "{all:#?}");
        world.manners(cast.alice).notify = Some(200);
        world.leaves(cast.dave);
        world.run(SETTLED);
        let whole = documents(world, cast.alice);
        assert_eq!(root(&whole[0], "state"), "full");
        assert_eq!(users(&whole[0]).len(), 3);
        coherent(world, cast.alice);
    });
}

/// A REFER outside a dialog: one NOTIFY, and what an unanswered one is repeated.
#[test]
fn a_victim_gets_one_notify_of_a_refer() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        poses(world, cast.alice, cast.mallory);
        let branch = world.refers_outside(cast.alice, "sip:carol@home1.test", "");
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let sent = world.sent_to(cast.mallory, "NOTIFY");
        assert_eq!(sent.len(), 1);
        assert!(sent[0].request.body.len() < 100);
        assert!(world.is_in(cast.carol), "the INVITE goes on");
        world.end();
    });
}

#[test]
fn one_person_holds_no_more_subscriptions_than_one_may() {
    perfectly(|world, cast| {
        world.settings.max_person_subscriptions = 3;
        world.join(cast.alice);
        world.join(cast.bob);
        for _ in 0..3 {
            watch(world, cast.alice);
        }
        let branch = watches(world, cast.alice, "");
        assert_eq!(world.outcome(cast.alice, &branch), 486);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        let warning = answer.text("Warning").unwrap_or_default();
        assert!(warning.contains("\"Too many subscriptions of one participant\""));
        assert_eq!(world.counted(Counter::SubscriptionsOverLimit), 1);
        // The others are not touched by it.
        watch(world, cast.bob);
        assert_eq!(world.counted(Counter::ConferenceSubscriptions), 4);
    });
}
