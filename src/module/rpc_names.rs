//! How RPC answers name people: whoever is not to be named (`Privacy: id`, `bcc`, `anonymize`) by the URI that
//! others are shown, unless the operator asks for `full`.

use super::runtime::Runtime;
use crate::cpm::env::Env;
use crate::cpm::records::{Head, Id, Leg, Record};
use crate::cpm::session::identity_in;
use crate::kamailio::rpc::{Fault, Rpc};
use crate::sip::identity::Identity;
use crate::sip::privacy::ANONYMOUS;
use crate::sip::uri::Uri;

/// The optional last parameter `full`.
///
/// # Errors
/// 400 for any other word.
pub fn wants_full(rpc: &mut Rpc<'_>) -> Result<bool, Fault> {
    match rpc.next_string().as_deref() {
        None => Ok(false),
        Some("full") => Ok(true),
        Some(other) => Err(Fault::new(400, format!("expected full, not {other}"))),
    }
}

/// The people of one session as an answer names them.
pub struct Names<'a> {
    runtime: &'a Runtime,
    head: &'a Head,
    unnamed: Vec<&'a Leg>,
    full: bool,
}

impl<'a> Names<'a> {
    /// Of the session with this head and these records.
    pub fn new(
        runtime: &'a Runtime,
        head: &'a Head,
        records: &'a [(Id, Record)],
        full: bool,
    ) -> Names<'a> {
        let legs = records.iter().filter_map(|(_, record)| match record {
            Record::Leg(leg) if leg.is_unnamed() => Some(leg.as_ref()),
            _ => None,
        });
        let mut unnamed: Vec<&Leg> = legs.collect();
        // Of several legs of one person that which is in the session counts.
        unnamed.sort_by_key(|leg| !leg.is_member());
        Names {
            runtime,
            head,
            unnamed,
            full,
        }
    }

    /// The person of a leg.
    pub fn of_leg(&self, leg: &Leg) -> String {
        match self.full {
            true => leg.uri.to_string(),
            false => leg.shown_uri(),
        }
    }

    /// Somebody by a URI. `hidden`: not to be named, in the session or not.
    pub fn of_uri(&self, uri: &Uri, hidden: bool) -> String {
        let identity = |env: &Env<'_>| identity_in(self.head, uri, env);
        let identity = self.runtime.with_env(|env| identity(env));
        self.of(&[identity], uri.as_str(), hidden)
    }

    /// Somebody with these identities.
    pub fn of(&self, identities: &[Identity], uri: &str, hidden: bool) -> String {
        if self.full {
            return uri.to_owned();
        }
        let theirs = |leg: &&&Leg| leg.identities.iter().any(|id| identities.contains(id));
        match self.unnamed.iter().find(theirs) {
            Some(leg) => leg.shown_uri(),
            None if hidden => ANONYMOUS.to_owned(),
            None => uri.to_owned(),
        }
    }
}
