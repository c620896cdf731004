//! The meaning of a group document outside its rules: `<group><list-service uri="…">`.

use std::collections::HashSet;

use super::error::{excerpt, DocumentError, LoadNote, Reason};
use super::group::{Group, Member, Rule};
use super::namespace::{Ns, LIST_SERVICE};
use super::values::{
    add_note, boolean, count, ignore, must_understand, required, set_once, text, uri,
};
use super::xml::Element;
use super::{rules, xml};
use crate::sip::identity::Identity;
use crate::sip::uri::{Scheme, Uri};

/// What `<list-service>` holds, before defaults are filled in.
#[derive(Default)]
struct Parts {
    display_name: Option<String>,
    subject: Option<String>,
    members: Vec<Member>,
    listed: HashSet<Identity>,
    list_hosts: HashSet<String>,
    invite_members: Option<bool>,
    max_participant_count: Option<u32>,
    min_participant_count: Option<u32>,
    rules: Option<Vec<Rule>>,
    notes: Vec<LoadNote>,
}

impl Group {
    /// Reads a group document (list-service XML in UTF-8).
    ///
    /// # Errors
    /// [`DocumentError`], with the line where the document cannot be used.
    pub fn parse(xml: &[u8]) -> Result<Group, DocumentError> {
        read_group(&xml::parse(xml)?)
    }
}

/// The group of a document with this root element.
fn read_group(root: &Element) -> Result<Group, DocumentError> {
    expect(root, "group")?;
    let service = match root.children.as_slice() {
        [] => {
            return Err(root.error(Reason::Missing {
                element: root.name.clone(),
                what: "<list-service>",
            }))
        }
        [service] => service,
        [_, second, ..] => return Err(second.error(Reason::Twice(excerpt(&second.name)))),
    };
    expect(service, "list-service")?;

    let mut parts = Parts::default();
    for child in &service.children {
        parts.read(child)?;
    }
    if parts.rules.is_none() {
        let text = "there is no <ruleset>: nobody is permitted anything".to_owned();
        add_note(&mut parts.notes, service, text);
    }
    Ok(Group {
        uri: read_group_uri(service)?,
        display_name: parts.display_name,
        subject: parts.subject,
        members: parts.members,
        invite_members: parts.invite_members.unwrap_or(false),
        // OMA does not say what 0 means. A group for nobody makes no sense, so it means no limit.
        max_participant_count: parts.max_participant_count.filter(|max| *max > 0),
        min_participant_count: parts.min_participant_count,
        rules: parts.rules.unwrap_or_default(),
        notes: parts.notes,
        line: service.at.line,
        list_hosts: parts.list_hosts,
        listed_for_denial: parts.listed.iter().map(Identity::for_denial).collect(),
        listed: parts.listed,
    })
}

fn expect(element: &Element, expected: &'static str) -> Result<(), DocumentError> {
    if element.is(Ns::ListService, expected) {
        return Ok(());
    }
    let hint = match element.name == expected {
        true if element.ns == Ns::None => " without a namespace",
        true => " in another namespace",
        false => "",
    };
    Err(element.error(Reason::WrongElement {
        expected,
        namespace: LIST_SERVICE,
        found: excerpt(&element.name),
        hint,
    }))
}

fn read_group_uri(service: &Element) -> Result<Uri, DocumentError> {
    let value = required(service, "uri")?;
    let fail = |why: String| {
        service.error(Reason::Uri {
            element: service.name.clone(),
            got: excerpt(value),
            why,
        })
    };
    let uri = Uri::parse(value.trim().as_bytes()).map_err(|e| fail(e.to_string()))?;
    if uri.scheme() == Scheme::Tel {
        return Err(fail("a group needs a sip or sips URI".to_owned()));
    }
    Ok(uri)
}

impl Parts {
    fn read(&mut self, child: &Element) -> Result<(), DocumentError> {
        let name = child.name.as_str();
        match (child.ns, name) {
            (Ns::CommonPolicy, "ruleset") => {
                let rules = rules::read_ruleset(child, &mut self.notes)?;
                set_once(&mut self.rules, rules, child)
            }
            (Ns::ListService, "list") => self.read_list(child),
            // There may be one per language. The first one counts.
            (ns, "display-name") if ns.is_oma() => {
                self.display_name = self.display_name.take().or_else(|| text(child));
                Ok(())
            }
            (ns, "subject") if ns.is_oma() => {
                self.subject = self.subject.take().or_else(|| text(child));
                Ok(())
            }
            (ns, "invite-members") if ns.is_oma() => {
                set_once(&mut self.invite_members, boolean(child)?, child)
            }
            (ns, "max-participant-count") if ns.is_oma() => {
                set_once(&mut self.max_participant_count, count(child)?, child)
            }
            (ns, "min-participant-count") if ns.is_oma() => {
                set_once(&mut self.min_participant_count, count(child)?, child)
            }
            (ns, "session-active-policy") if ns.is_oma() => self.read_session_active_policy(child),
            (ns, "supported-services" | "searchable" | "automatic-group-advertisement" | "qoe")
                if ns.is_oma() =>
            {
                // These elements permit nothing to anybody, so they are no reason to refuse the
                // document, even with must-understand.
                let what = format!("<{name}> has no effect here");
                add_note(&mut self.notes, child, what);
                Ok(())
            }
            (
                _,
                "ruleset" | "list" | "display-name" | "invite-members" | "max-participant-count",
            ) => Err(child.error(Reason::Misplaced {
                parent: "list-service".to_owned(),
                found: excerpt(name),
                namespace: child.ns.words().to_owned(),
                expected: match name {
                    "ruleset" => "it in the common-policy namespace",
                    _ => "it in the list-service namespace",
                },
            })),
            _ => ignore(child, "has no effect here", &mut self.notes),
        }
    }

    fn read_session_active_policy(&mut self, policy: &Element) -> Result<(), DocumentError> {
        for child in &policy.children {
            if child.ns.is_oma() && child.name == "min-participant-count" {
                set_once(&mut self.min_participant_count, count(child)?, child)?;
            } else {
                ignore(child, "is not enforced", &mut self.notes)?;
            }
        }
        if must_understand(policy)
            && policy
                .children
                .iter()
                .any(|c| c.name != "min-participant-count")
        {
            return Err(policy.error(Reason::MustUnderstand(excerpt(&policy.name))));
        }
        Ok(())
    }

    /// Entries of a nested list belong to the list around it. `MAX_DEPTH` bounds the recursion.
    fn read_list(&mut self, list: &Element) -> Result<(), DocumentError> {
        for child in &list.children {
            let known = matches!(child.ns, Ns::ListService | Ns::ResourceLists);
            match child.name.as_str() {
                "entry" if known => self.read_entry(child)?,
                "list" if known => self.read_list(child)?,
                "display-name" => {}
                "external" | "entry-ref" => {
                    ignore(
                        child,
                        "is never fetched: its members are not known",
                        &mut self.notes,
                    )?;
                }
                _ => ignore(child, "has no effect here", &mut self.notes)?,
            }
        }
        Ok(())
    }

    fn read_entry(&mut self, entry: &Element) -> Result<(), DocumentError> {
        let Some(uri) = uri(entry, "uri", &mut self.notes)? else {
            return Ok(());
        };
        let identity = Identity::of(&uri);
        self.list_hosts.insert(identity.host().to_owned());
        let identity = identity.number_where(|_| true);
        if !self.listed.insert(identity.clone()) {
            let text = format!("{} is on the list twice", excerpt(uri.as_str()));
            add_note(&mut self.notes, entry, text);
            return Ok(());
        }
        let display_name = entry
            .children
            .iter()
            .find(|child| child.name == "display-name")
            .and_then(text);
        self.members.push(Member {
            uri,
            identity,
            display_name,
        });
        Ok(())
    }
}
