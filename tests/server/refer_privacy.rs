//! Step 2 of a REFER: who may be anonymous, and that nothing gives an anonymous referrer away.

use crate::kit::lists::{refer_to_all, targets};
use crate::kit::{check, Group, Scene, ALICE, BOB, CAROL};

#[test]
fn who_joined_anonymously_stays_anonymous() {
    let group = Group::discreet("d", &[ALICE]);
    let scene = Scene::new([&group]);
    let ua = scene.ua(ALICE);
    let invite = scene.invite(&ua, &group.uri).with("Privacy", "id");
    let mut alice = scene.enter(&ua, &invite);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    check::free_of(&invite.raw, &["alice", &ua.local().to_string()]);
}

#[test]
fn the_history_does_not_give_away_an_anonymous_referrer() {
    let group = Group::discreet("d", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let refer = refer_to_all(&mut alice, &targets(3)).with("Privacy", "id");
    check::accepted(&alice.send(&refer).answer());
    for uri in targets(3) {
        scene.invite_for(&uri);
    }
    check::free_of(&scene.targets.every_byte(), &["alice", alice.call_id()]);
}
