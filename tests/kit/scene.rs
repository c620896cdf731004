//! The usual set-up of a test: a server, a socket that stands for the S-CSCF and plays every target, participants.

use super::dialog::Dialog;
use super::groups::Group;
use super::inbox::{Incoming, Pending};
use super::script::Script;
use super::serve::sdp;
use super::server::{Server, Setup};
use super::sip::Msg;
use super::transport::Transport;
use super::ua::Ua;
use super::{token, ALICE, BOB, QUIET, SOON};
use std::borrow::Borrow;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub struct Scene {
    /// Gets every request the focus originates outside a dialog: it plays the targets, whatever their domain.
    pub targets: Ua,
    pub server: Server,
    pub transport: Transport,
}

/// A participant's dialog with the focus.
pub struct Leg {
    pub dialog: Dialog,
    pub invite: Msg,
    /// The 200 to its INVITE.
    pub answer: Msg,
    /// The focus URI: the session's identity.
    pub focus: String,
}

/// Where a REFER is sent: what holds for one place holds for the other (requirements.md section 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    InDialog,
    OutOfDialog,
}

pub const PLACES: [Place; 2] = [Place::InDialog, Place::OutOfDialog];

impl Scene {
    pub fn new<G: Borrow<Group>>(groups: impl IntoIterator<Item = G>) -> Scene {
        Scene::with(Setup::new(groups), Transport::Udp)
    }

    /// The server sends what it originates to the targets' socket (CPM_ORIG_ROUTE).
    pub fn with(setup: Setup, transport: Transport) -> Scene {
        let targets = Ua::new("sip:scscf@home1.test", transport);
        let suffix = if transport == Transport::Tcp {
            ";transport=tcp"
        } else {
            ""
        };
        let setup = setup.env(
            "CPM_ORIG_ROUTE",
            format!("<sip:{};lr;orig{suffix}>", targets.local()),
        );
        Scene {
            targets,
            server: setup.start(),
            transport,
        }
    }

    /// An endpoint with that public identity, which uses the scene's transport.
    pub fn ua(&self, identity: &str) -> Ua {
        Ua::new(identity, self.transport)
    }

    /// A fresh participant in the group's session.
    pub fn participant(&self, identity: &str, group: &Group) -> Leg {
        self.join(&self.ua(identity), &group.uri)
    }

    /// Joins with INVITE, 200, ACK; panics when refused.
    pub fn join(&self, ua: &Ua, uri: &str) -> Leg {
        self.enter(ua, &self.invite(ua, uri))
    }

    /// Joins with that INVITE.
    pub fn enter(&self, ua: &Ua, invite: &Msg) -> Leg {
        let sent = self.send(ua, invite);
        let answer = sent.answer();
        assert_eq!(answer.status(), 200, "{}: {answer}", ua.identity());
        let mut leg = Leg::made(&sent, answer);
        let cseq = leg.dialog.cseq;
        leg.dialog.ack(cseq);
        leg
    }

    /// The INVITE of somebody who wants in.
    pub fn invite(&self, ua: &Ua, uri: &str) -> Msg {
        ua.request("INVITE", uri)
            .with(
                "Accept-Contact",
                format!("*;+g.3gpp.icsi-ref=\"{ICSI_ENCODED}\""),
            )
            .with("P-Asserted-Service", ICSI)
            .with("Conversation-ID", token(16))
            .with("Contribution-ID", token(16))
            .with("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, UPDATE")
            .with("Supported", "timer, norefersub")
            .body("application/sdp", sdp(ua.local(), "actpass"))
    }

    /// Sends a request of that endpoint to the server.
    pub fn send(&self, ua: &Ua, msg: &Msg) -> Pending {
        ua.send(self.server.addr(), msg)
    }

    /// Takes the INVITE for that target.
    pub fn invite_for(&self, uri: &str) -> Arc<Incoming> {
        self.targets
            .expect_where("INVITE", &format!("for {uri}"), |m| m.request_uri() == uri)
    }

    /// How that target answers.
    pub fn target(&self, script: Script) {
        self.targets.script(script);
    }

    /// The target accepts the INVITE by hand; its dialog once the focus has acknowledged.
    pub fn accept(&self, invite: &Incoming) -> Dialog {
        let answer = self.targets.reply(invite, 200, &[]);
        let dialog = Dialog::as_uas(&self.targets, self.server.addr(), invite, &answer);
        dialog.expect("ACK");
        dialog
    }

    /// The target's dialog, when a script has accepted that INVITE.
    pub fn leg_of(&self, invite: &Incoming) -> Dialog {
        let to = format!(
            "{};tag={}",
            invite.msg.need("To"),
            self.targets.tag_for(&invite.msg)
        );
        let answer = invite.msg.response(200, "OK").with("To", to);
        Dialog::as_uas(&self.targets, self.server.addr(), invite, &answer)
    }

    /// Nothing was sent to anybody, and nothing comes within a while.
    pub fn nobody_invited(&self) {
        self.nobody_invited_for(QUIET);
    }

    pub fn nobody_invited_for(&self, time: Duration) {
        let seen = self
            .targets
            .inbox()
            .wait_for_all(time, |all| !all.is_empty());
        let all: String = self
            .targets
            .inbox()
            .all()
            .iter()
            .map(|i| format!("{}\n", i.msg))
            .collect();
        assert!(!seen, "nothing must leave, but the targets got:\n{all}");
    }
}

/// Alice in a session of the group `s`, over UDP; `change` adds parameters.
pub fn with_alice(change: impl Fn(Setup) -> Setup) -> (Scene, Leg) {
    let group = Group::open("s", &[ALICE]);
    let scene = Scene::with(change(Setup::new([&group])), Transport::Udp);
    let alice = scene.participant(ALICE, &group);
    (scene, alice)
}

/// Alice and bob in a session of the group `s`.
pub fn pair(transport: Transport, change: impl Fn(Setup) -> Setup) -> (Scene, Leg, Leg) {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(change(Setup::new([&group])), transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    (scene, alice, bob)
}

impl Leg {
    pub fn made(sent: &Pending, answer: Msg) -> Leg {
        let dialog = Dialog::as_uac(sent, &answer);
        Leg {
            focus: dialog.target.clone(),
            dialog,
            invite: sent.msg.clone(),
            answer,
        }
    }

    pub fn ua(&self) -> &Ua {
        &self.dialog.ua
    }

    /// A REFER in this dialog.
    pub fn refer(&mut self, refer_to: &str) -> Msg {
        self.dialog.request("REFER").with("Refer-To", refer_to)
    }

    /// A REFER outside of any dialog, to the focus, by the same participant.
    pub fn refer_outside(&self, refer_to: &str) -> Msg {
        self.ua()
            .request("REFER", &self.focus)
            .with("Refer-To", refer_to)
    }

    pub fn refer_at(&mut self, place: Place, refer_to: &str) -> Msg {
        match place {
            Place::InDialog => self.refer(refer_to),
            Place::OutOfDialog => self.refer_outside(refer_to),
        }
    }

    pub fn send(&self, msg: &Msg) -> Pending {
        self.dialog.send(msg)
    }

    /// Sends what `change` makes of a re-INVITE, again while the focus still waits for the ACK of the last one.
    pub fn re_invite(&mut self, change: impl Fn(Msg) -> Msg) -> (Pending, Msg) {
        let deadline = Instant::now() + SOON;
        loop {
            let invite = change(self.dialog.request("INVITE"));
            let sent = self.send(&invite);
            let answer = sent.answer();
            let later = answer.status() == 491
                || answer.status() == 500 && answer.header("Retry-After").is_some();
            if !later || Instant::now() > deadline {
                return (sent, answer);
            }
            self.dialog.send(&sent.msg.ack_to_failure(&answer));
            std::thread::sleep(QUIET);
        }
    }

    /// Sends a REFER in this dialog and returns its final answer.
    pub fn referred(&mut self, refer_to: &str) -> Msg {
        let refer = self.refer(refer_to);
        self.send(&refer).answer()
    }

    pub fn call_id(&self) -> &str {
        &self.dialog.call_id
    }
}

pub const ICSI: &str = "urn:urn-7:3gpp-service.ims.icsi.oma.cpm.session.group";
pub const ICSI_ENCODED: &str = "urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group";
