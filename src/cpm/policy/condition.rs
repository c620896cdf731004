//! The conditions of a rule, and when each is true (RFC 4745 section 7).

use super::domain::Domain;
use super::group::Group;
use super::query::PolicyQuery;
use crate::sip::identity::Identity;

/// One child of `<conditions>`. A rule matches when all of its conditions are true.
///
/// A new condition is a variant here, an arm in [`Condition::holds`] and an arm in `rules::read_condition`.
/// One that names people also belongs into [`Condition::names_somebody`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `<identity>`: true when any of its children is (RFC 4745 section 7.1).
    Identity(Vec<Matcher>),
    /// `<is-list-member>`: whether the person has to be on the group's list, or must not be.
    ListMember(bool),
    /// `<other-identity>`: whether no other rule may name the person, or one has to.
    OtherIdentity(bool),
    /// `<anonymous-request>`: whether the request has to ask for anonymity, or must not.
    AnonymousRequest(bool),
    /// `<validity>`: pairs of start and end, seconds since 1970. True from the start of a pair up to,
    /// but not including, its end (RFC 4745 section 7.4).
    Validity(Vec<(i64, i64)>),
    /// `<participant>` of this server's namespace: whether the person has to be a connected
    /// participant, or must not be.
    Participant(bool),
    /// `<creator>` of this server's namespace: whether the person has to be the session's creator, or
    /// must not be.
    Creator(bool),
    /// `<administrator>` of this server's namespace: whether the person has to have the role of an
    /// administrator in the session, or must not have it.
    Administrator(bool),
    /// Any other element, by its name: sphere, external-list, media-list, service-list or an unknown
    /// one. Never true, so its rule matches nobody.
    NotEvaluated(String),
}

/// One child of `<identity>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// `<one id>`: this person (RFC 4745 section 7.1.2).
    One(Identity),
    /// `<many>`: everybody authenticated, less the exceptions (RFC 4745 section 7.1.3).
    Many {
        /// The only domain that matches; `None`: any.
        domain: Option<Domain>,
        /// Who does not match all the same.
        except: Vec<Except>,
    },
    /// Any other child. Never true (RFC 4745 section 7.1).
    Never,
}

/// `<except>` within `<many>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Except {
    /// `id`: this person, in any spelling ([`Identity::resembles`]).
    Id(Identity),
    /// `domain`: everybody of this domain.
    Domain(Domain),
}

/// A request, and what is computed from it once for all rules.
pub struct Facts<'a> {
    /// The request itself.
    pub request: &'a PolicyQuery<'a>,
    /// The group that is asked.
    pub group: &'a Group,
    /// Whether the requester is on the group's list.
    pub list_member: bool,
    /// The same in any spelling that a denial heeds ([`Identity::resembles`]).
    pub resembles_member: bool,
}

/// Whether rules name the requester.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// As a permission takes it.
    pub exactly: bool,
    /// As a denial does ([`Identity::resembles`]).
    pub in_any_spelling: bool,
}

impl Facts<'_> {
    /// Whether the requester is the person that a document names so.
    fn is(&self, id: &Identity) -> bool {
        let identities = self.request.identities;
        let domains = self.request.phone_domains;
        match id.as_number(|host| self.group.knows_as_numbers(host, domains)) {
            Some(number) => identities.contains(&number),
            None => identities.contains(id),
        }
    }

    /// Whether one of the requester's URIs is of this domain.
    fn is_of(&self, domain: &Domain) -> bool {
        self.request.uris.iter().any(|uri| domain.is_of(uri))
    }

    /// Whether a denial of this person is one of the requester.
    fn resembles(&self, id: &Identity) -> bool {
        let mut identities = self.request.identities.iter();
        identities.any(|me| me.resembles(id))
    }
}

impl Condition {
    /// Whether the condition is true. `named_elsewhere` says whether another rule names the requester.
    pub fn holds(&self, facts: &Facts, named_elsewhere: &dyn Fn() -> Named) -> bool {
        let request = facts.request;
        let authenticated = !request.identities.is_empty();
        match self {
            Condition::Identity(matchers) => matchers.iter().any(|m| m.holds(facts)),
            Condition::ListMember(true) => authenticated && facts.list_member,
            Condition::ListMember(false) => authenticated && !facts.resembles_member,
            Condition::OtherIdentity(true) => authenticated && !named_elsewhere().in_any_spelling,
            Condition::OtherIdentity(false) => authenticated && named_elsewhere().exactly,
            Condition::AnonymousRequest(wanted) => request.anonymous == *wanted,
            Condition::Validity(periods) => periods
                .iter()
                .any(|(from, until)| (*from..*until).contains(&request.now_unix)),
            Condition::Participant(wanted) => request.role.participant == *wanted,
            Condition::Creator(wanted) => request.role.creator == *wanted,
            Condition::Administrator(wanted) => request.role.administrator == *wanted,
            Condition::NotEvaluated(_) => false,
        }
    }

    /// Whether the condition names the requester, in any spelling that a denial heeds.
    pub fn names(&self, facts: &Facts) -> bool {
        match self {
            Condition::Identity(matchers) => matchers.iter().any(|m| m.names(facts)),
            Condition::ListMember(true) => facts.resembles_member,
            _ => self.holds(facts, &Named::default),
        }
    }

    /// Whether a rule names people by this condition. `<other-identity>` looks at those.
    pub fn names_somebody(&self) -> bool {
        matches!(self, Condition::Identity(_) | Condition::ListMember(_))
    }
}

impl Matcher {
    fn names(&self, facts: &Facts) -> bool {
        match self {
            Matcher::One(id) => facts.resembles(id),
            Matcher::Many { .. } | Matcher::Never => self.holds(facts),
        }
    }

    fn holds(&self, facts: &Facts) -> bool {
        let identities = facts.request.identities;
        match self {
            Matcher::One(id) => facts.is(id),
            Matcher::Many { domain, except } => {
                // Two identities are one person. An exception for either excludes both; else a tel URI
                // would get around an exception for the SIP URI.
                let wanted = match domain {
                    None => !identities.is_empty(),
                    Some(domain) => !identities.is_empty() && facts.is_of(domain),
                };
                wanted && !except.iter().any(|e| e.holds(facts))
            }
            Matcher::Never => false,
        }
    }
}

impl Except {
    fn holds(&self, facts: &Facts) -> bool {
        match self {
            Except::Id(id) => facts.resembles(id),
            Except::Domain(domain) => facts.is_of(domain),
        }
    }
}
