//! Rates: how often a person may refer, and when an INVITE has its turn.
//!
//! The turns of one session are its own: they are taken as soon as it is known whom to invite. Those that all
//! sessions share are taken when the INVITE is about to leave, so that what is given up before costs nobody
//! else a turn.

use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::note::Note;
use crate::cpm::person::Person;
use crate::cpm::rate::{Bucket, Rate};
use crate::cpm::records::ids::Id;
use crate::cpm::records::leg::Turns;
use crate::cpm::records::LegState;
use crate::cpm::refusal::Refusal;
use crate::cpm::targets::{Purpose, Targets};
use crate::cpm::time::Millis;
use crate::sip::status::reason_phrase;
use crate::sip::uri::compare::host_key;
use crate::sip::uri::Uri;

/// How far ahead a turn that all sessions share is booked, ms. So much of it is lost by who gives up.
const BOOKED: Millis = 1_000;
/// Who finds no turn to book asks again within so many ms, by chance: not all at the same time.
const ASK_AGAIN: u128 = 1_000;
/// How long an INVITE waits for turns that all sessions share, ms.
const LONGEST_WAIT: Millis = 30_000;

impl Session<'_> {
    /// Takes as many turns of this person as a REFER or list invites targets, or one for what it does
    /// otherwise: over `refer_rate` it is refused.
    pub(super) fn admit_referrer(
        &mut self,
        referrer: &Person,
        targets: Option<&Targets>,
    ) -> Result<(), Refusal> {
        let settings = self.env.settings;
        let mut rate = settings.rates.refer;
        // Who adds a whole group one by one does nothing wrong.
        rate.burst = rate.burst.max(settings.max_participants);
        let invited = targets.filter(|targets| targets.purpose == Purpose::Invite);
        let count = invited.map_or(1, |targets| targets.list.len());
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let identity = self.identity_of(&referrer.uri);
        let turn = self.take_turns(&Bucket::Referrer(identity.as_str()), rate, count, 0);
        turn.map(|_| ()).map_err(|wait| Refusal::TooManyRefers {
            rate: rate.per_second,
            wait,
        })
    }

    /// Takes a turn of the session for one more INVITE. Gives how long it is waited for, ms; whatever it is,
    /// the INVITE is not lost.
    pub(super) fn turn_of_session(&self) -> Millis {
        let rate = self.env.settings.rates.session;
        let bucket = Bucket::Session(&self.head.token);
        let turn = self.take_turns(&bucket, rate, 1, Millis::MAX);
        turn.unwrap_or(0)
    }

    /// The INVITE of a leg is due. It leaves once it has a turn for the domain of its target and one for the
    /// next hop. Who waits for them too long is not reached.
    pub(super) fn invite_in_turn(&mut self, id: Id) {
        let now = self.env.now;
        let Some(leg) = self.records.leg(id) else {
            return;
        };
        let (LegState::Waiting { .. }, Some(attempt)) = (leg.state, &leg.outgoing) else {
            return;
        };
        let (mut turns, target) = (attempt.turns, leg.uri.clone());
        let until = *turns.until.get_or_insert(now + LONGEST_WAIT);
        let at = self.take_shared_turns(id, &target, &mut turns);
        if turns.noted && at > until {
            return self.invite_failed(id, 503, reason_phrase(503));
        }
        let Some(leg) = self.records.leg_mut(id) else {
            return;
        };
        leg.state = LegState::Waiting { at };
        if let Some(attempt) = &mut leg.outgoing {
            attempt.turns = turns;
        }
        if at <= now {
            self.send_invite(id);
        }
    }

    /// Takes what is missing of the turns that all sessions share. Gives when the INVITE is due again; now: it
    /// has them all.
    fn take_shared_turns(&mut self, id: Id, target: &Uri, turns: &mut Turns) -> Millis {
        let settings = self.env.settings;
        let rates = &settings.rates;
        let domain = host_key(target.host());
        let request_uri = settings.request_uri_for(target);
        let next_hop = settings.orig_route.first();
        let next_hop = next_hop.map_or(&request_uri, |route| route.uri());
        let host = host_key(next_hop.host());
        let next_hop = match next_hop.port() {
            Some(port) => [&host, ":", port.to_string().as_str()].concat(),
            None => host.into_owned(),
        };
        let shared = [
            (
                Bucket::Domain(&domain),
                rates.target,
                "target_rate",
                Counter::InvitesOverTargetRate,
            ),
            (
                Bucket::NextHop(&next_hop),
                rates.next_hop,
                "next_hop_rate",
                Counter::InvitesOverNextHopRate,
            ),
        ];
        let mut at = self.env.now;
        for (bucket, rate, parameter, counter) in shared.iter().skip(turns.taken.into()) {
            let turn = self.take_turns(bucket, *rate, 1, BOOKED);
            let (Ok(wait) | Err(wait)) = turn;
            if wait > 0 && !turns.noted {
                self.note_wait(id, wait, parameter, *counter);
            }
            turns.noted = turn.is_err();
            if turn.is_err() {
                let by_chance = (self.env.random)() % ASK_AGAIN;
                let later = wait.saturating_sub(BOOKED).max(1);
                return self.env.now + later + u64::try_from(by_chance).unwrap_or(0);
            }
            turns.taken += 1;
            at = at.max(self.env.now + wait);
        }
        at
    }

    /// Counts and writes down that the INVITE of a leg waits for a rate.
    pub(super) fn note_wait(&mut self, leg: Id, wait: Millis, parameter: &str, counter: Counter) {
        self.count(counter, 1);
        let Some(target) = self.who_of_leg(leg) else {
            return;
        };
        let waits = Note::InviteWaits(target.to_ref(), wait, parameter);
        self.log_leg(leg, Level::Debug, waits);
    }

    fn take_turns(
        &self,
        bucket: &Bucket<'_>,
        rate: Rate,
        count: u32,
        patience: Millis,
    ) -> Result<Millis, Millis> {
        match rate.per_second {
            0 => Ok(0),
            _ => (self.env.turn)(bucket, rate, count, patience),
        }
    }
}
