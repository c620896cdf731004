//! REFER: the procedure of OMA CPM, "CPM Client inviting Users to existing CPM Group Session", in its
//! nine steps. [`Session::invite_by_refer`] is the page to read first.
//!
//! REFER with `method=BYE` is beside it in `removal`, the operator's commands in `operator`.

mod answer;
mod authorise;
mod extract_targets;
mod filter_targets;
mod invite_target;
mod notify_referrer;
mod other_purposes;
mod privacy;
mod refer_sub;

pub(super) use self::answer::Origin;
use self::invite_target::Pace;
use super::Session;
use crate::cpm::input::Arrival;
use crate::cpm::person::Person;
use crate::cpm::records::ids::{Id, MergeKey, Name};
use crate::cpm::refer_syntax::ReferRequest;
use crate::cpm::refusal::{Denial, Refusal};
use crate::cpm::targets::{Purpose, Targets};
use crate::sip::{Method, Request};

/// A REFER that can be read, of a sender who is known.
pub(super) struct KnownRefer<'a> {
    /// As it came in.
    pub arrival: &'a Arrival,
    /// The record whose dialog it came in: a leg, or an earlier REFER. `None`: outside any dialog.
    pub holder: Option<Id>,
    /// What it asks for.
    pub request: ReferRequest,
    /// Who asks.
    pub referrer: Person,
}

impl Session<'_> {
    /// REFER in the dialog that `holder` keeps (a leg, or an earlier REFER), or outside any.
    pub(super) fn refer_received(&mut self, arrival: &Arrival, holder: Option<Id>) {
        let result =
            self.read_refer(arrival, holder)
                .and_then(|refer| match refer.request.purpose() {
                    Purpose::Invite => self.invite_by_refer(refer),
                    Purpose::Remove => self.remove_by_refer(refer),
                    Purpose::GiveRole | Purpose::TakeRole => self.change_role_by_refer(refer),
                });
        if let Err(denial) = result {
            self.refuse(&Method::Refer, denial);
        }
    }

    /// The nine steps. When one of the first three refuses, nothing has changed but statistics.
    fn invite_by_refer(&mut self, refer: KnownRefer<'_>) -> Result<(), Denial> {
        let referrer = refer.referrer.clone();
        let denied = |refusal: Refusal| refusal.of(&referrer.who());

        // 1. Authorise the asserted identity by the group policy (RFC 3325, RFC 4745): else 403.
        let verdict = self.authorise(&referrer, &refer.request).map_err(denied)?;

        // 2. Check whether anonymity is permitted, if it is asked for (RFC 3323): else 403.
        self.check_privacy(&referrer, &verdict).map_err(denied)?;

        // 3. Extract the targets: from Refer-To (RFC 3515), or from the resource list (RFC 5368).
        let targets = self
            .extract_targets(refer.request.clone())
            .map_err(denied)?;

        // 4. Put the 2xx together (RFC 3515 section 2.4.2),
        let mut answer = self.prepare_answer(&refer);
        // 5. name "norefersub" in Supported (RFC 4488 section 4),
        answer.name_norefersub();
        // 6. and repeat "Refer-Sub: false" (RFC 4488 section 4).
        answer.repeat_refer_sub(&refer.request);

        // send it, and begin with 9.: the first NOTIFY follows the 2xx at once (RFC 3515 section 2.4.4).
        let record = self.answer_and_begin_reporting(&refer, &targets, answer);

        // 7. and 8. for each target by itself:
        self.invite_targets(record, &referrer, &targets);

        // 9. NOTIFY what each INVITE comes to (RFC 3515 section 2.4.5): `notify_referrer`.
        Ok(())
    }

    /// Steps 7 and 8, in list order; no result of one target touches another. Also for the lists that no
    /// REFER brought: of a factory INVITE, of a group's members, of an operator.
    pub(super) fn invite_targets(&mut self, record: Id, referrer: &Person, targets: &Targets) {
        let mut pace = Pace::new(self.env.settings.invite_rate);
        for (id, target) in self.records.targets_of(record).iter().zip(&targets.list) {
            // 7. Filter: whom the group policy lets join, and who is not in already (RFC 4745).
            let Some(uri) = self.filter_target(*id, referrer, target) else {
                continue;
            };
            // 8. Invite as the focus (RFC 4579 section 5.2). The answers come back to `invite_answer`.
            self.invite(*id, &uri, pace.next_delay());
        }
    }

    /// Reads a REFER and finds out who sent it (P2 to P14).
    fn read_refer<'a>(
        &mut self,
        arrival: &'a Arrival,
        holder: Option<Id>,
    ) -> Result<KnownRefer<'a>, Denial> {
        if !arrival.trusted {
            return Err(Refusal::UntrustedPeer.into());
        }
        let outside = holder.is_none();
        if outside && self.is_merged(&arrival.request) {
            return Err(Refusal::Merged.into());
        }
        let is_ourselves = |uri: &_| self.is_ourselves(uri);
        let identity = |uri: &_| self.identity_of(uri);
        let most = self.env.settings.max_refer_targets as usize;
        let request =
            ReferRequest::read(&arrival.request, outside, most, &is_ourselves, &identity)?;
        self.check_quirks(&request.quirks)?;
        let referrer = self.identify_referrer(arrival, holder)?;
        self.log_referrer(&referrer);
        self.log_request(&request);
        Ok(KnownRefer {
            arrival,
            holder,
            request,
            referrer,
        })
    }

    /// Whether a copy of this request has formed a dialog already (RFC 3261 section 8.2.2.2).
    pub(in crate::cpm) fn is_merged(&self, request: &Request) -> bool {
        let name = Name::Merge(MergeKey::of(request));
        self.records.find(&name).is_some()
    }
}
