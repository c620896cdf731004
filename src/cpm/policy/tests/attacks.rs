//! Hostile and damaged documents are refused quickly and without a panic.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::support::*;
use crate::cpm::policy::*;

/// The reason of a refusal that must not take long.
fn refused(xml: &[u8]) -> Reason {
    let start = Instant::now();
    let reason = Group::parse(xml).unwrap_err().reason;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "took {:?}",
        start.elapsed()
    );
    reason
}

#[test]
fn entities_are_never_expanded() {
    let mut bomb = String::from("<!DOCTYPE group [<!ENTITY a \"aaaaaaaaaa\">");
    for i in 0..20 {
        bomb.push_str(&format!("<!ENTITY a{i} \"&a;&a;&a;&a;&a;&a;&a;&a;\">"));
    }
    bomb.push_str("]><group>&a19;</group>");
    assert_eq!(refused(bomb.as_bytes()), Reason::DocType);
    let file = "<?xml version=\"1.0\"?><!DOCTYPE g SYSTEM \"file:///etc/passwd\"><g/>";
    assert_eq!(refused(file.as_bytes()), Reason::DocType);
    let undeclared = document("<display-name>&xxe;</display-name>");
    assert_eq!(
        refused(undeclared.as_bytes()),
        Reason::Entity("xxe".to_owned())
    );
    let attribute = document("<list><entry uri=\"sip:&xxe;@a.test\"/></list>");
    assert!(matches!(
        refused(attribute.as_bytes()),
        Reason::NotWellFormed(_)
    ));
}

#[test]
fn depth_is_bounded() {
    let deep = document(&"<list>".repeat(100_000));
    assert_eq!(refused(deep.as_bytes()), Reason::TooDeep);
}

#[test]
fn size_counts_and_attributes_are_bounded() {
    assert_eq!(
        refused(&vec![b' '; MAX_DOCUMENT + 1]),
        Reason::TooLarge(MAX_DOCUMENT + 1)
    );
    assert_eq!(refused(&vec![b' '; MAX_DOCUMENT]), Reason::Empty);
    let many = document(&"<x:a/>".repeat(60_000));
    assert_eq!(refused(many.as_bytes()), Reason::TooManyElements);
    let huge = document(&format!("<x:a b=\"{}\"/>", "c".repeat(900_000)));
    assert!(matches!(
        refused(huge.as_bytes()),
        Reason::AttributeTooLong { .. }
    ));
    let attributes: String = (0..60_000).map(|i| format!(" a{i}=\"\"")).collect();
    let wide = document(&format!("<x:a{attributes}/>"));
    assert_eq!(
        refused(wide.as_bytes()),
        Reason::TooManyAttributes("a".to_owned())
    );
    let prefixes: String = (0..40_000).map(|i| format!(" xmlns:n{i}=\"u\"")).collect();
    let bound = document(&format!("<x:a{prefixes}/>"));
    assert_eq!(
        refused(bound.as_bytes()),
        Reason::TooManyAttributes("a".to_owned())
    );
}

/// A document at the limits is read and evaluated in time, and leaves a bounded number of notes.
#[test]
fn the_largest_document_is_still_quick() {
    let start = Instant::now();
    let one = "<cp:rule><cp:conditions><ocp:other-identity/></cp:conditions></cp:rule>";
    let inside = format!("<cp:ruleset>{}</cp:ruleset>", one.repeat(14_000));
    let group = group(&inside);
    assert_eq!(group.rules.len(), 14_000);
    assert_eq!(group.notes.len(), 100);
    assert_eq!(
        evaluate(&group, &["sip:a@b.test"]).matched_rules.len(),
        14_000
    );
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn broken_xml_is_refused_with_its_line() {
    for (xml, line) in [
        ("<a>\n<b>\n</a>", 3),
        ("\n<a", 2),
        ("<a>\n", 1),
        ("<a/>\n<b/>", 2),
        ("<a/>\ntext", 1),
        ("<a b='1'\n b='2'/>", 1),
        ("<a>\n<!-- -- --></a>", 2),
        ("<a>\n&#0;</a>", 2),
        ("</a>", 1),
        ("", 1),
    ] {
        let error = Group::parse(xml.as_bytes()).unwrap_err();
        assert_eq!(error.line, line, "{xml:?} gave {error}");
    }
}

#[test]
fn other_encodings_are_refused() {
    let utf16: Vec<u8> = SAMPLE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16 = [b"\xff\xfe".as_slice(), &utf16].concat();
    assert_eq!(refused(&utf16), Reason::NotUtf8);
    let declared = format!("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?>{SAMPLE}");
    assert_eq!(
        refused(declared.as_bytes()),
        Reason::Encoding("ISO-8859-1".to_owned())
    );
    let error = Group::parse(b"<a>\n\xff</a>").unwrap_err();
    assert_eq!(
        (error.line, error.column, error.reason),
        (2, 1, Reason::NotUtf8)
    );
}

#[test]
fn messages_are_short_and_have_no_control_characters() {
    let long = format!(
        "<invite-members>&#7;{}\n</invite-members>",
        "x".repeat(100_000)
    );
    let text = Group::parse(document(&long).as_bytes())
        .unwrap_err()
        .to_string();
    assert!(
        text.len() < 200 && !text.contains(char::is_control),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// However a document is damaged, reading and evaluating it neither panics nor hangs.
    #[test]
    fn a_damaged_document_never_panics(
        edits in prop::collection::vec((0usize..SAMPLE.len(), 0usize..40, prop::collection::vec(any::<u8>(), 0..6)), 1..6)
    ) {
        let mut xml = SAMPLE.as_bytes().to_vec();
        for (at, cut, put) in edits {
            let at = at.min(xml.len());
            let end = (at + cut).min(xml.len());
            xml.splice(at..end, put);
        }
        check(&xml);
    }

    /// The same with random sequences of document pieces, which stay well-formed more often.
    #[test]
    fn a_shuffled_document_never_panics(pieces in prop::collection::vec(0usize..PIECES.len(), 0..30)) {
        let inside: String = pieces.iter().filter_map(|i| PIECES.get(*i).copied()).collect();
        check(document(&inside).as_bytes());
        check(document(&format!("<cp:ruleset>{inside}</cp:ruleset>")).as_bytes());
    }

    #[test]
    fn noise_never_panics(xml in prop::collection::vec(any::<u8>(), 0..200)) {
        check(&xml);
    }
}

const PIECES: &[&str] = &[
    "<list>",
    "</list>",
    "<entry uri=\"sip:a@b.test\"/>",
    "<entry uri=\"%\"/>",
    "<cp:rule id=\"r\">",
    "</cp:rule>",
    "<cp:conditions>",
    "</cp:conditions>",
    "<cp:identity>",
    "</cp:identity>",
    "<cp:many domain=\"b.test\">",
    "<cp:many>",
    "</cp:many>",
    "<cp:except domain=\"%41\"/>",
    "<cp:one id=\"sip:a@b.test\"/>",
    "<ocp:other-identity/>",
    "<is-list-member/>",
    "<cp:actions>",
    "</cp:actions>",
    "<join-handling>true</join-handling>",
    "&amp;",
    "<![CDATA[x]]>",
    "<cp:validity>",
    "</cp:validity>",
    "<cp:from>2026-01-01T00:00:00Z</cp:from>",
    "<cp:until>9999-12-31T24:00:00-14:00</cp:until>",
];

fn check(xml: &[u8]) {
    match Group::parse(xml) {
        Ok(group) => {
            evaluate(&group, &["sip:alice@home1.test", "tel:+358401234567"]);
            explain(&group, &uri("sip:a@b.test"), &uri("tel:+1"), 0, &[]);
        }
        Err(error) => assert!(error.line >= 1 && !error.to_string().is_empty()),
    }
}
