//! Two messages of one peer overtake each other in an S-CSCF with several processes: nobody is left with half a picture.

use super::stage::{admin, member, Stage};
use crate::kit::{Group, Setup, ALICE, BOB, CAROL};

#[test]
fn the_subscribe_of_who_is_invited_overtakes_its_200() {
    let stage = Stage::with(Setup::new(Vec::<Group>::new()), Some("INVITE"));
    let [alice, bob, carol] = stage.phones([ALICE, BOB, CAROL]);
    alice.create("Picnic", &[BOB, CAROL]);
    let members = [admin(ALICE), member(BOB), member(CAROL)];
    stage.agree(&[&alice, &bob, &carol], "Picnic", &members);
    assert!(stage.server.statistic("quirk_subscribe_while_invited") > 0);
}

/// The stack takes it all the same; what the server does for one that answers 481 is shown in `refer_notify`.
#[test]
fn the_first_notify_overtakes_the_2xx_to_its_refer() {
    let group = Group::open("s", &[ALICE]);
    let stage = Stage::with(Setup::new([&group]), Some("REFER"));
    let [alice, _bob] = [ALICE, BOB].map(|who| stage.sofia(who));
    alice.join(&group.uri);
    alice.refer(&format!("<{BOB}>"));
    let told = alice.told(1);
    assert_eq!(told.last().expect("the end").status, 200, "{told:?}");
    alice.until("refer\t200", 1);
}
