//! Rates: how often a person may refer, and when an INVITE has its turn.

use super::Session;
use crate::cpm::action::{Counter, Level};
use crate::cpm::person::Person;
use crate::cpm::rate::{Bucket, Rate};
use crate::cpm::records::ids::Id;
use crate::cpm::refusal::Refusal;
use crate::cpm::time::Millis;
use crate::sip::uri::Uri;

/// The turn of an INVITE.
pub(super) struct InviteTurn {
    /// How long it is waited for.
    pub wait: Millis,
    /// The parameter whose rate makes it wait.
    cause: Option<&'static str>,
}

impl Session<'_> {
    /// Takes a turn for a REFER, or a list, of this person: over `refer_rate` it is refused.
    pub(super) fn admit_referrer(&mut self, referrer: &Person) -> Result<(), Refusal> {
        let rate = self.env.settings.rates.refer;
        let identity = self.identity_of(&referrer.uri);
        let turn = self.take_turn(Bucket::Referrer(identity.as_str()), rate, 0);
        turn.map(|_| ()).map_err(|wait| Refusal::TooManyRefers {
            rate: rate.per_second,
            wait,
        })
    }

    /// Takes a turn for one more INVITE to `target`, by the rates of the session, of the target's domain and
    /// of the next hop. Whatever the wait, the INVITE is not lost.
    pub(super) fn turn_of_invite(&mut self, target: &Uri) -> InviteTurn {
        let settings = self.env.settings;
        let rates = &settings.rates;
        let request_uri = settings.request_uri_for(target);
        let next_hop = settings.orig_route.first();
        let next_hop = next_hop.map_or(&request_uri, |r| r.uri());
        let next_hop = match next_hop.port() {
            Some(port) => format!("{}:{port}", next_hop.host()),
            None => next_hop.host().to_owned(),
        };
        let token = self.head.token.clone();
        let limits = [
            (
                Bucket::Session(&token),
                rates.session,
                "session_rate",
                Counter::InvitesOverSessionRate,
            ),
            (
                Bucket::Domain(target.host()),
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
        let mut turn = InviteTurn {
            wait: 0,
            cause: None,
        };
        for (bucket, rate, cause, counter) in limits {
            let wait = self.take_turn(bucket, rate, Millis::MAX).unwrap_or(0);
            if wait > 0 {
                self.count(counter, 1);
            }
            if wait > turn.wait {
                turn = InviteTurn {
                    wait,
                    cause: Some(cause),
                };
            }
        }
        turn
    }

    /// Writes down why the INVITE of a leg waits, if a rate makes it.
    pub(super) fn log_turn(&mut self, leg: Id, turn: &InviteTurn) {
        let (Some(cause), Some(target)) = (turn.cause, self.who_of_leg(leg)) else {
            return;
        };
        self.log_leg(leg, Level::Info, |show| {
            let who = show.who(&target);
            format!("INVITE to {who} waits {} ms: {cause}", turn.wait)
        });
    }

    fn take_turn(
        &self,
        bucket: Bucket<'_>,
        rate: Rate,
        patience: Millis,
    ) -> Result<Millis, Millis> {
        match rate.per_second {
            0 => Ok(0),
            _ => (self.env.turn)(&bucket, rate, patience),
        }
    }
}
