//! RFC 4475 sections 3.2 to 3.4: messages that are well-formed, and strange for a transaction, an application or by age.

use super::rows::Outcome::*;
use super::rows::{started, Ground, Row};
use crate::kit::Msg;

const VICTIM: &str = "sip:victim@home1.test";
const BAD: &[u16] = &[400];

pub const ROWS: &[Row] = &[
    Row {
        section: "3.2.1",
        what: "a branch that is the cookie alone",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Via", format!("{};branch=z9hG4bK", g.via))
                .to_bytes()
        },
    },
    Row {
        section: "3.2.1",
        what: "the same branch in another request is another transaction",
        outcome: Invites("sip:other@home1.test"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Via", format!("{};branch=z9hG4bK", g.via))
                .with("Refer-To", "<sip:other@home1.test>")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.1",
        what: "no Call-ID, From, To",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .without("Call-ID")
                .without("From")
                .without("To")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.1",
        what: "no Call-ID",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().without("Call-ID").to_bytes(),
    },
    Row {
        section: "3.3.1",
        what: "no To",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().without("To").to_bytes(),
    },
    Row {
        section: "3.3.1",
        what: "no From",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().without("From").to_bytes(),
    },
    Row {
        section: "3.3.1",
        what: "no CSeq",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().without("CSeq").to_bytes(),
    },
    Row {
        section: "3.3.1",
        what: "no Via",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().without("Via").to_bytes(),
    },
    Row {
        section: "3.3.2",
        what: "a Request-URI of an unknown scheme",
        outcome: Refused(&[416]),
        stream: true,
        message: |g| {
            started(
                g.refer(),
                "REFER nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
            )
        },
    },
    Row {
        section: "3.3.3",
        what: "a Request-URI of a known scheme that is not SIP's",
        outcome: Refused(&[416]),
        stream: true,
        message: |g| started(g.refer(), "REFER soap.beep://192.0.2.103:3002 SIP/2.0"),
    },
    Row {
        section: "3.3.2",
        what: "a Request-URI of an unknown scheme, as OPTIONS",
        outcome: Refused(&[416]),
        stream: true,
        message: |g| {
            started(
                g.request("OPTIONS"),
                "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0",
            )
        },
    },
    Row {
        section: "3.3.3",
        what: "a Request-URI of a known scheme that is not SIP's, as OPTIONS",
        outcome: Refused(&[416]),
        stream: true,
        message: |g| {
            started(
                g.request("OPTIONS"),
                "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0",
            )
        },
    },
    Row {
        section: "3.3.4",
        what: "unknown schemes in From, To and Contact",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "isbn:2983792873")
                .with("From", format!("<http://www.example.com>;tag={}", g.token))
                .with("Contact", "<name:John_Smith>")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.5",
        what: "Require and Proxy-Require of extensions nobody knows",
        outcome: Refused(&[420]),
        stream: true,
        message: |g| {
            g.refer()
                .with("Require", "nothingSupportsThis, nothingSupportsThisEither")
                .with(
                    "Proxy-Require",
                    "noProxiesSupportThis, norDoAnyProxiesSupportThis",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.3.5",
        what: "Require and Proxy-Require of extensions nobody knows, as OPTIONS",
        outcome: Refused(&[420]),
        stream: true,
        message: |g| {
            g.request("OPTIONS")
                .with("Require", "nothingSupportsThis, nothingSupportsThisEither")
                .with(
                    "Proxy-Require",
                    "noProxiesSupportThis, norDoAnyProxiesSupportThis",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.3.6",
        what: "a body of an unknown type, as INVITE",
        outcome: Refused(&[415]),
        stream: true,
        message: |g| {
            g.invite()
                .body(
                    "application/unknownformat",
                    "<audio>\r\n <pcmu port=\"443\"/>\r\n</audio>\r\n",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.3.6",
        what: "a list of an unknown type",
        outcome: Refused(&[415]),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<cid:list@home1.test>")
                .with("Content-ID", "<list@home1.test>")
                .body("application/unknownformat", "<audio/>\r\n")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.7",
        what: "an unknown scheme of Authorization",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Authorization", "NoOneKnowsThisScheme opaque-data=here")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.8",
        what: "several values where there may be one",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .and("CSeq", "59 REFER")
                .and("Call-ID", "multi01.98asdh@192.0.2.2")
                .and("From", "sip:caller@example.com;tag=3413415")
                .and("To", "sip:other@example.net")
                .and("Max-Forwards", "5")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.8",
        what: "two From",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| {
            g.refer()
                .and("f", "sip:caller@example.com;tag=3413415")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.8",
        what: "two CSeq",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().and("CSeq", "59 REFER").to_bytes(),
    },
    Row {
        section: "3.3.8",
        what: "two Call-ID",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().and("i", "multi01.98asdh@192.0.2.2").to_bytes(),
    },
    Row {
        section: "3.3.8",
        what: "two Max-Forwards",
        outcome: RefusedOrDropped(BAD),
        stream: true,
        message: |g| g.refer().and("Max-Forwards", "5").to_bytes(),
    },
    Row {
        section: "3.3.9",
        what: "two Content-Length that differ",
        outcome: RefusedOrDropped(BAD),
        // Where the message ends is the question.
        stream: false,
        message: |g| {
            let mut refer = g
                .refer()
                .and("Content-Length", "13")
                .and("Content-Length", "5");
            refer.body =
                b"There's no way to know how many octets are supposed to be here.\r\n".to_vec();
            refer.to_bytes()
        },
    },
    Row {
        section: "3.3.10",
        what: "a 200 to nothing, with a Via that is not ours",
        outcome: Dropped,
        stream: true,
        message: |g| {
            let answer = g
                .request("INVITE")
                .with("Via", "SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923")
                .and("Via", "SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23")
                .with("To", "sip:j.user@example.com;tag=1235512");
            started(answer, "SIP/2.0 200 OK")
        },
    },
    Row {
        section: "3.3.11",
        what: "Max-Forwards 0: the last one to get it serves it",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| g.refer().with("Max-Forwards", "0").to_bytes(),
    },
    Row {
        section: "3.3.11",
        what: "Max-Forwards 0, as OPTIONS",
        outcome: Accepted,
        stream: true,
        message: |g| g.request("OPTIONS").with("Max-Forwards", "0").to_bytes(),
    },
    Row {
        section: "3.3.12",
        what: "an unknown parameter of Contact",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Contact", "sip:+19725552222@gw1.example.net;unknownparam")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.13",
        what: "an unknown parameter of the URI in Contact",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("Contact", "<sip:+19725552222@gw1.example.net;unknownparam>")
                .to_bytes()
        },
    },
    Row {
        section: "3.3.14",
        what: "a header escaped into the URI of Contact",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with(
                    "Contact",
                    "<sip:user@example.com?Route=%3Csip:sip.example.com%3E>",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.3.15",
        what: "an INVITE that accepts nothing we could send",
        outcome: Refused(&[400, 406]),
        stream: true,
        message: |g| {
            let mut invite = g.request("INVITE").with("Accept", "text/nobodyKnowsThis");
            invite.body = Vec::new();
            invite.to_bytes()
        },
    },
    Row {
        section: "3.3.15",
        what: "an INVITE with an offer that accepts no answer",
        outcome: Refused(&[400, 406]),
        stream: true,
        message: |g| g.invite().with("Accept", "text/nobodyKnowsThis").to_bytes(),
    },
    Row {
        // Every peer on this interface speaks RFC 3261: a From without tag is refused with its reason.
        section: "3.4.1",
        what:
            "an INVITE from before RFC 3261: no branch, no tag, no Max-Forwards, no Content-Length",
        outcome: Refused(BAD),
        stream: false,
        message: |g| {
            let invite = aged(g).with("From", "<sip:+15551234567@example.com;user=phone>");
            unmeasured(invite)
        },
    },
    Row {
        // With a tag it is read to its end: a session description without anything for a group session.
        section: "3.4.1",
        what: "the same with a tag",
        outcome: Refused(&[488]),
        stream: false,
        message: |g| unmeasured(aged(g)),
    },
];

fn aged(g: &Ground) -> Msg {
    g.invite().with("Via", &g.via).without("Max-Forwards").with(
        "Record-Route",
        "<sip:UserB@example.com;maddr=ss1.example.com>",
    )
}

/// Without Content-Length, which the kit would add.
fn unmeasured(msg: Msg) -> Vec<u8> {
    let text = String::from_utf8(msg.to_bytes()).expect("text");
    let lines = text.split_inclusive("\r\n");
    let kept = lines.filter(|line| !line.starts_with("Content-Length"));
    kept.collect::<String>().into_bytes()
}
