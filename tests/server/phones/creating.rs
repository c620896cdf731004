//! A group is made with liblinphone: by the conference factory, with people of its own kind and others.

use super::stage::{admin, member, Role, Stage};
use crate::kit::{ALICE, BOB, CAROL, DAVE};

#[test]
fn people_with_another_stack_come() {
    let stage = Stage::new();
    let [alice] = stage.phones([ALICE]);
    let [bob, carol] = [BOB, CAROL].map(|who| stage.sofia(who));
    alice.create("Picnic", &[BOB, CAROL]);
    bob.is_invited();
    carol.is_invited();
    let people = [
        (BOB.to_string(), Role::Member),
        (CAROL.to_string(), Role::Member),
    ];
    let view = alice.shows("bob and carol", |view| view.people == people.clone().into());
    assert_eq!(
        (view.state.as_str(), view.subject.as_str()),
        ("Created", "Picnic")
    );
    stage.server_shows(&view.focus, &[admin(ALICE), member(BOB), member(CAROL)]);
}

#[test]
fn the_creator_is_its_administrator() {
    let stage = Stage::new();
    let [alice] = stage.phones([ALICE]);
    let _bob = stage.sofia(BOB);
    alice.create("Picnic", &[BOB]);
    stage.agree(&[&alice], "Picnic", &[admin(ALICE), member(BOB)]);
}

#[test]
fn people_with_the_same_stack_come() {
    let stage = Stage::new();
    let [alice, bob, carol] = stage.phones([ALICE, BOB, CAROL]);
    alice.create("Picnic", &[BOB, CAROL]);
    let members = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Picnic", &members);
}

#[test]
fn who_cannot_be_reached_is_not_shown() {
    let stage = Stage::new();
    let [alice] = stage.phones([ALICE]);
    let _bob = stage.sofia(BOB);
    // Dave's phone is off: the S-CSCF answers 404.
    alice.create("Picnic", &[BOB, DAVE]);
    alice.shows("bob alone", |view| {
        view.people == [(BOB.to_string(), Role::Member)].into()
    });
}
