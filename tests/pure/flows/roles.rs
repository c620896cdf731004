//! The role of an administrator: who has it at first, who may give and take it, what it permits, and whose it
//! is when the last one leaves.

use cpm::cpm::records::Record;

use crate::flows::bed::{interleaved, team_with_roles, Cast, World};
use crate::flows::listing::{creates, list, refers_list};
use crate::flows::watching::{coherent, documents, perfectly, told, SETTLED};
use crate::kit::schema::{assert_valid, user};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";

/// Alice has made a session with bob and carol.
fn three(world: &mut World, cast: Cast) {
    creates(world, cast.alice, &[BOB, CAROL]);
    world.run(SETTLED);
    assert_eq!(administrators(world), [ALICE]);
}

/// Who has the role, by the records.
fn administrators(world: &World) -> Vec<String> {
    let legs = world
        .records
        .rows()
        .filter_map(|(_, row)| match &row.record {
            Record::Leg(leg) if leg.administrator => Some(leg.uri.to_string()),
            _ => None,
        });
    let mut legs: Vec<String> = legs.collect();
    legs.sort();
    legs
}

fn watch(world: &mut World, peer: usize) {
    let leg = world.peers[peer].leg().expect("a leg");
    world.lets(peer, |peer| {
        peer.within(leg, "SUBSCRIBE", "Event: conference\r\n", Vec::new())
    });
    world.run(SETTLED);
}

/// The roles of somebody in the latest document that names them.
fn roles_shown(world: &World, watcher: usize, who: &str) -> String {
    let documents: Vec<String> = told(world, watcher).into_iter().map(|t| t.body).collect();
    let mut users = documents.iter().rev().filter_map(|body| user(body, who));
    let element = users.next().expect("somebody shown");
    let roles = element.split("<roles>").nth(1).unwrap_or_default();
    roles
        .split("</roles>")
        .next()
        .unwrap_or_default()
        .to_owned()
}

const BOTH_WORDS: &str = "<entry>administrator</entry><entry>admin</entry>";

/// What the referrer was told in the end.
fn result(world: &mut World, peer: usize, refer_to: &str) -> u16 {
    let refer = world.refers_to(peer, refer_to, "");
    let status = world.outcome(peer, &refer);
    if status != 200 {
        return status;
    }
    world.run(SETTLED);
    let told = world.told(peer, &refer);
    told.last().expect("a NOTIFY").0
}

#[test]
fn the_role_is_given_and_taken_and_everybody_is_told() {
    interleaved(|world, cast| {
        three(world, cast);
        watch(world, cast.carol);
        assert_eq!(roles_shown(world, cast.carol, ALICE), BOTH_WORDS);
        assert_eq!(
            roles_shown(world, cast.carol, BOB),
            "<entry>participant</entry>"
        );
        assert_eq!(
            result(
                world,
                cast.alice,
                &format!("<{BOB};method=INVITE>;text;admin=1")
            ),
            200
        );
        assert_eq!(administrators(world), [ALICE, BOB]);
        assert_eq!(roles_shown(world, cast.carol, BOB), BOTH_WORDS);
        // Once more it is no news.
        let known = told(world, cast.carol).len();
        assert_eq!(
            result(world, cast.alice, &format!("<{BOB}>;admin=true")),
            200
        );
        assert_eq!(told(world, cast.carol).len(), known);
        // Whoever was given it has it whole: bob takes it from who gave it.
        assert_eq!(result(world, cast.bob, &format!("<{ALICE}>;admin=0")), 200);
        assert_eq!(administrators(world), [BOB]);
        assert_eq!(
            roles_shown(world, cast.carol, ALICE),
            "<entry>participant</entry>"
        );
        assert_eq!(result(world, cast.bob, &format!("<{ALICE}>;admin=0")), 200);
        assert_valid(&documents(world, cast.carol));
        coherent(world, cast.carol);
        assert_eq!(world.sent("INVITE").len(), 2, "nobody was invited by it");
        world.end();
    });
}

/// What the role permits goes with it.
#[test]
fn the_role_permits_what_it_says() {
    interleaved(|world, cast| {
        three(world, cast);
        let remove_carol = format!("<{CAROL};method=BYE>");
        assert_eq!(result(world, cast.bob, &remove_carol), 403);
        assert_eq!(result(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        assert_eq!(
            result(world, cast.alice, &format!("<{ALICE}>;admin=0")),
            200
        );
        assert_eq!(result(world, cast.alice, &remove_carol), 403);
        assert!(world.is_in(cast.carol));
        let rename = |world: &mut World, peer: usize| {
            let leg = world.peers[peer].leg().expect("a leg");
            let subject = "Subject: Dinner\r\n";
            let branch = world.lets(peer, |p| p.within(leg, "UPDATE", subject, Vec::new()));
            world.outcome(peer, &branch)
        };
        assert_eq!([cast.alice, cast.bob].map(|p| rename(world, p)), [403, 200]);
        let give_carol = format!("<{CAROL}>;admin=1");
        assert_eq!(result(world, cast.alice, &give_carol), 403);
        assert_eq!(result(world, cast.bob, &give_carol), 200);
        assert_eq!(result(world, cast.bob, &remove_carol), 200);
        assert!(!world.is_in(cast.carol));
        world.end();
    });
}

#[test]
fn what_cannot_be_given_is_refused() {
    interleaved(|world, cast| {
        three(world, cast);
        // By who may not.
        let refer = world.refers_to(cast.bob, &format!("<{BOB}>;admin=1"), "");
        assert_eq!(world.outcome(cast.bob, &refer), 403);
        let answer = world.answer(cast.bob, &refer).expect("an answer");
        assert!(
            answer
                .text("Warning")
                .is_some_and(|w| w.starts_with("399 ")),
            "{answer:?}"
        );
        // To who is not in, also not as an invitation.
        assert_eq!(result(world, cast.alice, &format!("<{DAVE}>;admin=1")), 404);
        assert_eq!(result(world, cast.alice, &format!("<{DAVE}>;admin=0")), 404);
        assert_eq!(
            result(world, cast.alice, "<tel:+358401234567>;admin=1"),
            404
        );
        // What makes no sense.
        for wrong in [
            format!("<{BOB};method=BYE>;admin=1"),
            format!("<{BOB}>;admin=2"),
            format!("<{BOB}>;admin"),
            format!("<{BOB};method=SUBSCRIBE>;admin=1"),
        ] {
            let status = result(world, cast.alice, &wrong);
            assert!([400, 488].contains(&status), "{wrong}: {status}");
        }
        let (headers, body) = list(&[BOB, CAROL], "");
        let headers = headers.replace("<cid:list@home1.test>", "<cid:list@home1.test>;admin=1");
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let listed = world.lets(cast.alice, |peer| peer.within(leg, "REFER", &headers, body));
        assert_eq!(world.outcome(cast.alice, &listed), 400);
        assert_eq!(administrators(world), [ALICE]);
        assert_eq!(world.sent("INVITE").len(), 2);
        world.end();
    });
}

/// In a pre-defined group the document says who may give it; whoever may remove others by it keeps that.
#[test]
fn the_document_of_a_group_stays_above_the_role() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        // The team's document knows no such action.
        assert_eq!(result(world, cast.alice, &format!("<{BOB}>;admin=1")), 403);
        world.groups = team_with_roles();
        assert_eq!(result(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        assert_eq!(administrators(world), [BOB]);
        assert_eq!(result(world, cast.bob, &format!("<{BOB}>;admin=0")), 200);
        assert_eq!(administrators(world), [""; 0], "a group needs none");
        // Alice may remove people by the document.
        assert_eq!(
            result(world, cast.alice, &format!("<{ALICE}>;admin=0")),
            403
        );
        world.end();
    });
}

#[test]
fn the_next_one_is_who_has_been_in_longest() {
    interleaved(|world, cast| {
        world.manners(cast.bob).answer = Some((30_000, 200));
        three(world, cast);
        watch(world, cast.bob);
        refers_list(world, cast.alice, &[DAVE], "");
        world.run(SETTLED);
        world.leaves(cast.alice);
        world.run(SETTLED);
        assert_eq!(administrators(world), [CAROL]);
        assert_eq!(roles_shown(world, cast.bob, CAROL), BOTH_WORDS);
        // The only one who takes it from herself hands it on.
        assert_eq!(
            result(world, cast.carol, &format!("<{CAROL}>;admin=0")),
            200
        );
        assert_eq!(administrators(world), [BOB]);
        coherent(world, cast.bob);
        world.end();
    });
}

#[test]
fn somebody_has_to_have_it() {
    perfectly(|world, cast| {
        world.settings.min_participants = 1;
        three(world, cast);
        world.leaves(cast.bob);
        world.leaves(cast.carol);
        world.run(SETTLED);
        assert_eq!(
            result(world, cast.alice, &format!("<{ALICE}>;admin=0")),
            403
        );
        assert_eq!(administrators(world), [ALICE]);
        world.end();
    });
}

/// A phone that lost its leg has not lost its role; who left for good, was removed or had to be invited
/// again has.
#[test]
fn who_comes_back_has_the_role_again() {
    interleaved(|world, cast| {
        three(world, cast);
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        let comes_back = |world: &mut World, reason: &str| {
            let leg = world.peers[cast.alice].leg().expect("a leg");
            world.lets(cast.alice, |peer| {
                peer.within(leg, "BYE", reason, Vec::new())
            });
            world.run(SETTLED);
            assert!(!administrators(world).contains(&ALICE.to_owned()));
            let branch = world.lets(cast.alice, |peer| peer.invite(&focus, ""));
            assert_eq!(world.outcome(cast.alice, &branch), 200);
            world.run(SETTLED);
            administrators(world)
        };
        let both = comes_back(world, "");
        assert_eq!((both.len(), both[0].as_str()), (2, ALICE), "{both:?}");
        let reason = "Reason: SIP;cause=200\r\n";
        assert_eq!(comes_back(world, reason), both[1..]);
        // Given once more, and lost with a removal; she comes back by invitation.
        let next = if both[1] == BOB { cast.bob } else { cast.carol };
        assert_eq!(result(world, next, &format!("<{ALICE}>;admin=1")), 200);
        assert_eq!(result(world, next, &format!("<{ALICE};method=BYE>")), 200);
        assert_eq!(result(world, next, &format!("<{ALICE}>")), 200);
        world.run(SETTLED);
        assert!(world.is_in(cast.alice));
        assert_eq!(administrators(world), both[1..]);
        world.end();
    });
}

/// A second INVITE of the same person replaces the first leg, and what it was.
#[test]
fn a_second_phone_takes_the_role_over() {
    interleaved(|world, cast| {
        three(world, cast);
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        let branch = world.lets(cast.alice, |peer| peer.invite(&focus, ""));
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run(SETTLED);
        assert_eq!(administrators(world), [ALICE]);
        world.end();
    });
}

/// The anonymous are known by what they are shown as.
#[test]
fn a_number_can_be_given_the_role() {
    interleaved(|world, cast| {
        world.groups = team_with_roles();
        world.join(cast.alice);
        let branch = world.joins_with(cast.bob, "Privacy: id\r\n");
        assert_eq!(world.outcome(cast.bob, &branch), 200);
        world.run(SETTLED);
        let nobody = "sip:anonymous-2@anonymous.invalid";
        assert_eq!(
            result(world, cast.alice, &format!("<{nobody}>;admin=1")),
            404
        );
        let shown = "sip:anonymous-1@anonymous.invalid";
        assert_eq!(
            result(world, cast.alice, &format!("<{shown}>;admin=1")),
            200
        );
        assert_eq!(administrators(world), [BOB]);
        watch(world, cast.alice);
        assert_eq!(roles_shown(world, cast.alice, shown), BOTH_WORDS);
        world.end();
    });
}

#[test]
fn inside_the_brackets_it_is_no_success_that_did_nothing() {
    perfectly(|world, cast| {
        three(world, cast);
        let status = result(world, cast.alice, &format!("<{BOB};admin=1>"));
        let given = administrators(world).contains(&BOB.to_owned());
        assert_eq!(status == 200, given, "{status}, given: {given}");
    });
}

#[test]
fn two_parameters_that_differ_are_refused() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(
            result(world, cast.alice, &format!("<{BOB}>;admin=1;admin=0")),
            400
        );
    });
}

#[test]
fn a_role_that_was_taken_does_not_come_back() {
    perfectly(|world, cast| {
        three(world, cast);
        assert_eq!(result(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        // Alice's phone drops out; bob takes her role meanwhile.
        world.leaves(cast.alice);
        world.run(SETTLED);
        let status = result(world, cast.bob, &format!("<{ALICE}>;admin=0"));
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
        assert_eq!(result(world, alice, &format!("<{BOB}>;admin=1")), 200);
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
        assert_eq!(result(world, cast.bob, &format!("<{ALICE}>;admin=0")), 200);
        world.leaves(alice);
        world.run(SETTLED);
        once(world, "");
        assert_eq!(administrators(world), [BOB]);
    });
}
