//! RFC 4475 section 3.1.2: messages that are not valid. None of them has any effect.

use super::rows::Outcome::*;
use super::rows::{started, Row, AUDIO};

const VICTIM: &str = "sip:victim@home1.test";
const BAD: &[u16] = &[400];

pub const ROWS: &[Row] = &[
    Row {
        section: "3.1.2.1",
        what: "extraneous separators in Via",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("Via", format!("{};branch=z9hG4bK{};;,;,,", g.via, g.token))
                .to_bytes()
        },
    },
    Row {
        // Liberal where nothing depends on it (the RFC leaves it open): they are skipped.
        section: "3.1.2.1",
        what: "extraneous separators in Contact",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Contact", "\"Joe\" <sip:joe@example.org>;;;;")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.2",
        what: "Content-Length larger than the message",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().and("Content-Length", "9999").to_bytes(),
    },
    Row {
        section: "3.1.2.2",
        what: "Content-Length larger than the message, as INVITE",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.invite().and("Content-Length", "9999").to_bytes(),
    },
    Row {
        section: "3.1.2.3",
        what: "negative Content-Length",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().and("Content-Length", "-999").to_bytes(),
    },
    Row {
        section: "3.1.2.4",
        what: "scalars beyond their range",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("CSeq", "36893488147419103232 REFER")
                .with("Max-Forwards", "300")
                .with("Expires", "10000000000000000000000000000000000")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.4",
        what: "CSeq beyond its range",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("CSeq", "36893488147419103232 REFER")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.4",
        what: "Max-Forwards beyond its range",
        outcome: Refused(BAD),
        stream: true,
        message: |g| g.refer().with("Max-Forwards", "300").to_bytes(),
    },
    Row {
        section: "3.1.2.5",
        what: "scalars of an answer beyond their range",
        outcome: Dropped,
        stream: true,
        message: |g| {
            let answer = g
                .request("INVITE")
                .with("CSeq", "9292394834772304023312 OPTIONS")
                .with("Retry-After", "949302838503028349304023988")
                .with("Warning", "1812 overture \"In Progress\"");
            started(answer, "SIP/2.0 503 Service Unavailable")
        },
    },
    Row {
        section: "3.1.2.6",
        what: "an unterminated quoted string in To",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "\"Mr. J. User <sip:j.user@example.com>")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.6",
        what: "an unterminated quoted string in Refer-To",
        outcome: Refused(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", format!("\"Mr. J. User <{VICTIM}>"))
                .to_bytes()
        },
    },
    Row {
        // It names nothing of ours, so the routing script answers.
        section: "3.1.2.7",
        what: "<> around the Request-URI",
        outcome: Refused(BAD),
        stream: true,
        message: |g| started(g.refer(), &format!("REFER <{}> SIP/2.0", g.focus)),
    },
    Row {
        section: "3.1.2.8",
        what: "a blank within the Request-URI",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| started(g.refer(), &format!("REFER {}; lr SIP/2.0", g.focus)),
    },
    Row {
        section: "3.1.2.9",
        what: "several blanks in the start line",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| started(g.refer(), &format!("REFER  {}  SIP/2.0", g.focus)),
    },
    Row {
        section: "3.1.2.10",
        what: "blanks at the end of the start line",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| started(g.refer(), &format!("REFER {} SIP/2.0  ", g.focus)),
    },
    Row {
        // Liberal, which the RFC allows: they are ignored.
        section: "3.1.2.11",
        what: "headers in the Request-URI",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            let start = format!("REFER {}?Route=%3Csip:example.com%3E SIP/2.0", g.focus);
            started(g.refer(), &start)
        },
    },
    Row {
        // The RFC allows to ignore a Date that is of no interest.
        section: "3.1.2.12",
        what: "a time zone that is not GMT in Date",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Date", "Fri, 01 Jan 2010 16:00:00 EST")
                .to_bytes()
        },
    },
    Row {
        // Clients write it so (requirements section 11); what is embedded goes nowhere.
        section: "3.1.2.13",
        what: "no <> around a Refer-To with embedded headers",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with(
                    "Refer-To",
                    format!("{VICTIM}?Route=%3Csip:sip.example.com%3E"),
                )
                .to_bytes()
        },
    },
    Row {
        // Liberal: it is taken without what is embedded.
        section: "3.1.2.13",
        what: "no <> around a Contact with embedded headers",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with(
                    "Contact",
                    "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.14",
        what: "blanks within an address in To",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "\"Watson, Thomas\" < sip:t.watson@example.org >")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.14",
        what: "blanks within an address in Refer-To",
        outcome: Refused(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", format!("\"Watson, Thomas\" < {VICTIM} >"))
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.15",
        what: "a display name that is no token and not quoted, in From",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with(
                    "From",
                    format!("Bell, Alexander <sip:a.g.bell@example.com>;tag={}", g.token),
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.15",
        what: "a display name that is no token and not quoted, in Refer-To",
        outcome: Refused(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", format!("Bell, Alexander <{VICTIM}>"))
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.16",
        what: "another version",
        outcome: RefusedOrDropped(&[505]),
        stream: true,
        message: |g| started(g.refer(), &format!("REFER {} SIP/7.0", g.focus)),
    },
    Row {
        section: "3.1.2.16",
        what: "another version, in Via too",
        outcome: RefusedOrDropped(&[505]),
        stream: true,
        message: |g| {
            let via = g.via.replace("SIP/2.0", "SIP/7.0");
            let refer = g
                .refer()
                .with("Via", format!("{via};branch=z9hG4bK{}", g.token));
            started(refer, &format!("REFER {} SIP/7.0", g.focus))
        },
    },
    Row {
        section: "3.1.2.17",
        what: "a known method, another one in CSeq",
        outcome: Refused(BAD),
        stream: true,
        message: |g| g.refer().with("CSeq", "8 INVITE").to_bytes(),
    },
    Row {
        section: "3.1.2.17",
        what: "OPTIONS, INVITE in CSeq",
        outcome: Refused(BAD),
        stream: true,
        message: |g| g.request("OPTIONS").with("CSeq", "8 INVITE").to_bytes(),
    },
    Row {
        section: "3.1.2.18",
        what: "an unknown method, another one in CSeq",
        outcome: Refused(&[400, 501]),
        stream: true,
        message: |g| {
            g.request("NEWMETHOD")
                .with("CSeq", "8 INVITE")
                .body("application/sdp", AUDIO)
                .to_bytes()
        },
    },
    Row {
        section: "3.1.2.19",
        what: "a status beyond its range",
        outcome: Dropped,
        stream: true,
        message: |g| {
            started(
                g.request("INVITE"),
                "SIP/2.0 4294967301 better not break the receiver",
            )
        },
    },
];
