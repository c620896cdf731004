//! Step 8 of a REFER: the INVITE that it causes, and the dialog with a target that accepts.

use crate::kit::refer::expect_outcome;
use crate::kit::scene::{ICSI, ICSI_ENCODED};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, serve, with_alice, Group, Leg, Script, Setup, Transport, Ua, ALICE, CAROL, PLACES,
    QUIET, SOON,
};

fn group() -> Group {
    Group::open("s", &[ALICE])
}

#[test]
fn the_invite_is_that_of_the_focus() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
        assert_eq!(uri_of(invite.need("Referred-By")), ALICE, "{invite}");
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
fn the_conversation_is_the_same_for_everybody_in_the_session() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn the_offer_points_to_the_msrp_switch_under_an_unguessable_session() {
    let (scene, mut alice) =
        with_alice(|setup| setup.param_str("msrp_uri", "msrp://192.0.2.7:2855"));
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
fn nothing_of_the_refer_is_passed_on() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn orig_route_becomes_the_route_and_the_target_stays_the_request_uri() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn without_orig_route_the_invite_goes_to_the_targets_host() {
    let carol = Ua::new("sip:carol@127.0.0.1", Transport::Udp);
    let server = Setup::new([group()])
        .param_int("target_next_hop", 1)
        .start();
    let alice = Ua::new(ALICE, Transport::Udp);
    let sent = alice.send(
        server.addr(),
        &alice
            .request("INVITE", &group().uri)
            .body("application/sdp", serve::sdp(alice.local(), "actpass")),
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
fn the_ack_has_the_right_tag_number_and_target() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn a_repeated_200_is_acknowledged_again() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn the_route_set_of_the_targets_dialog_is_kept() {
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn a_target_that_accepted_is_a_participant() {
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").reply(180).accept());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_outcome(alice.ua(), alice.call_id(), 200);
    let invite = scene.invite_for(CAROL);
    scene.targets.expect("ACK");
    // It may leave by BYE in the dialog of its INVITE.
    let mut carol = scene.leg_of(&invite);
    check::accepted(&carol.bye());
}
