//! Header lines of what the focus sends, and the values that are the same everywhere.

use super::client_forms::ClientForms;
use super::settings::Settings;
use crate::sip::uri::Uri;

/// Methods that are served (RFC 3261 section 20.5).
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, REFER, SUBSCRIBE";
/// Option tags of the focus, in this order of RFC 4028 section 7.1, RFC 4488 section 4, RFC 7614
/// section 6, RFC 5368 section 4 and RFC 4538 section 6.
pub const SUPPORTED: &str = "timer, norefersub, nosub, multiple-refer, tdialog";
/// Event packages of the focus (RFC 6665 section 8.2.2).
pub const ALLOW_EVENTS: &str = "conference, refer";
/// Body types of a REFER or INVITE that are understood (RFC 3261 section 8.2.3).
pub const ACCEPT: &str = "application/resource-lists+xml, multipart/mixed, application/sdp";
/// Feature tags of our Contact (RFC 4579 section 4.2; the ICSI of a CPM group session).
pub const CONTACT_FEATURES: &str =
    ";isfocus;+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group\"";
/// ICSI of a CPM group session (RFC 6050).
pub const SERVICE: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";
/// The header that says which contribution a session is made in reply to (CPM).
pub const IN_REPLY_TO: &str = "InReplyTo-Contribution-ID";

/// What the usual message of ours needs, bytes.
const ROOM: usize = 512;

/// Header lines, each ended by CRLF.
#[derive(Clone, Debug, Default)]
pub struct HeaderLines(String);

impl HeaderLines {
    /// None yet.
    pub fn new() -> Self {
        HeaderLines::with_room(ROOM)
    }

    /// None yet, and room for so many bytes of them.
    pub fn with_room(bytes: usize) -> Self {
        HeaderLines(String::with_capacity(bytes))
    }

    /// More lines behind those in `text`.
    pub fn behind(text: String) -> Self {
        HeaderLines(text)
    }

    /// One more line. Values reach this from parsed types only; should a control character get here
    /// all the same it becomes a blank, so that no value can start a line of its own.
    pub fn line(self, name: &str, value: &str) -> Self {
        self.joined(name, &[value])
    }

    /// The same with a value in several pieces.
    pub fn joined(mut self, name: &str, pieces: &[&str]) -> Self {
        self.0.push_str(name);
        self.0.push_str(": ");
        let start = self.0.len();
        for piece in pieces {
            self.0.push_str(piece);
        }
        let value = self.0.get(start..).unwrap_or_default();
        if !is_plain(value) {
            let value = value.replace(char::is_control, " ");
            self.0.truncate(start);
            self.0.push_str(&value);
        }
        self.0.push_str("\r\n");
        self
    }

    /// The same if there is a value.
    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.line(name, value),
            None => self,
        }
    }

    /// Contact of the focus with its feature tags.
    pub fn contact(self, uri: &Uri) -> Self {
        self.contact_in(uri, ClientForms::default())
    }

    /// The same with the features that a client wants to see.
    pub fn contact_in(self, uri: &Uri, forms: ClientForms) -> Self {
        let more = forms.contact_params();
        let value = ["<", uri.as_str(), ">", CONTACT_FEATURES, &more];
        self.joined("Contact", &value)
    }

    /// The focus with this token as the asserted identity (RFC 3325).
    pub fn focus_identity(self, token: &str, settings: &Settings) -> Self {
        let value = ["<sip:", token, "@", &settings.domain, ">"];
        self.joined("P-Asserted-Identity", &value)
    }

    /// What the focus can do, for answers and requests that form a dialog.
    pub fn capabilities(self) -> Self {
        self.line("Allow", ALLOW)
            .supported()
            .line("Allow-Events", ALLOW_EVENTS)
    }

    /// Supported alone, for every other request but ACK: RFC 4028 section 7.1 wants `timer` named in
    /// each.
    pub fn supported(self) -> Self {
        self.line("Supported", SUPPORTED)
    }

    /// The lines.
    pub fn text(self) -> String {
        self.0
    }
}

/// Whether all of a text is printable ASCII. Every byte is looked at, so that many are at once.
fn is_plain(text: &str) -> bool {
    let printable = |all, byte| all & (b' '..=b'~').contains(&byte);
    text.bytes().fold(true, printable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_start_a_line_of_its_own() {
        let text = HeaderLines::new()
            .line("Subject", "a\r\nRoute: <sip:evil>\0")
            .text();
        assert_eq!(text, "Subject: a  Route: <sip:evil> \r\n");
        let text = HeaderLines::new()
            .joined("Subject", &["é\n", "\u{85}", "~"])
            .text();
        assert_eq!(text, "Subject: é  ~\r\n");
    }
}
