//! What an endpoint does with a message as it arrives: keeps it, recognises retransmissions, plays the script.

use super::inbox::{Inbox, Incoming};
use super::script::{Act, OnCancel, Script};
use super::sip::Msg;
use super::transport::{Path, Transport};
use super::{token, wire};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the reader threads share with the test.
pub struct State {
    pub inbox: Inbox,
    tag_seed: String,
    pub local: Mutex<Option<SocketAddr>>,
    pub scripts: Mutex<Vec<Script>>,
    served: Mutex<HashMap<(String, String), Served>>,
    order: Mutex<wire::Order>,
    pub faults: Mutex<Vec<String>>,
}

#[derive(Clone, Default)]
struct Served {
    last: Option<Vec<u8>>,
    done: bool,
}

impl State {
    pub fn new() -> State {
        let scripts = ["NOTIFY", "BYE", "OPTIONS", "UPDATE"].map(|m| Script::on(m).reply(200));
        State {
            inbox: Inbox::default(),
            tag_seed: token(6),
            local: Mutex::new(None),
            scripts: Mutex::new(scripts.to_vec()),
            served: Mutex::default(),
            order: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    pub fn arrived(self: &Arc<State>, raw: Vec<u8>, path: Path) {
        let found = wire::faults(&raw, path.transport == Transport::Tcp);
        let Ok(msg) = Msg::parse(&raw) else {
            self.faults
                .lock()
                .expect("no panic under this lock")
                .extend(found);
            return;
        };
        let key = (msg.branch().unwrap_or_default(), msg.method().to_string());
        let before = if msg.is_request() && msg.method() != "ACK" {
            let mut served = self.served.lock().expect("no panic under this lock");
            let before = served.get(&key).cloned();
            served.entry(key).or_default();
            before
        } else {
            None
        };
        let mut found: Vec<String> = found.into_iter().map(|f| format!("{f}\n{msg}")).collect();
        if msg.is_request() && before.is_none() {
            found.extend(
                self.order
                    .lock()
                    .expect("no panic under this lock")
                    .note(&msg),
            );
        }
        self.faults
            .lock()
            .expect("no panic under this lock")
            .extend(found);
        // Looked up before the test hears of the CANCEL, for it may forget everything then.
        let invite = (msg.method() == "CANCEL")
            .then(|| self.invite_of(&msg))
            .flatten();
        let again = before.is_some();
        self.inbox.push(Incoming {
            msg: msg.clone(),
            raw,
            path: path.clone(),
            at: Instant::now(),
            again,
        });
        match before {
            Some(Served {
                last: Some(bytes), ..
            }) => drop(path.answer(&bytes)),
            Some(_) => {}
            None if msg.method() == "CANCEL" => self.cancelled(&msg, &path, invite),
            None if msg.is_request() => self.serve(msg, path),
            None => {}
        }
    }

    pub fn forget(&self) {
        self.inbox.clear();
        self.served
            .lock()
            .expect("no panic under this lock")
            .clear();
        *self.order.lock().expect("no panic under this lock") = wire::Order::default();
    }

    fn script_for(&self, msg: &Msg) -> Option<Script> {
        let scripts = self.scripts.lock().expect("no panic under this lock");
        let fits = |s: &&Script| {
            s.method == msg.method()
                && s.target
                    .as_ref()
                    .is_none_or(|t| msg.request_uri().contains(t.as_str()))
        };
        scripts.iter().rev().find(fits).cloned()
    }

    /// Plays the script for a request; one that takes its time gets a thread, for its CANCEL has to be heard.
    fn serve(self: &Arc<State>, msg: Msg, path: Path) {
        let acts = self.script_for(&msg).map(|s| s.acts).unwrap_or_default();
        if acts.iter().any(|a| matches!(a, Act::Wait(_))) {
            let state = self.clone();
            std::thread::spawn(move || state.play(&msg, &path, &acts));
        } else {
            self.play(&msg, &path, &acts);
        }
    }

    fn play(&self, msg: &Msg, path: &Path, acts: &[Act]) {
        let key = (msg.branch().unwrap_or_default(), msg.method().to_string());
        for act in acts {
            if self
                .served
                .lock()
                .expect("no panic under this lock")
                .get(&key)
                .is_some_and(|s| s.done)
            {
                return;
            }
            match act {
                Act::Reply(status, headers) => drop(self.reply(msg, path, *status, headers, false)),
                Act::Accept => drop(self.reply(msg, path, 200, &[], true)),
                Act::Wait(time) => std::thread::sleep(*time),
            }
        }
    }

    fn invite_of(&self, cancel: &Msg) -> Option<Arc<Incoming>> {
        self.inbox.all().into_iter().rev().find(|i| {
            i.msg.method() == "INVITE"
                && i.msg.branch() == cancel.branch()
                && i.msg.call_id() == cancel.call_id()
        })
    }

    fn cancelled(&self, cancel: &Msg, path: &Path, invite: Option<Arc<Incoming>>) {
        let key = (cancel.branch().unwrap_or_default(), "INVITE".to_string());
        let Some(invite) = invite else {
            self.reply(cancel, path, 481, &[], false);
            return;
        };
        let on_cancel = self
            .script_for(&invite.msg)
            .map_or(OnCancel::Terminate, |s| s.on_cancel);
        if on_cancel == OnCancel::Manual {
            return;
        }
        self.reply(cancel, path, 200, &[], false);
        let done = self
            .served
            .lock()
            .expect("no panic under this lock")
            .get(&key)
            .is_some_and(|s| s.done);
        match on_cancel {
            _ if done => {}
            OnCancel::AcceptLate => drop(self.reply(&invite.msg, &invite.path, 200, &[], true)),
            _ => drop(self.reply(&invite.msg, &invite.path, 487, &[], false)),
        }
    }

    pub fn reply(
        &self,
        request: &Msg,
        path: &Path,
        status: u16,
        headers: &[(String, String)],
        media: bool,
    ) -> Msg {
        let mut response = request.response(status, phrase(status));
        if status > 100 && request.tag_to().is_none() {
            let to = format!(
                "{};tag={}",
                request.header("To").unwrap_or("<sip:nobody@invalid>"),
                self.tag_for(request)
            );
            response = response.with("To", to);
        }
        if request.method() == "INVITE" && (101..300).contains(&status) {
            let contact = self.contact_uri(user_of(request.request_uri()), path.transport);
            response = response.with("Contact", format!("<{contact}>"));
        }
        for (name, value) in headers {
            response = response.with(name, value);
        }
        if media && request.method() == "INVITE" {
            response = response.body("application/sdp", sdp(self.local(), "passive"));
        }
        let bytes = response.to_bytes();
        let _ = path.answer(&bytes);
        let key = (
            request.branch().unwrap_or_default(),
            request.method().to_string(),
        );
        let served = Served {
            last: Some(bytes),
            done: status >= 200,
        };
        self.served
            .lock()
            .expect("no panic under this lock")
            .insert(key, served);
        response
    }

    pub fn tag_for(&self, request: &Msg) -> String {
        format!("{}{:x}", self.tag_seed, fnv(request.call_id()))
    }

    fn local(&self) -> SocketAddr {
        self.local
            .lock()
            .expect("no panic under this lock")
            .expect("set before anything arrives")
    }

    pub fn contact_uri(&self, user: &str, transport: Transport) -> String {
        let suffix = if transport == Transport::Tcp {
            ";transport=tcp"
        } else {
            ""
        };
        let at = if user.is_empty() { "" } else { "@" };
        format!("sip:{user}{at}{}{suffix}", self.local())
    }
}

/// The user part of a SIP URI, or the number of a tel URI.
pub fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    match rest.split_once('@') {
        Some((user, _)) => user,
        None if uri.starts_with("tel:") => rest.split(';').next().unwrap_or(""),
        None => "",
    }
}

/// An MSRP session description of an endpoint (RFC 4975 section 8), with a session id of its own.
pub fn sdp(local: SocketAddr, setup: &str) -> String {
    let (ip, kind) = (local.ip(), if local.is_ipv6() { "IP6" } else { "IP4" });
    let host = if local.is_ipv6() {
        format!("[{ip}]")
    } else {
        ip.to_string()
    };
    format!(
        "v=0\r\no=- 4711 1 IN {kind} {ip}\r\ns=-\r\nc=IN {kind} {ip}\r\nt=0 0\r\nm=message 28550 TCP/MSRP *\r\n\
         a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=setup:{setup}\r\na=sendrecv\r\n\
         a=path:msrp://{host}:28550/{};tcp\r\n",
        token(8)
    )
}

fn phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        302 => "Moved Temporarily",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        491 => "Request Pending",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        603 => "Decline",
        _ => "Some Reason",
    }
}

/// FNV-1a: one tag per dialog, the same at each answer to it.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}
