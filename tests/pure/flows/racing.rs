//! Things that happen at the same time: answers before the send is known, CANCEL against 2xx, people who
//! leave or come while they are invited. Not here: what happens in order (`super::inviting`).

use cpm::cpm::action::Counter;
use cpm::cpm::input::Input;
use cpm::cpm::records::{Id, LegState, Record};
use cpm::sip::Method;

use crate::flows::bed::{interleaved, interleaved_over, Stage};

const TARGET: &str = "sip:carol@home1.test";

#[test]
fn an_answer_comes_before_the_send_is_known() {
    interleaved(|world, cast| {
        world.faults.invite_sent_after = Some(10_000);
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        assert!(world.is_in(cast.carol));
        world.end();
    });
    interleaved(|world, cast| {
        world.faults.invite_sent_after = Some(10_000);
        world.manners(cast.carol).answer = Some((50, 486));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(486, true)));
        world.end();
    });
}

/// The leg is gone by the time tm tells how to cancel, because its INVITE waited for too long to leave.
#[test]
fn what_nobody_waits_for_any_more_is_cancelled() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        world.refers(cast.alice, TARGET, "");
        world.run(2_000);
        let inviting = world.records.rows().find_map(|(_, row)| match &row.record {
            Record::Leg(leg) => match leg.state {
                LegState::Inviting { transaction, .. } => Some((row.root, transaction?)),
                _ => None,
            },
            _ => None,
        });
        let Some((root, transaction)) = inviting else {
            return;
        };
        world.operator(root, |session| {
            session.handle(Input::InviteSent {
                leg: Id(u64::MAX),
                cseq: 1,
                transaction,
            });
        });
        world.run_out();
        assert_eq!(world.ledger.cancels.len(), 1);
    });
}

/// The session ends while tm has not told us yet how to cancel.
#[test]
fn a_cancel_is_wanted_before_the_send_is_known() {
    interleaved(|world, cast| {
        world.faults.invite_sent_after = Some(20_000);
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.ledger.cancels.len(), 1);
        world.end();
    });
}

/// A 1xx is what lets a CANCEL out (RFC 3261 section 9.1).
#[test]
fn a_cancel_waits_for_the_first_provisional_answer() {
    interleaved(|world, cast| {
        world.manners(cast.carol).trying = false;
        world.manners(cast.carol).rings = vec![(2_000, 180)];
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.leaves(cast.alice);
        world.run(300);
        assert!(world.ledger.cancels.is_empty());
        world.run_out();
        assert_eq!(world.ledger.cancels.len(), 1);
        world.end();
    });
}

#[test]
fn a_2xx_crosses_the_cancel() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = None;
        world.manners(cast.carol).crosses = true;
        world.manners(cast.carol).devices = 2;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(408, true)));
        let carol = &world.peers[cast.carol];
        assert_eq!(carol.dialogs.len(), 2);
        assert!(carol.dialogs.iter().all(|d| d.stage == Stage::Over));
        assert!(carol.dialogs.iter().all(|d| d.bye_reason.is_some()));
        assert_eq!(world.counted(Counter::Participants), 1);
        world.end();
    });
}

/// The focus gives up in the very moment the target picks up.
#[test]
fn picking_up_at_the_last_moment_ends_one_way_or_the_other() {
    interleaved_over(&[59_900, 60_000, 60_050, 60_500], |world, cast, after| {
        world.manners(cast.carol).answer = Some((after, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        let (told, last) = world.told(cast.alice, &refer).pop().expect("a NOTIFY");
        assert!(last && [200, 408].contains(&told), "{told}");
        assert_eq!(told == 200, world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn the_target_comes_by_itself_while_it_rings() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((25_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.join(cast.carol);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        assert_eq!(world.counted(Counter::Participants), 2);
        world.end();
    });
}

/// RFC 3515 section 2.4.4 and N11: what was promised in a dialog is told even after its BYE.
#[test]
fn the_referrer_leaves_and_still_hears_the_result() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((20_000, 200));
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.dave);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn the_referrer_comes_again_and_hears_the_result_where_it_asked() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((20_000, 603));
        world.join(cast.alice);
        world.join(cast.bob);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.join(cast.alice);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(603, true)));
        world.end();
    });
}

/// G7, N: CANCEL what rings, 487 to whoever waits for it, BYE with 410 to the rest.
#[test]
fn the_session_ends_while_somebody_rings() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((28_000, 200));
        world.join(cast.alice);
        world.join(cast.bob);
        let inside = world.refers(cast.bob, TARGET, "");
        let outside = world.refers_outside(cast.alice, TARGET, "");
        world.outcome(cast.bob, &inside);
        world.outcome(cast.alice, &outside);
        // The last one who is not invited only goes: connected and pending are two still.
        world.leaves(cast.bob);
        world.run(2_000);
        assert_eq!(world.counted(Counter::Sessions), 1);
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.told(cast.bob, &inside).last(), Some(&(487, true)));
        assert_eq!(world.told(cast.alice, &outside).last(), Some(&(487, true)));
        assert_eq!(world.ledger.cancels.len(), 1);
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

#[test]
fn a_closing_session_tells_before_it_says_bye() {
    interleaved(|world, cast| {
        world.settings.min_participants = 3;
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.dave);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        world.leaves(cast.bob);
        world.run(4_000);
        world.leaves(cast.dave);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        let to_alice: Vec<&str> = world
            .ledger
            .sent
            .iter()
            .filter(|sent| sent.to == cast.alice && sent.request.method != cpm::sip::Method::Ack)
            .map(|sent| sent.request.method.as_str())
            .collect();
        assert_eq!(to_alice.last(), Some(&"BYE"));
        assert!(world
            .bye_reason(cast.alice)
            .is_some_and(|r| r.contains("410")));
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

#[test]
fn both_say_bye() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.leaves(cast.alice);
        // Whichever is first; the other one crosses it.
        world.run(world.chance.upto(400));
        let bye = world.peers[cast.bob].leg().map(|_| world.leaves(cast.bob));
        world.run_out();
        if let Some(bye) = bye {
            assert!([200, 481].contains(&world.status(cast.bob, &bye)));
        }
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

/// A BYE of ours that waits behind a NOTIFY, or for an ACK, is one the peer may get ahead of.
#[test]
fn a_peer_says_bye_while_ours_still_waits() {
    interleaved(|world, cast| {
        world.manners(cast.alice).acks = false;
        world.join(cast.alice);
        world.join(cast.alice);
        let leg = 0;
        let bye = world.lets(cast.alice, |alice| alice.within(leg, "BYE", "", Vec::new()));
        assert_eq!(world.outcome(cast.alice, &bye), 200);
        world.run_out();
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn requests_that_tm_does_not_send_hold_nothing_up() {
    interleaved_over(&[Method::Bye, Method::Notify], |world, cast, method| {
        world.faults.sends = vec![method.clone()];
        world.join(cast.alice);
        world.join(cast.bob);
        world.refers(cast.alice, TARGET, "");
        world.run(20_000);
        world.leaves(cast.alice);
        if world.is_in(cast.carol) {
            world.leaves(cast.carol);
        }
        world.run_out();
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn the_same_people_start_anew_while_the_old_session_ends() {
    interleaved(|world, cast| {
        world.manners(cast.bob).bye = None;
        world.join(cast.alice);
        world.join(cast.bob);
        world.leaves(cast.alice);
        world.run(3_000);
        world.join(cast.alice);
        assert_eq!(world.counted(Counter::Sessions), 1);
        world.manners(cast.bob).bye = Some(200);
        world.end();
    });
}
