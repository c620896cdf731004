//! Answers: the header lines every answer of the focus carries, and refusals that say why.
//! Not here: when to refuse (`super::session`, `super::route`).

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::action::{Action, Answer, Counter, Level};
use super::settings::Env;
use super::trail::{lines, ReferId, Show};
use crate::sip::status::reason_phrase;
use crate::sip::warning::warning;

/// Methods that really answer today (RFC 3261 section 20.5).
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, UPDATE, OPTIONS, REFER, SUBSCRIBE";
/// Option tags of the focus, in this order of RFC 4028 section 7.1, RFC 4488 section 4, RFC 7614 section 6,
/// RFC 5368 section 4 and RFC 4538 section 6.
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

/// Header lines, each ended by CRLF.
#[derive(Clone, Debug, Default)]
pub struct Lines(String);

impl Lines {
    pub fn new() -> Self {
        Lines::default()
    }

    /// Values reach this from parsed types only; should a control character get here all the same it
    /// becomes a blank, so that no value can start a line of its own.
    pub fn line(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(name);
        self.0.push_str(": ");
        self.0
            .extend(value.chars().map(|c| if c.is_control() { ' ' } else { c }));
        self.0.push_str("\r\n");
        self
    }

    pub fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.line(name, value),
            None => self,
        }
    }

    /// Contact of the focus with its feature tags.
    pub fn contact(self, uri: &str) -> Self {
        self.line("Contact", &format!("<{uri}>{CONTACT_FEATURES}"))
    }

    /// What the focus can do, for answers and requests that form a dialog.
    pub fn capabilities(self) -> Self {
        self.line("Allow", ALLOW)
            .supported()
            .line("Allow-Events", ALLOW_EVENTS)
    }

    /// For every other request but ACK: RFC 4028 section 7.1 wants `timer` named in each.
    pub fn supported(self) -> Self {
        self.line("Supported", SUPPORTED)
    }

    pub fn text(self) -> String {
        self.0
    }
}

/// Characters of a reason phrase or a log line's reason.
const LONGEST_WHY: usize = 300;

/// Why a request is not served.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: u16,
    /// The reason phrase is `why` instead of the usual one of the code.
    pub says_why: bool,
    /// Text of the Warning header.
    pub warning: Option<String>,
    /// Further header lines.
    pub headers: String,
    /// For the log.
    pub why: String,
    /// The believed identity of whoever is refused, if that is known yet.
    pub who: String,
    /// The REFER that is refused, once it has a name.
    pub refer: Option<ReferId>,
}

impl Refusal {
    pub fn new(code: u16, why: impl Into<String>) -> Self {
        Refusal {
            code,
            says_why: false,
            warning: None,
            headers: String::new(),
            // It may quote the request, but not at any length.
            why: why.into().chars().take(LONGEST_WHY).collect(),
            who: String::new(),
            refer: None,
        }
    }

    /// A 400 whose reason phrase says what was wrong.
    pub fn bad_request(what: impl Into<String>) -> Self {
        Refusal {
            says_why: true,
            ..Refusal::new(400, what)
        }
    }

    pub fn of(mut self, who: &str) -> Self {
        self.who = who.to_owned();
        self
    }

    pub fn about(mut self, refer: ReferId) -> Self {
        self.refer = Some(refer);
        self
    }

    pub fn warning(mut self, text: &str) -> Self {
        self.warning = Some(text.to_owned());
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers
            .push_str(&Lines::new().line(name, value).text());
        self
    }

    /// The answer and the log line of this refusal. `what` is the method, `from` what [`origin`] makes.
    pub fn actions(&self, env: &Env<'_>, what: &str, from: &str, session: &str) -> Vec<Action> {
        let line = |show: Show| {
            let mut line = format!("{what} refused {} why=\"{}\"", self.code, self.why);
            if !self.who.is_empty() {
                let _ = write!(line, " from={}", show.who(&self.who));
            }
            match show {
                // A trail has begun with where its REFER came from.
                Show::Redacted => line.push_str(from),
                Show::Whole => {
                    if let Some(warning) = &self.warning {
                        let _ = write!(line, " warning=\"{warning}\"");
                    }
                }
            }
            line
        };
        let mut actions = vec![Action::Answer(self.answer(env))];
        let about: Vec<ReferId> = self.refer.into_iter().collect();
        actions.extend(lines(&about, session, Level::Info, line));
        match what {
            "REFER" => actions.push(Action::Count(Counter::RefersRefused, 1)),
            "INVITE" => actions.push(Action::Count(Counter::JoinsRefused, 1)),
            _ => {}
        }
        actions
    }

    pub fn answer(&self, env: &Env<'_>) -> Answer {
        let warning = self
            .warning
            .as_deref()
            .map(|text| warning(&env.settings.domain, text));
        let headers = Lines::new().maybe("Warning", warning.as_deref()).text() + &self.headers;
        let reason = if self.says_why {
            printable(&self.why)
        } else {
            reason_phrase(self.code).to_owned()
        };
        Answer {
            code: self.code,
            reason,
            to_tag: env.token(),
            headers,
            body: Vec::new(),
            connects: None,
        }
    }
}

/// Where a request came from, for the log; with the group if it has no session whose token would tell.
pub fn origin(source: SocketAddr, group: Option<&str>) -> String {
    let group = group.map_or_else(String::new, |group| format!(" group={group}"));
    format!(" source={source}{group}")
}

/// A reason phrase may hold no control character (RFC 3261 section 25.1, Reason-Phrase).
fn printable(phrase: &str) -> String {
    phrase
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_start_a_line_of_its_own() {
        let text = Lines::new()
            .line("Subject", "a\r\nRoute: <sip:evil>\0")
            .text();
        assert_eq!(text, "Subject: a  Route: <sip:evil> \r\n");
    }
}
