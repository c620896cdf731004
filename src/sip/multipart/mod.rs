//! The body parts of a message: found in nested multiparts, written into one.
//!
//! MIME is split by the crate `mailparse`; what it finds is bounded here.

use std::borrow::Cow;

use mailparse::ParsedMail;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::content_encoding::{self, EncodingError};
use super::content_type::{ContentDisposition, ContentType};
use super::headers::Headers;
use super::text;

#[cfg(test)]
mod tests;

/// The largest multipart body that is looked into, and the most a part may decode to, in octets.
pub const MAX_BODY: usize = 128 * 1024;
/// Multiparts inside each other.
pub const MAX_DEPTH: usize = 8;
/// Parts in all.
pub const MAX_PARTS: usize = 64;
/// Beginnings of encoded words (`=?utf-8?…?=`), which mail knows and SIP does not: `mailparse` looks for the
/// end of each in all of its header field that follows.
const MAX_WORDS: usize = 100;

/// One part that is no multipart itself. A message without multipart has one, described by its own
/// headers (Content-ID in the SIP header: RFC 8262 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `text/plain` for a part that does not say (RFC 2046 section 5.1),
    /// `application/octet-stream` for what cannot be understood.
    pub kind: ContentType,
    /// Content-ID without its angle brackets.
    pub id: Option<String>,
    /// Content-Disposition, if it says one that can be understood.
    pub disposition: Option<ContentDisposition>,
    /// Content-Encoding: lower-case tokens in the order applied.
    pub encodings: Vec<String>,
    /// With the Content-Transfer-Encoding undone, the Content-Encoding not.
    pub body: Vec<u8>,
}

impl Part {
    /// The body with its Content-Encoding undone, at most [`MAX_BODY`] octets.
    ///
    /// # Errors
    /// [`EncodingError`]
    pub fn decoded(&self) -> Result<Cow<'_, [u8]>, EncodingError> {
        content_encoding::decode(&self.encodings, &self.body, MAX_BODY)
    }

    /// The disposition in lower case, if there is one.
    pub fn disposition(&self) -> Option<&str> {
        self.disposition.as_ref().map(|d| d.kind.as_str())
    }

    /// False only with `handling=optional` (RFC 3261 section 20.11).
    pub fn required(&self) -> bool {
        self.disposition.as_ref().is_none_or(|d| d.required)
    }
}

/// Why the parts of a body cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MultipartError {
    /// No usable `boundary` parameter.
    #[error("multipart without boundary")]
    NoBoundary,
    /// No part, or one that breaks MIME.
    #[error("malformed multipart: {0}")]
    Malformed(String),
    /// Larger than [`MAX_BODY`].
    #[error("multipart larger than {MAX_BODY} octets")]
    TooLarge,
    /// Deeper than [`MAX_DEPTH`].
    #[error("multipart nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More than [`MAX_PARTS`].
    #[error("more than {MAX_PARTS} body parts")]
    TooMany,
    /// The multipart as a whole is encoded, and cannot be decoded.
    #[error(transparent)]
    Encoding(#[from] EncodingError),
}

impl MultipartError {
    /// The status of the refusal.
    pub fn status(&self) -> u16 {
        match self {
            MultipartError::Encoding(error) => error.status(),
            _ => 400,
        }
    }
}

/// All parts of a message that are no multiparts themselves, in order; none for an empty body.
///
/// # Errors
/// [`MultipartError`]; a message without multipart has none.
pub fn parts(headers: &Headers, body: &[u8]) -> Result<Vec<Part>, MultipartError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let encodings = headers.tokens("content-encoding");
    let kind = headers.content_type().unwrap_or_else(unknown_kind);
    if !kind.kind.starts_with("multipart/") {
        return Ok(vec![Part {
            kind,
            id: headers.slices("content-id").next().and_then(content_id),
            disposition: headers.content_disposition(),
            encodings,
            body: body.to_vec(),
        }]);
    }
    let body = content_encoding::decode(&encodings, body, MAX_BODY)?;
    if body.len() > MAX_BODY {
        return Err(MultipartError::TooLarge);
    }
    split(&kind, &body)
}

/// The part that a cid URL names: first by the exact identifier, then by what is left of it before
/// a `;`. Case-sensitive (RFC 2392 section 2).
pub fn by_content_id<'a>(parts: &'a [Part], cid: &str) -> Option<&'a Part> {
    let named = |cid: &str| parts.iter().find(|part| part.id.as_deref() == Some(cid));
    named(cid).or_else(|| named(cid.split(';').next().unwrap_or(cid)))
}

/// A part to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewPart<'a> {
    /// Content-Type
    pub kind: &'a str,
    /// Content-Disposition
    pub disposition: Option<&'a str>,
    /// The body, as it is.
    pub body: &'a [u8],
}

/// A multipart/mixed body: the value for Content-Type, and the octets. The boundary occurs in none
/// of the parts.
pub fn build(parts: &[NewPart<'_>]) -> (String, Vec<u8>) {
    let boundary = (0u32..)
        .map(|n| format!("cpm-part-{n}"))
        .find(|boundary| {
            let line = format!("--{boundary}").into_bytes();
            !parts
                .iter()
                .any(|part| part.body.windows(line.len()).any(|at| at == line))
        })
        .unwrap_or_else(|| "cpm-part".to_owned());
    let delimiter = format!("--{boundary}");
    let mut out = Vec::new();
    for part in parts {
        write(&mut out, &delimiter, part);
    }
    out.extend_from_slice(format!("{delimiter}--\r\n").as_bytes());
    (format!("multipart/mixed;boundary=\"{boundary}\""), out)
}

/// One part with the delimiter before it.
fn write(out: &mut Vec<u8>, delimiter: &str, part: &NewPart<'_>) {
    let kind = text::one_line(part.kind);
    out.extend_from_slice(format!("{delimiter}\r\nContent-Type: {kind}\r\n").as_bytes());
    if let Some(disposition) = part.disposition {
        let disposition = text::one_line(disposition);
        out.extend_from_slice(format!("Content-Disposition: {disposition}\r\n").as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(part.body);
    out.extend_from_slice(b"\r\n");
}

/// The last part of multipart/mixed bodies that differ in what comes before it, written once for all of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastPart {
    /// The value for Content-Type.
    kind: String,
    /// From the delimiter before the part to the one that ends the body.
    text: String,
}

impl LastPart {
    /// The last part of bodies to come. `None`: it is no UTF-8.
    pub fn new(part: &NewPart<'_>) -> Option<LastPart> {
        let (kind, text) = build(std::slice::from_ref(part));
        let text = String::from_utf8(text).ok()?;
        Some(LastPart { kind, text })
    }

    /// A body of `first`, if there is one, and this part: the value for Content-Type, and the octets. A line of
    /// `first` that begins like a delimiter, as none of an SDP does, leaves no room for this part.
    pub fn behind(&self, first: Option<&NewPart<'_>>) -> (String, Vec<u8>) {
        let mut out = Vec::new();
        if let Some(part) = first {
            let mut lines = part.body.split(|b| *b == b'\n');
            if lines.any(|line| line.starts_with(b"--")) {
                return (part.kind.to_owned(), part.body.to_vec());
            }
            let delimiter = self.text.split("\r\n").next().unwrap_or_default();
            out.reserve(part.body.len() + self.text.len() + 256);
            write(&mut out, delimiter, part);
        }
        out.extend_from_slice(self.text.as_bytes());
        (self.kind.clone(), out)
    }
}

fn split(kind: &ContentType, body: &[u8]) -> Result<Vec<Part>, MultipartError> {
    let boundary = kind.param("boundary").unwrap_or("");
    // RFC 2046 section 5.1.1: 1 to 70 characters.
    let plain = |b: u8| (b' '..0x7f).contains(&b) && b != b'"' && b != b'\\';
    if boundary.is_empty() || boundary.len() > 70 || !boundary.bytes().all(plain) {
        return Err(MultipartError::NoBoundary);
    }
    if encoded_words(body) > MAX_WORDS {
        return Err(MultipartError::Malformed("encoded words".into()));
    }
    let mut whole =
        format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    whole.extend_from_slice(body);
    let tree = mailparse::parse_mail(&whole)
        .map_err(|error| MultipartError::Malformed(text::excerpt(error.to_string().as_bytes())))?;
    let mut parts = Vec::new();
    // Depth first, in order, without recursion of our own.
    let mut waiting = vec![(&tree, 0)];
    while let Some((node, depth)) = waiting.pop() {
        if depth > MAX_DEPTH {
            return Err(MultipartError::TooDeep);
        }
        if node.ctype.mimetype.starts_with("multipart/") {
            if node.subparts.is_empty() {
                return Err(MultipartError::Malformed("multipart without parts".into()));
            }
            waiting.extend(node.subparts.iter().rev().map(|part| (part, depth + 1)));
            continue;
        }
        if parts.len() == MAX_PARTS {
            return Err(MultipartError::TooMany);
        }
        parts.push(leaf(node)?);
    }
    Ok(parts)
}

/// How many encoded words begin in the header fields of parts, and behind what only looks like a boundary.
fn encoded_words(body: &[u8]) -> usize {
    let mut in_fields = false;
    let mut words = 0;
    for line in body.split(|b| *b == b'\n') {
        match line.strip_suffix(b"\r").unwrap_or(line) {
            b"" => in_fields = false,
            line if line.starts_with(b"--") => in_fields = true,
            line if in_fields => words += line.windows(2).filter(|at| at == b"=?").count(),
            _ => {}
        }
    }
    words
}

fn leaf(node: &ParsedMail<'_>) -> Result<Part, MultipartError> {
    let kind = match header(node, "content-type") {
        Some(value) => ContentType::parse(&value).unwrap_or_else(unknown_kind),
        None => ContentType {
            kind: "text/plain".to_owned(),
            params: Vec::new(),
        },
    };
    let encodings = header(node, "content-encoding").unwrap_or_default();
    let encodings = text::split_outside(&encodings, b',')
        .filter(|name| !name.is_empty())
        .map(|name| text::shown(name).to_ascii_lowercase())
        .collect();
    let body = node
        .get_body_raw()
        .map_err(|error| MultipartError::Malformed(text::excerpt(error.to_string().as_bytes())))?;
    Ok(Part {
        kind,
        id: header(node, "content-id").as_deref().and_then(content_id),
        disposition: header(node, "content-disposition")
            .as_deref()
            .and_then(ContentDisposition::parse),
        encodings,
        body,
    })
}

/// The first header of that name, unfolded; words that mail would decode are left alone.
fn header(node: &ParsedMail<'_>, name: &str) -> Option<Vec<u8>> {
    let header = node
        .headers
        .iter()
        .find(|header| text::trim(header.get_key_raw()).eq_ignore_ascii_case(name.as_bytes()))?;
    let unfolded: Vec<u8> = header
        .get_value_raw()
        .iter()
        .map(|b| if b"\r\n".contains(b) { b' ' } else { *b })
        .collect();
    Some(text::trim(&unfolded).to_vec())
}

/// Without angle brackets; `None` when empty or not printable.
fn content_id(value: &[u8]) -> Option<String> {
    let value = text::trim(value);
    let inner = value.strip_prefix(b"<").and_then(|v| v.strip_suffix(b">"));
    let id = text::clean_utf8(text::trim(inner.unwrap_or(value)))?;
    (!id.is_empty()).then_some(id)
}

fn unknown_kind() -> ContentType {
    ContentType {
        kind: "application/octet-stream".to_owned(),
        params: Vec::new(),
    }
}
