//! Typed values of elements and attributes, and notes about elements without effect.

use super::domain::Domain;
use super::error::{excerpt, DocumentError, LoadNote, Reason};
use super::time::unix_seconds;
use super::xml::Element;
use crate::sip::uri::{Uri, UriError};

/// The text of an element as `xs:boolean`.
pub fn boolean(element: &Element) -> Result<bool, DocumentError> {
    match element.text.as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(element.error(Reason::Boolean {
            element: excerpt(&element.name),
            got: excerpt(other),
        })),
    }
}

/// A condition that is an empty element for true, or a boolean as in older documents.
pub fn flag(element: &Element) -> Result<bool, DocumentError> {
    if element.text.is_empty() {
        return Ok(true);
    }
    boolean(element)
}

/// The text of an element as `xs:nonNegativeInteger` of 32 bits.
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
                element: excerpt(&element.name),
                got: excerpt(text),
            })
        })
}

/// The text of an element; `None` when it is empty.
pub fn text(element: &Element) -> Option<String> {
    (!element.text.is_empty()).then(|| element.text.clone())
}

/// A mandatory attribute as SIP, SIPS or tel URI. `Ok(None)`, with a note, for another scheme: no
/// participant can have such a URI.
pub fn uri(
    element: &Element,
    attribute: &'static str,
    notes: &mut Vec<LoadNote>,
) -> Result<Option<Uri>, DocumentError> {
    let value = required(element, attribute)?;
    match Uri::parse(value.trim().as_bytes()) {
        Ok(uri) => Ok(Some(uri)),
        Err(UriError::UnsupportedScheme(scheme)) => {
            add_note(
                notes,
                element,
                format!(
                    "<{}> names a {} URI, which no participant can have: it never matches",
                    element.name,
                    excerpt(&scheme)
                ),
            );
            Ok(None)
        }
        Err(error) => Err(element.error(Reason::Uri {
            element: excerpt(&element.name),
            got: excerpt(value),
            why: error.to_string(),
        })),
    }
}

/// The attribute `domain`, if there is one.
pub fn domain(element: &Element) -> Result<Option<Domain>, DocumentError> {
    let Some(value) = element.attribute("domain") else {
        return Ok(None);
    };
    Domain::parse(value).map(Some).map_err(|why| {
        element.error(Reason::Domain {
            element: excerpt(&element.name),
            got: excerpt(value),
            why,
        })
    })
}

/// The text of an element as `xs:dateTime` with offset, in seconds since 1970.
pub fn date_time(element: &Element) -> Result<i64, DocumentError> {
    unix_seconds(&element.text).ok_or_else(|| {
        element.error(Reason::Time {
            element: excerpt(&element.name),
            got: excerpt(&element.text),
        })
    })
}

/// The value of an attribute that must be there, by its local name.
pub fn required<'e>(
    element: &'e Element,
    attribute: &'static str,
) -> Result<&'e str, DocumentError> {
    element.attribute(attribute).ok_or_else(|| {
        element.error(Reason::Missing {
            element: excerpt(&element.name),
            what: attribute,
        })
    })
}

/// Fills `slot`, or refuses the document when `element` fills it a second time.
pub fn set_once<T>(slot: &mut Option<T>, value: T, element: &Element) -> Result<(), DocumentError> {
    if slot.replace(value).is_some() {
        return Err(element.error(Reason::Twice(excerpt(&element.name))));
    }
    Ok(())
}

/// Ignores an element that has no effect here, with a note of `what` happens to it. Refuses the
/// document when the element must be understood.
pub fn ignore(
    element: &Element,
    what: &str,
    notes: &mut Vec<LoadNote>,
) -> Result<(), DocumentError> {
    if must_understand(element) {
        return Err(element.error(Reason::MustUnderstand(excerpt(&element.name))));
    }
    let text = format!(
        "<{}> of {} {what}",
        excerpt(&element.name),
        element.ns.words()
    );
    add_note(notes, element, text);
    Ok(())
}

/// Whether OMA's attribute `must-understand` is true: the document may not be used without the element.
pub fn must_understand(element: &Element) -> bool {
    matches!(
        element.attribute("must-understand").map(str::trim),
        Some("true" | "1")
    )
}

/// Adds a note about an element. A document gets at most 100 notes.
pub fn add_note(notes: &mut Vec<LoadNote>, element: &Element, text: String) {
    const MAX_NOTES: usize = 100;
    if notes.len() < MAX_NOTES {
        notes.push(LoadNote {
            line: element.at.line,
            text,
        });
    }
}
