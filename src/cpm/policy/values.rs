//! Typed values of elements: booleans, counts, URIs, domains, instants.
//! Not here: which element has which type; see `document` and `rules`.

use super::domain::Domain;
use super::error::{shown, DocumentError, LoadNote, Reason};
use super::time::unix_seconds;
use super::xml::Element;
use crate::sip::uri::{Uri, UriError};

/// xs:boolean.
pub fn boolean(element: &Element) -> Result<bool, DocumentError> {
    match element.text.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(element.error(Reason::Boolean {
            element: shown(&element.name),
            got: shown(other),
        })),
    }
}

/// A condition that is an empty element, or, in older documents, a boolean.
pub fn flag(element: &Element) -> Result<bool, DocumentError> {
    if element.text.is_empty() {
        return Ok(true);
    }
    boolean(element)
}

/// xs:nonNegativeInteger that fits 32 bits.
pub fn count(element: &Element) -> Result<u32, DocumentError> {
    let text = element.text.as_str();
    let digits = text.strip_prefix('+').unwrap_or(text);
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse().ok())
        .flatten()
        .ok_or_else(|| {
            element.error(Reason::Number {
                element: shown(&element.name),
                got: shown(text),
            })
        })
}

/// Text, None when there is none.
pub fn text(element: &Element) -> Option<String> {
    (!element.text.is_empty()).then(|| element.text.clone())
}

/// A URI attribute. `Ok(None)` with a note when the scheme is one nobody can have here.
pub fn uri(
    element: &Element,
    attribute: &'static str,
    notes: &mut Vec<LoadNote>,
) -> Result<Option<Uri>, DocumentError> {
    let value = required(element, attribute)?;
    match Uri::parse(value.trim().as_bytes()) {
        Ok(uri) => Ok(Some(uri)),
        Err(UriError::UnsupportedScheme(scheme)) => {
            note(
                notes,
                element,
                format!(
                    "<{}> names a {} URI, which no participant can have: it never matches",
                    element.name,
                    shown(&scheme)
                ),
            );
            Ok(None)
        }
        Err(error) => Err(element.error(Reason::Uri {
            element: shown(&element.name),
            got: shown(value),
            why: error.to_string(),
        })),
    }
}

/// The domain attribute, when there is one.
pub fn domain(element: &Element) -> Result<Option<Domain>, DocumentError> {
    let Some(value) = element.attribute("domain") else {
        return Ok(None);
    };
    Domain::parse(value).map(Some).map_err(|why| {
        element.error(Reason::Domain {
            element: shown(&element.name),
            got: shown(value),
            why,
        })
    })
}

/// xs:dateTime with offset, seconds since 1970.
pub fn instant(element: &Element) -> Result<i64, DocumentError> {
    unix_seconds(&element.text).ok_or_else(|| {
        element.error(Reason::Time {
            element: shown(&element.name),
            got: shown(&element.text),
        })
    })
}

pub fn required<'e>(
    element: &'e Element,
    attribute: &'static str,
) -> Result<&'e str, DocumentError> {
    element.attribute(attribute).ok_or_else(|| {
        element.error(Reason::Missing {
            element: shown(&element.name),
            what: attribute,
        })
    })
}

/// Sets something that may be given once only.
pub fn once<T>(slot: &mut Option<T>, value: T, element: &Element) -> Result<(), DocumentError> {
    if slot.replace(value).is_some() {
        return Err(element.error(Reason::Twice(shown(&element.name))));
    }
    Ok(())
}

/// An element that has no effect here: refused when it must be understood, else noted.
pub fn not_evaluated(
    element: &Element,
    what: &str,
    notes: &mut Vec<LoadNote>,
) -> Result<(), DocumentError> {
    if must_understand(element) {
        return Err(element.error(Reason::MustUnderstand(shown(&element.name))));
    }
    let text = format!(
        "<{}> of {} {what}",
        shown(&element.name),
        element.ns.words()
    );
    note(notes, element, text);
    Ok(())
}

pub fn must_understand(element: &Element) -> bool {
    matches!(
        element.attribute("must-understand").map(str::trim),
        Some("true" | "1")
    )
}

/// Leaves a note; the first hundred of a document are enough to act on.
pub fn note(notes: &mut Vec<LoadNote>, element: &Element, text: String) {
    const ENOUGH: usize = 100;
    if notes.len() < ENOUGH {
        notes.push(LoadNote {
            line: element.at.line,
            text,
        });
    }
}
