//! A simulated SIP endpoint: participant, referrer and target in one, with manners that a test sets.
//! Not here: what it asks for (`caller`), what it answers (`callee`), and the network between.

mod callee;
mod caller;

pub use caller::Begun;

use std::collections::BTreeMap;

use cpm::sip::{Request, Response};

use super::message::{read, Message};

/// How an endpoint behaves.
#[derive(Clone, Debug)]
pub struct Manners {
    /// Answers an INVITE with 100 at once.
    pub trying: bool,
    /// Provisional answers: after how many ms, status.
    pub rings: Vec<(u64, u16)>,
    /// The final answer to an INVITE: after how many ms, status. None: never.
    pub answer: Option<(u64, u16)>,
    /// Seconds of Retry-After in every refusal.
    pub retry_after: Option<u32>,
    /// After that many refusals of INVITEs it answers them 200; the same for NOTIFYs.
    pub patience: usize,
    /// Its 18x want a PRACK (RFC 3262).
    pub reliable: bool,
    /// Its SDP comes with them, and not again with the 2xx.
    pub early_sdp: bool,
    /// How many devices answer with their own To-tag.
    pub devices: usize,
    /// Its SDP can be used.
    pub usable_sdp: bool,
    /// Feature parameters of the Contact in its requests.
    pub features: &'static str,
    /// Its 2xx to an INVITE has none.
    pub no_sdp: bool,
    /// Refuses INVITEs by 488 unless the feature tag `text` is in Contact, or if it is.
    pub wants_text: Option<bool>,
    /// On CANCEL it picks up all the same.
    pub crosses: bool,
    /// It acknowledges 2xx to its INVITEs.
    pub acks: bool,
    /// Its answer to NOTIFY. None: silence.
    pub notify: Option<u16>,
    /// Its answer to BYE. None: silence.
    pub bye: Option<u16>,
    /// What its network asserts in its 2xx.
    pub asserted: Vec<String>,
    /// Header lines of its 2xx to INVITE and UPDATE.
    pub accepts: String,
    /// Its answer to UPDATE and re-INVITE. None: silence.
    pub renews: Option<u16>,
    /// Its SDP in the 2xx to a re-INVITE takes no media.
    pub refuses_media_again: bool,
    /// Header lines of a refusal of those.
    pub refuses: String,
    /// Least session interval it takes, seconds (RFC 4028).
    pub min_se: u32,
    /// SDP of its ACK to a 2xx that carried an offer.
    pub ack_sdp: Option<Vec<u8>>,
    /// Nothing that is sent to it arrives.
    pub dead: bool,
    /// The Contact of its requests, if that is not where it is.
    pub poses_as: Option<String>,
}

impl Default for Manners {
    fn default() -> Self {
        Manners {
            trying: true,
            rings: vec![(20, 180)],
            answer: Some((200, 200)),
            retry_after: None,
            patience: usize::MAX,
            reliable: false,
            early_sdp: false,
            devices: 1,
            usable_sdp: true,
            features: "",
            no_sdp: false,
            wants_text: None,
            crosses: false,
            acks: true,
            notify: Some(200),
            bye: Some(200),
            asserted: Vec::new(),
            accepts: String::new(),
            renews: Some(200),
            refuses: String::new(),
            refuses_media_again: false,
            min_se: 0,
            ack_sdp: None,
            dead: false,
            poses_as: None,
        }
    }
}

/// What an endpoint wants of the world.
pub enum Effect {
    Send(Vec<u8>),
    After(u64, Timer),
}

#[derive(Clone, Debug)]
pub enum Timer {
    /// Repeat the request with this branch.
    Repeat {
        branch: String,
        next: u64,
    },
    /// Answer the INVITE with this branch.
    Progress {
        branch: String,
        code: u16,
    },
    Final {
        branch: String,
    },
    /// Repeat a final answer to an INVITE until its ACK comes.
    RepeatFinal {
        branch: String,
        tag: String,
        next: u64,
        until: u64,
    },
}

/// How a dialog came to be, as the endpoint sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Joined,
    Invited,
    /// By a REFER outside any dialog.
    Referred,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Asking,
    Up,
    Over,
}

#[derive(Clone, Debug)]
pub struct PeerDialog {
    pub how: How,
    pub stage: Stage,
    pub call_id: String,
    pub local_tag: String,
    pub remote_tag: Option<String>,
    pub local: String,
    pub remote: String,
    /// Contact of the focus.
    pub focus: String,
    pub local_cseq: u32,
    pub remote_cseq: u32,
    /// Our 2xx got its ACK.
    pub acknowledged: bool,
    /// A BYE came, with this Reason.
    pub bye_reason: Option<String>,
    last_ack: Vec<u8>,
}

/// A request of the endpoint and what became of it.
pub struct Asked {
    pub request: Request,
    pub answer: Option<Response>,
    /// Index of its dialog.
    pub dialog: Option<usize>,
    bytes: Vec<u8>,
    provisional: bool,
    /// For how long it was repeated, ms.
    waited: u64,
}

/// An INVITE or another request that was served, so that a repetition gets the same.
struct Served {
    request: Request,
    answers: Vec<(String, Vec<u8>)>,
    final_code: Option<u16>,
    acknowledged: Vec<String>,
}

pub struct Peer {
    pub name: String,
    /// What its network asserts of it; the first one is the one it is known by.
    pub identities: Vec<String>,
    pub host: String,
    pub manners: Manners,
    /// It did not hear or answer everything, so what it believes does not count.
    pub unreliable: bool,
    /// Its network is none whose P-headers are believed.
    pub untrusted: bool,
    pub dialogs: Vec<PeerDialog>,
    /// Every request once, in the order of arrival.
    pub received: Vec<Request>,
    pub asked: BTreeMap<String, Asked>,
    /// What was wrong with what arrived.
    pub complaints: Vec<String>,
    served: BTreeMap<(String, String), Served>,
    serial: u64,
    /// Refusals so far, by method.
    refused: BTreeMap<&'static str, usize>,
}

impl Peer {
    pub fn new(name: &str, identities: Vec<String>, host: String) -> Self {
        Peer {
            name: name.to_owned(),
            identities,
            host,
            manners: Manners::default(),
            unreliable: false,
            untrusted: false,
            dialogs: Vec::new(),
            received: Vec::new(),
            asked: BTreeMap::new(),
            complaints: Vec::new(),
            served: BTreeMap::new(),
            serial: 0,
            refused: BTreeMap::new(),
        }
    }

    pub fn uri(&self) -> &str {
        &self.identities[0]
    }

    pub fn contact(&self) -> String {
        let here = || format!("sip:{}@{}:5060", self.name, self.host);
        self.manners.poses_as.clone().unwrap_or_else(here)
    }

    /// Index of the newest dialog it is in a session by.
    pub fn leg(&self) -> Option<usize> {
        self.dialogs
            .iter()
            .rposition(|d| d.stage == Stage::Up && d.how != How::Referred)
    }

    /// Its final answer to the newest request of that method.
    pub fn last_answer(&self, method: &str) -> Option<u16> {
        let newest = self
            .received
            .iter()
            .rev()
            .find(|r| r.method.as_str() == method)?;
        let key = (newest.branch.clone()?, method.to_owned());
        self.served.get(&key)?.final_code
    }

    pub fn arrives(&mut self, bytes: &[u8]) -> Vec<Effect> {
        if self.manners.dead {
            return Vec::new();
        }
        match read(bytes) {
            Ok(Message::Request(request)) => self.request_arrives(request),
            Ok(Message::Response(response)) => self.response_arrives(response),
            Err(why) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                self.complaints.push(format!("unreadable, {why}: {text}"));
                Vec::new()
            }
        }
    }

    pub fn timer(&mut self, timer: Timer) -> Vec<Effect> {
        match timer {
            Timer::Repeat { branch, next } => self.repeat(&branch, next),
            Timer::Progress { branch, code } => self.progress(&branch, code),
            Timer::Final { branch } => self.pick_up(&branch),
            Timer::RepeatFinal {
                branch,
                tag,
                next,
                until,
            } => self.repeat_final(branch, tag, next, until),
        }
    }

    fn branch(&mut self) -> String {
        let serial = self.serial();
        format!("z9hG4bK{}{serial}", self.name)
    }

    fn serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }
}
