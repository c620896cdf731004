//! Somebody whose request the policy is asked about.

use super::input::Arrival;
use super::redact::{Who, WhoRef};
use super::refusal::Refusal;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// One person, by the URIs that stand for them.
#[derive(Clone, Debug)]
pub struct Person {
    /// The URI to show and to pass on.
    pub uri: Uri,
    /// All URIs that are known of them, the first one included.
    pub uris: Vec<Uri>,
    /// The same as identities, each once: a sip and a tel URI of one number are one identity (R1.3b).
    pub identities: Vec<Identity>,
    /// A trusted peer asserts these URIs in the request at hand (RFC 3325 section 9.1).
    pub asserted: bool,
    /// They ask not to be shown.
    pub anonymous: bool,
    /// Others are not to learn who they are, though they do not ask for that themselves now: by the list that
    /// invited them, or by their 2xx.
    pub hidden: bool,
    /// The policy treats them as a participant of the session.
    pub participant: bool,
    /// They are about to create the session.
    pub creator: bool,
    /// They have the role of an administrator.
    pub administrator: bool,
}

impl Person {
    /// Somebody with one URI.
    pub fn of(uri: &Uri, identity: Identity) -> Person {
        Person::known_by(uri, vec![identity])
    }

    /// Somebody with one URI, of whom several identities are known.
    pub fn known_by(uri: &Uri, identities: Vec<Identity>) -> Person {
        Person {
            uri: uri.clone(),
            uris: vec![uri.clone()],
            identities,
            asserted: false,
            anonymous: false,
            hidden: false,
            participant: false,
            creator: false,
            administrator: false,
        }
    }

    /// Somebody with several asserted URIs, the first of them to be shown. `None` without any. `identity` says
    /// who a URI stands for.
    pub fn of_asserted(uris: Vec<Uri>, identity: impl Fn(&Uri) -> Identity) -> Option<Person> {
        let (first, others) = uris.split_first()?;
        let mut who = Person::of(first, identity(first));
        for uri in others {
            who.add_identity(identity(uri));
        }
        Some(Person {
            uris,
            asserted: true,
            ..who
        })
    }

    /// The same person is known by one more identity.
    pub fn add_identity(&mut self, identity: Identity) {
        if !self.identities.contains(&identity) {
            self.identities.push(identity);
        }
    }

    /// Whether any of these identities is theirs.
    pub fn is_any_of(&self, identities: &[Identity]) -> bool {
        self.identities.iter().any(|me| identities.contains(me))
    }

    /// Nothing that others may read names them.
    pub fn is_unnamed(&self) -> bool {
        self.anonymous || self.hidden
    }

    /// As a line of the log names them.
    pub fn who(&self) -> Who {
        self.who_ref().to_owned()
    }

    /// The same, borrowed.
    pub fn who_ref(&self) -> WhoRef<'_> {
        match self.is_unnamed() {
            true => WhoRef::unnamed(self.uri.as_str()),
            false => WhoRef::open(self.uri.as_str()),
        }
    }

    /// The same, asking for anonymity or not.
    pub fn anonymous(self, anonymous: bool) -> Person {
        Person { anonymous, ..self }
    }
}

/// Who asks, by what a trusted peer asserts and nothing else (R1.1). `identity` says who a URI stands for.
///
/// # Errors
/// [`Refusal::UntrustedPeer`], [`Refusal::NoAssertedIdentity`].
pub fn identify(arrival: &Arrival, identity: impl Fn(&Uri) -> Identity) -> Result<Person, Refusal> {
    if !arrival.trusted {
        return Err(Refusal::UntrustedPeer);
    }
    let who = Person::of_asserted(arrival.request.asserted_identities(), identity);
    let who = who.ok_or(Refusal::NoAssertedIdentity)?;
    Ok(who.anonymous(arrival.request.privacy().id))
}
