//! The subject of a session: a re-INVITE or UPDATE with another one, by who may and by who may not.

use cpm::cpm::records::Record;

use crate::flows::bed::{interleaved, interleaved_over, sdp, Cast, World};
use crate::flows::listing::creates;
use crate::flows::watching::{coherent, perfectly, told, SETTLED};
use crate::kit::schema::{assert_valid, root, text, users};

const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";
/// By it liblinphone says that it renames.
const REQUIRES: &str = "Require: recipient-list-invite\r\n";

/// Alice has made a session with bob, and both watch.
fn two(world: &mut World, cast: Cast) {
    creates(world, cast.alice, &[BOB]);
    world.run(SETTLED);
    for peer in [cast.alice, cast.bob] {
        within(world, peer, "SUBSCRIBE", "Event: conference\r\n");
        world.run(SETTLED);
    }
}

fn within(world: &mut World, peer: usize, method: &str, headers: &str) -> u16 {
    let leg = world.peers[peer].leg().expect("a leg");
    let branch = world.lets(peer, |peer| peer.within(leg, method, headers, Vec::new()));
    let status = world.outcome(peer, &branch);
    // The ACK, however long it takes.
    world.run(SETTLED);
    status
}

/// The subject in the last document that has one.
fn shown(world: &World, peer: usize) -> Option<String> {
    let documents = told(world, peer);
    let mut subjects = documents
        .iter()
        .rev()
        .filter_map(|t| text(&t.body, "subject"));
    subjects.next().map(str::to_owned)
}

#[test]
fn who_may_changes_the_subject_for_everybody() {
    interleaved_over(&["INVITE", "UPDATE"], |world, cast, method| {
        two(world, cast);
        assert_eq!(
            within(world, cast.alice, method, "Subject: Dinner\r\n"),
            200
        );
        world.run(SETTLED);
        for peer in [cast.alice, cast.bob] {
            assert_eq!(shown(world, peer).as_deref(), Some("Dinner"));
            let documents: Vec<String> = told(world, peer).into_iter().map(|t| t.body).collect();
            let last = documents.last().expect("a document");
            assert_eq!((root(last, "state"), users(last).len()), ("partial", 0));
            assert_valid(&documents);
            coherent(world, peer);
        }
        world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let invite = world
            .sent_to(cast.carol, "INVITE")
            .pop()
            .expect("an INVITE");
        assert_eq!(invite.request.text("Subject").as_deref(), Some("Dinner"));
        world.end();
    });
}

/// A client that writes its Subject into every request does not want anything by it.
#[test]
fn what_was_said_before_is_no_wish() {
    interleaved(|world, cast| {
        two(world, cast);
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: One\r\n"), 200);
        // By the role bob has now he may, too.
        let refer = world.refers_to(cast.alice, &format!("<{BOB}>;admin=1"), "");
        assert_eq!(world.outcome(cast.alice, &refer), 200);
        world.run(SETTLED);
        assert_eq!(within(world, cast.bob, "UPDATE", "Subject: Two\r\n"), 200);
        world.run(SETTLED);
        let documents = told(world, cast.bob).len();
        // Refreshes of an old phone.
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: One\r\n"), 200);
        assert_eq!(within(world, cast.bob, "INVITE", "Subject: Two\r\n"), 200);
        assert_eq!(within(world, cast.bob, "INVITE", "Subject: \r\n"), 200);
        assert_eq!(shown(world, cast.bob).as_deref(), Some("Two"));
        assert_eq!(told(world, cast.bob).len(), documents);
        world.end();
    });
}

#[test]
fn a_subject_that_cannot_be_taken_changes_nothing() {
    perfectly(|world, cast| {
        two(world, cast);
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: One\r\n"), 200);
        let long = format!("Subject: {}\r\n", "x".repeat(4_000));
        for (peer, subject, status) in [
            (cast.bob, "Subject: Mine\r\n", 403),
            (cast.alice, long.as_str(), 400),
            (cast.alice, "Subject: a\u{7}b\r\n", 400),
            (cast.alice, "Subject: a\u{9b}b\r\n", 400),
        ] {
            assert_eq!(within(world, peer, "INVITE", subject), status, "{subject}");
            assert_eq!(within(world, peer, "UPDATE", subject), status, "{subject}");
        }
        world.run(SETTLED);
        assert!(world.is_in(cast.alice) && world.is_in(cast.bob));
        assert_eq!(shown(world, cast.bob).as_deref(), Some("One"));
        // As long as it may be.
        let long = format!("Subject: {}\r\n", "x".repeat(512));
        assert_eq!(within(world, cast.alice, "INVITE", &long), 200);
        world.end();
    });
}

/// A phone that was switched off and on comes in again to rename; others only repeat what they know.
#[test]
fn who_comes_in_again_as_its_creator_may_rename() {
    let requires = "Require: recipient-list-invite\r\n";
    let cases = [
        ("", "alice", 200, None),
        (requires, "alice", 200, Some("Dinner")),
        (requires, "bob", 403, None),
    ];
    interleaved_over(&cases, |world, cast, (requires, who, status, renamed)| {
        two(world, cast);
        let peer = if who == "alice" { cast.alice } else { cast.bob };
        let focus = world.peers[cast.bob].dialogs[0].focus.clone();
        let answer = sdp("127.0.1.1", who);
        world.manners(peer).ack_sdp = Some(answer);
        let headers = format!("{requires}Subject: Dinner\r\n");
        let branch = world.lets(peer, |p| p.outside("INVITE", &focus, &headers, Vec::new()));
        assert_eq!(world.outcome(peer, &branch), status);
        world.run(SETTLED);
        let other = if who == "alice" { cast.bob } else { cast.alice };
        assert_eq!(shown(world, other).as_deref(), renamed);
        world.run_out();
    });
}

/// Alice has made a session with bob and carol.
fn of_three(world: &mut World, cast: Cast) {
    creates(world, cast.alice, &[BOB, CAROL]);
    world.run(SETTLED);
}

fn subject(world: &World) -> Option<String> {
    let mut heads = world
        .records
        .rows()
        .filter_map(|(_, row)| match &row.record {
            Record::Head(head) if head.live => Some(head.subject.clone()),
            _ => None,
        });
    heads.next()?
}

/// The result of a REFER that gives a role.
fn role(world: &mut World, peer: usize, refer_to: &str) -> u16 {
    let refer = world.refers_to(peer, refer_to, "");
    world.run(SETTLED);
    world.told(peer, &refer).last().expect("a NOTIFY").0
}

#[test]
fn a_name_can_be_given_back() {
    perfectly(|world, cast| {
        of_three(world, cast);
        let one = format!("{REQUIRES}Subject: One\r\n");
        assert_eq!(within(world, cast.alice, "INVITE", &one), 200);
        assert_eq!(role(world, cast.alice, &format!("<{BOB}>;admin=1")), 200);
        assert_eq!(within(world, cast.bob, "INVITE", "Subject: Two\r\n"), 200);
        assert_eq!(subject(world).as_deref(), Some("Two"));
        // Alice's user gives it the old name, by what her phone sends for nothing else.
        assert_eq!(within(world, cast.alice, "INVITE", &one), 200);
        assert_eq!(subject(world).as_deref(), Some("One"));
    });
}

#[test]
fn what_our_200_said_is_no_wish_either() {
    perfectly(|world, cast| {
        of_three(world, cast);
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: One\r\n"), 200);
        let focus = world.peers[cast.bob].dialogs[0].focus.clone();
        let branch = world.lets(cast.bob, |peer| peer.invite(&focus, ""));
        assert_eq!(world.outcome(cast.bob, &branch), 200);
        world.run(SETTLED);
        let answer = world.answer(cast.bob, &branch).expect("a 200");
        assert_eq!(answer.text("Subject").as_deref(), Some("One"));
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: Two\r\n"), 200);
        // Bob's phone refreshes its session with what our 200 told it.
        assert_eq!(within(world, cast.bob, "UPDATE", "Subject: One\r\n"), 200);
    });
}

#[test]
fn what_the_invite_really_said_is_no_wish() {
    perfectly(|world, cast| {
        of_three(world, cast);
        assert_eq!(within(world, cast.alice, "INVITE", "Subject: One\r\n"), 200);
        world.manners(cast.dave).answer = Some((200, 503));
        world.manners(cast.dave).retry_after = Some(5);
        world.manners(cast.dave).patience = 1;
        world.refers(cast.alice, DAVE, "");
        world.run(1_000);
        assert_eq!(within(world, cast.alice, "UPDATE", "Subject: Two\r\n"), 200);
        world.run(10_000);
        let invite = world.sent_to(cast.dave, "INVITE").pop().expect("an INVITE");
        assert_eq!(invite.request.text("Subject").as_deref(), Some("Two"));
        assert_eq!(
            within(world, cast.alice, "UPDATE", "Subject: Three\r\n"),
            200
        );
        assert_eq!(within(world, cast.dave, "UPDATE", "Subject: Two\r\n"), 200);
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
