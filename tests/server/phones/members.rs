//! People of a group come and go: every phone shows the same.

use super::linphone::Linphone;
use super::stage::{admin, member, Stage};
use crate::kit::{ALICE, BOB, CAROL, DAVE};

/// Alice has made a group of phones with bob and carol; dave's phone is on.
fn four(stage: &Stage) -> [Linphone; 4] {
    let phones = stage.phones([ALICE, BOB, CAROL, DAVE]);
    let [alice, bob, carol, _] = &phones;
    alice.create("Picnic", &[BOB, CAROL]);
    let members = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[alice, bob, carol], "Picnic", &members);
    phones
}

#[test]
fn somebody_is_added() {
    let stage = Stage::new();
    let [alice, bob, carol, dave] = four(&stage);
    alice.add(&[DAVE]);
    let members = [admin(ALICE), member(BOB), member(CAROL), member(DAVE)];
    stage.agree(&[&alice, &bob, &carol, &dave], "Picnic", &members);
}

#[test]
fn who_was_put_out_and_who_left_can_come_back() {
    let stage = Stage::new();
    let [alice, bob, carol, dave] = four(&stage);
    alice.add(&[DAVE]);
    let all = [admin(ALICE), member(BOB), member(CAROL), member(DAVE)];
    stage.agree(&[&alice, &bob, &carol, &dave], "Picnic", &all);
    alice.remove(CAROL);
    carol.shows_the_end();
    let members = [admin(ALICE), member(BOB), member(DAVE)];
    stage.agree(&[&alice, &bob, &dave], "Picnic", &members);
    dave.leave();
    dave.shows_the_end();
    stage.agree(&[&alice, &bob], "Picnic", &[admin(ALICE), member(BOB)]);
    alice.add(&[CAROL, DAVE]);
    stage.agree(&[&alice, &bob, &carol, &dave], "Picnic", &all);
}

#[test]
fn the_administrator_leaves_and_the_next_one_follows() {
    let stage = Stage::new();
    let [alice, bob, carol, dave] = four(&stage);
    alice.leave();
    alice.shows_the_end();
    let next = [admin(BOB), member(CAROL)];
    stage.agree(&[&bob, &carol], "Picnic", &next);
    bob.add(&[DAVE]);
    let members = [admin(BOB), member(CAROL), member(DAVE)];
    stage.agree(&[&bob, &carol, &dave], "Picnic", &members);
}

#[test]
fn the_last_one_is_shown_that_the_group_is_over() {
    let stage = Stage::new();
    let [alice, bob] = stage.phones([ALICE, BOB]);
    alice.create("Picnic", &[BOB]);
    stage.agree(&[&alice, &bob], "Picnic", &[admin(ALICE), member(BOB)]);
    alice.leave();
    alice.shows_the_end();
    bob.shows_the_end();
}
