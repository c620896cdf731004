//! Bodies of one part and of many, as SIP peers write them, and harmful ones.

use std::time::{Duration, Instant};

use super::*;

fn headers(lines: &[&str]) -> Headers {
    Headers::parse(lines.iter().map(|line| line.as_bytes())).unwrap()
}

fn mixed(boundary: &str, body: &str) -> Result<Vec<Part>, MultipartError> {
    let line = format!("Content-Type: multipart/mixed;boundary=\"{boundary}\"");
    parts(&headers(&[&line]), body.as_bytes())
}

#[test]
fn the_body_itself_is_a_part() {
    let h = headers(&[
        "c: application/resource-lists+xml",
        "Content-ID: <Id_1@dom>",
        "Content-Disposition: recipient-list",
        "e: Deflate",
    ]);
    let found = parts(&h, b"x").unwrap();
    let part = by_content_id(&found, "Id_1@dom").unwrap();
    assert_eq!(part.kind.kind, "application/resource-lists+xml");
    assert_eq!(part.disposition(), Some("recipient-list"));
    assert!(part.required());
    assert_eq!(part.encodings, ["deflate"]);
    assert_eq!(part.decoded().unwrap_err().status(), 400);
    assert!(by_content_id(&found, "id_1@dom").is_none());
    assert_eq!(parts(&h, b""), Ok(Vec::new()));
    let found = parts(&headers(&[]), b"x").unwrap();
    assert_eq!(found[0].kind.kind, "application/octet-stream");
}

const NESTED: &str = "preamble\r\n--outer\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n\
    --outer \r\ncontent-type: Multipart/Related;\r\n boundary=in\r\n\r\n\
    --in\r\nCONTENT-ID: <a%b@c>\r\nContent-Type: application/resource-lists+xml\r\n\
    Content-Disposition: recipient-list; handling=optional\r\n\r\n<x/>\r\n\
    --in\r\n\r\nplain\r\n--in--\r\n\
    --outer\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\
    Content-ID: b@c\r\n\r\nAAH/\r\n--outer--\r\nepilogue";

#[test]
fn nested_parts_in_order() {
    let found = mixed("outer", NESTED).unwrap();
    let kinds: Vec<&str> = found.iter().map(|part| part.kind.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "application/sdp",
            "application/resource-lists+xml",
            "text/plain",
            "application/octet-stream"
        ]
    );
    assert_eq!(found[0].body, b"v=0\r\n");
    let list = by_content_id(&found, "a%b@c").unwrap();
    assert_eq!(list.body, b"<x/>");
    assert!(!list.required());
    assert_eq!(found[2].body, b"plain");
    assert_eq!(by_content_id(&found, "b@c").unwrap().body, b"\0\x01\xff");
    assert!(by_content_id(&found, "nobody").is_none());
    assert!(by_content_id(&found, "b@c;method=x").is_some());
}

#[test]
fn octets_survive() {
    // RFC 4475 section 3.1.1.11: NUL octets and bare line ends in a part.
    let body = b"--b\r\nContent-Type: application/pkcs7\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\xff\n\r\0\r\n--b--";
    let h = headers(&["Content-Type: multipart/mixed;boundary=b"]);
    assert_eq!(parts(&h, body).unwrap()[0].body, b"\0\xff\n\r\0");
}

#[test]
fn bare_line_feeds_and_a_missing_end_are_tolerated() {
    let found = mixed("b", "--b\nContent-ID: <x>\n\none\n--b\n\ntwo").unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (found[0].body.as_slice(), found[0].id.as_deref()),
        (&b"one"[..], Some("x"))
    );
    assert_eq!(found[1].body, b"two");
}

#[test]
fn an_encoded_multipart() {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"--b\r\n\r\none\r\n--b--").unwrap();
    let h = headers(&["c: multipart/mixed;boundary=b", "Content-Encoding: gzip"]);
    assert_eq!(parts(&h, &gzip.finish().unwrap()).unwrap()[0].body, b"one");
    let error = parts(&h, b"--b\r\n\r\none\r\n--b--").unwrap_err();
    assert_eq!(error.status(), 400);
    let h = headers(&["c: multipart/mixed;boundary=b", "Content-Encoding: br"]);
    assert_eq!(parts(&h, b"x").unwrap_err().status(), 415);
}

#[test]
fn refuses() {
    let none = parts(&headers(&["c: multipart/mixed"]), b"x");
    assert_eq!(none, Err(MultipartError::NoBoundary));
    assert_eq!(mixed("", "x"), Err(MultipartError::NoBoundary));
    assert_eq!(mixed(&"b".repeat(71), "x"), Err(MultipartError::NoBoundary));
    for body in [
        "x",
        "--b",
        "--b--",
        "--b\r\nContent-Type: multipart/mixed\r\n\r\n\r\n--b--",
    ] {
        let got = mixed("b", body);
        assert!(
            matches!(got, Err(MultipartError::Malformed(_))),
            "{body}: {got:?}"
        );
    }
    let bad = "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--";
    assert!(matches!(mixed("b", bad), Err(MultipartError::Malformed(_))));
}

#[test]
fn number_size_and_depth_are_bounded() {
    let many = "--b\r\n\r\nx\r\n".repeat(MAX_PARTS);
    assert_eq!(
        mixed("b", &format!("{many}--b--")).unwrap().len(),
        MAX_PARTS
    );
    let many = format!("{many}--b\r\n\r\nx\r\n--b--");
    assert_eq!(mixed("b", &many), Err(MultipartError::TooMany));
    let nested = |depth: usize| -> String {
        let open = |n| {
            format!(
                "--b{n:03}\r\nContent-Type: multipart/mixed;boundary=b{:03}\r\n\r\n",
                n + 1
            )
        };
        let opened: String = (0..depth - 1).map(open).collect();
        format!("{opened}--b{:03}\r\n\r\nx", depth - 1)
    };
    assert_eq!(mixed("b000", &nested(MAX_DEPTH)).unwrap().len(), 1);
    assert_eq!(
        mixed("b000", &nested(MAX_DEPTH + 1)),
        Err(MultipartError::TooDeep)
    );
    assert!(mixed("b000", &nested(900)).is_err());
    let large = format!("--b\r\n\r\n{}\r\n--b--", "x".repeat(MAX_BODY));
    assert_eq!(mixed("b", &large), Err(MultipartError::TooLarge));
}

#[test]
fn harmful_bodies_take_no_time() {
    let half = MAX_BODY / 2 - 200;
    let long_boundary = format!(
        "--b\r\nContent-Type: multipart/mixed;boundary=\"{}x\"\r\n\r\n{}\r\n--b--",
        "-".repeat(half),
        "-".repeat(half)
    );
    let many_parts = "--b\n".repeat(MAX_BODY / 4);
    let many_headers = format!("--b\n{}", "a\n".repeat(MAX_BODY / 2 - 8));
    let many_params = format!(
        "--b\nContent-Type: multipart/mixed{}",
        ";a=b".repeat(MAX_BODY / 4 - 16)
    );
    let many_words = format!("--b\nContent-Type: a{}\n\n", "=?".repeat(MAX_BODY / 2 - 16));
    for body in [
        long_boundary,
        many_parts,
        many_headers,
        many_params,
        many_words,
    ] {
        let start = Instant::now();
        let _ = mixed("b", &body);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(2), "{}: {took:?}", &body[..60]);
    }
}

/// Only where mail would look for words.
#[test]
fn a_body_may_hold_what_looks_like_encoded_words() {
    let words = "=?".repeat(1_000);
    let found = mixed("b", &format!("--b\n\n{words}\n--b--\n")).unwrap();
    assert_eq!(found[0].body, words.as_bytes());
    let folded = format!("--b\nX: 1\nContent-Type: a/b;\n {words}\n\nx\n--b--\n");
    assert!(mixed("b", &folded).is_err());
}

#[test]
fn what_is_built_is_found_again() {
    let tricky = b"--cpm-part-0\r\nno part\r\n--cpm-part-1--";
    let (kind, body) = build(&[
        NewPart {
            kind: "application/sdp",
            disposition: None,
            body: b"v=0\r\n",
        },
        NewPart {
            kind: "application/resource-lists+xml\r\nX: y",
            disposition: Some("recipient-list-history; handling=optional"),
            body: tricky,
        },
    ]);
    assert_eq!(kind, "multipart/mixed;boundary=\"cpm-part-2\"");
    let found = parts(&headers(&[&format!("Content-Type: {kind}")]), &body).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].body, b"v=0\r\n");
    assert_eq!(found[1].body, tricky);
    assert_eq!(found[1].disposition(), Some("recipient-list-history"));
    assert!(!found[1].required());
}

#[test]
fn a_last_part_written_once_ends_many_bodies() {
    let list = NewPart {
        kind: "application/resource-lists+xml",
        disposition: Some("recipient-list-history; handling=optional"),
        body: b"<a>--cpm-part-0</a>",
    };
    let last = LastPart::new(&list).unwrap();
    for n in 0..3 {
        let sdp = format!("v=0\r\ns={n}\r\n");
        let sdp = NewPart {
            kind: "application/sdp",
            disposition: None,
            body: sdp.as_bytes(),
        };
        assert_eq!(last.behind(Some(&sdp)), build(&[sdp, list]));
    }
    assert_eq!(last.behind(None), build(&[list]));
    let delimiter = NewPart {
        kind: "a/b",
        disposition: None,
        body: b"x\r\n--cpm-part-1--\r\n",
    };
    let alone = ("a/b".to_owned(), delimiter.body.to_vec());
    assert_eq!(last.behind(Some(&delimiter)), alone);
    let latin = NewPart {
        body: b"\xe4",
        ..list
    };
    assert_eq!(LastPart::new(&latin), None);
}
