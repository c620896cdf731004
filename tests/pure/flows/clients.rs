//! What deployed clients need beside the rules: forms of the INVITE, 2xx without SDP, a little time between
//! two messages, a SUBSCRIBE that overtakes its 2xx.

use cpm::cpm::action::Counter;
use cpm::cpm::client_forms::ClientForms;
use cpm::cpm::quirk::Quirk;

use crate::flows::bed::{interleaved, interleaved_over, sdp, World};
use crate::flows::lasting::heads;
use crate::flows::listing::{creates, list};
use crate::flows::watching::{perfectly, told, watches, SETTLED};
use crate::kit::schema::{root, standing};

const BOB: &str = "sip:bob@home1.test";
const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";

fn counted(world: &World, quirk: Quirk) -> i64 {
    world.counted(Counter::Quirk(quirk))
}

/// Contact and Accept-Contact of the INVITEs to a peer, in their order.
fn invites(world: &World, peer: usize) -> Vec<String> {
    let sent = world.sent_to(peer, "INVITE");
    let sent = sent
        .into_iter()
        .filter(|sent| sent.request.to_tag.is_none());
    sent.map(|sent| {
        let lines = ["Contact", "Accept-Contact"].map(|name| {
            let values = sent.request.values(name).concat();
            String::from_utf8_lossy(&values).into_owned()
        });
        lines.join(" ")
    })
    .collect()
}

/// One more INVITE, and the referrer is told one result.
#[test]
fn who_wants_another_form_is_asked_once_more() {
    interleaved_over(&[true, false], |world, cast, wants| {
        world.settings.client_forms.text = !wants;
        world.manners(cast.carol).wants_text = Some(wants);
        world.manners(cast.dave).wants_text = Some(wants);
        world.join(cast.alice);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        let sent = invites(world, cast.carol);
        assert_eq!(sent.len(), 2, "{sent:?}");
        assert_eq!(sent[0].contains(";text"), !wants);
        assert_eq!(sent[1].contains(";text"), wants);
        assert_eq!(counted(world, Quirk::OtherForm), 1);
        // What is missing from the usual form is sent from now on.
        world.refers(cast.alice, DAVE, "");
        world.run(SETTLED);
        assert!(world.is_in(cast.dave));
        assert_eq!(invites(world, cast.dave).len(), if wants { 1 } else { 2 });
        world.end();
    });
}

#[test]
fn who_wants_no_form_is_told_as_it_answers() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = Some((100, 488));
        world.join(cast.alice);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let results: Vec<u16> = world.told(cast.alice, &refer).iter().map(|t| t.0).collect();
        assert_eq!(results.iter().filter(|code| **code == 488).count(), 1);
        assert_eq!(invites(world, cast.carol).len(), 2);
        assert_eq!(counted(world, Quirk::OtherForm), 0);
        world.end();
    });
}

/// The friends of a creator have the same client, mostly.
#[test]
fn the_form_is_learnt_from_the_creator() {
    let features = [
        (";text", ";text ", false),
        (";+g.oma.sip-im", ";+g.oma.sip-im ", true),
    ];
    interleaved_over(&features, |world, cast, (shown, taken, im)| {
        world.manners(cast.alice).features = shown;
        creates(world, cast.alice, &[BOB]);
        world.run(SETTLED);
        let sent = invites(world, cast.bob);
        assert!(sent[0].contains(taken), "{sent:?}");
        assert_eq!(sent[0].contains("*;+g.oma.sip-im"), im, "{sent:?}");
        world.run_out();
    });
}

#[test]
fn without_an_offer_the_answer_is_in_the_ack() {
    interleaved_over(
        &[(true, 200), (false, 488)],
        |world, cast, (usable, result)| {
            world.settings.client_forms = ClientForms {
                no_offer: true,
                ..ClientForms::default()
            };
            world.manners(cast.carol).usable_sdp = usable;
            world.join(cast.alice);
            let refer = world.refers(cast.alice, CAROL, "");
            world.run(SETTLED);
            let told = world.told(cast.alice, &refer).last().copied();
            assert_eq!(told, Some((result, true)));
            assert_eq!(world.is_in(cast.carol), usable);
            let invite = world.sent_to(cast.carol, "INVITE")[0];
            assert!(invite.request.body.is_empty() && !invite.request.has("Content-Type"));
            let acks = world.sent_to(cast.carol, "ACK");
            let answer = String::from_utf8_lossy(&acks[0].request.body).into_owned();
            let line = if usable {
                "m=message 2855 TCP/MSRP"
            } else {
                "m=audio 0 RTP/AVP"
            };
            assert!(answer.contains(line), "{answer}");
            world.end();
        },
    );
}

/// With the offer or without it: a 2xx without SDP is a participant without media, unless by the letter.
#[test]
fn a_2xx_without_sdp_is_a_leg_without_media() {
    let cases = [(false, false), (true, false), (false, true), (true, true)];
    interleaved_over(&cases, |world, cast, (no_offer, strict)| {
        world.settings.client_forms.no_offer = no_offer;
        world.settings.strict = strict;
        world.manners(cast.carol).no_sdp = true;
        world.join(cast.alice);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let result = if strict { (488, true) } else { (200, true) };
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&result));
        assert_eq!(counted(world, Quirk::AnswerWithoutSdp), i64::from(!strict));
        assert_eq!(world.is_in(cast.carol), !strict);
        let byes = world.sent_to(cast.carol, "BYE");
        let reason = byes.first().and_then(|bye| bye.request.text("Reason"));
        assert_eq!(reason.is_some_and(|r| r.contains("cause=488")), strict);
        world.end();
    });
}

/// `Require: recipient-list-invite` is known to the dialog that was made with it; a list is not for it.
#[test]
fn what_made_the_dialog_may_be_required_in_it() {
    interleaved_over(&[false, true], |world, cast, strict| {
        world.settings.strict = strict;
        let answer = sdp("127.0.1.1", "alice");
        world.manners(cast.alice).ack_sdp = Some(answer);
        creates(world, cast.alice, &[BOB, CAROL]);
        world.run(SETTLED);
        let requires = "Require: recipient-list-invite\r\n";
        let (_, body) = list(&[DAVE], "");
        let listed = format!("{requires}Content-Type: application/resource-lists+xml\r\n");
        let none = format!("{requires}Content-Type: application/sdp\r\n");
        let allowed = if strict { 420 } else { 200 };
        for (peer, headers, list, status) in [
            (cast.alice, &none, None, allowed),
            (cast.bob, &none, None, 420),
            (cast.alice, &listed, Some(body), 420),
        ] {
            let leg = world.peers[peer].leg().expect("a leg");
            let branch = world.lets(peer, |p| {
                let body = list.unwrap_or_else(|| sdp(&p.host, &p.name));
                p.within(leg, "INVITE", headers, body)
            });
            assert_eq!(world.outcome(peer, &branch), status);
            world.run(SETTLED);
        }
        assert!(world.is_in(cast.alice) && world.is_in(cast.bob));
        assert!(world.sent_to(cast.dave, "INVITE").is_empty());
        let quirks = counted(world, Quirk::RequireWithoutList);
        assert_eq!(quirks, i64::from(!strict));
        world.end();
    });
}

/// An S-CSCF with several processes needs a little time between the two.
#[test]
fn the_first_notify_leaves_room_for_the_2xx() {
    perfectly(|world, cast| {
        world.settings.first_notify_delay = 37;
        world.join(cast.alice);
        world.join(cast.bob);
        let begun = world.now;
        // The result is there at once, and has to wait all the same.
        let refer = world.refers(cast.alice, BOB, "");
        world.run(SETTLED);
        let notifies: Vec<u64> = world
            .sent_to(cast.alice, "NOTIFY")
            .iter()
            .map(|s| s.at)
            .collect();
        assert!(
            (begun + 37..=begun + 60).contains(&notifies[0]),
            "{begun} {notifies:?}"
        );
        assert_eq!(world.told(cast.alice, &refer), [(100, false), (200, true)]);
        for expires in ["", "Expires: 0\r\n"] {
            let begun = world.now;
            watches(world, cast.bob, expires);
            world.run(SETTLED);
            let at = told(world, cast.bob).pop().expect("a NOTIFY").at;
            assert!((begun + 37..=begun + 60).contains(&at), "{begun} {at}");
        }
        world.end();
    });
}

/// Two are in, and one puts the other out: the session is over before the NOTIFY may leave.
#[test]
fn what_is_put_off_is_told_before_the_bye() {
    interleaved(|world, cast| {
        world.settings.first_notify_delay = 5_000;
        world.settings.min_participants = 2;
        world.join(cast.alice);
        world.join(cast.bob);
        let refer = world.refers(cast.alice, "sip:bob@home1.test;method=BYE", "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        let sent = world.ledger.sent.iter().filter(|s| s.to == cast.alice);
        let methods: Vec<&str> = sent.map(|s| s.request.method.as_str()).collect();
        let bye = methods.iter().position(|method| *method == "BYE");
        let notify = methods.iter().rposition(|method| *method == "NOTIFY");
        assert!(bye > notify, "{methods:?}");
        world.end();
    });
}

/// 481 to the first NOTIFY may mean that the 2xx before it has not arrived; a second one does not.
#[test]
fn a_notify_that_came_too_early_comes_again() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.manners(cast.alice).notify = Some(481);
        world.manners(cast.alice).patience = 1;
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        let told_of = world.told(cast.alice, &refer);
        assert_eq!(told_of[..2], [(100, false), (100, false)]);
        assert_eq!(told_of.last(), Some(&(200, true)));
        assert_eq!(counted(world, Quirk::EarlyNotify), 1);
        // The state once, and its only NOTIFY came too early.
        world.manners(cast.carol).notify = Some(481);
        world.manners(cast.carol).patience = 1;
        watches(world, cast.carol, "Expires: 0\r\n");
        world.run(SETTLED);
        let all = told(world, cast.carol);
        assert_eq!(all.len(), 2);
        assert!(all
            .iter()
            .all(|t| t.is_terminal() && root(&t.body, "state") == "full"));
        world.end();
    });
}

#[test]
fn by_the_letter_481_ends_a_subscription_at_once() {
    perfectly(|world, cast| {
        world.settings.strict = true;
        world.join(cast.alice);
        world.manners(cast.alice).notify = Some(481);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(SETTLED);
        assert_eq!(world.told(cast.alice, &refer), [(100, false)]);
        assert_eq!(counted(world, Quirk::EarlyNotify), 0);
        world.end();
    });
}

/// liblinphone takes 410 for its own failure to leave, and goes on showing the group.
#[test]
fn the_end_of_a_session_is_told_as_the_client_takes_it() {
    interleaved_over(&[false, true], |world, cast, strict| {
        world.settings.strict = strict;
        let specs = ";+org.linphone.specs=\"ephemeral/1.1,groupchat/1.2\"";
        world.manners(cast.alice).features = specs;
        world.join(cast.alice);
        world.join(cast.bob);
        let head = heads(world)[0];
        world.operator(head, |session| session.end_by_operator());
        world.run(SETTLED);
        let reasons = [cast.alice, cast.bob].map(|peer| world.bye_reason(peer));
        let taken = if strict { "cause=410" } else { "cause=200" };
        for (reason, cause) in reasons.iter().zip([taken, "cause=410"]) {
            let reason = reason.as_deref().unwrap_or_default();
            assert!(reason.contains(cause), "{reason}");
        }
        assert_eq!(counted(world, Quirk::FailsOn410), i64::from(!strict));
        world.end();
    });
}

/// liblinphone subscribes one or two ms after its 200, and may be faster.
#[test]
fn who_is_being_invited_may_watch() {
    interleaved_over(&[200, 486], |world, cast, answer| {
        world.manners(cast.carol).answer = Some((3_000, answer));
        world.join(cast.alice);
        world.refers(cast.alice, CAROL, "");
        world.run(1_500);
        let branch = watches(world, cast.carol, "");
        assert_eq!(world.outcome(cast.carol, &branch), 200);
        world.run(SETTLED);
        let all = told(world, cast.carol);
        let last = all.last().expect("a NOTIFY");
        match answer {
            200 => {
                let seen = all.iter().rev().find_map(|t| standing(&t.body, CAROL));
                assert_eq!(seen.as_deref(), Some("connected dialed-out"));
            }
            // Whoever does not come sees no more.
            _ => assert_eq!(last.state, "terminated;reason=rejected"),
        }
        world.end();
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
