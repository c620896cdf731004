//! The endpoint as a server: INVITE in all its endings, CANCEL, BYE, NOTIFY.
//! Not here: its own requests (`super::caller`).

use cpm::sip::{Request, Tag};

use super::{Effect, How, Peer, PeerDialog, Served, Stage, Timer};
use crate::flows::bed::message::{answer, audio_sdp, sdp};

const T1: u64 = 500;
const T2: u64 = 4_000;
const SIXTY_FOUR_T1: u64 = 64 * T1;

impl Peer {
    pub(super) fn request_arrives(&mut self, request: Request) -> Vec<Effect> {
        let branch = request.branch.clone().unwrap_or_default();
        if request.method == cpm::sip::Method::Ack {
            return self.ack_arrives(&branch, &request);
        }
        let key = (branch.clone(), request.method.to_string());
        if let Some(served) = self.served.get(&key) {
            let last = served.answers.last();
            return last
                .map(|(_, b)| Effect::Send(b.clone()))
                .into_iter()
                .collect();
        }
        self.received.push(request.clone());
        self.served.insert(
            key,
            Served {
                request: request.clone(),
                answers: Vec::new(),
                final_code: None,
                acknowledged: Vec::new(),
            },
        );
        match request.method.as_str() {
            "INVITE" | "UPDATE" if request.to_tag.is_some() => {
                self.renewal_arrives(&branch, &request)
            }
            "INVITE" => self.invite_arrives(&branch),
            "CANCEL" => self.cancel_arrives(&branch, &request),
            "BYE" => self.bye_arrives(&branch, &request),
            "NOTIFY" => self.notify_arrives(&branch, &request),
            "PRACK" => self.reply(&branch, &request, 200, "", &[]),
            _ => self.reply(&branch, &request, 405, "", &[]),
        }
    }

    /// re-INVITE or UPDATE; the 2xx to a re-INVITE is repeated until its ACK comes.
    fn renewal_arrives(&mut self, branch: &str, request: &Request) -> Vec<Effect> {
        let known = self.dialog_of(request);
        self.check_cseq(known, request);
        let up = known.is_some_and(|index| self.dialogs[index].stage == Stage::Up);
        let Some(code) = self.manners.renews else {
            return Vec::new();
        };
        let code = if up { code } else { 481 };
        if code >= 300 || too_short(request, self.manners.min_se) {
            let (code, headers) = self.refusal(request, code);
            return self.reply(branch, request, code, &headers, &[]);
        }
        let mut headers = format!("Contact: <{}>\r\n{}", self.contact(), self.manners.accepts);
        if request.method == cpm::sip::Method::Update {
            return self.reply(branch, request, code, &headers, &[]);
        }
        headers.push_str("Content-Type: application/sdp\r\n");
        let mut body = sdp(&self.host, &self.name);
        if self.manners.refuses_media_again {
            let text = String::from_utf8_lossy(&body).into_owned();
            let line = text
                .lines()
                .find(|l| l.starts_with("m="))
                .unwrap_or("")
                .to_owned();
            let port = line.split(' ').nth(1).unwrap_or("0").to_owned();
            body = text.replace(&line, &line.replace(&port, "0")).into_bytes();
        }
        let mut effects = self.reply(branch, request, code, &headers, &body);
        let again = Timer::RepeatFinal {
            branch: branch.to_owned(),
            tag: format!("{}-{branch}", self.name),
            next: T1,
            until: SIXTY_FOUR_T1,
        };
        effects.push(Effect::After(T1, again));
        effects
    }

    /// What a refusal with this status looks like, unless the session would be too short.
    fn refusal(&self, request: &Request, code: u16) -> (u16, String) {
        let least = self.manners.min_se;
        if too_short(request, least) {
            return (422, format!("Min-SE: {least}\r\n"));
        }
        (code, self.manners.refuses.clone())
    }

    fn invite_arrives(&mut self, branch: &str) -> Vec<Effect> {
        let manners = self.manners.clone();
        let mut effects = Vec::new();
        if manners.trying {
            effects.extend(self.progress(branch, 100));
        }
        for (after, code) in manners.rings {
            let branch = branch.to_owned();
            effects.push(Effect::After(after, Timer::Progress { branch, code }));
        }
        if let Some((after, _)) = manners.answer {
            let branch = branch.to_owned();
            effects.push(Effect::After(after, Timer::Final { branch }));
        }
        effects
    }

    pub(super) fn progress(&mut self, branch: &str, code: u16) -> Vec<Effect> {
        let (name, devices) = (&self.name, self.manners.devices);
        let Some(served) = self.served.get_mut(&(branch.to_owned(), "INVITE".into())) else {
            return Vec::new();
        };
        if served.final_code.is_some() {
            return Vec::new();
        }
        // Its devices take turns.
        let tag = format!("{name}-{branch}-{}", served.answers.len() % devices);
        let sent = served.answers.iter().filter(|(t, _)| *t == tag);
        let rseq = sent.count() + 1;
        let mut headers = match code {
            101.. if self.manners.reliable => format!(
                "Require: 100rel\r\nRSeq: {rseq}\r\nContact: <sip:{}@{}:5060>\r\n",
                self.name, self.host
            ),
            _ => String::new(),
        };
        let mut body = Vec::new();
        if code > 100 && self.manners.early_sdp {
            headers.push_str("Content-Type: application/sdp\r\n");
            body = match self.manners.usable_sdp {
                true => sdp(&self.host, &tag),
                false => audio_sdp(&self.host),
            };
        }
        let bytes = answer(&served.request, code, "Progress", &tag, &headers, &body);
        served.answers.push((tag, bytes.clone()));
        vec![Effect::Send(bytes)]
    }

    /// The user decides.
    pub(super) fn pick_up(&mut self, branch: &str) -> Vec<Effect> {
        let code = self.manners.answer.map_or(200, |(_, code)| code);
        let code = self.out_of_patience("INVITE", code);
        self.final_answer(branch, code)
    }

    /// What it says after it has refused often enough.
    fn out_of_patience(&mut self, method: &'static str, code: u16) -> u16 {
        let refused = self.refused.entry(method).or_insert(0);
        match code {
            300.. if *refused < self.manners.patience => {
                *refused += 1;
                code
            }
            300.. => 200,
            _ => code,
        }
    }

    fn retry_after(&self) -> String {
        let seconds = self.manners.retry_after;
        seconds.map_or(String::new(), |seconds| {
            format!("Retry-After: {seconds}\r\n")
        })
    }

    fn final_answer(&mut self, branch: &str, code: u16) -> Vec<Effect> {
        let key = (branch.to_owned(), "INVITE".to_owned());
        let served = self.served.get(&key);
        let (code, refusal) = match served.map(|served| self.refusal(&served.request, code)) {
            Some((422, refusal)) => (422, refusal),
            _ => (code, String::new()),
        };
        let has_text = served.is_some_and(|served| {
            let contact = served.request.contact_addr();
            contact.is_some_and(|contact| contact.params.iter().any(|(name, _)| name == "text"))
        });
        let code = match self.manners.wants_text {
            Some(wanted) if code < 300 && wanted != has_text => 488,
            _ => code,
        };
        let devices = if code < 300 { self.manners.devices } else { 1 };
        let (contact, manners) = (self.contact(), self.manners.clone());
        let retry_after = self.retry_after();
        let Some(served) = self.served.get_mut(&key) else {
            return Vec::new();
        };
        if served.final_code.is_some() {
            return Vec::new();
        }
        served.final_code = Some(code);
        let request = served.request.clone();
        let asserted: String = manners
            .asserted
            .iter()
            .map(|uri| format!("P-Asserted-Identity: <{uri}>\r\n"))
            .collect();
        let mut effects = Vec::new();
        for device in 0..devices {
            let tag = format!("{}-{branch}-{device}", self.name);
            let bytes = if code < 300 {
                let headers = format!(
                    "Contact: <{contact}>\r\nContent-Type: application/sdp\r\n{asserted}{}",
                    manners.accepts
                );
                let body = match (manners.early_sdp || manners.no_sdp, manners.usable_sdp) {
                    (true, _) => Vec::new(),
                    (false, true) => sdp(&self.host, &tag),
                    (false, false) => audio_sdp(&self.host),
                };
                self.dialogs.push(dialog_of(&request, &tag));
                answer(&request, code, "OK", &tag, &headers, &body)
            } else {
                let more = format!("{refusal}{retry_after}");
                answer(&request, code, "Because", &tag, &more, &[])
            };
            if let Some(served) = self.served.get_mut(&key) {
                served.answers.push((tag.clone(), bytes.clone()));
            }
            effects.push(Effect::Send(bytes));
            let branch = branch.to_owned();
            let again = Timer::RepeatFinal {
                branch,
                tag,
                next: T1,
                until: SIXTY_FOUR_T1,
            };
            effects.push(Effect::After(T1, again));
        }
        effects
    }

    pub(super) fn repeat_final(
        &mut self,
        branch: String,
        tag: String,
        waited: u64,
        left: u64,
    ) -> Vec<Effect> {
        let Some(served) = self.served.get(&(branch.clone(), "INVITE".into())) else {
            return Vec::new();
        };
        // A dialog that is over, whoever ended it, has no 2xx to repeat; that to a re-INVITE included.
        let ours = served.request.to_tag.as_deref().unwrap_or(&tag);
        let over = self.dialogs.iter().any(|d| {
            let same = d.call_id == served.request.call_id && d.local_tag == ours;
            same && d.stage == Stage::Over
        });
        if over || served.acknowledged.contains(&tag) {
            return Vec::new();
        }
        let Some(left) = left.checked_sub(waited).filter(|left| *left > 0) else {
            // That of a failure is tm's own affair.
            if served.final_code.is_some_and(|code| code < 300) {
                self.complaints.push(format!("no ACK for the 2xx of {tag}"));
            }
            return Vec::new();
        };
        let bytes = served
            .answers
            .iter()
            .find(|(t, b)| *t == tag && is_final(b));
        let mut effects: Vec<Effect> = bytes
            .map(|(_, bytes)| Effect::Send(bytes.clone()))
            .into_iter()
            .collect();
        let next = (waited * 2).min(T2);
        let again = Timer::RepeatFinal {
            branch,
            tag,
            next,
            until: left,
        };
        effects.push(Effect::After(next, again));
        effects
    }

    fn ack_arrives(&mut self, branch: &str, request: &Request) -> Vec<Effect> {
        let Some(tag) = request.to_tag.as_ref().map(Tag::to_string) else {
            self.complaints.push("ACK without To-tag".into());
            return Vec::new();
        };
        let known = self.dialog_of(request);
        if let Some(dialog) = known {
            self.dialogs[dialog].acknowledged = true;
        }
        // A 2xx that arrives once more when all is over is answered by somebody who knows nothing of it.
        let over = known.is_some_and(|dialog| self.dialogs[dialog].stage == Stage::Over);
        // The ACK to a 2xx has a branch of its own (RFC 3261 section 8.1.1.7).
        let by_dialog = |served: &&mut Served| {
            served.request.method == cpm::sip::Method::Invite
                && served.request.call_id == request.call_id
                && served.request.cseq == request.cseq
        };
        let Some(served) = self.served.values_mut().find(by_dialog) else {
            self.complaints.push(format!("ACK {branch} for no INVITE"));
            return Vec::new();
        };
        if request.cseq == served.request.cseq && served.request.to_tag.is_some() {
            let last = served.answers.last();
            served.acknowledged.extend(last.map(|(tag, _)| tag.clone()));
        }
        // RFC 3261 section 13.2.1: the answer is in the ACK if the offer was in the 2xx, and nowhere else.
        let offered = |bytes: &[u8]| bytes.windows(5).any(|five| five == b"v=0\r\n");
        let ours = served
            .answers
            .iter()
            .rfind(|(t, b)| *t == tag && is_final(b));
        let due = !offered(&served.request.body) && ours.is_some_and(|(_, bytes)| offered(bytes));
        let accepted = served.final_code.is_some_and(|code| code < 300);
        if accepted && !over && due == request.body.is_empty() {
            let body = String::from_utf8_lossy(&request.body);
            self.complaints.push(format!(
                "the answer is due in the ACK: {due}, there is {body:?}"
            ));
        }
        served.acknowledged.push(tag);
        Vec::new()
    }

    fn cancel_arrives(&mut self, branch: &str, request: &Request) -> Vec<Effect> {
        let invite = self.served.get(&(branch.to_owned(), "INVITE".into()));
        let Some(final_code) = invite.map(|served| served.final_code) else {
            return self.reply(branch, request, 481, "", &[]);
        };
        let mut effects = self.reply(branch, request, 200, "", &[]);
        if final_code.is_none() {
            let code = if self.manners.crosses { 200 } else { 487 };
            effects.extend(self.final_answer(branch, code));
        }
        effects
    }

    fn bye_arrives(&mut self, branch: &str, request: &Request) -> Vec<Effect> {
        let known = self.dialog_of(request);
        self.check_cseq(known, request);
        let Some(dialog) = known.map(|index| &mut self.dialogs[index]) else {
            return self.reply(branch, request, 481, "", &[]);
        };
        let over = dialog.stage == Stage::Over;
        let reason = request.text("Reason").unwrap_or_default();
        dialog.bye_reason.get_or_insert(reason);
        dialog.stage = Stage::Over;
        match self.manners.bye {
            Some(_) if over => self.reply(branch, request, 481, "", &[]),
            Some(code) => self.reply(branch, request, code, "", &[]),
            None => Vec::new(),
        }
    }

    fn notify_arrives(&mut self, branch: &str, request: &Request) -> Vec<Effect> {
        let known = self.dialog_of(request);
        self.check_cseq(known, request);
        match (known, self.manners.notify) {
            (_, None) => Vec::new(),
            (None, Some(_)) => self.reply(branch, request, 481, "", &[]),
            (Some(_), Some(code)) => {
                let code = self.out_of_patience("NOTIFY", code);
                let headers = match code {
                    300.. => self.retry_after(),
                    _ => String::new(),
                };
                self.reply(branch, request, code, &headers, &[])
            }
        }
    }

    fn check_cseq(&mut self, dialog: Option<usize>, request: &Request) {
        let Some(dialog) = dialog.map(|index| &mut self.dialogs[index]) else {
            return;
        };
        let over = dialog.stage == Stage::Over && request.method == cpm::sip::Method::Bye;
        if request.cseq <= dialog.remote_cseq && !over {
            self.complaints.push(format!(
                "{} with CSeq {} after {}",
                request.method, request.cseq, dialog.remote_cseq
            ));
        }
        dialog.remote_cseq = request.cseq;
    }

    fn reply(
        &mut self,
        branch: &str,
        request: &Request,
        code: u16,
        headers: &str,
        body: &[u8],
    ) -> Vec<Effect> {
        let tag = format!("{}-{branch}", self.name);
        let bytes = answer(request, code, "Because", &tag, headers, body);
        let key = (branch.to_owned(), request.method.to_string());
        if let Some(served) = self.served.get_mut(&key) {
            served.answers.push((tag, bytes.clone()));
            served.final_code = Some(code);
        }
        vec![Effect::Send(bytes)]
    }

    /// The dialog a request of the focus is in. The NOTIFY of a REFER may come before its 2xx.
    fn dialog_of(&self, request: &Request) -> Option<usize> {
        self.dialogs.iter().position(|d| {
            d.call_id == request.call_id
                && request.to_tag.as_deref() == Some(d.local_tag.as_str())
                && d.remote_tag
                    .as_ref()
                    .is_none_or(|tag| tag == request.from_tag.as_str())
        })
    }
}

/// A session refresh request that asks for less than `least` seconds.
fn too_short(request: &Request, least: u32) -> bool {
    request
        .session_expires()
        .is_some_and(|asked| asked.seconds < least)
}

fn is_final(bytes: &[u8]) -> bool {
    !bytes.starts_with(b"SIP/2.0 1")
}

/// The dialog that the 2xx with `tag` makes (RFC 3261 section 12.1.1).
fn dialog_of(request: &Request, tag: &str) -> PeerDialog {
    PeerDialog {
        how: How::Invited,
        stage: Stage::Up,
        call_id: request.call_id.clone(),
        local_tag: tag.to_owned(),
        remote_tag: Some(request.from_tag.to_string()),
        local: format!("<{}>", request.to().uri.as_str()),
        remote: format!("<{}>", request.from().uri.as_str()),
        focus: request
            .contact()
            .map_or_else(|| request.uri.clone(), |c| c.as_str().to_owned()),
        local_cseq: 50,
        remote_cseq: request.cseq,
        acknowledged: false,
        bye_reason: None,
        last_ack: Vec::new(),
    }
}
