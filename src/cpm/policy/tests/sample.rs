//! Whole documents: a sample group, the table of RFC 4745 section 10.3, the ad-hoc policy.

use super::support::*;
use crate::cpm::policy::*;
use crate::sip::identity::Identity;

fn sample() -> Group {
    Group::parse(SAMPLE.as_bytes()).unwrap()
}

#[test]
fn the_sample_is_read_completely() {
    let group = sample();
    assert_eq!(group.uri.as_str(), "sip:team@groups.home1.test");
    assert_eq!(group.display_name.as_deref(), Some("Team"));
    assert_eq!(group.subject, None);
    assert!(group.invite_members);
    assert_eq!(group.max_participant_count, Some(5));
    assert_eq!(group.min_participant_count, None);
    assert_eq!(group.members.len(), 2);
    assert_eq!(group.rules.len(), 3);
    assert_eq!(group.notes, []);
    assert!(!group.is_member(&[Identity::of(&uri("sip:Alice@home1.test"))]));
    assert!(group.is_member(&[Identity::of(&uri("sip:alice@HOME1.test:5080;x=y"))]));
    // The number is known under the hosts of the list, and under those that the operator names.
    let number = |host: &str| uri(&format!("sip:+358401234567@{host};user=phone"));
    let listed = |uri: &_, domains: &[String]| group.is_member(&[group.identity_of(uri, domains)]);
    assert!(listed(&number("home1.test"), &[]));
    assert!(!listed(&number("any.test"), &[]));
    assert!(listed(&number("any.test"), &["any.test".into()]));
}

#[test]
fn alice_may_invite_be_anonymous_and_expel() {
    let verdict = evaluate(&sample(), &["sip:alice@home1.test"]);
    assert_eq!(verdict.matched_rules, ["r1", "r2", "r3"]);
    assert!(verdict.allows(Action::AllowInviteUsersDynamically));
    assert!(verdict.allows(Action::AllowAnonymity));
    assert!(verdict.allows(Action::AllowExpelling));
    assert!(verdict.allows(Action::AllowConferenceState));
    assert!(verdict.allows(Action::JoinHandling));
    assert!(!verdict.allows(Action::AllowInitiateConference));
}

#[test]
fn bob_can_be_invited_but_cannot_invite() {
    let verdict = evaluate(&sample(), &["sip:bob@home1.test"]);
    assert_eq!(verdict.matched_rules, ["r3"]);
    assert_eq!(
        verdict.allowed.granted().collect::<Vec<_>>(),
        [Action::JoinHandling]
    );
}

#[test]
fn mallory_and_outsiders_cannot_be_invited() {
    for nobody in [
        "sip:mallory@home1.test",
        "sips:mallory@HOME1.TEST:5061",
        "sip:x@other.test",
    ] {
        assert_eq!(
            evaluate(&sample(), &[nobody]),
            Verdict::default(),
            "{nobody}"
        );
    }
}

#[test]
fn the_member_by_number_is_the_same_in_both_schemes() {
    let rules = |number: &str| evaluate(&sample(), &[number]).matched_rules;
    for number in ["tel:+358401234567", "tel:+358-40-123-4567"] {
        assert_eq!(rules(number), ["r1"], "{number}");
    }
    // A host of the list may stand for numbers; it is a domain besides. Another host may not.
    let own = rules("sip:+358401234567@home1.test;user=phone");
    assert_eq!(own, ["r1", "r3"]);
    assert!(rules("sip:+358401234567@other.test;user=phone").is_empty());
}

#[test]
fn either_of_two_asserted_identities_is_enough() {
    let verdict = evaluate(&sample(), &["sip:someone@other.test", "tel:+358401234567"]);
    assert_eq!(verdict.matched_rules, ["r1"]);
}

/// RFC 4745 section 10.3: rules 1 to 6, asked by bob at 2003-12-24T17:15:00+01:00. The column X is
/// `join-handling`. This server has no spheres: of that column only the value that does not match is
/// used.
#[test]
fn the_table_of_rfc_4745_section_10_3() {
    let table = |sphere: &str| {
        let row = |id: &str, who: &str, home: bool, from: &str, until: &str, x: &str| {
            let sphere = if home {
                "<cp:sphere value=\"home\"/>"
            } else {
                sphere
            };
            format!(
                "<cp:rule id=\"{id}\"><cp:conditions><cp:identity><cp:one id=\"sip:{who}@example.com\"/></cp:identity>{sphere}\
                 <cp:validity><cp:from>{from}</cp:from><cp:until>{until}</cp:until></cp:validity></cp:conditions>\
                 <cp:actions>{x}</cp:actions></cp:rule>"
            )
        };
        let x = |value: &str| format!("<join-handling>{value}</join-handling>");
        let (a1, a2, a3) = (
            "2003-12-24T17:00:00+01:00",
            "2003-12-24T21:00:00+01:00",
            "2003-12-24T23:30:00+01:00",
        );
        let (b1, b2) = ("2003-12-22T17:00:00+01:00", "2003-12-23T17:00:00+01:00");
        ruled(
            &[
                row("1", "bob", true, a1, a2, &x("true")),
                row("2", "alice", false, a1, a2, &x("false")),
                row("3", "bob", false, a1, a2, &x("true")),
                row("4", "tom", false, a1, a2, &x("true")),
                row("5", "bob", false, a1, a3, ""),
                row("6", "bob", false, b1, b2, &x("false")),
            ]
            .concat(),
        )
    };
    let now = 1_072_282_500; // 2003-12-24T17:15:00+01:00
    let ask =
        |group: &Group| evaluate_with(group, &["sip:bob@example.com"], false, now, Role::default());
    let verdict = ask(&table(""));
    assert_eq!(verdict.matched_rules, ["3", "5"]);
    assert!(verdict.allowed.join_handling, "X combines to TRUE");
    // With every sphere of the table in place, no rule can match here.
    assert_eq!(
        ask(&table("<cp:sphere value=\"work\"/>")),
        Verdict::default()
    );
}

const PARTICIPANT: Role = Role {
    participant: true,
    creator: false,
    administrator: false,
};
const ADMINISTRATOR: Role = Role {
    administrator: true,
    ..PARTICIPANT
};

#[test]
fn the_ad_hoc_policy_is_an_ordinary_document() {
    let group = |allow_anonymity, invite_by| {
        let text = adhoc_document(AdhocPolicy {
            allow_anonymity,
            invite_by,
        });
        let group = Group::parse(text.as_bytes()).unwrap();
        assert_eq!(group.notes, []);
        group
    };
    let ask = |group: &Group, role| evaluate_with(group, &["sip:a@b.test"], false, 0, role).allowed;

    let default = group(false, InviteBy::Participants);
    let stranger = ask(&default, Role::default());
    assert_eq!(
        stranger.granted().collect::<Vec<_>>(),
        [Action::JoinHandling, Action::AllowInitiateConference]
    );
    let participant = ask(&default, PARTICIPANT);
    assert!(participant.allow_invite_users_dynamically && participant.allow_conference_state);
    assert!(!participant.allow_anonymity && !participant.allow_expelling);
    let administrator = ask(&default, ADMINISTRATOR);
    assert!(administrator.allow_expelling && administrator.allow_role_change);
    assert!(administrator.allow_subject_change);
    let creator_without_the_role = Role {
        creator: true,
        ..PARTICIPANT
    };
    assert_eq!(ask(&default, creator_without_the_role), participant);
    assert!(default.knows_administrators());

    let admins = group(true, InviteBy::Admins);
    assert!(!ask(&admins, PARTICIPANT).allow_invite_users_dynamically);
    assert!(ask(&admins, PARTICIPANT).allow_anonymity);
    assert!(ask(&admins, ADMINISTRATOR).allow_invite_users_dynamically);
}

#[test]
fn the_dry_run_says_what_would_happen() {
    let group = sample();
    let result = |referrer: &str, target: &str| {
        let steps = explain(&group, &uri(referrer), &uri(target), 0, &[]);
        steps.last().unwrap().1.clone()
    };
    let alice = "sip:alice@home1.test";
    assert!(result(alice, "sip:bob@home1.test").ends_with("the target is invited"));
    assert!(result(alice, "sip:mallory@home1.test").contains("the target is not invited"));
    assert!(result("sip:bob@home1.test", alice).contains("refused with 403"));
    let steps = explain(&group, &uri(alice), &uri("sip:bob@home1.test"), 0, &[]);
    let answer = |what: &str| steps.iter().find(|(w, _)| w == what).unwrap().1.as_str();
    assert_eq!(answer("referrer: matching rules"), "r1, r2, r3");
    assert_eq!(answer("referrer: allow-invite-users-dynamically"), "yes");
    assert_eq!(answer("target: matching rules"), "r3");
    assert_eq!(answer("target: permitted"), "join-handling");
}

#[test]
fn the_dry_run_says_what_being_in_the_session_would_change() {
    let text = document(
        "<cp:ruleset><cp:rule id=\"in\"><cp:conditions>\
         <x:participant xmlns:x=\"urn:x-cpm:group-policy\"/></cp:conditions>\
         <cp:actions><allow-invite-users-dynamically>true</allow-invite-users-dynamically></cp:actions>\
         </cp:rule></cp:ruleset>",
    );
    let group = Group::parse(text.as_bytes()).unwrap();
    let (alice, bob) = (uri("sip:alice@home1.test"), uri("sip:bob@home1.test"));
    let steps = explain(&group, &alice, &bob, 0, &[]);
    assert_eq!(
        steps.last().unwrap().1,
        "the REFER is refused with 403, unless the referrer is in the session"
    );
}

#[test]
fn the_directory_finds_groups_and_reports_what_is_wrong() {
    let other = document("<cp:ruleset/>");
    let (directory, problems) = Directory::load([
        ("a.xml", SAMPLE),
        ("b.xml", "<group>\n"),
        ("c.xml", other.as_str()),
        ("d.xml", SAMPLE),
    ]);
    assert_eq!(directory.len(), 2);
    assert!(directory
        .find(&uri("sip:team@GROUPS.home1.test:5099;method=INVITE"))
        .is_some());
    assert!(directory.find(&uri("sip:Team@groups.home1.test")).is_none());
    assert!(directory.find(&uri("sip:team@home1.test")).is_none());
    assert_eq!(
        directory.hosts().iter().collect::<Vec<_>>(),
        ["groups.home1.test", "groups.test"]
    );
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].starts_with("b.xml:1: "), "{told:?}");
    assert!(
        told[1]
            .starts_with("d.xml:4: group sip:team@groups.home1.test is already described by a.xml"),
        "{told:?}"
    );
}

#[test]
fn the_report_names_file_line_and_reason() {
    let good = || Ok(SAMPLE.as_bytes().to_vec());
    let (text, ok) = report([("a.xml", good())]);
    assert!(ok);
    assert!(text.starts_with(
        "a.xml: ok: group sip:team@groups.home1.test, 2 on the list, 3 rules, at most 5"
    ));
    let bad = SAMPLE
        .replace("<allow-anonymity>true", "<allow-anonymity>yes")
        .into_bytes();
    let (text, ok) = report([
        ("a.xml", good()),
        ("b.xml", Ok(bad)),
        ("c.xml", Err("cannot be read: gone".to_owned())),
    ]);
    assert!(!ok);
    assert!(
        text.contains("\nb.xml:12: <allow-anonymity> must be true or false, got 'yes'\n"),
        "{text}"
    );
    assert!(text.contains("\nc.xml: cannot be read: gone\n"), "{text}");
}
