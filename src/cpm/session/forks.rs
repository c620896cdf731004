//! 2xx to our INVITE that make no participant: further ones of a forked INVITE, and unusable ones.

use super::Session;
use crate::cpm::action::Level;
use crate::cpm::note::Note;
use crate::cpm::records::ids::Id;
use crate::cpm::records::leg::Fork;
use crate::cpm::records::{ByeCause, LegState};
use crate::cpm::stray_answer::{MAX_ACKS, MAX_FORKS};
use crate::sip::status::reason_phrase;
use crate::sip::{Response, Tag};

impl Session<'_> {
    /// A further 2xx is a dialog of its own: ACK, then BYE; the first one stays (RFC 3261 section
    /// 13.2.2.4). Both go where it says, so there are few, and nothing for what comes too often.
    pub(super) fn end_fork(&mut self, id: Id, tag: Tag, response: &Response) {
        let settings = self.env.settings;
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        let there_are = leg.forks.len();
        let known = leg.forks.iter_mut().find(|fork| fork.tag == tag);
        let new = known.is_none();
        match known {
            Some(fork) if fork.acks >= MAX_ACKS => return,
            Some(fork) => fork.acks += 1,
            None if there_are >= MAX_FORKS => return,
            None => leg.forks.push(Fork { tag, acks: 1 }),
        }
        // Its CSeq goes on from ours, which is above that of any PRACK the fork has had.
        let mut fork = leg.dialog.clone();
        fork.establish(response);
        let ack = leg.refusing_ack(&fork, response, settings);
        self.send(ack);
        if new {
            self.log_leg(id, Level::Info, Note::SecondAnswer);
            self.send(fork.bye(None, ByeCause::Replaced));
        }
    }

    /// A 2xx without a To-tag, or with one of any length, makes no dialog that could be kept. The device
    /// that sent it believes in one: ACK and BYE, as well as they can be addressed.
    pub(super) fn end_unusable(&mut self, id: Id, response: &Response) {
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        if leg.dialog.remote_tag.is_some() || leg.state == LegState::Left {
            return;
        }
        let mut dialog = leg.dialog.clone();
        dialog.establish(response);
        let ack = leg.refusing_ack(&dialog, response, self.env.settings);
        self.log_leg(id, Level::Warn, Note::NoToTag);
        self.send(ack);
        self.send(dialog.bye(None, ByeCause::NotAcceptable));
        self.invite_failed(id, 502, reason_phrase(502));
    }
}
