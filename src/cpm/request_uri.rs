//! What a Request-URI names, and which URIs lead to a focus of this server.

use std::net::IpAddr;
use std::sync::Arc;

use super::env::Env;
use super::policy::Group;
use crate::sip::identity::Identity;
use crate::sip::uri::{Scheme, Uri, UriError};

/// What a Request-URI names.
#[derive(Clone, Debug)]
pub enum Destination {
    /// Not a host of ours: the script's business.
    NotOurs,
    /// The conference factory.
    Factory,
    /// A pre-defined group, by its own URI.
    Group(Arc<Group>),
    /// A host of ours and a user part that may be a focus.
    Focus(String),
    /// A host of ours without a user part.
    Server,
    /// A scheme that no focus has (P4).
    WrongScheme,
}

/// Classifies a Request-URI. `is_socket` says whether host and port name a socket of this server.
/// URI parameters are ignored (P5).
pub fn destination(
    uri: &str,
    env: &Env<'_>,
    is_socket: &dyn Fn(&str, Option<u16>) -> bool,
) -> Destination {
    let uri = match Uri::parse(uri.as_bytes()) {
        Ok(uri) => uri,
        Err(UriError::UnsupportedScheme(_)) => return Destination::WrongScheme,
        Err(_) => return Destination::NotOurs,
    };
    if uri.scheme() == Scheme::Tel {
        return Destination::NotOurs;
    }
    let settings = env.settings;
    if Identity::same(&uri, &settings.factory) {
        return Destination::Factory;
    }
    if let Some(group) = env.groups.find(&uri) {
        return Destination::Group(group.clone());
    }
    let host = uri.host();
    let contact = settings.contact_host.as_deref();
    let ours = host == settings.domain
        || contact.is_some_and(|contact| is_contact(contact, host, uri.port()))
        || env.groups.hosts().contains(host)
        || is_socket(host, uri.port());
    match (ours, uri.user()) {
        (false, _) => Destination::NotOurs,
        (true, None | Some("")) => Destination::Server,
        (true, Some(user)) => Destination::Focus(user.to_owned()),
    }
}

/// Whether `contact` is this host, alone or with this port.
fn is_contact(contact: &str, host: &str, port: Option<u16>) -> bool {
    let Some(rest) = contact.strip_prefix(host) else {
        return false;
    };
    rest.is_empty() || port.is_some_and(|port| rest == format!(":{port}"))
}

/// Whether a URI leads to a focus, a group or the factory of this server, under whichever of its
/// names: then it is no person, and nobody to invite. A domain alone does not say so, because people
/// may live in it too.
pub fn leads_here(uri: &Uri, env: &Env<'_>) -> bool {
    let settings = env.settings;
    if Identity::same(uri, &settings.factory) || env.groups.find(uri).is_some() {
        return true;
    }
    let default_port = match uri.scheme() {
        Scheme::Sips => 5061,
        Scheme::Sip | Scheme::Tel => 5060,
    };
    let port = uri.port().unwrap_or(default_port);
    let address = address(uri.host());
    let same = |here: IpAddr| address == Some(here.to_canonical());
    let mut sockets = settings.sockets.iter();
    if sockets.any(|socket| socket.port == port && same(socket.address)) {
        return true;
    }
    let contact = settings.contact_host.as_deref();
    let contact = contact.map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host));
    let host = uri.host();
    (host == settings.domain || Some(host) == contact) && uri.user().is_some_and(is_token)
}

/// As [`Env::token`] makes them.
fn is_token(user: &str) -> bool {
    user.len() == 32 && user.bytes().all(|b| b.is_ascii_hexdigit())
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<IpAddr>().ok()?;
    Some(address.to_canonical())
}
