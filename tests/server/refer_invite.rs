//! Step 8 against the real server: the INVITE that a REFER causes, and every way it can end.
//! It is not about what the referrer is told: see `refer_notify.rs`.

use crate::kit::scene::{ICSI, ICSI_ENCODED};
use crate::kit::sip::{param, uri_of};
use crate::kit::{
    check, refer, Group, Leg, Msg, OnCancel, Place, Rule, Scene, Script, Setup, Transport, Ua,
    PLACES, QUIET, SOON,
};
use std::time::Duration;

const CAROL: &str = "sip:carol@home1.test";

fn group() -> Group {
    Group::open("s", &["sip:alice@home1.test"])
}

fn with_alice(setup: Setup) -> (Scene, Leg) {
    let scene = Scene::with(setup, Transport::Udp);
    let alice = scene.participant("sip:alice@home1.test", &group());
    (scene, alice)
}

fn short_ringing() -> Setup {
    Setup::new([group()]).param_int("invite_timeout", 1500)
}

#[test]
fn step8_the_invite_is_that_of_the_focus() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    for (n, place) in PLACES.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice
            .refer_at(place, &format!("<{target};method=INVITE>"))
            .with("Max-Forwards", "3");
        check::accepted(&alice.send(&refer).answer());
        let invite = &scene.invite_for(&target).msg;
        let focus = uri_of(invite.need("From"));
        assert!(
            focus.starts_with("sip:") && focus.ends_with("@conf.home1.test"),
            "{invite}"
        );
        assert_eq!(uri_of(invite.need("To")), target, "{invite}");
        assert_eq!(invite.tag_to(), None, "{invite}");
        assert_eq!(invite.need("Max-Forwards"), "70", "{invite}");
        assert_eq!(
            uri_of(invite.need("P-Asserted-Identity")),
            focus,
            "{invite}"
        );
        check::focus_contact(invite);
        let user = |uri: &str| uri.split('@').next().map(str::to_string);
        assert_eq!(
            user(&invite.contact_uri()),
            user(&focus),
            "the same user part: {invite}"
        );
        assert_eq!(
            user(&alice.focus),
            user(&focus),
            "the session's own focus: {invite}"
        );
        assert_eq!(
            uri_of(invite.need("Referred-By")),
            "sip:alice@home1.test",
            "{invite}"
        );
        assert_eq!(invite.need("P-Asserted-Service"), ICSI, "{invite}");
        assert!(invite.need("Accept-Contact").starts_with('*'), "{invite}");
        assert!(
            invite.need("Accept-Contact").contains(ICSI_ENCODED),
            "{invite}"
        );
        for method in ["INVITE", "ACK", "CANCEL", "BYE", "REFER"] {
            assert!(invite.has_token("Allow", method), "{invite}");
        }
        assert!(invite.has_token("Supported", "norefersub"), "{invite}");
        assert!(
            !invite.has_token("Supported", "recipient-list-invite"),
            "{invite}"
        );
        assert!(invite.header("Require").is_none(), "{invite}");
        assert!(invite.header("User-Agent").is_some(), "{invite}");
    }
}

#[test]
fn step8_the_conversation_is_the_same_for_everybody_in_the_session() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let mut seen = Vec::new();
    for n in 0..3 {
        let target = format!("sip:target{n}@home1.test");
        let refer = alice
            .refer(&format!("<{target}>"))
            .with("Contribution-ID", "another-one");
        check::accepted(&alice.send(&refer).answer());
        let invite = scene.invite_for(&target);
        let ids =
            ["Conversation-ID", "Contribution-ID"].map(|name| invite.msg.need(name).to_string());
        assert!(ids.iter().all(|id| !id.is_empty()));
        seen.push((
            ids,
            invite.msg.call_id().to_string(),
            invite.msg.tag_from(),
            invite.msg.branch(),
        ));
    }
    assert!(
        seen.windows(2).all(|w| w[0].0 == w[1].0),
        "one Conversation-ID and Contribution-ID: {seen:?}"
    );
    for (i, one) in seen.iter().enumerate() {
        for other in &seen[i + 1..] {
            assert!(
                one.1 != other.1 && one.2 != other.2 && one.3 != other.3,
                "own Call-ID, tag and branch: {seen:?}"
            );
        }
    }
    // The creator's own ids are the session's.
    for (n, name) in ["Conversation-ID", "Contribution-ID"]
        .into_iter()
        .enumerate()
    {
        assert_eq!(seen[0].0[n], alice.invite.need(name), "{name}");
    }
}

#[test]
fn step8_the_offer_points_to_the_msrp_switch_under_an_unguessable_session() {
    let setup = Setup::new([group()]).param_str("msrp_uri", "msrp://192.0.2.7:2855");
    let (scene, mut alice) = with_alice(setup);
    let mut sessions = vec![check::msrp_session(&alice.answer.body_text())];
    for n in 0..3 {
        let target = format!("sip:target{n}@home1.test");
        check::accepted(&alice.referred(&format!("<{target}>")));
        let invite = &scene.invite_for(&target).msg;
        assert_eq!(invite.need("Content-Type"), "application/sdp", "{invite}");
        let offer = invite.body_text();
        let first: Vec<&str> = offer
            .lines()
            .map(|l| l.get(..2).unwrap_or(""))
            .take(5)
            .collect();
        assert_eq!(first, ["v=", "o=", "s=", "c=", "t="], "{offer}");
        let media: Vec<&str> = offer.lines().filter(|l| l.starts_with("m=")).collect();
        assert_eq!(media, ["m=message 2855 TCP/MSRP *"], "{offer}");
        assert!(offer.contains("c=IN IP4 192.0.2.7"), "{offer}");
        assert_eq!(
            check::sdp_attribute(&offer, "accept-types").as_deref(),
            Some("message/cpim"),
            "{offer}"
        );
        assert!(
            check::sdp_attribute(&offer, "accept-wrapped-types").is_some(),
            "{offer}"
        );
        assert_eq!(
            check::sdp_attribute(&offer, "setup").as_deref(),
            Some("actpass"),
            "{offer}"
        );
        let path = check::sdp_attribute(&offer, "path").expect("a path");
        assert!(path.starts_with("msrp://192.0.2.7:2855/"), "{offer}");
        sessions.push(check::msrp_session(&offer));
    }
    for (i, session) in sessions.iter().enumerate() {
        assert!(session.len() >= 16, "guessable: {session}");
        assert!(
            !sessions[i + 1..].contains(session),
            "a session id twice: {sessions:?}"
        );
    }
}

#[test]
fn step8_referred_by_is_copied_only_from_its_owner() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let rows = [
        (None, "sip:alice@home1.test", ""),
        (
            Some("<sip:alice@home1.test>;cid=\"1@x.test\""),
            "sip:alice@home1.test",
            "cid",
        ),
        (
            Some("\"Al\" <sip:alice@home1.test:5060>"),
            "sip:alice@home1.test:5060",
            "",
        ),
        (Some("sip:alice@home1.test"), "sip:alice@home1.test", ""),
        (Some("<sip:boss@home1.test>"), "sip:alice@home1.test", ""),
    ];
    for (n, (given, wanted, parameter)) in rows.into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        let mut refer = alice.refer(&format!("<{target}>"));
        if let Some(given) = given {
            refer = refer.with("Referred-By", given);
        }
        check::accepted(&alice.send(&refer).answer());
        let invite = scene.invite_for(&target);
        let value = invite.msg.need("Referred-By");
        assert_eq!(uri_of(value), wanted, "{given:?}: {value}");
        assert!(
            parameter.is_empty() || param(value, parameter).is_some(),
            "{given:?}: {value}"
        );
    }
}

#[test]
fn step8_nothing_of_the_refer_is_passed_on() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let refer = alice
        .refer(&format!("<{CAROL}>"))
        .with("X-Secret", "xyzzy1")
        .with("P-Charging-Vector", "icid-value=xyzzy2")
        .with("P-Access-Network-Info", "xyzzy3")
        .with("User-Agent", "xyzzy4")
        .with("Date", "xyzzy5")
        .with("P-Preferred-Identity", "<sip:xyzzy6@home1.test>")
        .with("Geolocation", "<cid:xyzzy7@x>");
    check::accepted(&alice.send(&refer).answer());
    let invite = scene.invite_for(CAROL);
    check::free_of(
        &invite.raw,
        &["xyzzy", alice.call_id(), &alice.ua().local().to_string()],
    );
}

#[test]
fn step8_orig_route_becomes_the_route_and_the_target_stays_the_request_uri() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    assert_eq!(
        invite.msg.list("Route"),
        [format!("<sip:{};lr;orig>", scene.targets.local())],
        "{}",
        invite.msg
    );
}

#[test]
fn step8_without_orig_route_the_invite_goes_to_the_targets_host() {
    let carol = Ua::new("sip:carol@127.0.0.1", Transport::Udp);
    let server = Setup::new([group()]).start();
    let alice = Ua::new("sip:alice@home1.test", Transport::Udp);
    let sent = alice.send(
        server.addr(),
        &alice.request("INVITE", &group().uri).body(
            "application/sdp",
            crate::kit::serve::sdp(alice.local(), "actpass"),
        ),
    );
    let mut leg = Leg::made(&sent, sent.answer());
    leg.dialog.ack(1);
    let target = format!("sip:carol@{}", carol.local());
    check::accepted(&leg.referred(&format!("<{target};method=INVITE>")));
    let invite = carol.expect("INVITE");
    assert_eq!(invite.msg.request_uri(), target);
    assert!(invite.msg.header("Route").is_none(), "{}", invite.msg);
}

#[test]
fn step8_the_ack_has_the_right_tag_number_and_target() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    let answer = scene.targets.reply(&invite, 200, &[]);
    let ack = &scene.targets.expect("ACK").msg;
    assert_eq!(ack.tag_to(), answer.tag_to(), "{ack}");
    assert_eq!(ack.tag_from(), invite.msg.tag_from(), "{ack}");
    assert_eq!(ack.call_id(), invite.msg.call_id());
    assert_eq!(
        (ack.cseq(), ack.cseq_method()),
        (invite.msg.cseq(), "ACK"),
        "{ack}"
    );
    assert_eq!(ack.request_uri(), answer.contact_uri(), "{ack}");
    assert_ne!(
        ack.branch(),
        invite.msg.branch(),
        "the ACK to a 2xx is a transaction of its own: {ack}"
    );
    assert!(ack.header("Max-Forwards").is_some(), "{ack}");
}

#[test]
fn step8_a_repeated_200_is_acknowledged_again() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let answer = scene.targets.reply(&invite, 200, &[]);
    for wanted in 1..4 {
        let acks = scene.targets.inbox().wait_for_all(SOON, |all| {
            all.iter().filter(|i| i.msg.method() == "ACK").count() >= wanted
        });
        assert!(acks, "no ACK number {wanted}");
        scene.targets.reply_raw(&invite, &answer);
    }
    scene.targets.expect_none("BYE", QUIET);
}

#[test]
fn step8_the_route_set_of_the_targets_dialog_is_kept() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    // Both hops are the same socket; the route set is the reverse of the Record-Route (RFC 3261 section 12.1.2).
    let hop = scene.targets.local();
    let (near, far) = (
        format!("<sip:near@{hop};lr>"),
        format!("<sip:far@{hop};lr>"),
    );
    scene
        .targets
        .reply(&invite, 200, &[("Record-Route", &format!("{far}, {near}"))]);
    let ack = &scene.targets.expect("ACK").msg;
    assert_eq!(ack.list("Route"), [near.clone(), far.clone()], "{ack}");
    check::accepted(&alice.dialog.bye());
    let bye = &scene.targets.expect("BYE").msg;
    assert_eq!(bye.list("Route"), [near, far], "{bye}");
}

#[test]
fn step8_a_target_that_accepted_is_a_participant() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    scene.target(Script::on("INVITE").reply(180).accept());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    refer::expect_outcome(alice.ua(), alice.call_id(), 200);
    let invite = scene.invite_for(CAROL);
    scene.targets.expect("ACK");
    // It may leave by itself, in the dialog the focus made with it.
    let mut carol = scene.leg_of(&invite);
    check::accepted(&carol.bye());
}

#[test]
fn step8_a_failure_is_acknowledged_and_not_tried_again() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    for (n, status) in [486, 603, 480, 404, 600, 500].into_iter().enumerate() {
        let target = format!("sip:target{n}@home1.test");
        scene.target(Script::on("INVITE").to(&target).reply(status));
        check::accepted(&alice.referred(&format!("<{target}>")));
        let invite = scene.invite_for(&target);
        refer::expect_outcome(alice.ua(), alice.call_id(), status);
        let ack = &scene
            .targets
            .expect_where("ACK", &target, |m| m.call_id() == invite.msg.call_id())
            .msg;
        assert_eq!(
            ack.branch(),
            invite.msg.branch(),
            "RFC 3261 section 17.1.1.3: {ack}"
        );
    }
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn step8_a_redirection_is_not_followed() {
    let (scene, mut alice) = with_alice(Setup::new([group()]));
    let elsewhere = format!("<sip:elsewhere@{}>", scene.targets.local());
    scene.target(
        Script::on("INVITE")
            .to("carol")
            .reply_with(302, &[("Contact", &elsewhere)]),
    );
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    refer::expect_outcome(alice.ua(), alice.call_id(), 302);
    scene.invite_for(CAROL);
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn step8_no_answer_in_time_is_cancelled() {
    let (scene, mut alice) = with_alice(short_ringing());
    scene.target(Script::on("INVITE").reply(180));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    let cancel = scene.targets.expect("CANCEL");
    let rang = cancel.at - invite.at;
    assert!(
        rang >= Duration::from_millis(1400) && rang < Duration::from_millis(4000),
        "cancelled after {rang:?}"
    );
    same_transaction(&cancel.msg, &invite.msg);
    let told = refer::expect_end(alice.ua(), alice.call_id());
    assert!([408, 487].contains(&told.status), "{}", told.incoming.msg);
    scene.targets.expect("ACK");
}

#[test]
fn step8_a_target_that_says_nothing_at_all_is_given_up() {
    let (scene, mut alice) = with_alice(short_ringing());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
    let told = refer::expect_end(alice.ua(), alice.call_id());
    assert!([408, 487].contains(&told.status), "{}", told.incoming.msg);
}

#[test]
fn step8_a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let (scene, mut alice) = with_alice(short_ringing());
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
    let told = refer::expect_end(alice.ua(), alice.call_id());
    assert!([408, 487].contains(&told.status), "{}", told.incoming.msg);
}

#[test]
fn step8_a_ringing_target_is_left_alone_until_the_timeout() {
    let (scene, mut alice) = with_alice(Setup::new([group()]).param_int("invite_timeout", 60_000));
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    scene.targets.expect_none("CANCEL", Duration::from_secs(4));
    scene.accept(&invite);
}

#[test]
fn step8_a_referrer_who_leaves_does_not_take_the_invitation_along() {
    let bob = "sip:bob@home1.test";
    let group = Group::open("s", &["sip:alice@home1.test", bob]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant("sip:alice@home1.test", &group);
    let _bob = scene.participant(bob, &group);
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    let invite = scene.invite_for(CAROL);
    refer::expect_trying(alice.ua(), alice.call_id());
    check::accepted(&alice.dialog.bye());
    scene.targets.expect_none("CANCEL", QUIET);
    scene.accept(&invite);
    refer::expect_final(alice.ua(), alice.call_id(), 200);
}

#[test]
fn step8_the_policy_of_one_group_says_nothing_about_another() {
    let narrow = Group::new(
        "sip:narrow@groups.home1.test",
        &["sip:alice@home1.test"],
        &[crate::kit::groups::all_actions(Rule::members())],
    );
    let scene = Scene::new([&group(), &narrow]);
    let mut here = scene.participant("sip:alice@home1.test", &group());
    let mut there = scene.participant("sip:alice@home1.test", &narrow);
    assert_ne!(here.focus, there.focus);
    check::accepted(&there.referred(&format!("<{CAROL}>")));
    refer::expect_outcome(there.ua(), there.call_id(), 403);
    scene.nobody_invited();
    let refer = here.refer_at(Place::InDialog, &format!("<{CAROL}>"));
    check::accepted(&here.send(&refer).answer());
    scene.invite_for(CAROL);
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
