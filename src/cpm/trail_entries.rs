//! What one event adds to decision trails, as the bytes that are kept of it; and those bytes as a line of text.

use std::ops::Range;

use postcard::ser_flavors::Flavor;

use super::note::Note;
use super::records::ids::ReferId;
use super::redact::Show;

/// Longest line, in bytes, and most bytes that are kept of a note.
const MAX_LINE: usize = 1_000;

/// Ends a line that was cut.
const ELLIPSIS: &str = "…";

/// What one event adds to the trails of REFERs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailEntries {
    entries: Vec<(ReferId, Stored)>,
    /// All notes, one after the other.
    bytes: Vec<u8>,
}

/// What is added to a decision trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrailEntry<'a> {
    /// The REFER came in; everything before belongs to another one.
    Opened {
        /// Call-ID of the REFER; empty if it could not be read, or if there was no REFER.
        call_id: &'a str,
        /// The REFER is refused: there is nothing to follow.
        refused: bool,
    },
    /// One note, for [`line`].
    Note(&'a [u8]),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stored {
    Opened { call_id: String, refused: bool },
    Note(Range<usize>),
}

impl TrailEntries {
    /// Nothing yet, with room for what an event tells as a rule.
    pub(super) fn new() -> TrailEntries {
        TrailEntries {
            entries: Vec::with_capacity(8),
            bytes: Vec::with_capacity(512),
        }
    }

    /// Begins the trail of this REFER. `call_id` is empty for what was no readable request.
    pub fn open(&mut self, refer: ReferId, call_id: &str) {
        let opened = Stored::Opened {
            call_id: call_id.to_owned(),
            refused: false,
        };
        self.entries.push((refer, opened));
    }

    /// The trail that begins here is that of a refused REFER.
    pub fn mark_refused(&mut self, refer: ReferId) {
        for (its, entry) in &mut self.entries {
            match entry {
                Stored::Opened { refused, .. } if *its == refer => *refused = true,
                _ => {}
            }
        }
    }

    /// Adds a note to the trail of each of these REFERs.
    pub(super) fn add(&mut self, refers: &[ReferId], note: &Note<'_>) {
        let from = self.bytes.len();
        append(&mut self.bytes, note);
        if self.bytes.len() - from > MAX_LINE {
            self.bytes.truncate(from);
            let (bare, full) = (text(note, Show::Trail), text(note, Show::Whole));
            let (bare, full) = (bare.as_str(), full.as_str());
            append(&mut self.bytes, &Note::Cut { bare, full });
        }
        let range = from..self.bytes.len();
        let entries = refers.iter().map(|its| (*its, Stored::Note(range.clone())));
        self.entries.extend(entries);
    }

    /// All entries in order, each with the REFER whose trail it belongs to.
    pub fn iter(&self) -> impl Iterator<Item = (ReferId, TrailEntry<'_>)> {
        self.entries.iter().map(|(refer, stored)| {
            let entry = match stored {
                Stored::Opened { call_id, refused } => TrailEntry::Opened {
                    call_id,
                    refused: *refused,
                },
                Stored::Note(range) => {
                    TrailEntry::Note(self.bytes.get(range.clone()).unwrap_or_default())
                }
            };
            (*refer, entry)
        })
    }
}

/// A note of a trail as a line of text: with the names of those who are not to be named (`full`), or with
/// what stands for them. `None`: no note that this build has written.
pub fn line(note: &[u8], full: bool) -> Option<String> {
    let note: Note<'_> = postcard::from_bytes(note).ok()?;
    Some(text(&note, if full { Show::Whole } else { Show::Trail }))
}

/// At most [`MAX_LINE`] bytes, and [`ELLIPSIS`] if that is not all.
fn text(note: &Note<'_>, show: Show) -> String {
    let mut text = String::with_capacity(256);
    // A String takes everything.
    let _ = note.write(&mut text, show);
    let kept = text.floor_char_boundary(MAX_LINE);
    if kept < text.len() {
        text.truncate(kept);
        text.push_str(ELLIPSIS);
    }
    text
}

fn append(bytes: &mut Vec<u8>, note: &Note<'_>) {
    // A Vec takes everything. What were left of a note that could not be written is no note to `line`.
    let _ = postcard::serialize_with_flavor(note, Appended(bytes));
}

/// Where postcard writes to: behind what is there.
struct Appended<'a>(&'a mut Vec<u8>);

impl Flavor for Appended<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpm::redact::Who;

    /// The lines of these entries.
    fn lines(entries: &TrailEntries, full: bool) -> Vec<String> {
        let notes = entries.iter().filter_map(|(_, entry)| match entry {
            TrailEntry::Note(bytes) => line(bytes, full),
            TrailEntry::Opened { .. } => None,
        });
        notes.collect()
    }

    #[test]
    fn a_note_is_read_as_it_was_told() {
        let carol = Who::shown_as("sip:carol@home1.test", "sip:anonymous-1@anonymous.invalid");
        let dave = Who::open("sip:dave@home1.test");
        let mut entries = TrailEntries::new();
        entries.open(ReferId(7), "call");
        entries.mark_refused(ReferId(7));
        let about = Some(carol.to_ref());
        let notify = Note::Notify {
            cseq: 2,
            to: dave.to_ref(),
            status: 200,
            reason: "OK",
            about,
            state: "terminated;reason=noresource",
        };
        entries.add(&[ReferId(7), ReferId(8)], &notify);
        let all: Vec<_> = entries.iter().collect();
        let opened = TrailEntry::Opened {
            call_id: "call",
            refused: true,
        };
        assert_eq!(all[0], (ReferId(7), opened));
        assert_eq!((all[1].0, all[2].0), (ReferId(7), ReferId(8)));
        let story = |who: &str| {
            format!(
                "NOTIFY 2 to sip:dave@home1.test: 200 OK for {who}; terminated;reason=noresource"
            )
        };
        assert_eq!(
            lines(&entries, true),
            vec![story("sip:carol@home1.test"); 2]
        );
        let bare = story("sip:anonymous-1@anonymous.invalid");
        assert_eq!(lines(&entries, false), vec![bare; 2]);
    }

    #[test]
    fn a_long_note_keeps_its_beginning() {
        let carol = Who::unnamed("sip:carol@home1.test");
        let why = "ä".repeat(5_000);
        let mut entries = TrailEntries::new();
        entries.add(&[ReferId(7)], &Note::UnusableAnswer(carol.to_ref(), &why));
        for (full, name) in [(true, "sip:carol@"), (false, "sip:anonymous@")] {
            let [line] = lines(&entries, full).try_into().unwrap();
            assert!(line.starts_with(name) && line.ends_with("ä…"), "{line}");
            assert!((MAX_LINE - 1..=MAX_LINE + 3).contains(&line.len()));
            assert_eq!(line.contains("carol"), full);
        }
        assert!(entries.bytes.len() < 3 * MAX_LINE);
    }

    #[test]
    fn bytes_that_are_no_note_are_no_line() {
        for bytes in [&[][..], &[0xff; 40], &[3, 200], &[0, 1, 0xff]] {
            assert_eq!(line(bytes, true), None, "{bytes:?}");
        }
    }
}
