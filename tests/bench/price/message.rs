//! The messages of the load, as text with gaps, and the little that it reads of what comes back.
//! The kit's parser checks; this one is fast, so that the server is what the machine works for.

use std::net::SocketAddr;

/// What the load reads of a message.
pub struct Heard<'a> {
    /// The start line.
    pub start: &'a str,
    /// The Request-URI, or nothing of an answer.
    pub uri: &'a str,
    /// The status of an answer, or 0 of a request.
    pub status: u16,
    /// The method in CSeq.
    pub method: &'a str,
    pub call_id: &'a str,
    pub to: &'a str,
    /// What an answer repeats: Via, Record-Route, From, Call-ID, CSeq, with their line ends.
    repeated: String,
    head: &'a str,
}

impl<'a> Heard<'a> {
    /// Nothing, if it is no message.
    pub fn read(bytes: &'a [u8]) -> Option<Heard<'a>> {
        let end = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end + 2]).ok()?;
        let mut lines = head.split("\r\n");
        let start = lines.next()?;
        let mut heard = Heard {
            start,
            uri: "",
            status: 0,
            method: "",
            call_id: "",
            to: "",
            repeated: String::new(),
            head,
        };
        match start.strip_prefix("SIP/2.0 ") {
            Some(rest) => heard.status = rest.get(..3)?.parse().ok()?,
            None => heard.uri = start.split(' ').nth(1)?,
        }
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim_start();
            match name {
                "Via" | "Record-Route" | "From" => {}
                "Call-ID" => heard.call_id = value,
                "CSeq" => heard.method = value.split(' ').nth(1)?,
                "To" => {
                    heard.to = value;
                    continue;
                }
                _ => continue,
            }
            if heard.status == 0 {
                heard.repeated.push_str(line);
                heard.repeated.push_str("\r\n");
            }
        }
        Some(heard)
    }

    /// The value of a header, by the name as the server writes it.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.head.split("\r\n").find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(':')?;
            Some(value.trim_start())
        })
    }

    /// An answer to this request; `tag` is put into a To that has none, `more` is headers and body.
    pub fn answer(&self, status: &str, tag: &str, more: &str) -> String {
        let Heard { repeated, to, .. } = self;
        let tag = match to.contains(";tag=") {
            true => String::new(),
            false => format!(";tag={tag}"),
        };
        let more = match more {
            "" => "Content-Length: 0\r\n\r\n",
            more => more,
        };
        format!("SIP/2.0 {status}\r\n{repeated}To: {to}{tag}\r\n{more}")
    }
}

/// How long the first message in a stream is, once it is there in full.
pub fn framed(stream: &[u8]) -> Option<usize> {
    let head = stream.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&stream[..head]).expect("the server writes text");
    let length = text.split("\r\n").find_map(|line| {
        let value = line.strip_prefix("Content-Length:")?;
        value.trim().parse::<usize>().ok()
    });
    let all = head + length.expect("a message in a stream has a length");
    (stream.len() >= all).then_some(all)
}

/// The kinds of REFER: the first is accepted, the others are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With so many targets: one in Refer-To, more in a list.
    Accepted(usize),
    /// With one target, who declines: the session stays as big as it is.
    Declined,
    /// Without an asserted identity.
    Unasserted,
    /// From an address that is not trusted.
    Stranger,
    /// Its list is no XML.
    BrokenList,
    /// More targets than a list may have.
    HugeList,
    /// To a focus that never was.
    UnknownFocus,
}

/// Who asks, from where.
pub struct Phone {
    pub local: SocketAddr,
    /// `UDP` or `TCP`.
    pub transport: &'static str,
    /// At the end of a Contact URI: nothing, or the transport.
    pub suffix: &'static str,
}

pub const ALICE: &str = "sip:alice@home1.test";

impl Phone {
    /// A REFER outside a dialog, as it reaches an application server. Its number is in the Call-ID and in its targets.
    pub fn refer(&self, kind: Kind, number: u64, focus: &str) -> String {
        let (uri, many) = match kind {
            Kind::UnknownFocus => (focus.replace("sip:", "sip:no"), 1),
            Kind::Accepted(many) => (focus.to_owned(), many),
            Kind::HugeList => (focus.to_owned(), HUGE),
            _ => (focus.to_owned(), 1),
        };
        let user = if kind == Kind::Declined {
            DECLINES
        } else {
            't'
        };
        let asserted = match kind {
            Kind::Unasserted => String::new(),
            _ => format!("P-Asserted-Identity: <{ALICE}>\r\n"),
        };
        let body = match (kind, many) {
            (Kind::BrokenList, _) => {
                "<?xml version=\"1.0\"?>\r\n<resource-lists><list><entry".into()
            }
            (_, 1) => String::new(),
            (_, many) => list((0..many).map(|k| target(user, number, k))),
        };
        let to = match body.is_empty() {
            true => format!("Refer-To: <{}>\r\n", target(user, number, 0)),
            false => String::from(LISTED),
        };
        self.request(
            "REFER",
            &uri,
            &format!("r{number}"),
            &format!("{asserted}{to}"),
            &body,
        )
    }

    /// The INVITE of somebody who joins a group.
    pub fn join(&self, number: u64, who: &str, group: &str) -> String {
        let more = format!(
            "P-Asserted-Identity: <{who}>\r\nAccept-Contact: *;+g.3gpp.icsi-ref=\"{ICSI}\"\r\n\
             Conversation-ID: c{number}\r\nContribution-ID: d{number}\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE\r\nSupported: norefersub\r\n\
             Content-Type: application/sdp\r\n"
        );
        self.request(
            "INVITE",
            group,
            &format!("j{number}"),
            &more,
            &self.sdp("actpass"),
        )
    }

    /// The INVITE that makes an ad-hoc session with the targets of that flight.
    pub fn creation(&self, number: u64, flight: u64, targets: usize) -> String {
        let more = format!(
            "P-Asserted-Identity: <{ALICE}>\r\nAccept-Contact: *;+g.3gpp.icsi-ref=\"{ICSI}\"\r\n\
             Conversation-ID: c{number}\r\nContribution-ID: d{number}\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE\r\nSupported: norefersub\r\n\
             Require: recipient-list-invite\r\nContent-Type: multipart/mixed;boundary=\"b1\"\r\n"
        );
        let (sdp, list) = (
            self.sdp("actpass"),
            list((0..targets).map(|k| target('t', flight, k))),
        );
        let body = format!(
            "--b1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--b1\r\n\
             Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n\r\n\
             {list}\r\n--b1--\r\n"
        );
        let factory = "sip:conference-factory@conf.home1.test";
        self.request("INVITE", factory, &format!("j{number}"), &more, &body)
    }

    /// The ACK to the 200 that made our dialog.
    pub fn ack(&self, heard: &Heard<'_>, focus: &str) -> String {
        let Phone {
            local, transport, ..
        } = self;
        let Heard { call_id, to, .. } = heard;
        let from = heard.header("From").expect("an answer has a From");
        format!(
            "ACK {focus} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bKa{call_id}\r\nMax-Forwards: 68\r\n\
             From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n"
        )
    }

    fn request(&self, method: &str, uri: &str, id: &str, more: &str, body: &str) -> String {
        let Phone {
            local,
            transport,
            suffix,
        } = self;
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};branch=z9hG4bK{id}\r\nMax-Forwards: 68\r\n\
             From: <{ALICE}>;tag={id}\r\nTo: <{uri}>\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:alice@{local}{suffix}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// Headers and body of a target's 180.
    pub fn ringing(&self, user: &str) -> String {
        let Phone { local, suffix, .. } = self;
        format!("Contact: <sip:{user}@{local}{suffix}>\r\nContent-Length: 0\r\n\r\n")
    }

    /// Headers and body of a target's 200.
    pub fn accepting(&self, user: &str) -> String {
        let Phone { local, suffix, .. } = self;
        let sdp = self.sdp("passive");
        format!(
            "Contact: <sip:{user}@{local}{suffix}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
            sdp.len()
        )
    }

    /// An MSRP session description (RFC 4975 section 8).
    fn sdp(&self, setup: &str) -> String {
        let ip = self.local.ip();
        format!(
            "v=0\r\no=- 4711 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=message 28550 TCP/MSRP *\r\n\
             a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=setup:{setup}\r\na=sendrecv\r\n\
             a=path:msrp://{ip}:28550/load;tcp\r\n"
        )
    }
}

/// How the names of targets begin who decline.
const DECLINES: char = 'd';
/// More targets than `max_refer_targets` is by default.
const HUGE: usize = 150;
const ICSI: &str = "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group";
const LISTED: &str = "Require: multiple-refer\r\nRefer-To: <cid:list@home1.test>\r\nContent-ID: <list@home1.test>\r\n\
    Content-Disposition: recipient-list\r\nContent-Type: application/resource-lists+xml\r\n";

/// The URI of the k-th target of that REFER.
fn target(user: char, number: u64, k: usize) -> String {
    format!("sip:{user}{number}-{k}@home1.test")
}

/// Whether the target of that URI declines.
pub fn declines(uri: &str) -> bool {
    uri.strip_prefix("sip:")
        .is_some_and(|user| user.starts_with(DECLINES))
}

/// Number of the REFER and of its target, in a URI of a target or of its Contact.
pub fn target_in(uri: &str) -> Option<(u64, usize)> {
    let user = uri.strip_prefix("sip:")?.get(1..)?.split('@').next()?;
    let (number, k) = user.split_once('-')?;
    Some((number.parse().ok()?, k.parse().ok()?))
}

fn list(uris: impl Iterator<Item = String>) -> String {
    let entries: String = uris
        .map(|uri| format!("<entry uri=\"{uri}\" cp:copyControl=\"to\"/>"))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{entries}</list></resource-lists>"
    )
}
