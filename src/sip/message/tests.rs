//! Whole messages: the vectors of RFC 3515, 4475, 4488, 5118 and 5368, and every check of framing.

use super::*;
use crate::sip::refer_to::{ReferTarget, ReferToError};
use crate::sip::uri::Uri;

const PLAIN: &str = "REFER sip:focus@conf.test SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n\
    Max-Forwards: 70\r\nFrom: <sip:a@home1.test>;tag=a1\r\nTo: <sip:focus@conf.test>\r\n\
    Call-ID: c1@192.0.2.1\r\nCSeq: 5 REFER\r\nRefer-To: <sip:c@x>\r\n";

fn datagram(text: &str) -> Result<Request, MessageError> {
    Request::parse(text.as_bytes(), false)
}

/// PLAIN with a line changed, and an empty body.
fn changed(from: &str, to: &str) -> Result<Request, MessageError> {
    assert!(PLAIN.contains(from), "{from}");
    datagram(&format!("{}\r\n", PLAIN.replacen(from, to, 1)))
}

#[test]
fn a_plain_refer() {
    let r = datagram(&format!("{PLAIN}\r\n")).unwrap();
    assert_eq!(r.method, Method::Refer);
    assert_eq!(r.uri, "sip:focus@conf.test");
    assert_eq!((r.cseq, r.max_forwards), (5, Some(70)));
    assert_eq!((r.from_tag.as_str(), r.to_tag.as_deref()), ("a1", None));
    assert_eq!(r.call_id, "c1@192.0.2.1");
    assert_eq!(r.branch.as_deref(), Some("z9hG4bK1"));
    assert_eq!(r.body, b"");
    assert_eq!(r.headers().values("CSeq"), vec![b"5 REFER".to_vec()]);
}

#[test]
fn rfc_3515_section_4_1_and_4_2() {
    let text = "REFER sip:b@atlanta.example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP agenta.atlanta.example.com;branch=z9hG4bK2293940223\r\n\
        To: <sip:b@atlanta.example.com>\r\nFrom: <sip:a@atlanta.example.com>;tag=193402342\r\n\
        Call-ID: 898234234@agenta.atlanta.example.com\r\nCSeq: 93809823 REFER\r\n\
        Max-Forwards: 70\r\nRefer-To: (whatever URI)\r\n\
        Contact: sip:a@atlanta.example.com\r\nContent-Length: 0\r\n\r\n";
    let r = datagram(text).unwrap();
    assert_eq!((r.cseq, r.to_tag.as_deref()), (93_809_823, None));
    assert_eq!(r.contact().unwrap().as_str(), "sip:a@atlanta.example.com");
    assert!(matches!(r.refer_to(), Err(ReferToError::Malformed(_))));

    let text = "NOTIFY sip:a@atlanta.example.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP agentb.atlanta.example.com;branch=z9hG4bK9323394234\r\n\
        To: <sip:a@atlanta.example.com>;tag=193402342\r\n\
        From: <sip:b@atlanta.example.com>;tag=4992881234\r\n\
        Call-ID: 898234234@agenta.atlanta.example.com\r\nCSeq: 1993403 NOTIFY\r\n\
        Max-Forwards: 70\r\nEvent: refer;id=93809824\r\n\
        Subscription-State: terminated;reason=noresource\r\n\
        Contact: sip:b@atlanta.example.com\r\nContent-Type: message/sipfrag;version=2.0\r\n\
        Content-Length: 16\r\n\r\nSIP/2.0 200 OK\r\n";
    let r = datagram(text).unwrap();
    assert_eq!(r.body.len(), 16);
    assert_eq!(r.event(), Some(("refer".into(), Some("93809824".into()))));
    let kind = r.content_type().unwrap();
    assert_eq!(
        (kind.kind.as_str(), kind.param("version")),
        ("message/sipfrag", Some("2.0"))
    );
}

#[test]
fn rfc_4488_section_6() {
    let text = "REFER sip:b@example.com;gruu;opaque=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;grid=99a SIP/2.0\r\n\
        Via: SIP/2.0/TCP issuer.example.com;branch=z9hG4bK-a-1\r\n\
        From: <sip:a@example.com>;tag=1a\r\n\
        To: sip:b@example.com;opaque=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;grid=99a\r\n\
        Call-ID: 1@issuer.example.com\r\nCSeq: 234234 REFER\r\nMax-Forwards: 70\r\n\
        Refer-To: <sip:c@example.com;method=INVITE>\r\nRefer-Sub: false\r\n\
        Supported: norefersub\r\nContact: sip:a@issuer.example.com\r\nContent-Length: 0\r\n\r\n";
    let r = Request::parse(text.as_bytes(), true).unwrap();
    assert_eq!(r.cseq, 234_234);
    assert_eq!(
        (r.to().uri.as_str(), r.to_tag.as_deref()),
        ("sip:b@example.com", None)
    );
    assert_eq!(r.refer_sub(), Ok(Some(false)));
    assert_eq!(r.tokens("Supported"), ["norefersub"]);
    let refer_to = r.refer_to().unwrap();
    assert_eq!(
        refer_to.target,
        ReferTarget::Uri(Uri::parse(b"sip:c@example.com").unwrap())
    );
    assert!(refer_to.quirks.is_empty());
}

/// The list of RFC 5368 figure 3, indented so that it has the 362 octets the figure says (CRLF line
/// ends, none at the end).
pub(crate) const FIGURE_3_BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
    <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\"\r\n\
    \x20       xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\r\n\
    \x20 <list>\r\n\
    \x20   <entry uri=\"sip:bill@example.com?method=BYE\" />\r\n\
    \x20   <entry uri=\"sip:joe@example.org?method=BYE\" />\r\n\
    \x20   <entry uri=\"sip:ted@example.net?method=BYE\" />\r\n\
    \x20 </list>\r\n\
    </resource-lists>";

#[test]
fn rfc_5368_figure_3() {
    let text = format!(
        "REFER sip:conf-123@example.com;gruu;opaque=hha9s8d-999a SIP/2.0\r\n\
        Via: SIP/2.0/TCP client.chicago.example.com;branch=z9hG4bKhjhs8ass83\r\n\
        Max-Forwards: 70\r\nTo: \"Conference 123\" <sip:conf-123@example.com>\r\n\
        From: Carol <sip:carol@chicago.example.com>;tag=32331\r\n\
        Call-ID: d432fa84b4c76e66710\r\nCSeq: 2 REFER\r\n\
        Contact: <sip:carol@client.chicago.example.com>\r\n\
        Refer-To: <cid:cn35t8jf02@example.com>\r\nRefer-Sub: false\r\n\
        Require: multiple-refer, norefersub\r\n\
        Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY\r\n\
        Allow-Events: dialog\r\nAccept: application/sdp, message/sipfrag\r\n\
        Content-Type: application/resource-lists+xml\r\n\
        Content-Disposition: recipient-list\r\nContent-Length: 362\r\n\
        Content-ID: <cn35t8jf02@example.com>\r\n\r\n{FIGURE_3_BODY}"
    );
    assert_eq!(FIGURE_3_BODY.len(), 362);
    let r = Request::parse(text.as_bytes(), true).unwrap();
    assert_eq!(r.body.len(), 362);
    assert_eq!(r.tokens("require"), ["multiple-refer", "norefersub"]);
    assert_eq!(
        r.refer_to().unwrap().target,
        ReferTarget::ContentId("cn35t8jf02@example.com".into())
    );
    assert_eq!(r.content_disposition().unwrap().kind, "recipient-list");
    assert_eq!(r.uri, "sip:conf-123@example.com;gruu;opaque=hha9s8d-999a");
}

#[test]
fn rfc_4475_section_3_1_1_1_as_refer() {
    let text = "REFER sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n\
        TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
        from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
        MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 5\r\n\
        cseq: 0009\r\n  REFER\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
        s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\n\
        UnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
        Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
        v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n\
        \x20SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
        m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\
        r\t: sip:c@x\r\n\r\nv=0\r\n";
    let r = datagram(text).unwrap();
    assert_eq!(r.to_tag.as_deref(), Some("1918181833n"));
    assert_eq!(r.from_tag, "98asjd8");
    assert_eq!(r.from().display.as_deref(), Some(&b"J Rosenberg \\\""[..]));
    assert_eq!((r.cseq, r.max_forwards), (9, Some(68)));
    assert_eq!(r.branch.as_deref(), Some("390skdjuw"));
    assert_eq!(r.list("Via").len(), 3);
    assert_eq!(r.contact().unwrap().as_str(), "sip:jdrosen@example.com");
    assert_eq!(
        r.text("NewFangledHeader").as_deref(),
        Some("newfangled value continued newfangled value")
    );
    assert_eq!(r.text("subject").as_deref(), Some(""));
    assert!(r.refer_to().is_ok());
    assert_eq!(r.body, b"v=0\r\n");
}

#[test]
fn rfc_4475_wide_and_long_values() {
    // Section 3.1.1.2
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    let text = format!(
        "{method} sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n\
        Via: SIP/2.0/TCP host1.example.com;branch=z9hG4bK-.!%66*_+`'~\r\n\
        To: \"BEL:\\\x07 NUL:\\\x00 DEL:\\\x7F\" <sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*@example.com>\r\n\
        From: token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\u{430}\";tag=_token~1'+`*%!-.\r\n\
        Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}}{{\r\nCSeq: 139122385 {method}\r\n\
        Max-Forwards: 255\r\nextensionHeader-!.%*+_`'~: \u{FEFF}\u{5927}\r\nContent-Length: 0\r\n\r\n"
    );
    let r = Request::parse(text.as_bytes(), true).unwrap();
    assert_eq!(r.method.as_str(), method);
    assert_eq!(r.max_forwards, Some(255));
    assert_eq!(r.from_tag, "_token~1'+`*%!-.");
    assert_eq!(r.call_id, "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{");
    // Section 3.1.1.7
    let long = "a".repeat(700);
    let r = changed(
        "To: <sip:focus@conf.test>",
        &format!("To: <sip:{long}@conf.test>;x={long}"),
    );
    assert_eq!(r.unwrap().to().uri.user().map(str::len), Some(700));
}

#[test]
fn start_lines() {
    for start in [
        "REFER  sip:focus@conf.test SIP/2.0",
        "REFER sip:focus@conf.test  SIP/2.0",
        "REFER sip:focus@conf.test SIP/2.0 ",
        "REFER sip:focus@conf.test; lr SIP/2.0",
        "REFER <sip:focus@conf.test> SIP/2.0",
        "REFER sip:focus@conf.test",
        "REFER  SIP/2.0",
        "RE FER sip:focus@conf.test SIP/2.0",
        "RE(FER sip:focus@conf.test SIP/2.0",
        "REFER sip:focus@conf.test HTTP/1.1",
        "REFER sip:f\u{e9}@conf.test SIP/2.0",
        "",
    ] {
        let got = changed("REFER sip:focus@conf.test SIP/2.0", start);
        // An empty first line is skipped, and the next one is no start line either.
        assert_eq!(got, Err(MessageError::StartLine), "{start:?}");
    }
    // RFC 4475 section 3.1.2.16
    let error = changed("SIP/2.0\r\nVia", "SIP/7.0\r\nVia").unwrap_err();
    assert_eq!((error.status(), error), (505, MessageError::Version));
    assert!(changed("SIP/2.0\r\nVia", "sip/2.0\r\nVia").is_ok());
    assert!(datagram(&format!("\r\n\r\n{PLAIN}\r\n")).is_ok());
}

#[test]
fn mandatory_headers() {
    for (line, field) in [
        ("Call-ID: c1@192.0.2.1\r\n", Field::CallId),
        ("From: <sip:a@home1.test>;tag=a1\r\n", Field::From),
        ("To: <sip:focus@conf.test>\r\n", Field::To),
        ("CSeq: 5 REFER\r\n", Field::CSeq),
        (
            "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n",
            Field::Via,
        ),
    ] {
        let error = changed(line, "").unwrap_err();
        assert_eq!(error, MessageError::Missing(field));
        assert_eq!(error.reason(), format!("Missing {field}"));
        assert_eq!(error.status(), 400);
    }
    assert_eq!(
        changed("Max-Forwards: 70\r\n", "").unwrap().max_forwards,
        None
    );
    // RFC 4475 section 3.3.8
    for (line, field) in [
        ("i: c2\r\n", Field::CallId),
        ("f: <sip:a@home1.test>;tag=a2\r\n", Field::From),
        ("t: <sip:a@home1.test>\r\n", Field::To),
        ("CSEQ: 6 REFER\r\n", Field::CSeq),
        ("Max-Forwards: 5\r\n", Field::MaxForwards),
        ("c: a/b\r\nContent-Type: a/b\r\n", Field::ContentType),
    ] {
        let got = changed(
            "Max-Forwards: 70\r\n",
            &format!("Max-Forwards: 70\r\n{line}"),
        );
        assert_eq!(got, Err(MessageError::Several(field)), "{line}");
    }
}

#[test]
fn malformed_values() {
    for (from, to, field) in [
        ("Call-ID: c1@192.0.2.1", "Call-ID: a b", Field::CallId),
        ("Call-ID: c1@192.0.2.1", "Call-ID:", Field::CallId),
        ("Call-ID: c1@192.0.2.1", "Call-ID: a\0", Field::CallId),
        (
            "<sip:a@home1.test>",
            "\"unterminated <sip:a@home1.test>",
            Field::From,
        ),
        ("<sip:a@home1.test>", "<sip:a@home1.test", Field::From),
        ("<sip:a@home1.test>", "<http://home1.test>", Field::From),
        ("tag=a1", "tag=\"a b\"", Field::FromTag),
        (
            "To: <sip:focus@conf.test>",
            "To: <sip:focus@conf.test>;tag=",
            Field::To,
        ),
        ("To: <sip:focus@conf.test>", "To: <>", Field::To),
        ("5 REFER", "-5 REFER", Field::CSeq),
        ("5 REFER", "36893488147419103232 REFER", Field::CSeq),
        ("5 REFER", "4294967296 REFER", Field::CSeq),
        ("5 REFER", "5", Field::CSeq),
        ("5 REFER", "5 RE FER", Field::CSeq),
        ("Forwards: 70", "Forwards: 300", Field::MaxForwards),
        ("Forwards: 70", "Forwards: -1", Field::MaxForwards),
        ("Forwards: 70", "Forwards: x", Field::MaxForwards),
    ] {
        assert_eq!(
            changed(from, to),
            Err(MessageError::Malformed(field)),
            "{to}"
        );
    }
    assert_eq!(
        changed(";tag=a1", ""),
        Err(MessageError::Missing(Field::FromTag))
    );
    assert_eq!(
        changed("5 REFER", "2147483647 REFER").unwrap().cseq,
        (1 << 31) - 1
    );
    assert_eq!(
        changed("5 REFER", "2147483648 REFER"),
        Err(MessageError::Malformed(Field::CSeq))
    );
    assert_eq!(
        changed("5 REFER", "5 INVITE"),
        Err(MessageError::CSeqMethod)
    );
    assert_eq!(changed("5 REFER", "5 refer"), Err(MessageError::CSeqMethod));
    assert_eq!(
        changed("Max-Forwards: 70", "nonsense"),
        Err(MessageError::HeaderLine)
    );
}

#[test]
fn content_length() {
    let with = |line: &str, body: &str, stream: bool| {
        Request::parse(format!("{PLAIN}{line}\r\n{body}").as_bytes(), stream).map(|r| r.body)
    };
    assert_eq!(with("", "abc", false), Ok(b"abc".to_vec()));
    assert_eq!(with("", "abc", true), Err(MessageError::NoContentLength));
    // RFC 4475 section 3.1.1.8: octets behind the body of a datagram are none of it.
    assert_eq!(with("l: 2\r\n", "abc", false), Ok(b"ab".to_vec()));
    assert_eq!(with("l: 3\r\n", "abc", true), Ok(b"abc".to_vec()));
    assert_eq!(with("l: 0\r\n", "abc", false), Ok(Vec::new()));
    assert_eq!(with("l: 4\r\n", "abc", false), Err(MessageError::BodyShort));
    assert_eq!(
        MessageError::BodyShort.reason(),
        "Content-Length larger than body"
    );
    let malformed = Err(MessageError::Malformed(Field::ContentLength));
    for value in ["-1", "", "+1", "3x", "99999999999999999999", "3, 3", "0x3"] {
        assert_eq!(
            with(&format!("l: {value}\r\n"), "abc", false),
            malformed,
            "{value}"
        );
    }
    assert_eq!(
        with("l: 18446744073709551615\r\n", "abc", false),
        Err(MessageError::BodyShort)
    );
    // RFC 4475 section 3.3.9
    assert_eq!(
        with("l: 3\r\nContent-Length: 2\r\n", "abc", false),
        Err(MessageError::Several(Field::ContentLength))
    );
    assert_eq!(
        with("l: 3\r\nContent-Length: 3\r\n", "abc", false),
        Ok(b"abc".to_vec())
    );
    assert!(MessageError::BodyShort.breaks_stream());
    assert!(!MessageError::CSeqMethod.breaks_stream());
}

#[test]
fn the_body_may_hold_anything() {
    let mut raw = format!("{PLAIN}l: 6\r\n\r\n").into_bytes();
    raw.extend_from_slice(b"\0\r\n\r\n\xff");
    assert_eq!(Request::parse(&raw, true).unwrap().body, b"\0\r\n\r\n\xff");
}

#[test]
fn header_blocks() {
    assert_eq!(datagram(PLAIN), Err(MessageError::NoHeaderEnd));
    assert_eq!(datagram(PLAIN.trim_end()), Err(MessageError::NoHeaderEnd));
    assert!(datagram(&format!("{}\n", PLAIN.replace("\r\n", "\n"))).is_ok());
    let many = format!("{PLAIN}{}\r\n", "X: y\r\n".repeat(512));
    assert_eq!(datagram(&many), Err(MessageError::TooManyHeaders));
}

#[test]
fn ipv6_of_rfc_5118() {
    let r = changed("sip:focus@conf.test SIP/2.0", "sip:[2001:db8::10] SIP/2.0").unwrap();
    assert_eq!(r.uri, "sip:[2001:db8::10]");
    for received in ["[2001:db8::9:255]", "2001:db8::9:255"] {
        let via = format!("[2001:db8::9:1];received={received};branch=z9hG4bKas3");
        let r = changed("192.0.2.1:5060;branch=z9hG4bK1", &via).unwrap();
        assert_eq!(r.branch.as_deref(), Some("z9hG4bKas3"));
    }
    assert_eq!(
        changed("<sip:a@home1.test>", "<sip:a@2001:db8::1>"),
        Err(MessageError::Malformed(Field::From))
    );
}

#[test]
fn identical_requests_but_for_tag_and_branch_differ() {
    let a = datagram(&format!("{PLAIN}\r\n")).unwrap();
    let b = changed("tag=a1", "tag=a2").unwrap();
    assert_eq!((a.call_id.as_str(), a.cseq), (b.call_id.as_str(), b.cseq));
    assert_ne!(a.from_tag, b.from_tag);
}
