//! What the review of issue 10 found: each of these fails until it is mended.

use cpm::cpm::client_forms::ClientForms;
use cpm::cpm::records::Record;

use crate::flows::bed::{Cast, World};
use crate::flows::listing::creates;
use crate::flows::watching::{perfectly, SETTLED};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";
const REQUIRES: &str = "Require: recipient-list-invite\r\n";

fn subject(world: &World) -> Option<String> {
    world
        .records
        .rows()
        .find_map(|(_, row)| match &row.record {
            Record::Head(head) if head.live => Some(head.subject.clone()),
            _ => None,
        })?
}

fn administrators(world: &World) -> Vec<String> {
    let legs = world.records.rows();
    let legs = legs.filter_map(|(_, row)| match &row.record {
        Record::Leg(leg) if leg.administrator => Some(leg.uri.to_string()),
        _ => None,
    });
    let mut legs: Vec<String> = legs.collect();
    legs.sort();
    legs
}

fn within(world: &mut World, peer: usize, method: &str, headers: &str, body: &[u8]) -> u16 {
    let leg = world.peers[peer].leg().expect("a leg");
    let body = body.to_vec();
    let branch = world.lets(peer, |peer| peer.within(leg, method, headers, body));
    let status = world.outcome(peer, &branch);
    world.run(SETTLED);
    status
}

fn role(world: &mut World, peer: usize, refer_to: &str) -> u16 {
    let refer = world.refers_to(peer, refer_to, "");
    let status = world.outcome(peer, &refer);
    world.run(SETTLED);
    match status {
        200 => world.told(peer, &refer).last().expect("a NOTIFY").0,
        status => status,
    }
}

fn three(world: &mut World, cast: Cast) {
    creates(world, cast.alice, &[BOB, CAROL]);
    world.run(SETTLED);
}

#[test]
fn a_name_can_be_given_back() {
    perfectly(|world, cast| {
        three(world, cast);
        let one = format!("{REQUIRES}Subject: One\r\n");
        assert_eq!(within(world, cast.alice, "INVITE", &one, b""), 200);
        assert_eq!(role(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        assert_eq!(
            within(world, cast.bob, "INVITE", "Subject: Two\r\n", b""),
            200
        );
        assert_eq!(subject(world).as_deref(), Some("Two"));
        // Alice's user gives it the old name, by what her phone sends for nothing else.
        assert_eq!(within(world, cast.alice, "INVITE", &one, b""), 200);
        assert_eq!(subject(world).as_deref(), Some("One"));
    });
}

#[test]
fn what_our_200_said_is_no_wish_either() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(
            within(world, cast.alice, "INVITE", "Subject: One\r\n", b""),
            200
        );
        let focus = world.peers[cast.bob].dialogs[0].focus.clone();
        let branch = world.lets(cast.bob, |peer| peer.invite(&focus, ""));
        assert_eq!(world.outcome(cast.bob, &branch), 200);
        world.run(SETTLED);
        let answer = world.answer(cast.bob, &branch).expect("a 200");
        assert_eq!(answer.text("Subject").as_deref(), Some("One"));
        assert_eq!(
            within(world, cast.alice, "INVITE", "Subject: Two\r\n", b""),
            200
        );
        // Bob's phone refreshes its session with what our 200 told it.
        assert_eq!(
            within(world, cast.bob, "UPDATE", "Subject: One\r\n", b""),
            200
        );
    });
}

#[test]
fn what_the_invite_really_said_is_no_wish() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(
            within(world, cast.alice, "INVITE", "Subject: One\r\n", b""),
            200
        );
        world.manners(cast.dave).answer = Some((200, 503));
        world.manners(cast.dave).retry_after = Some(5);
        world.manners(cast.dave).patience = 1;
        world.refers(cast.alice, DAVE, "");
        world.run(1_000);
        assert_eq!(
            within(world, cast.alice, "UPDATE", "Subject: Two\r\n", b""),
            200
        );
        world.run(10_000);
        let invite = world.sent_to(cast.dave, "INVITE").pop().expect("an INVITE");
        assert_eq!(invite.request.text("Subject").as_deref(), Some("Two"));
        assert_eq!(
            within(world, cast.alice, "UPDATE", "Subject: Three\r\n", b""),
            200
        );
        assert_eq!(
            within(world, cast.dave, "UPDATE", "Subject: Two\r\n", b""),
            200
        );
    });
}

#[test]
fn inside_the_brackets_it_is_no_success_that_did_nothing() {
    perfectly(|world, cast| {
        three(world, cast);
        let status = role(world, cast.alice, &format!("<{BOB};admin=1>"));
        let given = administrators(world).contains(&BOB.to_owned());
        assert_eq!(status == 200, given, "{status}, given: {given}");
    });
}

#[test]
fn two_parameters_that_differ_are_refused() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(
            role(world, cast.alice, &format!("<{BOB}>;admin=1;admin=0")),
            400
        );
    });
}

#[test]
fn a_role_that_was_taken_does_not_come_back() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(role(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        // Alice's phone drops out; bob takes her role meanwhile.
        world.leaves(cast.alice);
        world.run(SETTLED);
        let status = role(world, cast.bob, &format!("<{ALICE}>;admin=0"));
        let branch = world.lets(cast.alice, |peer| peer.invite(&focus, ""));
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        let back = administrators(world).contains(&ALICE.to_owned());
        assert!(!back, "told {status}, and it has the role again");
    });
}

#[test]
fn a_second_name_does_not_bring_a_role_back() {
    perfectly(|world, cast| {
        let both = &[ALICE, "tel:+358409999999"];
        let alice = world.peer("twice", both);
        creates(world, alice, &[BOB, CAROL]);
        world.run(SETTLED);
        assert_eq!(role(world, alice, &format!("<{BOB}>;admin=1")), 200);
        let focus = world.peers[alice].dialogs[0].focus.clone();
        let once = |world: &mut World, headers: &str| {
            let branch = world.lets(alice, |peer| peer.invite(&focus, headers));
            assert_eq!(world.outcome(alice, &branch), 200);
            world.run(SETTLED);
        };
        world.leaves(alice);
        world.run(SETTLED);
        // Back with one of its names, demoted, gone, and back with both.
        once(world, "P-Asserted-Identity: <sip:alice@home1.test>\r\n");
        assert_eq!(administrators(world), [ALICE, BOB]);
        assert_eq!(role(world, cast.bob, &format!("<{ALICE}>;admin=0")), 200);
        world.leaves(alice);
        world.run(SETTLED);
        once(world, "");
        assert_eq!(administrators(world), [BOB]);
    });
}

#[test]
fn a_subject_of_any_length_is_not_kept() {
    perfectly(|world, cast| {
        let long = format!("Subject: {}\r\n", "x".repeat(50_000));
        let branch = world.joins_with(cast.alice, &long);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let legs = world
            .records
            .rows()
            .filter_map(|(_, row)| match &row.record {
                Record::Leg(leg) => leg.subject.as_ref().map(String::len),
                _ => None,
            });
        assert!(legs.max().unwrap_or(0) <= 512);
    });
}

#[test]
fn no_bye_overtakes_a_first_notify_that_is_repeated() {
    perfectly(|world, cast| {
        world.settings.min_participants = 2;
        world.join(cast.alice);
        world.join(cast.bob);
        world.manners(cast.alice).notify = Some(481);
        world.manners(cast.alice).patience = 1;
        world.refers(cast.alice, "sip:bob@home1.test;method=BYE", "");
        world.run_out();
        let sent = world.ledger.sent.iter().filter(|s| s.to == cast.alice);
        let methods: Vec<&str> = sent.map(|s| s.request.method.as_str()).collect();
        assert_eq!(methods.last(), Some(&"BYE"), "{methods:?}");
    });
}

#[test]
fn an_offer_in_a_reliable_provisional_answer_is_answered() {
    perfectly(|world, cast| {
        world.settings.client_forms = ClientForms {
            no_offer: true,
            ..ClientForms::default()
        };
        world.manners(cast.carol).reliable = true;
        world.manners(cast.carol).early_sdp = true;
        world.join(cast.alice);
        world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let prack = world.sent_to(cast.carol, "PRACK")[0];
        assert!(!prack.request.body.is_empty(), "RFC 3262 section 5");
    });
}

/// The tolerated 2xx without SDP, then our re-INVITE: the peer says that it still wants no media.
#[test]
fn a_leg_without_media_survives_our_reinvite() {
    perfectly(|world, cast| {
        world.manners(cast.carol).no_sdp = true;
        world.manners(cast.carol).accepts = "Supported: timer\r\nRequire: timer\r\nSession-Expires: 600;refresher=uac\r\nAllow: INVITE, ACK, BYE\r\n".into();
        world.manners(cast.carol).refuses_media_again = true;
        world.join(cast.alice);
        world.join(cast.bob);
        world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        assert!(world.is_in(cast.carol));
        world.run(400_000);
        assert!(world.is_in(cast.carol));
    });
}

/// A description that was refused in a reliable provisional answer, then a 2xx without SDP.
#[test]
fn an_unusable_early_answer_is_none() {
    perfectly(|world, cast| {
        world.manners(cast.carol).reliable = true;
        world.manners(cast.carol).early_sdp = true;
        world.manners(cast.carol).usable_sdp = false;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(488, true)));
    });
}

/// N3: the subscription outlives the longest ringing.
#[test]
fn the_second_form_does_not_ring_beyond_the_subscription() {
    perfectly(|world, cast| {
        let longest = 180_000;
        world.settings.invite_timeout = longest;
        world.manners(cast.carol).wants_text = Some(true);
        world.manners(cast.carol).answer = Some((longest - 5_000, 200));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(3 * longest);
        // 200, or 408 in time: but a result.
        let (status, last) = *world.told(cast.alice, &refer).last().expect("a NOTIFY");
        assert!(last && status >= 200, "{status}");
    });
}
