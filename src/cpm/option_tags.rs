//! Option tags that a request requires of us (RFC 3261 section 8.2.2.3).

use super::header_lines::SUPPORTED;
use super::recipient_list::carries_list;
use super::refusal::Refusal;
use crate::sip::Request;

/// Option tag of the factory: an INVITE may carry a list (RFC 5366 section 5.1).
pub const RECIPIENT_LIST_INVITE: &str = "recipient-list-invite";

/// How many unknown option tags an answer names; the peer has to do without all of them anyway. Require may
/// fill a datagram, and an answer that repeats all of it may not fit into one.
const MOST_NAMED: usize = 20;
/// Longest option tag that is taken for one, bytes. The registered ones have at most 30.
const LONGEST_TAG: usize = 64;

/// Every option tag that a request to the focus requires must be known.
///
/// # Errors
/// [`Refusal::UnsupportedOption`] with the first unknown ones, [`Refusal::Malformed`] if one is no option tag.
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
    let mut unknown = request.words("Require").filter(|tag| !known(tag));
    let mut named: Vec<&str> = Vec::new();
    while named.len() < MOST_NAMED {
        match unknown.next() {
            None => break,
            Some(tag) if tag.len() > LONGEST_TAG => {
                let what = format!("malformed Require: an option tag of {} bytes", tag.len());
                return Err(Refusal::malformed(what));
            }
            Some(tag) if named.contains(&tag) => {}
            Some(tag) => named.push(tag),
        }
    }
    match named.is_empty() {
        true => Ok(()),
        false => Err(Refusal::UnsupportedOption(named.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed test is one that panicked.

    use super::*;

    fn requiring(value: &str) -> Result<(), Refusal> {
        let text = format!(
            "OPTIONS sip:s@conf.home1.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
             From: <sip:a@home1.test>;tag=1\r\nTo: <sip:s@conf.home1.test>\r\nCall-ID: 1\r\n\
             CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nRequire: {value}\r\nContent-Length: 0\r\n\r\n"
        );
        check_require(&Request::parse(text.as_bytes(), false).unwrap())
    }

    fn unsupported(tags: &str) -> Result<(), Refusal> {
        Err(Refusal::UnsupportedOption(tags.to_owned()))
    }

    #[test]
    fn unknown_tags_are_named_once_each() {
        assert_eq!(requiring("timer, Timer"), Ok(()));
        assert_eq!(requiring("x, timer, y, x"), unsupported("x, y"));
    }

    #[test]
    fn what_is_repeated_of_require_is_bounded() {
        let tags: Vec<String> = (0..5_000).map(|n| format!("x{n}")).collect();
        let first = tags.get(..MOST_NAMED).unwrap().join(", ");
        assert_eq!(requiring(&tags.join(",")), unsupported(&first));
        let longest = "x".repeat(LONGEST_TAG);
        assert_eq!(requiring(&longest), unsupported(&longest));
        let refused = requiring(&(longest + "x")).unwrap_err();
        assert_eq!(refused.status(), 400);
    }
}
