//! Bytes of requests and answers as SIP elements write them, and reading them back by `cpm::sip`.

use std::fmt::Write as _;

use cpm::sip::{Request, Response, Tag};

/// Everything a request of a peer or of tm consists of.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub method: String,
    pub uri: String,
    pub branch: String,
    /// Host and port of the sender's Via.
    pub via: String,
    /// Name-addrs without tag.
    pub from: String,
    pub from_tag: String,
    pub to: String,
    pub to_tag: Option<String>,
    pub call_id: String,
    pub cseq: u32,
    /// Whole lines.
    pub headers: String,
    pub body: Vec<u8>,
}

impl Draft {
    pub fn bytes(&self) -> Vec<u8> {
        let to_tag = self.to_tag.as_ref();
        let to_tag = to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {via};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {from};tag={from_tag}\r\nTo: {to}{to_tag}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n{headers}Content-Length: {length}\r\n\r\n",
            method = self.method,
            uri = self.uri,
            via = self.via,
            branch = self.branch,
            from = self.from,
            from_tag = self.from_tag,
            to = self.to,
            call_id = self.call_id,
            cseq = self.cseq,
            headers = self.headers,
            length = self.body.len(),
        );
        [text.as_bytes(), self.body.as_slice()].concat()
    }
}

/// The text of a tag; empty if there is none.
pub fn text(tag: Option<&Tag>) -> String {
    tag.map(Tag::to_string).unwrap_or_default()
}

/// The answer to `request`, which must have passed `Request::parse`.
pub fn answer(
    request: &Request,
    code: u16,
    reason: &str,
    to_tag: &str,
    headers: &str,
    body: &[u8],
) -> Vec<u8> {
    let mut text = format!("SIP/2.0 {code} {reason}\r\n");
    for name in ["Via", "Record-Route", "From", "To", "Call-ID", "CSeq"] {
        for value in request.values(name) {
            let _ = write!(text, "{name}: {}", String::from_utf8_lossy(&value));
            if name == "To" && request.to_tag.is_none() && code > 100 {
                let _ = write!(text, ";tag={to_tag}");
            }
            text.push_str("\r\n");
        }
    }
    let _ = write!(text, "{headers}Content-Length: {}\r\n\r\n", body.len());
    [text.as_bytes(), body].concat()
}

/// What came in a datagram.
pub enum Message {
    Request(Request),
    Response(Response),
}

pub fn read(bytes: &[u8]) -> Result<Message, String> {
    if bytes.starts_with(b"SIP/2.0 ") {
        let response = Response::parse(bytes, false).map_err(|error| error.to_string())?;
        return Ok(Message::Response(response));
    }
    let request = Request::parse(bytes, false).map_err(|error| error.to_string())?;
    Ok(Message::Request(request))
}

/// The branch of the topmost Via of an answer.
pub fn branch_of(response: &Response) -> String {
    let via = response
        .values("Via")
        .into_iter()
        .next()
        .unwrap_or_default();
    let via = String::from_utf8_lossy(&via).into_owned();
    let branch = via.split(";branch=").nth(1).unwrap_or_default();
    branch.split(';').next().unwrap_or_default().to_owned()
}

/// SDP of an endpoint that can do what the focus wants.
pub fn sdp(host: &str, session: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=message 9 TCP/MSRP *\r\na=accept-types:message/cpim\r\n\
         a=accept-wrapped-types:text/plain\r\na=setup:active\r\n\
         a=path:msrp://{host}:9/{session};tcp\r\na=sendrecv\r\n"
    )
    .into_bytes()
}

/// SDP of an endpoint that cannot.
pub fn audio_sdp(host: &str) -> Vec<u8> {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\n"
    )
    .into_bytes()
}
