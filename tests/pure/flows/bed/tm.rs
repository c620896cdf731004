//! Transactions as the module sees them of Kamailio's tm: repetition, timeouts, CANCEL held back until a
//! 1xx, every answer handed up, also repeated ones. Not here: what the module makes of it (`super::focus`).

use std::collections::BTreeMap;

use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::records::Id;
use cpm::cpm::records::TransactionId;
use cpm::cpm::time::{Millis, SIXTY_FOUR_T1};
use cpm::sip::Method;
use cpm::sip::{Request, Response, Tag};

use super::message::{answer, branch_of, Draft};
use super::world::{Event, World};

const T1: Millis = 500;
const T2: Millis = 4_000;
const MAGIC: &str = "z9hG4bK.focus.";

pub struct Tm {
    /// How long a transaction is known after its end (`wt_timer`).
    pub wait: Millis,
    /// How long an INVITE may ring (`fr_inv_timer`).
    pub ringing: Millis,
    clients: BTreeMap<u32, Client>,
    servers: BTreeMap<(String, String), Server>,
    labels: u32,
}

impl Default for Tm {
    fn default() -> Self {
        Tm {
            wait: SIXTY_FOUR_T1,
            ringing: 190_000,
            clients: BTreeMap::new(),
            servers: BTreeMap::new(),
            labels: 0,
        }
    }
}

/// A request of the focus.
struct Client {
    owner: Option<Id>,
    request: Request,
    bytes: Vec<u8>,
    to: usize,
    provisional: bool,
    done: bool,
    /// When tm gives up.
    expires: Millis,
    cancel: Cancelling,
}

enum Cancelling {
    No,
    /// No 1xx yet.
    Wanted,
    Sent {
        bytes: Vec<u8>,
        answered: bool,
    },
}

/// A request of a peer.
pub struct Server {
    pub peer: usize,
    pub request: Request,
    answer: Option<Vec<u8>>,
    /// A 2xx to INVITE is repeated until its ACK comes.
    to_tag: String,
    acknowledged: bool,
}

pub enum TmTimer {
    Repeat {
        label: u32,
        waited: Millis,
    },
    RepeatCancel {
        label: u32,
        waited: Millis,
    },
    Expire {
        label: u32,
    },
    Forget {
        label: u32,
    },
    RepeatAnswer {
        key: (String, String),
        waited: Millis,
        left: Millis,
    },
    ForgetServer {
        key: (String, String),
    },
}

/// What tm makes of an answer that came in.
pub enum Reply {
    /// It belongs to a transaction it knows; nobody, or the owner, hears of it.
    Known(Option<Id>),
    Unknown,
}

impl World {
    /// `t_uac`: sends a request in a new transaction.
    pub(super) fn tm_send(&mut self, outgoing: &OutgoingRequest, to: usize) -> TransactionId {
        self.tm.labels += 1;
        let label = self.tm.labels;
        let (bytes, request) = self.written(outgoing, label);
        self.record_sent(outgoing, to, &request);
        self.deliver_to_peer(to, bytes.clone());
        if outgoing.method != Method::Ack {
            self.after(T1, Event::Tm(TmTimer::Repeat { label, waited: T1 }));
            self.after(SIXTY_FOUR_T1, Event::Tm(TmTimer::Expire { label }));
            let client = Client {
                owner: outgoing.owner,
                request,
                bytes,
                to,
                provisional: false,
                done: false,
                expires: self.now + SIXTY_FOUR_T1,
                cancel: Cancelling::No,
            };
            self.tm.clients.insert(label, client);
        }
        TransactionId { index: 7, label }
    }

    /// tm refused to send this.
    pub(super) fn record_unsent(&mut self, outgoing: &OutgoingRequest) {
        let (_, request) = self.written(outgoing, 0);
        if let Err(why) = self.ledger.unsent(outgoing, &request, self.now) {
            self.fail(&why);
        }
    }

    /// `cancel_uacs` with how = 0: now if a 1xx came, else with the first one.
    pub(super) fn tm_cancel(&mut self, transaction: TransactionId) {
        let label = transaction.label;
        let Some(client) = self.tm.clients.get_mut(&label) else {
            return;
        };
        if client.done || !matches!(client.cancel, Cancelling::No) {
            return;
        }
        client.cancel = Cancelling::Wanted;
        if client.provisional {
            self.send_cancel(label);
        }
    }

    fn send_cancel(&mut self, label: u32) {
        let now = self.now;
        let Some(client) = self.tm.clients.get_mut(&label) else {
            return;
        };
        let invite = &client.request;
        let bytes = Draft {
            method: "CANCEL".into(),
            uri: invite.uri.clone(),
            branch: format!("{MAGIC}{label}"),
            via: "127.0.0.1:5060".into(),
            from: format!("<{}>", invite.from().uri.as_str()),
            from_tag: invite.from_tag.to_string(),
            to: format!("<{}>", invite.to().uri.as_str()),
            call_id: invite.call_id.clone(),
            cseq: invite.cseq,
            ..Draft::default()
        }
        .bytes();
        let to = client.to;
        client.cancel = Cancelling::Sent {
            bytes: bytes.clone(),
            answered: false,
        };
        client.expires = now + SIXTY_FOUR_T1;
        self.record_cancel(to, label, &bytes);
        self.deliver_to_peer(to, bytes);
        self.after(T1, Event::Tm(TmTimer::RepeatCancel { label, waited: T1 }));
        self.after(SIXTY_FOUR_T1, Event::Tm(TmTimer::Expire { label }));
    }

    pub(super) fn tm_timer(&mut self, timer: TmTimer) {
        match timer {
            TmTimer::Repeat { label, waited } => self.repeat(label, waited),
            TmTimer::RepeatCancel { label, waited } => self.repeat_cancel(label, waited),
            TmTimer::Expire { label } => self.expire(label),
            TmTimer::Forget { label } => {
                self.tm.clients.remove(&label);
            }
            TmTimer::RepeatAnswer { key, waited, left } => self.repeat_answer(key, waited, left),
            TmTimer::ForgetServer { key } => {
                self.tm.servers.remove(&key);
            }
        }
    }

    fn repeat(&mut self, label: u32, waited: Millis) {
        let Some(client) = self.tm.clients.get(&label) else {
            return;
        };
        let invite = client.request.method == cpm::sip::Method::Invite;
        if client.done || (invite && client.provisional) || waited >= SIXTY_FOUR_T1 {
            return;
        }
        let next = if invite {
            waited * 2
        } else {
            (waited * 2).min(T2)
        };
        let (to, bytes) = (client.to, client.bytes.clone());
        self.deliver_to_peer(to, bytes);
        self.after(
            next,
            Event::Tm(TmTimer::Repeat {
                label,
                waited: next,
            }),
        );
    }

    fn repeat_cancel(&mut self, label: u32, waited: Millis) {
        let Some(client) = self.tm.clients.get(&label) else {
            return;
        };
        let Cancelling::Sent { bytes, answered } = &client.cancel else {
            return;
        };
        if *answered || client.done {
            return;
        }
        let (to, bytes, waited) = (client.to, bytes.clone(), (waited * 2).min(T2));
        self.deliver_to_peer(to, bytes);
        self.after(waited, Event::Tm(TmTimer::RepeatCancel { label, waited }));
    }

    fn expire(&mut self, label: u32) {
        let now = self.now;
        let Some(client) = self.tm.clients.get_mut(&label) else {
            return;
        };
        if client.done || now < client.expires {
            return;
        }
        client.done = true;
        let owner = client.owner;
        self.after(self.tm.wait, Event::Tm(TmTimer::Forget { label }));
        if let Some(record) = owner {
            let late = self.work();
            self.after(
                late,
                Event::TimedOut {
                    record,
                    status: 408,
                },
            );
        }
    }

    /// An answer from the network: repeats ACKs and holds CANCELs as tm does.
    pub(super) fn tm_reply(&mut self, response: &Response) -> Reply {
        let branch = branch_of(response);
        let label = branch.strip_prefix(MAGIC).and_then(|l| l.parse().ok());
        let Some(label) = label else {
            return Reply::Unknown;
        };
        let ringing = self.tm.ringing;
        let now = self.now;
        let Some(client) = self.tm.clients.get_mut(&label) else {
            return Reply::Unknown;
        };
        let owner = client.owner;
        if response.cseq_method == cpm::sip::Method::Cancel {
            if let Cancelling::Sent { answered, .. } = &mut client.cancel {
                *answered |= response.status >= 200;
            }
            return Reply::Known(owner);
        }
        let invite = client.request.method == cpm::sip::Method::Invite;
        match response.status {
            100..=199 if client.done => {}
            100..=199 => {
                client.provisional = true;
                if matches!(client.cancel, Cancelling::Wanted) {
                    self.send_cancel(label);
                } else if invite && matches!(client.cancel, Cancelling::No) {
                    client.expires = now + ringing;
                    self.after(ringing, Event::Tm(TmTimer::Expire { label }));
                }
            }
            status => {
                let first = !client.done;
                client.done = true;
                let to = client.to;
                if invite && status >= 300 {
                    let ack = hop_ack(&client.request, response, &branch);
                    self.deliver_to_peer(to, ack);
                }
                if first {
                    self.after(self.tm.wait, Event::Tm(TmTimer::Forget { label }));
                }
            }
        }
        Reply::Known(owner)
    }

    // ---- the server side ----

    /// `t_newtran`: false for a repetition, which gets the answer it got before.
    pub(super) fn tm_new(&mut self, peer: usize, request: &Request) -> bool {
        let key = key_of(request);
        if let Some(server) = self.tm.servers.get(&key) {
            if let Some(bytes) = server.answer.clone() {
                self.deliver_to_peer(peer, bytes);
            }
            return false;
        }
        let server = Server {
            peer,
            request: request.clone(),
            answer: None,
            to_tag: String::new(),
            acknowledged: false,
        };
        self.tm.servers.insert(key, server);
        true
    }

    /// Whether a CANCEL finds its INVITE.
    pub(super) fn tm_knows_invite(&self, cancel: &Request) -> bool {
        let branch = cancel.branch.clone().unwrap_or_default();
        self.tm.servers.contains_key(&(branch, "INVITE".into()))
    }

    /// The final answer to the request of a peer.
    pub(super) fn tm_answer(
        &mut self,
        request: &Request,
        code: u16,
        reason: &str,
        to_tag: &str,
        headers: &str,
        body: &[u8],
    ) {
        let key = key_of(request);
        let bytes = answer(request, code, reason, to_tag, headers, body);
        let Some(server) = self.tm.servers.get_mut(&key) else {
            return;
        };
        server.answer = Some(bytes.clone());
        server.to_tag = request.to_tag.as_deref().unwrap_or(to_tag).to_owned();
        let peer = server.peer;
        self.deliver_to_peer(peer, bytes);
        if request.method == cpm::sip::Method::Invite {
            let (waited, left) = (T1, SIXTY_FOUR_T1);
            self.after(T1, Event::Tm(TmTimer::RepeatAnswer { key, waited, left }));
        } else {
            self.after(self.tm.wait, Event::Tm(TmTimer::ForgetServer { key }));
        }
    }

    fn repeat_answer(&mut self, key: (String, String), waited: Millis, left: Millis) {
        let Some(server) = self.tm.servers.get(&key) else {
            return;
        };
        let left = left.saturating_sub(waited);
        if server.acknowledged || left == 0 {
            self.after(self.tm.wait, Event::Tm(TmTimer::ForgetServer { key }));
            return;
        }
        let (peer, bytes) = (server.peer, server.answer.clone().unwrap_or_default());
        self.deliver_to_peer(peer, bytes);
        let waited = (waited * 2).min(T2);
        self.after(
            waited,
            Event::Tm(TmTimer::RepeatAnswer { key, waited, left }),
        );
    }

    /// `t_check_trans` for an ACK: the repetition of the answer stops.
    pub(super) fn tm_ack(&mut self, ack: &Request) {
        for server in self.tm.servers.values_mut() {
            if server.request.method == cpm::sip::Method::Invite
                && server.request.call_id == ack.call_id
                && server.request.cseq == ack.cseq
                && ack.to_tag.as_deref() == Some(server.to_tag.as_str())
            {
                server.acknowledged = true;
            }
        }
    }

    /// The bytes tm makes of a request of ours.
    fn written(&mut self, outgoing: &OutgoingRequest, label: u32) -> (Vec<u8>, Request) {
        let route: String = outgoing
            .route
            .iter()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        let bytes = Draft {
            method: outgoing.method.as_str().to_owned(),
            uri: outgoing.request_uri.to_string(),
            branch: format!("{MAGIC}{label}"),
            via: "127.0.0.1:5060".into(),
            from: format!("<{}>", outgoing.from),
            from_tag: outgoing.local_tag.to_string(),
            to: format!("<{}>", outgoing.to),
            to_tag: outgoing.remote_tag.as_ref().map(Tag::to_string),
            call_id: outgoing.call_id.clone(),
            cseq: outgoing.cseq,
            headers: route + &outgoing.headers,
            body: outgoing.body.clone(),
        }
        .bytes();
        match Request::parse(&bytes, false) {
            Ok(request) => (bytes, request),
            Err(error) => self.fail(&format!(
                "the focus sends what cannot be read ({error}): {}",
                String::from_utf8_lossy(&bytes)
            )),
        }
    }
}

fn key_of(request: &Request) -> (String, String) {
    let branch = request.branch.clone().unwrap_or_default();
    (branch, request.method.to_string())
}

/// The ACK to a failure, hop by hop (RFC 3261 section 17.1.1.3).
fn hop_ack(invite: &Request, response: &Response, branch: &str) -> Vec<u8> {
    Draft {
        method: "ACK".into(),
        uri: invite.uri.clone(),
        branch: branch.to_owned(),
        via: "127.0.0.1:5060".into(),
        from: format!("<{}>", invite.from().uri.as_str()),
        from_tag: invite.from_tag.to_string(),
        to: format!("<{}>", invite.to().uri.as_str()),
        to_tag: response.to_tag.as_ref().map(Tag::to_string),
        call_id: invite.call_id.clone(),
        cseq: invite.cseq,
        ..Draft::default()
    }
    .bytes()
}
