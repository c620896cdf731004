//! What is true of every single message a correct server sends, checked on each one an endpoint receives.

use super::sip::{canonical, find, Msg};
use std::collections::HashMap;

/// The faults of one message as received, empty when there are none.
pub fn faults(raw: &[u8], stream: bool) -> Vec<String> {
    let msg = match Msg::parse(raw) {
        Ok(msg) => msg,
        Err(why) => return vec![format!("unparsable: {why}")],
    };
    let mut faults = Vec::new();
    let head = find(raw, b"\r\n\r\n").unwrap_or(raw.len());
    if String::from_utf8(raw[..head].to_vec()).is_err() {
        faults.push("the headers are not UTF-8".to_string());
    }
    if raw[..head].contains(&0) {
        faults.push("a NUL in the headers".to_string());
    }
    let bare = |i: usize| raw[i] == b'\n' && (i == 0 || raw[i - 1] != b'\r');
    if (0..head).any(bare) {
        faults.push("a bare line feed in the headers".to_string());
    }
    for once in ["From", "To", "Call-ID", "CSeq"] {
        if msg.all(once).len() != 1 {
            faults.push(format!("{} {once} headers", msg.all(once).len()));
        }
    }
    for at_most_once in SINGLE {
        if msg.all(at_most_once).len() > 1 {
            faults.push(format!(
                "{} {at_most_once} headers",
                msg.all(at_most_once).len()
            ));
        }
    }
    if msg.branch().is_none_or(|b| !b.starts_with("z9hG4bK")) {
        faults.push("no RFC 3261 branch in the topmost Via".to_string());
    }
    match msg.header("Content-Length").map(|v| v.parse::<usize>()) {
        Some(Ok(n)) if n == msg.body.len() => {}
        Some(other) => faults.push(format!("Content-Length {other:?}, body {}", msg.body.len())),
        None if stream => faults.push("no Content-Length over a stream".to_string()),
        None => {}
    }
    if !msg.body.is_empty() && msg.header("Content-Type").is_none() {
        faults.push("a body without Content-Type".to_string());
    }
    if msg.is_request() {
        request_faults(&msg, &mut faults);
    } else if msg.status() > 100 && msg.tag_to().is_none() {
        faults.push("a response without a To-tag".to_string());
    }
    faults
}

fn request_faults(msg: &Msg, faults: &mut Vec<String>) {
    if msg.cseq_method() != msg.method() {
        faults.push(format!("CSeq names {}", msg.cseq_method()));
    }
    if msg.tag_from().is_none() {
        faults.push("no From-tag".to_string());
    }
    // RFC 3261 section 8.1.1.6: in every request, the ACK included.
    match msg.header("Max-Forwards").map(|v| v.parse::<u8>()) {
        Some(Ok(1..)) => {}
        other => faults.push(format!("Max-Forwards {other:?}")),
    }
    // RFC 4028 section 7.1: in each request except ACK. (tm makes CANCEL; our endpoints know no timers.)
    let told = msg.has_token("Supported", "timer") || ["ACK", "CANCEL"].contains(&msg.method());
    if msg.header("User-Agent") == Some("cpm") && !told {
        faults.push(format!("{} without Supported: timer", msg.method()));
    }
    let contacts = msg.list("Contact").len();
    if ["INVITE", "NOTIFY", "UPDATE"].contains(&msg.method()) && contacts != 1 {
        faults.push(format!("{contacts} Contact values in {}", msg.method()));
    }
    if msg.method() == "NOTIFY" {
        for needed in ["Event", "Subscription-State"] {
            if msg.header(needed).is_none() {
                faults.push(format!("NOTIFY without {needed}"));
            }
        }
        let refer = msg.header("Event").is_some_and(|e| e.starts_with("refer"));
        if refer && !msg.body.ends_with(b"\r\n") {
            faults.push("NOTIFY whose sipfrag does not end with CRLF".to_string());
        }
    }
    if msg
        .headers
        .iter()
        .any(|(n, _)| canonical(n).starts_with("p-preferred-"))
    {
        faults.push("a P-Preferred header from a trusted element".to_string());
    }
}

const SINGLE: [&str; 14] = [
    "Max-Forwards",
    "Content-Length",
    "Content-Type",
    "Refer-Sub",
    "Referred-By",
    "Event",
    "Subscription-State",
    "Subject",
    "Server",
    "User-Agent",
    "Retry-After",
    "Conversation-ID",
    "Contribution-ID",
    "P-Asserted-Service",
];

/// Watches the CSeq numbers of the requests that reach one endpoint: within a dialog they only grow.
#[derive(Default)]
pub struct Order {
    last: HashMap<(String, String), u32>,
}

impl Order {
    /// Takes note of a request that is not a retransmission; tells what is wrong with its number.
    pub fn note(&mut self, msg: &Msg) -> Option<String> {
        if ["ACK", "CANCEL"].contains(&msg.method()) {
            return None;
        }
        let key = (msg.call_id().to_string(), msg.tag_from()?);
        let last = self.last.insert(key, msg.cseq());
        last.filter(|last| *last >= msg.cseq()).map(|last| {
            format!(
                "CSeq {} {} after {last} in one dialog",
                msg.cseq(),
                msg.method()
            )
        })
    }
}
