//! REFERs of Sofia-SIP: what its stack gives the application of the NOTIFYs.

use super::sofia::{Sofia, Told};
use super::stage::{admin, member, Stage};
use crate::kit::{Group, Setup, ALICE, BOB, CAROL, DAVE};

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

/// Alice in the session of the group.
fn with_alice(stage: &Stage) -> Sofia {
    let alice = stage.sofia(ALICE);
    alice.join(&group().uri);
    alice
}

fn stage() -> Stage {
    Stage::with(Setup::new([group()]), None)
}

/// The first NOTIFY, and the last one with that result.
fn outcome(status: u16) -> [Told; 2] {
    [("active", 100), ("terminated", status)].map(|(state, status)| Told {
        state: state.into(),
        status,
    })
}

#[test]
fn the_referrer_is_told_who_came_and_who_did_not() {
    let stage = stage();
    let alice = with_alice(&stage);
    let bob = stage.sofia(BOB);
    alice.refer(&format!("<{BOB}>"));
    assert_eq!(alice.told(1), outcome(200));
    bob.is_invited();
    stage.server_shows(&group().uri, &[admin(ALICE), admin(BOB)]);
    // Dave's phone is off: the S-CSCF answers 404. The second REFER of a dialog has an id in its Event.
    alice.refer(&format!("<{DAVE}>"));
    assert_eq!(alice.told(2)[2..], outcome(404));
    alice.until("refer\t200", 2);
}

#[test]
fn outside_a_dialog_it_is_the_same() {
    let stage = stage();
    let alice = with_alice(&stage);
    let _bob = stage.sofia(BOB);
    alice.refer_outside(&group().uri, &format!("<{BOB}>"));
    assert_eq!(alice.told(1), outcome(200));
    alice.until("refer\t200", 1);
}

#[test]
#[ignore = "the NOTIFYs of the first REFER of a dialog have no id"]
fn three_refers_at_once_are_told_apart() {
    let stage = stage();
    let alice = with_alice(&stage);
    let [bob, carol] = [BOB, CAROL].map(|who| stage.sofia(who));
    for who in [BOB, CAROL, DAVE] {
        alice.refer(&format!("<{who}>"));
    }
    let all = alice.told(3);
    let ended = all.iter().filter(|told| told.state == "terminated");
    let mut ends: Vec<u16> = ended.map(|told| told.status).collect();
    ends.sort_unstable();
    assert_eq!(ends, [200, 200, 404], "{all:?}");
    bob.is_invited();
    carol.is_invited();
    stage.server_shows(&group().uri, &[admin(ALICE), member(BOB), member(CAROL)]);
}

#[test]
fn somebody_is_put_out() {
    let stage = stage();
    let alice = with_alice(&stage);
    let [bob, carol] = [BOB, CAROL].map(|who| stage.sofia(who));
    alice.refer(&format!("<{BOB}>"));
    alice.told(1);
    alice.refer(&format!("<{CAROL}>"));
    alice.told(2);
    alice.refer(&format!("<{BOB};method=BYE>"));
    bob.is_put_out();
    assert_eq!(alice.told(3)[4..], outcome(200));
    stage.server_shows(&group().uri, &[admin(ALICE), member(CAROL)]);
    carol.leave();
}

#[test]
fn a_phone_with_liblinphone_is_invited() {
    let stage = stage();
    let alice = with_alice(&stage);
    let [bob] = stage.phones([BOB]);
    alice.refer(&format!("<{BOB}>"));
    assert_eq!(alice.told(1).last(), outcome(200).last());
    // The display-name of the kit's documents, which lets both remove people.
    bob.shows_group("Test", &[admin(ALICE), admin(BOB)]);
}
