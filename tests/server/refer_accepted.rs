//! Step 8 of a REFER: an acceptance that cannot be used, comes too late, or is one of two.

use crate::kit::refer::{expect_final, expect_outcome, expect_trying};
use crate::kit::{check, pair, serve, Msg, Transport, CAROL, QUIET, SOON};
use std::time::Instant;

#[test]
fn an_acceptance_that_cannot_be_used_is_acknowledged_and_ended() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let good = serve::sdp(scene.targets.local(), "passive");
    let bodies = [
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
            .with("Contact", format!("<sip:t{n}@{}>", scene.targets.local()))
            .body("application/sdp", body);
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
fn an_acceptance_without_sdp_is_a_leg_without_media_unless_strict() {
    for strict in [0, 1] {
        let (scene, mut alice, _bob) =
            pair(Transport::Udp, |setup| setup.param_int("strict", strict));
        check::accepted(&alice.referred(&format!("<{CAROL}>")));
        expect_trying(alice.ua(), alice.call_id());
        let invite = scene.invite_for(CAROL);
        let to = invite.msg.need("To");
        let contact = format!("<sip:carol@{}>", scene.targets.local());
        let answer = invite
            .msg
            .response(200, "OK")
            .with("To", format!("{to};tag=carol"))
            .with("Contact", contact);
        scene.targets.reply_raw(&invite, &answer);
        let mine = |m: &Msg| m.call_id() == invite.msg.call_id();
        scene.targets.expect_where("ACK", CAROL, mine);
        match strict {
            0 => scene.targets.expect_none_where("BYE", QUIET, mine),
            _ => drop(scene.targets.expect_where("BYE", CAROL, mine)),
        }
        let told = if strict == 0 { 200 } else { 488 };
        expect_final(alice.ua(), alice.call_id(), told);
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
                serve::sdp(scene.targets.local(), "passive"),
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
    let deadline = Instant::now() + SOON;
    while !over() && Instant::now() < deadline {}
    assert!(over(), "{}", scene.server.rpc_ok(&["cpm.list"]));
    // Another branch of a forking proxy answers late: our dialog there must end.
    let late = invite
        .msg
        .response(200, "OK")
        .with("To", format!("{};tag=late", invite.msg.need("To")))
        .with("Contact", format!("<sip:late@{}>", scene.targets.local()))
        .body(
            "application/sdp",
            serve::sdp(scene.targets.local(), "passive"),
        );
    scene.targets.reply_raw(&invite, &late);
    let late_one = |m: &Msg| m.tag_to().as_deref() == Some("late");
    scene.targets.expect_where("ACK", "late", late_one);
    scene.targets.expect_where("BYE", "late", late_one);
    // The focus sends nothing for a 200 to an INVITE it never sent.
    let forged = late
        .with("From", "<sip:somebody@conf.home1.test>;tag=made-up")
        .with("To", format!("{};tag=forged", invite.msg.need("To")));
    scene.targets.reply_raw(&invite, &forged);
    let to_forged = |m: &Msg| m.tag_to().as_deref() == Some("forged");
    for method in ["ACK", "BYE"] {
        scene.targets.expect_none_where(method, QUIET, to_forged);
    }
}
