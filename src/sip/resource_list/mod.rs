//! Resource lists (RFC 4826 section 3, with the copyControl attributes of RFC 5364): whom a list
//! names.

use std::collections::BTreeMap;

use thiserror::Error;

use super::identity::Identity;
use super::method::Method;
use super::privacy::ANONYMOUS;
use super::refer_to;
use super::text;
use super::uri::{Uri, UriError};

mod history;
mod reader;
#[cfg(test)]
mod tests;

pub use history::{build_history, HistoryEntry, HISTORY_DISPOSITION};

/// The media type.
pub const CONTENT_TYPE: &str = "application/resource-lists+xml";

/// The largest document taken, in octets.
pub const MAX_BYTES: usize = 128 * 1024;
/// Elements inside each other.
pub const MAX_DEPTH: usize = 16;
/// Entries in all lists together; the limit a deployment sets is below.
pub const MAX_ENTRIES: usize = 2000;

/// How much others may learn of an entry (RFC 5364 section 4); greater is more visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum CopyControl {
    /// Nobody learns of it. Also what is meant when nothing is said.
    #[default]
    Bcc,
    /// Copied.
    Cc,
    /// Addressed.
    To,
}

impl CopyControl {
    /// The attribute's value.
    pub fn name(self) -> &'static str {
        match self {
            CopyControl::Bcc => "bcc",
            CopyControl::Cc => "cc",
            CopyControl::To => "to",
        }
    }
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The target without `method` and embedded headers; or why there is none.
    pub target: Result<Uri, UriError>,
    /// The `uri` attribute as written, made printable; for reports.
    pub text: String,
    /// `None` when the entry names none.
    pub method: Option<Method>,
    /// The embedded headers as written; see [`ReferTo::headers`](super::ReferTo).
    pub headers: Vec<(String, String)>,
    /// `copyControl`
    pub copy: CopyControl,
    /// The sender wrote `bcc`; [`CopyControl::Bcc`] alone is also what is meant when nothing is said.
    pub says_bcc: bool,
    /// `anonymize`: others may learn that there is one more, not who.
    pub anonymize: bool,
    /// `count`: how many an anonymous entry stands for; 1 when nothing is said.
    pub count: u32,
    /// The text of `<display-name>`, printable.
    pub display: Option<String>,
}

/// Why a document is no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// Larger than [`MAX_BYTES`].
    #[error("resource list larger than {MAX_BYTES} octets")]
    TooLarge,
    /// UTF-16, or another encoding than UTF-8.
    #[error("encoding of resource list is not utf-8: {0}")]
    Encoding(String),
    /// A DTD; entities of one's own come with it.
    #[error("document type declaration in resource list")]
    Doctype,
    /// Not well-formed, or an entry without `uri`.
    #[error("malformed resource list: {0}")]
    Malformed(String),
    /// Not `resource-lists` of `urn:ietf:params:xml:ns:resource-lists`.
    #[error("root element is not a resource list: {0}")]
    WrongRoot(String),
    /// Deeper than [`MAX_DEPTH`].
    #[error("resource list nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More than [`MAX_ENTRIES`].
    #[error("more than {MAX_ENTRIES} entries in resource list")]
    TooMany,
    /// No entry at all.
    #[error("resource list is empty")]
    Empty,
}

impl ListError {
    /// The status of the refusal.
    pub fn status(&self) -> u16 {
        match self {
            ListError::Encoding(_) => 415,
            _ => 400,
        }
    }
}

/// All entries of all lists, nested lists flattened, in order; never none. `<entry-ref>` and
/// `<external>` are not followed, elements of other namespaces are skipped with all they hold.
///
/// # Errors
/// [`ListError`]
pub fn parse(document: &[u8]) -> Result<Vec<Entry>, ListError> {
    let entries = reader::parse(document)?;
    if entries.is_empty() {
        return Err(ListError::Empty);
    }
    Ok(entries)
}

/// How many entries a document has at most, without reading it: start tags of that name in any namespace, even in
/// comments.
pub fn most_entries(document: &[u8]) -> usize {
    let is_entry = |at: usize| {
        let tag = document.get(at + 1..).unwrap_or_default();
        // The next tag ends the search: no octet is looked at twice.
        let end = tag.iter().position(|byte| b" \t\r\n/><".contains(byte));
        let name = tag.get(..end.unwrap_or(0)).unwrap_or_default();
        name.rsplit(|byte| *byte == b':').next() == Some(b"entry".as_slice())
    };
    memchr::memchr_iter(b'<', document)
        .filter(|at| is_entry(*at))
        .count()
}

/// One entry per person (`identity` says who a URI stands for), at the place of the first, as visible as the most
/// visible of them (RFC 5364 section 4), anonymous if any of them is. Entries without a target stay
/// as they are. Entries of different methods are never merged, nor are [`ANONYMOUS`] ones of
/// different visibility: each stands for people of its own, whose number adds up.
pub fn merge(entries: Vec<Entry>, identity: &dyn Fn(&Uri) -> Identity) -> Vec<Entry> {
    type Key = (Identity, Option<Method>, Option<CopyControl>);
    let mut merged: Vec<Entry> = Vec::new();
    let mut places: BTreeMap<Key, usize> = BTreeMap::new();
    for entry in entries {
        if let Ok(uri) = &entry.target {
            let unnamed = uri.as_str() == ANONYMOUS;
            let class = unnamed.then_some(entry.copy);
            let key = (identity(uri), entry.method.clone(), class);
            if let Some(first) = places.get(&key).and_then(|at| merged.get_mut(*at)) {
                first.copy = first.copy.max(entry.copy);
                first.says_bcc |= entry.says_bcc;
                first.anonymize |= entry.anonymize;
                if unnamed {
                    first.count = first.count.saturating_add(entry.count);
                }
                continue;
            }
            places.insert(key, merged.len());
        }
        merged.push(entry);
    }
    merged
}

impl Entry {
    /// Whoever wrote the entry does not want the others to learn whom it names. Of clients that know nothing
    /// of copyControl, and so say nothing, this is not meant.
    pub fn is_hidden(&self) -> bool {
        self.anonymize || (self.says_bcc && self.copy == CopyControl::Bcc)
    }

    /// Reads a `uri` attribute; everything else at its default.
    ///
    /// # Errors
    /// [`ListError::Malformed`] for a method that is none, or two that differ.
    pub(super) fn of(uri: &str) -> Result<Entry, ListError> {
        let uri = uri.trim();
        let text = text::shown(uri.as_bytes());
        let malformed_method = |uri: &Uri| {
            let shown = text::excerpt(uri.as_str().as_bytes());
            ListError::Malformed(format!("method of {shown}"))
        };
        let (target, method, headers) = match Uri::parse(uri.as_bytes()) {
            Ok(uri) => {
                let method = refer_to::method_of(&uri).map_err(|_| malformed_method(&uri))?;
                (Ok(uri.to_target()), method, uri.headers())
            }
            Err(error) => (Err(error), None, Vec::new()),
        };
        Ok(Entry {
            target,
            text,
            method,
            headers,
            copy: CopyControl::default(),
            says_bcc: false,
            anonymize: false,
            count: 1,
            display: None,
        })
    }
}
