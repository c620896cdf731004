//! Properties of all parsers: no input makes them panic, what they print parses back to itself, no
//! text that comes out can end a line.

use proptest::prelude::*;

use super::name_addr::NameAddr;
use super::plain::{self, Plain};
use super::sdp::{self, LocalMedia, MsrpPath, Sdp};
use super::*;

fn clean(text: &str) -> bool {
    !text.chars().any(|c| matches!(c, '\r' | '\n' | '\0'))
}

fn clean_params(params: &params::Params) -> bool {
    params
        .iter()
        .all(|(name, value)| clean(name) && value.as_deref().is_none_or(clean))
}

/// Bytes near the grammar: pieces of it, and anything.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: [&str; 48] = [
        "sip:",
        "sips:",
        "tel:",
        "cid:",
        "http:",
        "+358",
        "alice",
        "bob",
        "@",
        "home1.test",
        "[::1]",
        ":5060",
        ";",
        "?",
        "&",
        "=",
        "<",
        ">",
        "\"",
        "\\",
        ",",
        " ",
        "\t",
        "\r\n",
        "\n",
        "\0",
        "%00",
        "%0d%0a",
        "%4",
        "method",
        "INVITE",
        "BYE",
        ";method=BYE",
        ";user=phone",
        "tag",
        "false",
        "true",
        "id",
        "SIP/2.0",
        "200",
        "v=0\r\n",
        "m=message 9 TCP/MSRP *\r\n",
        "a=path:",
        "msrp://h:1/s;tcp",
        "a=accept-types:*\r\n",
        "c=IN IP6 ::1\r\n",
        "\u{e9}",
        ":",
    ];
    let piece = prop_oneof![
        6 => proptest::sample::select(&PIECES[..]).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![soup(), proptest::collection::vec(any::<u8>(), 0..200)]
}

/// A message whose frame is right and whose values are soup.
fn message() -> impl Strategy<Value = Vec<u8>> {
    const NAMES: [&str; 14] = [
        "Refer-To",
        "r",
        "Refer-Sub",
        "Referred-By",
        "Contact",
        "Record-Route",
        "Privacy",
        "Event",
        "P-Asserted-Identity",
        "Content-Type",
        "Content-Disposition",
        "Require",
        "Retry-After",
        "Subject",
    ];
    let header = (proptest::sample::select(&NAMES[..]), bytes());
    (proptest::collection::vec(header, 0..6), bytes(), any::<bool>()).prop_map(|(headers, body, request)| {
        let start = if request { "REFER sip:f@x SIP/2.0" } else { "SIP/2.0 200 OK" };
        let mut raw = format!(
            "{start}\r\nVia: SIP/2.0/UDP h;branch=z\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:f@x>\r\ni: 1\r\nCSeq: 1 REFER\r\n"
        )
        .into_bytes();
        for (name, value) in headers {
            raw.extend_from_slice(name.as_bytes());
            raw.extend_from_slice(b": ");
            raw.extend(value.into_iter().filter(|b| !b"\r\n".contains(b)));
            raw.extend_from_slice(b"\r\n");
        }
        raw.extend_from_slice(b"\r\n");
        raw.extend(body);
        raw
    })
}

fn check_headers(headers: &Headers) -> Result<(), TestCaseError> {
    if let Some(contact) = headers.contact_addr() {
        prop_assert!(clean(contact.uri.as_str()) && clean_params(&contact.params));
    }
    for route in headers.record_route() {
        prop_assert!(
            clean(route.as_str()) && NameAddr::parse(route.as_str().as_bytes()).is_ok(),
            "{route}"
        );
    }
    prop_assert!(headers.asserted_identities().len() <= 4);
    headers.privacy();
    headers.session_expires();
    match headers.refer_to() {
        Ok(refer_to) => check_refer_to(&refer_to)?,
        Err(error) => prop_assert!(clean(&error.to_string())),
    }
    if let Err(error) = headers.refer_sub() {
        prop_assert!(clean(&error.to_string()));
    }
    match headers.referred_by() {
        Ok(Some(referred_by)) => prop_assert!(clean(&referred_by.text)),
        Ok(None) => {}
        Err(error) => prop_assert!(clean(&error.to_string())),
    }
    if let Some(kind) = headers.content_type() {
        prop_assert!(clean(&kind.kind) && clean_params(&kind.params));
    }
    headers.content_disposition();
    headers.retry_after();
    if let Some((package, id)) = headers.event() {
        prop_assert!(clean(&package) && id.as_deref().is_none_or(clean));
    }
    for name in ["subject", "require", "contact"] {
        prop_assert!(headers.text(name).as_deref().is_none_or(clean));
        prop_assert!(headers.tokens(name).iter().all(|token| clean(token)));
    }
    Ok(())
}

fn check_refer_to(refer_to: &ReferTo) -> Result<(), TestCaseError> {
    let method = refer_to
        .method
        .as_ref()
        .map_or("", |method| method.as_str());
    prop_assert!(method.bytes().all(|b| b.is_ascii_graphic()));
    match &refer_to.target {
        ReferTarget::Uri(uri) => {
            prop_assert!(uri.param("method").is_none() && uri.headers().is_empty());
            // What is sent on reads as the same target, and asks for nothing but an INVITE.
            let again = ReferTo::parse(format!("<{uri}>").as_bytes()).unwrap();
            prop_assert_eq!(again.target, refer_to.target.clone());
            prop_assert_eq!(again.method, None);
        }
        ReferTarget::ContentId(id) => prop_assert!(clean(id) && !id.is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn uris(input in bytes()) {
        match Uri::parse(&input) {
            Ok(uri) => {
                prop_assert_eq!(uri.as_str().as_bytes(), &input[..]);
                prop_assert!(uri.as_str().bytes().all(|b| b.is_ascii_graphic()));
                prop_assert!(uri.equivalent(&uri));
                prop_assert_eq!(Identity::of(&uri), Identity::of(&uri.to_target()));
                prop_assert!(Identity::of(&uri).as_str().bytes().all(|b| b.is_ascii_graphic()));
                let target = uri.to_target();
                prop_assert!(target.headers().is_empty() && target.param("method").is_none());
                prop_assert_eq!(target.host(), uri.host());
                prop_assert_eq!(target.user(), uri.user());
                let more = uri.with_param("x", Some("a\r\n\0;?"));
                prop_assert_eq!(more.param("x"), Some("a%0D%0A%00%3B%3F"));
                prop_assert_eq!(more.headers(), uri.headers());
            }
            Err(error) => prop_assert!(clean(&error.to_string())),
        }
    }

    #[test]
    fn equivalence_is_symmetric(a in bytes(), b in bytes()) {
        if let (Ok(a), Ok(b)) = (Uri::parse(&a), Uri::parse(&b)) {
            prop_assert_eq!(a.equivalent(&b), b.equivalent(&a));
        }
    }

    #[test]
    fn addresses(input in bytes()) {
        match NameAddr::parse(&input) {
            Ok(address) => {
                prop_assert!(clean_params(&address.params));
                prop_assert!(address.tag().is_none_or(|tag| tag.bytes().all(|b| b.is_ascii_graphic())));
            }
            Err(error) => prop_assert!(clean(&error.to_string())),
        }
    }

    #[test]
    fn refer_tos(input in bytes()) {
        match ReferTo::parse(&input) {
            Ok(refer_to) => check_refer_to(&refer_to)?,
            Err(error) => prop_assert!(clean(&error.to_string())),
        }
    }

    #[test]
    fn messages_of_any_bytes(input in bytes(), stream in any::<bool>()) {
        if let Err(error) = Request::parse(&input, stream) {
            prop_assert!(clean(&error.reason()));
        }
        let _ = Response::parse(&input, stream);
        let _ = plain::parse(&input, stream);
    }

    #[test]
    fn messages_with_any_values(raw in message()) {
        if let Ok(request) = Request::parse(&raw, false) {
            prop_assert!(request.branch.as_deref().is_none_or(clean));
            check_headers(&request)?;
        }
        if let Ok(response) = Response::parse(&raw, false) {
            check_headers(&response)?;
        }
        if let Some(Plain::Request(request)) = plain::parse(&raw, false) {
            prop_assert_eq!(Ok(*request), Request::parse(&raw, false));
        }
    }

    #[test]
    fn descriptions(input in bytes(), front in any::<bool>()) {
        let input = if front { [&b"v=0\r\n"[..], &input].concat() } else { input };
        let local = LocalMedia {
            msrp_uri: "msrp://127.0.0.1:2855".into(),
            session: "s".into(),
            origin_id: 1,
            version: 1,
            fingerprint: None,
            chatroom: Some("nickname".into()),
        };
        if let Ok(sdp) = Sdp::parse(&input) {
            if let Ok(answer) = sdp::build_answer(&local, &sdp) {
                let answer = Sdp::parse(&answer).unwrap();
                prop_assert_eq!(answer.media.len(), sdp.media.len());
                prop_assert_eq!(answer.media.iter().filter(|m| m.port != 0).count(), 1);
                prop_assert!(answer.usable_answer_to(&local).is_ok());
            }
            let _ = sdp.usable_answer_to(&local);
        }
    }

    #[test]
    fn resource_lists(entries in proptest::collection::vec(bytes(), 0..5), raw in bytes()) {
        let _ = resource_list::parse(&raw);
        let mut document = "<l:resource-lists xmlns:l='urn:ietf:params:xml:ns:resource-lists' \
            xmlns:c='urn:ietf:params:xml:ns:copycontrol'><l:list>".to_owned();
        for entry in &entries {
            let uri = quick_xml::escape::escape(String::from_utf8_lossy(entry));
            document.push_str(&format!("<l:entry uri=\"{uri}\" c:copyControl='to'/>"));
        }
        document.push_str("</l:list></l:resource-lists>");
        if let Ok(list) = resource_list::parse(document.as_bytes()) {
            prop_assert_eq!(list.len(), entries.len());
            prop_assert!(list.iter().all(|entry| clean(&entry.text)));
            let merged = resource_list::merge(list, &Identity::of);
            prop_assert_eq!(resource_list::merge(merged.clone(), &Identity::of), merged.clone());
            let told: Vec<_> = merged.iter().filter_map(resource_list::Entry::history).collect();
            if let Some(history) = resource_list::build_history(&told) {
                let again = resource_list::parse(&history).unwrap();
                prop_assert!(again.iter().all(|entry| entry.target.is_ok() && entry.method.is_none()));
                let again: Vec<_> = again.iter().filter_map(resource_list::Entry::history).collect();
                prop_assert_eq!(resource_list::build_history(&again), Some(history));
            }
        }
    }

    #[test]
    fn bodies(kind in bytes(), body in bytes(), whole in any::<bool>()) {
        let mut raw = b"REFER sip:f@x SIP/2.0\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@b>;tag=1\r\nt: <sip:f@x>\r\n\
            i: 1\r\nCSeq: 1 REFER\r\nc: multipart/mixed;boundary=".to_vec();
        if whole {
            raw.extend_from_slice(b"b");
        }
        raw.extend(kind.into_iter().filter(|b| !b"\r\n".contains(b)));
        raw.extend_from_slice(b"\r\n\r\n--b\r\n");
        raw.extend(&body);
        raw.extend_from_slice(b"\r\n--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n");
        raw.extend(&body);
        if let Ok(request) = Request::parse(&raw, false) {
            match multipart::parts(&request, &request.body) {
                Ok(parts) => for part in parts {
                    prop_assert!(clean(&part.kind.kind) && clean_params(&part.kind.params));
                    prop_assert!(part.id.as_deref().is_none_or(clean));
                    prop_assert!(part.encodings.iter().all(|name| clean(name)));
                    let _ = part.decoded();
                },
                Err(error) => prop_assert!(clean(&error.to_string())),
            }
        }
        let decoded = content_encoding::decode(&["deflate".to_owned()], &body, 100);
        prop_assert!(decoded.map_or(0, |decoded| decoded.len()) <= 100);
    }

    #[test]
    fn parts_survive(bodies in proptest::collection::vec(bytes(), 1..4)) {
        let parts: Vec<_> = bodies
            .iter()
            .map(|body| multipart::NewPart { kind: "a/b", disposition: Some("x"), body })
            .collect();
        let (kind, body) = multipart::build(&parts);
        let headers = Headers::parse([format!("c: {kind}").as_bytes()].into_iter()).unwrap();
        let found = multipart::parts(&headers, &body).unwrap();
        let found: Vec<Vec<u8>> = found.into_iter().map(|part| part.body).collect();
        prop_assert_eq!(found, bodies);
    }

    #[test]
    fn what_we_write_stays_in_its_line(a in any::<String>(), b in any::<String>()) {
        let body = sipfrag::status_line(200, &a, &[("To", &b)]);
        prop_assert_eq!(body.iter().filter(|b| **b == b'\n').count(), 2);
        let text = warning::warning(&a, &b);
        prop_assert!(clean(&text));
        let bad = LocalMedia { msrp_uri: a, session: b, origin_id: 1, version: 1, fingerprint: None, chatroom: None };
        let offer = sdp::build_offer(&bad);
        prop_assert_eq!(offer.iter().filter(|b| **b == b'\n').count(), 12);
        prop_assert!(MsrpPath::parse(&bad.msrp_uri).is_none_or(|path| clean(path.as_str())));
    }
}
