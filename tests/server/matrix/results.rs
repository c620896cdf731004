//! Rows 50 to 59, 64 and 66: what comes of a REFER, and who is told.

use super::stage::{stage, stage_with};
use crate::kit::refer::{expect_end, expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::watch::Watcher;
use crate::kit::{
    check, Dialog, Group, Msg, Place, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, PLACES,
    QUIET, SOON,
};
use crate::refer_subscription::{ringing, subscribe};
use std::time::Duration;

/// From the second REFER of a dialog on, its NOTIFYs say which one they are about (RFC 3515 section 2.4.6).
pub fn row_50(t: Transport) {
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(486));
    stage
        .scene
        .target(Script::on("INVITE").to("ringing").reply(180));
    let alice = &mut stage.alice;
    for place in PLACES {
        // The first target rings on: so the dialog of a REFER outside the session's own stays.
        let first = alice.refer_at(place, &format!("<sip:ringing-{place:?}@home1.test>"));
        let sent = alice.send(&first);
        let answer = sent.answer();
        check::accepted(&answer);
        // Optional for the first, but never a wrong one.
        let trying = expect_trying(alice.ua(), first.call_id());
        assert!(trying.id.is_none_or(|id| id == first.cseq().to_string()));
        let mut own = Dialog::as_uac(&sent, &answer);
        for _ in 0..2 {
            let dialog = match place {
                Place::InDialog => &mut alice.dialog,
                Place::OutOfDialog => &mut own,
            };
            let refer = dialog
                .request("REFER")
                .with("Refer-To", "<sip:busy@home1.test>");
            check::accepted(&dialog.send(&refer).answer());
            let id = format!("id={}", refer.cseq());
            let mine = |m: &Msg| m.call_id() == refer.call_id() && m.need("Event").ends_with(&id);
            for status in ["SIP/2.0 100", "SIP/2.0 486"] {
                let notify = alice.ua().expect_where("NOTIFY", &id, mine);
                assert!(notify.msg.body_text().starts_with(status), "{}", notify.msg);
            }
        }
    }
}

pub fn row_51(t: Transport) {
    let mut stage = stage(t);
    for place in PLACES {
        let target = format!("sip:{place:?}@home1.test");
        let refer = stage.alice.refer_at(place, &format!("<{target}>"));
        let sent = stage.alice.send(&refer);
        let first = sent.response(SOON, |s| s >= 200).expect("an answer");
        check::accepted(&first.msg);
        for _ in 0..3 {
            sent.resend();
            let again = sent.response(SOON, |s| s >= 200);
            assert_eq!(again.expect("the answer again").raw, first.raw);
        }
        stage.scene.invite_for(&target);
        stage.scene.targets.expect_none("INVITE", QUIET);
        expect_trying(stage.alice.ua(), refer.call_id());
        let more = |m: &Msg| m.call_id() == refer.call_id();
        stage.alice.ua().expect_none_where("NOTIFY", QUIET, more);
    }
}

pub fn row_52(t: Transport) {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group]).param_int("conference_notify_interval", 100);
    let scene = Scene::with(setup, t);
    let [mut alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let mut watcher = Watcher::of(&bob);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    watcher.until(CAROL, "dialing-out");
    scene.targets.reply(&invite, 180, &[]);
    watcher.until(CAROL, "alerting");
    scene.accept(&invite);
    watcher.until(CAROL, "connected dialed-out");
    expect_outcome(alice.ua(), alice.call_id(), 200);
}

pub fn row_53(t: Transport) {
    let mut stage = stage_with(t, |setup| setup.param_int("invite_timeout", 1500));
    for status in [486, 603, 480, 408] {
        let target = format!("sip:t{status}@home1.test");
        stage
            .scene
            .target(Script::on("INVITE").to(&target).reply(180).reply(status));
        check::accepted(&stage.alice.referred(&format!("<{target}>")));
        expect_outcome(stage.alice.ua(), stage.alice.call_id(), status);
        stage.scene.invite_for(&target);
        stage.scene.targets.expect("ACK");
    }
    stage
        .scene
        .target(Script::on("INVITE").to("silent").reply(180));
    check::accepted(&stage.alice.referred("<sip:silent@home1.test>"));
    let invite = stage.scene.invite_for("sip:silent@home1.test");
    let mine = |m: &Msg| m.call_id() == invite.msg.call_id();
    // tm itself may have cancelled another one, whose 180 and final arrived in two workers at once.
    let cancel = stage.scene.targets.expect_where("CANCEL", "silent", mine);
    let rang = cancel.at - invite.at;
    assert!(
        rang >= Duration::from_millis(1400) && rang < Duration::from_millis(4000),
        "cancelled after {rang:?}"
    );
    same_transaction(&cancel.msg, &invite.msg);
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    let status = expect_end(stage.alice.ua(), stage.alice.call_id()).status;
    assert!([408, 487].contains(&status), "{status}");
    stage.scene.targets.expect_where("ACK", "silent", mine);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

/// A CANCEL is the shadow of its INVITE (RFC 3261 section 9.1).
fn same_transaction(cancel: &Msg, invite: &Msg) {
    assert_eq!(cancel.request_uri(), invite.request_uri());
    assert_eq!(
        (cancel.branch(), cancel.call_id()),
        (invite.branch(), invite.call_id()),
        "{cancel}"
    );
    assert_eq!(
        (cancel.tag_from(), cancel.tag_to()),
        (invite.tag_from(), None),
        "{cancel}"
    );
    assert_eq!(
        (cancel.cseq(), cancel.list("Route")),
        (invite.cseq(), invite.list("Route")),
        "{cancel}"
    );
}

pub fn row_54(t: Transport) {
    let mut stage = stage(t);
    let elsewhere = format!("<sip:elsewhere@{}>", stage.scene.targets.local());
    stage
        .scene
        .target(Script::on("INVITE").reply_with(302, &[("Contact", &elsewhere)]));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 302);
    stage.scene.invite_for(CAROL);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_55(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    let first = stage.scene.invite_for(CAROL);
    stage
        .scene
        .targets
        .reply(&first, 422, &[("Min-SE", "3600")]);
    let second = stage.scene.invite_for(CAROL);
    assert_eq!(second.msg.call_id(), first.msg.call_id());
    assert_eq!(second.msg.cseq(), first.msg.cseq() + 1);
    let asked = second.msg.need("Session-Expires").split(';').next();
    let asked: u32 = asked.and_then(|text| text.parse().ok()).expect("seconds");
    assert!(asked >= 3600, "{}", second.msg);
    assert_eq!(second.msg.need("Min-SE"), "3600");
    stage.scene.accept(&second);
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 200);
    stage.scene.targets.expect_none("INVITE", QUIET);
}

pub fn row_56(t: Transport) {
    let mut stage = stage(t);
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    let invite = stage.scene.invite_for(CAROL);
    let targets = &stage.scene.targets;
    let first = targets.reply(&invite, 200, &[]);
    let forked = first
        .clone()
        .with("To", format!("{};tag=other", invite.msg.need("To")));
    let gets = |method: &str, tag: Option<String>| {
        targets.expect_where(method, &format!("{tag:?}"), |m| m.tag_to() == tag);
    };
    // Two workers could take them in either order, so one after the other.
    gets("ACK", first.tag_to());
    targets.reply_raw(&invite, &forked);
    expect_outcome(stage.alice.ua(), stage.alice.call_id(), 200);
    gets("ACK", forked.tag_to());
    gets("BYE", forked.tag_to());
    // A copy is acknowledged again, and not ended again.
    targets.reply_raw(&invite, &forked);
    gets("ACK", forked.tag_to());
    targets.expect_none("BYE", QUIET);
    let show = stage
        .scene
        .server
        .rpc_ok(&["cpm.show", "sip:s@groups.home1.test"]);
    assert!(show.contains("connected: 3"), "{show}");
    assert!(show.contains(ALICE), "{show}");
}

pub fn row_57(t: Transport) {
    for place in PLACES {
        let mut stage = stage(t);
        stage.alice.ua().script(Script::on("NOTIFY").reply(481));
        let refer = stage.alice.refer_at(place, &format!("<{CAROL}>"));
        check::accepted(&stage.alice.send(&refer).answer());
        expect_trying(stage.alice.ua(), refer.call_id());
        let invite = stage.scene.invite_for(CAROL);
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(stage.scene.targets.count("CANCEL"), 0);
        check::accepted(&stage.alice.dialog.bye());
        check::accepted(&stage.bob.dialog.bye());
    }
}

pub fn row_58(t: Transport) {
    for place in PLACES {
        let mut stage = stage_with(t, |setup| setup.param_int("refer_notify_interval", 100));
        let (refer, invite, mut dialog) = ringing(&stage.scene, &mut stage.alice, place);
        let end = subscribe(&mut dialog, "0");
        let answer = dialog.send(&end).answer();
        check::accepted(&answer);
        assert_eq!(answer.need("Expires"), "0", "{answer}");
        let told = expect_notify(stage.alice.ua(), refer.call_id());
        assert_eq!(
            (told.status, told.state.as_str(), told.reason.as_deref()),
            (180, "terminated", Some("timeout")),
            "{}",
            told.incoming.msg
        );
        stage.scene.accept(&invite);
        stage.alice.ua().expect_none("NOTIFY", QUIET);
        assert_eq!(stage.scene.targets.count("CANCEL"), 0);
        // A subscription that is over is not refreshed.
        let late = subscribe(&mut dialog, "60");
        let status = dialog.send(&late).answer().status();
        assert!([403, 481].contains(&status), "{status}");
    }
}

pub fn row_59(t: Transport) {
    let stage = stage(t);
    let fresh = stage
        .alice
        .ua()
        .request("SUBSCRIBE", &stage.alice.focus)
        .with("Event", "refer");
    check::refused(&stage.alice.send(&fresh).answer(), 403, None);
    stage.alice.ua().expect_none("NOTIFY", QUIET);
}

pub fn row_64(t: Transport) {
    // Who rings counts like one who is in, until nobody is connected.
    let mut stage = stage(t);
    stage.scene.target(Script::on("INVITE").reply(180));
    check::accepted(&stage.alice.referred(&format!("<{CAROL}>")));
    expect_trying(stage.alice.ua(), stage.alice.call_id());
    stage.scene.invite_for(CAROL);
    check::accepted(&stage.alice.dialog.bye());
    check::accepted(&stage.bob.dialog.bye());
    stage.scene.targets.expect("CANCEL");
    expect_final(stage.alice.ua(), stage.alice.call_id(), 487);
    // One who is left alone gets a BYE with a reason.
    let group = Group::open("s", &[ALICE, BOB]);
    let [mut alice, bob] = [ALICE, BOB].map(|who| stage.scene.participant(who, &group));
    check::accepted(&alice.dialog.bye());
    let bye = bob
        .dialog
        .find("BYE", Duration::from_secs(5))
        .expect("a BYE");
    check::gone(&bye.msg);
}

pub fn row_66(t: Transport) {
    let mut stage = stage(t);
    let body = stage.alice.invite.body.clone();
    let invite = stage
        .alice
        .dialog
        .request("INVITE")
        .with("Require", "recipient-list-invite");
    let sent = stage.alice.send(&invite.body("application/sdp", body));
    let answer = sent.answer();
    check::refused(&answer, 420, None);
    assert_eq!(
        answer.list("Unsupported"),
        ["recipient-list-invite"],
        "{answer}"
    );
    stage.alice.ua().send_raw(
        stage.scene.server.addr(),
        t,
        &sent.msg.ack_to_failure(&answer).to_bytes(),
    );
    check::accepted(&stage.alice.dialog.bye());
}
