//! Offers and answers of real peers, and what our own look like.

use super::*;

fn local() -> LocalMedia {
    LocalMedia {
        msrp_uri: "msrp://192.0.2.1:2855".into(),
        session: "s3cr3t".into(),
        origin_id: 7,
        version: 1,
        fingerprint: None,
        chatroom: None,
    }
}

/// As the RCS reference client offers: active, port 9.
fn peer(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\n{media}")
}

const MESSAGE: &str =
    "m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim application/im-iscomposing+xml\r\n\
    a=accept-wrapped-types:text/plain message/imdn+xml\r\na=setup:active\r\n\
    a=path:msrp://10.0.0.2:9/abc;tcp\r\na=sendrecv\r\n";

fn parse(text: &str) -> Sdp {
    Sdp::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn answer(offer: &str) -> Result<String, SdpError> {
    let bytes = build_answer(&local(), &parse(offer))?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[test]
fn an_offer_is_understood() {
    let sdp = parse(&peer(MESSAGE));
    assert_eq!(sdp.origin, Some(("1".into(), "1".into())));
    let offer = sdp.usable_offer().unwrap();
    assert_eq!((offer.index, offer.tls), (0, false));
    assert_eq!(offer.setup, Some(Setup::Active));
    assert_eq!(offer.direction, Direction::SendRecv);
    assert_eq!(offer.path[0].as_str(), "msrp://10.0.0.2:9/abc;tcp");
    assert_eq!(
        offer.accept_wrapped_types,
        ["text/plain", "message/imdn+xml"]
    );
    assert_eq!(offer.chatroom, None);
    assert_eq!(offer.connection.unwrap().address, "10.0.0.2");
}

#[test]
fn our_offer() {
    let text = String::from_utf8(build_offer(&local())).unwrap();
    assert_eq!(
        text,
        format!(
            "v=0\r\no=- 7 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=message 2855 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
             a=accept-wrapped-types:{WRAPPED_TYPES}\r\n\
             a=path:msrp://192.0.2.1:2855/s3cr3t;tcp\r\na=setup:actpass\r\n\
             a=connection:new\r\na=sendrecv\r\n"
        )
    );
    assert!(!WRAPPED_TYPES.contains("  "));
    let own = parse(&text).usable_offer().unwrap();
    assert_eq!(own.setup, Some(Setup::ActPass));
}

#[test]
fn ours_over_ipv6_and_tls() {
    let local = LocalMedia {
        msrp_uri: "msrps://[2001:DB8::1]:2856".into(),
        ..local()
    };
    local.check().unwrap();
    let text = String::from_utf8(build_offer(&local)).unwrap();
    assert!(text.contains("c=IN IP6 2001:db8::1\r\n"), "{text}");
    assert!(text.contains("m=message 2856 TCP/TLS/MSRP *\r\n"), "{text}");
    assert!(
        text.contains("a=path:msrps://[2001:db8::1]:2856/s3cr3t;tcp\r\n"),
        "{text}"
    );
    assert!(!text.contains("a=fingerprint"), "{text}");
    let hash = format!("sha-256 {}", ["AB"; 32].join(":"));
    assert!(is_fingerprint(&hash));
    assert!(!is_fingerprint("sha-256") && !is_fingerprint("sha-256 AB:CD\r\na=x"));
    let named = LocalMedia {
        fingerprint: Some(hash.clone()),
        ..local.clone()
    };
    let text = String::from_utf8(build_offer(&named)).unwrap();
    assert!(
        text.ends_with(&format!("a=fingerprint:{hash}\r\n")),
        "{text}"
    );
    let plain = parse(&peer(MESSAGE));
    assert!(matches!(
        build_answer(&local, &plain),
        Err(SdpError::NoUsableMedia(_))
    ));
}

#[test]
fn setup_and_direction_are_answered() {
    for (offered, answered) in [
        ("a=setup:active", "a=setup:passive"),
        ("a=setup:PASSIVE", "a=setup:active"),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=setup:holdconn", "a=setup:passive"),
        ("a=x", "a=setup:passive"),
    ] {
        let got = answer(&peer(&MESSAGE.replace("a=setup:active", offered))).unwrap();
        assert!(got.contains(&format!("{answered}\r\n")), "{offered}: {got}");
    }
    for (offered, answered) in [
        ("sendonly", "recvonly"),
        ("recvonly", "sendonly"),
        ("inactive", "inactive"),
        ("sendrecv", "sendrecv"),
    ] {
        let got = answer(&peer(&MESSAGE.replace("sendrecv", offered))).unwrap();
        assert!(
            got.ends_with(&format!("a={answered}\r\n")),
            "{offered}: {got}"
        );
    }
    // The session's attribute counts where the media has none.
    let text = peer(&MESSAGE.replace("a=sendrecv\r\n", "")).replace("t=0 0", "t=0 0\r\na=inactive");
    assert!(answer(&text).unwrap().ends_with("a=inactive\r\n"));
}

/// RFC 4145 section 5.2: an answer keeps the connection only where the offer wants that, and there is one.
#[test]
fn the_connection_stays_if_the_offer_says_so() {
    for (offered, first, again) in [
        ("a=x", "new", "new"),
        ("a=connection:new", "new", "new"),
        ("a=connection:EXISTING", "new", "existing"),
    ] {
        let sdp = parse(&peer(&MESSAGE.replace("a=sendrecv", offered)));
        for (shape, said) in [
            (Shape::answering(&local(), &sdp), first),
            (Shape::answering_again(&local(), &sdp), again),
        ] {
            let text = String::from_utf8(build(&local(), &shape.unwrap())).unwrap();
            assert!(
                text.contains(&format!("\r\na=connection:{said}\r\n")),
                "{offered}: {text}"
            );
        }
    }
    let text = String::from_utf8(build(&local(), &Shape::offer().offer_again())).unwrap();
    assert!(text.contains("\r\na=connection:existing\r\n"), "{text}");
}

#[test]
fn a_chat_room_says_what_it_has() {
    for (text, right) in [
        ("nickname", true),
        ("nickname private-messages", true),
        ("nicknames", false),
        ("nickname  private-messages", false),
        ("nickname\r\na=x", false),
        ("", false),
    ] {
        assert_eq!(is_chatroom(text), right, "{text}");
    }
    let room = LocalMedia {
        chatroom: Some(CHATROOM_TOKENS.join(" ")),
        ..local()
    };
    let text = String::from_utf8(build_offer(&room)).unwrap();
    assert!(
        text.ends_with("a=sendrecv\r\na=chatroom:nickname private-messages\r\n"),
        "{text}"
    );
    let own = parse(&text).usable_offer().unwrap();
    assert_eq!(own.chatroom.unwrap(), CHATROOM_TOKENS);
    let prose = format!("{MESSAGE}a=chatroom:Nicknames private-messages\r\n");
    let theirs = parse(&peer(&prose)).usable_offer().unwrap();
    assert_eq!(theirs.chatroom.unwrap(), CHATROOM_TOKENS);
}

#[test]
fn other_media_are_refused_in_their_place() {
    let text = peer(&format!(
        "m=audio 4000 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\n{MESSAGE}{MESSAGE}m=message 5 TCP/TLS/MSRP *\r\n"
    ));
    let got = answer(&text).unwrap();
    let lines: Vec<&str> = got.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=audio 0 RTP/AVP 0 8",
            "m=message 2855 TCP/MSRP *",
            "m=message 0 TCP/MSRP *",
            "m=message 0 TCP/TLS/MSRP *"
        ]
    );
}

#[test]
fn ipv6_peers() {
    let text = peer(&MESSAGE.replace("10.0.0.2", "[2001:db8::2]"))
        .replace("IN IP4 10.0.0.2", "IN IP6 2001:db8::2");
    let offer = parse(&text).usable_offer().unwrap();
    assert_eq!(offer.path[0].host(), "2001:db8::2");
    assert_eq!(
        offer.connection,
        Some(Connection {
            ipv6: true,
            address: "2001:db8::2".into()
        })
    );
}

#[test]
fn unusable_media() {
    for (from, to) in [
        ("message/cpim application", "text/plain application"),
        ("a=accept-types", "a=other"),
        ("a=path", "a=other"),
        ("m=message 9", "m=message 0"),
        ("m=message", "m=application"),
        ("TCP/MSRP", "UDP/MSRP"),
        ("TCP/MSRP", "TCP/TLS/MSRP"),
    ] {
        let got = answer(&peer(&MESSAGE.replace(from, to)));
        assert!(
            matches!(&got, Err(error @ SdpError::NoUsableMedia(_)) if error.status() == 488),
            "{from} {to}: {got:?}"
        );
    }
    assert!(matches!(answer(&peer("")), Err(SdpError::NoUsableMedia(_))));
    for types in ["*", "message/*", "text/plain Message/CPIM;charset=utf-8"] {
        let media = MESSAGE.replace("message/cpim application/im-iscomposing+xml", types);
        assert!(answer(&peer(&media)).is_ok(), "{types}");
    }
    // The second of two is taken when the first cannot be used.
    let bad = MESSAGE.replace("message/cpim", "text/plain");
    let offer = parse(&peer(&format!("{bad}{MESSAGE}")))
        .usable_offer()
        .unwrap();
    assert_eq!(offer.index, 1);
}

#[test]
fn answers() {
    let usable = |media: &str| parse(&peer(media)).usable_answer_to(&local());
    assert!(usable(MESSAGE).is_ok());
    for (from, to) in [
        ("m=message 9", "m=message 0"),
        ("setup:active", "setup:actpass"),
        ("message/cpim", "text/html"),
        ("TCP/MSRP", "TCP/TLS/MSRP"),
    ] {
        let got = usable(&MESSAGE.replace(from, to));
        assert!(
            matches!(got, Err(SdpError::NoUsableMedia(_))),
            "{from}: {got:?}"
        );
    }
}

#[test]
fn malformed() {
    for text in [
        "",
        "v=1\r\n",
        "o=- 1 1 IN IP4 x\r\n",
        "v=0\r\nnonsense",
        "v=0\r\nO=x",
        "v=0\r\no=- 1",
        "v=0\r\nc=IN IP4 2001:db8::1",
        "v=0\r\nc=IN ATM x",
        "v=0\r\nc=IN IP4",
        "v=0\r\nm=message 9 TCP/MSRP",
        "v=0\r\nm=message x TCP/MSRP *",
        "v=0\r\nm=message 65536 TCP/MSRP *",
        "v=0\r\nm=message 9 TCP/MS\rRP *",
        "v=0\r\na=",
        "v=0\r\na=b c:d",
        "\0\0\0",
    ] {
        let got = Sdp::parse(text.as_bytes());
        assert!(
            matches!(&got, Err(error @ SdpError::Malformed(_)) if error.status() == 400),
            "{text:?}: {got:?}"
        );
    }
    for (from, to) in [
        ("a=path:msrp:", "a=path:http:"),
        ("setup:active", "setup:x"),
    ] {
        let got = answer(&peer(&MESSAGE.replace(from, to)));
        assert!(
            matches!(got, Err(SdpError::Malformed(_))),
            "{from}: {got:?}"
        );
    }
    let many = format!("v=0\r\n{}", "m=a 0 b c\r\n".repeat(33));
    assert!(Sdp::parse(many.as_bytes()).is_err());
    let many = format!("v=0\r\n{}", "a=b\r\n".repeat(257));
    assert!(Sdp::parse(many.as_bytes()).is_err());
}

#[test]
fn bare_line_feeds_and_blank_lines_are_tolerated() {
    let text = peer(MESSAGE).replace("\r\n", "\n") + "\n\n";
    assert!(answer(&text).is_ok());
}

#[test]
fn our_own_parts_cannot_leave_their_line() {
    let bad = LocalMedia {
        msrp_uri: "msrp://x\r\na=y".into(),
        session: "s\r\na=z /;".into(),
        ..local()
    };
    assert!(bad.check().is_err());
    assert!(LocalMedia {
        session: "a b".into(),
        ..local()
    }
    .check()
    .is_err());
    assert!(local().check().is_ok());
    let text = String::from_utf8(build_offer(&bad)).unwrap();
    assert!(
        text.contains("a=path:msrp://0.0.0.0:2855/sa=z;tcp\r\n"),
        "{text}"
    );
    assert_eq!(
        text.lines().count(),
        build_offer(&local()).split(|b| *b == b'\n').count() - 1
    );
}

/// RFC 3264 section 8: what is offered again keeps the place of every line.
#[test]
fn what_is_offered_again_keeps_the_lines() {
    let many = "0 ".repeat(9_999) + "0";
    let text = peer(&format!("m=audio 4000 RTP/AVP {many}\r\n{MESSAGE}"))
        .replace("a=sendrecv", "a=sendonly");
    let shape = Shape::answering(&local(), &parse(&text)).unwrap();
    assert_eq!(shape.direction, Direction::RecvOnly);
    assert!(build(&local(), &shape).len() < 1_000);
    let again = String::from_utf8(build(&local(), &shape.offer_again())).unwrap();
    let again = parse(&again);
    let kinds: Vec<&str> = again.media.iter().map(|m| m.kind.as_str()).collect();
    assert_eq!(kinds, ["audio", "message"]);
    let own = again.usable_offer().unwrap();
    assert_eq!(
        (own.setup, own.direction),
        (Some(Setup::ActPass), Direction::SendRecv)
    );
    let long = "x".repeat(65);
    let text = peer(&format!("m={long} 1 RTP/AVP 0\r\n{MESSAGE}"));
    assert!(Shape::answering(&local(), &parse(&text)).is_err());
}
