//! Answers to OPTIONS: what the focus and the conference factory take (RFC 3261 section 11).

use super::env::Env;
use super::header_lines::{HeaderLines, ACCEPT, ALLOW, ALLOW_EVENTS, SUPPORTED};
use super::option_tags::{check_require_at_factory, RECIPIENT_LIST_INVITE};
use super::outgoing_message::Answer;
use super::refusal::Refusal;
use crate::sip::content_encoding::ACCEPT_ENCODING;
use crate::sip::uri::Uri;
use crate::sip::Request;

/// Header lines of a focus' answer (RFC 4579 section 5.13). `contact` is that of the focus.
pub fn focus_lines(contact: &Uri) -> String {
    HeaderLines::new()
        .contact(contact)
        .capabilities()
        .line("Accept", ACCEPT)
        .line("Accept-Encoding", ACCEPT_ENCODING)
        .text()
}

/// The answer of the factory (RFC 5366 section 5.1): what an INVITE to it may hold. A factory is no
/// focus, so its answer has no Contact with `isfocus`.
///
/// # Errors
/// [`Refusal::UnsupportedOption`] if the request requires what the factory does not know.
pub fn answer_at_factory(request: &Request, env: &Env<'_>) -> Result<Answer, Refusal> {
    check_require_at_factory(request)?;
    let headers = HeaderLines::new()
        .line("Allow", ALLOW)
        .line(
            "Supported",
            &format!("{SUPPORTED}, {RECIPIENT_LIST_INVITE}"),
        )
        .line("Allow-Events", ALLOW_EVENTS)
        .line("Accept", ACCEPT)
        .line("Accept-Encoding", ACCEPT_ENCODING);
    Ok(Answer::new(200, env.tag(), headers.text()))
}
