//! Why a group document was refused, and what in an accepted one is not evaluated.
//! Not here: the finding of it; see `xml`, `document` and `rules`.

use super::limits::{MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_DEPTH, MAX_DOCUMENT, MAX_ELEMENTS};

/// Where an element begins; both 1-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// A document that cannot be used. Displays as `line 12: <allow-anonymity> must be …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DocumentError {
    /// 1-based line where the offending element begins.
    pub line: u32,
    /// 1-based column, counted in bytes.
    pub column: u32,
    pub reason: Reason,
}

/// What was wrong, in words for the author of the document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    #[error("the document has {0} bytes, at most {MAX_DOCUMENT} are accepted")]
    TooLarge(usize),
    #[error("the document is not UTF-8, the only encoding accepted")]
    NotUtf8,
    #[error("the document declares encoding '{0}', only UTF-8 is accepted")]
    Encoding(String),
    #[error("not well-formed XML: {0}")]
    NotWellFormed(String),
    #[error("a document type definition (<!DOCTYPE …>) is not accepted")]
    DocType,
    #[error("entity '&{0};' is not accepted, only character references and the five of XML")]
    Entity(String),
    #[error("elements are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("the document has more than {MAX_ELEMENTS} elements")]
    TooManyElements,
    #[error("<{0}> has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes(String),
    #[error("attribute {attribute} of <{element}> is longer than {MAX_ATTRIBUTE} bytes")]
    AttributeTooLong { element: String, attribute: String },
    #[error("namespace prefix '{0}' is not declared (add xmlns:{0}=\"…\")")]
    UnknownPrefix(String),
    #[error("the document is empty")]
    Empty,
    #[error("expected <{expected}> in namespace {namespace}, found <{found}>{hint}")]
    WrongElement {
        expected: &'static str,
        namespace: &'static str,
        found: String,
        hint: &'static str,
    },
    #[error("<{parent}> must not contain <{found}> of {namespace}; expected {expected}")]
    Misplaced {
        parent: String,
        found: String,
        namespace: String,
        expected: &'static str,
    },
    #[error("<{element}> has no {what}")]
    Missing { element: String, what: &'static str },
    #[error("<{0}> is given twice")]
    Twice(String),
    #[error("<{element}> must be true or false, got '{got}'")]
    Boolean { element: String, got: String },
    #[error("<{element}> must be a whole number from 0 to 4294967295, got '{got}'")]
    Number { element: String, got: String },
    #[error("<{element}> has an unusable URI '{got}': {why}")]
    Uri {
        element: String,
        got: String,
        why: String,
    },
    #[error("<{element}> has an unusable domain '{got}': {why}")]
    Domain {
        element: String,
        got: String,
        why: &'static str,
    },
    #[error("<{element}> must be a date and time with offset such as 2026-01-31T09:00:00+02:00, got '{got}'")]
    Time { element: String, got: String },
    #[error("<validity> must hold pairs of <from> and <until>, in this order")]
    Period,
    #[error("<{0}> must be understood (must-understand) and is not")]
    MustUnderstand(String),
}

/// Something in an accepted document that has no effect here, worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadNote {
    /// 1-based line.
    pub line: u32,
    /// Lower-case sentence without a full stop.
    pub text: String,
}

impl DocumentError {
    pub(super) fn new(at: Position, reason: Reason) -> Self {
        DocumentError {
            line: at.line,
            column: at.column,
            reason,
        }
    }
}

/// A value of the document as it may be shown in a message: short and without control characters.
pub(super) fn shown(value: &str) -> String {
    cut(value, 60)
}

/// The words of a parser about the document, which may quote any length of it.
pub(super) fn sentence(words: &str) -> String {
    cut(words, 200)
}

fn cut(text: &str, longest: usize) -> String {
    let mut out: String = text
        .chars()
        .take(longest)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect();
    if text.chars().nth(longest).is_some() {
        out.push('…');
    }
    out
}
