//! A request as received: framed, checked for what every request must have, owned.

use std::ops::Deref;

use super::headers::{take_line, Headers};
use super::message_error::{Field, MessageError};
use super::method::Method;
use super::name_addr::{CheckedAddress, NameAddr};
use super::params;
use super::tag::Tag;
use super::text;
use super::uri::CheckedUri;

#[cfg(test)]
pub(crate) mod tests;

/// A request that has passed the checks every request must pass. Further headers are read through
/// [`Headers`], to which it dereferences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The Request-URI as received: visible ASCII, not otherwise checked.
    pub uri: String,
    /// The tag of From; never empty.
    pub from_tag: Tag,
    /// The tag of To: in a dialog.
    pub to_tag: Option<Tag>,
    /// Call-ID, visible ASCII.
    pub call_id: String,
    /// The number of CSeq.
    pub cseq: u32,
    /// Max-Forwards; its absence is tolerated (RFC 3261 section 16.3 step 3).
    pub max_forwards: Option<u8>,
    /// The branch of the topmost Via.
    pub branch: Option<String>,
    /// Exactly as long as Content-Length says, or the rest of the datagram without one.
    pub body: Vec<u8>,
    from: CheckedUri,
    to: CheckedUri,
    headers: Headers,
}

impl Deref for Request {
    type Target = Headers;

    fn deref(&self) -> &Headers {
        &self.headers
    }
}

impl Request {
    /// Reads one whole request. `stream` says that it came over a stream transport, where
    /// Content-Length is mandatory (RFC 3261 section 18.3).
    ///
    /// # Errors
    /// [`MessageError`], with the phrase for the 400 in [`MessageError::reason`].
    pub fn parse(raw: &[u8], stream: bool) -> Result<Request, MessageError> {
        let frame = Frame::parse(raw)?;
        let (method, uri) = request_line(frame.start)?;
        let headers = frame.headers;
        let common = Common::parse(&headers)?;
        if common.cseq_method != method {
            return Err(MessageError::CSeqMethod);
        }
        let Some(via) = headers.list_slices("via").next() else {
            return Err(MessageError::Missing(Field::Via));
        };
        at_most_one(&headers, "content-type", Field::ContentType)?;
        Ok(Request {
            branch: branch(via),
            max_forwards: max_forwards(&headers)?,
            body: body(&headers, frame.rest, stream)?,
            method,
            uri,
            from: common.from,
            from_tag: common.from_tag,
            to: common.to,
            to_tag: common.to_tag,
            call_id: common.call_id,
            cseq: common.cseq,
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

/// The address of a header that [`Common::parse`] checked.
pub(crate) fn checked_address(headers: &Headers, name: &str, uri: CheckedUri) -> NameAddr {
    NameAddr::build(headers.slices(name).next().unwrap_or_default(), uri)
}

/// A message cut into start line, headers and what follows.
pub(crate) struct Frame<'a> {
    pub start: &'a [u8],
    pub headers: Headers,
    pub rest: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn parse(raw: &'a [u8]) -> Result<Frame<'a>, MessageError> {
        // RFC 3261 section 7.5: empty lines before the start line are ignored.
        let raw = raw.trim_ascii_start();
        let (start, rest) = take_line(raw).ok_or(MessageError::StartLine)?;
        let (headers, rest) = Headers::read(rest)?;
        Ok(Frame {
            start,
            headers,
            rest,
        })
    }
}

/// What requests and responses have in common.
pub(crate) struct Common {
    pub from: CheckedUri,
    pub from_tag: Tag,
    pub to: CheckedUri,
    pub to_tag: Option<Tag>,
    pub call_id: String,
    pub cseq: u32,
    pub cseq_method: Method,
}

impl Common {
    pub fn parse(headers: &Headers) -> Result<Common, MessageError> {
        let call_id = one(headers, "call-id", Field::CallId)?;
        let call_id = text::ascii(call_id)
            .filter(|id| !id.is_empty() && text::is_visible(id.as_bytes()))
            .ok_or(MessageError::Malformed(Field::CallId))?;
        let from = address(headers, "from", Field::From)?;
        let to = address(headers, "to", Field::To)?;
        let from_tag = from.tag().ok_or(match from.tag {
            Some(_) => MessageError::Malformed(Field::FromTag),
            None => MessageError::Missing(Field::FromTag),
        })?;
        let to_tag = to.tag();
        // A tag that cannot be written again must not pass for a request outside a dialog.
        if to_tag.is_none() && to.tag.is_some() {
            return Err(MessageError::Malformed(Field::To));
        }
        let (cseq, cseq_method) =
            cseq(one(headers, "cseq", Field::CSeq)?).ok_or(MessageError::Malformed(Field::CSeq))?;
        Ok(Common {
            from: from.uri,
            from_tag,
            to: to.uri,
            to_tag,
            call_id: call_id.to_owned(),
            cseq,
            cseq_method,
        })
    }
}

/// The body that Content-Length tells (RFC 3261 section 18.3): a datagram's rest is cut to it, too
/// little is an error; without one a datagram's rest is the body.
pub(crate) fn body(headers: &Headers, rest: &[u8], stream: bool) -> Result<Vec<u8>, MessageError> {
    let mut length: Option<u64> = None;
    for value in headers.slices("content-length") {
        let this = text::number(value).ok_or(MessageError::Malformed(Field::ContentLength))?;
        // RFC 4475 section 3.3.9: two that differ leave the end of the message open.
        if length.is_some_and(|have| have != this) {
            return Err(MessageError::Several(Field::ContentLength));
        }
        length = Some(this);
    }
    match length {
        None if stream => Err(MessageError::NoContentLength),
        None => Ok(rest.to_vec()),
        Some(length) => usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(..length))
            .map(<[u8]>::to_vec)
            .ok_or(MessageError::BodyShort),
    }
}

/// `METHOD SP Request-URI SP SIP/2.0`, single blanks (RFC 3261 section 7.1).
fn request_line(line: &[u8]) -> Result<(Method, String), MessageError> {
    let mut parts = line.split(|b| *b == b' ');
    let (Some(method), Some(uri), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(MessageError::StartLine);
    };
    // RFC 4475 section 3.1.2.7: no brackets around the Request-URI.
    let usable =
        !uri.is_empty() && text::is_visible(uri) && !uri.iter().any(|b| b"<>\"".contains(b));
    let (Some(method), Some(uri), true, true) = (
        text::ascii(method),
        text::ascii(uri),
        text::is_token(method),
        usable,
    ) else {
        return Err(MessageError::StartLine);
    };
    check_version(version)?;
    Ok((Method::of(method), uri.to_owned()))
}

/// `SIP/2.0` in any case (RFC 3261 section 7.1).
pub(crate) fn check_version(version: &[u8]) -> Result<(), MessageError> {
    if version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let other = version
        .get(..4)
        .is_some_and(|name| name.eq_ignore_ascii_case(b"SIP/"))
        && version
            .iter()
            .skip(4)
            .all(|b| b.is_ascii_digit() || *b == b'.');
    Err(if other {
        MessageError::Version
    } else {
        MessageError::StartLine
    })
}

fn at_most_one<'a>(
    headers: &'a Headers,
    name: &str,
    field: Field,
) -> Result<Option<&'a [u8]>, MessageError> {
    let mut values = headers.slices(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(MessageError::Several(field)),
        (value, None) => Ok(value),
    }
}

fn one<'a>(headers: &'a Headers, name: &str, field: Field) -> Result<&'a [u8], MessageError> {
    at_most_one(headers, name, field)?.ok_or(MessageError::Missing(field))
}

fn address<'a>(
    headers: &'a Headers,
    name: &str,
    field: Field,
) -> Result<CheckedAddress<'a>, MessageError> {
    NameAddr::check(one(headers, name, field)?).map_err(|_| MessageError::Malformed(field))
}

/// `number LWS method`.
fn cseq(value: &[u8]) -> Option<(u32, Method)> {
    let end = value.iter().position(|b| text::is_blank(*b))?;
    let (number, method) = value.split_at_checked(end)?;
    let method = text::trim(method);
    if !text::is_token(method) {
        return None;
    }
    // RFC 3261 section 8.1.1.5: less than 2^31, so that the other side can go on counting.
    let number = u32::try_from(text::number(number)?).ok()?;
    let fits = number < 1 << 31;
    fits.then_some((number, Method::of(text::ascii(method)?)))
}

fn max_forwards(headers: &Headers) -> Result<Option<u8>, MessageError> {
    let Some(value) = at_most_one(headers, "max-forwards", Field::MaxForwards)? else {
        return Ok(None);
    };
    text::number(value)
        .and_then(|hops| u8::try_from(hops).ok())
        .map(Some)
        .ok_or(MessageError::Malformed(Field::MaxForwards))
}

fn branch(via: &[u8]) -> Option<String> {
    let at = text::find(via, b';')?;
    let branch = params::find_in(via.get(at..)?, "branch").ok()??;
    Some(branch.text()).filter(|branch| !branch.is_empty())
}
