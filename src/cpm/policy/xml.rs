//! A bounded XML tree: elements with namespace, attributes, text and the position where they begin.
//!
//! DTDs and entities are refused, so a document can neither expand nor make this server fetch anything.

use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceResolver, ResolveResult};
use quick_xml::{Reader, XmlVersion};

use super::document_limits::{
    MAX_ATTRIBUTE, MAX_ATTRIBUTES, MAX_DEPTH, MAX_DOCUMENT, MAX_ELEMENTS,
};
use super::error::{excerpt, excerpt_of_sentence, DocumentError, Position, Reason};
use super::namespace::Ns;

/// One element. Elements nest at most [`MAX_DEPTH`] deep. That bounds every recursion over them, the one
/// that drops the tree included.
#[derive(Debug)]
pub struct Element {
    /// Its namespace.
    pub ns: Ns,
    /// Its local name.
    pub name: String,
    /// All character data directly inside, without white space at the ends.
    pub text: String,
    /// The elements directly inside, in document order.
    pub children: Vec<Element>,
    /// Where it begins.
    pub at: Position,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// The value of an attribute by local name, whatever its prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether it has this namespace and local name.
    pub fn is(&self, ns: Ns, name: &str) -> bool {
        self.ns == ns && self.name == name
    }

    /// An error at the position of this element.
    pub fn error(&self, reason: Reason) -> DocumentError {
        DocumentError::new(self.at, reason)
    }
}

/// Reads a document and returns its root element.
///
/// # Errors
/// [`DocumentError`]: not UTF-8, not well-formed, beyond the limits, or with a DTD or entity.
pub fn parse(bytes: &[u8]) -> Result<Element, DocumentError> {
    let start = Position { line: 1, column: 1 };
    if bytes.len() > MAX_DOCUMENT {
        return Err(DocumentError::new(start, Reason::TooLarge(bytes.len())));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let mut lines = LineCounter::new(bytes);
        DocumentError::new(lines.position(e.valid_up_to()), Reason::NotUtf8)
    })?;
    Builder::new(text).run()
}

/// Turns byte offsets into positions. The offsets asked for must not decrease.
struct LineCounter<'a> {
    bytes: &'a [u8],
    seen: usize,
    line: u32,
    line_start: usize,
}

impl<'a> LineCounter<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        LineCounter {
            bytes,
            seen: 0,
            line: 1,
            line_start: 0,
        }
    }

    fn position(&mut self, offset: usize) -> Position {
        let offset = offset.min(self.bytes.len());
        for (i, byte) in self
            .bytes
            .get(self.seen..offset)
            .unwrap_or(&[])
            .iter()
            .enumerate()
        {
            if *byte == b'\n' {
                self.line = self.line.saturating_add(1);
                self.line_start = self.seen + i + 1;
            }
        }
        self.seen = self.seen.max(offset);
        let column = offset.saturating_sub(self.line_start) + 1;
        Position {
            line: self.line,
            column: u32::try_from(column).unwrap_or(u32::MAX),
        }
    }
}

struct Builder<'a> {
    reader: Reader<&'a [u8]>,
    names: NamespaceResolver,
    lines: LineCounter<'a>,
    /// Elements that have begun and not ended, outermost first.
    open: Vec<Element>,
    root: Option<Element>,
    elements: usize,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.check_comments = true;
        config.expand_empty_elements = true;
        Builder {
            reader,
            names: NamespaceResolver::default(),
            lines: LineCounter::new(text.as_bytes()),
            open: Vec::new(),
            root: None,
            elements: 0,
        }
    }

    fn run(mut self) -> Result<Element, DocumentError> {
        loop {
            let offset = self.reader.buffer_position();
            let at = self
                .lines
                .position(usize::try_from(offset).unwrap_or(usize::MAX));
            match self.reader.read_event() {
                Ok(Event::Start(start)) => self.begin(&start, at)?,
                Ok(Event::End(_)) => self.end(),
                // `expand_empty_elements` is set, so the reader reports none of these.
                Ok(Event::Empty(start)) => {
                    self.begin(&start, at)?;
                    self.end();
                }
                Ok(Event::Text(text)) => {
                    let text = text.xml10_content().map_err(|e| malformed(at, e))?;
                    self.characters(&text, at)?;
                }
                Ok(Event::CData(text)) => {
                    let text = text.xml10_content().map_err(|e| malformed(at, e))?;
                    self.characters(&text, at)?;
                }
                Ok(Event::GeneralRef(reference)) => {
                    let c = resolve(&reference, at)?;
                    self.characters(c.encode_utf8(&mut [0; 4]), at)?;
                }
                Ok(Event::Decl(declaration)) => check_encoding(&declaration, at)?,
                Ok(Event::DocType(_)) => return Err(DocumentError::new(at, Reason::DocType)),
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Eof) => return self.finish(at),
                Err(error) => {
                    let offset = self.reader.error_position();
                    let at = self
                        .lines
                        .position(usize::try_from(offset).unwrap_or(usize::MAX));
                    return Err(malformed(at, error));
                }
            }
        }
    }

    fn begin(&mut self, start: &BytesStart, at: Position) -> Result<(), DocumentError> {
        let fail = |reason| Err(DocumentError::new(at, reason));
        if self.open.is_empty() && self.root.is_some() {
            return Err(malformed(at, "a second root element"));
        }
        if self.open.len() >= MAX_DEPTH {
            return fail(Reason::TooDeep);
        }
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return fail(Reason::TooManyElements);
        }
        let name = String::from_utf8_lossy(start.local_name().into_inner()).into_owned();
        // The limit comes first: the resolver below keeps every namespace declaration among them.
        let mut written = start.attributes();
        let written = written.with_checks(false).take(MAX_ATTRIBUTES + 1);
        if written.count() > MAX_ATTRIBUTES {
            return fail(Reason::TooManyAttributes(excerpt(&name)));
        }
        self.names.push(start).map_err(|e| malformed(at, e))?;
        let ns = match self.names.resolve_element(start.name()).0 {
            ResolveResult::Bound(uri) => Ns::of(&String::from_utf8_lossy(uri.into_inner())),
            ResolveResult::Unbound => Ns::None,
            ResolveResult::Unknown(prefix) => {
                let prefix = String::from_utf8_lossy(&prefix).into_owned();
                return fail(Reason::UnknownPrefix(excerpt(&prefix)));
            }
        };
        let attributes = attributes(start, &name, at)?;
        self.open.push(Element {
            ns,
            name,
            text: String::new(),
            children: Vec::new(),
            at,
            attributes,
        });
        Ok(())
    }

    fn end(&mut self) {
        self.names.pop();
        let Some(mut element) = self.open.pop() else {
            return;
        };
        if element.text.trim().len() != element.text.len() {
            element.text = element.text.trim().to_owned();
        }
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn characters(&mut self, text: &str, at: Position) -> Result<(), DocumentError> {
        match self.open.last_mut() {
            Some(element) => element.text.push_str(text),
            None if text.trim().is_empty() => {}
            None => return Err(malformed(at, "text outside the root element")),
        }
        Ok(())
    }

    fn finish(self, at: Position) -> Result<Element, DocumentError> {
        if let Some(element) = self.open.last() {
            let text = format!("<{}> is never closed", excerpt(&element.name));
            return Err(malformed(element.at, text));
        }
        self.root.ok_or(DocumentError::new(at, Reason::Empty))
    }
}

fn attributes(
    start: &BytesStart,
    element: &str,
    at: Position,
) -> Result<Vec<(String, String)>, DocumentError> {
    let mut out = Vec::new();
    // The reader refuses a repeated attribute, by comparing each with all before it. `begin` has
    // bounded their number.
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|e| malformed(at, e))?;
        if attribute.key.as_namespace_binding().is_some() {
            continue;
        }
        let name = String::from_utf8_lossy(attribute.key.local_name().into_inner()).into_owned();
        if attribute.value.len() > MAX_ATTRIBUTE {
            return Err(DocumentError::new(
                at,
                Reason::AttributeTooLong {
                    element: excerpt(element),
                    attribute: excerpt(&name),
                },
            ));
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|e| malformed(at, e))?;
        out.push((name, value.into_owned()));
    }
    Ok(out)
}

fn resolve(reference: &BytesRef, at: Position) -> Result<char, DocumentError> {
    match reference.resolve_char_ref() {
        Ok(Some(c)) => return Ok(c),
        Ok(None) => {}
        Err(error) => return Err(malformed(at, error)),
    }
    match &**reference {
        b"lt" => Ok('<'),
        b"gt" => Ok('>'),
        b"amp" => Ok('&'),
        b"apos" => Ok('\''),
        b"quot" => Ok('"'),
        other => Err(DocumentError::new(
            at,
            Reason::Entity(excerpt(&String::from_utf8_lossy(other))),
        )),
    }
}

fn check_encoding(declaration: &BytesDecl, at: Position) -> Result<(), DocumentError> {
    let Some(encoding) = declaration.encoding() else {
        return Ok(());
    };
    let encoding = encoding.map_err(|e| malformed(at, e))?;
    if encoding.eq_ignore_ascii_case(b"utf-8") || encoding.eq_ignore_ascii_case(b"us-ascii") {
        return Ok(());
    }
    let name = excerpt(&String::from_utf8_lossy(&encoding));
    Err(DocumentError::new(at, Reason::Encoding(name)))
}

fn malformed(at: Position, error: impl ToString) -> DocumentError {
    DocumentError::new(
        at,
        Reason::NotWellFormed(excerpt_of_sentence(&error.to_string())),
    )
}
