//! Shared by the policy tests: the sample document, and shorthand for requests.

use crate::cpm::policy::{Group, PolicyQuery, Role, Verdict};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// A group with a list, three rules and an exception.
pub const SAMPLE: &str = r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
       xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:ocp="urn:oma:xml:xdm:common-policy"
       xmlns:oxe="urn:oma:xml:xdm:extensions">
 <list-service uri="sip:team@groups.home1.test">
  <display-name xml:lang="en">Team</display-name>
  <list><entry uri="sip:alice@home1.test"/><entry uri="tel:+358401234567"/></list>
  <invite-members>true</invite-members><max-participant-count>5</max-participant-count>
  <cp:ruleset>
   <cp:rule id="r1"><cp:conditions><is-list-member/></cp:conditions>
    <cp:actions><join-handling>true</join-handling><allow-conference-state>true</allow-conference-state></cp:actions></cp:rule>
   <cp:rule id="r2"><cp:conditions><cp:identity><cp:one id="sip:alice@home1.test"/></cp:identity></cp:conditions>
    <cp:actions><allow-invite-users-dynamically>true</allow-invite-users-dynamically><allow-anonymity>true</allow-anonymity>
     <oxe:allow-expelling>true</oxe:allow-expelling></cp:actions></cp:rule>
   <cp:rule id="r3"><cp:conditions><cp:identity><cp:many domain="home1.test"><cp:except id="sip:mallory@home1.test"/></cp:many></cp:identity></cp:conditions>
    <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>
  </cp:ruleset>
 </list-service></group>
"#;

pub fn uri(text: &str) -> Uri {
    Uri::parse(text.as_bytes()).unwrap()
}

/// A document with `inside` in its `<list-service>`, which begins on line 1.
pub fn document(inside: &str) -> String {
    format!(
        "<group xmlns=\"urn:oma:xml:poc:list-service\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" \
         xmlns:oxe=\"urn:oma:xml:xdm:extensions\" xmlns:own=\"urn:x-cpm:group-policy\" \
         xmlns:x=\"urn:example:unknown\"><list-service uri=\"sip:g@groups.test\">{inside}</list-service></group>"
    )
}

/// A rule with these conditions that permits joining.
pub fn rule(id: &str, conditions: &str) -> String {
    format!(
        "<cp:rule id=\"{id}\"><cp:conditions>{conditions}</cp:conditions>\
         <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>"
    )
}

pub fn group(inside: &str) -> Group {
    Group::parse(document(inside).as_bytes()).unwrap()
}

/// A group without list and with these rules.
pub fn ruled(rules: &str) -> Group {
    group(&format!("<cp:ruleset>{rules}</cp:ruleset>"))
}

/// Whether the one rule with these conditions matches somebody with these URIs.
pub fn matches(conditions: &str, who: &[&str]) -> bool {
    evaluate(&ruled(&rule("r", conditions)), who)
        .allowed
        .join_handling
}

pub fn evaluate(group: &Group, who: &[&str]) -> Verdict {
    evaluate_with(group, who, false, 0, Role::default())
}

pub fn evaluate_with(
    group: &Group,
    who: &[&str],
    anonymous: bool,
    now_unix: i64,
    role: Role,
) -> Verdict {
    let uris: Vec<Uri> = who.iter().map(|text| uri(text)).collect();
    let identities: Vec<Identity> = uris.iter().map(|uri| group.identity_of(uri, &[])).collect();
    group.evaluate(&PolicyQuery {
        identities: &identities,
        uris: &uris,
        anonymous,
        now_unix,
        role,
        phone_domains: &[],
    })
}
