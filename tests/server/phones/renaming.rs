//! A group is given another name with liblinphone: every phone shows it.

use super::stage::{admin, member, Stage};
use crate::kit::{ALICE, BOB, CAROL};

#[test]
fn everybody_is_shown_the_new_name() {
    let stage = Stage::new();
    let [alice, bob, carol] = stage.phones([ALICE, BOB, CAROL]);
    alice.create("Picnic", &[BOB, CAROL]);
    let members = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Picnic", &members);
    for name in ["Dinner", "Käse & <Brot>"] {
        let acks = stage.acks();
        alice.rename(name);
        stage.agree(&[&alice, &bob, &carol], name, &members);
        // The document may come before the 200, and until that has come the phone does not rename again.
        stage.until_ack(acks);
    }
}

#[test]
fn who_is_invited_later_is_shown_the_new_name() {
    let stage = Stage::new();
    let [alice, bob, carol] = stage.phones([ALICE, BOB, CAROL]);
    alice.create("Picnic", &[BOB]);
    let members = [admin(ALICE), member(BOB)];
    stage.agree(&[&alice, &bob], "Picnic", &members);
    alice.rename("Dinner");
    stage.agree(&[&alice, &bob], "Dinner", &members);
    alice.add(&[CAROL]);
    let members = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Dinner", &members);
}
