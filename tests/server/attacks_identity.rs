//! Attacks on who is who: a member, or somebody with the words of one, wants to be taken for another.

use crate::kit::adhoc::{self, accepted, creation};
use crate::kit::groups::all_actions;
use crate::kit::lists::{entry, list, list_to, with_list};
use crate::kit::refer::{expect_end, expect_trying, results};
use crate::kit::schema::{user, users};
use crate::kit::sip::uri_of;
use crate::kit::watch::{subscribe, Watcher};
use crate::kit::{
    check, pair, Group, Leg, Msg, Rule, Scene, Script, Setup, Transport, ALICE, BOB, CAROL, DAVE,
    QUIET, SOON,
};

const SHOWN: &str = "sip:anonymous-1@anonymous.invalid";

/// REFER of alice's endpoint, outside a dialog, that names another's dialog as the focus sees it
/// (RFC 4538 section 3).
fn naming_dialog_of(other: &Leg, refer: Msg) -> Msg {
    let tag = |tag: Option<String>| tag.expect("a dialog has tags");
    let value = format!(
        "{};local-tag={};remote-tag={}",
        other.call_id(),
        tag(other.dialog.remote_tag()),
        tag(other.dialog.local_tag())
    );
    refer.with("Target-Dialog", value)
}

/// Without an asserted identity nobody is anybody, whatever dialog is named; what was answered leaves
/// nothing behind.
#[test]
fn a_known_dialog_is_no_identity() {
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
    for other in [&bob, &alice] {
        let refer = naming_dialog_of(other, alice.refer_outside(&format!("<{CAROL}>")));
        let nobody = refer.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
        let watch = naming_dialog_of(other, subscribe(&alice, &alice.focus));
        let nobody = watch.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
        let join = naming_dialog_of(other, scene.invite(alice.ua(), &alice.focus));
        let nobody = join.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
    }
    scene.nobody_invited();
    // The same dialog, and somebody who is asserted: it is his own REFER.
    let refer = naming_dialog_of(&alice, bob.refer_outside(&format!("<{CAROL}>")));
    check::accepted(&bob.send(&refer).answer());
    expect_trying(bob.ua(), refer.call_id());
    let invite = scene.invite_for(CAROL);
    assert_eq!(
        uri_of(invite.msg.need("Referred-By")),
        BOB,
        "{}",
        invite.msg
    );
}

/// One name as others may write it.
fn spellings_of(name: &str) -> [String; 5] {
    let upper = name.to_uppercase();
    let first = name.bytes().next().unwrap_or_default();
    let rest = name.get(1..).unwrap_or_default();
    [
        format!("sip:{name};x=y@home1.test"),
        format!("sip:{upper}@home1.test"),
        format!("sip:%{first:02x}{rest}@home1.test"),
        format!("sip:{upper}%3Bx@home1.test"),
        format!("sips:{name}:secret@HOME1.test:5070"),
    ]
}

/// `<cp:except id="sip:mallory@home1.test"/>` keeps her out under every spelling, as a target and as a
/// joiner.
#[test]
fn an_exception_knows_every_spelling() {
    let group = Group::closed();
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    for mallory in spellings_of("mallory") {
        let refer = alice.refer(&format!("<{mallory}>"));
        check::accepted(&alice.send(&refer).answer());
        expect_trying(alice.ua(), refer.call_id());
        assert_eq!(
            expect_end(alice.ua(), refer.call_id()).status,
            403,
            "{mallory}"
        );
        let ua = scene.ua(&mallory);
        let answer = scene.send(&ua, &scene.invite(&ua, &group.uri)).answer();
        check::refused(&answer, 403, None);
    }
    scene.nobody_invited();
    // Another spelling of a person who may come is another person, as ever: she is invited as herself.
    check::accepted(&alice.referred("<sip:Carol@home1.test>"));
    scene.invite_for("sip:Carol@home1.test");
}

/// Who was put out does not come back, and does not watch, under another spelling.
#[test]
fn a_ban_knows_every_spelling() {
    let group = Group::new(
        "sip:hosted@groups.home1.test",
        &[],
        &[all_actions(Rule::everybody())],
    );
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    let _carol = scene.participant(CAROL, &group);
    let bob = scene.participant(BOB, &group);
    check::accepted(&alice.referred(&format!("<{BOB};method=BYE>")));
    bob.dialog.expect("BYE");
    for again in spellings_of("bob") {
        let ua = scene.ua(&again);
        let answer = scene.send(&ua, &scene.invite(&ua, &group.uri)).answer();
        check::refused(&answer, 403, Some("127"));
        let watch = ua
            .request("SUBSCRIBE", &alice.focus)
            .with("Event", "conference")
            .with("Accept", "application/conference-info+xml");
        check::refused(&scene.send(&ua, &watch).answer(), 403, Some("105"));
    }
    // Whoever may invite lets him in again, by any name of his.
    let bob = "sip:Bob@home1.test";
    check::accepted(&alice.referred(&format!("<{bob}>")));
    scene.accept(&scene.invite_for(bob));
    scene.participant(BOB, &group);
}

/// Who left an ad-hoc session for good comes back by invitation only, also under another name that was on
/// the list.
#[test]
fn leaving_for_good_knows_every_spelling() {
    let scene = adhoc::accepting(Transport::Udp);
    let ua = scene.ua(ALICE);
    let other = "sip:BOB@home1.test";
    let alice = scene.enter(&ua, &creation(&scene, &ua, &list_to(&[BOB, other, CAROL])));
    let [mut first, mut second, _carol] = [BOB, other, CAROL].map(|who| accepted(&scene, who));
    check::accepted(&second.bye());
    let bye = first.request("BYE");
    let for_good = bye.with("Reason", "SIP;cause=200;text=\"Call completed\"");
    check::accepted(&first.send(&for_good).answer());
    for again in [BOB, other] {
        let again = scene.ua(again);
        let refused = scene
            .send(&again, &scene.invite(&again, &alice.focus))
            .answer();
        check::refused(&refused, 403, Some("127 Service not authorised"));
    }
}

/// The names of those who are not to be named, wherever they could appear: in what another participant is
/// told, in the log at INFO, in what an operator reads.
fn named_nowhere(scene: &Scene, watcher: &Watcher, focus: &str, call_id: &str, name: &str) {
    for document in &watcher.documents {
        assert!(!document.contains(name), "{document}");
    }
    let rpc = |command: &[&str]| scene.server.rpc_ok(command);
    for told in [rpc(&["cpm.show", focus]), rpc(&["cpm.why", call_id])] {
        assert!(!told.contains(name), "{told}");
        assert!(told.contains("anonymous.invalid"), "{told}");
    }
    for told in [
        rpc(&["cpm.show", focus, "full"]),
        rpc(&["cpm.why", call_id, "full"]),
    ] {
        assert!(told.contains(name), "{told}");
    }
    let short = format!("sip:{}***", &name[..1]);
    for line in scene
        .server
        .log_text()
        .lines()
        .filter(|line| line.contains("INFO"))
    {
        assert!(!line.contains(name) && !line.contains(&short), "{line}");
    }
}

/// Alice and bob in a session whose watchers are told of each change at once.
fn told_at_once() -> (Scene, Leg, Leg) {
    pair(Transport::Udp, |setup| {
        setup.param_int("conference_notify_interval", 0)
    })
}

#[test]
fn who_is_invited_in_secret_is_named_to_nobody_else() {
    for hiding in [
        "cp:copyControl=\"bcc\"",
        "cp:copyControl=\"to\" cp:anonymize=\"true\"",
    ] {
        let (scene, mut alice, bob) = told_at_once();
        scene.target(Script::on("INVITE").accept());
        let mut watcher = Watcher::of(&bob);
        let zoe = "sip:zoe@home1.test";
        let xml = list(&[entry(zoe, hiding), entry(DAVE, "cp:copyControl=\"to\"")]);
        let refer = with_list(alice.refer("<cid:list@home1.test>"), xml);
        check::accepted(&alice.send(&refer).answer());
        let invite = scene.invite_for(DAVE);
        check::free_of(&invite.raw, &["zoe"]);
        watcher.until(SHOWN, "connected dialed-out");
        // Her inviter knows, and is told.
        let told = results(&alice, refer.call_id(), &[zoe.into(), DAVE.into()]);
        assert_eq!(told.get(zoe), Some(&200));
        named_nowhere(&scene, &watcher, &alice.focus, refer.call_id(), "zoe");
        check::accepted(&alice.referred(&format!("<{SHOWN};method=BYE>")));
        watcher.until(SHOWN, "disconnected booted");
        assert!(!watcher.documents.concat().contains("zoe"));
    }
}

#[test]
fn who_accepts_anonymously_is_named_no_more() {
    let (scene, mut alice, bob) = told_at_once();
    let zoe = "sip:zoe@home1.test";
    let mut watcher = Watcher::of(&bob);
    check::accepted(&alice.referred(&format!("<{zoe}>")));
    let invite = scene.invite_for(zoe);
    watcher.until(zoe, "dialing-out");
    let asserted = format!("\"Zoe\" <{zoe}>");
    let privacy = [
        ("Privacy", "id"),
        ("P-Asserted-Identity", asserted.as_str()),
    ];
    scene.targets.reply(&invite, 200, &privacy);
    let change = watcher.until(SHOWN, "connected dialed-out");
    let old = user(&change, zoe).expect("the old entry goes");
    assert!(
        old.contains("state=\"deleted\"") && !change.contains("Zoe"),
        "{change}"
    );
    check::accepted(&watcher.again(600));
    let whole = watcher.next();
    assert_eq!(users(&whole), [ALICE, BOB, SHOWN]);
    // Whoever comes later never hears the name.
    let late = Watcher::of(&alice);
    assert!(!late.documents.concat().contains("zoe"));
    let shown = scene.server.rpc_ok(&["cpm.show", &alice.focus]);
    assert!(!shown.contains("zoe") && shown.contains(SHOWN), "{shown}");
}

const NUMBER: &str = "tel:+358401234567";

/// A member by number, and the same number under a host that is nobody's business.
#[test]
fn a_number_under_a_foreign_host_is_no_member() {
    let group = Group::open("s", &[ALICE, NUMBER]);
    let scene = Scene::new([&group]);
    let member = scene.participant(NUMBER, &group);
    let evil = scene.ua("sip:+358401234567@evil.test;user=phone");
    // Not in, not on the list: neither inviting nor watching.
    let refer = evil
        .request("REFER", &member.focus)
        .with("Refer-To", format!("<{CAROL}>"));
    check::refused(&scene.send(&evil, &refer).answer(), 403, Some(""));
    let watch = evil
        .request("SUBSCRIBE", &member.focus)
        .with("Event", "conference");
    check::refused(&scene.send(&evil, &watch).answer(), 403, None);
    scene.nobody_invited();
    // Whoever may come at all comes as somebody else: the member's leg stays.
    let mut other = scene.join(&evil, &group.uri);
    member.dialog.expect_none("BYE", QUIET);
    let refer = other.refer(&format!("<{CAROL}>"));
    check::refused(&other.send(&refer).answer(), 403, Some(""));
    // Under a host of the list it is the member, and comes in his place.
    let same = scene.ua("sip:+358-40-1234567@home1.test;user=phone");
    let mut same = scene.join(&same, &group.uri);
    member.dialog.expect("BYE");
    check::accepted(&same.referred(&format!("<{CAROL}>")));
    scene.invite_for(CAROL);
}

/// An interconnect that the operator names may stand for numbers.
#[test]
fn an_interconnect_is_named_by_the_operator() {
    let group = Group::open("s", &[ALICE, NUMBER]);
    let setup = Setup::new([&group]).param_str("phone_domains", "other.test, Partner.test.");
    let scene = Scene::with(setup, Transport::Udp);
    for (n, host) in ["partner.test", "other.test:5070", "evil.test"]
        .into_iter()
        .enumerate()
    {
        let ua = scene.ua(&format!("sip:+358401234567@{host}"));
        let mut leg = scene.join(&ua, &group.uri);
        let target = format!("sip:t{n}@home1.test");
        let answer = leg.referred(&format!("<{target}>"));
        match host {
            "evil.test" => check::refused(&answer, 403, Some("")),
            _ => check::accepted(&answer),
        }
    }
    let wrong = Setup::new([&group]).param_str("phone_domains", "partner.test:5060");
    let log = wrong
        .try_start()
        .err()
        .expect("a port is no part of it")
        .log;
    assert!(log.contains("phone_domains"), "{log}");
}

/// With nothing set, the subscribers of the domain above ours have their numbers, in an ad-hoc session too.
#[test]
fn a_phone_user_of_the_home_domain_comes_back_to_an_adhoc_session() {
    let scene = adhoc::accepting(Transport::Udp);
    let alice = scene.ua(ALICE);
    let invite = creation(&scene, &alice, &list_to(&[NUMBER, BOB]));
    let alice = scene.enter(&alice, &invite);
    let mut member = accepted(&scene, NUMBER);
    let _bob = accepted(&scene, BOB);
    check::accepted(&member.bye());
    let same = scene.ua("sip:+358401234567@home1.test;user=phone");
    let mut same = scene.join(&same, &alice.focus);
    check::accepted(&same.dialog.bye());
    let other = scene.ua("sip:+358401234567@evil.test;user=phone");
    let invite = scene.invite(&other, &alice.focus);
    check::refused(&scene.send(&other, &invite).answer(), 403, Some("127"));
}

/// The operator learns which host is missing.
#[test]
fn a_phone_domain_that_is_missing_is_told() {
    let group = Group::open("s", &[ALICE, NUMBER]);
    let setup = Setup::new([&group]).env("CPM_PHONE_DOMAINS", "partner.test");
    let scene = Scene::with(setup, Transport::Udp);
    for host in ["partner.test", "evil.test"] {
        let ua = scene.ua(&format!("sip:+358401234567@{host};user=phone"));
        scene.join(&ua, &group.uri);
    }
    assert!(scene.server.log_has("phone domain host=evil.test", SOON));
    assert!(!scene.server.log_text().contains("host=partner.test"));
}

/// Who is excluded by number is so under every host.
#[test]
fn an_excluded_number_is_excluded_under_every_host() {
    let many =
        format!("<cp:identity><cp:many><cp:except id=\"{NUMBER}\"/></cp:many></cp:identity>");
    let group = Group::new(
        "sip:most@groups.home1.test",
        &[ALICE],
        &[all_actions(Rule::when(&many))],
    );
    let scene = Scene::new([&group]);
    for who in [
        NUMBER,
        "sip:+358401234567@evil.test",
        "sip:+358401234567@home1.test;user=phone",
    ] {
        let ua = scene.ua(who);
        let answer = scene.send(&ua, &scene.invite(&ua, &group.uri)).answer();
        check::refused(&answer, 403, None);
    }
}
