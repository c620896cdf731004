//! What does not count although it looks as if: requests and ACKs that are not the dialog's, numbers of
//! refused requests, 2xx that nobody waits for.

use cpm::cpm::records::Record;
use cpm::sip::{Method, Request};

use crate::flows::bed::{answer, interleaved, interleaved_over, sdp, Draft, Effect, Link, World};

const TARGET: &str = "sip:carol@home1.test";
const HUGE: u32 = 2_147_483_647;

/// A request in the leg of a peer, with another CSeq. Its status.
fn asks_with(world: &mut World, peer: usize, cseq: u32, method: &str, headers: &str) -> u16 {
    let leg = world.peers[peer].leg().expect("a leg");
    let next = world.peers[peer].dialogs[leg].local_cseq;
    world.peers[peer].dialogs[leg].local_cseq = cseq - 1;
    let branch = world.lets(peer, |peer| peer.within(leg, method, headers, Vec::new()));
    world.peers[peer].dialogs[leg].local_cseq = next;
    world.outcome(peer, &branch)
}

/// What is not accepted moves nothing, and neither does OPTIONS: the peer's next request is in order.
#[test]
fn a_number_is_taken_over_only_from_what_was_accepted() {
    let refer = format!("Refer-To: <{TARGET}>\r\n");
    let foreign = format!("{refer}P-Asserted-Identity: <sip:mallory@home1.test>\r\n");
    let cases = [
        ("OPTIONS", String::new(), 200),
        ("REFER", foreign, 403),
        ("REFER", "Refer-To: nonsense\r\n".into(), 400),
        ("SUBSCRIBE", "Event: nonsense\r\n".into(), 489),
        ("INVITE", "Require: nonsense\r\n".into(), 420),
    ];
    interleaved_over(&cases, |world, cast, (method, headers, status)| {
        world.join(cast.alice);
        let given = asks_with(world, cast.alice, HUGE, method, &headers);
        assert_eq!(given, status, "{method}");
        let refer = world.refers(cast.alice, TARGET, "");
        assert_eq!(world.outcome(cast.alice, &refer), 200, "{method}");
        world.end();
    });
}

/// A jump that was accepted counts: what comes after it with a smaller number is out of order (RFC 3261
/// section 12.2.2).
#[test]
fn an_accepted_number_counts() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = format!("Refer-To: <{TARGET}>\r\n");
        assert_eq!(asks_with(world, cast.alice, HUGE - 1, "REFER", &refer), 200);
        world.run_out();
        assert_eq!(asks_with(world, cast.alice, 5_000, "REFER", &refer), 500);
        assert_eq!(asks_with(world, cast.alice, HUGE, "BYE", ""), 200);
    });
}

/// A request in the leg of a peer that has another From-tag, as it is on the wire.
fn foreign(world: &World, peer: usize, method: &str, cseq: u32, body: Vec<u8>) -> Vec<u8> {
    Draft {
        from_tag: "evil".into(),
        ..overheard(world, peer, method, cseq, body)
    }
    .bytes()
}

/// A request in the leg of a peer, by somebody who knows all of it.
fn overheard(world: &World, peer: usize, method: &str, cseq: u32, body: Vec<u8>) -> Draft {
    let leg = world.peers[peer].leg().expect("a leg");
    let dialog = &world.peers[peer].dialogs[leg];
    Draft {
        method: method.into(),
        uri: dialog.focus.clone(),
        branch: format!("z9hG4bK.evil.{method}.{cseq}"),
        via: "192.0.2.66:5060".into(),
        from: dialog.local.clone(),
        from_tag: dialog.local_tag.clone(),
        to: dialog.remote.clone(),
        to_tag: dialog.remote_tag.clone(),
        call_id: dialog.call_id.clone(),
        cseq,
        headers: "Contact: <sip:evil@192.0.2.66>\r\nContent-Type: application/sdp\r\n".into(),
        body,
    }
}

/// A dialog stays with the address that it came by, if nobody trusts the one that asks.
#[test]
fn who_overheard_a_dialog_has_no_say_in_it() {
    for method in ["BYE", "INVITE", "UPDATE", "SUBSCRIBE", "OPTIONS"] {
        let (mut world, cast) = World::with_cast(Link::PERFECT, 1);
        world.join(cast.alice);
        world.run_out();
        world.peers[cast.mallory].untrusted = true;
        let draft = overheard(&world, cast.alice, method, 5_000, sdp("h", "evil"));
        let headers = format!("Event: conference\r\n{}", draft.headers);
        let bytes = Draft { headers, ..draft }.bytes();
        world.effects(cast.mallory, vec![Effect::Send(bytes)]);
        world.run(100);
        assert_answered(&world, 403, method);
        assert!(world.is_in(cast.alice), "{method}");
        // Neither its Contact nor its number was taken over.
        let refer = world.refers(cast.alice, TARGET, "");
        assert_eq!(world.outcome(cast.alice, &refer), 200);
        world.run_out();
        assert!(!world.sent_to(cast.alice, "NOTIFY").is_empty());
        world.end();
    }
}

/// What the focus answered mallory.
fn assert_answered(world: &World, status: u16, method: &str) {
    let line = format!("answer {status} to {method} of mallory");
    assert!(world.trail().contains(&line), "{}", world.trail());
}

/// Without an S-CSCF in a laboratory: a phone that nobody trusts goes on from where it came.
#[test]
fn a_dialog_goes_on_with_the_address_that_it_came_by() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.refers(cast.alice, TARGET, "");
        world.run_out();
        for peer in [cast.alice, cast.carol] {
            world.peers[peer].untrusted = true;
            let leg = world.peers[peer].leg().expect("a leg");
            let update = world.lets(peer, |peer| peer.within(leg, "UPDATE", "", Vec::new()));
            assert_eq!(world.outcome(peer, &update), 200);
        }
        world.end();
    });
}

fn awaits_ack(world: &World) -> bool {
    let mut rows = world.records.rows();
    rows.any(|(_, row)| matches!(&row.record, Record::Leg(leg) if leg.awaited_ack.is_some()))
}

#[test]
fn an_ack_with_a_foreign_tag_is_nobodys() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.run_out();
        world.manners(cast.alice).acks = false;
        // An offer of ours waits for its answer in the ACK.
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let branch = world.lets(cast.alice, |peer| {
            peer.within(leg, "INVITE", "", Vec::new())
        });
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let cseq = world.peers[cast.alice].dialogs[leg].local_cseq;
        for cseq in [cseq, cseq + 1] {
            let ack = foreign(world, cast.alice, "ACK", cseq, b"nonsense".to_vec());
            world.effects(cast.mallory, vec![Effect::Send(ack)]);
            world.run(500);
        }
        world.peers[cast.mallory].untrusted = true;
        let ack = overheard(world, cast.alice, "ACK", cseq, b"nonsense".to_vec());
        world.effects(cast.mallory, vec![Effect::Send(ack.bytes())]);
        world.run(500);
        assert!(awaits_ack(world), "it was not the ACK");
        assert!(world.is_in(cast.alice), "bad SDP of others ends no leg");
        assert!(world.sent("BYE").is_empty());
    });
}

#[test]
fn a_request_with_a_foreign_tag_is_in_no_dialog() {
    for method in ["BYE", "INVITE", "UPDATE", "REFER", "OPTIONS"] {
        let (mut world, cast) = World::with_cast(Link::PERFECT, 1);
        world.join(cast.alice);
        world.run_out();
        let request = foreign(&world, cast.alice, method, HUGE, sdp("h", "evil"));
        world.effects(cast.mallory, vec![Effect::Send(request)]);
        world.run(100);
        assert_answered(&world, 481, method);
        assert!(world.is_in(cast.alice));
        world.end();
    }
}

/// The INVITE that a peer got first.
fn invite_of(world: &World, peer: usize) -> Request {
    let mut received = world.peers[peer].received.iter();
    let invite = received.find(|request| request.method == Method::Invite);
    invite.expect("an INVITE").clone()
}

/// A 2xx with this To-tag arrives from a peer whose INVITE has come to nothing. Gives how many ACKs and BYEs it got.
fn stray(world: &mut World, peer: usize, tag: &str) -> (usize, usize) {
    let sent = |world: &World| {
        (
            world.sent_to(peer, "ACK").len(),
            world.sent_to(peer, "BYE").len(),
        )
    };
    let before = sent(world);
    let invite = invite_of(world, peer);
    let contact = format!("Contact: <{}>\r\n", world.peers[peer].contact());
    let bytes = answer(&invite, 200, "OK", tag, &contact, &[]);
    world.effects(peer, vec![Effect::Send(bytes)]);
    world.run(2_000);
    let after = sent(world);
    (after.0 - before.0, after.1 - before.1)
}

/// RFC 3261 section 13.2.2.4, as long as such an answer can be on its way.
#[test]
fn a_2xx_that_nobody_waits_for_is_ended_once_and_not_for_ever() {
    let (mut world, cast) = World::with_cast(Link::PERFECT, 1);
    let world = &mut world;
    world.manners(cast.carol).answer = Some((200, 486));
    world.join(cast.alice);
    world.refers(cast.alice, TARGET, "");
    let begun = world.now;
    world.run(5_000);
    assert_eq!(stray(world, cast.carol, "s1"), (1, 1));
    for _ in 0..15 {
        assert_eq!(stray(world, cast.carol, "s1"), (1, 0));
    }
    assert_eq!(stray(world, cast.carol, "s1"), (0, 0), "too often");
    assert_eq!(stray(world, cast.carol, "s2"), (1, 1), "another device");
    let life = 2 * world.settings.invite_timeout + 70_000;
    world.run(begun + life - 10_000 - world.now);
    assert_eq!(stray(world, cast.carol, "s3"), (1, 1), "just in time");
    world.run(begun + life + 34_000 - world.now);
    assert_eq!(stray(world, cast.carol, "s4"), (0, 0), "too late");
    world.peers[cast.carol].complaints.clear();
}

#[test]
fn one_invite_ends_few_stray_2xx() {
    let (mut world, cast) = World::with_cast(Link::PERFECT, 1);
    let world = &mut world;
    world.manners(cast.carol).answer = Some((200, 486));
    world.join(cast.alice);
    world.refers(cast.alice, TARGET, "");
    world.run(5_000);
    let ended = (0..30).map(|n| stray(world, cast.carol, &format!("s{n}")));
    let ended: Vec<_> = ended.filter(|sent| *sent == (1, 1)).collect();
    assert_eq!(ended.len(), 16);
    world.peers[cast.carol].complaints.clear();
}
