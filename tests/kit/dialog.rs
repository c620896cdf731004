//! One dialog as an endpoint keeps it (RFC 3261 section 12): tags, numbers, route set, remote target.
//! A test may send whatever it wants in it.

use super::inbox::{Incoming, Pending};
use super::sip::{param, uri_of, Msg};
use super::transport::Transport;
use super::ua::Ua;
use super::SOON;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub struct Dialog {
    pub ua: Ua,
    pub server: SocketAddr,
    pub transport: Transport,
    pub call_id: String,
    /// From value of what we send, tag included.
    pub local: String,
    /// To value of what we send, tag included.
    pub remote: String,
    pub target: String,
    pub routes: Vec<String>,
    pub cseq: u32,
}

impl Dialog {
    /// The dialog our request made with a 2xx (or a 1xx with a tag).
    pub fn as_uac(sent: &Pending, response: &Msg) -> Dialog {
        let mut routes = response.list("Record-Route");
        routes.reverse();
        Dialog {
            ua: sent.ua.clone(),
            server: sent.to,
            transport: sent.transport,
            call_id: response.call_id().to_string(),
            local: sent.msg.need("From").to_string(),
            remote: response.need("To").to_string(),
            target: response.contact_uri(),
            routes,
            cseq: sent.msg.cseq(),
        }
    }

    /// The dialog a request to us made when we answered it.
    pub fn as_uas(ua: &Ua, server: SocketAddr, request: &Incoming, answer: &Msg) -> Dialog {
        Dialog {
            ua: ua.clone(),
            server,
            transport: request.path.transport,
            call_id: request.msg.call_id().to_string(),
            local: answer.need("To").to_string(),
            remote: request.msg.need("From").to_string(),
            target: request.msg.contact_uri(),
            routes: request.msg.list("Record-Route"),
            cseq: 0,
        }
    }

    /// The next request in this dialog. It carries Contact and, as its S-CSCF would add it, our identity.
    pub fn request(&mut self, method: &str) -> Msg {
        if !["ACK", "CANCEL"].contains(&method) {
            self.cseq += 1;
        }
        let mut msg = Msg::request(method, &self.target)
            .with("Max-Forwards", "68")
            .with("From", &self.local)
            .with("To", &self.remote)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{} {method}", self.cseq))
            .with("Contact", format!("<{}>", self.ua.contact_uri()))
            .with("P-Asserted-Identity", format!("<{}>", self.ua.identity()));
        for route in &self.routes {
            msg = msg.and("Route", route);
        }
        msg
    }

    pub fn send(&self, msg: &Msg) -> Pending {
        self.ua.send_over(self.server, self.transport, msg)
    }

    /// Sends the ACK to a 2xx of the INVITE with that number.
    pub fn ack(&mut self, cseq: u32) -> Msg {
        let ack = self.request("ACK").with("CSeq", format!("{cseq} ACK"));
        self.send(&ack);
        ack
    }

    /// Leaves; returns the answer to the BYE.
    pub fn bye(&mut self) -> Msg {
        let bye = self.request("BYE").without("Contact");
        self.send(&bye).answer()
    }

    /// Takes the next request the other side sends in this dialog.
    pub fn expect(&self, method: &str) -> Arc<Incoming> {
        self.ua
            .expect_where(method, &format!("in dialog {}", self.call_id), |m| {
                self.holds(m)
            })
    }

    pub fn expect_none(&self, method: &str, time: Duration) {
        self.ua.expect_none_where(method, time, |m| self.holds(m));
    }

    pub fn find(&self, method: &str, wait: Duration) -> Option<Arc<Incoming>> {
        self.ua.find_where(method, wait, |m| self.holds(m))
    }

    /// Waits for so many ACKs in this dialog, all told.
    pub fn has_acks(&self, wanted: usize) -> bool {
        self.ua.inbox().wait_for_all(SOON, |all| {
            all.iter()
                .filter(|i| i.msg.method() == "ACK" && self.holds(&i.msg))
                .count()
                >= wanted
        })
    }

    /// Whether a request of the other side belongs here.
    pub fn holds(&self, msg: &Msg) -> bool {
        msg.call_id() == self.call_id
            && msg.tag_to() == self.local_tag()
            && msg.tag_from() == self.remote_tag()
    }

    pub fn local_tag(&self) -> Option<String> {
        param(&self.local, "tag")
    }

    pub fn remote_tag(&self) -> Option<String> {
        param(&self.remote, "tag")
    }

    pub fn remote_uri(&self) -> String {
        uri_of(&self.remote)
    }
}
