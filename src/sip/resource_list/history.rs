//! The recipient-list-history body (RFC 5364 section 4, RFC 5366 section 5): what each invited
//! participant is told of the others.

use std::io::{self, Write};

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};
use quick_xml::Writer;

use super::{CopyControl, Entry};
use crate::sip::privacy::ANONYMOUS;
use crate::sip::uri::Uri;

/// Content-Disposition of the part; `handling=optional` is a MUST (RFC 5366 section 5).
pub const HISTORY_DISPOSITION: &str = "recipient-list-history; handling=optional";

/// A person whom the others may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The target; without `method` and embedded headers when it is written.
    pub uri: Uri,
    /// See [`CopyControl`].
    pub copy: CopyControl,
    /// Counted, not named.
    pub anonymize: bool,
    /// How many it stands for if anonymous.
    pub count: u32,
}

impl Entry {
    /// The entry as the others see it; `None` without a target.
    pub fn history(&self) -> Option<HistoryEntry> {
        Some(HistoryEntry {
            uri: self.target.clone().ok()?,
            copy: self.copy,
            anonymize: self.anonymize,
            count: self.count,
        })
    }
}

/// The document: first `to`, then `cc`; the named entries of each in order, then one anonymous entry
/// with the number of the others. `bcc` is left out, and beats `anonymize`. `None` when nobody is
/// left to tell of.
pub fn build_history(entries: &[HistoryEntry]) -> Option<Vec<u8>> {
    if entries.iter().all(|entry| entry.copy == CopyControl::Bcc) {
        return None;
    }
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    // A Vec never fails to be written to.
    write(&mut writer, entries).ok()?;
    Some(writer.into_inner())
}

fn write<W: Write>(writer: &mut Writer<W>, entries: &[HistoryEntry]) -> io::Result<()> {
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut root = BytesStart::new("resource-lists");
    root.push_attribute(("xmlns", "urn:ietf:params:xml:ns:resource-lists"));
    root.push_attribute(("xmlns:cp", "urn:ietf:params:xml:ns:copycontrol"));
    writer.write_event(Event::Start(root))?;
    writer.write_event(Event::Start(BytesStart::new("list")))?;
    for class in [CopyControl::To, CopyControl::Cc] {
        let mut unnamed: u64 = 0;
        for entry in entries.iter().filter(|entry| entry.copy == class) {
            if entry.anonymize || entry.uri.as_str() == ANONYMOUS {
                unnamed += u64::from(entry.count);
            } else {
                write_entry(writer, entry.uri.to_target().as_str(), class, None)?;
            }
        }
        if unnamed > 0 {
            write_entry(writer, ANONYMOUS, class, Some(unnamed))?;
        }
    }
    writer.write_event(Event::End(BytesEnd::new("list")))?;
    writer.write_event(Event::End(BytesEnd::new("resource-lists")))
}

fn write_entry<W: Write>(
    writer: &mut Writer<W>,
    uri: &str,
    class: CopyControl,
    count: Option<u64>,
) -> io::Result<()> {
    let mut entry = BytesStart::new("entry");
    entry.push_attribute(("uri", uri));
    entry.push_attribute(("cp:copyControl", class.name()));
    if let Some(count) = count {
        entry.push_attribute(("cp:count", count.to_string().as_str()));
    }
    writer.write_event(Event::Empty(entry))
}
