//! The rule set of a group document: `<ruleset>` of RFC 4745 section 13 with OMA's additions.
//! Not here: what the conditions mean; see `condition`.

use std::collections::HashSet;

use super::condition::{Condition, Except, Matcher};
use super::error::{shown, DocumentError, LoadNote, Reason};
use super::group::Rule;
use super::namespace::Ns;
use super::permissions::{Action, Permissions};
use super::values::{boolean, domain, flag, instant, not_evaluated, note, once, uri};
use super::xml::Element;
use crate::sip::identity::Identity;

/// The rules of a `<ruleset>` in document order.
pub fn ruleset(set: &Element, notes: &mut Vec<LoadNote>) -> Result<Vec<Rule>, DocumentError> {
    let mut rules = Vec::new();
    let mut ids = HashSet::new();
    for child in &set.children {
        if child.is(Ns::CommonPolicy, "rule") {
            let rule = rule(child, notes)?;
            if !ids.insert(rule.id.clone()) {
                let text = format!("rule id '{}' is given twice", shown(&rule.id));
                note(notes, child, text);
            }
            rules.push(rule);
        } else if child.name == "rule" {
            return Err(misplaced(
                set,
                child,
                "<rule> in the common-policy namespace",
            ));
        } else {
            not_evaluated(child, "has no effect here", notes)?;
        }
    }
    Ok(rules)
}

fn rule(rule: &Element, notes: &mut Vec<LoadNote>) -> Result<Rule, DocumentError> {
    let mut conditions = None;
    let mut grants = None;
    for child in &rule.children {
        match (child.ns, child.name.as_str()) {
            (Ns::CommonPolicy, "conditions") => {
                once(&mut conditions, read_conditions(child, notes)?, child)?;
            }
            (Ns::CommonPolicy, "actions") => {
                once(&mut grants, actions(child, notes)?, child)?;
            }
            // They change what is shown of somebody, which is presence's business.
            (Ns::CommonPolicy, "transformations") => {}
            // Skipping <conditions> of a wrong namespace would make the rule match everybody.
            _ => {
                let expected =
                    "<conditions>, <actions> or <transformations> in the common-policy namespace";
                return Err(misplaced(rule, child, expected));
            }
        }
    }
    let id = match rule.attribute("id").map(str::trim) {
        Some(id) if !id.is_empty() => id.to_owned(),
        _ => {
            note(notes, rule, "the rule has no id".to_owned());
            format!("line {}", rule.at.line)
        }
    };
    Ok(Rule {
        id,
        conditions: conditions.unwrap_or_default(),
        grants: grants.unwrap_or_default(),
    })
}

fn actions(actions: &Element, notes: &mut Vec<LoadNote>) -> Result<Permissions, DocumentError> {
    let mut granted = Permissions::default();
    let mut seen = HashSet::new();
    for child in &actions.children {
        let action = Action::from_name(&child.name).filter(|_| child.ns.is_oma());
        let Some(action) = action else {
            not_evaluated(child, "is no action known here: it permits nothing", notes)?;
            continue;
        };
        if !seen.insert(action) {
            return Err(child.error(Reason::Twice(child.name.clone())));
        }
        let value = match (action, child.text.as_str()) {
            // The words of the documents before PoC XDM of January 2006.
            (Action::JoinHandling, "allow") => true,
            (Action::JoinHandling, "block") => false,
            _ => boolean(child)?,
        };
        if value {
            granted.grant(action);
        }
    }
    Ok(granted)
}

fn read_conditions(
    conditions: &Element,
    notes: &mut Vec<LoadNote>,
) -> Result<Vec<Condition>, DocumentError> {
    conditions
        .children
        .iter()
        .map(|child| condition(child, notes))
        .collect()
}

fn condition(child: &Element, notes: &mut Vec<LoadNote>) -> Result<Condition, DocumentError> {
    Ok(match (child.ns, child.name.as_str()) {
        (Ns::CommonPolicy, "identity") => Condition::Identity(identity(child, notes)?),
        (Ns::CommonPolicy, "validity") => Condition::Validity(validity(child)?),
        (ns, "is-list-member") if ns.is_oma() => Condition::ListMember(flag(child)?),
        (ns, "other-identity") if ns.is_oma() => Condition::OtherIdentity(flag(child)?),
        (ns, "anonymous-request") if ns.is_oma() => Condition::AnonymousRequest(flag(child)?),
        (Ns::Own, "participant") => Condition::Participant(flag(child)?),
        (Ns::Own, "creator") => Condition::Creator(flag(child)?),
        _ => {
            not_evaluated(
                child,
                "is not evaluated here: its rule matches nobody",
                notes,
            )?;
            Condition::NotEvaluated(child.name.clone())
        }
    })
}

fn identity(identity: &Element, notes: &mut Vec<LoadNote>) -> Result<Vec<Matcher>, DocumentError> {
    let mut matchers = Vec::new();
    for child in &identity.children {
        matchers.push(match (child.ns, child.name.as_str()) {
            (Ns::CommonPolicy, "one") => one(child, notes)?,
            (Ns::CommonPolicy, "many") => many(child, notes)?,
            _ => {
                not_evaluated(
                    child,
                    "is not known within <identity>: it matches nobody",
                    notes,
                )?;
                Matcher::Never
            }
        });
    }
    if matchers.is_empty() {
        note(
            notes,
            identity,
            "<identity> is empty: its rule matches nobody".to_owned(),
        );
    }
    Ok(matchers)
}

fn one(one: &Element, notes: &mut Vec<LoadNote>) -> Result<Matcher, DocumentError> {
    let uri = uri(one, "id", notes)?;
    // A child narrows whom <one> means (its schema, RFC 4745 section 13); unknown, it could mean nobody.
    for child in &one.children {
        not_evaluated(child, "is not known within <one>: it matches nobody", notes)?;
    }
    Ok(match uri {
        Some(uri) if one.children.is_empty() => Matcher::One(Identity::of(&uri)),
        _ => Matcher::Never,
    })
}

fn many(many: &Element, notes: &mut Vec<LoadNote>) -> Result<Matcher, DocumentError> {
    let domain_of_many = domain(many)?;
    let mut except = Vec::new();
    let mut understood = true;
    for child in &many.children {
        if !child.is(Ns::CommonPolicy, "except") {
            not_evaluated(
                child,
                "is not known within <many>: it matches nobody",
                notes,
            )?;
            understood = false;
            continue;
        }
        let excluded = domain(child)?;
        if child.attribute("id").is_some() {
            let uri = uri(child, "id", notes)?;
            except.extend(uri.map(|uri| Except::Id(Identity::of(&uri))));
        } else if excluded.is_none() {
            return Err(child.error(Reason::Missing {
                element: shown(&child.name),
                what: "id or domain",
            }));
        }
        except.extend(excluded.map(Except::Domain));
    }
    Ok(match understood {
        true => Matcher::Many {
            domain: domain_of_many,
            except,
        },
        false => Matcher::Never,
    })
}

/// RFC 4745 section 7.4 and its schema: `<from>` and `<until>` come in pairs.
fn validity(validity: &Element) -> Result<Vec<(i64, i64)>, DocumentError> {
    let mut periods = Vec::new();
    for pair in validity.children.chunks(2) {
        match pair {
            [from, until]
                if from.is(Ns::CommonPolicy, "from") && until.is(Ns::CommonPolicy, "until") =>
            {
                periods.push((instant(from)?, instant(until)?));
            }
            _ => return Err(validity.error(Reason::Period)),
        }
    }
    Ok(periods)
}

fn misplaced(parent: &Element, found: &Element, expected: &'static str) -> DocumentError {
    found.error(Reason::Misplaced {
        parent: shown(&parent.name),
        found: shown(&found.name),
        namespace: found.ns.words().to_owned(),
        expected,
    })
}
