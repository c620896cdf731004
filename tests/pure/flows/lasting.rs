//! The life of a session as a whole: restarted, called together, closed for inactivity, an operator's hand.
//! Not here: single participants (`super::joining`), single REFERs (`super::inviting`).

use cpm::cpm::action::Counter;
use cpm::cpm::records::{Id, Record};
use cpm::sip::uri::Uri;

use crate::flows::bed::{called_together, interleaved, interleaved_over, World, FACTORY};
use crate::flows::listing::list;
use crate::flows::watching::perfectly;

fn creates(world: &mut World, peer: usize, entries: &[&str], contribution: &str) -> String {
    let (_, body) = list(entries, "");
    let headers = format!(
        "Require: recipient-list-invite\r\nContribution-ID: {contribution}\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n"
    );
    world.lets(peer, |peer| peer.outside("INVITE", FACTORY, &headers, body))
}

pub fn heads(world: &World) -> Vec<Id> {
    let rows = world.records.rows();
    let heads = rows.filter(|(_, row)| matches!(&row.record, Record::Head(head) if head.live));
    heads.map(|(id, _)| id).collect()
}

/// G5: the same Contribution-ID finds the living session instead of making a twin.
#[test]
fn a_restart_finds_the_living_session() {
    interleaved(|world, cast| {
        let listed = [
            "sip:bob@home1.test",
            "sip:carol@home1.test",
            "sip:dave@home1.test",
        ];
        let made = creates(world, cast.alice, &listed, "group-1");
        assert_eq!(world.outcome(cast.alice, &made), 200);
        world.run_out();
        world.leaves(cast.dave);
        world.run_out();
        let again = creates(world, cast.bob, &listed, "group-1");
        assert_eq!(world.outcome(cast.bob, &again), 200);
        world.run_out();
        assert_eq!(world.counted(Counter::Sessions), 1);
        assert_eq!(world.counted(Counter::Participants), 4);
        assert!(world.is_in(cast.dave));
        world.end();
    });
}

#[test]
fn two_restart_at_once_and_meet() {
    interleaved(|world, cast| {
        let listed = [
            "sip:alice@home1.test",
            "sip:bob@home1.test",
            "sip:carol@home1.test",
        ];
        creates(world, cast.alice, &listed, "group-1");
        creates(world, cast.bob, &listed, "group-1");
        world.run_out();
        assert_eq!(world.counted(Counter::Sessions), 1);
        assert_eq!(world.counted(Counter::Participants), 3);
        world.end();
    });
}

/// A stranger who knows the Contribution-ID is a stranger still.
#[test]
fn a_stranger_does_not_restart() {
    interleaved(|world, cast| {
        creates(world, cast.alice, &["sip:bob@home1.test"], "group-1");
        world.run_out();
        let stranger = creates(world, cast.carol, &["sip:dave@home1.test"], "group-1");
        assert_eq!(world.outcome(cast.carol, &stranger), 403);
        world.run_out();
        assert_eq!(world.counted(Counter::Participants), 2);
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}

/// G3: a document with invite-members calls everybody in its list.
#[test]
fn a_group_is_called_together_once() {
    interleaved(|world, cast| {
        world.groups = called_together();
        world.ledger.expects("tel:+358401234567");
        world.join(cast.alice);
        world.run_out();
        assert!(world.is_in(cast.number));
        world.join(cast.bob);
        world.run_out();
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}

#[test]
fn a_session_in_which_nothing_happens_is_closed() {
    interleaved(|world, cast| {
        world.settings.inactivity_timeout = 100_000;
        world.join(cast.alice);
        world.join(cast.bob);
        world.run(60_000);
        let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
        world.outcome(cast.alice, &refer);
        world.run(60_000);
        assert_eq!(
            world.counted(Counter::Participants),
            3,
            "something happened"
        );
        world.run(60_000);
        world.run_out();
        assert_eq!(world.records.len(), 0);
        let reason = world.bye_reason(cast.bob).unwrap_or_default();
        assert!(
            !reason.contains("410"),
            "the conference is remembered: {reason}"
        );
        world.end();
    });
}

#[test]
fn an_operator_invites_removes_and_ends() {
    interleaved(|world, cast| {
        world.manners(cast.dave).answer = None;
        world.join(cast.alice);
        world.join(cast.bob);
        let head = heads(world)[0];
        let mut said = Vec::new();
        for target in [
            "sip:carol@home1.test",
            "sip:mallory@home1.test",
            "sip:dave@home1.test",
        ] {
            world.ledger.expects(target);
            let uri = Uri::parse(target.as_bytes()).expect("a URI");
            said.push(world.operator(head, |session| session.invite_by_operator(&uri)));
        }
        assert_eq!(said, [100, 403, 100]);
        world.run(20_000);
        assert!(world.is_in(cast.carol));
        let bob = Uri::parse(b"sip:bob@home1.test").expect("a URI");
        assert_eq!(
            world.operator(head, |session| session.remove_by_operator(&bob)),
            200
        );
        world.run(20_000);
        assert!(!world.is_in(cast.bob));
        let again = world.joins(cast.bob);
        assert_eq!(world.outcome(cast.bob, &again), 403);
        world.operator(head, |session| session.end_by_operator());
        world.run_out();
        assert_eq!(world.ledger.cancels.len(), 1);
        assert!(world
            .bye_reason(cast.alice)
            .is_some_and(|r| r.contains("410")));
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

#[test]
fn a_drain_ends_everything_that_runs() {
    interleaved(|world, cast| {
        world.manners(cast.dave).answer = None;
        world.join(cast.alice);
        world.join(cast.bob);
        creates(
            world,
            cast.carol,
            &["sip:dave@home1.test", "tel:+358401234567"],
            "other",
        );
        world.run(20_000);
        let refer = world.refers(cast.alice, "sip:dave@home1.test", "");
        world.outcome(cast.alice, &refer);
        for head in heads(world) {
            world.operator(head, |session| session.drain());
        }
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

/// Given up in the middle of it all, nothing is left, and what comes late meets nobody.
#[test]
fn a_session_that_is_given_up_leaves_nothing() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.run(2_000);
        for head in heads(world) {
            world.operator(head, |session| session.drain());
            world.operator(head, |session| session.give_up());
        }
        assert_eq!(world.records.len(), 0);
        world.run_out();
        for peer in [cast.alice, cast.bob] {
            assert!(world.bye_reason(peer).is_some_and(|r| r.contains("410")));
        }
        world.end();
    });
}

/// Who asked for patience is sent what it was promised all the same.
#[test]
fn what_was_put_off_is_sent_before_a_session_is_given_up() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.manners(cast.alice).notify = Some(503);
        world.manners(cast.alice).retry_after = Some(60);
        world.manners(cast.dave).answer = None;
        let refer = world.refers(cast.alice, "sip:dave@home1.test", "");
        world.run(1_000);
        for head in heads(world) {
            world.operator(head, |session| session.drain());
            world.operator(head, |session| session.give_up());
        }
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        world.end();
    });
}

/// Who leaves everything unanswered is sent what it was promised all the same; in this order if the network
/// keeps it.
#[test]
fn what_is_given_up_has_been_sent() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.manners(cast.alice).notify = None;
        world.manners(cast.dave).answer = None;
        let refer = world.refers(cast.alice, "sip:dave@home1.test", "");
        assert_eq!(world.outcome(cast.alice, &refer), 200);
        let sessions = heads(world);
        for head in sessions.iter().copied() {
            world.operator(head, |session| session.drain());
        }
        world.run(1_000);
        assert!(world.bye_reason(cast.alice).is_none());
        for head in sessions {
            world.operator(head, |session| session.give_up());
        }
        assert_eq!(world.records.len(), 0);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        assert!(world
            .bye_reason(cast.alice)
            .is_some_and(|r| r.contains("410")));
        world.end();
    });
}

/// Requirements section 2.3: 491, 500 and 503 are asked once more, not for ever.
#[test]
fn a_server_that_is_busy_for_a_moment_is_asked_once_more() {
    let cases = [
        (491, None, 1, 200),
        (503, Some(5), 1, 200),
        (500, Some(0), 1, 200),
        (503, Some(5), 9, 503),
        (503, Some(3_600), 1, 503),
        (503, None, 1, 503),
        (486, Some(5), 1, 486),
    ];
    interleaved_over(
        &cases,
        |world, cast, (code, retry_after, patience, result)| {
            let manners = world.manners(cast.carol);
            manners.answer = Some((100, code));
            manners.retry_after = retry_after;
            manners.patience = patience;
            world.join(cast.alice);
            let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
            world.run_out();
            assert_eq!(world.told(cast.alice, &refer).last(), Some(&(result, true)));
            let invites = world.sent("INVITE");
            let again = code != result || patience > 1;
            assert_eq!(invites.len(), 1 + usize::from(again));
            assert_eq!(
                invites.last().map(|sent| &sent.request.call_id),
                invites.first().map(|sent| &sent.request.call_id)
            );
            world.end();
        },
    );
}

/// The session ends, or the target is removed, between two attempts.
#[test]
fn a_second_attempt_is_not_made_for_nothing() {
    interleaved(|world, cast| {
        let manners = world.manners(cast.carol);
        manners.answer = Some((100, 503));
        manners.retry_after = Some(30);
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
        world.run(15_000);
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}

/// RFC 3262: each reliable provisional answer its PRACK, and numbers stay in order.
#[test]
fn reliable_provisionals_are_acknowledged() {
    interleaved(|world, cast| {
        let manners = world.manners(cast.carol);
        manners.reliable = true;
        manners.rings = vec![(20, 180), (300, 183), (600, 180)];
        manners.answer = Some((2_000, 200));
        manners.devices = 2;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        let pracks = world.sent("PRACK");
        // Of provisional answers that get lost nobody knows.
        let all = world.network.link.loss == 0;
        assert!(pracks.len() == 3 || !all && pracks.len() < 3);
        // This peer does not wait for the first PRACK before its next 18x, so they may cross.
        let mut numbers: Vec<u32> = pracks.iter().map(|prack| prack.request.cseq).collect();
        numbers.sort_unstable();
        assert!((2..)
            .zip(&numbers)
            .all(|(expected, number)| expected == *number));
        let racks = pracks.iter().filter_map(|prack| prack.request.text("RAck"));
        assert!(racks.into_iter().all(|rack| rack.ends_with(" 1 INVITE")));
        // The device that came second is let go, in its own dialog and in order there too.
        let bye = &world.sent("BYE")[0].request;
        let early = pracks
            .iter()
            .filter(|prack| prack.request.to_tag == bye.to_tag);
        assert!(early.into_iter().all(|prack| prack.request.cseq < bye.cseq));
        world.end();
    });
}

/// RFC 3262 section 5: what a reliable provisional answer has answered, the 2xx need not answer again.
#[test]
fn an_answer_may_come_before_the_2xx() {
    let cases = [(true, true), (false, true), (false, false)];
    interleaved_over(&cases, |world, cast, (reliable, strict)| {
        world.settings.strict = strict;
        let manners = world.manners(cast.carol);
        manners.reliable = reliable;
        manners.early_sdp = true;
        manners.answer = Some((2_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
        world.run_out();
        let lost = world.network.link.loss > 0;
        let result = world.told(cast.alice, &refer).last().copied();
        // Whoever answers nothing at all is in without media, unless by the letter.
        let wanted = match reliable || !strict {
            true => (200, true),
            false => (488, true),
        };
        // This peer does not repeat its provisional answers.
        assert!(
            result == Some(wanted) || lost && result == Some((488, true)),
            "{result:?}"
        );
        world.end();
    });
}

/// The name of a refused INVITE may come after that of the one which followed it.
#[test]
fn the_latest_invite_is_the_one_that_is_cancelled() {
    interleaved(|world, cast| {
        world.manners(cast.carol).min_se = 3_600;
        world.join(cast.alice);
        world.join(cast.bob);
        world.faults.invite_sent_after = Some(10_000);
        let refer = world.refers(cast.alice, "sip:carol@home1.test", "");
        while world.peers[cast.carol].received.is_empty() {
            world.run(1);
        }
        // She refuses the first one as too short; the next one just rings.
        world.manners(cast.carol).answer = None;
        world.faults.invite_sent_after = None;
        world.run(40_000);
        world.leaves(cast.alice);
        world.leaves(cast.bob);
        world.run_out();
        assert_eq!(world.sent_to(cast.carol, "INVITE").len(), 2);
        let received = world.peers[cast.carol].received.iter();
        let cancels = received.filter(|request| request.method == cpm::sip::Method::Cancel);
        let numbers: Vec<u32> = cancels.map(|cancel| cancel.cseq).collect();
        assert_eq!(numbers, [2]);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(487, true)));
        world.end();
    });
}
