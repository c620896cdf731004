//! Why a group document is refused, and what in an accepted one has no effect.

use super::document_limits::{
    MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_DEPTH, MAX_DOCUMENT, MAX_ELEMENTS,
};

/// Where an element begins in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in bytes, from 1.
    pub column: u32,
}

/// A document that cannot be used. Displays as `line 12: <allow-anonymity> must be …`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DocumentError {
    /// Line where the offending element begins, from 1.
    pub line: u32,
    /// Column where it begins, in bytes, from 1.
    pub column: u32,
    /// What is wrong there.
    pub reason: Reason,
}

/// What is wrong with a document, in words for its author.
///
/// Names and values are quoted from the document, cut to 60 characters and without control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Holds the size in bytes.
    #[error("the document has {0} bytes or more, at most {MAX_DOCUMENT} are accepted")]
    TooLarge(usize),
    /// The first byte that is not UTF-8 is where the error points.
    #[error("the document is not UTF-8, the only encoding accepted")]
    NotUtf8,
    /// Holds the encoding that the XML declaration names. UTF-8 and its subset US-ASCII are accepted.
    #[error("the document declares encoding '{0}', only UTF-8 is accepted")]
    Encoding(String),
    /// Holds the words of the XML reader, at most 200 characters.
    #[error("not well-formed XML: {0}")]
    NotWellFormed(String),
    /// A DTD could define entities that expand without bound or fetch files.
    #[error("a document type definition (<!DOCTYPE …>) is not accepted")]
    DocType,
    /// Holds the name of the entity.
    #[error("entity '&{0};' is not accepted, only character references and the five of XML")]
    Entity(String),
    /// The element stands below `MAX_DEPTH` others.
    #[error("elements are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// The element is one more than `MAX_ELEMENTS`.
    #[error("the document has more than {MAX_ELEMENTS} elements")]
    TooManyElements,
    /// Holds the name of the element.
    #[error("<{0}> has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes(String),
    /// The value counts as written, before references are resolved.
    #[error("attribute {attribute} of <{element}> is longer than {MAX_ATTRIBUTE} bytes")]
    AttributeTooLong {
        /// Local name of the element.
        element: String,
        /// Local name of the attribute.
        attribute: String,
    },
    /// Holds the prefix.
    #[error("namespace prefix '{0}' is not declared (add xmlns:{0}=\"…\")")]
    UnknownPrefix(String),
    /// There is no element at all.
    #[error("the document is empty")]
    Empty,
    /// The root is not `<group>`, or its child not `<list-service>`, in OMA's namespace.
    #[error("expected <{expected}> in namespace {namespace}, found <{found}>{hint}")]
    WrongElement {
        /// Local name that has to stand here.
        expected: &'static str,
        /// Namespace that has to stand here.
        namespace: &'static str,
        /// Local name that stands here.
        found: String,
        /// What is wrong when only the namespace differs; else empty.
        hint: &'static str,
    },
    /// A known element in the wrong namespace or place. Ignoring it could open the group.
    #[error("<{parent}> must not contain <{found}> of {namespace}; expected {expected}")]
    Misplaced {
        /// Local name of the element around it.
        parent: String,
        /// Local name of the misplaced element.
        found: String,
        /// Its namespace, in words.
        namespace: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A mandatory attribute or child is absent.
    #[error("<{element}> has no {what}")]
    Missing {
        /// Local name of the element.
        element: String,
        /// What it lacks.
        what: &'static str,
    },
    /// Holds the name of the element that may stand there only once.
    #[error("<{0}> is given twice")]
    Twice(String),
    /// Not an `xs:boolean`.
    #[error("<{element}> must be true or false, got '{got}'")]
    Boolean {
        /// Local name of the element.
        element: String,
        /// Its text.
        got: String,
    },
    /// Not an `xs:nonNegativeInteger` of 32 bits.
    #[error("<{element}> must be a whole number from 0 to 4294967295, got '{got}'")]
    Number {
        /// Local name of the element.
        element: String,
        /// Its text.
        got: String,
    },
    /// Not a SIP, SIPS or tel URI, or a tel URI where a group's URI has to be.
    #[error("<{element}> has an unusable URI '{got}': {why}")]
    Uri {
        /// Local name of the element.
        element: String,
        /// The attribute's value.
        got: String,
        /// The words of the URI parser.
        why: String,
    },
    /// Not a domain name that could ever match.
    #[error("<{element}> has an unusable domain '{got}': {why}")]
    Domain {
        /// Local name of the element.
        element: String,
        /// The attribute's value.
        got: String,
        /// What its author can change.
        why: &'static str,
    },
    /// Not an `xs:dateTime` with an offset.
    #[error("<{element}> must be a date and time with offset such as 2026-01-31T09:00:00+02:00, got '{got}'")]
    Time {
        /// Local name of the element.
        element: String,
        /// Its text.
        got: String,
    },
    /// The children of `<validity>` are not pairs (RFC 4745 section 7.4).
    #[error("<validity> must hold pairs of <from> and <until>, in this order")]
    Period,
    /// Holds the name of an element that has no effect here, but whose attribute `must-understand`
    /// forbids to ignore it.
    #[error("<{0}> must be understood (must-understand) and is not")]
    MustUnderstand(String),
}

/// Something in an accepted document that has no effect here, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadNote {
    /// Line of the element, from 1.
    pub line: u32,
    /// Lower-case sentence without a full stop.
    pub text: String,
}

impl DocumentError {
    /// An error at this position.
    pub(super) fn new(at: Position, reason: Reason) -> Self {
        DocumentError {
            line: at.line,
            column: at.column,
            reason,
        }
    }
}

/// A name or value of the document, fit for a message: at most 60 characters, none of them a control
/// character.
pub(super) fn excerpt(value: &str) -> String {
    printable(value, 60)
}

/// The same for a sentence of a parser, which may quote any length of the document.
pub(super) fn excerpt_of_sentence(words: &str) -> String {
    printable(words, 200)
}

fn printable(text: &str, longest: usize) -> String {
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
