//! A 2xx to an INVITE of ours of which nothing is left: ACK it, then BYE (RFC 3261 section 13.2.2.4).

use super::env::Env;
use super::outgoing_message::OutgoingRequest;
use super::records::dialog::ByeCause;
use super::socket::Socket;
use crate::sip::{Method, Response};

/// PRACKs of ours may have gone to the same device; how many nobody knows any more.
const ABOVE_PRACKS: u32 = 100;

/// Both requests, if the answer belongs to an INVITE this server sent: its From-tag is the seal of its
/// Call-ID, so nobody else can make us send anything. `arrived` is the socket it came in on.
pub fn end_stray_dialog(
    response: &Response,
    arrived: Socket,
    env: &Env<'_>,
) -> Option<[OutgoingRequest; 2]> {
    let ours = response.from_tag == env.tag_for(&response.call_id);
    let accepted = (200..=299).contains(&response.status);
    if !ours || response.cseq_method != Method::Invite || !accepted {
        return None;
    }
    let mut route = response.record_route();
    route.reverse();
    let ack = OutgoingRequest {
        owner: None,
        method: Method::Ack,
        request_uri: response.contact()?,
        from: response.from.uri.clone(),
        to: response.to.uri.clone(),
        call_id: response.call_id.clone(),
        local_tag: response.from_tag.clone(),
        remote_tag: Some(response.to_tag.clone()?),
        cseq: response.cseq,
        route,
        headers: String::new(),
        body: Vec::new(),
        socket: arrived,
    };
    let bye = OutgoingRequest {
        method: Method::Bye,
        cseq: response.cseq.saturating_add(ABOVE_PRACKS),
        headers: ByeCause::Gone.header_lines(),
        ..ack.clone()
    };
    Some([ack, bye])
}
