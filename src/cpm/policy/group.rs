//! A group as its document describes it, and what it permits to whom (RFC 4745 section 10).

use std::cell::LazyCell;
use std::collections::HashSet;

use super::condition::{Condition, Facts, Named};
use super::error::LoadNote;
use super::permissions::Permissions;
use super::query::{PolicyQuery, Verdict};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// A pre-defined group, or the default policy of ad-hoc sessions.
#[derive(Clone, Debug)]
pub struct Group {
    /// The group's SIP or SIPS URI.
    pub uri: Uri,
    /// The first `<display-name>` of the document.
    pub display_name: Option<String>,
    /// The first `<subject>`; it becomes the Subject header of the session's INVITEs.
    pub subject: Option<String>,
    /// The entries of `<list>` in document order, each identity once.
    pub members: Vec<Member>,
    /// Whether all members are invited when the session starts. False when the document is silent.
    pub invite_members: bool,
    /// Most participants; `None`: the document sets no limit, or says 0.
    pub max_participant_count: Option<u32>,
    /// Fewest participants; `None`: the document sets none.
    pub min_participant_count: Option<u32>,
    /// The rules in document order.
    pub rules: Vec<Rule>,
    /// What in the document has no effect here.
    pub notes: Vec<LoadNote>,
    /// Line of `<list-service>`, from 1.
    pub(super) line: u32,
    /// The hosts of the URIs of `members`.
    pub(super) list_hosts: HashSet<String>,
    /// The identities of `members`.
    pub(super) listed: HashSet<Identity>,
    /// The same as [`Identity::for_denial`] spells them.
    pub(super) listed_for_denial: HashSet<Identity>,
}

/// An entry of a group's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The URI as the document writes it.
    pub uri: Uri,
    /// Whom the URI names.
    pub identity: Identity,
    /// The entry's `<display-name>`.
    pub display_name: Option<String>,
}

/// A rule of a group: what it permits, and when (RFC 4745 section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The attribute `id`, or `line N` without one.
    pub id: String,
    /// The rule matches when all are true. Without conditions it matches everybody.
    pub conditions: Vec<Condition>,
    /// What a matching rule permits.
    pub grants: Permissions,
}

impl Group {
    /// Who a URI stands for in this group: `sip:+…` is a number under a host of the list, whose people the
    /// group knows by it, and under `phone_domains`; under any other it is somebody of that host.
    pub fn identity_of(&self, uri: &Uri, phone_domains: &[String]) -> Identity {
        Identity::of(uri).number_where(|host| self.knows_as_numbers(host, phone_domains))
    }

    /// Whether `sip:+…` is a number under this host.
    pub(in crate::cpm) fn knows_as_numbers(&self, host: &str, phone_domains: &[String]) -> bool {
        self.list_hosts.contains(host) || phone_domains.iter().any(|domain| domain == host)
    }

    /// Whether any of these identities is on the list.
    pub fn is_member(&self, who: &[Identity]) -> bool {
        who.iter().any(|identity| self.listed.contains(identity))
    }

    /// Whether any of them is on the list in any spelling that a denial heeds ([`Identity::resembles`]).
    fn resembles_member(&self, who: &[Identity]) -> bool {
        let mut who = who.iter().map(Identity::denial_text);
        who.any(|identity| self.listed_for_denial.contains(identity.as_ref()))
    }

    /// Whether a rule is for administrators. Then an ad-hoc session that the document rules has one from
    /// its start.
    pub fn knows_administrators(&self) -> bool {
        let mut conditions = self.rules.iter().flat_map(|rule| &rule.conditions);
        conditions.any(|condition| *condition == Condition::Administrator(true))
    }

    /// What the matching rules together permit (RFC 4745 section 10.2). Nothing when none matches.
    pub fn evaluate(&self, request: &PolicyQuery) -> Verdict {
        let facts = Facts {
            request,
            group: self,
            list_member: self.is_member(request.identities),
            resembles_member: self.resembles_member(request.identities),
        };
        // Few documents ask by how many rules somebody is named.
        let naming_rules = LazyCell::new(|| NamingRules::count(&self.rules, &facts));
        let mut verdict = Verdict::default();
        for rule in &self.rules {
            let elsewhere = || naming_rules.but(rule.names(&facts));
            let mut conditions = rule.conditions.iter();
            if conditions.all(|c| c.holds(&facts, &elsewhere)) {
                verdict.allowed.merge(&rule.grants);
                verdict.matched_rules.push(rule.id.clone());
            }
        }
        verdict
    }
}

/// How many rules name the requester.
struct NamingRules {
    exactly: usize,
    in_any_spelling: usize,
}

impl NamingRules {
    fn count(rules: &[Rule], facts: &Facts) -> NamingRules {
        let (mut exactly, mut in_any_spelling) = (0, 0);
        for named in rules.iter().map(|rule| rule.names(facts)) {
            exactly += usize::from(named.exactly);
            in_any_spelling += usize::from(named.in_any_spelling);
        }
        NamingRules {
            exactly,
            in_any_spelling,
        }
    }

    /// Whether others do than the rule that names the requester so.
    fn but(&self, here: Named) -> Named {
        Named {
            exactly: self.exactly > usize::from(here.exactly),
            in_any_spelling: self.in_any_spelling > usize::from(here.in_any_spelling),
        }
    }
}

impl Rule {
    /// Whether the rule names the requester by identity or list membership. Its other conditions do
    /// not count: a rule that is not valid today still names the people in it.
    fn names(&self, facts: &Facts) -> Named {
        let naming = || self.conditions.iter().filter(|c| c.names_somebody());
        let some = naming().next().is_some();
        Named {
            exactly: some && naming().all(|c| c.holds(facts, &Named::default)),
            in_any_spelling: some && naming().all(|c| c.names(facts)),
        }
    }
}
