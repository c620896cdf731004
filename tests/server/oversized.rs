//! Requests of which one header field fills the whole message: each of them has its answer.

use crate::kit::{check, token, Group, Msg, Scene, Setup, Transport, Ua, ALICE, CAROL};
use std::time::Duration;

/// Of a header field: nearly what a message may have (tcp_rd_buf_size is 65536 bytes).
const LARGE: usize = 60_000;
/// How long the answer to one message may take. Generous: it is waited for in full by a test that fails.
const ANSWERED: Duration = Duration::from_secs(3);

/// Header fields with a usual value, which is made large at its end.
const FIELDS: &[(&str, &str)] = &[
    ("Accept", "application/sdp"),
    ("Accept-Contact", "*;explicit"),
    ("Accept-Encoding", "gzip"),
    ("Allow", "INVITE"),
    ("Allow-Events", "conference"),
    ("Contact", "<sip:alice@127.0.0.1>"),
    ("Content-Disposition", "session"),
    ("Content-Encoding", "identity"),
    ("Content-Type", "text/plain"),
    ("Contribution-ID", "abc"),
    ("Conversation-ID", "abc"),
    ("Event", "conference"),
    ("Expires", "60"),
    ("From", "<sip:alice@home1.test>;tag=1"),
    ("Max-Forwards", "70"),
    ("Min-SE", "90"),
    ("P-Asserted-Identity", "<sip:alice@home1.test>"),
    (
        "P-Asserted-Service",
        "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group",
    ),
    ("Privacy", "id"),
    ("Proxy-Require", "x"),
    ("Record-Route", "<sip:127.0.0.1;lr>"),
    ("Refer-Sub", "false"),
    ("Refer-To", "<sip:carol@home1.test>"),
    ("Referred-By", "<sip:alice@home1.test>"),
    ("Reject-Contact", "*;x"),
    ("Require", "timer"),
    ("Route", "<sip:127.0.0.1;lr>"),
    ("Session-Expires", "1800"),
    ("Subject", "lunch"),
    ("Supported", "timer"),
    ("Target-Dialog", "abc;local-tag=1;remote-tag=2"),
    ("User-Agent", "x"),
    ("X-Unknown", "x"),
];

/// Ways to make a value large: with many entries, with one long one, and with many parameters.
const WAYS: &[fn(&str, usize) -> String] = &[
    |value, size| value.to_owned() + &",y".repeat(size.saturating_sub(value.len()) / 2),
    |value, size| value.to_owned() + &"y".repeat(size.saturating_sub(value.len())),
    |value, size| value.to_owned() + &";y".repeat(size.saturating_sub(value.len()) / 2),
];

fn requests(scene: &Scene, ua: &Ua, group: &Group) -> Vec<Msg> {
    let refer = ua.request("REFER", &group.uri);
    let subscribe = ua.request("SUBSCRIBE", &group.uri);
    vec![
        refer.with("Refer-To", format!("<{CAROL}>")),
        scene.invite(ua, &group.uri),
        subscribe.with("Event", "conference").with("Expires", "60"),
        ua.request("OPTIONS", &group.uri),
        ua.request("MESSAGE", &group.uri),
    ]
}

fn everything_is_answered(transport: Transport) {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::with(Setup::new([&group]), transport);
    let alice = scene.participant(ALICE, &group);
    let mut silent = Vec::new();
    for (name, value) in FIELDS {
        for (way, large) in WAYS.iter().enumerate() {
            for request in requests(&scene, alice.ua(), &group) {
                let method = request.method().to_owned();
                let request = request
                    .with("Call-ID", token(8))
                    .with(name, large(value, LARGE));
                let ua = scene.ua(ALICE);
                if scene.send(&ua, &request).answer_within(ANSWERED).is_none() {
                    silent.push(format!("{method} with {name}, way {way}"));
                }
            }
        }
    }
    assert!(silent.is_empty(), "no answer to:\n{}", silent.join("\n"));
}

/// What Kamailio itself cannot read it drops, so To is made large in the only way that keeps it well-formed.
fn a_large_to_is_answered(transport: Transport) {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::with(Setup::new([&group]), transport);
    let alice = scene.ua(ALICE);
    for request in requests(&scene, &alice, &group) {
        let to = format!("<{}>{}", group.uri, ";y".repeat(LARGE / 2));
        scene.send(&alice, &request.with("To", to)).answer();
    }
}

#[test]
fn an_answer_names_the_first_unsupported_options_only() {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::new([&group]);
    let mut alice = scene.participant(ALICE, &group);
    let tags: Vec<String> = (0..8_000).map(|n| format!("x{n}")).collect();
    let refer = alice.refer(&format!("<{CAROL}>"));
    let refused = alice.send(&refer.with("Require", tags.join(","))).answer();
    check::refused(&refused, 420, None);
    assert_eq!(refused.list("Unsupported"), tags[..20]);
    scene.nobody_invited();
}

over_udp_and_tcp! { everything_is_answered a_large_to_is_answered }
