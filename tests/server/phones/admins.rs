//! The role of an administrator is given and taken with liblinphone, and whoever has it can use it.

use super::stage::{admin, member, Role, Stage};
use crate::kit::{ALICE, BOB, CAROL, DAVE};

#[test]
fn a_role_is_given_and_taken() {
    let stage = Stage::new();
    let [alice, bob, carol] = stage.phones([ALICE, BOB, CAROL]);
    let phones = [&alice, &bob, &carol];
    alice.create("Picnic", &[BOB, CAROL]);
    let one = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&phones, "Picnic", &one);
    alice.give_role(BOB, Role::Admin);
    stage.agree(
        &phones,
        "Picnic",
        &[admin(ALICE), admin(BOB), member(CAROL)],
    );
    alice.give_role(BOB, Role::Member);
    stage.agree(&phones, "Picnic", &one);
}

#[test]
fn who_was_given_the_role_can_use_it() {
    let stage = Stage::new();
    let [alice, bob, carol, dave] = stage.phones([ALICE, BOB, CAROL, DAVE]);
    alice.create("Picnic", &[BOB, CAROL]);
    let one = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Picnic", &one);
    alice.give_role(BOB, Role::Admin);
    let two = [admin(ALICE), admin(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Picnic", &two);
    bob.add(&[DAVE]);
    let all = [admin(ALICE), admin(BOB), member(CAROL), member(DAVE)];
    stage.agree(&[&alice, &bob, &carol, &dave], "Picnic", &all);
    bob.rename("Dinner");
    stage.agree(&[&alice, &bob, &carol, &dave], "Dinner", &all);
    bob.remove(CAROL);
    carol.shows_the_end();
    bob.give_role(ALICE, Role::Member);
    let left = [member(ALICE), admin(BOB), member(DAVE)];
    stage.agree(&[&alice, &bob, &dave], "Dinner", &left);
}
