//! The tree as the house rules see it: files, and Rust text with comments and literals blanked out.
//! Not a parser of Rust: it knows where comments, literals and test items begin and end, no more.

use std::fs;
use std::path::{Path, PathBuf};

/// One file of the repository.
pub struct Source {
    /// From the top of the repository, with `/`.
    pub path: String,
    pub text: String,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Source {
        Source {
            path: path.into(),
            text: text.into(),
        }
    }

    /// The text with comments and the insides of literals as blanks. Every byte stays where it was.
    pub fn code(&self) -> String {
        blank_comments_and_literals(&self.text)
    }

    /// `code` without items under `#[cfg(test)]`.
    pub fn code_outside_tests(&self) -> String {
        let mut code = self.code().into_bytes();
        let mut from = 0;
        while let Some(start) = find(&code, b"#[cfg(", from) {
            let end = find(&code, b"]", start).map_or(code.len(), |at| at + 1);
            from = end;
            if words(&String::from_utf8_lossy(&code[start..end])).any(|word| word == "test") {
                from = item_end(&code, end);
                blank(&mut code[start..from]);
            }
        }
        String::from_utf8(code).expect("blanking keeps UTF-8")
    }
}

/// The line (from 1) of a byte offset.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset]
        .iter()
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

/// Identifiers and keywords, in order.
pub fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}

/// Byte offsets of `needle` where it is not part of a longer word.
pub fn places<'a>(code: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    let wordy = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let starts_wordy = wordy(needle.as_bytes().first());
    let ends_wordy = wordy(needle.as_bytes().last());
    code.match_indices(needle)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = at.checked_sub(1).and_then(|i| code.as_bytes().get(i));
            let after = code.as_bytes().get(at + needle.len());
            let joined = (starts_wordy && wordy(before)) || (ends_wordy && wordy(after));
            !joined
        })
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All files below these directories (or these files) with one of the endings.
pub fn sources(tops: &[&str], endings: &[&str]) -> Vec<Source> {
    let mut paths = Vec::new();
    for top in tops {
        collect(&root().join(top), endings, &mut paths);
    }
    paths.sort();
    let files: Vec<Source> = paths
        .iter()
        .map(|path| {
            let shown = path.strip_prefix(root()).unwrap_or(path);
            let shown = shown.to_string_lossy().replace('\\', "/");
            Source {
                text: read(&shown),
                path: shown,
            }
        })
        .collect();
    assert!(!files.is_empty(), "nothing found in {tops:?}");
    files
}

fn collect(path: &Path, endings: &[&str], into: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a directory of the repository can be read") {
            collect(&entry.expect("so can its entries").path(), endings, into);
        }
    } else if path
        .extension()
        .is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted))
    {
        into.push(path.to_owned());
    }
}

fn find(text: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map(|at| from + at)
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| **byte != b'\n') {
        *byte = b' ';
    }
}

/// Where the item that starts at `from` ends: at its `;`, or with the brace that closes its body.
fn item_end(code: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    for (at, byte) in code.iter().enumerate().skip(from) {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && *byte == b'}' {
                    return at + 1;
                }
            }
            b';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank_comments_and_literals(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let (start, end) = if rest.starts_with(b"//") {
            (at, find(bytes, b"\n", at).unwrap_or(bytes.len()))
        } else if rest.starts_with(b"/*") {
            (at, block_comment_end(bytes, at))
        } else if let Some(hashes) = raw_string(bytes, at) {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let open = at + 2 + hashes;
            let end = find(bytes, &close, open).unwrap_or(bytes.len());
            at = end + close.len();
            blank(&mut out[open..end.min(bytes.len())]);
            continue;
        } else if rest[0] == b'"' {
            (at + 1, quoted_end(bytes, at + 1, b'"'))
        } else if rest[0] == b'\'' && is_character(rest) {
            (at + 1, quoted_end(bytes, at + 1, b'\''))
        } else {
            at += 1;
            continue;
        };
        blank(&mut out[start..end]);
        at = end + usize::from(start > at);
    }
    String::from_utf8(out).expect("whole literals and comments are blanked")
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut depth, mut at) = (0usize, start);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The number of `#` when a raw string starts with the `r` here.
fn raw_string(bytes: &[u8], at: usize) -> Option<usize> {
    let in_a_word = at.checked_sub(1).is_some_and(|before| {
        let wordy = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let prefix = matches!(bytes[before], b'b' | b'c')
            && before.checked_sub(1).is_none_or(|b| !wordy(bytes[b]));
        wordy(bytes[before]) && !prefix
    });
    if bytes[at] != b'r' || in_a_word {
        return None;
    }
    let hashes = bytes[at + 1..].iter().take_while(|b| **b == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn quoted_end(bytes: &[u8], mut at: usize, quote: u8) -> usize {
    while at < bytes.len() && bytes[at] != quote {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

/// A character, not a lifetime: `'a'` and `'\n'`, not `'a`.
fn is_character(rest: &[u8]) -> bool {
    match rest.get(1) {
        Some(b'\\') => true,
        Some(byte) if byte.is_ascii() => rest.get(2) == Some(&b'\''),
        Some(_) => true,
        None => false,
    }
}
