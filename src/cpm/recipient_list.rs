//! Recipient lists: whom the body of a REFER (RFC 5368) or of a factory INVITE (RFC 5366) names.

use super::body_parts::{is_list, parts, undecodable, unsupported_type};
use super::quirk::Quirk;
use super::refusal::Refusal;
use super::targets::{Purpose, Target, TargetAddress, Targets};
use crate::sip::identity::Identity;
use crate::sip::multipart;
use crate::sip::resource_list::{self, Entry, HistoryEntry};
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::uri::Uri;
use crate::sip::{Method, Request};

/// How a figure of RFC 5366 prints `urn:ietf:params:xml:ns:copycontrol`.
const MISPRINTED_NAMESPACE: &str = "urn:ietf:params:xml:ns:copyControl";

/// Which part of a body is meant.
pub enum ListPart<'a> {
    /// The one that a `cid:` names.
    Named(&'a str),
    /// Whichever there is.
    Any,
}

/// Whether the body has a recipient list.
pub fn carries_list(request: &Request) -> bool {
    parts(request).is_ok_and(|parts| parts.iter().any(is_list))
}

/// The recipient list of an INVITE to the factory (RFC 5366). `None`: it carries no list. `most`: so many entries may
/// it have. `identity` says who a URI stands for.
pub fn read_recipients(
    request: &Request,
    most: usize,
    identity: &dyn Fn(&Uri) -> Identity,
) -> Option<Result<Targets, Refusal>> {
    match parts(request) {
        Ok(parts) if !parts.iter().any(is_list) => None,
        _ => Some(read_list(request, &ListPart::Any, None, most, identity)),
    }
}

/// All recipient lists of a body as one (RFC 5363 section 4.1). `method` is that of the Refer-To, `identity` says who
/// a URI stands for. More than `most` entries are counted, but not read.
///
/// # Errors
/// [`Refusal::CidNotFound`], [`Refusal::BodyType`], [`Refusal::BodyCoding`], [`Refusal::Malformed`],
/// [`Refusal::ReferToMethod`], [`Refusal::TooManyTargets`].
pub fn read_list(
    request: &Request,
    which: &ListPart<'_>,
    method: Option<&Method>,
    most: usize,
    identity: &dyn Fn(&Uri) -> Identity,
) -> Result<Targets, Refusal> {
    let parts = parts(request)?;
    let named = match which {
        ListPart::Any => None,
        ListPart::Named(cid) => {
            let part = multipart::by_content_id(&parts, cid).ok_or(Refusal::CidNotFound)?;
            if part.kind.kind != resource_list::CONTENT_TYPE {
                return Err(unsupported_type(part));
            }
            Some(part)
        }
    };
    let not_understood = parts.iter().find(|part| {
        let known = is_list(part) || part.kind.kind == SDP;
        !known && part.required() && Some(*part) != named
    });
    if let Some(part) = not_understood {
        return Err(unsupported_type(part));
    }
    let mut entries = Vec::new();
    let mut quirks = Vec::new();
    let lists = parts
        .iter()
        .filter(|part| Some(*part) != named && is_list(part));
    for part in named.into_iter().chain(lists) {
        let document = part
            .decoded()
            .map_err(|error| undecodable(error.status(), error))?;
        let written = entries.len() + resource_list::most_entries(&document);
        if written > most {
            return Err(Refusal::TooManyTargets { written, most });
        }
        let list =
            resource_list::parse(&document).map_err(|error| undecodable(error.status(), error))?;
        entries.extend(list);
        if part.disposition().is_none() {
            quirks.push(Quirk::ListWithoutDisposition);
        }
        if String::from_utf8_lossy(&document).contains(MISPRINTED_NAMESPACE) {
            quirks.push(Quirk::CopyControlNamespace);
        }
    }
    if entries.is_empty() {
        return Err(Refusal::malformed("no recipient list in the body"));
    }
    let targets = targets(entries, method, identity)?;
    Ok(Targets { quirks, ..targets })
}

fn targets(
    mut entries: Vec<Entry>,
    method: Option<&Method>,
    identity: &dyn Fn(&Uri) -> Identity,
) -> Result<Targets, Refusal> {
    let written = entries.len();
    let purpose = common_purpose(&entries, method)?;
    // All say the same. Somebody written once with a method and once without is one person still.
    for entry in &mut entries {
        entry.method = None;
    }
    let entries = resource_list::merge(entries, identity);
    if entries.iter().all(|entry| entry.target.is_err()) {
        return Err(Refusal::malformed("No entry of the list can be used"));
    }
    let told: Vec<HistoryEntry> = entries.iter().filter_map(Entry::history).collect();
    let history = (purpose == Purpose::Invite).then(|| resource_list::build_history(&told));
    Ok(Targets {
        quirks: Vec::new(),
        purpose,
        list: entries.into_iter().map(target).collect(),
        written,
        history: history.flatten(),
    })
}

fn target(entry: Entry) -> Target {
    let hidden = entry.is_hidden();
    let address = match entry.target {
        Ok(uri) => TargetAddress::Uri(uri),
        Err(_) => TargetAddress::Unusable(entry.text),
    };
    Target {
        hidden,
        ..Target::with_headers(address, &entry.headers)
    }
}

/// R3.6: the method of an entry overrides that of the Refer-To, and all have to say the same.
fn common_purpose(entries: &[Entry], method: Option<&Method>) -> Result<Purpose, Refusal> {
    let invite = &Method::Invite;
    let mut methods = entries
        .iter()
        .map(|entry| entry.method.as_ref().or(method).unwrap_or(invite));
    let first = methods.next().unwrap_or(invite);
    let purpose = purpose_of(first)?;
    match methods.find(|method| *method != first) {
        None => Ok(purpose),
        Some(other) => {
            purpose_of(other)?;
            let what = format!("A list cannot mix {first} and {other}");
            Err(Refusal::Malformed(what))
        }
    }
}

/// What a REFER with this method is for.
///
/// # Errors
/// [`Refusal::ReferToMethod`] for all but INVITE and BYE.
pub fn purpose_of(method: &Method) -> Result<Purpose, Refusal> {
    match method {
        Method::Invite => Ok(Purpose::Invite),
        Method::Bye => Ok(Purpose::Remove),
        other => Err(Refusal::ReferToMethod(other.clone())),
    }
}
