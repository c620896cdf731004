//! Step 8 of a REFER: provisional answers of its target: PRACK for reliable ones (RFC 3262), and when they are told.

use crate::kit::refer::{expect_final, expect_notify, expect_trying};
use crate::kit::{check, pair, Msg, Script, Transport, CAROL, QUIET};
use std::time::Duration;

const RELIABLE: [(&str, &str); 2] = [("Require", "100rel"), ("RSeq", "917")];

over_udp_and_tcp! { a_reliable_answer_is_acknowledged_in_its_early_dialog }

fn a_reliable_answer_is_acknowledged_in_its_early_dialog(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    scene.target(Script::on("PRACK").reply(200));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let hop = format!("<sip:hop@{};lr>", scene.targets.local());
    let headers = [RELIABLE[0], RELIABLE[1], ("Record-Route", &hop)];
    let ringing = scene.targets.reply(&invite, 183, &headers);
    let prack = &scene.targets.expect("PRACK").msg;
    assert_eq!(
        prack.need("RAck"),
        format!("917 {} INVITE", invite.msg.cseq()),
        "{prack}"
    );
    assert_eq!(prack.call_id(), invite.msg.call_id(), "{prack}");
    assert_eq!(prack.tag_from(), invite.msg.tag_from(), "{prack}");
    assert_eq!(prack.tag_to(), ringing.tag_to(), "{prack}");
    assert_eq!(prack.request_uri(), ringing.contact_uri(), "{prack}");
    assert_eq!(prack.list("Route"), [hop], "{prack}");
    assert_eq!(prack.cseq(), invite.msg.cseq() + 1, "{prack}");
    // A copy of the answer is not acknowledged again.
    scene.targets.reply_raw(&invite, &ringing);
    // The one before this one was lost, and has to come first.
    scene
        .targets
        .reply(&invite, 180, &[RELIABLE[0], ("RSeq", "919")]);
    scene.targets.expect_none("PRACK", QUIET);
    scene
        .targets
        .reply(&invite, 180, &[RELIABLE[0], ("RSeq", "918")]);
    let next = &scene.targets.expect("PRACK").msg;
    assert_eq!(
        next.need("RAck"),
        format!("918 {} INVITE", invite.msg.cseq()),
        "{next}"
    );
    assert_eq!(next.cseq(), prack.cseq() + 1, "{next}");
    let mut carol = scene.accept(&invite);
    expect_trying(alice.ua(), alice.call_id());
    expect_final(alice.ua(), alice.call_id(), 200);
    check::accepted(&carol.bye());
}

#[test]
fn each_early_dialog_has_its_own() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    scene.target(Script::on("PRACK").reply(200));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    for tag in ["one", "two"] {
        let ringing = invite
            .msg
            .response(180, "Ringing")
            .with("To", format!("{};tag={tag}", invite.msg.need("To")))
            .with("Contact", format!("<sip:{tag}@{}>", scene.targets.local()))
            .with("Require", "100rel")
            .with("RSeq", "1");
        scene.targets.reply_raw(&invite, &ringing);
        let prack = &scene.targets.expect("PRACK").msg;
        assert_eq!(prack.tag_to().as_deref(), Some(tag), "{prack}");
        assert_eq!(prack.request_uri(), ringing.contact_uri(), "{prack}");
    }
    scene.targets.reply(&invite, 486, &[]);
    expect_trying(alice.ua(), alice.call_id());
    expect_final(alice.ua(), alice.call_id(), 486);
}

#[test]
fn what_is_not_reliable_gets_none() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    for headers in [
        &[][..],
        &[("RSeq", "5")],
        &[("Require", "100rel")],
        &[("Supported", "100rel"), ("RSeq", "6")],
    ] {
        scene.targets.reply(&invite, 180, headers);
    }
    scene.targets.expect_none("PRACK", QUIET);
    assert!(
        invite.msg.header("Require").is_none(),
        "we ask for none: {}",
        invite.msg
    );
}

#[test]
fn no_pace_holds_a_final_back_and_provisionals_are_merged() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| {
        setup.param_int("refer_notify_interval", 600)
    });
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let first = expect_trying(alice.ua(), alice.call_id());
    for status in [180, 181, 182, 183] {
        scene.targets.reply(&invite, status, &[]);
        // One by one: two datagrams at once are read by two workers, which may swap them.
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = expect_notify(alice.ua(), alice.call_id());
    assert_eq!(
        (told.status, told.state.as_str()),
        (183, "active"),
        "the latest: {}",
        told.body
    );
    assert!(told.incoming.at - first.incoming.at >= Duration::from_millis(550));
    scene.targets.reply(&invite, 199, &[]);
    scene.targets.reply(&invite, 180, &[]);
    scene.targets.reply(&invite, 600, &[]);
    let last = expect_notify(alice.ua(), alice.call_id());
    assert_eq!(
        (last.status, last.state.as_str()),
        (600, "terminated"),
        "{}",
        last.body
    );
    assert!(last.incoming.at - told.incoming.at < Duration::from_millis(550));
    let none = |m: &Msg| m.call_id() == alice.call_id();
    alice.ua().expect_none_where("NOTIFY", QUIET, none);
}
