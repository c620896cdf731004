//! Every condition of RFC 4745 section 7 and of OMA, one by one and together.

use super::support::*;
use crate::cpm::policy::*;

const BOB: &[&str] = &["sip:bob@home1.test"];
const NOBODY: &[&str] = &[];

#[test]
fn no_conditions_match_everybody_and_no_rule_permits_nothing() {
    assert!(matches("", BOB));
    assert!(matches("", NOBODY));
    let bare = ruled(
        "<cp:rule id=\"r\"><cp:actions><join-handling>1</join-handling></cp:actions></cp:rule>",
    );
    assert!(evaluate(&bare, BOB).allowed.join_handling);
    assert_eq!(evaluate(&group(""), BOB), Verdict::default());
    assert_eq!(evaluate(&ruled(""), BOB), Verdict::default());
}

#[test]
fn identity_one() {
    let one = "<cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity>";
    assert!(matches(one, BOB));
    assert!(matches(one, &["sip:%62ob@HOME1.test;user=phone"]));
    assert!(!matches(one, &["sip:bob@home2.test"]));
    assert!(!matches(one, NOBODY));
    let tel = "<cp:identity><cp:one id=\"tel:+358-40-1\"/></cp:identity>";
    assert!(matches(tel, &["tel:+358401"]));
    assert!(!matches(tel, &["sip:+358401@ims.test;user=phone"]));
}

/// A number is known under the hosts of the list; under others it is somebody of that host.
#[test]
fn a_number_in_a_sip_uri_counts_where_its_host_may() {
    let list = "<list><entry uri=\"sip:bob@ims.test\"/><entry uri=\"tel:+358402\"/></list>";
    let one = |id: &str| {
        let one = format!("<cp:identity><cp:one id=\"{id}\"/></cp:identity>");
        let rules = [rule("one", &one), rule("list", "<is-list-member/>")].concat();
        group(&format!("{list}<cp:ruleset>{rules}</cp:ruleset>"))
    };
    let matched = |group: &Group, who: &str| evaluate(group, &[who]).matched_rules;
    for id in ["tel:+358401", "sip:+358-401@ims.test;user=phone"] {
        assert_eq!(matched(&one(id), "tel:+358401"), ["one"]);
        assert_eq!(matched(&one(id), "sip:+358401@IMS.test"), ["one"]);
        assert!(matched(&one(id), "sip:+358401@evil.test").is_empty());
    }
    // Who is named so is that person of that host, and not the number.
    let foreign = one("sip:+358401@evil.test");
    assert_eq!(
        matched(&foreign, "sip:+358401@evil.test;user=phone"),
        ["one"]
    );
    assert!(matched(&foreign, "tel:+358401").is_empty());
    assert_eq!(matched(&foreign, "sip:+358402@ims.test"), ["list"]);
    assert!(matched(&foreign, "sip:+358402@evil.test").is_empty());
}

#[test]
fn children_of_identity_are_alternatives_and_conditions_are_not() {
    let two = "<cp:identity><cp:one id=\"sip:a@x.test\"/><cp:one id=\"sip:bob@home1.test\"/></cp:identity>";
    assert!(matches(two, BOB));
    let both = "<cp:identity><cp:one id=\"sip:a@x.test\"/></cp:identity>\
                <cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity>";
    assert!(!matches(both, BOB));
    assert!(!matches("<cp:identity/>", BOB));
}

#[test]
fn identity_many() {
    assert!(matches("<cp:identity><cp:many/></cp:identity>", BOB));
    assert!(matches(
        "<cp:identity><cp:many/></cp:identity>",
        &["tel:+1"]
    ));
    assert!(!matches("<cp:identity><cp:many/></cp:identity>", NOBODY));
    let many = "<cp:identity><cp:many domain=\"H%6Fme1.TEST.\"/></cp:identity>";
    assert!(matches(many, BOB));
    assert!(!matches(many, &["sip:bob@sub.home1.test"]));
    assert!(!matches(many, &["sip:bob@ahome1.test"]));
    assert!(!matches(many, &["tel:+358401"]));
    assert!(matches(many, &["tel:+358401", "sip:bob@home1.test"]));
}

#[test]
fn exceptions_subtract() {
    let many = "<cp:identity><cp:many>\
                <cp:except domain=\"evil.test\"/><cp:except id=\"sip:m@home1.test\"/><cp:except id=\"tel:+1555\"/>\
                </cp:many></cp:identity>";
    assert!(matches(many, BOB));
    for out in [
        "sip:x@EVIL.test",
        "sip:m@home1.test",
        "sip:+1555@home1.test;user=phone",
    ] {
        assert!(!matches(many, &[out]), "{out}");
    }
    // Both identities are one person: the other one does not get around the exception.
    assert!(!matches(many, &["tel:+358401", "sip:m@home1.test"]));
    assert!(!matches(many, &["sip:bob@home1.test", "sip:x@evil.test"]));
    // Another child of <identity> may still match the excluded person.
    let or = "<cp:identity><cp:many><cp:except id=\"sip:m@home1.test\"/></cp:many><cp:one id=\"sip:m@home1.test\"/></cp:identity>";
    assert!(matches(or, &["sip:m@home1.test"]));
}

#[test]
fn unknown_children_of_identity_are_false() {
    assert!(!matches("<cp:identity><x:all/></cp:identity>", BOB));
    assert!(matches(
        "<cp:identity><x:all/><cp:many/></cp:identity>",
        BOB
    ));
    assert!(!matches(
        "<cp:identity><cp:many><x:only-mondays/></cp:many></cp:identity>",
        BOB
    ));
    assert!(!matches(
        "<cp:identity><cp:one id=\"sip:bob@home1.test\"><x:only/></cp:one></cp:identity>",
        BOB
    ));
    assert!(!matches(
        "<cp:identity><cp:one id=\"mailto:bob@home1.test\"/></cp:identity>",
        BOB
    ));
}

#[test]
fn list_membership() {
    let list = "<list><entry uri=\"sip:bob@home1.test\"/></list>";
    let listed = |condition: &str, who: &[&str]| {
        let rules = rule("r", condition);
        evaluate(
            &group(&format!("{list}<cp:ruleset>{rules}</cp:ruleset>")),
            who,
        )
        .allowed
        .join_handling
    };
    for yes in [
        "<is-list-member/>",
        "<is-list-member>true</is-list-member>",
        "<oxe:is-list-member> 1 </oxe:is-list-member>",
    ] {
        assert!(listed(yes, BOB), "{yes}");
        assert!(!listed(yes, &["sip:eve@home1.test"]), "{yes}");
        assert!(!listed(yes, NOBODY), "{yes}");
    }
    let no = "<is-list-member>false</is-list-member>";
    assert!(!listed(no, BOB));
    assert!(listed(no, &["sip:eve@home1.test"]));
    assert!(
        !listed(no, NOBODY),
        "somebody not authenticated is no outsider either"
    );
}

#[test]
fn other_identity_is_whoever_no_other_rule_names() {
    let rules = [
        rule("named", "<cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity>"),
        rule("listed", "<is-list-member/>"),
        rule("over", "<cp:identity><cp:one id=\"sip:old@home1.test\"/></cp:identity>\
              <cp:validity><cp:from>2000-01-01T00:00:00Z</cp:from><cp:until>2001-01-01T00:00:00Z</cp:until></cp:validity>"),
        rule("rest", "<ocp:other-identity/>"),
        rule("open", ""),
    ]
    .concat();
    let group = group(&format!(
        "<list><entry uri=\"tel:+358401\"/></list><cp:ruleset>{rules}</cp:ruleset>"
    ));
    assert_eq!(evaluate(&group, BOB).matched_rules, ["named", "open"]);
    assert_eq!(
        evaluate(&group, &["tel:+358401"]).matched_rules,
        ["listed", "open"]
    );
    assert_eq!(
        evaluate(&group, &["sip:eve@x.test"]).matched_rules,
        ["rest", "open"]
    );
    // The rule that names this person is no longer valid, but it still names the person.
    assert_eq!(
        evaluate(&group, &["sip:old@home1.test"]).matched_rules,
        ["open"]
    );
    assert_eq!(evaluate(&group, NOBODY).matched_rules, ["open"]);
}

/// Spellings of one name. A permission knows the first one only, a denial all of them.
const MALLORY: [&str; 5] = [
    "sip:mallory@home1.test",
    "sip:Mallory@home1.test",
    "sip:mallory;x=y@home1.test",
    "sip:%6dallory@home1.test",
    "sip:MALLORY%3Bx=y@home1.test:5070;user=phone",
];

#[test]
fn another_spelling_gets_around_no_denial() {
    let except =
        "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/>\
                  </cp:many></cp:identity>";
    let named = [
        rule("named", "<cp:identity><cp:one id=\"sip:mallory@home1.test\"/></cp:identity>\
              <cp:validity><cp:from>2000-01-01T00:00:00Z</cp:from><cp:until>2001-01-01T00:00:00Z</cp:until></cp:validity>"),
        rule("rest", "<ocp:other-identity/>"),
    ]
    .concat();
    let named = ruled(&named);
    let unlisted = group(&format!(
        "<list><entry uri=\"sip:mallory@home1.test\"/></list><cp:ruleset>{}{}</cp:ruleset>",
        rule("unlisted", "<is-list-member>false</is-list-member>"),
        rule(
            "rest",
            "<ocp:other-identity/><is-list-member>false</is-list-member>"
        )
    ));
    for who in MALLORY {
        assert!(!matches(except, &[who]), "{who}");
        assert!(!matches(except, &["sip:bob@home1.test", who]), "{who}");
        assert!(evaluate(&named, &[who]).matched_rules.is_empty(), "{who}");
        assert!(
            evaluate(&unlisted, &[who]).matched_rules.is_empty(),
            "{who}"
        );
    }
    for who in ["sip:mallory2@home1.test", "sip:bob@home1.test"] {
        assert!(matches(except, &[who]), "{who}");
        assert_eq!(evaluate(&named, &[who]).matched_rules, ["rest"]);
        assert_eq!(
            evaluate(&unlisted, &[who])
                .matched_rules
                .first()
                .map(String::as_str),
            Some("unlisted")
        );
    }
}

#[test]
fn another_spelling_gets_no_permission() {
    let one = "<cp:identity><cp:one id=\"sip:mallory@home1.test\"/></cp:identity>";
    let listed = group(&format!(
        "<list><entry uri=\"sip:mallory@home1.test\"/></list><cp:ruleset>{}{}</cp:ruleset>",
        rule("listed", "<is-list-member/>"),
        rule("named", "<ocp:other-identity>false</ocp:other-identity>")
    ));
    let same = ["sip:mallory@home1.test", "sip:%6dallory@home1.test"];
    for who in MALLORY {
        let is_her = same.contains(&who);
        assert_eq!(matches(one, &[who]), is_her, "{who}");
        assert_eq!(
            !evaluate(&listed, &[who]).matched_rules.is_empty(),
            is_her,
            "{who}"
        );
    }
}

#[test]
fn the_own_naming_of_a_rule_does_not_count_against_its_other_identity() {
    let both =
        "<cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity><ocp:other-identity/>";
    assert!(matches(both, BOB));
    assert!(!matches(both, &["sip:eve@x.test"]));
    let twice = [
        rule("a", both),
        rule("b", "<cp:identity><cp:many/></cp:identity>"),
    ]
    .concat();
    assert_eq!(evaluate(&ruled(&twice), BOB).matched_rules, ["b"]);
}

#[test]
fn an_anonymous_request_is_still_judged_by_its_identity() {
    let rules = [
        rule("anonymous", "<ocp:anonymous-request/>"),
        rule(
            "open",
            "<ocp:anonymous-request>false</ocp:anonymous-request>",
        ),
        rule(
            "bob",
            "<cp:identity><cp:one id=\"sip:bob@home1.test\"/></cp:identity>",
        ),
    ]
    .concat();
    let group = ruled(&rules);
    let ask = |anonymous| evaluate_with(&group, BOB, anonymous, 0, Role::default()).matched_rules;
    assert_eq!(ask(true), ["anonymous", "bob"]);
    assert_eq!(ask(false), ["open", "bob"]);
}

#[test]
fn validity_includes_its_start_and_excludes_its_end() {
    let group = ruled(&rule(
        "r",
        "<cp:validity>\
         <cp:from>1970-01-01T01:00:10+01:00</cp:from><cp:until>1970-01-01T00:00:20Z</cp:until>\
         <cp:from>1970-01-01T00:00:30Z</cp:from><cp:until>1970-01-01T00:00:40Z</cp:until></cp:validity>",
    ));
    for (now, inside) in [
        (9, false),
        (10, true),
        (19, true),
        (20, false),
        (29, false),
        (30, true),
        (39, true),
        (40, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        let verdict = evaluate_with(&group, BOB, false, now, Role::default());
        assert_eq!(verdict.allowed.join_handling, inside, "at {now}");
    }
    assert!(!matches("<cp:validity/>", BOB));
}

#[test]
fn what_is_not_evaluated_matches_nobody_and_leaves_a_note() {
    for condition in [
        "<cp:sphere value=\"work\"/>",
        "<ocp:external-list><ocp:entry anc=\"http://xcap.test/list\"/></ocp:external-list>",
        "<oxe:media-list/>",
        "<oxe:service-list/>",
        "<x:full-moon/>",
        "<identity/>",
        "<cp:is-list-member/>",
    ] {
        let group = ruled(&rule(
            "r",
            &format!("{condition}<cp:identity><cp:many/></cp:identity>"),
        ));
        assert_eq!(evaluate(&group, BOB), Verdict::default(), "{condition}");
        assert_eq!(group.notes.len(), 1, "{condition}: {:?}", group.notes);
        assert!(
            group.notes[0].text.ends_with("its rule matches nobody"),
            "{:?}",
            group.notes
        );
    }
}

#[test]
fn roles() {
    let group = ruled(
        &[
            rule("in", "<own:participant/>"),
            rule("made", "<own:creator/>"),
            rule("runs", "<own:administrator/>"),
        ]
        .concat(),
    );
    let ask = |participant, creator, administrator| {
        let role = Role {
            participant,
            creator,
            administrator,
        };
        evaluate_with(&group, BOB, false, 0, role).matched_rules
    };
    assert_eq!(ask(false, false, false), Vec::<String>::new());
    assert_eq!(ask(true, false, false), ["in"]);
    assert_eq!(ask(true, true, false), ["in", "made"]);
    assert_eq!(ask(true, false, true), ["in", "runs"]);
}

#[test]
fn every_action_is_read_from_the_namespaces_that_have_it() {
    for action in Action::ALL {
        for prefix in ["", "oxe:", "ocp:", "own:"] {
            let element = format!("<{prefix}{action}>true</{prefix}{action}>");
            let group = ruled(&format!(
                "<cp:rule id=\"r\"><cp:actions>{element}</cp:actions></cp:rule>"
            ));
            let granted: Vec<Action> = evaluate(&group, BOB).allowed.granted().collect();
            let known = action.is_own() == (prefix == "own:");
            assert_eq!(granted == [action], known, "{element}");
            assert_eq!(group.notes.is_empty(), known, "{element}");
        }
    }
    let foreign = ruled("<cp:rule id=\"r\"><cp:actions><x:join-handling>true</x:join-handling></cp:actions></cp:rule>");
    assert_eq!(evaluate(&foreign, BOB).allowed, Permissions::default());
    assert_eq!(foreign.notes.len(), 1);
}

#[test]
fn join_handling_in_its_old_words() {
    let ask = |value: &str| {
        let action = format!("<join-handling> {value} </join-handling>");
        let group = ruled(&format!(
            "<cp:rule id=\"r\"><cp:actions>{action}</cp:actions></cp:rule>"
        ));
        evaluate(&group, BOB).allowed.join_handling
    };
    for (value, allowed) in [
        ("true", true),
        ("1", true),
        ("allow", true),
        ("false", false),
        ("0", false),
        ("block", false),
    ] {
        assert_eq!(ask(value), allowed, "{value}");
    }
}

#[test]
fn a_rule_cannot_take_away_what_another_gives() {
    let no = "<cp:rule id=\"no\"><cp:actions><join-handling>false</join-handling></cp:actions></cp:rule>";
    for rules in [
        [rule("yes", ""), no.to_owned()],
        [no.to_owned(), rule("yes", "")],
    ] {
        let verdict = evaluate(&ruled(&rules.concat()), BOB);
        assert!(verdict.allowed.join_handling);
        assert_eq!(verdict.matched_rules.len(), 2);
    }
}
