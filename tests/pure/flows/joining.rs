//! Coming in and going out by oneself: INVITE, ACK, re-INVITE, BYE, CANCEL, coming back.
//! Not here: being invited by somebody (`super::inviting`).

use cpm::cpm::action::Counter;
use cpm::cpm::records::Record;

use crate::flows::bed::{interleaved, team, Stage, World, GROUP};

const GONE: &str = "SIP;cause=410;text=\"Gone\"";
const ELSEWHERE: &str = "SIP;cause=200;text=\"Call completed elsewhere\"";

fn head_token(world: &World) -> String {
    let mut heads = world
        .records
        .rows()
        .filter_map(|(_, row)| match &row.record {
            Record::Head(head) if head.live => Some(head.token.clone()),
            _ => None,
        });
    heads.next().expect("a live session")
}

#[test]
fn one_joins_and_leaves() {
    interleaved(|world, cast| {
        let branch = world.joins(cast.alice);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        let contact = answer.text("Contact").unwrap_or_default();
        assert!(contact.contains(";isfocus"), "{contact}");
        assert!(answer.text("Conversation-ID").is_some());
        assert!(answer.text("Contribution-ID").is_some());
        assert!(answer.body.starts_with(b"v=0"));
        assert_eq!(world.counted(Counter::Sessions), 1);
        world.end();
        assert_eq!(world.counted(Counter::Sessions), 0);
    });
}

#[test]
fn the_one_who_stays_alone_is_sent_away() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.bye_reason(cast.bob).as_deref(), Some(GONE));
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

#[test]
fn two_start_a_group_at_once_and_meet_in_one_session() {
    interleaved(|world, cast| {
        world.joins(cast.alice);
        world.joins(cast.bob);
        world.run_out();
        assert_eq!(world.counted(Counter::Sessions), 1);
        assert_eq!(world.counted(Counter::Participants), 2);
        world.end();
    });
}

#[test]
fn without_ack_the_dialog_ends_by_bye() {
    interleaved(|world, cast| {
        world.manners(cast.alice).acks = false;
        world.join(cast.alice);
        assert!(world.sent("BYE").is_empty(), "there is time until 64*T1");
        world.run_out();
        assert_eq!(
            world.bye_reason(cast.alice).as_deref(),
            Some("SIP;cause=408;text=\"No ACK\"")
        );
        assert_eq!(world.records.len(), 0);
        assert_eq!(world.peers[cast.alice].dialogs[0].stage, Stage::Over);
    });
}

#[test]
fn a_bye_that_comes_before_the_ack_is_served() {
    interleaved(|world, cast| {
        world.manners(cast.bob).acks = false;
        world.join(cast.alice);
        world.join(cast.bob);
        let bye = world.leaves(cast.bob);
        world.run_out();
        assert_eq!(world.status(cast.bob, &bye), 200);
        assert!(world.sent_to(cast.bob, "BYE").is_empty());
        world.end();
    });
}

#[test]
fn who_comes_again_is_in_by_the_new_dialog() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.bob);
        world.run_out();
        assert_eq!(world.counted(Counter::Participants), 2);
        let bob = &world.peers[cast.bob];
        assert_eq!(bob.dialogs[0].bye_reason.as_deref(), Some(ELSEWHERE));
        assert_eq!(bob.dialogs[1].stage, Stage::Up);
        world.end();
    });
}

/// The only participant comes again: for a moment there are two dialogs, never two participants.
#[test]
fn coming_again_alone_does_not_end_the_session() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let token = head_token(world);
        world.join(cast.alice);
        world.run_out();
        assert_eq!(head_token(world), token);
        assert!(world.is_in(cast.alice));
        world.end();
    });
}

/// Known by a number to some and by a name to others, until one INVITE asserts both.
#[test]
fn one_who_turns_out_to_be_two_replaces_both() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.number);
        let both = "P-Asserted-Identity: <sip:bob@home1.test>\r\n\
                    P-Asserted-Identity: <tel:+358401234567>\r\n";
        let branch = world.joins_with(cast.bob, both);
        world.run_out();
        assert_eq!(world.status(cast.bob, &branch), 200);
        assert_eq!(world.counted(Counter::Participants), 2);
        assert_eq!(world.bye_reason(cast.number).as_deref(), Some(ELSEWHERE));
        world.end();
    });
}

/// Both values of P-Asserted-Identity may be one identity (R1.3b).
#[test]
fn one_number_in_two_forms_is_one_identity() {
    interleaved(|world, cast| {
        let both = "P-Asserted-Identity: <sip:+358401234567@home1.test;user=phone>\r\n\
                    P-Asserted-Identity: <tel:+358401234567>\r\n";
        let branch = world.joins_with(cast.number, both);
        assert_eq!(world.outcome(cast.number, &branch), 200);
        world.end();
    });
}

#[test]
fn a_new_offer_is_answered_and_its_ack_awaited() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.run_out();
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let body = crate::flows::bed::sdp("127.0.1.1", "again");
        let branch = world.lets(cast.alice, |peer| {
            peer.within(leg, "INVITE", "Content-Type: application/sdp\r\n", body)
        });
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        assert!(String::from_utf8_lossy(&answer.body).contains("a=setup:passive"));
        world.end();
    });
}

#[test]
fn a_cancel_of_an_answered_invite_changes_nothing() {
    interleaved(|world, cast| {
        let branch = world.joins(cast.alice);
        world.run(5_000);
        let effects = world.peers[cast.alice].cancel(&branch);
        world.effects(cast.alice, effects);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        assert!(world.is_in(cast.alice));
        world.end();
    });
}

/// The same INVITE over another way (RFC 3261 section 8.2.2.2).
#[test]
fn a_merged_invite_is_refused() {
    interleaved(|world, cast| {
        let branch = world.joins(cast.alice);
        world.outcome(cast.alice, &branch);
        let merged = world.lets(cast.alice, |peer| peer.again_by_another_way(&branch));
        assert_eq!(world.outcome(cast.alice, &merged), 482);
        assert_eq!(world.counted(Counter::Participants), 1);
        world.end();
    });
}

#[test]
fn a_full_session_takes_nobody_but_who_is_in() {
    interleaved(|world, cast| {
        world.groups = team(Some(2));
        world.join(cast.alice);
        world.join(cast.bob);
        let carol = world.joins(cast.carol);
        let bob = world.joins(cast.bob);
        assert_eq!(world.outcome(cast.carol, &carol), 486);
        assert_eq!(world.outcome(cast.bob, &bob), 200);
        let warning = world.answer(cast.carol, &carol).unwrap().text("Warning");
        assert!(warning.unwrap().contains("102 Too many participants"));
        world.end();
    });
}

#[test]
fn who_is_not_let_in_leaves_no_trace() {
    interleaved(|world, cast| {
        let mallory = world.joins(cast.mallory);
        assert_eq!(world.outcome(cast.mallory, &mallory), 403);
        assert_eq!(world.records.len(), 0);
        world.join(cast.alice);
        let mallory = world.joins(cast.mallory);
        assert_eq!(world.outcome(cast.mallory, &mallory), 403);
        assert_eq!(world.counted(Counter::Participants), 1);
        world.end();
    });
}

#[test]
fn an_answer_that_cannot_be_sent_lets_nobody_in() {
    interleaved(|world, cast| {
        world.faults.answers = true;
        world.joins(cast.alice);
        world.run(10_000);
        assert_eq!(world.records.len(), 0);
        world.faults.answers = false;
        world.run_out();
        assert_eq!(world.counted(Counter::Sessions), 0);
        assert_eq!(world.counted(Counter::Participants), 0);
    });
}

/// A worker that could not answer says so only after another one has let the same person in again.
#[test]
fn an_answer_that_failed_leaves_nothing_of_a_replaced_leg() {
    interleaved(|world, cast| {
        world.faults.answers = true;
        world.joins(cast.alice);
        world.joins(cast.alice);
        world.run(world.chance.upto(900));
        world.joins(cast.alice);
        world.run(10_000);
        world.faults.answers = false;
        world.run_out();
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn requests_in_a_dialog_that_is_over_or_never_was() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.leaves(cast.bob);
        world.run_out();
        for method in ["REFER", "BYE", "OPTIONS"] {
            let headers = format!("Refer-To: <{GROUP}>\r\n");
            let branch = world.lets(cast.bob, |bob| bob.within(0, method, &headers, Vec::new()));
            world.run_out();
            assert_eq!(world.status(cast.bob, &branch), 481, "{method}");
        }
    });
}

#[test]
fn an_old_cseq_is_refused_and_changes_nothing() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.peers[cast.alice].dialogs[0].local_cseq -= 5;
        let branch = world.leaves(cast.alice);
        assert_eq!(world.outcome(cast.alice, &branch), 500);
        assert_eq!(world.counted(Counter::Participants), 1);
    });
}
