//! Conversation-ID, Contribution-ID and their kin: names that CPM gives to what people say.

use crate::sip::Request;

/// Longest identifier taken over, bytes.
const MAX_IDENTIFIER: usize = 256;

/// The Contribution-ID of a request, if it is fit to be one.
pub fn contribution_id(request: &Request) -> Option<String> {
    identifier(request, "Contribution-ID")
}

/// The value of a header that holds a CPM identifier, fit to be compared and to be repeated in a
/// header of ours: one printable word of bounded length.
pub fn identifier(request: &Request, header: &str) -> Option<String> {
    let fit = |text: &String| {
        (1..=MAX_IDENTIFIER).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    request.text(header).filter(fit)
}
