//! Small byte and text helpers shared by the parsers: blanks, tokens, quoting, escapes, splitting.

use super::chars::{PRINTABLE, TOKEN, VISIBLE};

/// True for the blanks that may stand between tokens once lines are unfolded.
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// `token` of RFC 3261 section 25.1.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    TOKEN.has(byte)
}

/// A non-empty RFC 3261 `token`.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && TOKEN.has_all(bytes)
}

/// Visible ASCII, no blank.
pub(crate) fn is_visible(bytes: &[u8]) -> bool {
    VISIBLE.has_all(bytes)
}

/// Without leading and trailing blanks (CR and LF count as blanks here).
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Bytes that are all ASCII, as text; `None` otherwise.
pub(crate) fn ascii(bytes: &[u8]) -> Option<&str> {
    if bytes.is_ascii() {
        std::str::from_utf8(bytes).ok()
    } else {
        None
    }
}

/// Text for looking at, never for parsing again: what is not UTF-8, and every control character,
/// becomes U+FFFD, a tab becomes a blank.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if PRINTABLE.has_all(bytes) {
        return text.into_owned();
    }
    text.chars()
        .map(|c| match c {
            '\t' => ' ',
            c if c.is_control() => '\u{FFFD}',
            c => c,
        })
        .collect()
}

/// As [`shown`], cut to a length that is fit for a log line or a Warning.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let end = bytes.len().min(80);
    shown(bytes.get(..end).unwrap_or(bytes))
}

/// Text for a line we write: every control character becomes a blank, so the line cannot end early.
pub(crate) fn one_line(text: &str) -> String {
    if PRINTABLE.has_all(text.as_bytes()) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// Valid UTF-8 without control characters (a tab is given back as a blank), else `None`.
pub(crate) fn clean_utf8(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if PRINTABLE.has_all(bytes) {
        return Some(text.to_owned());
    }
    let text = text.replace('\t', " ");
    if text.chars().any(char::is_control) {
        None
    } else {
        Some(text)
    }
}

/// Splits at `separator` outside quoted strings and outside `<…>`. Pieces are trimmed, empty ones
/// kept (the caller knows whether they mean something).
pub(crate) fn split_outside(bytes: &[u8], separator: u8) -> SplitOutside<'_> {
    SplitOutside {
        rest: Some(bytes),
        separator,
    }
}

/// See [`split_outside`].
pub(crate) struct SplitOutside<'a> {
    /// `None` behind the last piece.
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Iterator for SplitOutside<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let end = end_outside(rest, self.separator);
        self.rest = end.and_then(|end| rest.get(end + 1..));
        Some(trim(rest.get(..end.unwrap_or(rest.len()))?))
    }
}

/// The position of the first `separator` outside quoted strings and outside `<…>`.
fn end_outside(bytes: &[u8], separator: u8) -> Option<usize> {
    let first = find(bytes, separator)?;
    if memchr::memchr2(b'"', b'<', bytes.get(..first)?).is_none() {
        return Some(first);
    }
    let mut quoted = false;
    let mut escaped = false;
    let mut angle = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            // A quote inside <…> is no quoted string: URIs have none.
            b'"' if !angle => quoted = true,
            b'<' => angle = true,
            b'>' => angle = false,
            _ if byte == separator && !angle => return Some(at),
            _ => {}
        }
    }
    None
}

/// Reads a quoted string that begins at the first byte: what is in it, and
/// what follows the closing quote. `None` when it does not begin with `"` or never ends.
pub(crate) fn take_quoted(bytes: &[u8]) -> Option<(Quoted<'_>, &[u8])> {
    let inner = bytes.strip_prefix(b"\"")?;
    let mut escaped = false;
    for (at, &byte) in inner.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some((Quoted(inner.get(..at)?), inner.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

/// What stands between two quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a>(&'a [u8]);

impl Quoted<'_> {
    /// With the `\` pairs undone.
    pub fn content(self) -> Vec<u8> {
        let mut escaped = false;
        let is_content = |byte: &u8| {
            escaped = *byte == b'\\' && !escaped;
            !escaped
        };
        self.0.iter().copied().filter(is_content).collect()
    }
}

/// The position of a byte.
pub(crate) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    memchr::memchr(wanted, bytes)
}

/// Before and after the first `separator`; all and `None` without one.
pub(crate) fn cut(bytes: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match find(bytes, separator) {
        Some(at) => (
            bytes.get(..at).unwrap_or_default(),
            Some(bytes.get(at + 1..).unwrap_or_default()),
        ),
        None => (bytes, None),
    }
}

/// `%HH` at the beginning of the bytes.
pub(crate) fn escape_at(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'%', high, low, ..] => {
            let high = (*high as char).to_digit(16)?;
            let low = (*low as char).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        }
        _ => None,
    }
}

/// Undoes every `%HH`; `None` when a `%` is not followed by two hex digits.
pub(crate) fn percent_decode(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            out.push(escape_at(rest)?);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    Some(out)
}

/// Appends `%HH` in upper case.
pub(crate) fn push_escape(out: &mut String, byte: u8) {
    const HEX: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    out.push('%');
    out.extend(HEX.get(usize::from(byte >> 4)));
    out.extend(HEX.get(usize::from(byte & 15)));
}

/// A non-negative decimal number of digits only, no sign, no blank.
pub(crate) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0u64, |number, &byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_outside_quotes_and_brackets() {
        let pieces: Vec<_> = split_outside(br#""a, \"b" <sip:x,y@z>, c ,,d"#, b',').collect();
        assert_eq!(
            pieces,
            vec![&br#""a, \"b" <sip:x,y@z>"#[..], b"c", b"", b"d"]
        );
    }

    #[test]
    fn an_unterminated_quote_swallows_the_rest() {
        let pieces: Vec<_> = split_outside(b"a,\"b,c", b',').collect();
        assert_eq!(pieces, vec![&b"a"[..], b"\"b,c"]);
        assert!(take_quoted(b"\"abc\\\"").is_none());
        let (quoted, rest) = take_quoted(br#""a\\\b\"\\" c"#).unwrap();
        assert_eq!((quoted.content(), rest), (br#"a\b"\"#.to_vec(), &b" c"[..]));
    }

    #[test]
    fn escapes() {
        assert_eq!(percent_decode(b"a%40b%00").as_deref(), Some(&b"a@b\0"[..]));
        assert_eq!(percent_decode(b"a%4"), None);
        assert_eq!(percent_decode(b"a%zz"), None);
    }

    #[test]
    fn shown_text_has_no_control_characters() {
        assert_eq!(shown(b"a\r\nb\0\tc"), "a\u{FFFD}\u{FFFD}b\u{FFFD} c");
    }
}
