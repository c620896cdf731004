//! Where a request belongs, and what can be said of it before a session is looked at.
//! Not here: the session's own decisions (`super::session`).

use std::net::IpAddr;
use std::sync::Arc;

use super::action::Answer;
use super::answer::{Lines, Refusal, ACCEPT, ALLOW, ALLOW_EVENTS, SUPPORTED};
use super::input::Arrival;
use super::policy::Group;
use super::session::Who;
use super::settings::Env;
use crate::sip::content_encoding::ACCEPT_ENCODING;
use crate::sip::identity::Identity;
use crate::sip::message::Request;
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
    /// A scheme no focus has (P4).
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
    if Identity::of(&uri) == Identity::of(&settings.factory) {
        return Destination::Factory;
    }
    if let Some(group) = env.groups.find(&uri) {
        return Destination::Group(group.clone());
    }
    let host = uri.host();
    let with_port = match uri.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let ours = host == settings.domain
        || settings
            .contact_host
            .as_deref()
            .is_some_and(|contact| contact == host || contact == with_port)
        || env.groups.hosts().contains(host)
        || is_socket(host, uri.port());
    match (ours, uri.user()) {
        (false, _) => Destination::NotOurs,
        (true, None | Some("")) => Destination::Server,
        (true, Some(user)) => Destination::Focus(user.to_owned()),
    }
}

/// Whether a URI leads to a focus, a group or the factory of this server, under whichever of its names:
/// no person, so nobody to invite. A domain alone does not say so, people may live in it too.
pub(super) fn leads_here(uri: &Uri, env: &Env<'_>) -> bool {
    let settings = env.settings;
    if env.groups.find(uri).is_some() || Identity::of(uri) == Identity::of(&settings.factory) {
        return true;
    }
    let default_port = match uri.scheme() {
        Scheme::Sips => 5061,
        Scheme::Sip | Scheme::Tel => 5060,
    };
    let port = uri.port().unwrap_or(default_port);
    let mut sockets = settings.sockets.iter();
    if sockets.any(|socket| socket.port == port && same_host(&socket.host, uri.host())) {
        return true;
    }
    let contact = settings.contact_host.as_deref();
    let contact = contact.map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host));
    let host = uri.host();
    (host == settings.domain || Some(host) == contact) && uri.user().is_some_and(is_token)
}

/// As `Env::token` makes them.
fn is_token(user: &str) -> bool {
    user.len() == 32 && user.bytes().all(|b| b.is_ascii_hexdigit())
}

fn same_host(a: &str, b: &str) -> bool {
    let address = |host: &str| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse::<IpAddr>().map(|address| address.to_canonical())
    };
    match (address(a), address(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// Who asks, by what a trusted peer asserts and nothing else (R1.1).
pub(super) fn identify(arrival: &Arrival) -> Result<Who, Refusal> {
    if !arrival.trusted {
        return Err(Refusal::new(403, "not from a trusted peer"));
    }
    let uris = arrival.request.asserted_identities();
    if uris.is_empty() {
        return Err(Refusal::new(403, "no usable P-Asserted-Identity"));
    }
    Ok(Who::new(uris, arrival.request.privacy().id))
}

/// Which event packages a SUBSCRIBE outside a dialog may be for.
pub fn check_event(request: &Request) -> Result<(), Refusal> {
    match request.event() {
        Some((package, _)) if package == "conference" => Ok(()),
        // RFC 3515 section 2.4.4.
        Some((package, _)) if package == "refer" => Err(Refusal::new(
            403,
            "a refer subscription is made by REFER only",
        )),
        _ => Err(no_such_package()),
    }
}

/// RFC 6665 section 4.2.1.1 (489), with what there is.
pub(super) fn no_such_package() -> Refusal {
    Refusal::new(489, "no such event package").header("Allow-Events", ALLOW_EVENTS)
}

/// RFC 3261 section 8.2.2.3: every required option tag must be known.
pub(super) fn check_require(request: &Request) -> Result<(), Refusal> {
    require(request, &[])
}

/// Option tag of the factory: an INVITE may carry a list (RFC 5366 section 5.1).
const FACTORY_ONLY: &str = "recipient-list-invite";

/// OPTIONS of the factory (RFC 5366 section 5.1): what an INVITE to it may hold. A factory is no focus, so
/// its answer has no Contact with `isfocus`.
///
/// # Errors
/// 420 if the request requires what the factory does not know.
pub fn factory_options(request: &Request, env: &Env<'_>) -> Result<Answer, Refusal> {
    check_require_at_factory(request)?;
    let headers = Lines::new()
        .line("Allow", ALLOW)
        .line("Supported", &format!("{SUPPORTED}, {FACTORY_ONLY}"))
        .line("Allow-Events", ALLOW_EVENTS)
        .line("Accept", ACCEPT)
        .line("Accept-Encoding", ACCEPT_ENCODING);
    Ok(Answer {
        code: 200,
        reason: "OK".to_owned(),
        to_tag: env.token(),
        headers: headers.text(),
        ..Answer::default()
    })
}

/// The factory alone takes a list in an INVITE (RFC 5366 section 5.1).
pub(super) fn check_require_at_factory(request: &Request) -> Result<(), Refusal> {
    require(request, &[FACTORY_ONLY])
}

fn require(request: &Request, here: &[&str]) -> Result<(), Refusal> {
    let known = |tag: &str| {
        let mut tags = SUPPORTED.split(", ").chain(here.iter().copied());
        tags.any(|known| known.eq_ignore_ascii_case(tag))
    };
    let unknown: Vec<&str> = request.words("Require").filter(|tag| !known(tag)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let list = unknown.join(", ");
    Err(Refusal::new(420, format!("unsupported: {list}")).header("Unsupported", &list))
}

/// The header that says which contribution a session is made in reply to.
pub(super) const IN_REPLY_TO: &str = "InReplyTo-Contribution-ID";

/// Longest Conversation-ID or Contribution-ID taken over.
const MAX_IDENTIFIER: usize = 256;

/// The Contribution-ID of a request, if it is fit to be one.
pub fn contribution_id(request: &Request) -> Option<String> {
    identifier(request, "Contribution-ID")
}

/// A CPM identifier, fit to be repeated in a header of ours and to be compared: one printable word of
/// bounded length.
pub(super) fn identifier(request: &Request, header: &str) -> Option<String> {
    let fit = |text: &String| {
        (1..=MAX_IDENTIFIER).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    request.text(header).filter(fit)
}

/// A request for a focus that does not exist (P5).
pub fn no_such_session(env: &Env<'_>) -> Refusal {
    Refusal::new(404, "no such session").warning(&env.settings.warnings.no_session)
}
