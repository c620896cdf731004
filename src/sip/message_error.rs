//! Why bytes are no SIP message that could be served.

use std::fmt;

use thiserror::Error;

/// The header fields a message can fail by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Call-ID
    CallId,
    /// From
    From,
    /// The tag of From
    FromTag,
    /// To
    To,
    /// CSeq
    CSeq,
    /// Via
    Via,
    /// Max-Forwards
    MaxForwards,
    /// Content-Length
    ContentLength,
    /// Content-Type
    ContentType,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::CallId => "Call-ID",
            Field::From => "From",
            Field::FromTag => "From tag",
            Field::To => "To",
            Field::CSeq => "CSeq",
            Field::Via => "Via",
            Field::MaxForwards => "Max-Forwards",
            Field::ContentLength => "Content-Length",
            Field::ContentType => "Content-Type",
        })
    }
}

/// Why bytes are no message to be served (RFC 3261 sections 7, 16.3 and 18.3).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// No `METHOD URI SIP/2.0`, or no `SIP/2.0 nnn phrase`.
    #[error("malformed start line")]
    StartLine,
    /// Well-formed, but of another SIP version.
    #[error("sip version is not 2.0")]
    Version,
    /// The empty line behind the header lines is missing.
    #[error("no end of headers")]
    NoHeaderEnd,
    /// A line that is no header.
    #[error("malformed header line")]
    HeaderLine,
    /// More than [`MAX_HEADERS`](super::headers::MAX_HEADERS).
    #[error("too many headers")]
    TooManyHeaders,
    /// A mandatory header is not there.
    #[error("missing {0}")]
    Missing(Field),
    /// A header that must be alone is not.
    #[error("more than one {0}")]
    Several(Field),
    /// A header is there and cannot be understood.
    #[error("malformed {0}")]
    Malformed(Field),
    /// The method in CSeq is not that of the request.
    #[error("cseq method differs from request method")]
    CSeqMethod,
    /// Content-Length promises more than has come.
    #[error("content-length larger than body")]
    BodyShort,
    /// A stream message without Content-Length.
    #[error("missing content-length on a stream")]
    NoContentLength,
}

impl MessageError {
    /// A short phrase for the status line of the refusal.
    pub fn reason(&self) -> String {
        match self {
            MessageError::StartLine => "Malformed start line".to_owned(),
            MessageError::Version => "Version Not Supported".to_owned(),
            MessageError::NoHeaderEnd => "Headers do not end".to_owned(),
            MessageError::HeaderLine => "Malformed header line".to_owned(),
            MessageError::TooManyHeaders => "Too many headers".to_owned(),
            MessageError::Missing(field) => format!("Missing {field}"),
            MessageError::Several(field) => format!("More than one {field}"),
            MessageError::Malformed(field) => format!("Malformed {field}"),
            MessageError::CSeqMethod => "CSeq method differs from request method".to_owned(),
            MessageError::BodyShort => "Content-Length larger than body".to_owned(),
            MessageError::NoContentLength => "Missing Content-Length".to_owned(),
        }
    }

    /// The status of the refusal: 505 for another version, else 400.
    pub fn status(&self) -> u16 {
        match self {
            MessageError::Version => 505,
            _ => 400,
        }
    }

    /// True when a stream cannot be followed any further: where the next message begins is not
    /// known (RFC 3261 section 18.3).
    pub fn breaks_stream(&self) -> bool {
        matches!(
            self,
            MessageError::NoContentLength
                | MessageError::BodyShort
                | MessageError::NoHeaderEnd
                | MessageError::Several(Field::ContentLength)
                | MessageError::Malformed(Field::ContentLength)
        )
    }
}
