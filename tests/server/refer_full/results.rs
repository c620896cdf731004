//! What an INVITE of the focus comes to (requirements.md section 2.3): every final answer, one bounded retry,
//! an unusable 2xx. Not here: provisional answers (`provisional.rs`), forks (`matrix/`).

use super::{pair, ALICE, CAROL};
use crate::kit::refer::{expect_final, expect_outcome, expect_trying};
use crate::kit::{check, Msg, Scene, Transport, QUIET, SOON};
use std::sync::Arc;
use std::time::Duration;

type Invite = Arc<crate::kit::Incoming>;

over_udp_and_tcp! { every_failure_is_told_with_its_code_and_not_tried_again }

fn every_failure_is_told_with_its_code_and_not_tried_again(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    let elsewhere = format!("<sip:elsewhere@{}>", scene.targets.local());
    let digest = "Digest realm=\"x\", nonce=\"y\"";
    let none: &[(&str, &str)] = &[];
    let to = [("Contact", elsewhere.as_str())];
    let [www, proxy] = ["WWW-Authenticate", "Proxy-Authenticate"].map(|name| [(name, digest)]);
    let rows: [(u16, &[(&str, &str)]); 22] = [
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
        (488, none),
        (500, none),
        (501, none),
        (503, none),
        (600, none),
        (603, none),
        (606, none),
    ];
    for (n, (status, headers)) in rows.into_iter().enumerate() {
        let target = format!("sip:t{n}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        let invite = scene.invite_for(&target);
        scene.targets.reply(&invite, status, headers);
        expect_outcome(alice.ua(), alice.call_id(), status);
        scene
            .targets
            .expect_where("ACK", &target, |m| m.call_id() == invite.msg.call_id());
    }
    scene.targets.expect_none("INVITE", QUIET);
    for unwanted in ["BYE", "CANCEL"] {
        assert_eq!(scene.targets.count(unwanted), 0, "{unwanted}");
    }
}

/// The second INVITE for that target: the same dialog-to-be, one number up.
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
fn an_acceptance_that_cannot_be_used_is_acknowledged_and_ended() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let good = crate::kit::serve::sdp(scene.targets.local(), "passive");
    let bodies = [
        String::new(),
        "nonsense\r\n".to_string(),
        good.replace("m=message 28550", "m=message 0"),
        good.replace("m=message 28550 TCP/MSRP *", "m=audio 5004 RTP/AVP 0"),
        good.lines()
            .filter(|line| !line.starts_with("a=path"))
            .map(|line| format!("{line}\r\n"))
            .collect(),
    ];
    for (n, body) in bodies.into_iter().enumerate() {
        let target = format!("sip:t{n}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        expect_trying(alice.ua(), alice.call_id());
        let invite = scene.invite_for(&target);
        let answer = invite
            .msg
            .response(200, "OK")
            .with("To", format!("{};tag=t{n}", invite.msg.need("To")))
            .with("Contact", format!("<sip:t{n}@{}>", scene.targets.local()));
        let answer = match body.as_str() {
            "" => answer,
            body => answer.body("application/sdp", body),
        };
        scene.targets.reply_raw(&invite, &answer);
        let mine = |m: &Msg| m.call_id() == invite.msg.call_id();
        let ack = scene.targets.expect_where("ACK", &target, mine);
        let bye = scene.targets.expect_where("BYE", &target, mine);
        assert!(ack.at <= bye.at, "first the ACK");
        assert!(bye.msg.need("Reason").contains("cause=488"), "{}", bye.msg);
        assert_eq!(bye.msg.tag_to(), answer.tag_to(), "{}", bye.msg);
        expect_final(alice.ua(), alice.call_id(), 488);
    }
}

#[test]
fn an_acceptance_without_a_tag_of_use_is_ended_at_once() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    for (n, tag) in [String::new(), format!(";tag={}", "x".repeat(300))]
        .iter()
        .enumerate()
    {
        let target = format!("sip:u{n}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        let invite = scene.invite_for(&target);
        let answer = invite
            .msg
            .response(200, "OK")
            .with("To", format!("{}{tag}", invite.msg.need("To")))
            .with("Contact", format!("<sip:u{n}@{}>", scene.targets.local()))
            .body(
                "application/sdp",
                crate::kit::serve::sdp(scene.targets.local(), "passive"),
            );
        scene.targets.reply_raw(&invite, &answer);
        let mine = |m: &Msg| m.call_id() == invite.msg.call_id();
        for method in ["ACK", "BYE"] {
            let ended = scene.targets.expect_where(method, &target, mine);
            assert_eq!(ended.msg.tag_to(), answer.tag_to(), "{}", ended.msg);
        }
        expect_outcome(alice.ua(), alice.call_id(), 502);
    }
}

#[test]
fn an_acceptance_after_everything_is_gone_is_ended() {
    let (scene, mut alice, bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 486, &[]);
    expect_outcome(alice.ua(), alice.call_id(), 486);
    check::accepted(&alice.dialog.bye());
    bob.dialog.expect("BYE");
    let over = || !scene.server.rpc_ok(&["cpm.list"]).contains("focus");
    let deadline = std::time::Instant::now() + SOON;
    while !over() && std::time::Instant::now() < deadline {}
    assert!(over(), "{}", scene.server.rpc_ok(&["cpm.list"]));
    // Another branch of a forking proxy answers late: our dialog there must end.
    let late = invite
        .msg
        .response(200, "OK")
        .with("To", format!("{};tag=late", invite.msg.need("To")))
        .with("Contact", format!("<sip:late@{}>", scene.targets.local()))
        .body(
            "application/sdp",
            crate::kit::serve::sdp(scene.targets.local(), "passive"),
        );
    scene.targets.reply_raw(&invite, &late);
    let late_one = |m: &Msg| m.tag_to().as_deref() == Some("late");
    scene.targets.expect_where("ACK", "late", late_one);
    scene.targets.expect_where("BYE", "late", late_one);
    // What is not an answer to anything of ours makes us send nothing.
    let forged = late
        .with("From", "<sip:somebody@conf.home1.test>;tag=made-up")
        .with("To", format!("{};tag=forged", invite.msg.need("To")));
    scene.targets.reply_raw(&invite, &forged);
    let to_forged = |m: &Msg| m.tag_to().as_deref() == Some("forged");
    for method in ["ACK", "BYE"] {
        scene.targets.expect_none_where(method, QUIET, to_forged);
    }
}

#[test]
fn two_acceptances_leave_one_participant() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let first = scene.targets.reply(&invite, 200, &[]);
    let to = |tag: Option<String>| move |m: &Msg| m.tag_to() == tag;
    // Two workers could take them in either order.
    scene
        .targets
        .expect_where("ACK", "first", to(first.tag_to()));
    let second = first
        .clone()
        .with("To", format!("{};tag=second", invite.msg.need("To")));
    scene.targets.reply_raw(&invite, &second);
    expect_outcome(alice.ua(), alice.call_id(), 200);
    scene
        .targets
        .expect_where("ACK", "second", to(second.tag_to()));
    scene
        .targets
        .expect_where("BYE", "second", to(second.tag_to()));
    // It repeats itself: acknowledged again, not ended again.
    scene.targets.reply_raw(&invite, &second);
    scene
        .targets
        .expect_where("ACK", "second again", to(second.tag_to()));
    scene.targets.expect_none("BYE", QUIET);
    let show = scene
        .server
        .rpc_ok(&["cpm.show", "sip:s@groups.home1.test"]);
    assert!(show.contains("connected: 3"), "{show}");
    assert!(show.contains(ALICE), "{show}");
}

#[test]
fn a_target_nobody_can_reach_is_told_as_such() {
    // Nobody listens where the route leads to, and a TCP connection is refused at once.
    let nowhere = crate::kit::Ua::new("sip:nowhere@home1.test", Transport::Udp).local();
    let (_scene, mut alice, _bob) = pair(Transport::Udp, |setup| {
        setup.param_str("orig_route", &format!("<sip:{nowhere};transport=tcp;lr>"))
    });
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_trying(alice.ua(), alice.call_id());
    let told = crate::kit::refer::expect_end(alice.ua(), alice.call_id());
    assert!(
        [408, 477, 478, 500, 503].contains(&told.status),
        "{}",
        told.body
    );
}
