//! What the URI parser takes and refuses, with the URIs of RFC 3261, 3966, 4475 and 5118.

use super::*;

fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn malformed(text: &str) {
    let result = Uri::parse(text.as_bytes());
    assert!(
        matches!(result, Err(UriError::Malformed(_))),
        "{text}: {result:?}"
    );
}

#[test]
fn parts_of_a_sip_uri() {
    let u = uri("SIP:Alice:secret@AtLanta.Example.COM:5070;Transport=TCP;lr?subject=x&Priority=y");
    assert_eq!(u.scheme(), Scheme::Sip);
    assert_eq!(u.user(), Some("Alice"));
    assert_eq!(u.host(), "atlanta.example.com");
    assert_eq!(u.port(), Some(5070));
    assert_eq!(u.param("transport"), Some("TCP"));
    assert_eq!(u.param("LR"), Some(""));
    assert_eq!(u.param("ttl"), None);
    assert_eq!(
        u.headers(),
        vec![
            ("subject".into(), "x".into()),
            ("Priority".into(), "y".into())
        ]
    );
    assert_eq!(u.to_string().len(), u.as_str().len());
}

#[test]
fn parts_of_a_tel_uri() {
    let u = uri("tel:+358-(555)-1234567;postd=pp22");
    assert_eq!(u.scheme(), Scheme::Tel);
    assert_eq!(u.user(), Some("+358-(555)-1234567"));
    assert_eq!(u.host(), "");
    assert_eq!(u.param("postd"), Some("pp22"));
    assert_eq!(
        uri("tel:7042;phone-context=example.com").param("phone-context"),
        Some("example.com")
    );
    assert_eq!(uri("tel:*21#").user(), Some("*21#"));
    malformed("tel:");
    malformed("tel:+");
    malformed("tel:-.");
    malformed("tel:+12a");
    malformed("tel:bob");
    malformed("tel:+33123@home1.test");
}

#[test]
fn torture_uris_of_rfc_4475() {
    // Section 3.1.1.2
    let u = uri("sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com");
    assert_eq!(
        u.user(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(u.host(), "example.com");
    // Section 3.1.1.3 and 3.1.1.4: escapes stay as they are, the NUL included.
    assert_eq!(
        uri("sip:sips%3Auser%40example.com@example.net").user(),
        Some("sips%3Auser%40example.com")
    );
    assert_eq!(
        uri("sip:null-%00-null@example.com").to_target().as_str(),
        "sip:null-%00-null@example.com"
    );
    // Section 3.1.1.9
    assert_eq!(
        uri("sip:user;par=u%40example.net@example.com").user(),
        Some("user;par=u%40example.net")
    );
    // Section 3.1.2.11
    let u = uri("sip:user@example.com?Route=%3Csip:example.com%3E");
    assert_eq!(u.to_target().as_str(), "sip:user@example.com");
}

#[test]
fn ipv6_of_rfc_5118() {
    let u = uri("sip:user@[2001:DB8::10]:5070;x");
    assert_eq!(u.host(), "[2001:db8::10]");
    assert_eq!(u.port(), Some(5070));
    assert!(u.is_address_literal());
    assert_eq!(uri("sip:[2001:db8::10:5070]").port(), None);
    malformed("sip:2001:db8::10");
    malformed("sip:user@[2001:db8:::192.0.2.1]");
    malformed("sip:user@[::1");
    malformed("sip:user@[::1]x");
    assert!(uri("sip:192.0.2.1").is_address_literal());
    assert!(!uri("sip:example.com").is_address_literal());
}

#[test]
fn refuses_what_breaks_the_grammar() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@example.com",
        "sip:a@",
        "sip:a b@example.com",
        "sip:a@example.com:",
        "sip:a@example.com:0",
        "sip:a@example.com:65536",
        "sip:a@example.com:+1",
        "sip:a@exa mple.com",
        "sip:a@-..com",
        "sip:a@1.2.3.999",
        "sip:a%4@example.com",
        "sip:a%zz@example.com",
        "sip:a@example.com;;x",
        "sip:a@example.com;",
        "sip:a@example.com;=x",
        "sip:a@example.com;method=INVITE;METHOD=BYE",
        "sip:a@example.com;x=a@b",
        "sip:a@example.com;x=\"b\"",
        "<sip:a@example.com>",
        "sip:a@example.com\r\nX: y",
        "sip:a\0@example.com",
        ":a@example.com",
        "1sip:a@example.com",
    ] {
        malformed(text);
    }
    malformed(&format!("sip:{}@example.com", "a".repeat(MAX_URI)));
    assert!(Uri::parse("sip:\u{e9}@example.com".as_bytes()).is_err());
}

#[test]
fn other_schemes_are_told_apart() {
    for (text, scheme) in [
        ("http://example.com/", "http"),
        ("MAILTO:a@b", "mailto"),
        ("im:a@b", "im"),
        ("urn:service:sos", "urn"),
        ("cid:x@y", "cid"),
        (
            "nobodyKnowsThisScheme:totallyopaque\r\n",
            "nobodyknowsthisscheme",
        ),
    ] {
        assert_eq!(
            Uri::parse(text.as_bytes()),
            Err(UriError::UnsupportedScheme(scheme.into()))
        );
    }
}

#[test]
fn parameters_can_be_set_and_taken_off() {
    let u = uri("sip:+33611@example.com?Route=x");
    assert_eq!(
        u.with_param("user", Some("phone")).as_str(),
        "sip:+33611@example.com;user=phone?Route=x"
    );
    assert_eq!(
        uri("sip:a@b;Gr=1;lr").with_param("gr", None).as_str(),
        "sip:a@b;lr;gr"
    );
    assert_eq!(
        u.with_param("x", Some("a\r\nb c>%41")).param("x"),
        Some("a%0D%0Ab%20c%3E%41")
    );
    assert_eq!(
        uri("sip:a@b;METHOD=BYE;transport=tcp?From=x&body=y")
            .to_target()
            .as_str(),
        "sip:a@b;transport=tcp"
    );
    assert_eq!(uri("tel:+1?method=BYE").to_target().as_str(), "tel:+1");
    assert_eq!(uri("sip:a@b?").to_target().as_str(), "sip:a@b");
}

#[test]
fn equivalence_of_rfc_3261_section_19_1_4() {
    for (a, b) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;newparam=5",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::0:1]", "sip:a@[2001:DB8::1]"),
        ("tel:+358-555-1234567", "tel:+3585551234567"),
    ] {
        assert!(uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(uri(b).equivalent(&uri(a)), "{b} {a}");
    }
    for (a, b) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;security=off",
        ),
        ("sip:bob@biloxi.com", "sips:bob@biloxi.com"),
        ("sip:bob@biloxi.com", "sip:biloxi.com"),
        ("sip:a%3Bb@biloxi.com", "sip:a;b@biloxi.com"),
        ("sip:a:x@biloxi.com", "sip:a:y@biloxi.com"),
        ("tel:+3585551234567", "tel:3585551234567"),
        (
            "tel:7042;phone-context=a.com",
            "tel:7042;phone-context=b.com",
        ),
    ] {
        assert!(!uri(a).equivalent(&uri(b)), "{a} {b}");
        assert!(!uri(b).equivalent(&uri(a)), "{b} {a}");
    }
}

#[test]
fn what_leads_elsewhere_can_be_left_out() {
    for (written, left) in [
        ("sip:a@home1.test", "sip:a@home1.test"),
        ("sip:a@home1.test:5099;maddr=10.0.0.1", "sip:a@home1.test"),
        (
            "sip:a@h;MADDR=10.0.0.1;transport=tcp;user=phone",
            "sip:a@h;transport=tcp;user=phone",
        ),
        (
            "sips:a:secret@[2001:db8::1]:5099",
            "sips:a:secret@[2001:db8::1]",
        ),
        ("sip:a@[2001:db8::1];maddr=[::1]", "sip:a@[2001:db8::1]"),
        ("sip:10.0.0.1:99;lr", "sip:10.0.0.1;lr"),
        ("sip:a@h:5099?Subject=x", "sip:a@h?Subject=x"),
        (
            "tel:+358401234567;phone-context=x",
            "tel:+358401234567;phone-context=x",
        ),
    ] {
        let uri = Uri::parse(written.as_bytes()).unwrap();
        assert_eq!(uri.without_next_hop().as_str(), left, "{written}");
    }
}
