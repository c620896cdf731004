//! What a row of torture is: a message made of a good REFER, and what may come of it; and running all of them.

use super::wire::{Came, Wire};
use crate::kit::{check, token, Group, Leg, Msg, Scene, Script, Transport, QUIET, SOON};
use std::time::Duration;

pub const ALICE: &str = "sip:alice@home1.test";

/// What a row may come to. Nobody is invited but where it says so.
pub enum Outcome {
    /// 200, and an INVITE with exactly this Request-URI.
    Invites(&'static str),
    /// 200.
    Accepted,
    /// One of these.
    Refused(&'static [u16]),
    /// One of these, or no answer: Kamailio's core drops what it cannot read before the module sees it.
    RefusedOrDropped(&'static [u16]),
    /// No answer.
    Dropped,
}
use Outcome::*;

pub struct Row {
    /// Section of the RFC.
    pub section: &'static str,
    pub what: &'static str,
    pub outcome: Outcome,
    /// Over a stream too; not where the framing is what is wrong, or where the row is about a datagram.
    pub stream: bool,
    pub message: fn(&Ground) -> Vec<u8>,
}

/// What a message may be made of.
pub struct Ground {
    pub focus: String,
    /// `SIP/2.0/UDP 127.0.0.1:5070`
    pub via: String,
    pub transport: &'static str,
    /// `127.0.0.1:5070`
    pub local: String,
    /// New for each message.
    pub token: String,
}

impl Ground {
    /// A REFER outside a dialog by a participant, without a subscription.
    pub fn refer(&self) -> Msg {
        self.request("REFER")
            .with("Refer-To", "<sip:victim@home1.test>")
            .with("Refer-Sub", "false")
    }

    pub fn invite(&self) -> Msg {
        self.request("INVITE").body("application/sdp", AUDIO)
    }

    pub fn request(&self, method: &str) -> Msg {
        Msg::request(method, &self.focus)
            .with("Via", format!("{};branch=z9hG4bK{}", self.via, self.token))
            .with("Max-Forwards", "70")
            .with("From", format!("<{ALICE}>;tag={}", self.token))
            .with("To", format!("<{}>", self.focus))
            .with("Call-ID", format!("{}@192.0.2.1", self.token))
            .with("CSeq", format!("8 {method}"))
            .with("Contact", format!("<sip:alice@{}>", self.local))
            .with("P-Asserted-Identity", format!("<{ALICE}>"))
    }
}

/// The session description of RFC 4475: nothing a group session can use.
pub const AUDIO: &str =
    "v=0\r\no=mhandley 29739 7272939 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n";

/// A message with another first line.
pub fn started(mut msg: Msg, start: &str) -> Vec<u8> {
    msg.start = start.to_string();
    msg.to_bytes()
}

/// Sends every row in its turn; after each one the server answers an OPTIONS and serves a REFER.
pub fn all(rows: &[Row], transport: Transport) {
    let group = Group::open("s", &[ALICE]);
    let mut scene = Scene::with(crate::kit::Setup::new([&group]), transport);
    scene.target(Script::on("INVITE").reply(486));
    let alice = scene.participant(ALICE, &group);
    let mut wrong = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        if transport == Transport::Tcp && !row.stream {
            continue;
        }
        let name = format!("{} {}", row.section, row.what);
        if let Err(why) = one(&scene, &alice, row, n) {
            wrong.push(format!("{name}: {why}"));
        }
        assert!(scene.server.is_running(), "{name}");
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn one(scene: &Scene, alice: &Leg, row: &Row, n: usize) -> Result<(), String> {
    let server = scene.server.addr();
    let mut wire = Wire::open(scene.transport, server);
    let ground = Ground {
        focus: alice.focus.clone(),
        via: format!("SIP/2.0/{} {}", scene.transport.name(), wire.local()),
        transport: scene.transport.name(),
        local: wire.local().to_string(),
        token: token(6),
    };
    let message = (row.message)(&ground);
    wire.send(&message);
    let may_be_silent = matches!(row.outcome, Dropped | RefusedOrDropped(_));
    let came = wire.answer(if may_be_silent { QUIET } else { SOON });
    if let Came::Answer(answer) = &came {
        if answer.cseq_method() == "INVITE" && answer.header("To").is_some() {
            wire.send(&ack(answer, &ground.focus));
        }
    }
    let invited = proof(scene, alice, n);
    let told = match &came {
        Came::Answer(answer) => answer.to_string(),
        Came::Closed => "the connection was closed".to_string(),
        Came::Nothing => "nothing came".to_string(),
    };
    let report = |what: &str| {
        Err(format!(
            "{what}; {told}\n  invited: {invited:?}\n  sent: {:?}",
            String::from_utf8_lossy(&message)
        ))
    };
    let wanted: Vec<String> = match row.outcome {
        Invites(uri) => vec![uri.to_string()],
        _ => Vec::new(),
    };
    if invited != wanted {
        return report("the wrong ones were invited");
    }
    match (&row.outcome, &came) {
        (Invites(_) | Accepted, Came::Answer(answer)) if answer.status() == 200 => {}
        (Refused(these) | RefusedOrDropped(these), Came::Answer(answer))
            if these.contains(&answer.status()) =>
        {
            if answer.status() == 400 && answer.reason() == "Bad Request" {
                return report("a 400 that does not say what was wrong");
            }
            if answer.status() == 415 && answer.header("Accept").is_none() {
                return report("a 415 without Accept");
            }
            if answer.status() == 420 && answer.header("Unsupported").is_none() {
                return report("a 420 without Unsupported");
            }
        }
        (RefusedOrDropped(_) | Dropped, Came::Nothing | Came::Closed) => {}
        _ => return report("not what was expected"),
    }
    Ok(())
}

/// The ACK to a final answer, made of nothing but the answer.
fn ack(answer: &Msg, focus: &str) -> Vec<u8> {
    let mut ack = Msg::request("ACK", focus).with("Max-Forwards", "70");
    for name in ["Via", "From", "To", "Call-ID"] {
        if let Some(value) = answer.header(name) {
            ack = ack.with(name, value);
        }
    }
    ack.with("CSeq", format!("{} ACK", answer.cseq()))
        .to_bytes()
}

/// The server still answers; returns whom the row before has invited.
fn proof(scene: &Scene, alice: &Leg, n: usize) -> Vec<String> {
    let options = alice.ua().request("OPTIONS", &alice.focus);
    check::accepted(&alice.send(&options).answer());
    let target = format!("sip:proof{n}@home1.test");
    let refer = alice
        .refer_outside(&format!("<{target}>"))
        .with("Refer-Sub", "false");
    check::accepted(&alice.send(&refer).answer());
    scene.invite_for(&target);
    let mut invited = Vec::new();
    // Another worker may be a little behind.
    let mut wait = Duration::from_millis(30);
    while let Some(found) = scene.targets.find_where("INVITE", wait, |_| true) {
        // What a peer embeds into URIs goes nowhere.
        let embedded = ["sip:sip.example.com", "%3csip", "<sip:example.com"];
        check::free_of(&found.raw, &embedded);
        invited.push(found.msg.request_uri().to_string());
        wait = Duration::from_millis(1);
    }
    invited
}
