//! RFC 5118: IPv6 addresses wherever an address may stand.

use super::rows::Outcome::*;
use super::rows::{started, Row};

const VICTIM: &str = "sip:victim@home1.test";

pub const ROWS: &[Row] = &[
    Row {
        section: "4.1",
        what: "IPv6 references in From, To, Contact, Via and Refer-To",
        outcome: Invites("sip:victim@[2001:db8::20]"),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "sip:user@[2001:db8::10]")
                .with("From", format!("sip:user@example.com;tag={}", g.token))
                .and("Via", "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111")
                .with("Contact", "\"Caller\" <sip:caller@[2001:db8::1]>")
                .with("Refer-To", "<sip:victim@[2001:db8::20]>")
                .to_bytes()
        },
    },
    Row {
        section: "4.1",
        what: "an IPv6 reference in the Request-URI that is not ours",
        outcome: Refused(&[404]),
        stream: true,
        message: |g| started(g.refer(), "REFER sip:[2001:db8::10] SIP/2.0"),
    },
    Row {
        section: "4.2",
        what: "no brackets in the Request-URI",
        outcome: Refused(&[400]),
        stream: true,
        message: |g| started(g.refer(), "REFER sip:2001:db8::10 SIP/2.0"),
    },
    Row {
        section: "4.2",
        what: "no brackets in the Request-URI, as REGISTER",
        outcome: Refused(&[400]),
        stream: true,
        message: |g| started(g.request("REGISTER"), "REGISTER sip:2001:db8::10 SIP/2.0"),
    },
    Row {
        section: "4.2",
        what: "no brackets in Refer-To",
        outcome: Refused(&[400]),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:victim@2001:db8::10>")
                .to_bytes()
        },
    },
    Row {
        section: "4.2",
        what: "no brackets in From",
        outcome: RefusedOrDropped(&[400]),
        stream: true,
        message: |g| {
            g.refer()
                .with("From", format!("<sip:user@2001:db8::10>;tag={}", g.token))
                .to_bytes()
        },
    },
    Row {
        section: "4.3",
        what: "what looks like a port is part of the address",
        outcome: Invites("sip:victim@[2001:db8::10:5070]"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:victim@[2001:db8::10:5070]>")
                .to_bytes()
        },
    },
    Row {
        section: "4.4",
        what: "a port behind the brackets",
        outcome: Invites("sip:victim@[2001:db8::10]:5070"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:victim@[2001:db8::10]:5070>")
                .to_bytes()
        },
    },
    Row {
        section: "4.5",
        what: "received with brackets",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .and(
                    "Via",
                    "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
                )
                .to_bytes()
        },
    },
    Row {
        section: "4.5",
        what: "received without brackets",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .and(
                    "Via",
                    "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3",
                )
                .to_bytes()
        },
    },
    Row {
        // A session description without anything for a group session: read, and refused for that.
        section: "4.6",
        what: "IPv6 addresses in the session description",
        outcome: Refused(&[488]),
        stream: true,
        message: |g| {
            g.invite()
                .body(
                    "application/sdp",
                    "v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live video feed for today's meeting\r\n\
                     c=IN IP6 2001:db8::20\r\nt=3338481189 3370017201\r\nm=audio 6000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n\
                     m=video 6024 RTP/AVP 107\r\na=rtpmap:107 H263-1998/90000\r\n",
                )
                .to_bytes()
        },
    },
    Row {
        section: "4.7",
        what: "addresses of both kinds in the headers",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .and(
                    "Via",
                    "SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111",
                )
                .and(
                    "Via",
                    "SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK-as3;received=192.0.2.200",
                )
                .with("Contact", "\"Caller\" <sip:caller@[2001:db8::20]:5060>")
                .and(
                    "Record-Route",
                    "<sip:[2001:db8::30];lr>, <sip:192.0.2.30;lr>",
                )
                .to_bytes()
        },
    },
    Row {
        section: "4.8",
        what: "addresses of both kinds in the session description",
        outcome: Refused(&[488]),
        stream: true,
        message: |g| {
            g.invite()
                .body(
                    "application/sdp",
                    "v=0\r\no=bob 280744730 28977631 IN IP4 host.example.com\r\ns=\r\nt=0 0\r\nm=audio 22334 RTP/AVP 0\r\n\
                     c=IN IP4 192.0.2.1\r\nm=video 6024 RTP/AVP 107\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:107 H263-1998/90000\r\n",
                )
                .to_bytes()
        },
    },
    Row {
        section: "4.9",
        what: "IPv4 addresses mapped to IPv6",
        outcome: Invites("sip:victim@[::ffff:192.0.2.10]:19823"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Contact", "\"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>")
                .and(
                    "Via",
                    "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
                )
                .with("Refer-To", "<sip:victim@[::ffff:192.0.2.10]:19823>")
                .to_bytes()
        },
    },
    Row {
        section: "4.10",
        what: "three colons, as the ABNF of RFC 3261 had it: no address",
        outcome: Refused(&[400]),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:victim@[2001:db8:::192.0.2.1]>")
                .to_bytes()
        },
    },
    Row {
        section: "4.10",
        what: "three colons in a Via below the topmost",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .and(
                    "Via",
                    "SIP/2.0/UDP 192.0.2.1:5060;received=[2001:db8:::192.0.2.1];branch=z9hG4bKas3",
                )
                .to_bytes()
        },
    },
    Row {
        section: "4.10",
        what: "two colons, as it was meant",
        outcome: Invites("sip:victim@[2001:db8::192.0.2.1]"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:victim@[2001:db8::192.0.2.1]>")
                .to_bytes()
        },
    },
];
