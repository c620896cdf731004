//! Step 8 of a REFER: every way its INVITE can end: refused, tried once more, never answered, accepted too late.

use crate::kit::refer::{expect_end, expect_final, expect_outcome, expect_trying};
use crate::kit::{
    check, pair, with_alice, Incoming, Msg, OnCancel, Scene, Script, Transport, Ua, CAROL, PLACES,
    QUIET, SOON,
};
use std::sync::Arc;
use std::time::Duration;

type Invite = Arc<Incoming>;

over_udp_and_tcp! { every_failure_is_told_with_its_code_and_not_tried_again }

fn every_failure_is_told_with_its_code_and_not_tried_again(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    let elsewhere = format!("<sip:elsewhere@{}>", scene.targets.local());
    let digest = "Digest realm=\"x\", nonce=\"y\"";
    let none: &[(&str, &str)] = &[];
    let to = [("Contact", elsewhere.as_str())];
    let [www, proxy] = ["WWW-Authenticate", "Proxy-Authenticate"].map(|name| [(name, digest)]);
    let rows: [(u16, &[(&str, &str)]); 21] = [
        (301, &to),
        (302, &to),
        (380, none),
        (401, &www),
        (403, none),
        (404, none),
        (407, &proxy),
        (408, none),
        (415, none),
        (420, &[("Unsupported", "norefersub")]),
        (421, &[("Require", "100rel")]),
        (480, none),
        (480, &[("Retry-After", "1")]),
        (484, none),
        (486, none),
        (500, none),
        (501, none),
        (503, none),
        (600, none),
        (603, none),
        (606, none),
    ];
    for (n, (status, headers)) in rows.into_iter().enumerate() {
        for place in PLACES {
            let target = format!("sip:{place:?}{n}@home1.test");
            let refer = alice.refer_at(place, &format!("<{target}>"));
            check::accepted(&alice.send(&refer).answer());
            let invite = scene.invite_for(&target);
            let answer = scene.targets.reply(&invite, status, headers);
            expect_trying(alice.ua(), refer.call_id());
            let told = expect_final(alice.ua(), refer.call_id(), status);
            let line = format!("SIP/2.0 {status} {}\r\n", answer.reason());
            assert!(told.body.starts_with(&line), "{line}: {}", told.body);
            let mine = |m: &Msg| m.call_id() == invite.msg.call_id();
            let ack = scene.targets.expect_where("ACK", &target, mine);
            assert_eq!(
                ack.msg.branch(),
                invite.msg.branch(),
                "RFC 3261 section 17.1.1.3: {}",
                ack.msg
            );
        }
    }
    scene.targets.expect_none("INVITE", QUIET);
    for unwanted in ["BYE", "CANCEL"] {
        assert_eq!(scene.targets.count(unwanted), 0, "{unwanted}");
    }
}

/// The second INVITE for that target: the same Call-ID and tag, the next CSeq.
fn tried_again(scene: &Scene, first: &Invite, wait: Duration) -> Invite {
    let same = |m: &Msg| m.call_id() == first.msg.call_id();
    let again = scene
        .targets
        .find_where("INVITE", wait, same)
        .expect("a second INVITE");
    assert_eq!(again.msg.cseq(), first.msg.cseq() + 1, "{}", again.msg);
    assert_eq!(again.msg.tag_from(), first.msg.tag_from(), "{}", again.msg);
    assert_eq!(again.msg.tag_to(), None, "{}", again.msg);
    assert_eq!(again.msg.request_uri(), first.msg.request_uri());
    assert_ne!(again.msg.branch(), first.msg.branch());
    assert_eq!(again.msg.body, first.msg.body, "the same offer");
    again
}

over_udp_and_tcp! { who_wants_another_form_of_the_invite_is_asked_once_more }

fn who_wants_another_form_of_the_invite_is_asked_once_more(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    for (n, comes) in [false, true].into_iter().enumerate() {
        let target = format!("sip:t{n}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        expect_trying(alice.ua(), alice.call_id());
        let first = scene.invite_for(&target);
        scene.targets.reply(&first, 488, &[]);
        let again = tried_again(&scene, &first, SOON);
        let form = |invite: &Invite| invite.msg.need("Contact").contains(";text");
        assert_eq!((form(&first), form(&again)), (false, true));
        let told = match comes {
            true => {
                scene.accept(&again);
                200
            }
            false => {
                scene.targets.reply(&again, 488, &[]);
                488
            }
        };
        expect_final(alice.ua(), alice.call_id(), told);
    }
    scene.targets.expect_none("INVITE", QUIET);
    // What was learnt is used.
    let target = "sip:next@home1.test";
    check::accepted(&alice.referred(&format!("<{target}>")));
    let next = scene.invite_for(target);
    assert!(next.msg.need("Contact").contains(";text"), "{}", next.msg);
    let counted = scene.server.statistic("quirk_other_form");
    assert_eq!(counted, 1);
}

over_udp_and_tcp! { who_is_only_busy_for_a_moment_is_asked_once_more }

fn who_is_only_busy_for_a_moment_is_asked_once_more(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    for status in [503, 500, 491] {
        let target = format!("sip:t{status}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        expect_trying(alice.ua(), alice.call_id());
        let first = scene.invite_for(&target);
        scene.targets.reply(&first, status, &[("Retry-After", "1")]);
        let again = tried_again(&scene, &first, SOON);
        let waited = again.at - first.at;
        assert!(
            waited >= Duration::from_millis(900),
            "{status}: after {waited:?}"
        );
        let carol = scene.accept(&again);
        expect_final(alice.ua(), alice.call_id(), 200);
        carol.expect_none("BYE", Duration::from_millis(50));
    }
}

#[test]
fn a_request_that_met_another_is_repeated_after_two_seconds() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let first = scene.invite_for(CAROL);
    scene.targets.reply(&first, 491, &[]);
    let again = tried_again(&scene, &first, SOON);
    let waited = again.at - first.at;
    assert!(
        waited >= Duration::from_millis(2_050) && waited < Duration::from_millis(4_500),
        "RFC 3261 section 14.1: {waited:?}"
    );
    scene.targets.reply(&again, 491, &[]);
    expect_final(alice.ua(), alice.call_id(), 491);
    scene
        .targets
        .expect_none("INVITE", Duration::from_millis(2_500));
}

#[test]
fn a_second_refusal_is_the_result() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let first = scene.invite_for(CAROL);
    scene.targets.reply(&first, 503, &[("Retry-After", "1")]);
    let again = tried_again(&scene, &first, SOON);
    scene.targets.reply(&again, 500, &[("Retry-After", "1")]);
    expect_final(alice.ua(), alice.call_id(), 500);
    scene
        .targets
        .expect_none("INVITE", Duration::from_millis(1_500));
}

#[test]
fn nobody_waits_for_ever() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene
        .targets
        .reply(&invite, 503, &[("Retry-After", "3600")]);
    expect_outcome(alice.ua(), alice.call_id(), 503);
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn who_waits_to_be_asked_again_can_be_put_out() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let refer = alice.refer_outside(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&refer).answer());
    let first = scene.invite_for(CAROL);
    expect_trying(alice.ua(), refer.call_id());
    scene.targets.reply(&first, 503, &[("Retry-After", "2")]);
    scene.targets.expect("ACK");
    check::accepted(&alice.referred(&format!("<{CAROL};method=BYE>")));
    expect_outcome(alice.ua(), alice.call_id(), 200);
    expect_final(alice.ua(), refer.call_id(), 487);
    scene
        .targets
        .expect_none("INVITE", Duration::from_millis(2_500));
}

#[test]
fn a_target_nobody_can_reach_is_told_as_such() {
    // Nobody listens where the route leads to, and a TCP connection is refused at once.
    let nowhere = Ua::new("sip:nowhere@home1.test", Transport::Udp).local();
    let (_scene, mut alice, _bob) = pair(Transport::Udp, |setup| {
        setup.param_str("orig_route", &format!("<sip:{nowhere};transport=tcp;lr>"))
    });
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let told = expect_end(alice.ua(), alice.call_id());
    assert!(
        [408, 477, 478, 500, 503].contains(&told.status),
        "{}",
        told.body
    );
}

#[test]
fn a_target_that_says_nothing_at_all_is_given_up() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("invite_timeout", 1500));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    let told = expect_end(alice.ua(), alice.call_id());
    assert!([408, 487].contains(&told.status), "{}", told.incoming.msg);
}

#[test]
fn a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("invite_timeout", 1500));
    scene.target(
        Script::on("INVITE")
            .reply(180)
            .on_cancel(OnCancel::AcceptLate),
    );
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.expect("CANCEL");
    let ack = scene.targets.expect("ACK");
    let bye = scene.targets.expect("BYE");
    for msg in [&ack.msg, &bye.msg] {
        assert_eq!(
            msg.tag_to(),
            Some(scene.targets.tag_for(&invite.msg)),
            "{msg}"
        );
        assert_eq!(msg.call_id(), invite.msg.call_id());
    }
    assert!(bye.msg.cseq() > invite.msg.cseq(), "{}", bye.msg);
    let told = expect_end(alice.ua(), alice.call_id());
    assert!([408, 487].contains(&told.status), "{}", told.incoming.msg);
}

#[test]
fn a_ringing_target_is_left_alone_until_the_timeout() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("invite_timeout", 60_000));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    scene.targets.expect_none("CANCEL", Duration::from_secs(4));
    scene.accept(&invite);
}
