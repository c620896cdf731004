//! application/conference-info+xml (RFC 4575): a session as its subscribers are shown it, typed and as XML.

use std::io::{self, Write};

use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};
use quick_xml::Writer;
use serde::{Deserialize, Serialize};

/// Media type of the documents, and what a SUBSCRIBE without Accept accepts (RFC 4575 section 3.4).
pub const CONTENT_TYPE: &str = "application/conference-info+xml";

/// Namespace of every element (RFC 4575 section 4.2).
pub const NAMESPACE: &str = "urn:ietf:params:xml:ns:conference-info";

/// Longest text taken for the name of a user that is no SIP or tel URI, in bytes.
const MAX_ENTITY: usize = 256;

/// A full document, or a change to one (RFC 4575 section 5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// URI of the conference.
    pub entity: String,
    /// How it relates to the document before.
    pub state: State,
    /// Version of the document, one more with each (RFC 4575 section 4.4).
    pub version: u32,
    /// `None` in a change: as before.
    pub description: Option<Description>,
    /// `None`: not said.
    pub conference_state: Option<ConferenceState>,
    /// All users of a full document, the changed ones of a change.
    pub users: Vec<User>,
}

/// How an element relates to what the subscriber knows already (RFC 4575 section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It replaces what was known.
    Full,
    /// It changes what was known.
    Partial,
    /// What was known is no more.
    Deleted,
}

/// What the conference is called (RFC 4575 section 5.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// A name to show.
    pub display_text: Option<String>,
    /// Subject of the conversation.
    pub subject: Option<String>,
    /// Most people, connected and pending.
    pub maximum_user_count: Option<u32>,
}

/// How the conference is at the moment (RFC 4575 section 5.5). It has no state of its own: every document
/// that has it has all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConferenceState {
    /// Connected participants.
    pub user_count: u32,
    /// The session is live.
    pub active: bool,
}

/// One person (RFC 4575 section 5.6); always told as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Key among the users: a URI.
    pub entity: String,
    /// `Full` or `Deleted`.
    pub state: State,
    /// A name to show.
    pub display_text: Option<String>,
    /// It is the subscriber itself. Attribute `yourown`, which deployed clients read and the schema does not
    /// know.
    pub yourown: bool,
    /// What the person may do.
    pub roles: Vec<Role>,
    /// `None` when `Deleted` because the same person is in by another leg.
    pub endpoint: Option<Endpoint>,
}

/// A role; RFC 4575 section 5.6.3 leaves the words to the conferencing system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// May remove others.
    Administrator,
    /// May not.
    Participant,
}

/// A device of a person; here the leg (RFC 4575 section 5.7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Key among the endpoints of its user.
    pub entity: String,
    /// Who had it invited, and when.
    pub referred: Option<Execution>,
    /// How far it is in.
    pub status: Status,
    /// How it came in, and when. `None`: it has not.
    pub joining: Option<(Joining, Execution)>,
    /// How it went, and when. `None`: it has not.
    pub disconnection: Option<(Disconnection, Execution)>,
}

/// How far an endpoint is in (RFC 4575 section 5.7.3), as far as a focus without media can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Its INVITE waits for its turn.
    Pending,
    /// Its INVITE was sent.
    DialingOut,
    /// It rings.
    Alerting,
    /// In, but it asked to be sent nothing.
    OnHold,
    /// In.
    Connected,
    /// Not in any more.
    Disconnected,
}

/// Who dialled (RFC 4575 section 5.7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Joining {
    /// The participant did.
    DialedIn,
    /// The focus did.
    DialedOut,
}

/// How somebody went (RFC 4575 section 5.7.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disconnection {
    /// By their own will.
    Departed,
    /// Removed.
    Booted,
    /// Not reached, or lost.
    Failed,
    /// Busy.
    Busy,
}

/// When, why and by whom something was done (RFC 4575 sections 5.7.2, 5.7.5 and 5.7.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Execution {
    /// Seconds since 1970, UTC.
    pub when: Option<i64>,
    /// Text; in the form of RFC 3326 where SIP gave the reason.
    pub reason: Option<String>,
    /// URI.
    pub by: Option<String>,
}

impl Document {
    /// The document as UTF-8 text. Characters that XML has no place for become blanks.
    pub fn to_xml(&self) -> Vec<u8> {
        let mut writer = Writer::new(Vec::with_capacity(512 + 512 * self.users.len()));
        // A Vec never fails to be written to.
        let _ = self.write(&mut writer);
        writer.into_inner()
    }

    fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let version = self.version.to_string();
        let root = [
            ("xmlns", NAMESPACE),
            ("entity", self.entity.as_str()),
            ("state", self.state.as_str()),
            ("version", version.as_str()),
        ];
        element(writer, "conference-info", &root, |writer| {
            if let Some(description) = &self.description {
                description.write(writer)?;
            }
            if let Some(state) = self.conference_state {
                element(writer, "conference-state", &[], |writer| {
                    text(writer, "user-count", &state.user_count.to_string())?;
                    text(writer, "active", &state.active.to_string())
                })?;
            }
            let full = self.state == State::Full;
            if !full && self.users.is_empty() {
                return Ok(());
            }
            element(
                writer,
                "users",
                &[("state", self.state.as_str())],
                |writer| self.users.iter().try_for_each(|user| user.write(writer)),
            )
        })
    }
}

impl Description {
    fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        element(writer, "conference-description", &[], |writer| {
            maybe(writer, "display-text", self.display_text.as_deref())?;
            maybe(writer, "subject", self.subject.as_deref())?;
            let most = self.maximum_user_count.map(|most| most.to_string());
            maybe(writer, "maximum-user-count", most.as_deref())
        })
    }
}

impl User {
    /// How many bytes of a document it takes.
    pub fn length(&self) -> usize {
        let mut writer = Writer::new(Vec::new());
        // As above.
        let _ = self.write(&mut writer);
        writer.into_inner().len()
    }

    fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        let mut attributes = vec![
            ("entity", self.entity.as_str()),
            ("state", self.state.as_str()),
        ];
        if self.yourown {
            attributes.push(("yourown", "true"));
        }
        element(writer, "user", &attributes, |writer| {
            maybe(writer, "display-text", self.display_text.as_deref())?;
            if !self.roles.is_empty() {
                element(writer, "roles", &[], |writer| {
                    let mut words = self.roles.iter().flat_map(|role| role.words());
                    words.try_for_each(|word| text(writer, "entry", word))
                })?;
            }
            match &self.endpoint {
                Some(endpoint) => endpoint.write(writer),
                None => Ok(()),
            }
        })
    }
}

impl Endpoint {
    fn write<W: Write>(&self, writer: &mut Writer<W>) -> io::Result<()> {
        let attributes = [
            ("entity", self.entity.as_str()),
            ("state", State::Full.as_str()),
        ];
        element(writer, "endpoint", &attributes, |writer| {
            if let Some(referred) = &self.referred {
                referred.write(writer, "referred")?;
            }
            text(writer, "status", self.status.as_str())?;
            if let Some((method, info)) = &self.joining {
                text(writer, "joining-method", method.as_str())?;
                info.write(writer, "joining-info")?;
            }
            if let Some((method, info)) = &self.disconnection {
                text(writer, "disconnection-method", method.as_str())?;
                info.write(writer, "disconnection-info")?;
            }
            Ok(())
        })
    }
}

impl Execution {
    fn write<W: Write>(&self, writer: &mut Writer<W>, name: &str) -> io::Result<()> {
        element(writer, name, &[], |writer| {
            maybe(writer, "when", self.when.map(date_time).as_deref())?;
            maybe(writer, "reason", self.reason.as_deref())?;
            maybe(writer, "by", self.by.as_deref())
        })
    }
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            State::Full => "full",
            State::Partial => "partial",
            State::Deleted => "deleted",
        }
    }
}

impl Role {
    /// The words for it. Clients disagree about the first one.
    fn words(self) -> &'static [&'static str] {
        match self {
            Role::Administrator => &["administrator", "admin"],
            Role::Participant => &["participant"],
        }
    }
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::DialingOut => "dialing-out",
            Status::Alerting => "alerting",
            Status::OnHold => "on-hold",
            Status::Connected => "connected",
            Status::Disconnected => "disconnected",
        }
    }
}

impl Joining {
    fn as_str(self) -> &'static str {
        match self {
            Joining::DialedIn => "dialed-in",
            Joining::DialedOut => "dialed-out",
        }
    }
}

impl Disconnection {
    fn as_str(self) -> &'static str {
        match self {
            Disconnection::Departed => "departed",
            Disconnection::Booted => "booted",
            Disconnection::Failed => "failed",
            Disconnection::Busy => "busy",
        }
    }
}

/// RFC 3339 in UTC, which is an XML Schema dateTime: `2026-11-22T15:12:05Z`.
fn date_time(unix: i64) -> String {
    let moment = jiff::Timestamp::from_second(unix).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{moment:.0}")
}

fn element<W: Write>(
    writer: &mut Writer<W>,
    name: &str,
    attributes: &[(&str, &str)],
    content: impl FnOnce(&mut Writer<W>) -> io::Result<()>,
) -> io::Result<()> {
    let mut start = BytesStart::new(name);
    for (name, value) in attributes {
        start.push_attribute((*name, printable(value).as_str()));
    }
    writer.write_event(Event::Start(start))?;
    content(writer)?;
    writer.write_event(Event::End(BytesEnd::new(name)))
}

fn text<W: Write>(writer: &mut Writer<W>, name: &str, value: &str) -> io::Result<()> {
    element(writer, name, &[], |writer| {
        writer.write_event(Event::Text(BytesText::new(&printable(value))))
    })
}

fn maybe<W: Write>(writer: &mut Writer<W>, name: &str, value: Option<&str>) -> io::Result<()> {
    value.map_or(Ok(()), |value| text(writer, name, value))
}

/// Whether a text may stand where the schema wants a URI: a scheme, and nothing that would have to be escaped.
pub fn is_entity(text: &str) -> bool {
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let in_scheme = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
    let unescaped = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&b);
    let mut pieces = rest.split('%');
    let first = pieces.next().unwrap_or_default();
    let escaped = |piece: &str| {
        let bytes = piece.as_bytes();
        let hex = bytes.iter().take(2).filter(|b| b.is_ascii_hexdigit());
        hex.count() == 2 && bytes.iter().skip(2).all(|b| unescaped(*b))
    };
    text.len() <= MAX_ENTITY
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(in_scheme)
        && !rest.is_empty()
        && first.bytes().all(unescaped)
        && pieces.all(escaped)
}

/// Only characters that XML 1.0 section 2.2 knows, and no line breaks.
fn printable(value: &str) -> String {
    let fits = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    value
        .chars()
        .map(|c| if fits(c) { c } else { ' ' })
        .collect()
}

#[cfg(test)]
mod tests;
