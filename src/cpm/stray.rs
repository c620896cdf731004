//! A 2xx to an INVITE of ours of which nothing is left: ACK it, then BYE (RFC 3261 section 13.2.2.4).
//! Not here: 2xx of legs that still exist (`super::session`).

use super::action::{Method, Outgoing};
use super::dialog::ByeCause;
use super::settings::{Env, Socket};
use crate::sip::Response;

/// PRACKs of ours may have gone to the same device; how many nobody knows any more.
const ABOVE_PRACKS: u32 = 100;

/// Both requests, if the answer belongs to an INVITE this server sent: its From-tag is the seal of its
/// Call-ID, so nobody else can make us send anything.
pub fn end_stray_dialog(
    response: &Response,
    arrived: &Socket,
    env: &Env<'_>,
) -> Option<[Outgoing; 2]> {
    let ours = response.from_tag == env.tag_for(&response.call_id);
    if !ours || response.cseq_method != "INVITE" || !(200..=299).contains(&response.status) {
        return None;
    }
    let mut route = response.record_route();
    route.reverse();
    let ack = Outgoing {
        owner: None,
        method: Method::Ack,
        request_uri: response.contact()?.as_str().to_owned(),
        from: response.from.uri.as_str().to_owned(),
        to: response.to.uri.as_str().to_owned(),
        call_id: response.call_id.clone(),
        local_tag: response.from_tag.clone(),
        remote_tag: Some(response.to_tag.clone()?),
        cseq: response.cseq,
        route,
        headers: String::new(),
        body: Vec::new(),
        socket: arrived.clone(),
    };
    let bye = Outgoing {
        method: Method::Bye,
        cseq: response.cseq.saturating_add(ABOVE_PRACKS),
        headers: ByeCause::Gone.headers(),
        ..ack.clone()
    };
    Some([ack, bye])
}
