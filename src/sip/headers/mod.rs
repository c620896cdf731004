//! The header lines of one message: unfolded once, found by name in any case and by compact form.

use super::message_error::MessageError;
use super::text;

mod typed;

/// All header lines in the order received, names in their long lower-case form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers {
    lines: Vec<(String, Vec<u8>)>,
}

/// More header lines than any honest message has.
pub const MAX_HEADERS: usize = 512;

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
    pub fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.list_slices(name)
            .map(|value| text::trim(text::cut(value, b';').0))
            .filter(|word| word.split(|b| *b == b'/').all(text::is_token))
            .filter_map(text::ascii)
    }

    /// True when there is at least one line of that name.
    pub fn has(&self, name: &str) -> bool {
        self.slices(name).next().is_some()
    }

    /// Adds the lines of a header block, without the empty line at its end.
    pub(crate) fn parse<'a>(
        lines: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Headers, MessageError> {
        let mut headers = Headers::default();
        for line in lines {
            if line.first().is_some_and(|b| text::is_blank(*b)) {
                headers.fold(line)?;
            } else {
                headers.add(line)?;
            }
        }
        for (_, value) in &mut headers.lines {
            *value = text::trim(value).to_vec();
        }
        Ok(headers)
    }

    pub(crate) fn slices<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let name = long_name(name);
        self.lines
            .iter()
            .filter(move |(have, _)| *have == name)
            .map(|(_, value)| value.as_slice())
    }

    pub(crate) fn list_slices<'a>(
        &'a self,
        name: &str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.slices(name)
            .flat_map(|value| text::split_outside(value, b','))
            .filter(|value| !value.is_empty())
    }

    fn add(&mut self, line: &[u8]) -> Result<(), MessageError> {
        if self.lines.len() == MAX_HEADERS {
            return Err(MessageError::TooManyHeaders);
        }
        let (name, value) = text::cut(line, b':');
        // RFC 3261 section 25.1 HCOLON: blanks before the colon are legal.
        let name = name.trim_ascii_end();
        let (Some(value), true, Some(name)) = (value, text::is_token(name), text::ascii(name))
        else {
            return Err(MessageError::HeaderLine);
        };
        self.lines.push((long_name(name), value.to_vec()));
        Ok(())
    }

    /// RFC 3261 section 7.3.1: a line beginning with a blank continues the one before it.
    fn fold(&mut self, line: &[u8]) -> Result<(), MessageError> {
        let (_, value) = self.lines.last_mut().ok_or(MessageError::HeaderLine)?;
        value.push(b' ');
        value.extend_from_slice(text::trim(line));
        Ok(())
    }
}

/// The long form in lower case (RFC 3261 section 7.3.3 and the registry of compact forms).
fn long_name(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let long = match name.as_str() {
        "a" => "accept-contact",
        "b" => "referred-by",
        "c" => "content-type",
        "d" => "request-disposition",
        "e" => "content-encoding",
        "f" => "from",
        "i" => "call-id",
        "j" => "reject-contact",
        "k" => "supported",
        "l" => "content-length",
        "m" => "contact",
        "o" => "event",
        "r" => "refer-to",
        "s" => "subject",
        "t" => "to",
        "u" => "allow-events",
        "v" => "via",
        "x" => "session-expires",
        _ => return name,
    };
    long.to_owned()
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
