//! A 2xx to an INVITE of ours of which nothing is left: ACK it, and BYE (RFC 3261 section 13.2.2.4).
//!
//! Both go where the answer says, so it must not be possible to have us send as often as one likes. Who may
//! send such an answer is decided before (`trusted_peers`). Here: the INVITE was ours and is recent, each
//! To-tag gets one BYE, and few ACKs, and each Call-ID has few To-tags.

use super::env::Env;
use super::outgoing_message::OutgoingRequest;
use super::records::dialog::ByeCause;
use super::settings::Settings;
use super::socket::Socket;
use super::time::{millis, Millis, LONGEST_RETRY, LOST_REQUEST};
use crate::sip::{Method, Response};

/// PRACKs of ours may have gone to the same device; how many nobody knows any more.
const ABOVE_PRACKS: u32 = 100;
/// How many 2xx of one INVITE, beyond the first, are ended. No proxy forks to more.
pub const MAX_FORKS: usize = 16;
/// How often one 2xx is acknowledged. Who sends it repeats it ten times (RFC 3261 section 13.3.1.4).
pub const MAX_ACKS: u32 = 16;

/// A 2xx that was ended, as it is remembered. The default is a free place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndedAnswer {
    /// A keyed hash of its Call-ID.
    call: u64,
    /// The same of its Call-ID and To-tag.
    dialog: u64,
    /// When such an answer means nothing any more, and the place is free.
    until: Millis,
    /// How many ACKs it got.
    acks: u32,
}

/// What a stray 2xx gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// It is the first with its To-tag.
    AckAndBye,
    /// It was repeated.
    Ack,
    /// It was repeated too often, its Call-ID had too many others, or there is no place to remember it.
    Nothing,
}

/// A 2xx to an INVITE that this server sent a short time ago.
#[derive(Debug)]
pub struct StrayAnswer {
    call: u64,
    dialog: u64,
    until: Millis,
    ack: OutgoingRequest,
}

/// How long after it was first sent an INVITE can still be accepted, ms: two attempts with the pause between
/// them, and the repetitions of the 2xx.
fn answerable(settings: &Settings) -> Millis {
    let ringing = settings.invite_timeout.saturating_mul(2);
    ringing.saturating_add(millis(LONGEST_RETRY) + LOST_REQUEST)
}

impl StrayAnswer {
    /// `None`: the answer is no 2xx to a recent INVITE of this server. Its From-tag tells, which nobody else
    /// can make. `arrived` is the socket it came in on.
    pub fn of(response: &Response, arrived: Socket, env: &Env<'_>) -> Option<StrayAnswer> {
        let accepted = (200..=299).contains(&response.status);
        if response.cseq_method != Method::Invite || !accepted {
            return None;
        }
        let life = answerable(env.settings);
        if !env.made_tag(&response.from_tag, &response.call_id, life) {
            return None;
        }
        let to_tag = response.to_tag.clone()?;
        let hash = |text: &str| ((env.seal)(text) >> 64) as u64;
        let mut route = response.record_route();
        route.reverse();
        Some(StrayAnswer {
            call: hash(&response.call_id),
            dialog: hash(&format!("{}\n{to_tag}", response.call_id)),
            until: env.now.saturating_add(life),
            ack: OutgoingRequest {
                owner: None,
                method: Method::Ack,
                request_uri: response.contact()?,
                from: response.from().uri,
                to: response.to().uri,
                call_id: response.call_id.clone(),
                local_tag: response.from_tag.clone(),
                remote_tag: Some(to_tag),
                cseq: response.cseq,
                route,
                headers: String::new(),
                body: Vec::new(),
                socket: arrived,
            },
        })
    }

    /// Looks it up among those that were `ended`, and remembers it there.
    pub fn remember(&self, ended: &mut [EndedAnswer], now: Millis) -> Reaction {
        let lives = |known: &&mut EndedAnswer| known.until > now;
        if let Some(known) = ended
            .iter_mut()
            .filter(lives)
            .find(|known| known.dialog == self.dialog)
        {
            if known.acks >= MAX_ACKS {
                return Reaction::Nothing;
            }
            known.acks += 1;
            return Reaction::Ack;
        }
        let others = ended.iter_mut().filter(lives);
        if others.filter(|known| known.call == self.call).count() >= MAX_FORKS {
            return Reaction::Nothing;
        }
        let Some(free) = ended.iter_mut().find(|known| known.until <= now) else {
            return Reaction::Nothing;
        };
        *free = EndedAnswer {
            call: self.call,
            dialog: self.dialog,
            until: self.until,
            acks: 1,
        };
        Reaction::AckAndBye
    }

    /// What is sent.
    pub fn requests(self, reaction: Reaction) -> Vec<OutgoingRequest> {
        let bye = OutgoingRequest {
            method: Method::Bye,
            cseq: self.ack.cseq.saturating_add(ABOVE_PRACKS),
            headers: ByeCause::Gone.header_lines(),
            ..self.ack.clone()
        };
        match reaction {
            Reaction::AckAndBye => vec![self.ack, bye],
            Reaction::Ack => vec![self.ack],
            Reaction::Nothing => Vec::new(),
        }
    }
}
