//! REFERs of Sofia-SIP: what its stack gives the application of the NOTIFYs.

use super::sofia::{Sofia, Told};
use super::stage::{admin, member, Stage};
use crate::kit::{Group, Setup, ALICE, BOB, CAROL, DAVE};

fn group() -> Group {
    Group::open("s", &[ALICE])
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

fn told(state: &str, status_line: &str) -> Told {
    Told {
        state: state.into(),
        status_line: status_line.into(),
    }
}

/// The first NOTIFY, and the last one with that result.
fn outcome(status_line: &str) -> [Told; 2] {
    [
        told("active", "SIP/2.0 100 Trying"),
        told("terminated", status_line),
    ]
}

#[test]
fn the_referrer_is_told_who_came_and_who_did_not() {
    let stage = stage();
    let alice = with_alice(&stage);
    let bob = stage.sofia(BOB);
    alice.refer(&format!("<{BOB}>"));
    assert_eq!(alice.told(1), outcome("SIP/2.0 200 OK"));
    bob.is_invited();
    stage.server_shows(&group().uri, &[admin(ALICE), member(BOB)]);
    // Dave's phone is off: the S-CSCF answers 404. The second REFER of a dialog has an id in its Event.
    alice.refer(&format!("<{DAVE}>"));
    assert_eq!(alice.told(2)[2..], outcome("SIP/2.0 404 Not Found"));
    alice.until("refer\t200", 2);
}

#[test]
fn outside_a_dialog_it_is_the_same() {
    let stage = stage();
    let alice = with_alice(&stage);
    let _bob = stage.sofia(BOB);
    alice.refer_outside(&group().uri, &format!("<{BOB}>"));
    assert_eq!(alice.told(1), outcome("SIP/2.0 200 OK"));
    alice.until("refer\t200", 1);
}

#[test]
fn three_refers_at_once_are_told_apart() {
    let stage = stage();
    let alice = with_alice(&stage);
    let [bob, carol] = [BOB, CAROL].map(|who| stage.sofia(who));
    for who in [BOB, CAROL, DAVE] {
        alice.refer(&format!("<{who}>"));
    }
    let all = alice.told(3);
    let mut ends: Vec<&str> = all
        .iter()
        .filter(|t| t.state == "terminated")
        .map(|t| &*t.status_line)
        .collect();
    ends.sort_unstable();
    assert_eq!(
        ends,
        ["SIP/2.0 200 OK", "SIP/2.0 200 OK", "SIP/2.0 404 Not Found"],
        "{all:?}"
    );
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
    alice.refer(&format!("<{CAROL}>"));
    alice.told(2);
    alice.refer(&format!("<{BOB};method=BYE>"));
    bob.is_put_out();
    assert_eq!(alice.told(3)[4..], outcome("SIP/2.0 200 OK"));
    stage.server_shows(&group().uri, &[admin(ALICE), member(CAROL)]);
    carol.leave();
}

#[test]
fn a_phone_with_liblinphone_is_invited() {
    let stage = stage();
    let alice = with_alice(&stage);
    let [bob] = stage.phones([BOB]);
    alice.refer(&format!("<{BOB}>"));
    assert_eq!(alice.told(1).last(), outcome("SIP/2.0 200 OK").last());
    // The display-name of the kit's documents.
    bob.shows_group("Test", &[admin(ALICE), member(BOB)]);
}
