//! Offer and answer in legs that are up (RFC 3264, RFC 3311): hold, offers in our answers, glare.
//! Not here: refreshing (`super::refreshing`), the first offer of a joiner (`super::joining`).

use cpm::cpm::records::{Leg, Record};
use cpm::sip::sdp::Direction;

use crate::flows::bed::{interleaved, interleaved_over, sdp, Cast, World};

const SDP: &str = "Content-Type: application/sdp\r\n";
const UNUSABLE: &str = "SIP;cause=488;text=\"Not Acceptable Here\"";

fn audio() -> Vec<u8> {
    b"v=0\r\no=- 1 3 IN IP4 h\r\ns=-\r\nc=IN IP4 h\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n".to_vec()
}

pub fn offer(direction: &str) -> Vec<u8> {
    let text = String::from_utf8(sdp("127.0.1.1", "alice")).expect("text");
    text.replace("a=sendrecv", &format!("a={direction}"))
        .into_bytes()
}

/// A request in the leg of a peer: its status and the SDP of the answer.
fn asks(world: &mut World, peer: usize, method: &str, body: Vec<u8>) -> (u16, String) {
    let leg = world.peers[peer].leg().expect("a leg");
    let headers = if body.is_empty() { "" } else { SDP };
    let branch = world.lets(peer, |peer| peer.within(leg, method, headers, body));
    let status = world.outcome(peer, &branch);
    let answer = world.answer(peer, &branch).expect("an answer");
    (status, String::from_utf8_lossy(&answer.body).into_owned())
}

fn version(sdp: &str) -> u64 {
    let origin = sdp.lines().find_map(|line| line.strip_prefix("o=- "));
    let origin = origin.unwrap_or_else(|| panic!("no origin in {sdp}"));
    let version = origin.split(' ').nth(1).and_then(|text| text.parse().ok());
    version.expect("a version")
}

fn leg(world: &World, peer: usize) -> Leg {
    let uri = world.uri(peer);
    let rows = world.records.rows();
    let mut legs = rows.filter_map(|(_, row)| match &row.record {
        Record::Leg(leg) if leg.uri.as_str() == uri && leg.is_connected() => Some((**leg).clone()),
        _ => None,
    });
    legs.next().expect("a leg")
}

fn together(world: &mut World, cast: Cast) {
    world.join(cast.alice);
    world.join(cast.bob);
    world.run_out();
}

#[test]
fn hold_and_resume() {
    interleaved_over(&["INVITE", "UPDATE"], |world, cast, method| {
        together(world, cast);
        let mut last = 1;
        for (offered, answered, flow) in [
            ("sendonly", "recvonly", Direction::RecvOnly),
            ("inactive", "inactive", Direction::Inactive),
            ("recvonly", "sendonly", Direction::SendOnly),
            ("sendrecv", "sendrecv", Direction::SendRecv),
        ] {
            let (status, sdp) = asks(world, cast.alice, method, offer(offered));
            assert_eq!(status, 200);
            assert!(sdp.contains(&format!("a={answered}\r\n")), "{sdp}");
            assert_eq!(version(&sdp), last + 1, "{offered}");
            assert_eq!(leg(world, cast.alice).media.direction, flow);
            last = version(&sdp);
            // The same again changes nothing, so the version stays.
            let (_, again) = asks(world, cast.alice, method, offer(offered));
            assert_eq!(again, sdp);
        }
        world.end();
    });
}

/// RFC 4145 section 5.2: who wants to keep the connection keeps it; who says nothing wants a new one.
#[test]
fn the_connection_stays_for_who_says_so() {
    interleaved_over(&["INVITE", "UPDATE"], |world, cast, method| {
        together(world, cast);
        let kept = |direction: &str| {
            let text = String::from_utf8(offer(direction)).expect("text");
            format!("{text}a=connection:existing\r\n").into_bytes()
        };
        for (offered, answered) in [
            (kept("sendrecv"), "existing"),
            (kept("inactive"), "existing"),
            (offer("inactive"), "new"),
        ] {
            let before = leg(world, cast.alice).media.version;
            let (status, sdp) = asks(world, cast.alice, method, offered);
            assert_eq!((status, version(&sdp)), (200, before + 1));
            let said = format!("a=connection:{answered}\r\n");
            assert!(sdp.contains(&said), "{sdp}");
        }
        world.end();
    });
}

#[test]
fn an_update_without_sdp_changes_no_sdp() {
    interleaved(|world, cast| {
        together(world, cast);
        let before = leg(world, cast.alice);
        let answer = asks(world, cast.alice, "UPDATE", Vec::new());
        assert_eq!(answer, (200, String::new()));
        assert_eq!(leg(world, cast.alice).media, before.media);
        world.end();
    });
}

#[test]
fn what_cannot_be_served_leaves_the_session_as_it_was() {
    interleaved_over(&["INVITE", "UPDATE"], |world, cast, method| {
        together(world, cast);
        let before = leg(world, cast.alice);
        assert_eq!(asks(world, cast.alice, method, audio()).0, 488);
        assert_eq!(asks(world, cast.alice, method, b"nonsense".to_vec()).0, 400);
        world.run_out();
        let after = leg(world, cast.alice);
        let media = |leg: &Leg| (leg.media.clone(), leg.state);
        assert_eq!(media(&after), media(&before));
        world.end();
    });
}

#[test]
fn who_offers_nothing_is_offered_something() {
    interleaved(|world, cast| {
        world.join(cast.bob);
        world.manners(cast.alice).ack_sdp = Some(offer("sendonly"));
        let branch = world.lets(cast.alice, |peer| {
            peer.outside("INVITE", crate::flows::bed::GROUP, "", Vec::new())
        });
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(text.contains("a=setup:actpass\r\n"), "{text}");
        assert!(text.contains("a=connection:new\r\n"), "{text}");
        world.run_out();
        let flow = leg(world, cast.alice).media.direction;
        assert_eq!(flow, Direction::RecvOnly, "the ACK holds us");
        // And again in the leg: everything is open anew.
        world.manners(cast.alice).ack_sdp = Some(offer("sendrecv"));
        let (status, sdp) = asks(world, cast.alice, "INVITE", Vec::new());
        assert_eq!(status, 200);
        assert!(sdp.contains("a=sendrecv\r\n"), "{sdp}");
        assert!(sdp.contains("a=connection:existing\r\n"), "{sdp}");
        world.run_out();
        let flow = leg(world, cast.alice).media.direction;
        assert_eq!(flow, Direction::SendRecv);
        world.end();
    });
}

/// An ACK without SDP is unusual enough to be endured, unless strictness was asked for.
#[test]
fn an_answer_in_the_ack_that_cannot_be_used_ends_the_leg() {
    let cases = [
        (false, true, false),
        (true, false, true),
        (true, true, false),
    ];
    interleaved_over(&cases, |world, cast, (silent, strict, stays)| {
        world.settings.strict = strict;
        world.join(cast.bob);
        world.join(cast.carol);
        world.manners(cast.alice).ack_sdp = (!silent).then(audio);
        let branch = world.lets(cast.alice, |peer| {
            peer.outside("INVITE", crate::flows::bed::GROUP, "", Vec::new())
        });
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run_out();
        assert_eq!(world.is_in(cast.alice), stays);
        if stays {
            let flow = leg(world, cast.alice).media.direction;
            assert_eq!(flow, Direction::Inactive);
        } else {
            assert_eq!(world.bye_reason(cast.alice).as_deref(), Some(UNUSABLE));
        }
        world.end();
    });
}

#[test]
fn one_offer_at_a_time() {
    interleaved(|world, cast| {
        world.join(cast.bob);
        world.join(cast.carol);
        let headers = "Supported: timer\r\nSession-Expires: 600;refresher=uas\r\n";
        let branch = world.joins_with(cast.alice, headers);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.manners(cast.alice).renews = None;
        while world.sent_to(cast.alice, "INVITE").is_empty() {
            world.run(100);
        }
        // Our re-INVITE waits for its answer.
        let leg = world.peers[cast.alice].leg().expect("a leg");
        for (method, body, status) in [
            ("INVITE", offer("sendonly"), 491),
            ("UPDATE", offer("sendonly"), 491),
            ("UPDATE", Vec::new(), 200),
        ] {
            let headers = if body.is_empty() { "" } else { SDP };
            let branch = world.lets(cast.alice, |peer| peer.within(leg, method, headers, body));
            let patience = world.now + 25_000;
            while world.status(cast.alice, &branch) == 0 && world.now < patience {
                world.run(50);
            }
            let got = world.status(cast.alice, &branch);
            // On a bad network our own request may be over by then.
            assert!([status, 200, 481].contains(&got), "{method}: {got}");
            if world.now < world.sent_to(cast.alice, "INVITE")[0].at + 30_000 {
                assert_eq!(got, status, "{method}");
            }
        }
    });
}

#[test]
fn no_offer_while_ours_waits_for_its_answer() {
    interleaved(|world, cast| {
        together(world, cast);
        world.manners(cast.alice).acks = false;
        assert_eq!(asks(world, cast.alice, "INVITE", Vec::new()).0, 200);
        for (method, body, status) in [
            ("UPDATE", offer("sendonly"), 491),
            ("INVITE", offer("sendonly"), 491),
            ("UPDATE", Vec::new(), 200),
        ] {
            let asked = world.now;
            let got = asks(world, cast.alice, method, body).0;
            // As long as the network lets it in before 64*T1 are over.
            if world.now < asked + 2_000 {
                assert_eq!(got, status, "{method}");
            }
        }
    });
}
