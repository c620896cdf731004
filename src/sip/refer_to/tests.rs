//! Every Refer-To form of the RFCs and of deployed clients, and what must be refused.

use super::*;

fn parse(value: &str) -> ReferTo {
    ReferTo::parse(value.as_bytes()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// target, method, quirks
fn check(value: &str, target: &str, method: &str, quirks: &[Quirk]) {
    let got = parse(value);
    let text = match &got.target {
        ReferTarget::Uri(uri) => uri.as_str().to_owned(),
        ReferTarget::ContentId(id) => format!("cid:{id}"),
    };
    assert_eq!(
        (
            text.as_str(),
            got.method.as_ref().map_or("INVITE", Method::as_str),
            got.quirks.as_slice()
        ),
        (target, method, quirks),
        "{value}"
    );
}

#[test]
fn forms_of_the_rfcs() {
    check("<sip:c@x;method=INVITE>", "sip:c@x", "INVITE", &[]);
    check("<sip:c@x>", "sip:c@x", "INVITE", &[]);
    check("sip:c@x", "sip:c@x", "INVITE", &[]);
    check("tel:+358501", "tel:+358501", "INVITE", &[]);
    check("\"Carol, C\" <sip:c@x;METHOD=bye>", "sip:c@x", "BYE", &[]);
    check(
        "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345>",
        "sip:dave@denver.example.org",
        "INVITE",
        &[],
    );
    check(
        "<cid:cn35t8jf02@example.com>",
        "cid:cn35t8jf02@example.com",
        "INVITE",
        &[],
    );
}

#[test]
fn forms_of_clients() {
    use Quirk::*;
    check(
        "<sip:+33611@dom>;user=phone",
        "sip:+33611@dom;user=phone",
        "INVITE",
        &[UserOutsideBrackets],
    );
    check("<tel:+33611>", "tel:+33611", "INVITE", &[]);
    check("<sip:x@y>;text", "sip:x@y", "INVITE", &[UnknownParameter]);
    check(
        "<sip:x@y>;isfocus",
        "sip:x@y",
        "INVITE",
        &[UnknownParameter],
    );
    check(
        "<sip:x@y>;method=INVITE",
        "sip:x@y",
        "INVITE",
        &[MethodOutsideBrackets],
    );
    check("<sip:x@y>;admin=1", "sip:x@y", "INVITE", &[]);
    for (value, admin) in [
        ("1", Some(true)),
        ("true", Some(true)),
        ("0", Some(false)),
        ("FALSE", Some(false)),
    ] {
        let read = ReferTo::parse(format!("<sip:x@y>;text;admin={value}").as_bytes());
        assert_eq!(read.expect(value).admin, admin, "{value}");
    }
    for bad in [";admin", ";admin=", ";admin=2", ";admin=yes"] {
        let read = ReferTo::parse(format!("<sip:x@y>{bad}").as_bytes());
        assert!(matches!(read, Err(ReferToError::Malformed(_))), "{bad}");
    }
    check(
        "<sip:x@y;method=BYE>;text",
        "sip:x@y",
        "BYE",
        &[UnknownParameter],
    );
    check(
        "sip:bob@host;method=BYE",
        "sip:bob@host",
        "BYE",
        &[Unbracketed],
    );
    check(
        "sip:+33611@host;user=phone;method=INVITE",
        "sip:+33611@host;user=phone",
        "INVITE",
        &[Unbracketed],
    );
    check(
        "sip:bob@host?method=BYE",
        "sip:bob@host",
        "BYE",
        &[Unbracketed, MethodAsHeader],
    );
    check(
        "tel:7042;phone-context=example.com",
        "tel:7042;phone-context=example.com",
        "INVITE",
        &[Unbracketed],
    );
    check(
        "<sip:bob@host?method=BYE>",
        "sip:bob@host",
        "BYE",
        &[MethodAsHeader],
    );
    check(
        "<sip:x@y;method=INVITE?Session-Replaces=abc>",
        "sip:x@y",
        "INVITE",
        &[],
    );
    check(
        "<sip:x@y;user=ip>;user=phone",
        "sip:x@y;user=ip",
        "INVITE",
        &[UserOutsideBrackets],
    );
    check(
        "<tel:+1>;user=phone",
        "tel:+1",
        "INVITE",
        &[UserOutsideBrackets],
    );
}

#[test]
fn content_identifiers() {
    use Quirk::*;
    check("<cid:Id_1234@dom>", "cid:Id_1234@dom", "INVITE", &[]);
    check("CID:a@b", "cid:a@b", "INVITE", &[]);
    check("<cid:x%2By@dom%20z>", "cid:x+y@dom z", "INVITE", &[]);
    check("<cid:%3Cx@y%3E>", "cid:x@y", "INVITE", &[BracketsInCid]);
    check("<cid:x@y;method=BYE>", "cid:x@y", "BYE", &[]);
    check(
        "<cid:x@y>;method=BYE",
        "cid:x@y",
        "BYE",
        &[MethodOutsideBrackets],
    );
    check("<cid:x@y?method=BYE>", "cid:x@y", "BYE", &[MethodAsHeader]);
    check("<cid:x;z@y>", "cid:x;z@y", "INVITE", &[]);
    assert_eq!(parse("<cid:x@y>").method, None);
    assert_eq!(
        parse("<cid:x@y;method=INVITE>").method,
        Some(Method::Invite)
    );
    for value in [
        "<cid:>",
        "<cid:%00>",
        "<cid:a%0d%0ab>",
        "<cid:a%4>",
        "<cid:%ff>",
        "<cid:;method=BYE>",
    ] {
        assert!(
            matches!(
                ReferTo::parse(value.as_bytes()),
                Err(ReferToError::Malformed(_))
            ),
            "{value}"
        );
    }
}

#[test]
fn escapes_survive_and_embedded_headers_do_not() {
    check(
        "<sip:null-%00-null@example.com>",
        "sip:null-%00-null@example.com",
        "INVITE",
        &[],
    );
    let got = parse("<sip:c@x?Route=%3Csip:evil%3E&From=sip:z@z&body=x%0d%0a>");
    assert_eq!(
        got.target,
        ReferTarget::Uri(Uri::parse(b"sip:c@x").unwrap())
    );
    assert_eq!(got.headers.len(), 3);
}

#[test]
fn refuses() {
    let error = |value: &str| ReferTo::parse(value.as_bytes()).unwrap_err();
    // An empty parameter does no harm.
    check("<sip:c@x>;", "sip:c@x", "INVITE", &[]);
    assert_eq!(error(""), ReferToError::Missing);
    assert_eq!(error(" , "), ReferToError::Missing);
    assert_eq!(error("<sip:a@b>, <sip:c@d>"), ReferToError::Several);
    assert_eq!(error("sip:a@b,sip:c@d"), ReferToError::Several);
    for (value, scheme) in [
        ("<http://example.com/>", "http"),
        ("mailto:a@b", "mailto"),
        ("<im:a@b>", "im"),
        ("<urn:service:sos>", "urn"),
    ] {
        assert_eq!(error(value), ReferToError::UnsupportedScheme(scheme.into()));
    }
    for value in [
        "bob",
        "<sip:a@b",
        "<sip:a b@c>",
        "<sip:c@x;method=INVITE>;method=BYE",
        "<sip:c@x;method=BYE?method=INVITE>",
        "<sip:c@x;method>",
        "<sip:c@x>;method=\"a b\"",
        "<sip:c@x;method=%0d%0a>",
        "<sip:c@x;method=%>",
        "\"c <sip:c@x>",
        "<>",
    ] {
        assert!(
            matches!(error(value), ReferToError::Malformed(_)),
            "{value}"
        );
    }
}

#[test]
fn entries_of_a_list() {
    let method = |text: &str| method_of(&Uri::parse(text.as_bytes()).unwrap());
    assert_eq!(method("sip:a@b"), Ok(None));
    assert_eq!(method("sip:a@b;method=INVITE"), Ok(Some(Method::Invite)));
    assert_eq!(method("sip:a@b?method=BYE"), Ok(Some(Method::Bye)));
    assert!(method("sip:a@b;method=INVITE?method=BYE").is_err());
}
