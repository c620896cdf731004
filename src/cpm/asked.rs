//! What a REFER, or the recipient list of a factory INVITE, asks for: syntax only (P9 to P13, P17).
//! Not here: who may ask (`super::session`) and how bytes are read (`crate::sip`).

use super::answer::{Refusal, ACCEPT};
use super::route::check_require;
use super::text::WarningTexts;
use crate::sip::content_encoding::ACCEPT_ENCODING;
use crate::sip::identity::Identity;
use crate::sip::multipart::{self, Part};
use crate::sip::refer_to::{self, ReferTarget, ReferToError};
use crate::sip::resource_list::{self, Entry, HistoryEntry};
use crate::sip::uri::Uri;
use crate::sip::Request;

/// How a figure of RFC 5366 prints `urn:ietf:params:xml:ns:copycontrol`.
const MISPRINTED_NAMESPACE: &str = "urn:ietf:params:xml:ns:copyControl";

/// What is to happen to the targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Invite,
    /// `method=BYE`: out of the session (RFC 4579 section 5.11).
    Remove,
}

/// A form of a REFER that deployed clients use and a strict reader refuses (requirements section 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// In the Refer-To itself.
    ReferTo(refer_to::Quirk),
    /// Refer-To names the focus or factory, and the list in the body is meant.
    ListWithoutCid,
    /// A list without `Require: multiple-refer`.
    ListWithoutRequire,
    /// The copyControl namespace with a capital C, as a figure of RFC 5366 misprints it.
    CopyControlNamespace,
    /// A list without `Content-Disposition: recipient-list`.
    ListWithoutDisposition,
}

impl Quirk {
    /// The rule that was broken; none for what is only unusual.
    pub fn broken_rule(self) -> Option<&'static str> {
        match self {
            Quirk::ReferTo(quirk) => quirk.broken_rule(),
            Quirk::ListWithoutCid => {
                Some("Refer-To must point to the list by cid (RFC 5368 section 7)")
            }
            Quirk::CopyControlNamespace => {
                Some("the copycontrol namespace is lower-case (RFC 5364 section 5)")
            }
            Quirk::ListWithoutDisposition => {
                Some("a list needs Content-Disposition: recipient-list (RFC 5363 section 4.1)")
            }
            Quirk::ListWithoutRequire => {
                Some("a list needs Require: multiple-refer (RFC 5368 section 4)")
            }
        }
    }
}

/// One target.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Text instead of a URI that cannot be used (R3.18).
    pub uri: Result<Uri, String>,
    /// The one embedded header that goes on to the invited user: which one-to-one session the group
    /// session replaces for it. All others are dropped (R3.3).
    pub session_replaces: Option<String>,
}

impl Wanted {
    pub fn plain(uri: Uri) -> Wanted {
        Wanted {
            uri: Ok(uri),
            session_replaces: None,
        }
    }

    fn with_headers(uri: Result<Uri, String>, headers: &[(String, String)]) -> Wanted {
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("Session-Replaces");
        Wanted {
            uri,
            session_replaces: headers
                .iter()
                .find(named)
                .and_then(|(_, value)| embedded(value)),
        }
    }
}

/// The value of an embedded header: unescaped, printable, of bounded length.
fn embedded(raw: &str) -> Option<String> {
    const LONGEST: usize = 256;
    let mut out = Vec::new();
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let hex = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
            }
            other => other,
        };
        out.push(byte);
    }
    let text = String::from_utf8(out).ok()?;
    let fit =
        !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
    fit.then_some(text)
}

/// Whom a REFER is about.
#[derive(Clone, Debug)]
pub struct Targets {
    pub purpose: Purpose,
    /// In list order, one per person.
    pub wanted: Vec<Wanted>,
    /// How many entries the sender wrote.
    pub written: usize,
    /// What invited users may learn of each other (RFC 5364 section 4). None: a single target.
    pub history: Option<Vec<u8>>,
    /// Unusual forms of the list.
    pub quirks: Vec<Quirk>,
}

/// A REFER whose headers can be understood.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Errors of a list are reported only after the referrer is authorised (P17).
    pub targets: Result<Targets, Refusal>,
    /// No subscription: `Refer-Sub: false` (RFC 4488) or `Require: nosub` (RFC 7614).
    pub suppressed: bool,
    /// `Refer-Sub: false` is echoed.
    pub echo: bool,
    pub referred_by: Option<(Uri, String)>,
    /// Where NOTIFYs go when the REFER forms a dialog.
    pub contact: Option<Uri>,
    pub quirks: Vec<Quirk>,
}

/// Reads a REFER. `is_ourselves` tells URIs of the focus, its group and the factory, which stand for
/// the list in the body (requirements section 11).
pub fn read_refer(
    request: &Request,
    forms_dialog: bool,
    is_ourselves: &dyn Fn(&Uri) -> bool,
    texts: &WarningTexts,
) -> Result<Asked, Refusal> {
    check_require(request)?;
    let refer_to = request.refer_to();
    let count_error = match &refer_to {
        Err(ReferToError::Missing) => Some("Missing Refer-To"),
        Err(ReferToError::Several) => Some("More than one Refer-To"),
        _ => None,
    };
    if let Some(what) = count_error {
        return Err(Refusal::bad_request(what));
    }
    let referred_by = request
        .referred_by()
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    let refer_sub = request
        .refer_sub()
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    let refer_to = refer_to.map_err(|error| match error {
        ReferToError::UnsupportedScheme(scheme) => {
            let why = format!("cannot refer to a {scheme} URI");
            Refusal::new(488, why).warning(&texts.scheme_not_served)
        }
        other => Refusal::bad_request(other.to_string()),
    })?;
    let method = refer_to.method_given.then_some(refer_to.method.as_str());
    let mut quirks: Vec<Quirk> = refer_to
        .quirks
        .iter()
        .copied()
        .map(Quirk::ReferTo)
        .collect();
    let list_meant = match &refer_to.target {
        ReferTarget::ContentId(_) => true,
        ReferTarget::Uri(uri) => is_ourselves(uri) && carries_list(request),
    };
    if list_meant && matches!(refer_to.target, ReferTarget::Uri(_)) {
        quirks.push(Quirk::ListWithoutCid);
    }
    if list_meant
        && !request
            .tokens("Require")
            .iter()
            .any(|tag| tag == "multiple-refer")
    {
        quirks.push(Quirk::ListWithoutRequire);
    }
    let targets = match refer_to.target {
        ReferTarget::ContentId(cid) => listed(request, ListPart::Named(&cid), method, texts),
        ReferTarget::Uri(_) if list_meant => listed(request, ListPart::Any, method, texts),
        ReferTarget::Uri(uri) => Ok(Targets {
            purpose: purpose(&refer_to.method, texts)?,
            wanted: vec![Wanted::with_headers(Ok(uri), &refer_to.headers)],
            written: 1,
            history: None,
            quirks: Vec::new(),
        }),
    };
    if let Ok(targets) = &targets {
        quirks.extend(&targets.quirks);
    }
    let echo = refer_sub == Some(false);
    let suppressed = echo || request.tokens("Require").iter().any(|tag| tag == "nosub");
    let contact = request.contact();
    // RFC 3515 section 2.2: Contact is mandatory; without a subscription nobody misses it (N12).
    if forms_dialog && !suppressed && contact.is_none() {
        return Err(Refusal::bad_request("Missing or malformed Contact"));
    }
    Ok(Asked {
        targets,
        suppressed,
        echo,
        referred_by: referred_by.map(|value| (value.uri, value.text)),
        contact,
        quirks,
    })
}

/// The recipient list of an INVITE to the factory (RFC 5366). None: it carries no list.
pub fn read_recipients(
    request: &Request,
    texts: &WarningTexts,
) -> Option<Result<Targets, Refusal>> {
    match body_parts(request) {
        Ok(parts) if !parts.iter().any(is_list) => None,
        _ => Some(listed(request, ListPart::Any, None, texts)),
    }
}

/// The SDP of an INVITE, UPDATE or ACK, alone or beside a list. None: it carries none and, if an INVITE,
/// takes our offer.
pub fn read_sdp(request: &Request) -> Result<Option<Vec<u8>>, Refusal> {
    let parts = body_parts(request)?;
    let sdp = parts
        .iter()
        .find(|part| part.kind.kind == "application/sdp");
    let unknown = parts.iter().find(|part| part.required() && !is_list(part));
    if let (None, Some(part)) = (sdp, unknown) {
        return Err(unsupported_type(part));
    }
    let described = match request.method.as_str() {
        "INVITE" => true,
        "UPDATE" => sdp.is_some(),
        _ => false,
    };
    // The 2xx has a session description; without an Accept it is taken (RFC 3261 section 20.1).
    if described && request.has("Accept") && !takes_sdp(request) {
        return Err(Refusal::new(406, "no application/sdp in Accept"));
    }
    let Some(part) = sdp else { return Ok(None) };
    part.decoded()
        .map(|sdp| Some(sdp.into_owned()))
        .map_err(|error| undecodable(error.status(), error))
}

fn takes_sdp(request: &Request) -> bool {
    let wanted = ["application/sdp", "application/*", "*/*"];
    let accepted = request.tokens("Accept");
    accepted.iter().any(|kind| wanted.contains(&kind.as_str()))
}

enum ListPart<'a> {
    /// The one a `cid:` names.
    Named(&'a str),
    Any,
}

fn is_list(part: &Part) -> bool {
    part.kind.kind == resource_list::CONTENT_TYPE
        && part.disposition().is_none_or(|d| d == "recipient-list")
}

fn carries_list(request: &Request) -> bool {
    body_parts(request).is_ok_and(|parts| parts.iter().any(is_list))
}

fn body_parts(request: &Request) -> Result<Vec<Part>, Refusal> {
    multipart::parts(request, &request.body).map_err(|error| undecodable(error.status(), error))
}

/// All recipient lists of a body as one (RFC 5363 section 4.1).
fn listed(
    request: &Request,
    which: ListPart<'_>,
    method: Option<&str>,
    texts: &WarningTexts,
) -> Result<Targets, Refusal> {
    let parts = body_parts(request)?;
    let named = match which {
        ListPart::Any => None,
        ListPart::Named(cid) => {
            let part = multipart::by_content_id(&parts, cid).ok_or_else(|| {
                Refusal::bad_request("cid body not found").warning(&texts.cid_not_found)
            })?;
            if part.kind.kind != resource_list::CONTENT_TYPE {
                return Err(unsupported_type(part));
            }
            Some(part)
        }
    };
    let known = |part: &&Part| is_list(part) || part.kind.kind == "application/sdp";
    let stranger = parts
        .iter()
        .find(|part| !known(part) && part.required() && Some(*part) != named);
    if let Some(part) = stranger {
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
        return Err(Refusal::bad_request("no recipient list in the body"));
    }
    let targets = targets(entries, method, texts)?;
    Ok(Targets { quirks, ..targets })
}

fn targets(
    mut entries: Vec<Entry>,
    method: Option<&str>,
    texts: &WarningTexts,
) -> Result<Targets, Refusal> {
    let written = entries.len();
    // R3.6: a method of the entry overrides that of the Refer-To.
    let mut methods = entries
        .iter()
        .map(|entry| entry.method.as_deref().or(method).unwrap_or("INVITE"));
    let first = methods.next().unwrap_or("INVITE").to_owned();
    if let Some(other) = methods.find(|method| *method != first) {
        let what = format!("A list cannot mix {first} and {other}");
        return Err(match (purpose(&first, texts), purpose(other, texts)) {
            (Ok(_), Ok(_)) => Refusal::bad_request(what),
            (Err(refusal), _) | (_, Err(refusal)) => refusal,
        });
    }
    let purpose = purpose(&first, texts)?;
    // All say the same; who is written with and who without it is one person still.
    for entry in &mut entries {
        entry.method = None;
    }
    let entries = resource_list::merge(entries);
    if entries.iter().all(|entry| entry.target.is_err()) {
        return Err(Refusal::bad_request("No entry of the list can be used"));
    }
    let told: Vec<HistoryEntry> = entries.iter().filter_map(Entry::history).collect();
    Ok(Targets {
        quirks: Vec::new(),
        purpose,
        wanted: entries
            .into_iter()
            .map(|entry| Wanted::with_headers(entry.target.map_err(|_| entry.text), &entry.headers))
            .collect(),
        written,
        history: (purpose == Purpose::Invite)
            .then(|| resource_list::build_history(&told))
            .flatten(),
    })
}

fn purpose(method: &str, texts: &WarningTexts) -> Result<Purpose, Refusal> {
    match method {
        "INVITE" => Ok(Purpose::Invite),
        "BYE" => Ok(Purpose::Remove),
        other => {
            let why = format!("cannot refer with method {other}");
            Err(Refusal::new(488, why).warning(&texts.method_not_served))
        }
    }
}

fn unsupported_type(part: &Part) -> Refusal {
    Refusal::new(415, format!("body of type {}", part.kind.kind)).header("Accept", ACCEPT)
}

fn undecodable(status: u16, error: impl std::fmt::Display) -> Refusal {
    match status {
        415 => Refusal::new(415, error.to_string())
            .header("Accept", ACCEPT)
            .header("Accept-Encoding", ACCEPT_ENCODING),
        _ => Refusal::bad_request(error.to_string()),
    }
}

impl Targets {
    /// Targets nobody wrote a list for.
    pub fn plain(purpose: Purpose, uris: Vec<Uri>) -> Targets {
        Targets {
            purpose,
            written: uris.len(),
            wanted: uris.into_iter().map(Wanted::plain).collect(),
            history: None,
            quirks: Vec::new(),
        }
    }

    /// Those that can be reached at all.
    pub fn identities(&self) -> impl Iterator<Item = Identity> + '_ {
        self.wanted
            .iter()
            .flat_map(|wanted| &wanted.uri)
            .map(Identity::of)
    }
}
