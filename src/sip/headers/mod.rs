//! The header lines of one message: unfolded once, found by name in any case and by compact form.

use std::ops::Range;

use super::message_error::MessageError;
use super::text;

mod typed;

/// All header lines in the order received: one text, and where names and values are in it.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    text: Vec<u8>,
    lines: Vec<Line>,
}

/// Offsets into the text.
#[derive(Clone, Debug)]
struct Line {
    /// As received, in its compact form too.
    name: Range<usize>,
    /// Unfolded and trimmed.
    value: Range<usize>,
}

/// More header lines than any honest message has.
pub const MAX_HEADERS: usize = 512;

/// As many as most messages have.
const USUAL_HEADERS: usize = 16;

impl Headers {
    /// Each line of that name, unfolded and trimmed, in order; not split at commas.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        self.slices(name).map(<[u8]>::to_vec).collect()
    }

    /// The values of all lines of that name, split at commas outside quotes and `<>`, trimmed,
    /// empty ones dropped.
    pub fn list(&self, name: &str) -> Vec<Vec<u8>> {
        self.list_slices(name).map(<[u8]>::to_vec).collect()
    }

    /// The first line's value when it is valid UTF-8 without control characters.
    pub fn text(&self, name: &str) -> Option<String> {
        self.slices(name).next().and_then(text::clean_utf8)
    }

    /// [`Headers::list`] as lower-case tokens, parameters cut off, what is no token dropped: for
    /// Require, Supported, Accept (`type/subtype` counts as a token here) and their like.
    pub fn tokens(&self, name: &str) -> Vec<String> {
        self.words(name).map(str::to_ascii_lowercase).collect()
    }

    /// The same words as they are written.
    pub fn words<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.list_slices(name)
            .map(|value| text::trim(text::cut(value, b';').0))
            .filter(|word| word.split(|b| *b == b'/').all(text::is_token))
            .filter_map(text::ascii)
    }

    /// True when there is at least one line of that name.
    pub fn has(&self, name: &str) -> bool {
        self.slices(name).next().is_some()
    }

    /// Reads a header block up to and with the empty line at its end; gives back what follows.
    pub(crate) fn read(bytes: &[u8]) -> Result<(Headers, &[u8]), MessageError> {
        let mut lines = Vec::with_capacity(USUAL_HEADERS);
        let mut rest = bytes;
        let mut fault = None;
        let mut is_folded = false;
        loop {
            let at = bytes.len() - rest.len();
            let (line, after) = take_line(rest).ok_or(MessageError::NoHeaderEnd)?;
            rest = after;
            if line.is_empty() {
                break;
            } else if is_continued(line) {
                is_folded = true;
            } else if fault.is_none() {
                match Line::read(line, at, lines.len()) {
                    Ok(line) => lines.push(line),
                    Err(error) => fault = Some(error),
                }
            }
        }
        let block = bytes.get(..bytes.len() - rest.len()).unwrap_or_default();
        let headers = match fault {
            // Seldom, and not in one piece.
            _ if is_folded => Headers::parse(lines_of(block))?,
            Some(fault) => return Err(fault),
            None => Headers {
                text: block.to_vec(),
                lines,
            },
        };
        Ok((headers, rest))
    }

    /// Takes the lines of a header block, without the empty line at its end, and unfolds them.
    pub(crate) fn parse<'a>(
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Headers, MessageError> {
        let mut headers = Headers::default();
        for line in lines {
            let at = headers.text.len();
            if is_continued(line) {
                // RFC 3261 section 7.3.1: a line beginning with a blank continues the one before it.
                let last = headers.lines.last_mut().ok_or(MessageError::HeaderLine)?;
                headers.text.push(b' ');
                headers.text.extend_from_slice(text::trim(line));
                last.value.end = headers.text.len();
            } else {
                let read = Line::read(line, at, headers.lines.len())?;
                headers.text.extend_from_slice(line);
                headers.lines.push(read);
            }
        }
        for line in &mut headers.lines {
            line.value = trimmed(&headers.text, line.value.clone());
        }
        Ok(headers)
    }

    pub(crate) fn slices<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let name = long_name(name.as_bytes());
        self.lines
            .iter()
            .filter(move |line| {
                let may_be = line.name.len() == name.len() || line.name.len() == 1;
                may_be && self.name(line).eq_ignore_ascii_case(name)
            })
            .map(|line| self.value(line))
    }

    fn name(&self, line: &Line) -> &[u8] {
        long_name(self.text.get(line.name.clone()).unwrap_or_default())
    }

    fn value(&self, line: &Line) -> &[u8] {
        self.text.get(line.value.clone()).unwrap_or_default()
    }

    pub(crate) fn list_slices<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.slices(name)
            .flat_map(|value| text::split_outside(value, b','))
            .filter(|value| !value.is_empty())
    }
}

impl PartialEq for Headers {
    /// The same lines, whether names are compact or not and in any case.
    fn eq(&self, other: &Headers) -> bool {
        let same = |(a, b): (&Line, &Line)| {
            self.name(a).eq_ignore_ascii_case(other.name(b)) && self.value(a) == other.value(b)
        };
        self.lines.len() == other.lines.len() && self.lines.iter().zip(&other.lines).all(same)
    }
}

impl Eq for Headers {}

impl Line {
    /// Reads one line that begins at an offset of the text and has `before` lines before it.
    fn read(line: &[u8], at: usize, before: usize) -> Result<Line, MessageError> {
        if before == MAX_HEADERS {
            return Err(MessageError::TooManyHeaders);
        }
        let (name, value) = text::cut(line, b':');
        let value_at = name.len() + 1;
        // RFC 3261 section 25.1 HCOLON: blanks before the colon are legal.
        let name = name.trim_ascii_end();
        if value.is_none() || !text::is_token(name) {
            return Err(MessageError::HeaderLine);
        }
        let value = trimmed(line, value_at..line.len());
        Ok(Line {
            name: at..at + name.len(),
            value: at + value.start..at + value.end,
        })
    }
}

/// A line without its end, and what follows. `None` if it has no end.
pub(crate) fn take_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (line, rest) = text::cut(bytes, b'\n');
    let rest = rest?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest))
}

/// All lines before an empty one.
fn lines_of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        let (line, after) = take_line(rest)?;
        rest = after;
        (!line.is_empty()).then_some(line)
    })
}

fn is_continued(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| text::is_blank(*byte))
}

/// The part of a range that is left without blanks at its ends.
fn trimmed(text: &[u8], range: Range<usize>) -> Range<usize> {
    let all = text.get(range.clone()).unwrap_or_default();
    let without_start = all.trim_ascii_start();
    let start = range.end - without_start.len();
    start..start + without_start.trim_ascii_end().len()
}

/// The long form of a compact name (RFC 3261 section 7.3.3 and the registry of compact forms); every other name
/// as it is.
fn long_name(name: &[u8]) -> &[u8] {
    let [letter] = name else {
        return name;
    };
    match letter.to_ascii_lowercase() {
        b'a' => b"accept-contact",
        b'b' => b"referred-by",
        b'c' => b"content-type",
        b'd' => b"request-disposition",
        b'e' => b"content-encoding",
        b'f' => b"from",
        b'i' => b"call-id",
        b'j' => b"reject-contact",
        b'k' => b"supported",
        b'l' => b"content-length",
        b'm' => b"contact",
        b'o' => b"event",
        b'r' => b"refer-to",
        b's' => b"subject",
        b't' => b"to",
        b'u' => b"allow-events",
        b'v' => b"via",
        b'x' => b"session-expires",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Headers {
        Headers::parse(lines.iter().map(|line| line.as_bytes())).unwrap()
    }

    #[test]
    fn compact_folded_and_oddly_written_names() {
        let h = headers(&[
            "r  : <sip:a@b>",
            "SUBJECT:",
            "  one ",
            "\t two",
            "s:three",
            "Require: Foo, bar;x=1,,",
            "require:\"q, r\", Baz",
            "Accept: application/SDP;q=0.1",
        ]);
        assert_eq!(h.values("Refer-To"), vec![b"<sip:a@b>".to_vec()]);
        assert_eq!(h.values("R"), h.values("refer-to"));
        assert_eq!(h.text("subject").as_deref(), Some("one two"));
        assert_eq!(h.values("Subject").len(), 2);
        assert_eq!(h.tokens("Require"), ["foo", "bar", "baz"]);
        assert_eq!(h.list("require").len(), 4);
        assert_eq!(h.tokens("accept"), ["application/sdp"]);
        assert!(h.has("s") && !h.has("x"));
    }

    #[test]
    fn every_compact_form() {
        for (compact, long) in [
            ("i", "Call-ID"),
            ("m", "Contact"),
            ("e", "Content-Encoding"),
            ("l", "Content-Length"),
            ("c", "Content-Type"),
            ("f", "From"),
            ("s", "Subject"),
            ("k", "Supported"),
            ("t", "To"),
            ("v", "Via"),
            ("r", "Refer-To"),
            ("b", "Referred-By"),
            ("o", "Event"),
            ("u", "Allow-Events"),
            ("a", "Accept-Contact"),
            ("j", "Reject-Contact"),
            ("d", "Request-Disposition"),
            ("x", "Session-Expires"),
        ] {
            let h = headers(&[&format!("{compact}: 1")]);
            assert!(h.has(long), "{compact}");
        }
    }

    #[test]
    fn refuses_lines_that_are_no_headers() {
        let parse = |lines: &[&str]| Headers::parse(lines.iter().map(|line| line.as_bytes()));
        for lines in [&["no colon"][..], &[": x"], &["a b: x"], &[" folded first"]] {
            assert_eq!(parse(lines), Err(MessageError::HeaderLine), "{lines:?}");
        }
        let many = vec!["X: y"; MAX_HEADERS];
        assert!(parse(&many).is_ok());
        let many = vec!["X: y"; MAX_HEADERS + 1];
        assert_eq!(parse(&many), Err(MessageError::TooManyHeaders));
    }

    #[test]
    fn text_is_clean_or_none() {
        let h = Headers::parse(
            [&b"a1: x\0"[..], b"a2: \xff", b"a3: x\ty", b"a4: \xc3\xa9"].into_iter(),
        )
        .unwrap();
        assert_eq!(h.text("a1"), None);
        assert_eq!(h.text("a2"), None);
        assert_eq!(h.text("a3").as_deref(), Some("x y"));
        assert_eq!(h.text("a4").as_deref(), Some("\u{e9}"));
    }
}
