//! What a document may look like, and what its author is told about mistakes.

use super::support::*;
use crate::cpm::policy::*;

fn refused(xml: &str) -> String {
    Group::parse(xml.as_bytes()).unwrap_err().to_string()
}

/// The message for a document with this inside `<list-service>`.
fn refused_inside(inside: &str) -> String {
    refused(&document(inside))
}

#[test]
fn a_message_has_the_line_and_what_was_wrong() {
    let xml = SAMPLE.replace("<allow-anonymity>true", "<allow-anonymity>yes");
    let error = Group::parse(xml.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 12: <allow-anonymity> must be true or false, got 'yes'"
    );
    assert_eq!(error.column, 86);
}

#[test]
fn byte_order_mark_declaration_comments_and_cdata_are_fine() {
    let xml = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>\r\n<!-- a group --><?x y?>\n{}\n<!-- end -->\n",
        document("<display-name><![CDATA[A & B]]> &amp; C&#x21;&#33;</display-name>")
    );
    let group = Group::parse(xml.as_bytes()).unwrap();
    assert_eq!(group.display_name.as_deref(), Some("A & B & C!!"));
}

#[test]
fn the_draft_namespace_is_accepted() {
    let xml = SAMPLE.replace(
        "urn:oma:xml:poc:list-service",
        "urn:oma:params:xml:ns:list-service",
    );
    let group = Group::parse(xml.as_bytes()).unwrap();
    assert!(
        evaluate(&group, &["sip:alice@home1.test"])
            .allowed
            .allow_anonymity
    );
}

#[test]
fn prefixes_are_only_names() {
    let xml = SAMPLE
        .replace("cp:", "pol:")
        .replace(":opol", ":ocp")
        .replace("xmlns:cp=", "xmlns:pol=");
    let group = Group::parse(xml.as_bytes()).unwrap();
    assert!(
        evaluate(&group, &["sip:alice@home1.test"])
            .allowed
            .allow_anonymity
    );
}

#[test]
fn lists_names_limits_and_extensions() {
    let group = group(
        "<display-name xml:lang=\"en\">Team</display-name><display-name xml:lang=\"fi\">Tiimi</display-name>\
         <oxe:subject>Lunch</oxe:subject>\
         <list><entry uri=\"sip:a@x.test\"><rl:display-name>Ann</rl:display-name></entry>\
          <list><rl:entry uri=\"sip:b@x.test\"/></list><entry uri=\"sip:A@x.test\"/>\
          <entry uri=\"sip:a@X.test;user=phone\"/><entry uri=\"mailto:c@x.test\"/>\
          <external anchor=\"http://xcap.test/l\"/></list>\
         <max-participant-count>0</max-participant-count>\
         <oxe:session-active-policy><oxe:min-participant-count>3</oxe:min-participant-count>\
          <oxe:max-duration>PT1H</oxe:max-duration></oxe:session-active-policy>\
         <oxe:searchable must-understand=\"true\">true</oxe:searchable>\
         <x:anything/>",
    );
    assert_eq!(group.display_name.as_deref(), Some("Team"));
    assert_eq!(group.subject.as_deref(), Some("Lunch"));
    let members: Vec<&str> = group.members.iter().map(|m| m.uri.as_str()).collect();
    assert_eq!(members, ["sip:a@x.test", "sip:b@x.test", "sip:A@x.test"]);
    assert_eq!(group.members[0].display_name.as_deref(), Some("Ann"));
    assert_eq!(group.max_participant_count, None, "0 is no limit");
    assert_eq!(group.min_participant_count, Some(3));
    assert!(!group.invite_members, "absent is false");
    let notes: Vec<&str> = group.notes.iter().map(|n| n.text.as_str()).collect();
    // Twice on the list, mailto, external, max-duration, searchable, unknown, no ruleset.
    assert_eq!(notes.len(), 7, "{notes:?}");
}

#[test]
fn a_wrong_or_missing_namespace_is_told_instead_of_ignored() {
    assert_eq!(
        refused("<group><list-service uri=\"sip:a@b.test\"/></group>"),
        "line 1: expected <group> in namespace urn:oma:xml:poc:list-service, found <group> without a namespace"
    );
    assert!(refused("<resource-lists/>").contains("found <resource-lists>"));
    assert!(refused_inside("<ruleset/>").contains("expected it in the common-policy namespace"));
    assert!(refused_inside("<x:list/>").contains("expected it in the list-service namespace"));
    assert!(refused_inside("<cp:ruleset><rule id=\"r\"/></cp:ruleset>")
        .contains("must not contain <rule>"));
    assert!(refused_inside("<nope:list/>").contains("prefix 'nope' is not declared"));
}

/// This mistake would open a group to everybody: a rule whose conditions are not recognised.
#[test]
fn conditions_in_the_wrong_namespace_refuse_the_document() {
    let text = refused_inside("<cp:ruleset><cp:rule id=\"r\"><conditions><is-list-member/></conditions></cp:rule></cp:ruleset>");
    assert!(
        text.contains("<rule> must not contain <conditions> of the list-service namespace"),
        "{text}"
    );
}

#[test]
fn what_must_be_understood_and_is_not_refuses_the_document() {
    let unknown = "<x:secret oxe:must-understand=\"true\"/>";
    let within = |around: &str| around.replace("{}", unknown);
    for inside in [
        within("{}"),
        within("<oxe:session-active-policy>{}</oxe:session-active-policy>"),
        within("<cp:ruleset><cp:rule id=\"r\"><cp:conditions>{}</cp:conditions></cp:rule></cp:ruleset>"),
        within("<cp:ruleset><cp:rule id=\"r\"><cp:actions>{}</cp:actions></cp:rule></cp:ruleset>"),
        within("<list>{}</list>"),
        "<oxe:age-restrictions must-understand=\"1\"/>".to_owned(),
    ] {
        assert!(refused_inside(&inside).contains("must be understood"), "{inside}");
    }
    assert_eq!(
        group("<x:secret oxe:must-understand=\"false\"/><cp:ruleset/>")
            .notes
            .len(),
        1
    );
}

#[test]
fn values_that_cannot_be_read_are_told() {
    let conditions = |c: &str| format!("<cp:ruleset>{}</cp:ruleset>", rule("r", c));
    let period = |c: &str| conditions(&format!("<cp:validity>{c}</cp:validity>"));
    let (from, until) = (
        "<cp:from>2026-01-01T00:00:00Z</cp:from>",
        "<cp:until>2026-01-01T00:00:00Z</cp:until>",
    );
    for (inside, expected) in [
        ("<invite-members>maybe</invite-members>".to_owned(), "<invite-members> must be true or false, got 'maybe'"),
        ("<invite-members/>".to_owned(), "must be true or false, got ''"),
        ("<max-participant-count>-1</max-participant-count>".to_owned(), "whole number from 0 to 4294967295, got '-1'"),
        ("<max-participant-count>4294967296</max-participant-count>".to_owned(), "whole number"),
        ("<max-participant-count/>".to_owned(), "whole number"),
        ("<max-participant-count>1</max-participant-count><max-participant-count>2</max-participant-count>".to_owned(), "<max-participant-count> is given twice"),
        ("<list><entry/></list>".to_owned(), "<entry> has no uri"),
        ("<list><entry uri=\"sip:\"/></list>".to_owned(), "<entry> has an unusable URI 'sip:'"),
        (conditions("<cp:identity><cp:one/></cp:identity>"), "<one> has no id"),
        (conditions("<cp:identity><cp:many domain=\"*.x\"/></cp:identity>"), "<many> has an unusable domain '*.x'"),
        (conditions("<cp:identity><cp:many><cp:except/></cp:many></cp:identity>"), "<except> has no id or domain"),
        (conditions("<cp:identity><cp:many><cp:except id=\"sip:\"/></cp:many></cp:identity>"), "<except> has an unusable URI"),
        (conditions("<is-list-member>perhaps</is-list-member>"), "<is-list-member> must be true or false"),
        (period(from), "pairs of <from> and <until>"),
        (period(&format!("{until}{from}")), "pairs of <from> and <until>"),
        (period(&format!("{from}{until}{from}")), "pairs of <from> and <until>"),
        (period(&format!("<cp:from>2026-01-01T00:00:00</cp:from>{until}")), "<from> must be a date and time with offset"),
        ("<cp:ruleset/><cp:ruleset/>".to_owned(), "<ruleset> is given twice"),
    ] {
        let text = refused_inside(&inside);
        assert!(text.contains(expected), "{inside}\n gave: {text}");
    }
    for (xml, expected) in [
        ("<list-service/>", "<list-service> has no uri"),
        (
            "<list-service uri=\"tel:+1\"/>",
            "a group needs a sip or sips URI",
        ),
        (
            "<list-service uri=\"sip:a@b.test\"/><list-service uri=\"sip:c@d.test\"/>",
            "<list-service> is given twice",
        ),
        ("", "<group> has no <list-service>"),
    ] {
        let text = refused(&format!(
            "<group xmlns=\"urn:oma:xml:poc:list-service\">{xml}</group>"
        ));
        assert!(text.contains(expected), "{xml}\n gave: {text}");
    }
}

#[test]
fn a_rule_without_id_is_named_by_its_line() {
    let group =
        ruled("\n<cp:rule><cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>");
    assert_eq!(
        evaluate(&group, &["sip:a@b.test"]).matched_rules,
        ["line 2"]
    );
}
