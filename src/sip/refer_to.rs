//! Refer-To (RFC 3515 section 2.1): whom or what a REFER points to, in every form clients write it.

use thiserror::Error;

use super::method::Method;
use super::name_addr;
use super::params::{self, Params};
use super::text;
use super::uri::{Scheme, Uri, UriError};

/// What the Refer-To names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferTarget {
    /// One target, fit for sending to: without `method` and embedded headers.
    Uri(Uri),
    /// The body part with this Content-ID (RFC 2392): percent-decoded, without angle brackets,
    /// printable. A `;…` that named no method is still in it.
    ContentId(String),
}

/// A form that deployed clients use and the grammar does not foresee, or that means something else
/// by the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quirk {
    /// `<sip:c@x>;method=INVITE`: a header parameter by RFC 3261, meant as the URI's.
    MethodOutsideBrackets,
    /// `<sip:+336…@dom>;user=phone`.
    UserOutsideBrackets,
    /// `;` or `?` in an address without brackets (RFC 8217 section 4).
    Unbracketed,
    /// The method as embedded header `?method=…` (RFC 5368 figure 3 writes lists so).
    MethodAsHeader,
    /// The angle brackets of the Content-ID stand inside the cid URL.
    BracketsInCid,
    /// A parameter nobody defined for Refer-To, such as `;text` or `;isfocus`. Legal
    /// (`generic-param`), ignored, and only counted.
    UnknownParameter,
}

impl Quirk {
    /// All of them, in a fixed order (for counters).
    pub const ALL: [Quirk; 6] = [
        Quirk::MethodOutsideBrackets,
        Quirk::UserOutsideBrackets,
        Quirk::Unbracketed,
        Quirk::MethodAsHeader,
        Quirk::BracketsInCid,
        Quirk::UnknownParameter,
    ];

    /// A short name for counters and logs.
    pub fn name(self) -> &'static str {
        match self {
            Quirk::MethodOutsideBrackets => "method_outside_brackets",
            Quirk::UserOutsideBrackets => "user_outside_brackets",
            Quirk::Unbracketed => "unbracketed",
            Quirk::MethodAsHeader => "method_as_header",
            Quirk::BracketsInCid => "brackets_in_cid",
            Quirk::UnknownParameter => "unknown_parameter",
        }
    }

    /// The rule a strict reader refuses the form by; `None` where no rule is broken.
    pub fn broken_rule(self) -> Option<&'static str> {
        match self {
            Quirk::MethodOutsideBrackets => {
                Some("method must be a URI parameter (RFC 3261 section 19.1.1)")
            }
            Quirk::UserOutsideBrackets => {
                Some("user must be a URI parameter (RFC 3261 section 19.1.1)")
            }
            Quirk::Unbracketed => Some("Refer-To needs angle brackets (RFC 8217 section 4)"),
            Quirk::MethodAsHeader => {
                Some("method must not be an embedded header (RFC 3261 section 19.1.1)")
            }
            Quirk::BracketsInCid => Some("no angle brackets in a cid URL (RFC 2392 section 2)"),
            Quirk::UnknownParameter => None,
        }
    }
}

/// A Refer-To, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferTo {
    /// Whom or what.
    pub target: ReferTarget,
    /// The method the value names, in upper case. `None` means INVITE for a single target (RFC 3261
    /// section 19.1.1); the entries of a list that name none take it over.
    pub method: Option<Method>,
    /// The header parameter `admin`: the target is to have the role of an administrator, or not to have
    /// it. Not standardised; liblinphone sends it.
    pub admin: Option<bool>,
    /// The embedded `?…` headers as written, already off the target. Never to be sent on but for an
    /// explicit allow-list (RFC 3261 section 19.1.5).
    pub headers: Vec<(String, String)>,
    /// The forms met, each once.
    pub quirks: Vec<Quirk>,
}

/// Why there is no usable Refer-To.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferToError {
    /// None.
    #[error("no Refer-To")]
    Missing,
    /// More than one, in several lines or one.
    #[error("more than one Refer-To")]
    Several,
    /// Not to be understood; what was wrong.
    #[error("malformed Refer-To: {0}")]
    Malformed(String),
    /// A URI, but of a scheme no INVITE can be sent to.
    #[error("Refer-To scheme {0} is not supported")]
    UnsupportedScheme(String),
}

impl ReferTo {
    /// Reads one Refer-To value.
    ///
    /// # Errors
    /// See [`ReferToError`]; several values in the one line are [`ReferToError::Several`].
    pub fn parse(value: &[u8]) -> Result<ReferTo, ReferToError> {
        match text::split_outside(value, b',')
            .filter(|piece| !piece.is_empty())
            .count()
        {
            0 => return Err(ReferToError::Missing),
            1 => {}
            _ => return Err(ReferToError::Several),
        }
        let malformed = |error: &dyn std::fmt::Display| ReferToError::Malformed(error.to_string());
        let split = name_addr::split(value).map_err(|e| malformed(&e))?;
        let outside = params::parse(split.params).map_err(|e| malformed(&e))?;
        let mut quirks = Vec::new();
        let marked = |b: &u8| b";?".contains(b);
        if !split.bracketed
            && (!text::trim(split.params).is_empty() || split.address.iter().any(marked))
        {
            quirks.push(Quirk::Unbracketed);
        }
        let cid = split.address.get(..4);
        let mut found = match cid.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"cid:")) {
            true => content_id(split.address.get(4..).unwrap_or_default(), &mut quirks)?,
            false => single(split.address, &outside, split.bracketed, &mut quirks)?,
        };
        let admin = read_admin(&outside, &mut found.target)?;
        note_unknown(&outside, &found.target, split.bracketed, &mut quirks);
        if let Some(method) = params::find(&outside, "method") {
            if split.bracketed {
                quirks.push(Quirk::MethodOutsideBrackets);
            }
            found.methods.push(method.to_owned());
        }
        Ok(ReferTo {
            method: one_method(&found.methods)?,
            admin,
            target: found.target,
            headers: found.headers,
            quirks,
        })
    }
}

/// The method a URI names: as parameter, or as embedded header (RFC 5368 figure 3). `None` when it
/// names none. For entries of a resource list.
///
/// # Errors
/// [`ReferToError::Malformed`] for no token, or two methods that differ.
pub fn method_of(uri: &Uri) -> Result<Option<Method>, ReferToError> {
    one_method(&methods_in(uri))
}

/// The header parameter that gives or takes a role.
const ADMIN: &str = "admin";

/// No method is longer; what names one gets into reason phrases, Warnings and logs.
const MAX_METHOD: usize = 64;

struct Found {
    target: ReferTarget,
    methods: Vec<String>,
    headers: Vec<(String, String)>,
}

/// URI parameters that clients leave outside the brackets, or that an address without brackets
/// cannot hold by the grammar (RFC 3261 section 20.10).
const BELONG_TO_URI: [&str; 1] = ["user"];
const BELONG_TO_BARE_URI: [&str; 6] = ["user", "transport", "gr", "phone-context", "ext", "isub"];

fn goes_back(bracketed: bool) -> &'static [&'static str] {
    if bracketed {
        &BELONG_TO_URI
    } else {
        &BELONG_TO_BARE_URI
    }
}

fn single(
    address: &[u8],
    outside: &Params,
    bracketed: bool,
    quirks: &mut Vec<Quirk>,
) -> Result<Found, ReferToError> {
    let mut uri = Uri::parse(address).map_err(|error| match error {
        UriError::UnsupportedScheme(scheme) => ReferToError::UnsupportedScheme(scheme),
        UriError::Malformed(_) => ReferToError::Malformed(error.to_string()),
    })?;
    let methods = methods_in(&uri);
    let headers = uri.headers();
    if headers.iter().any(|(name, _)| is_method(name)) {
        quirks.push(Quirk::MethodAsHeader);
    }
    for (name, value) in outside {
        if !goes_back(bracketed).contains(&name.as_str()) {
            continue;
        }
        if bracketed {
            quirks.push(Quirk::UserOutsideBrackets);
        }
        // What stands inside wins. A tel URI has no `user` parameter (RFC 3966 section 3).
        let misfit = name == "user" && uri.scheme() == Scheme::Tel;
        if uri.param(name).is_none() && !misfit {
            uri = uri.with_param(name, value.as_deref());
        }
    }
    quirks.dedup();
    Ok(Found {
        target: ReferTarget::Uri(uri.to_target()),
        methods,
        headers,
    })
}

fn methods_in(uri: &Uri) -> Vec<String> {
    let as_header = uri
        .headers()
        .into_iter()
        .filter(|(name, _)| is_method(name));
    uri.param("method")
        .map(str::to_owned)
        .into_iter()
        .chain(as_header.map(|(_, value)| value))
        .collect()
}

fn is_method(name: &str) -> bool {
    name.eq_ignore_ascii_case("method")
}

/// `<cid:x@y>`, `<cid:x@y;method=BYE>`, `<cid:%3Cx@y%3E>`.
fn content_id(rest: &[u8], quirks: &mut Vec<Quirk>) -> Result<Found, ReferToError> {
    let mut methods = Vec::new();
    let mut id = rest;
    let end = rest.iter().position(|b| b";?".contains(b));
    if let Some((bare, params)) = end.and_then(|end| rest.split_at_checked(end)) {
        for piece in params.split(|b| b";?&".contains(b)) {
            let (name, value) = text::cut(piece, b'=');
            if name.eq_ignore_ascii_case(b"method") {
                methods.push(text::shown(value.unwrap_or_default()));
                if params.first() == Some(&b'?') && !quirks.contains(&Quirk::MethodAsHeader) {
                    quirks.push(Quirk::MethodAsHeader);
                }
                // Only now it is sure that the `;` does not belong to the identifier.
                id = bare;
            }
        }
    }
    let malformed = || ReferToError::Malformed(format!("cid url: {}", text::excerpt(rest)));
    let decoded = text::percent_decode(id).ok_or_else(malformed)?;
    let mut id = text::clean_utf8(&decoded).ok_or_else(malformed)?;
    if let Some(inner) = id.strip_prefix('<').and_then(|id| id.strip_suffix('>')) {
        quirks.push(Quirk::BracketsInCid);
        id = inner.to_owned();
    }
    if id.trim().is_empty() {
        return Err(malformed());
    }
    Ok(Found {
        target: ReferTarget::ContentId(id),
        methods,
        headers: Vec::new(),
    })
}

/// What is wished of the role, outside the brackets or inside, from where it is taken away.
fn read_admin(outside: &Params, target: &mut ReferTarget) -> Result<Option<bool>, ReferToError> {
    let mut wished = Vec::new();
    for (_, value) in outside.iter().filter(|(name, _)| name == ADMIN) {
        let wish = role_wish(value.as_deref().unwrap_or_default());
        let wish = wish.ok_or_else(|| ReferToError::Malformed("admin is 1 or 0".to_owned()))?;
        wished.push(wish);
    }
    if let ReferTarget::Uri(uri) = target {
        // Of another value it may be somebody's own parameter.
        if let Some(wish) = uri.param(ADMIN).and_then(role_wish) {
            wished.push(wish);
            *uri = uri.without_param(ADMIN);
        }
    }
    match wished.as_slice() {
        [] => Ok(None),
        [first, others @ ..] if others.iter().all(|other| other == first) => Ok(Some(*first)),
        _ => Err(ReferToError::Malformed("admin is 1 and 0".to_owned())),
    }
}

fn role_wish(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}

fn note_unknown(outside: &Params, target: &ReferTarget, bracketed: bool, quirks: &mut Vec<Quirk>) {
    let taken = |name: &str| match target {
        ReferTarget::Uri(_) => goes_back(bracketed).contains(&name),
        ReferTarget::ContentId(_) => false,
    };
    let taken = |name: &str| is_method(name) || name == ADMIN || taken(name);
    if outside.iter().any(|(name, _)| !taken(name)) {
        quirks.push(Quirk::UnknownParameter);
    }
}

/// The one method that all mentions agree on, in upper case.
fn one_method(methods: &[String]) -> Result<Option<Method>, ReferToError> {
    let mut found: Option<String> = None;
    for method in methods {
        let plain = text::percent_decode(method.as_bytes()).unwrap_or_default();
        if !text::is_token(&plain) || plain.len() > MAX_METHOD {
            return Err(ReferToError::Malformed(format!(
                "method {}",
                text::excerpt(method.as_bytes())
            )));
        }
        let method = text::shown(&plain).to_ascii_uppercase();
        if found.as_ref().is_some_and(|have| *have != method) {
            return Err(ReferToError::Malformed(
                "two methods that differ".to_owned(),
            ));
        }
        found = Some(method);
    }
    Ok(found.as_deref().map(Method::of))
}

#[cfg(test)]
mod tests;
