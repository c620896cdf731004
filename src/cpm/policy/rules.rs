//! The rule set of a group document: `<ruleset>` of RFC 4745 section 13, with OMA's additions.

use std::collections::HashSet;

use super::condition::{Condition, Except, Matcher};
use super::error::{excerpt, DocumentError, LoadNote, Reason};
use super::group::Rule;
use super::namespace::Ns;
use super::permissions::{Action, Permissions};
use super::values::{add_note, boolean, date_time, domain, flag, ignore, set_once, uri};
use super::xml::Element;
use crate::sip::identity::Identity;

/// The rules of a `<ruleset>` in document order.
pub fn read_ruleset(set: &Element, notes: &mut Vec<LoadNote>) -> Result<Vec<Rule>, DocumentError> {
    let mut rules = Vec::new();
    let mut ids = HashSet::new();
    for child in &set.children {
        if child.is(Ns::CommonPolicy, "rule") {
            let rule = read_rule(child, notes)?;
            if !ids.insert(rule.id.clone()) {
                let text = format!("rule id '{}' is given twice", excerpt(&rule.id));
                add_note(notes, child, text);
            }
            rules.push(rule);
        } else if child.name == "rule" {
            return Err(misplaced(
                set,
                child,
                "<rule> in the common-policy namespace",
            ));
        } else {
            ignore(child, "has no effect here", notes)?;
        }
    }
    Ok(rules)
}

fn read_rule(rule: &Element, notes: &mut Vec<LoadNote>) -> Result<Rule, DocumentError> {
    let mut conditions = None;
    let mut grants = None;
    for child in &rule.children {
        match (child.ns, child.name.as_str()) {
            (Ns::CommonPolicy, "conditions") => {
                set_once(&mut conditions, read_conditions(child, notes)?, child)?;
            }
            (Ns::CommonPolicy, "actions") => {
                set_once(&mut grants, read_actions(child, notes)?, child)?;
            }
            // Transformations change what a watcher sees of a presentity. A group has none.
            (Ns::CommonPolicy, "transformations") => {}
            // Ignoring <conditions> of a wrong namespace would make the rule match everybody.
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
            add_note(notes, rule, "the rule has no id".to_owned());
            format!("line {}", rule.at.line)
        }
    };
    Ok(Rule {
        id,
        conditions: conditions.unwrap_or_default(),
        grants: grants.unwrap_or_default(),
    })
}

fn read_actions(
    actions: &Element,
    notes: &mut Vec<LoadNote>,
) -> Result<Permissions, DocumentError> {
    let mut granted = Permissions::default();
    let mut seen = HashSet::new();
    for child in &actions.children {
        let defines = |action: &Action| match action.is_own() {
            true => child.ns == Ns::Own,
            false => child.ns.is_oma(),
        };
        let action = Action::from_name(&child.name).filter(defines);
        let Some(action) = action else {
            ignore(
                child,
                "is not an action known here: it permits nothing",
                notes,
            )?;
            continue;
        };
        if !seen.insert(action) {
            return Err(child.error(Reason::Twice(child.name.clone())));
        }
        let value = match (action, child.text.as_str()) {
            // The words of documents older than PoC XDM of January 2006.
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
    element: &Element,
    notes: &mut Vec<LoadNote>,
) -> Result<Vec<Condition>, DocumentError> {
    element
        .children
        .iter()
        .map(|child| read_condition(child, notes))
        .collect()
}

fn read_condition(child: &Element, notes: &mut Vec<LoadNote>) -> Result<Condition, DocumentError> {
    Ok(match (child.ns, child.name.as_str()) {
        (Ns::CommonPolicy, "identity") => Condition::Identity(read_identity(child, notes)?),
        (Ns::CommonPolicy, "validity") => Condition::Validity(read_validity(child)?),
        (ns, "is-list-member") if ns.is_oma() => Condition::ListMember(flag(child)?),
        (ns, "other-identity") if ns.is_oma() => Condition::OtherIdentity(flag(child)?),
        (ns, "anonymous-request") if ns.is_oma() => Condition::AnonymousRequest(flag(child)?),
        (Ns::Own, "participant") => Condition::Participant(flag(child)?),
        (Ns::Own, "creator") => Condition::Creator(flag(child)?),
        (Ns::Own, "administrator") => Condition::Administrator(flag(child)?),
        _ => {
            ignore(
                child,
                "is not evaluated here: its rule matches nobody",
                notes,
            )?;
            Condition::NotEvaluated(child.name.clone())
        }
    })
}

fn read_identity(
    identity: &Element,
    notes: &mut Vec<LoadNote>,
) -> Result<Vec<Matcher>, DocumentError> {
    let mut matchers = Vec::new();
    for child in &identity.children {
        matchers.push(match (child.ns, child.name.as_str()) {
            (Ns::CommonPolicy, "one") => read_one(child, notes)?,
            (Ns::CommonPolicy, "many") => read_many(child, notes)?,
            _ => {
                ignore(
                    child,
                    "is not known within <identity>: it matches nobody",
                    notes,
                )?;
                Matcher::Never
            }
        });
    }
    if matchers.is_empty() {
        add_note(
            notes,
            identity,
            "<identity> is empty: its rule matches nobody".to_owned(),
        );
    }
    Ok(matchers)
}

fn read_one(one: &Element, notes: &mut Vec<LoadNote>) -> Result<Matcher, DocumentError> {
    let uri = uri(one, "id", notes)?;
    // A child narrows whom <one> means (schema of RFC 4745 section 13). An unknown child might
    // narrow it to nobody.
    for child in &one.children {
        ignore(child, "is not known within <one>: it matches nobody", notes)?;
    }
    Ok(match uri {
        Some(uri) if one.children.is_empty() => Matcher::One(Identity::of(&uri)),
        _ => Matcher::Never,
    })
}

fn read_many(many: &Element, notes: &mut Vec<LoadNote>) -> Result<Matcher, DocumentError> {
    let domain_of_many = domain(many)?;
    let mut except = Vec::new();
    let mut understood = true;
    for child in &many.children {
        if !child.is(Ns::CommonPolicy, "except") {
            ignore(
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
                element: excerpt(&child.name),
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

/// Pairs of `<from>` and `<until>` (RFC 4745 section 7.4).
fn read_validity(validity: &Element) -> Result<Vec<(i64, i64)>, DocumentError> {
    let mut periods = Vec::new();
    for pair in validity.children.chunks(2) {
        match pair {
            [from, until]
                if from.is(Ns::CommonPolicy, "from") && until.is(Ns::CommonPolicy, "until") =>
            {
                periods.push((date_time(from)?, date_time(until)?));
            }
            _ => return Err(validity.error(Reason::Period)),
        }
    }
    Ok(periods)
}

fn misplaced(parent: &Element, found: &Element, expected: &'static str) -> DocumentError {
    found.error(Reason::Misplaced {
        parent: excerpt(&parent.name),
        found: excerpt(&found.name),
        namespace: found.ns.words().to_owned(),
        expected,
    })
}
