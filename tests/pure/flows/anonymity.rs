//! Somebody who asked for anonymity: nothing that leaves for anybody else gives them away.
//! Not here: bytes of each message in general (`super::inviting`); the bed looks at every INVITE itself.

use crate::flows::bed::{interleaved, team, World};

const TARGET: &str = "sip:carol@home1.test";
const ANONYMOUS: &str = "Privacy: id\r\n";

fn no_trace(world: &World, target: usize) {
    let invite = world.sent_to(target, "INVITE")[0];
    let said = invite.request.text("Referred-By");
    assert_eq!(said.as_deref(), Some("<sip:anonymous@anonymous.invalid>"));
    for sent in &world.ledger.sent {
        if sent.to == target {
            let text = sent.text.to_ascii_lowercase();
            assert!(!text.contains("alice"), "{text}");
            assert!(!text.contains("127.0.1.1:"), "{text}");
        }
    }
}

#[test]
fn an_anonymous_referrer_leaves_no_trace() {
    interleaved(|world, cast| {
        let more =
            format!("{ANONYMOUS}Referred-By: <sip:alice@home1.test>\r\nSubject: of alice\r\n");
        world.join(cast.alice);
        let inside = world.refers(cast.alice, TARGET, &more);
        world.outcome(cast.alice, &inside);
        let outside = world.refers_outside(cast.alice, "sip:dave@home1.test", &more);
        assert_eq!(world.outcome(cast.alice, &outside), 200);
        world.run_out();
        no_trace(world, cast.carol);
        no_trace(world, cast.dave);
        let privacy = world.sent_to(cast.carol, "INVITE")[0].request.privacy();
        assert!(privacy.id);
        world.end();
    });
}

/// R2.5: who came anonymously stays so, whatever the REFER itself says.
#[test]
fn who_joined_anonymously_stays_anonymous() {
    interleaved(|world, cast| {
        world.joins_with(cast.alice, "Privacy: none;id\r\n");
        world.run_out();
        let inside = world.refers(cast.alice, TARGET, "");
        world.outcome(cast.alice, &inside);
        let outside = world.refers_outside(cast.alice, "sip:dave@home1.test", "");
        world.outcome(cast.alice, &outside);
        world.run_out();
        no_trace(world, cast.carol);
        no_trace(world, cast.dave);
        world.end();
    });
}

#[test]
fn anonymity_that_is_not_allowed_is_refused() {
    interleaved(|world, cast| {
        let joining = world.joins_with(cast.number, ANONYMOUS);
        assert_eq!(world.outcome(cast.number, &joining), 403);
        world.join(cast.number);
        let refer = world.refers(cast.number, TARGET, ANONYMOUS);
        assert_eq!(world.outcome(cast.number, &refer), 403);
        for branch in [joining, refer] {
            let warning = world
                .answer(cast.number, &branch)
                .and_then(|a| a.text("Warning"));
            assert!(warning.is_some_and(|w| w.contains("119 Anonymity not allowed")));
        }
        assert!(world.sent("INVITE").is_empty());
        world.end();
    });
}

#[test]
fn another_kind_of_privacy_is_not_anonymity() {
    interleaved(|world, cast| {
        world.join(cast.number);
        let refer = world.refers(cast.number, TARGET, "Privacy: header\r\n");
        world.run_out();
        assert_eq!(world.told(cast.number, &refer).last(), Some(&(200, true)));
        let invite = &world.sent_to(cast.carol, "INVITE")[0].request;
        assert_eq!(
            invite.text("Referred-By").as_deref(),
            Some("<tel:+358401234567>")
        );
        world.end();
    });
}

/// A8: what a REFER says of its referrer is passed on only if the network says the same.
#[test]
fn referred_by_names_who_was_asserted() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let own = "Referred-By: \"Al\" <sip:alice@home1.test>;x=1\r\n";
        let refer = world.refers(cast.alice, TARGET, own);
        world.outcome(cast.alice, &refer);
        let foreign = "Referred-By: <sip:bob@home1.test>\r\n";
        world.refers(cast.alice, "sip:dave@home1.test", foreign);
        world.run_out();
        let said = |peer| world.sent_to(peer, "INVITE")[0].request.text("Referred-By");
        assert_eq!(
            said(cast.carol).as_deref(),
            Some("\"Al\" <sip:alice@home1.test>;x=1")
        );
        assert_eq!(said(cast.dave).as_deref(), Some("<sip:alice@home1.test>"));
        world.end();
    });
}

/// For those who watch, an anonymous participant has no other name than the one it is shown by.
#[test]
fn an_anonymous_participant_is_removed_by_the_name_it_is_shown_by() {
    interleaved(|world, cast| {
        world.groups = team(Some(3));
        world.join(cast.alice);
        world.join(cast.carol);
        world.joins_with(cast.bob, ANONYMOUS);
        world.run(20_000);
        let stranger = "sip:anonymous-2@anonymous.invalid;method=BYE";
        let nobody = world.refers(cast.alice, stranger, "");
        world.run(20_000);
        assert_eq!(world.told(cast.alice, &nobody).last(), Some(&(404, true)));
        assert!(world.is_in(cast.bob));
        let shown = "sip:anonymous-1@anonymous.invalid";
        let present = world.refers(cast.alice, shown, "");
        world.run(20_000);
        assert_eq!(world.told(cast.alice, &present).last(), Some(&(200, true)));
        let removal = world.refers(cast.alice, &format!("{shown};method=BYE"), "");
        world.run(20_000);
        assert_eq!(world.told(cast.alice, &removal).last(), Some(&(200, true)));
        assert!(!world.is_in(cast.bob));
        let again = world.joins(cast.bob);
        assert_eq!(world.outcome(cast.bob, &again), 403);
        world.end();
    });
}
