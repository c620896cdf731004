//! A group as its document describes it, and what it permits to whom (RFC 4745 section 10).
//! Not here: the reading of documents (`document`) and single conditions (`condition`).

use std::collections::HashSet;

use super::condition::{Condition, Facts};
use super::domain::Domain;
use super::error::LoadNote;
use super::permissions::Permissions;
use super::request::{PolicyRequest, Verdict};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// A pre-defined group, or the default policy of ad-hoc sessions.
#[derive(Clone, Debug)]
pub struct Group {
    pub uri: Uri,
    pub display_name: Option<String>,
    pub subject: Option<String>,
    /// The list, in document order, each identity once.
    pub members: Vec<Member>,
    /// When the session starts, all members are invited. Absent in a document: false.
    pub invite_members: bool,
    /// None: the document sets no limit (absent or 0).
    pub max_participant_count: Option<u32>,
    pub min_participant_count: Option<u32>,
    pub rules: Vec<Rule>,
    /// What of the document has no effect here.
    pub notes: Vec<LoadNote>,
    /// Line of `<list-service>`, 1-based.
    pub(super) line: u32,
    /// The identities of `members`.
    pub(super) listed: HashSet<Identity>,
}

/// An entry of a group's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub uri: Uri,
    pub identity: Identity,
    pub display_name: Option<String>,
}

/// A rule of a group: what it permits, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub id: String,
    /// All have to be true; none means that the rule matches everybody.
    pub conditions: Vec<Condition>,
    pub grants: Permissions,
}

impl Group {
    /// Whether any of these identities is on the list.
    pub fn is_member(&self, who: &[Identity]) -> bool {
        who.iter().any(|identity| self.listed.contains(identity))
    }

    /// What the matching rules together permit. No matching rule: nothing.
    pub fn evaluate(&self, request: &PolicyRequest) -> Verdict {
        let facts = Facts {
            request,
            domains: request.uris.iter().filter_map(Domain::of).collect(),
            list_member: self.is_member(request.identities),
        };
        let naming: Vec<bool> = self.rules.iter().map(|rule| rule.names(&facts)).collect();
        let names = naming.iter().filter(|named| **named).count();

        let mut verdict = Verdict::default();
        for (rule, named) in self.rules.iter().zip(naming) {
            let elsewhere = names > usize::from(named);
            if rule.conditions.iter().all(|c| c.holds(&facts, elsewhere)) {
                verdict.allowed.merge(&rule.grants);
                verdict.matched_rules.push(rule.id.clone());
            }
        }
        verdict
    }
}

impl Rule {
    /// Whether the rule speaks of the requester by identity or list membership, whatever its other
    /// conditions (a rule that is not valid today still names the people in it).
    fn names(&self, facts: &Facts) -> bool {
        let mut naming = self
            .conditions
            .iter()
            .filter(|condition| condition.names_somebody())
            .peekable();
        naming.peek().is_some() && naming.all(|condition| condition.holds(facts, false))
    }
}
