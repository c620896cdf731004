//! Option tags that a request requires of us (RFC 3261 section 8.2.2.3).

use super::header_lines::SUPPORTED;
use super::recipient_list::carries_list;
use super::refusal::Refusal;
use crate::sip::Request;

/// Option tag of the factory: an INVITE may carry a list (RFC 5366 section 5.1).
pub const RECIPIENT_LIST_INVITE: &str = "recipient-list-invite";

/// Every option tag that a request to the focus requires must be known.
///
/// # Errors
/// [`Refusal::UnsupportedOption`] with the unknown ones.
pub fn check_require(request: &Request) -> Result<(), Refusal> {
    check(request, &[])
}

/// The same at the conference factory, which alone takes a list in an INVITE.
///
/// # Errors
/// As [`check_require`].
pub fn check_require_at_factory(request: &Request) -> Result<(), Refusal> {
    check(request, &[RECIPIENT_LIST_INVITE])
}

/// The same of an INVITE or UPDATE to a focus. `recipient-list-invite` is understood in a dialog that was made
/// with it, and in an INVITE that makes one, as long as there is no list. Gives whether it was there.
///
/// # Errors
/// As [`check_require`].
pub fn check_require_without_list(request: &Request, made_with_it: bool) -> Result<bool, Refusal> {
    let there = requires_list_invite(request);
    if there && made_with_it && !carries_list(request) {
        check(request, &[RECIPIENT_LIST_INVITE])?;
        return Ok(true);
    }
    check(request, &[]).map(|()| false)
}

/// Whether `recipient-list-invite` is required.
pub fn requires_list_invite(request: &Request) -> bool {
    let mut tags = request.words("Require");
    tags.any(|tag| tag.eq_ignore_ascii_case(RECIPIENT_LIST_INVITE))
}

fn check(request: &Request, more: &[&str]) -> Result<(), Refusal> {
    let known = |tag: &str| {
        let mut tags = SUPPORTED.split(", ").chain(more.iter().copied());
        tags.any(|known| known.eq_ignore_ascii_case(tag))
    };
    let unknown: Vec<&str> = request.words("Require").filter(|tag| !known(tag)).collect();
    match unknown.is_empty() {
        true => Ok(()),
        false => Err(Refusal::UnsupportedOption(unknown.join(", "))),
    }
}
