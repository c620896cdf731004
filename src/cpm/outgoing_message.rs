//! What the focus sends: requests, and the answer to the request in hand.

use serde::{Deserialize, Serialize};

use super::header_lines::HeaderLines;
use super::records::ids::Id;
use super::socket::Socket;
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::status::reason_phrase;
use crate::sip::uri::Uri;
use crate::sip::{Method, Route, Tag};

/// A request of ours, complete but for what tm adds (Via, Max-Forwards, Content-Length, User-Agent).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutgoingRequest {
    /// The record that waits for the result. `None`: nobody does (ACK, the BYE of a second fork).
    pub owner: Option<Id>,
    /// Method
    pub method: Method,
    /// Request-URI
    pub request_uri: Uri,
    /// URI of From
    pub from: Uri,
    /// URI of To
    pub to: Uri,
    /// Call-ID
    pub call_id: String,
    /// Tag of From
    pub local_tag: Tag,
    /// Tag of To
    pub remote_tag: Option<Tag>,
    /// CSeq number
    pub cseq: u32,
    /// Route set; its first entry is the next hop.
    pub route: Vec<Route>,
    /// Further header lines, each ended by CRLF.
    pub headers: String,
    /// Body
    pub body: Vec<u8>,
    /// The socket it leaves by.
    pub socket: Socket,
}

impl OutgoingRequest {
    /// Where it goes first: the topmost Route, else the Request-URI (RFC 3261 section 8.1.2).
    pub fn next_hop(&self) -> &Uri {
        self.route.first().map_or(&self.request_uri, Route::uri)
    }
}

/// The final answer to the request in hand.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Status
    pub code: u16,
    /// Reason phrase
    pub reason: String,
    /// Our tag of the dialog; for a refusal one made for it.
    pub to_tag: Tag,
    /// Header lines, each ended by CRLF.
    pub headers: String,
    /// Body
    pub body: Vec<u8>,
    /// The leg that this 2xx connects: if the answer cannot be sent, the leg has to hear of it.
    pub connects: Option<Id>,
}

impl OutgoingRequest {
    /// The same with a session description as its body.
    pub fn with_sdp(mut self, sdp: Vec<u8>) -> OutgoingRequest {
        let lines = HeaderLines::behind(self.headers);
        self.headers = lines.line("Content-Type", SDP).text();
        self.body = sdp;
        self
    }
}

impl Answer {
    /// An answer with the usual reason phrase and no body.
    pub fn new(code: u16, to_tag: Tag, headers: String) -> Answer {
        Answer {
            code,
            reason: reason_phrase(code).to_owned(),
            to_tag,
            headers,
            body: Vec::new(),
            connects: None,
        }
    }
}
