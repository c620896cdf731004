//! Sessions made on the spot and begun again: what the INVITE to the factory brings, and what is refused.
//! Not here: what becomes of the listed people (`super::listing`).

use cpm::cpm::action::Counter;
use cpm::cpm::quirk::Quirk;

use crate::flows::bed::{interleaved, World, FACTORY};
use crate::flows::listing::list;

const OTHERS: [&str; 2] = ["sip:bob@home1.test", "sip:carol@home1.test"];
const NAMED: &str = "Contribution-ID: the-one\r\n";

fn creates(world: &mut World, peer: usize, entries: &[&str], more: &str) -> String {
    let (_, body) = list(entries, "");
    let headers = format!("Content-Type: application/resource-lists+xml\r\n{more}");
    world.lets(peer, |peer| peer.outside("INVITE", FACTORY, &headers, body))
}

/// The list of a restart is held to the rules of any other; a refused restart brings nobody back in.
#[test]
fn a_restart_takes_no_list_that_a_beginning_would_not() {
    interleaved(|world, cast| {
        world.settings.max_refer_targets = 2;
        let first = creates(world, cast.alice, &OTHERS, NAMED);
        assert_eq!(world.outcome(cast.alice, &first), 200);
        world.run_out();
        world.leaves(cast.bob);
        world.run_out();
        let removal = ["sip:carol@home1.test;method=BYE"];
        let many = ["sip:a@x.test", "sip:b@x.test", "sip:c@x.test"];
        for (entries, status) in [(&removal[..], 400), (&many[..], 403)] {
            let again = creates(world, cast.bob, entries, NAMED);
            assert_eq!(world.outcome(cast.bob, &again), status);
        }
        world.run_out();
        assert_eq!(world.counted(Counter::Participants), 2);
        assert_eq!(world.sent("INVITE").len(), 2);
        let again = creates(world, cast.bob, &["sip:dave@home1.test"], NAMED);
        assert_eq!(world.outcome(cast.bob, &again), 200);
        world.run_out();
        assert!(world.is_in(cast.bob) && world.is_in(cast.dave));
        assert_eq!(world.counted(Counter::Sessions), 1);
        world.end();
    });
}

#[test]
fn unusual_lists_are_counted_or_refused_by_strictness() {
    interleaved(|world, cast| {
        let counter = Counter::Quirk(Quirk::ListWithoutDisposition);
        for (strict, status) in [(true, 400), (false, 200)] {
            world.settings.strict = strict;
            let branch = creates(world, cast.alice, &OTHERS, NAMED);
            assert_eq!(world.outcome(cast.alice, &branch), status);
        }
        world.run_out();
        assert_eq!(world.counted(counter), 2);
        world.end();
    });
}

/// Requirements section 2.3: a session made in reply to another contribution says so to everybody.
#[test]
fn what_a_session_replies_to_is_carried() {
    interleaved(|world, cast| {
        let more = "InReplyTo-Contribution-ID: earlier\r\n";
        let branch = creates(world, cast.alice, &OTHERS, more);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run_out();
        let said = |text: Option<String>| assert_eq!(text.as_deref(), Some("earlier"));
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        said(answer.text("InReplyTo-Contribution-ID"));
        for invite in world.sent("INVITE") {
            said(invite.request.text("InReplyTo-Contribution-ID"));
        }
        world.end();
    });
}
