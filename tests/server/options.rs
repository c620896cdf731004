//! OPTIONS to a focus, a group, the factory and the server; and third-party REGISTER.

use crate::kit::adhoc::FACTORY;
use crate::kit::{adhoc, check, serve, Group, Msg, Scene, Setup, Transport, Ua, ALICE, BOB};

fn options(scene: &Scene, ua: &Ua, uri: &str) -> Msg {
    scene.send(ua, &ua.request("OPTIONS", uri)).answer()
}

#[test]
fn options_tell_what_each_can_do() {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(Setup::new([&group]), Transport::Tcp);
    let alice = scene.participant(ALICE, &group);
    let at_focus = format!("sip:{}@conf.home1.test", serve::user_of(&alice.focus));
    for uri in [&alice.focus, &at_focus, &group.uri] {
        let answer = options(&scene, alice.ua(), uri);
        check::accepted(&answer);
        check::focus_contact(&answer);
        for method in ["INVITE", "ACK", "BYE", "CANCEL", "REFER", "OPTIONS"] {
            assert!(answer.has_token("Allow", method), "{uri}: {answer}");
        }
        for tag in ["norefersub", "multiple-refer", "tdialog"] {
            assert!(answer.has_token("Supported", tag), "{uri}: {answer}");
        }
        assert!(
            !answer.has_token("Supported", "recipient-list-invite"),
            "{answer}"
        );
        for kind in ["application/sdp", "application/resource-lists+xml"] {
            assert!(answer.has_token("Accept", kind), "{answer}");
        }
        assert!(answer.has_token("Accept-Encoding", "gzip"), "{answer}");
        assert!(answer.has_token("Allow-Events", "refer"), "{answer}");
    }
    for unknown in [
        "sip:nobody@conf.home1.test",
        "sip:nogroup@groups.home1.test",
    ] {
        check::refused(&options(&scene, alice.ua(), unknown), 404, Some("123"));
    }
}

#[test]
fn options_of_the_factory_offer_lists() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let answer = options(&scene, &ua, FACTORY);
    check::accepted(&answer);
    assert!(
        answer.has_token("Supported", "recipient-list-invite"),
        "{answer}"
    );
    assert!(answer.has_token("Supported", "norefersub"), "{answer}");
    for kind in [
        "application/sdp",
        "application/resource-lists+xml",
        "multipart/mixed",
    ] {
        assert!(answer.has_token("Accept", kind), "{answer}");
    }
    assert!(answer.has_token("Allow", "INVITE"), "{answer}");
    assert!(
        !answer.to_string().contains("isfocus"),
        "a factory is no focus: {answer}"
    );
    // OPTIONS makes no session.
    assert!(!scene.server.rpc_ok(&["cpm.list"]).contains("focus"));
    scene.nobody_invited();
}

fn group() -> Group {
    Group::open("s", &[ALICE])
}

#[test]
fn options_to_the_server_and_third_party_register_are_answered() {
    let scene = Scene::new([group()]);
    let scscf = scene.ua("sip:scscf.home1.test");
    let options = scscf.request("OPTIONS", &format!("sip:{}", scene.server.addr()));
    check::accepted(&scene.send(&scscf, &options).answer());
    let register = scscf
        .request("REGISTER", "sip:conf.home1.test")
        .with("To", format!("<{ALICE}>"));
    check::accepted(&scene.send(&scscf, &register).answer());
}
