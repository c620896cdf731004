//! The endpoint as a client: its requests, their repetition over UDP, the ACK to a 2xx.
//! Not here: what it does when it is asked (`super::callee`).

use cpm::sip::{Request, Response, Tag};

use super::{Asked, Effect, How, Peer, PeerDialog, Stage, Timer};
use crate::flows::bed::message::{branch_of, sdp, Draft};

const T1: u64 = 500;
const T2: u64 = 4_000;
const SIXTY_FOUR_T1: u64 = 64 * T1;

/// A request on its way: how a test finds it again.
pub struct Begun {
    pub branch: String,
    pub effects: Vec<Effect>,
}

impl Peer {
    /// A request outside any dialog. INVITE and REFER make one if they are accepted.
    pub fn outside(&mut self, method: &str, uri: &str, headers: &str, body: Vec<u8>) -> Begun {
        let serial = self.serial();
        let mut dialog = PeerDialog {
            how: if matches!(method, "REFER" | "SUBSCRIBE") {
                How::Referred
            } else {
                How::Joined
            },
            stage: Stage::Asking,
            call_id: format!("{}-{serial}@{}", self.name, self.host),
            local_tag: format!("{}{serial}", self.name),
            remote_tag: None,
            local: format!("\"The {}\" <{}>", self.name, self.uri()),
            remote: format!("<{uri}>"),
            focus: uri.to_owned(),
            local_cseq: 100 + (serial as u32 % 7),
            remote_cseq: 0,
            acknowledged: false,
            bye_reason: None,
            last_ack: Vec::new(),
        };
        if !matches!(method, "INVITE" | "REFER" | "SUBSCRIBE") {
            dialog.stage = Stage::Over;
        }
        self.dialogs.push(dialog);
        self.ask(self.dialogs.len() - 1, method, headers, body)
    }

    pub fn invite(&mut self, uri: &str, headers: &str) -> Begun {
        let headers = format!("Content-Type: application/sdp\r\n{headers}");
        let body = sdp(&self.host, &self.name);
        self.outside("INVITE", uri, &headers, body)
    }

    /// The next request of a dialog.
    pub fn within(&mut self, dialog: usize, method: &str, headers: &str, body: Vec<u8>) -> Begun {
        self.dialogs[dialog].local_cseq += 1;
        if method == "BYE" {
            self.dialogs[dialog].stage = Stage::Over;
        }
        self.ask(dialog, method, headers, body)
    }

    /// CANCEL of an INVITE that was asked.
    pub fn cancel(&mut self, branch: &str) -> Vec<Effect> {
        let asked = &self.asked[branch];
        let mut draft = self.draft(asked.dialog.unwrap_or(0), "CANCEL", branch);
        draft.cseq = asked.request.cseq;
        draft.uri = asked.request.uri.clone();
        draft.to_tag = None;
        vec![Effect::Send(draft.bytes())]
    }

    /// The request with this branch, once more with a new one, as a forking proxy lets it arrive.
    pub fn again_by_another_way(&mut self, branch: &str) -> Begun {
        let (old, dialog) = (&self.asked[branch], self.asked[branch].dialog);
        let text = String::from_utf8_lossy(&old.bytes).into_owned();
        let branch_again = self.branch();
        let bytes = text.replacen(branch, &branch_again, 1).into_bytes();
        let request = Request::parse(&bytes, false).expect("a peer writes what can be read");
        self.waits_for(branch_again, request, bytes, dialog)
    }

    fn ask(&mut self, dialog: usize, method: &str, headers: &str, body: Vec<u8>) -> Begun {
        let branch = self.branch();
        let mut draft = self.draft(dialog, method, &branch);
        let (contact, features) = (self.contact(), self.manners.features);
        let asserted: String = self
            .identities
            .iter()
            .map(|uri| format!("P-Asserted-Identity: <{uri}>\r\n"))
            .collect();
        draft.headers = if headers.contains("P-Asserted-Identity:") {
            format!("Contact: <{contact}>{features}\r\n{headers}")
        } else {
            format!("Contact: <{contact}>{features}\r\n{asserted}{headers}")
        };
        draft.body = body;
        let bytes = draft.bytes();
        let request = Request::parse(&bytes, false).expect("a peer writes what can be read");
        self.waits_for(branch, request, bytes, Some(dialog))
    }

    fn waits_for(
        &mut self,
        branch: String,
        request: Request,
        bytes: Vec<u8>,
        dialog: Option<usize>,
    ) -> Begun {
        self.asked.insert(
            branch.clone(),
            Asked {
                request,
                answer: None,
                dialog,
                bytes: bytes.clone(),
                provisional: false,
                waited: 0,
            },
        );
        let repeat = Timer::Repeat {
            branch: branch.clone(),
            next: T1,
        };
        let effects = vec![Effect::Send(bytes), Effect::After(T1, repeat)];
        Begun { branch, effects }
    }

    fn draft(&self, dialog: usize, method: &str, branch: &str) -> Draft {
        let d = &self.dialogs[dialog];
        Draft {
            method: method.to_owned(),
            uri: d.focus.clone(),
            branch: branch.to_owned(),
            via: format!("{}:5060", self.host),
            from: d.local.clone(),
            from_tag: d.local_tag.clone(),
            to: d.remote.clone(),
            to_tag: d.remote_tag.clone(),
            call_id: d.call_id.clone(),
            cseq: d.local_cseq,
            ..Draft::default()
        }
    }

    pub(super) fn repeat(&mut self, branch: &str, interval: u64) -> Vec<Effect> {
        let Some(asked) = self.asked.get_mut(branch) else {
            return Vec::new();
        };
        asked.waited += interval;
        let done = asked.answer.is_some() || asked.waited >= SIXTY_FOUR_T1;
        let invite = asked.request.method == cpm::sip::Method::Invite;
        if done || (invite && asked.provisional) {
            return Vec::new();
        }
        let next = match invite {
            true => interval * 2,
            false => (interval * 2).min(T2),
        };
        let again = Timer::Repeat {
            branch: branch.to_owned(),
            next,
        };
        vec![
            Effect::Send(asked.bytes.clone()),
            Effect::After(next, again),
        ]
    }

    pub(super) fn response_arrives(&mut self, response: Response) -> Vec<Effect> {
        let branch = branch_of(&response);
        let Some(asked) = self.asked.get_mut(&branch) else {
            return Vec::new();
        };
        if asked.request.method != response.cseq_method {
            // The answer to a CANCEL.
            return Vec::new();
        }
        let (status, tag) = (
            response.status,
            response.to_tag.as_ref().map(Tag::to_string),
        );
        if status < 200 {
            asked.provisional = true;
            return Vec::new();
        }
        let first = asked.answer.is_none();
        let dialog = asked.dialog;
        let request = asked.request.clone();
        if !first {
            let same = asked.answer.as_ref().is_some_and(|a| a.status == status);
            if !same {
                self.complaints
                    .push(format!("two final answers to {}: {status}", request.method));
            }
        } else {
            asked.answer = Some(response.clone());
        }
        let Some(index) = dialog else {
            return Vec::new();
        };
        if first {
            self.answered(index, &request, &response);
        }
        match (request.method.as_str(), status) {
            ("INVITE", 200..=299) => self.acknowledge(index, request.cseq, first),
            ("INVITE", _) => {
                let mut draft = self.draft(index, "ACK", &branch);
                draft.cseq = request.cseq;
                draft.to_tag = tag;
                draft.uri = request.uri;
                vec![Effect::Send(draft.bytes())]
            }
            _ => Vec::new(),
        }
    }

    fn answered(&mut self, index: usize, request: &Request, response: &Response) {
        let dialog = &mut self.dialogs[index];
        let forming = request.to_tag.is_none() && dialog.stage == Stage::Asking;
        match (forming, response.status) {
            (true, 200..=299) => {
                dialog.stage = Stage::Up;
                dialog.remote_tag = response.to_tag.as_ref().map(Tag::to_string);
                if let Some(contact) = response.contact() {
                    dialog.focus = contact.as_str().to_owned();
                }
            }
            (true, _) => dialog.stage = Stage::Over,
            (false, 408 | 481) => dialog.stage = Stage::Over,
            (false, _) => {}
        }
    }

    fn acknowledge(&mut self, index: usize, cseq: u32, first: bool) -> Vec<Effect> {
        if !self.manners.acks {
            return Vec::new();
        }
        if first || self.dialogs[index].last_ack.is_empty() {
            let branch = self.branch();
            let mut draft = self.draft(index, "ACK", &branch);
            draft.cseq = cseq;
            if let Some(answer) = self.manners.ack_sdp.clone() {
                draft.headers = "Content-Type: application/sdp\r\n".into();
                draft.body = answer;
            }
            self.dialogs[index].last_ack = draft.bytes();
        }
        vec![Effect::Send(self.dialogs[index].last_ack.clone())]
    }
}
