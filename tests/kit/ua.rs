//! A SIP endpoint on real sockets: sends what a test builds, answers by a script, keeps everything that arrives.
//! It has no media and retransmits nothing by itself.

use super::inbox::{Inbox, Incoming, Pending};
use super::script::Script;
use super::serve::{user_of, State};
use super::sip::Msg;
use super::transport::{Sink, Sockets, Transport};
use super::{token, SOON};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// An endpoint. Clones share it; its sockets close with the last clone.
#[derive(Clone)]
pub struct Ua {
    core: Arc<Core>,
}

struct Core {
    identity: String,
    transport: Transport,
    sockets: Arc<Sockets>,
    sink: Sink,
    state: Arc<State>,
}

impl Ua {
    /// An endpoint of that public identity (`sip:alice@home1.test`) on 127.0.0.1, which sends over `transport`.
    pub fn new(identity: &str, transport: Transport) -> Ua {
        Ua::on("127.0.0.1", identity, transport)
    }

    pub fn on(ip: &str, identity: &str, transport: Transport) -> Ua {
        let ip: IpAddr = ip.parse().expect("an IP address");
        let state = Arc::new(State::new());
        let for_sink = state.clone();
        let sink: Sink = Arc::new(move |raw, path| for_sink.arrived(raw, path));
        let sockets = Sockets::open(ip, sink.clone());
        *state.local.lock().expect("no panic under this lock") = Some(sockets.local);
        Ua {
            core: Arc::new(Core {
                identity: identity.to_string(),
                transport,
                sockets,
                sink,
                state,
            }),
        }
    }

    pub fn identity(&self) -> &str {
        &self.core.identity
    }

    pub fn transport(&self) -> Transport {
        self.core.transport
    }

    pub fn local(&self) -> SocketAddr {
        self.core.sockets.local
    }

    pub fn inbox(&self) -> &Inbox {
        &self.core.state.inbox
    }

    /// The URI this endpoint is reached at.
    pub fn contact_uri(&self) -> String {
        self.core
            .state
            .contact_uri(user_of(&self.core.identity), self.core.transport)
    }

    /// Adds a rule for how requests are answered; the rule added last is looked at first.
    pub fn script(&self, script: Script) {
        self.core
            .state
            .scripts
            .lock()
            .expect("no panic under this lock")
            .push(script);
    }

    /// A request with everything but Via, as the last proxy before the application server would pass it on.
    pub fn request(&self, method: &str, uri: &str) -> Msg {
        Msg::request(method, uri)
            .with("Max-Forwards", "68")
            .with("From", format!("<{}>;tag={}", self.identity(), token(5)))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", format!("{}@ua.invalid", token(10)))
            .with("CSeq", format!("1 {method}"))
            .with("Contact", format!("<{}>", self.contact_uri()))
            .with("P-Asserted-Identity", format!("<{}>", self.identity()))
    }

    /// Sends a request; a Via with a new branch is put on top unless it has one.
    pub fn send(&self, to: SocketAddr, msg: &Msg) -> Pending {
        self.send_over(to, self.core.transport, msg)
    }

    pub fn send_over(&self, to: SocketAddr, transport: Transport, msg: &Msg) -> Pending {
        let mut msg = msg.clone();
        if msg.header("Via").is_none() {
            msg.headers.insert(0, ("Via".into(), self.via(transport)));
        }
        let (bytes, branch) = (msg.to_bytes(), msg.branch().unwrap_or_default());
        self.send_raw(to, transport, &bytes);
        Pending {
            ua: self.clone(),
            msg,
            bytes,
            branch,
            to,
            transport,
        }
    }

    /// A Via value with a new branch.
    pub fn via(&self, transport: Transport) -> String {
        format!(
            "SIP/2.0/{} {};rport;branch=z9hG4bK{}",
            transport.name(),
            self.local(),
            token(8)
        )
    }

    pub fn send_raw(&self, to: SocketAddr, transport: Transport, bytes: &[u8]) {
        self.try_send_raw(to, transport, bytes)
            .unwrap_or_else(|e| panic!("cannot send to {to}: {e}"));
    }

    pub fn try_send_raw(
        &self,
        to: SocketAddr,
        transport: Transport,
        bytes: &[u8],
    ) -> std::io::Result<()> {
        self.core
            .sockets
            .send(to, transport, bytes, &self.core.sink)
    }

    /// Takes the next request of that method; panics with what did arrive when none comes in time.
    pub fn expect(&self, method: &str) -> Arc<Incoming> {
        self.expect_where(method, "any", |_| true)
    }

    /// Takes the next request of that method that `wanted` accepts; `what` is for the message of a failure.
    pub fn expect_where(
        &self,
        method: &str,
        what: &str,
        wanted: impl Fn(&Msg) -> bool,
    ) -> Arc<Incoming> {
        self.find_where(method, SOON, wanted).unwrap_or_else(|| {
            panic!(
                "{}: no {method} ({what}) within {SOON:?}; arrived:\n{}",
                self.identity(),
                self.arrivals()
            )
        })
    }

    pub fn find_where(
        &self,
        method: &str,
        wait: Duration,
        wanted: impl Fn(&Msg) -> bool,
    ) -> Option<Arc<Incoming>> {
        self.inbox()
            .take(wait, |i| i.msg.method() == method && wanted(&i.msg))
    }

    /// Panics when a request of that method that `unwanted` accepts arrives within `time`.
    pub fn expect_none_where(&self, method: &str, time: Duration, unwanted: impl Fn(&Msg) -> bool) {
        if let Some(found) = self.find_where(method, time, unwanted) {
            panic!("{}: unexpected\n{}", self.identity(), found.msg);
        }
    }

    pub fn expect_none(&self, method: &str, time: Duration) {
        self.expect_none_where(method, time, |_| true);
    }

    /// How many requests of that method have arrived, retransmissions not counted.
    pub fn count(&self, method: &str) -> usize {
        self.inbox()
            .all()
            .iter()
            .filter(|i| !i.again && i.msg.method() == method)
            .count()
    }

    /// Every byte that has arrived.
    pub fn every_byte(&self) -> Vec<u8> {
        self.inbox()
            .all()
            .iter()
            .flat_map(|i| i.raw.clone())
            .collect()
    }

    /// Answers a request by hand.
    pub fn reply(&self, request: &Incoming, status: u16, headers: &[(&str, &str)]) -> Msg {
        let headers: Vec<_> = headers
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        self.core.state.reply(
            &request.msg,
            &request.path,
            status,
            &headers,
            status / 100 == 2,
        )
    }

    /// Sends a response built by hand (another To-tag, say) to where the request came from.
    pub fn reply_raw(&self, request: &Incoming, response: &Msg) {
        request
            .path
            .answer(&response.to_bytes())
            .expect("a response can be sent");
    }

    /// The To-tag this endpoint puts into its answers to that request.
    pub fn tag_for(&self, request: &Msg) -> String {
        self.core.state.tag_for(request)
    }

    /// The faults of anything that arrived, as `wire.rs` sees them.
    pub fn faults(&self) -> Vec<String> {
        self.core
            .state
            .faults
            .lock()
            .expect("no panic under this lock")
            .clone()
    }

    /// Forgets everything that has arrived: for tests with very many messages.
    pub fn forget(&self) {
        self.core.state.forget();
    }

    pub fn clear_faults(&self) {
        self.core
            .state
            .faults
            .lock()
            .expect("no panic under this lock")
            .clear();
    }

    fn arrivals(&self) -> String {
        let all = self.inbox().all();
        all.iter()
            .map(|i| {
                format!(
                    "  {}{}\n",
                    i.msg.start,
                    if i.again { " (again)" } else { "" }
                )
            })
            .collect()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.sockets.close();
        let faults = self
            .state
            .faults
            .lock()
            .expect("no panic under this lock")
            .clone();
        if !faults.is_empty() && !std::thread::panicking() {
            panic!(
                "{}: what the server sent is not right on the wire:\n{}",
                self.identity,
                faults.join("\n")
            );
        }
    }
}
