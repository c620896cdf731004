//! Step 3 of a REFER with a resource list: how it is found and read, limits, and who is told what.

use crate::kit::lists::{entry, list, list_to, refer_to_all, targets, with_list, with_multipart};
use crate::kit::refer::{expect_notify, expect_outcome, expect_trying, results};
use crate::kit::{
    check, pair, with_alice, Group, Leg, Msg, Scene, Script, Setup, Transport, ALICE, BOB, CAROL,
    PLACES, QUIET,
};
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use flate2::Compression;
use std::io::Write;
use std::time::{Duration, Instant};

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

fn over_tcp() -> (Scene, Leg) {
    let scene = Scene::with(Setup::new([group()]), Transport::Tcp);
    let alice = scene.participant(ALICE, &group());
    (scene, alice)
}

#[test]
fn a_hundred_targets_are_each_invited_once_and_told() {
    const MANY: usize = 99;
    let (scene, mut alice) = over_tcp();
    scene.target(Script::on("INVITE").reply(180).accept());
    scene.target(Script::on("INVITE").to("7@home1").reply(180).reply(603));
    let uris = targets(MANY);
    let refer = refer_to_all(&mut alice, &uris);
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
    let (scene, mut alice) = with_alice(|setup| setup.env("CPM_WORKERS", "1"));
    let refer = refer_to_all(&mut alice, &targets(60));
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
fn more_targets_than_max_refer_targets_get_403() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("max_refer_targets", 5));
    let refer = refer_to_all(&mut alice, &targets(6));
    check::refused(&alice.send(&refer).answer(), 403, None);
    scene.nobody_invited();
    let refer = refer_to_all(&mut alice, &targets(5));
    check::accepted(&alice.send(&refer).answer());
}

#[test]
fn max_participants_counts_who_is_in_and_who_is_being_invited() {
    let (scene, mut alice) = with_alice(|setup| setup.param_int("max_participants", 4));
    scene.target(Script::on("INVITE").reply(180));
    let uris = targets(5);
    let refer = refer_to_all(&mut alice, &uris);
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
    let (scene, mut alice) = with_alice(|setup| setup);
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
fn the_cid_is_found_however_it_is_written() {
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
    let (scene, mut alice) = with_alice(|setup| setup);
    for (n, (what, form)) in forms.into_iter().enumerate() {
        for place in PLACES {
            let target = format!("sip:{place:?}{n}@home1.test");
            let refer = form(alice.refer_at(place, ""), &list_to(&[&target]));
            let answer = alice.send(&refer).answer();
            assert_eq!(answer.status(), 200, "{what}: {answer}");
            scene.invite_for(&target);
        }
    }
    scene.targets.expect_none("INVITE", QUIET);
}

#[test]
fn compressed_lists_are_read_and_bombs_are_not() {
    let (scene, mut alice) = over_tcp();
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
    let huge = format!("{}{}", list_to(&[CAROL]), " ".repeat(40_000_000));
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
    let (scene, mut alice) = with_alice(|setup| setup);
    scene.target(Script::on("INVITE").accept());
    let refer = refer_to_all(&mut alice, &targets(1));
    check::accepted(&alice.send(&refer).answer());
    expect_outcome(alice.ua(), refer.call_id(), 200);
}

#[test]
fn only_session_replaces_goes_on_and_only_to_whom_it_is_meant_for() {
    let (scene, mut alice, _bob) = pair(Transport::Udp, |setup| setup);
    let evil = "Route=%3Csip%3Aevil%40evil.test%3E&amp;Subject=evil&amp;Call-ID=evil&amp;body=evil";
    let entries = [
        entry(
            &format!("sip:carol@home1.test;method=INVITE?Session-Replaces=xyz-1&amp;{evil}"),
            "cp:copyControl=\"to\"",
        ),
        entry(
            "sip:dave@home1.test?Session-Replaces=xyz%2D2",
            "cp:copyControl=\"to\"",
        ),
        entry("sip:erin@home1.test", "cp:copyControl=\"to\""),
        // An escape must not become a control character.
        entry(
            "sip:frank@home1.test?Session-Replaces=a%0D%0ARoute:%20evil",
            "cp:copyControl=\"to\"",
        ),
    ];
    let refer = with_list(
        alice.refer("").with("Require", "multiple-refer"),
        list(&entries),
    );
    check::accepted(&alice.send(&refer).answer());
    for (who, replaces) in [
        ("carol", Some("xyz-1")),
        ("dave", Some("xyz-2")),
        ("erin", None),
        ("frank", None),
    ] {
        let invite = scene.invite_for(&format!("sip:{who}@home1.test"));
        assert_eq!(
            invite.msg.header("Session-Replaces"),
            replaces,
            "{}",
            invite.msg
        );
        check::free_of(&invite.raw, &["evil"]);
        // The list that everybody gets does not show it either.
        let told = invite.msg.body_text();
        assert!(!told.contains("xyz"), "{told}");
    }
}
