//! Reading a resource list: a walk over quick-xml's events that keeps only where it is.

use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

use super::{CopyControl, Entry, ListError, MAX_BYTES, MAX_DEPTH, MAX_ENTRIES};
use crate::sip::text;

const NAMESPACE: &[u8] = b"urn:ietf:params:xml:ns:resource-lists";
/// RFC 5364 section 5. RFC 5366 figure 3 and some phones write a capital C; any case is taken.
const COPY_NAMESPACE: &[u8] = b"urn:ietf:params:xml:ns:copycontrol";
const MAX_ATTRIBUTES: usize = 64;
const MAX_DISPLAY: usize = 256;

/// What the element is that the walk is in.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    List,
    Entry,
    Display,
    /// Of no interest, with all it holds.
    Skipped,
}

/// See [`super::parse`]; may find no entry.
pub(super) fn parse(document: &[u8]) -> Result<Vec<Entry>, ListError> {
    if document.len() > MAX_BYTES {
        return Err(ListError::TooLarge);
    }
    let document = utf8(document)?;
    let mut reader = NsReader::from_str(document);
    reader.config_mut().check_comments = true;
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::default();
    loop {
        let event = reader.read_event().map_err(malformed)?;
        match event {
            Event::Start(start) => walk.start(&start, reader.resolver())?,
            Event::End(_) => walk.end(),
            Event::Text(content) => walk.text(&content.xml10_content().map_err(malformed)?)?,
            Event::CData(content) => walk.cdata(&content.xml10_content().map_err(malformed)?)?,
            Event::GeneralRef(reference) => walk.reference(&reference)?,
            Event::Decl(declaration) => check_declaration(&declaration)?,
            Event::DocType(_) => return Err(ListError::Doctype),
            // Written as one event each by the setting above.
            Event::Empty(_) | Event::Comment(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !walk.places.is_empty() || !walk.seen_root {
        return Err(ListError::Malformed("document ends too early".into()));
    }
    Ok(walk.entries)
}

/// Without a byte-order mark, and without the characters XML 1.0 section 2.2 excludes.
fn utf8(document: &[u8]) -> Result<&str, ListError> {
    if document.starts_with(b"\xfe\xff")
        || document.starts_with(b"\xff\xfe")
        || document.starts_with(b"\0<")
        || document.starts_with(b"<\0")
    {
        return Err(ListError::Encoding("utf-16".into()));
    }
    let text =
        std::str::from_utf8(document).map_err(|_| ListError::Malformed("not utf-8".into()))?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let excluded = |c: char| (c < ' ' && !"\t\r\n".contains(c)) || "\u{FFFE}\u{FFFF}".contains(c);
    if text.contains(excluded) {
        return Err(ListError::Malformed("control character".into()));
    }
    // A declaration may stand at the very beginning only; some clients begin with an empty line.
    Ok(text.trim_start())
}

fn check_declaration(declaration: &BytesDecl<'_>) -> Result<(), ListError> {
    let Some(encoding) = declaration.encoding() else {
        return Ok(());
    };
    let encoding = encoding.map_err(malformed)?;
    if [&b"utf-8"[..], b"utf8", b"us-ascii"]
        .iter()
        .any(|known| encoding.eq_ignore_ascii_case(known))
    {
        return Ok(());
    }
    Err(ListError::Encoding(text::excerpt(&encoding)))
}

#[derive(Default)]
struct Walk {
    places: Vec<Place>,
    entries: Vec<Entry>,
    seen_root: bool,
}

impl Walk {
    fn start(
        &mut self,
        start: &BytesStart<'_>,
        resolver: &NamespaceResolver,
    ) -> Result<(), ListError> {
        if self.places.len() == MAX_DEPTH {
            return Err(ListError::TooDeep);
        }
        let attributes = attributes(start)?;
        let (namespace, name) = resolver.resolve_element(start.name());
        let name = name.into_inner();
        let ours = match namespace {
            ResolveResult::Bound(Namespace(namespace)) => namespace == NAMESPACE,
            ResolveResult::Unbound => false,
            ResolveResult::Unknown(_) => return Err(ListError::Malformed("unbound prefix".into())),
        };
        let place = match (self.places.last(), name) {
            (None, _) if self.seen_root => {
                return Err(ListError::Malformed("more than one root".into()))
            }
            (None, b"resource-lists") if ours => {
                self.seen_root = true;
                Place::Root
            }
            (None, _) => {
                return Err(ListError::WrongRoot(text::excerpt(
                    start.name().into_inner(),
                )))
            }
            (Some(Place::Root | Place::List), b"list") if ours => Place::List,
            (Some(Place::List), b"entry") if ours => {
                self.entry(&attributes, resolver)?;
                Place::Entry
            }
            (Some(Place::Entry), b"display-name") if ours => Place::Display,
            _ => Place::Skipped,
        };
        self.places.push(place);
        Ok(())
    }

    fn end(&mut self) {
        self.places.pop();
    }

    fn entry(
        &mut self,
        attributes: &[Attribute<'_>],
        resolver: &NamespaceResolver,
    ) -> Result<(), ListError> {
        if self.entries.len() == MAX_ENTRIES {
            return Err(ListError::TooMany);
        }
        let uri = attributes.iter().find(|a| a.key.into_inner() == b"uri");
        let uri = uri.ok_or_else(|| ListError::Malformed("entry without uri".into()))?;
        let mut entry = Entry::of(&value(uri)?)?;
        for attribute in attributes {
            let (namespace, name) = resolver.resolve_attribute(attribute.key);
            let ResolveResult::Bound(Namespace(namespace)) = namespace else {
                continue;
            };
            if !namespace.eq_ignore_ascii_case(COPY_NAMESPACE) {
                continue;
            }
            let value = value(attribute)?.trim().to_ascii_lowercase();
            match name.into_inner() {
                // What cannot be understood is taken as what shows least.
                b"copyControl" => {
                    entry.copy = match value.as_str() {
                        "to" => CopyControl::To,
                        "cc" => CopyControl::Cc,
                        _ => CopyControl::Bcc,
                    };
                    entry.says_bcc = entry.copy == CopyControl::Bcc;
                }
                b"anonymize" => entry.anonymize = !matches!(value.as_str(), "false" | "0"),
                b"count" => entry.count = value.parse().unwrap_or(1).max(1),
                _ => {}
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    fn text(&mut self, content: &str) -> Result<(), ListError> {
        if self.places.is_empty() && !content.trim().is_empty() {
            return Err(ListError::Malformed("text outside the root".into()));
        }
        self.display(content);
        Ok(())
    }

    fn cdata(&mut self, content: &str) -> Result<(), ListError> {
        if self.places.is_empty() {
            return Err(ListError::Malformed("text outside the root".into()));
        }
        self.display(content);
        Ok(())
    }

    /// Only the five entities of XML itself and characters by number: nothing else can be declared
    /// without a DTD.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), ListError> {
        let character = match reference.resolve_char_ref().map_err(malformed)? {
            Some(character) => Some(character),
            None => match reference.decode().map_err(malformed)?.as_ref() {
                "lt" => Some('<'),
                "gt" => Some('>'),
                "amp" => Some('&'),
                "apos" => Some('\''),
                "quot" => Some('"'),
                _ => None,
            },
        };
        let undeclared = || ListError::Malformed("undeclared entity".into());
        let character = character.filter(|_| !self.places.is_empty());
        self.display(character.ok_or_else(undeclared)?.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn display(&mut self, content: &str) {
        if self.places.last() != Some(&Place::Display) {
            return;
        }
        if let Some(entry) = self.entries.last_mut() {
            let display = entry.display.get_or_insert_with(String::new);
            let room = MAX_DISPLAY.saturating_sub(display.chars().count());
            let clean = text::one_line(content);
            display.extend(clean.chars().take(room));
        }
    }
}

/// All attributes, which also checks that they are well-formed and that none is there twice.
fn attributes<'a>(start: &'a BytesStart<'_>) -> Result<Vec<Attribute<'a>>, ListError> {
    let mut all = Vec::new();
    for attribute in start.attributes() {
        if all.len() == MAX_ATTRIBUTES {
            return Err(ListError::Malformed("too many attributes".into()));
        }
        all.push(attribute.map_err(malformed)?);
    }
    Ok(all)
}

fn value(attribute: &Attribute<'_>) -> Result<String, ListError> {
    let value = attribute.normalized_value(XmlVersion::Implicit1_0);
    Ok(value.map_err(malformed)?.into_owned())
}

fn malformed(error: impl std::fmt::Display) -> ListError {
    ListError::Malformed(text::excerpt(error.to_string().as_bytes()))
}
