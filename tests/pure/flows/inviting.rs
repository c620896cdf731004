//! A REFER that invites one target: what becomes of the INVITE, and what the referrer hears of it.
//! Not here: races between the two (`super::racing`) and the NOTIFYs' own rules (`super::notifying`).

use std::collections::BTreeSet;

use cpm::cpm::action::Counter;
use cpm::sip::Method;

use crate::flows::bed::{interleaved, interleaved_over, team, World, GROUP};

const TARGET: &str = "sip:carol@home1.test";

/// The last word to the referrer; what came before must have been provisional.
fn result(world: &World, peer: usize, branch: &str) -> u16 {
    let told = world.told(peer, branch);
    let (last, before) = told.split_last().expect("a NOTIFY");
    assert!(last.1, "not terminal: {told:?}");
    assert!(before.iter().all(|(status, _)| *status < 200), "{told:?}");
    assert_eq!(before.first(), Some(&(100, false)), "{told:?}");
    last.0
}

#[test]
fn in_a_dialog_accepted() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(world.status(cast.alice, &refer), 200);
        assert_eq!(result(world, cast.alice, &refer), 200);
        assert_eq!(world.sent_to(cast.carol, "INVITE").len(), 1);
        assert_eq!(world.counted(Counter::Participants), 2);
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn outside_a_dialog_accepted() {
    interleaved(|world, cast| {
        world.join(cast.bob);
        let refer = world.refers_outside(cast.alice, TARGET, "");
        world.run_out();
        let answer = world.answer(cast.alice, &refer).expect("an answer");
        assert_eq!(answer.status, 200);
        assert!(answer
            .tokens("Supported")
            .contains(&"norefersub".to_owned()));
        assert!(answer.to_tag.is_some());
        assert_eq!(result(world, cast.alice, &refer), 200);
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn the_invite_says_what_a_target_needs() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.refers(
            cast.alice,
            "sip:carol@home1.test;method=INVITE?Route=%3Csip:evil%3E&Subject=x",
            "Subject: private\r\n",
        );
        world.run_out();
        let invite = &world.sent_to(cast.carol, "INVITE")[0].request;
        assert_eq!(invite.uri, TARGET);
        let text = |name| invite.text(name).unwrap_or_default();
        assert!(text("Contact").contains(";isfocus"));
        assert!(text("Accept-Contact").contains("icsi-ref"));
        assert_eq!(text("Referred-By"), "<sip:alice@home1.test>");
        assert!(text("P-Asserted-Service").ends_with("session.group"));
        assert_eq!(
            text("P-Asserted-Identity"),
            format!("<{}>", invite.from().uri.as_str())
        );
        assert!(!text("Conversation-ID").is_empty() && !text("Contribution-ID").is_empty());
        assert_eq!(
            invite.values("Route").len(),
            world.settings.orig_route.len()
        );
        assert!(invite.values("Subject").is_empty() && invite.values("Privacy").is_empty());
        assert!(String::from_utf8_lossy(&invite.body).contains("a=setup:actpass"));
        world.end();
    });
}

#[test]
fn every_refusal_is_told_and_frees_the_place() {
    interleaved_over(
        &[302, 403, 404, 408, 480, 486, 488, 500, 503, 600, 603, 606],
        |world, cast, code| {
            world.manners(cast.carol).answer = Some((300, code));
            world.join(cast.alice);
            let refer = world.refers(cast.alice, TARGET, "");
            world.run_out();
            assert_eq!(result(world, cast.alice, &refer), code);
            // 488 may be for the form.
            let sent = if code == 488 { 2 } else { 1 };
            assert_eq!(world.sent("INVITE").len(), sent, "nobody else is invited");
            assert!(world.ledger.cancels.is_empty());
            world.end();
        },
    );
}

#[test]
fn who_never_answers_is_cancelled() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 408);
        assert_eq!(world.ledger.cancels, [(cast.carol, TARGET.to_owned())]);
        world.end();
    });
}

/// Not even a 100: tm gives up before we do, and there is nothing to cancel.
#[test]
fn who_is_not_there_times_out() {
    interleaved(|world, cast| {
        world.settings.invite_timeout = 60_000;
        world.manners(cast.carol).dead = true;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 408);
        assert!(world.ledger.cancels.is_empty());
        world.manners(cast.carol).dead = false;
        world.end();
    });
}

#[test]
fn what_cannot_be_sent_has_failed() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "sip:nobody@away.test", "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 503);
        world.faults.sends = vec![Method::Invite];
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 503);
        world.end();
    });
}

#[test]
fn an_answer_that_cannot_be_used_ends_in_ack_and_bye() {
    interleaved(|world, cast| {
        world.manners(cast.carol).usable_sdp = false;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 488);
        assert_eq!(world.sent_to(cast.carol, "ACK")[0].request.cseq, 1);
        assert_eq!(
            world.bye_reason(cast.carol).as_deref(),
            Some("SIP;cause=488;text=\"Not Acceptable Here\"")
        );
        world.end();
    });
}

/// RFC 3261 section 13.2.2.4: each 2xx its ACK, one participant, BYE to the others.
#[test]
fn of_several_devices_the_first_one_is_in() {
    interleaved(|world, cast| {
        world.manners(cast.carol).devices = 3;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 200);
        let dialogs = &world.peers[cast.carol].dialogs;
        assert_eq!(dialogs.len(), 3);
        assert_eq!(dialogs.iter().filter(|d| d.bye_reason.is_some()).count(), 2);
        let acks = world.sent_to(cast.carol, "ACK");
        let acknowledged: BTreeSet<_> = acks.iter().map(|ack| &ack.request.to_tag).collect();
        assert_eq!(acknowledged.len(), 3);
        assert_eq!(world.counted(Counter::Participants), 2);
        world.end();
    });
}

#[test]
fn who_is_in_already_is_not_invited_again() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        let refer = world.refers(cast.alice, "sip:bob@HOME1.test;user=x", "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &refer), 200);
        let oneself = world.refers(cast.alice, "sip:alice@home1.test", "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &oneself), 200);
        assert!(world.sent("INVITE").is_empty());
        world.end();
    });
}

#[test]
fn who_is_being_invited_is_waited_for() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((25_000, 603));
        world.join(cast.alice);
        world.join(cast.bob);
        let first = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &first);
        let second = world.refers(cast.bob, TARGET, "");
        let third = world.refers(cast.alice, TARGET, "Refer-Sub: false\r\n");
        world.run_out();
        assert_eq!(result(world, cast.alice, &first), 603);
        assert_eq!(result(world, cast.bob, &second), 603);
        assert_eq!(world.told(cast.alice, &third), []);
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}

/// A number by its two spellings is one person.
#[test]
fn one_number_is_one_target() {
    interleaved(|world, cast| {
        world.manners(cast.number).answer = Some((25_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "tel:+358-40-1234567", "");
        world.outcome(cast.alice, &refer);
        world.refers(cast.alice, "sip:+358401234567@home1.test;user=phone", "");
        world.run_out();
        assert_eq!(world.sent("INVITE").len(), 1);
        assert!(world.is_in(cast.number));
        world.end();
    });
}

#[test]
fn the_focus_does_not_invite_itself() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let contact = world.peers[cast.alice].dialogs[leg].focus.clone();
        let factory = "sip:conference-factory@conf.home1.test";
        let token = "0123456789abcdef0123456789ABCDEF";
        let others = [
            format!("sip:{token}@conf.home1.test"),
            format!("sip:{token}@127.0.0.1"),
            format!("sip:{token}@[::ffff:127.0.0.1]:5060;transport=tcp"),
            "sip:conference-factory@127.0.0.1:5060".to_owned(),
            "sip:team@127.0.0.1".to_owned(),
            "sip:127.0.0.1".to_owned(),
        ];
        let others = others.iter().map(String::as_str);
        for target in others.chain([GROUP, factory, contact.as_str()]) {
            let refer = world.refers(cast.alice, target, "");
            world.run_out();
            assert_eq!(result(world, cast.alice, &refer), 403, "{target}");
        }
        assert!(world.sent("INVITE").is_empty());
        world.end();
    });
}

#[test]
fn whom_the_policy_keeps_out_is_not_invited() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = world.refers(cast.alice, "sip:mallory@home1.test", "");
        world.run_out();
        assert_eq!(world.status(cast.alice, &refer), 200);
        assert_eq!(result(world, cast.alice, &refer), 403);
        assert!(world.sent("INVITE").is_empty());
        world.end();
    });
}

#[test]
fn who_may_not_invite_is_refused() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.carol);
        let inside = world.refers(cast.carol, "sip:dave@home1.test", "");
        let outside = world.refers_outside(cast.dave, TARGET, "");
        world.run_out();
        for (peer, branch) in [(cast.carol, inside), (cast.dave, outside)] {
            assert_eq!(world.status(peer, &branch), 403);
            let warning = world.answer(peer, &branch).and_then(|a| a.text("Warning"));
            assert!(warning.is_some_and(|w| w.starts_with("399 ")));
        }
        assert!(world.sent("INVITE").is_empty());
        assert!(world.sent("NOTIFY").is_empty());
        world.end();
    });
}

#[test]
fn what_is_malformed_or_foreign_invites_nobody() {
    let cases = [
        ("", 400),
        (
            "Refer-To: <sip:a@home1.test>\r\nRefer-To: <sip:b@home1.test>\r\n",
            400,
        ),
        ("Refer-To: <sip:a@home1.test>, <sip:b@home1.test>\r\n", 400),
        ("Refer-To: <sip:a@home1.test;method=MESSAGE>\r\n", 488),
        ("Refer-To: <http://home1.test/>\r\n", 488),
        (
            "Refer-To: <sip:carol@home1.test>\r\nRequire: norefersub, foo\r\n",
            420,
        ),
        (
            "Refer-To: <sip:carol@home1.test>\r\nRefer-Sub: maybe\r\n",
            400,
        ),
        (
            "Refer-To: <sip:carol@home1.test>\r\nP-Asserted-Identity: <sip:mallory@home1.test>\r\n",
            403,
        ),
    ];
    interleaved(|world, cast| {
        world.join(cast.alice);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        for (headers, code) in cases {
            let inside = world.lets(cast.alice, |p| p.within(leg, "REFER", headers, Vec::new()));
            let outside = world.lets(cast.alice, |p| {
                p.outside("REFER", GROUP, headers, Vec::new())
            });
            assert_eq!(world.outcome(cast.alice, &inside), code, "{headers}");
            assert_eq!(world.outcome(cast.alice, &outside), code, "{headers}");
        }
        assert!(world.sent("INVITE").is_empty());
        assert!(world.sent("NOTIFY").is_empty());
        world.end();
    });
}

#[test]
fn from_an_untrusted_source_nobody_invites() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.peers[cast.alice].untrusted = true;
        let inside = world.refers(cast.alice, TARGET, "");
        let outside = world.refers_outside(cast.alice, TARGET, "");
        assert_eq!(world.outcome(cast.alice, &inside), 403);
        assert_eq!(world.outcome(cast.alice, &outside), 403);
        world.end();
    });
}

#[test]
fn a_group_without_a_session_has_nobody_to_invite_to() {
    interleaved(|world, cast| {
        let refer = world.refers_outside(cast.alice, TARGET, "");
        assert_eq!(world.outcome(cast.alice, &refer), 404);
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn places_are_counted_with_those_who_still_ring() {
    interleaved(|world, cast| {
        world.groups = team(Some(2));
        world.manners(cast.carol).answer = Some((25_000, 486));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        let full = world.refers(cast.alice, "sip:dave@home1.test", "");
        assert_eq!(world.outcome(cast.alice, &full), 486);
        world.run_out();
        let again = world.refers(cast.alice, "sip:dave@home1.test", "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &again), 200);
        world.end();
    });
}

#[test]
fn a_merged_refer_is_refused() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((25_000, 200));
        world.join(cast.alice);
        let refer = world.refers_outside(cast.alice, TARGET, "");
        world.outcome(cast.alice, &refer);
        // By another proxy, a moment later.
        let merged = world.lets(cast.alice, |peer| peer.again_by_another_way(&refer));
        assert_eq!(world.outcome(cast.alice, &merged), 482);
        world.run_out();
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}

#[test]
fn a_later_assertion_of_the_target_is_one_more_of_its_names() {
    interleaved(|world, cast| {
        world.manners(cast.carol).asserted = vec![
            TARGET.into(),
            "tel:+15550100".into(),
            "sip:alice@home1.test".into(),
        ];
        world.join(cast.alice);
        world.refers(cast.alice, TARGET, "");
        world.run_out();
        let again = world.refers(cast.alice, "tel:+1-555-0100", "");
        world.run_out();
        assert_eq!(result(world, cast.alice, &again), 200);
        assert_eq!(world.sent("INVITE").len(), 1);
        world.end();
    });
}
