//! The conditions of a rule and when each is true (RFC 4745 section 7, requirements 3.4 and 3.6).
//! Not here: reading them from a document (`rules`) and combining rules (`group`).

use super::domain::Domain;
use super::request::PolicyRequest;
use crate::sip::identity::Identity;

/// One child of `<conditions>`. A rule matches when all of its conditions are true.
///
/// This is the place for a further condition: a variant here, an arm in [`Condition::holds`], an arm
/// in the reader. What only looks at who somebody is also belongs into [`Condition::names_somebody`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `<identity>`: true when any of its children is.
    Identity(Vec<Matcher>),
    /// `<is-list-member>`: whether one has to be on the list, or has not to be.
    ListMember(bool),
    /// `<other-identity>`: nobody whom another rule names.
    OtherIdentity(bool),
    /// `<anonymous-request>`: anonymity was asked for.
    AnonymousRequest(bool),
    /// `<validity>`: from the first up to, but not including, the second of any pair, seconds since 1970.
    Validity(Vec<(i64, i64)>),
    /// `<participant>` of this server's namespace.
    Participant(bool),
    /// `<creator>` of this server's namespace.
    Creator(bool),
    /// Known or unknown, but not evaluated here (sphere, external-list, media-list, service-list
    /// and whatever else): never true, so its rule matches nobody.
    NotEvaluated(String),
}

/// One child of `<identity>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Matcher {
    /// `<one id>`.
    One(Identity),
    /// `<many>`: everybody authenticated, of one domain or of any, less the exceptions.
    Many {
        domain: Option<Domain>,
        except: Vec<Except>,
    },
    /// A child that is not known here: never true (RFC 4745 section 7.1).
    Never,
}

/// `<except>` within `<many>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Except {
    Id(Identity),
    Domain(Domain),
}

/// A request together with what is worked out once for all rules.
pub struct Facts<'a> {
    pub request: &'a PolicyRequest<'a>,
    /// The domains of the requester's URIs.
    pub domains: Vec<Domain>,
    pub list_member: bool,
}

impl Condition {
    /// `named_elsewhere`: another rule names the requester.
    pub fn holds(&self, facts: &Facts, named_elsewhere: bool) -> bool {
        let request = facts.request;
        let authenticated = !request.identities.is_empty();
        match self {
            Condition::Identity(matchers) => matchers.iter().any(|m| m.holds(facts)),
            Condition::ListMember(wanted) => authenticated && facts.list_member == *wanted,
            Condition::OtherIdentity(wanted) => authenticated && named_elsewhere != *wanted,
            Condition::AnonymousRequest(wanted) => request.anonymous == *wanted,
            Condition::Validity(periods) => periods
                .iter()
                .any(|(from, until)| (*from..*until).contains(&request.now_unix)),
            Condition::Participant(wanted) => request.role.participant == *wanted,
            Condition::Creator(wanted) => request.role.creator == *wanted,
            Condition::NotEvaluated(_) => false,
        }
    }

    /// Whether this is one of the conditions by which a rule names people, as `other-identity` asks.
    pub fn names_somebody(&self) -> bool {
        matches!(self, Condition::Identity(_) | Condition::ListMember(_))
    }
}

impl Matcher {
    fn holds(&self, facts: &Facts) -> bool {
        let identities = facts.request.identities;
        match self {
            Matcher::One(id) => identities.contains(id),
            Matcher::Many { domain, except } => {
                // Somebody with two identities is one person: an exception for either is an
                // exception for both, or a tel URI would get round an exception for a SIP URI.
                let wanted = match domain {
                    None => !identities.is_empty(),
                    Some(domain) => !identities.is_empty() && facts.domains.contains(domain),
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
            Except::Id(id) => facts.request.identities.contains(id),
            Except::Domain(domain) => facts.domains.contains(domain),
        }
    }
}
