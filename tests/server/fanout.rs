//! A REFER for many, against the real server: pacing, limits, sizes, encodings, who is told what.
//! It is not the matrix of requirements.md section 7: see `matrix/`.

use crate::kit::lists::{entry, list, list_to, with_list, with_multipart};
use crate::kit::refer::{expect_notify, expect_outcome, expect_trying};
use crate::kit::{check, Group, Leg, Msg, Scene, Script, Setup, Transport, PLACES, QUIET};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::Compression;
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

fn with_alice(setup: Setup, transport: Transport) -> (Scene, Leg) {
    let scene = Scene::with(setup, transport);
    let alice = scene.participant(ALICE, &group());
    (scene, alice)
}

fn targets(n: usize) -> Vec<String> {
    (0..n)
        .map(|i| format!("sip:target{i}@home1.test"))
        .collect()
}

fn refer_to(alice: &mut Leg, uris: &[String]) -> Msg {
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    with_list(
        alice.refer("").with("Require", "multiple-refer"),
        list_to(&uris),
    )
}

/// The result told for each target, and that only the last one ended the subscription.
fn results(alice: &Leg, call_id: &str, uris: &[String]) -> HashMap<String, u16> {
    expect_trying(alice.ua(), call_id);
    let mut told = HashMap::new();
    loop {
        let next = expect_notify(alice.ua(), call_id);
        if next.status >= 200 {
            let about = uris.iter().find(|u| {
                next.body.contains(&format!("{u}>")) || next.body.contains(&format!("{u}\r"))
            });
            let about =
                about.unwrap_or_else(|| panic!("it names its target: {}", next.incoming.msg));
            assert!(
                told.insert(about.clone(), next.status).is_none(),
                "told twice: {about}"
            );
        }
        if next.state == "terminated" {
            assert_eq!(next.reason.as_deref(), Some("noresource"));
            return told;
        }
    }
}

#[test]
fn a_hundred_targets_are_each_invited_once_and_told() {
    const MANY: usize = 99;
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Tcp);
    scene.target(Script::on("INVITE").reply(180).accept());
    scene.target(Script::on("INVITE").to("7@home1").reply(180).reply(603));
    let uris = targets(MANY);
    let refer = refer_to(&mut alice, &uris);
    let before = Instant::now();
    check::accepted(&alice.send(&refer).answer());
    assert!(
        before.elapsed() < Duration::from_millis(500),
        "the answer does not wait: {:?}",
        before.elapsed()
    );
    let told = results(&alice, refer.call_id(), &uris);
    assert_eq!(told.len(), MANY);
    for (uri, status) in &told {
        assert_eq!(*status, if uri.contains("7@") { 603 } else { 200 }, "{uri}");
    }
    assert_eq!(scene.targets.count("INVITE"), MANY);
    // Others are served meanwhile and afterwards.
    scene.participant(BOB, &group());
}

#[test]
fn other_requests_are_served_while_a_fan_out_goes_on() {
    let (scene, mut alice) = with_alice(
        Setup::new([group()]).env("CPM_WORKERS", "1"),
        Transport::Udp,
    );
    let refer = refer_to(&mut alice, &targets(60));
    alice.send(&refer);
    let bob = scene.ua(BOB);
    let before = Instant::now();
    let options = bob.request("OPTIONS", &format!("sip:{}", scene.server.addr()));
    check::accepted(&scene.send(&bob, &options).answer());
    assert!(
        before.elapsed() < Duration::from_millis(500),
        "took {:?}",
        before.elapsed()
    );
}

#[test]
fn one_verdict_and_one_result_per_target() {
    let rules = [
        crate::kit::groups::all_actions(crate::kit::Rule::members()),
        crate::kit::Rule::when(
            "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/></cp:many></cp:identity>",
        )
        .allow("join-handling"),
    ];
    let group = Group::new("sip:mixed@groups.home1.test", &[ALICE, BOB], &rules);
    let scene = Scene::new([&group]);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    scene.target(Script::on("INVITE").to("carol").accept());
    scene.target(Script::on("INVITE").to("dave").reply(486));
    let uris: Vec<String> = [
        "carol@home1.test",
        "mallory@home1.test",
        "dave@home1.test",
        "x@other.test",
        "bob@home1.test",
    ]
    .map(|u| format!("sip:{u}"))
    .to_vec();
    let refer = refer_to(&mut alice, &uris);
    check::accepted(&alice.send(&refer).answer());
    let told = results(&alice, refer.call_id(), &uris);
    let statuses: Vec<u16> = uris
        .iter()
        .map(|u| told.get(u).copied().unwrap_or(0))
        .collect();
    assert_eq!(statuses, [200, 403, 486, 403, 200]);
    assert_eq!(scene.targets.count("INVITE"), 2);
}

#[test]
fn more_targets_than_max_refer_targets_get_403() {
    let (scene, mut alice) = with_alice(
        Setup::new([group()]).param_int("max_refer_targets", 5),
        Transport::Udp,
    );
    let refer = refer_to(&mut alice, &targets(6));
    check::refused(&alice.send(&refer).answer(), 403, None);
    scene.nobody_invited();
    let refer = refer_to(&mut alice, &targets(5));
    check::accepted(&alice.send(&refer).answer());
}

#[test]
fn max_participants_counts_who_is_in_and_who_is_being_invited() {
    let (scene, mut alice) = with_alice(
        Setup::new([group()]).param_int("max_participants", 4),
        Transport::Udp,
    );
    scene.target(Script::on("INVITE").reply(180));
    let uris = targets(5);
    let refer = refer_to(&mut alice, &uris);
    check::accepted(&alice.send(&refer).answer());
    for uri in &uris[..3] {
        scene.invite_for(uri);
    }
    scene.targets.expect_none("INVITE", QUIET);
    // Those for whom there is no place are told so at once, in the order of the list.
    expect_trying(alice.ua(), refer.call_id());
    for uri in &uris[3..] {
        let next = expect_notify(alice.ua(), refer.call_id());
        assert!(
            next.status == 486 && next.body.contains(uri.as_str()),
            "{}",
            next.body
        );
    }
    let more = alice.refer("<sip:late@home1.test>");
    check::refused(&alice.send(&more).answer(), 486, Some("102"));
}

#[test]
fn entries_may_carry_a_method_and_headers() {
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Udp);
    let xml = list(&[
        entry("sip:one@home1.test;method=INVITE", "cp:copyControl=\"to\""),
        entry("sip:two@home1.test?method=INVITE", "cp:copyControl=\"to\""),
        entry(
            "sip:three@home1.test?Route=%3Csip:evil.test%3E&amp;Subject=evil",
            "cp:copyControl=\"to\"",
        ),
    ]);
    let refer = with_list(alice.refer(""), &xml);
    check::accepted(&alice.send(&refer).answer());
    for uri in [
        "sip:one@home1.test",
        "sip:two@home1.test",
        "sip:three@home1.test",
    ] {
        let invite = scene.invite_for(uri);
        check::free_of(&invite.raw, &["evil", "method="]);
    }
}

#[test]
fn methods_that_do_not_go_together_are_refused() {
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Udp);
    let mixed = list(&[
        entry("sip:one@home1.test;method=INVITE", ""),
        entry("sip:two@home1.test;method=BYE", ""),
    ]);
    let refer = with_list(alice.refer(""), &mixed);
    check::refused(&alice.send(&refer).answer(), 400, None);
    let other = list(&[entry("sip:one@home1.test;method=MESSAGE", "")]);
    let refer = with_list(alice.refer(""), &other);
    check::refused(&alice.send(&refer).answer(), 488, None);
    scene.nobody_invited();
}

#[test]
fn a_list_of_byes_puts_several_out() {
    let group = Group::open("s", &[ALICE, BOB, "sip:carol@home1.test"]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    let others = [BOB, "sip:carol@home1.test"].map(|who| scene.participant(who, &group));
    let uris = [
        format!("{BOB}?method=BYE"),
        "sip:carol@home1.test?method=BYE".to_string(),
    ];
    let refer = with_list(alice.refer(""), list(&uris.map(|u| entry(&u, ""))));
    check::accepted(&alice.send(&refer).answer());
    for other in &others {
        other.dialog.expect("BYE");
    }
    scene.nobody_invited();
}

#[test]
fn the_cid_is_found_however_it_is_written() {
    let xml = list_to(&["sip:carol@home1.test"]);
    type Form = fn(Msg, &str) -> Msg;
    let forms: [(&str, Form); 6] = [
        ("percent-encoded", |m, x| {
            with_list(m, x).with("Refer-To", "<cid:list%40home1.test>")
        }),
        ("method outside", |m, x| {
            with_list(m, x).with("Refer-To", "<cid:list@home1.test>;method=INVITE")
        }),
        ("method inside", |m, x| {
            with_list(m, x).with("Refer-To", "<cid:list@home1.test;method=INVITE>")
        }),
        ("Content-ID without brackets", |m, x| {
            with_list(m, x).with("Content-ID", "list@home1.test")
        }),
        ("in a multipart", |m, x| with_multipart(m, x)),
        ("no disposition", |m, x| {
            with_list(m, x).without("Content-Disposition")
        }),
    ];
    for (what, form) in forms {
        for place in PLACES {
            let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Udp);
            let refer = form(alice.refer_at(place, ""), &xml);
            let answer = alice.send(&refer).answer();
            assert_eq!(answer.status(), 200, "{what}: {answer}");
            scene.invite_for("sip:carol@home1.test");
        }
    }
}

#[test]
fn a_list_meant_without_a_cid_is_the_list() {
    // Phones with operator conferencing name the focus or the factory and send the list as the body.
    let xml = list_to(&["sip:carol@home1.test"]);
    for factory in [false, true] {
        let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Udp);
        let named = if factory {
            "sip:conference-factory@conf.home1.test".to_string()
        } else {
            alice.focus.clone()
        };
        let refer = with_list(alice.refer(""), &xml).without("Content-ID");
        let refer = refer.with("Refer-To", format!("<{named};method=INVITE>"));
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for("sip:carol@home1.test");
        scene.targets.expect_none("INVITE", QUIET);
    }
}

#[test]
fn compressed_lists_are_read_and_bombs_are_not() {
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Tcp);
    let pack = |name: &str, data: &[u8]| -> Vec<u8> {
        let best = Compression::best();
        match name {
            "gzip" => finish(GzEncoder::new(Vec::new(), best), data, |e| e.finish()),
            "deflate" => finish(ZlibEncoder::new(Vec::new(), best), data, |e| e.finish()),
            _ => finish(DeflateEncoder::new(Vec::new(), best), data, |e| e.finish()),
        }
    };
    for (n, form) in ["gzip", "deflate", "raw"].into_iter().enumerate() {
        let target = format!("sip:packed{n}@home1.test");
        let body = pack(form, list_to(&[&target]).as_bytes());
        let encoding = if form == "gzip" { "gzip" } else { "deflate" };
        let refer = with_list(alice.refer(""), &body).with("Content-Encoding", encoding);
        check::accepted(&alice.send(&refer).answer());
        scene.invite_for(&target);
    }
    let before = scene.targets.count("INVITE");
    let huge = format!(
        "{}{}",
        list_to(&["sip:carol@home1.test"]),
        " ".repeat(40_000_000)
    );
    let refer =
        with_list(alice.refer(""), pack("gzip", huge.as_bytes())).with("Content-Encoding", "gzip");
    let answer = alice.send(&refer).answer();
    assert!([400, 413, 415].contains(&answer.status()), "{answer}");
    let broken =
        with_list(alice.refer(""), b"\x1f\x8bnot gzip at all").with("Content-Encoding", "gzip");
    check::refused(&alice.send(&broken).answer(), 400, None);
    scene.targets.expect_none("INVITE", QUIET);
    assert_eq!(scene.targets.count("INVITE"), before);
}

fn finish<E: Write>(
    mut encoder: E,
    data: &[u8],
    end: impl Fn(E) -> std::io::Result<Vec<u8>>,
) -> Vec<u8> {
    encoder.write_all(data).expect("it compresses");
    end(encoder).expect("it ends")
}

#[test]
fn a_single_target_of_a_list_is_told_like_any_other() {
    let (scene, mut alice) = with_alice(Setup::new([group()]), Transport::Udp);
    scene.target(Script::on("INVITE").accept());
    let refer = refer_to(&mut alice, &targets(1));
    check::accepted(&alice.send(&refer).answer());
    expect_outcome(alice.ua(), refer.call_id(), 200);
}

#[test]
fn the_history_does_not_give_away_an_anonymous_referrer() {
    let group = Group::discreet("d", &[ALICE, BOB]);
    let scene = Scene::new([&group]);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    let refer = refer_to(&mut alice, &targets(3)).with("Privacy", "id");
    check::accepted(&alice.send(&refer).answer());
    for uri in targets(3) {
        scene.invite_for(&uri);
    }
    check::free_of(&scene.targets.every_byte(), &["alice", alice.call_id()]);
}
