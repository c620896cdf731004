//! Lists of the RFCs and of clients, the transform of RFC 5364, and documents that mean harm.

use super::*;
use crate::sip::message::tests::FIGURE_3_BODY;

fn parsed(document: &str) -> Vec<Entry> {
    parse(document.as_bytes()).unwrap_or_else(|error| panic!("{document}: {error}"))
}

fn list(entries: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{entries}</list></resource-lists>"
    )
}

fn error(document: &str) -> ListError {
    parse(document.as_bytes()).expect_err(document)
}

fn uris(entries: &[Entry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| entry.target.as_ref().map_or("-", Uri::as_str))
        .collect()
}

const FIGURE_3: &str = r#"
    <entry uri="sip:bill@example.com" cp:copyControl="to" />
    <entry uri="sip:randy@example.net" cp:copyControl="to"
                                       cp:anonymize="true"/>
    <entry uri="sip:eddy@example.com" cp:copyControl="to"
                                      cp:anonymize="true"/>
    <entry uri="sip:joe@example.org" cp:copyControl="cc" />
    <entry uri="sip:carol@example.net" cp:copyControl="cc"
                                       cp:anonymize="true"/>
    <entry uri="sip:ted@example.net" cp:copyControl="bcc" />
    <entry uri="sip:andy@example.com" cp:copyControl="bcc" />"#;

/// Every host may stand for numbers.
fn anywhere(uri: &Uri) -> Identity {
    Identity::of(uri).number_where(|_| true)
}

fn history_of(document: &str) -> Option<String> {
    let entries: Vec<HistoryEntry> = merge(parsed(document), &anywhere)
        .iter()
        .filter_map(Entry::history)
        .collect();
    build_history(&entries).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn rfc_5364_figure_3_becomes_figure_4() {
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\n\
        \x20 <list>\n\
        \x20   <entry uri=\"sip:bill@example.com\" cp:copyControl=\"to\"/>\n\
        \x20   <entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"to\" cp:count=\"2\"/>\n\
        \x20   <entry uri=\"sip:joe@example.org\" cp:copyControl=\"cc\"/>\n\
        \x20   <entry uri=\"sip:anonymous@anonymous.invalid\" cp:copyControl=\"cc\" cp:count=\"1\"/>\n\
        \x20 </list>\n\
        </resource-lists>";
    let document = list(FIGURE_3);
    assert_eq!(history_of(&document).as_deref(), Some(expected));
    // RFC 5366 figure 3 prints another namespace.
    let document = document.replace("copycontrol", "copyControl");
    assert_eq!(history_of(&document).as_deref(), Some(expected));
    // What was written reads as itself, and makes the same history again.
    assert_eq!(history_of(expected).as_deref(), Some(expected));
    let again = parsed(expected);
    assert_eq!((again[1].count, again[1].copy), (2, CopyControl::To));
}

#[test]
fn nothing_to_tell() {
    assert_eq!(history_of(&list(r#"<entry uri="sip:a@b"/>"#)), None);
    let both = r#"<entry uri="sip:a@b" cp:copyControl="bcc" cp:anonymize="true"/>"#;
    assert_eq!(history_of(&list(both)), None);
    assert_eq!(build_history(&[]), None);
}

#[test]
fn a_history_tells_no_more_than_the_address() {
    let entry = r#"<entry uri="sip:a&amp;b@x;method=INVITE?Subject=secret" cp:copyControl="to"/>"#;
    let text = history_of(&list(entry)).unwrap();
    assert!(text.contains("uri=\"sip:a&amp;b@x\" "), "{text}");
    assert!(
        !text.contains("secret") && !text.contains("INVITE"),
        "{text}"
    );
}

#[test]
fn rfc_5368_figure_3() {
    let entries = parsed(FIGURE_3_BODY);
    assert_eq!(
        uris(&entries),
        [
            "sip:bill@example.com",
            "sip:joe@example.org",
            "sip:ted@example.net"
        ]
    );
    for entry in &entries {
        assert_eq!(entry.method, Some(Method::Bye));
        assert_eq!(entry.copy, CopyControl::Bcc);
        assert!(!entry.anonymize);
    }
}

#[test]
fn prefixes_marks_nesting_and_strangers() {
    let document = "\u{FEFF}\r\n<p1:resource-lists xmlns:p1='urn:ietf:params:xml:ns:resource-lists' \
        xmlns:x='urn:x' xmlns='urn:y'><!-- c --><?pi x?>\
        <p1:list name='a'><p1:entry uri=' sip:a@b '><p1:display-name>A &amp; &#66;<![CDATA[ <C>]]></p1:display-name></p1:entry>\
        <p1:list><p1:entry uri='tel:+1'></p1:entry></p1:list>\
        <x:wrap><p1:entry uri='sip:hidden@b'/><p1:list><p1:entry uri='sip:hidden2@b'/></p1:list></x:wrap>\
        <entry uri='sip:stranger@b'/><p1:entry-ref ref='x'/><p1:external anchor='http://evil/'/></p1:list>\
        <p1:list><p1:entry x:y='1' uri='sip:c@d;method=INVITE?Session-Replaces=z'/></p1:list></p1:resource-lists>\n<!-- end -->\n";
    let entries = parsed(document);
    assert_eq!(uris(&entries), ["sip:a@b", "tel:+1", "sip:c@d"]);
    assert_eq!(entries[0].display.as_deref(), Some("A & B <C>"));
    assert_eq!(entries[2].method, Some(Method::Invite));
    assert_eq!(
        entries[2].headers,
        [("Session-Replaces".to_owned(), "z".to_owned())]
    );
}

#[test]
fn copy_control_attributes() {
    let one = |attributes: &str| {
        let entries = parsed(&list(&format!("<entry uri='sip:a@b' {attributes}/>")));
        (entries[0].copy, entries[0].anonymize, entries[0].count)
    };
    use CopyControl::*;
    assert_eq!(one(""), (Bcc, false, 1));
    assert_eq!(
        one("cp:copyControl='cc' cp:anonymize='1' cp:count='7'"),
        (Cc, true, 7)
    );
    assert_eq!(
        one("cp:copyControl='to' cp:anonymize='false'"),
        (To, false, 1)
    );
    // Not of that namespace, or not to be understood: what shows least.
    assert_eq!(one("copyControl='to'"), (Bcc, false, 1));
    assert_eq!(
        one("cp:copyControl='all' cp:anonymize='maybe' cp:count='-1'"),
        (Bcc, true, 1)
    );
}

#[test]
fn unusable_entries_are_kept_apart() {
    let entries = parsed(&list(
        "<entry uri='http://x'/><entry uri='sip:a@b'/><entry uri=''/><entry uri='sip:&#13;&#10;@x'/>",
    ));
    assert_eq!(uris(&entries), ["-", "sip:a@b", "-", "-"]);
    assert_eq!(
        entries[0].target,
        Err(UriError::UnsupportedScheme("http".into()))
    );
    assert!(entries
        .iter()
        .all(|entry| !entry.text.contains(['\r', '\n'])));
}

#[test]
fn one_entry_per_person() {
    let document = list(
        "<entry uri='sip:+1234@home1.test;user=phone'/>\
         <entry uri='sip:bob@HOME1.test' cp:copyControl='cc'/>\
         <entry uri='http://x'/><entry uri='http://x'/>\
         <entry uri='tel:+1-234' cp:copyControl='to' cp:anonymize='true'/>\
         <entry uri='sip:%62ob@home1.test:5060' cp:copyControl='bcc'/>\
         <entry uri='sip:bob@home1.test;method=BYE'/>",
    );
    let apart = merge(parsed(&document), &Identity::of);
    let entries = merge(parsed(&document), &anywhere);
    assert_eq!(apart.len(), entries.len() + 1);
    assert_eq!(
        uris(&entries),
        [
            "sip:+1234@home1.test;user=phone",
            "sip:bob@HOME1.test",
            "-",
            "-",
            "sip:bob@home1.test"
        ]
    );
    assert_eq!(
        (entries[0].copy, entries[0].anonymize),
        (CopyControl::To, true)
    );
    assert_eq!(
        (entries[1].copy, entries[1].anonymize),
        (CopyControl::Cc, false)
    );
}

#[test]
fn broken_documents() {
    let good = list("<entry uri='sip:a@b'/>");
    for document in [
        "",
        "   ",
        "not xml",
        &good[..good.len() - 3],
        &good.replace("</list>", ""),
        &good.replace("</list>", "</lisp>"),
        &format!("{good}<x/>"),
        &format!("{good}text"),
        &format!("{good}<![CDATA[x]]>"),
        &format!("{good}&amp;"),
        &good.replace("uri=", "url="),
        &good.replace("uri=", "uri='x' uri="),
        &good.replace("sip:a", "sip:&unknown;"),
        &good.replace("<list>", "<list>&unknown;"),
        &good.replace("<list>", "<list>a & b"),
        &good.replace("<list>", "<list><x:y/>"),
        &good.replace("<list>", "<list>\u{1}"),
        &good.replace("sip:a@b", "sip:a@b;method=INVITE?method=BYE"),
        &good.replace("sip:a@b", "sip:a@b;method"),
    ] {
        let error = error(document);
        assert!(
            matches!(error, ListError::Malformed(_)),
            "{document}: {error:?}"
        );
        assert_eq!(error.status(), 400);
    }
    assert!(matches!(
        parse(b"<resource-lists>\xff"),
        Err(ListError::Malformed(_))
    ));
    for root in [
        "<resource-lists/>",
        "<resource-lists xmlns='urn:x'/>",
        "<html/>",
    ] {
        assert!(matches!(error(root), ListError::WrongRoot(_)), "{root}");
    }
    let other = good
        .replace("<resource-lists", "<list")
        .replace("/resource-lists", "/list");
    assert!(matches!(error(&other), ListError::WrongRoot(_)));
    assert_eq!(error(&list("")), ListError::Empty);
    assert_eq!(
        error(&list("<list/><entry-ref ref='x'/>")),
        ListError::Empty
    );
    let bare = good.replace("<list>", "").replace("</list>", "");
    assert_eq!(error(&bare), ListError::Empty);
}

#[test]
fn other_encodings() {
    let good = list("<entry uri='sip:a@b'/>");
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for document in [[&b"\xff\xfe"[..], &utf16].concat(), utf16] {
        let error = parse(&document).unwrap_err();
        assert_eq!(
            (error.status(), error),
            (415, ListError::Encoding("utf-16".into()))
        );
    }
    let error = error(&good.replace("UTF-8", "ISO-8859-1"));
    assert_eq!(error, ListError::Encoding("ISO-8859-1".into()));
    assert!(parse(good.replace("UTF-8", "utf-8").as_bytes()).is_ok());
}

#[test]
fn harmful_documents() {
    let bomb = "<!DOCTYPE r [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>";
    let good = list("<entry uri='sip:&b;@b'/>");
    let document = good.replace("?>\n", &format!("?>{bomb}"));
    assert_eq!(error(&document), ListError::Doctype);
    let nested = |depth: usize| {
        list(&format!(
            "{}<entry uri='sip:a@b'/>{}",
            "<list>".repeat(depth),
            "</list>".repeat(depth)
        ))
    };
    // Root, the outermost list and the entry are elements too.
    assert_eq!(parsed(&nested(MAX_DEPTH - 3)).len(), 1);
    assert_eq!(error(&nested(MAX_DEPTH - 2)), ListError::TooDeep);
    assert_eq!(error(&nested(5000)), ListError::TooDeep);
    let many = list(&"<entry uri='sip:a@b'/>".repeat(MAX_ENTRIES));
    assert_eq!(parsed(&many).len(), MAX_ENTRIES);
    let many = list(&"<entry uri='sip:a@b'/>".repeat(MAX_ENTRIES + 1));
    assert_eq!(error(&many), ListError::TooMany);
    let large = list(&" ".repeat(MAX_BYTES));
    assert_eq!(error(&large), ListError::TooLarge);
    let attributes: String = (0..100).map(|n| format!(" a{n}='x'")).collect();
    let document = list(&format!("<entry uri='sip:a@b'{attributes}/>"));
    assert!(matches!(error(&document), ListError::Malformed(_)));
    let bindings: String = (0..9000).map(|n| format!(" xmlns:a{n}='x'")).collect();
    let document = list(&format!("<entry uri='sip:a@b'{bindings}/>"));
    assert!(parse(document.as_bytes()).is_err());
}

#[test]
fn entries_are_counted_without_being_read() {
    let entry = "<entry uri='sip:a@b'/>";
    for (document, most) in [
        (list(&entry.repeat(3)), 3),
        (
            list("<entry uri='sip:a@b'><display-name>x</display-name></entry>"),
            1,
        ),
        (
            list("<rl:entry xmlns:rl='urn:ietf:params:xml:ns:resource-lists' uri='sip:a@b'/>"),
            1,
        ),
        (
            list("<!-- <entry uri='sip:a@b'/> --><entry\nuri='sip:a@b'/>"),
            2,
        ),
        (list("<entry-ref ref='x'/><external anchor='y'/>"), 0),
        ("<entry".to_owned(), 0),
    ] {
        assert_eq!(most_entries(document.as_bytes()), most, "{document}");
        let read = parse(document.as_bytes()).map_or(0, |entries| entries.len());
        assert!(read <= most, "{document}");
    }
}

#[test]
fn a_document_of_tags_that_never_end_is_counted_at_once() {
    let begun = std::time::Instant::now();
    assert_eq!(most_entries(&b"<".repeat(1 << 20)), 0);
    // A search to the end from each of them would take minutes.
    assert!(begun.elapsed().as_secs() < 10);
}
