//! The parts of a body that a focus looks at: session descriptions and recipient lists.

use super::refusal::Refusal;
use crate::sip::multipart::{self, Part};
use crate::sip::resource_list;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::{Method, Request};

/// All parts of a body; one for a body that is no multipart, none for an empty one.
///
/// # Errors
/// [`Refusal::BodyCoding`] or [`Refusal::Malformed`].
pub fn parts(request: &Request) -> Result<Vec<Part>, Refusal> {
    multipart::parts(request, &request.body).map_err(|error| undecodable(error.status(), error))
}

/// Whether a part is a recipient list (RFC 5363 section 4).
pub fn is_list(part: &Part) -> bool {
    part.kind.kind == resource_list::CONTENT_TYPE
        && part.disposition().is_none_or(|d| d == "recipient-list")
}

/// The SDP of an INVITE, UPDATE or ACK, alone or beside a list. `None`: it carries none, so an INVITE
/// takes our offer (RFC 3261 section 13.2.1).
///
/// # Errors
/// [`Refusal::BodyType`] for a part that must be understood and is not, [`Refusal::SdpNotAccepted`],
/// and what [`parts`] gives.
pub fn read_sdp(request: &Request) -> Result<Option<Vec<u8>>, Refusal> {
    let parts = parts(request)?;
    let sdp = parts.iter().find(|part| part.kind.kind == SDP);
    let unknown = parts.iter().find(|part| part.required() && !is_list(part));
    if let (None, Some(part)) = (sdp, unknown) {
        return Err(unsupported_type(part));
    }
    let described = match request.method {
        Method::Invite => true,
        Method::Update => sdp.is_some(),
        _ => false,
    };
    // The 2xx has a session description; without an Accept it is taken (RFC 3261 section 20.1).
    if described && request.has("Accept") && !takes_sdp(request) {
        return Err(Refusal::SdpNotAccepted);
    }
    let Some(part) = sdp else { return Ok(None) };
    part.decoded()
        .map(|sdp| Some(sdp.into_owned()))
        .map_err(|error| undecodable(error.status(), error))
}

fn takes_sdp(request: &Request) -> bool {
    let wanted = [SDP, "application/*", "*/*"];
    let accepted = request.tokens("Accept");
    accepted.iter().any(|kind| wanted.contains(&kind.as_str()))
}

/// The refusal of a part whose type is not understood (RFC 3261 section 8.2.3).
pub fn unsupported_type(part: &Part) -> Refusal {
    Refusal::BodyType(part.kind.kind.clone())
}

/// The refusal of a part that cannot be decoded; `status` is what the decoder asks for.
pub fn undecodable(status: u16, error: impl std::fmt::Display) -> Refusal {
    match status {
        415 => Refusal::BodyCoding(error.to_string()),
        _ => Refusal::malformed(error),
    }
}
