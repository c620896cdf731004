//! A response as received to a request of ours.

use std::ops::Deref;

use super::headers::Headers;
use super::message::{body, check_version, checked_address, Common, Frame};
use super::message_error::MessageError;
use super::method::Method;
use super::name_addr::NameAddr;
use super::tag::Tag;
use super::text;
use super::uri::CheckedUri;

/// A response that has passed the checks every response must pass. Further headers are read through
/// [`Headers`], to which it dereferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 100 to 699.
    pub status: u16,
    /// The reason phrase as far as it is printable; may be empty, and its end is cut off when it is long:
    /// it is repeated to others.
    pub reason: String,
    /// Call-ID, visible ASCII.
    pub call_id: String,
    /// The number of CSeq.
    pub cseq: u32,
    /// The method of CSeq.
    pub cseq_method: Method,
    /// The tag of From; never empty.
    pub from_tag: Tag,
    /// The tag of To, if the peer has set one.
    pub to_tag: Option<Tag>,
    /// Exactly as long as Content-Length says, or the rest of the datagram without one.
    pub body: Vec<u8>,
    from: CheckedUri,
    to: CheckedUri,
    headers: Headers,
}

impl Deref for Response {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.headers
    }
}

impl Response {
    /// Reads one whole response. `stream` as for
    /// [`Request::parse`](super::Request::parse).
    ///
    /// # Errors
    /// [`MessageError`]; nobody is answered then, the response is dropped.
    pub fn parse(raw: &[u8], stream: bool) -> Result<Response, MessageError> {
        let frame = Frame::parse(raw)?;
        let (status, reason) = status_line(frame.start)?;
        let headers = frame.headers;
        let common = Common::parse(&headers)?;
        Ok(Response {
            status,
            reason,
            body: body(&headers, frame.rest, stream)?,
            call_id: common.call_id,
            cseq: common.cseq,
            cseq_method: common.cseq_method,
            from: common.from,
            from_tag: common.from_tag,
            to: common.to,
            to_tag: common.to_tag,
            headers,
        })
    }

    /// From
    pub fn from(&self) -> NameAddr {
        checked_address(&self.headers, "from", self.from)
    }

    /// To
    pub fn to(&self) -> NameAddr {
        checked_address(&self.headers, "to", self.to)
    }

    /// The header lines.
    pub fn headers(&self) -> &Headers {
        &self.headers
    }
}

/// Whether this may be the answer to an INVITE, without reading all of it. False means that it is not; the
/// rest says [`Response::parse`].
pub fn may_answer_invite(raw: &[u8]) -> bool {
    let mut rest = Some(raw);
    while let Some(bytes) = rest {
        let (line, next) = text::cut(bytes, b'\n');
        rest = next;
        let (name, Some(value)) = text::cut(line, b':') else {
            continue;
        };
        if !name.trim_ascii().eq_ignore_ascii_case(b"cseq") {
            continue;
        }
        // RFC 3261 section 7.3.1: a line that begins with a blank goes on with the one before.
        let folded = next.is_some_and(|next| next.starts_with(b" ") || next.starts_with(b"\t"));
        return folded || value.trim_ascii().ends_with(b"INVITE");
    }
    true
}

/// `SIP/2.0 SP nnn SP phrase` (RFC 3261 section 7.2); the blank before an empty phrase may be
/// missing.
fn status_line(line: &[u8]) -> Result<(u16, String), MessageError> {
    let (version, rest) = text::cut(line, b' ');
    let rest = rest.ok_or(MessageError::StartLine)?;
    check_version(version)?;
    let (code, phrase) = text::cut(rest, b' ');
    let status = text::number(code)
        .filter(|_| code.len() == 3)
        .and_then(|status| u16::try_from(status).ok())
        .filter(|status| (100..700).contains(status))
        .ok_or(MessageError::StartLine)?;
    Ok((
        status,
        text::excerpt(text::trim(phrase.unwrap_or_default())),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message_error::Field;

    const REST: &str =
        "Via: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:f@x>;tag=1\r\nTo: <sip:c@x>;tag=2\r\n\
        i: abc@x\r\nCSeq: 7 INVITE\r\nContact: <sip:c@h>\r\n";

    fn parse(start: &str, more: &str) -> Result<Response, MessageError> {
        Response::parse(format!("{start}\r\n{REST}{more}").as_bytes(), false)
    }

    #[test]
    fn a_2xx() {
        let r = parse("SIP/2.0 200 OK", "l: 3\r\n\r\nabcdef").unwrap();
        assert_eq!((r.status, r.reason.as_str()), (200, "OK"));
        assert_eq!((r.cseq, &r.cseq_method), (7, &Method::Invite));
        assert_eq!((r.from_tag.as_str(), r.to_tag.as_deref()), ("1", Some("2")));
        assert_eq!(r.body, b"abc");
        assert_eq!(r.contact().unwrap().as_str(), "sip:c@h");
    }

    #[test]
    fn answers_to_an_invite_are_told_by_their_cseq() {
        for (cseq, may) in [
            ("CSeq: 7 INVITE", true),
            ("cseq :7  INVITE ", true),
            ("CSeq: 7 NOTIFY", false),
            ("CSEQ:7 BYE", false),
            ("CSeq: 7\r\n INVITE", true),
            ("X: CSeq", true),
        ] {
            let raw = format!("SIP/2.0 200 OK\r\nTo: <sip:c@x>;tag=2\r\n{cseq}\r\n\r\n");
            assert_eq!(may_answer_invite(raw.as_bytes()), may, "{cseq}");
        }
    }

    #[test]
    fn odd_phrases() {
        assert_eq!(parse("SIP/2.0 486", "\r\n").unwrap().reason, "");
        assert_eq!(parse("SIP/2.0 486 ", "\r\n").unwrap().reason, "");
        // RFC 4475 section 3.1.1.13
        let r = parse("SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e}", "\r\n").unwrap();
        assert_eq!(r.reason, "= 2**3 * 5**2 \u{43d}\u{43e}");
        let long = format!("SIP/2.0 486 {}", "x".repeat(60_000));
        assert!(parse(&long, "\r\n").unwrap().reason.len() <= 100);
        assert_eq!(
            parse("SIP/2.0 200 a\rb", "\r\n").unwrap().reason,
            "a\u{FFFD}b"
        );
    }

    #[test]
    fn refuses() {
        for start in [
            "SIP/2.0 4294967301 better not break the receiver",
            "SIP/2.0 99 x",
            "SIP/2.0 700 x",
            "SIP/2.0 20 x",
            "SIP/2.0  200 OK",
            "SIP/2.0",
            "INVITE sip:a@b SIP/2.0",
        ] {
            assert_eq!(
                parse(start, "\r\n"),
                Err(MessageError::StartLine),
                "{start}"
            );
        }
        assert_eq!(parse("SIP/7.0 200 OK", "\r\n"), Err(MessageError::Version));
        assert_eq!(
            parse("SIP/2.0 200 OK", "CSeq: 8 INVITE\r\n\r\n"),
            Err(MessageError::Several(Field::CSeq))
        );
    }
}
