//! The requester: who asks, and what the session knows of them.

use super::Session;
use crate::cpm::input::Arrival;
use crate::cpm::person::{identify, Person};
use crate::cpm::records::ids::{Id, Name};
use crate::cpm::refusal::{Denial, Refusal};
use crate::sip::identity::Identity;
use crate::sip::privacy::ANONYMOUS_HOST;
use crate::sip::uri::Uri;
use crate::sip::Tag;

impl Session<'_> {
    /// The requester of a REFER in the dialog that `holder` keeps, or outside any.
    pub(super) fn identify_referrer(
        &mut self,
        arrival: &Arrival,
        holder: Option<Id>,
    ) -> Result<Person, Denial> {
        if let Some(holder) = holder {
            return self.sender_in_dialog(arrival, holder);
        }
        let mut who = identify(arrival, |uri| self.identity_of(uri))?;
        // Target-Dialog makes nobody of somebody: it only says that a known person asks from within a
        // dialog (R1.4). A dialog of another person says nothing.
        if let Some(leg) = self.target_dialog(arrival) {
            if let Ok(same) = self.sender_in_dialog(arrival, leg) {
                return Ok(same);
            }
        }
        self.add_what_session_knows(&mut who);
        Ok(who)
    }

    /// R1.3: in a dialog the asserted identity must be that of its peer. Without an asserted identity
    /// that of the dialog counts.
    pub(in crate::cpm) fn sender_in_dialog(
        &mut self,
        arrival: &Arrival,
        holder: Id,
    ) -> Result<Person, Denial> {
        let request = &arrival.request;
        let known = self.peer_of_dialog(holder).ok_or(Refusal::NoSuchDialog)?;
        let anonymous = known.anonymous || request.privacy().id;
        let asserted = request.asserted_identities();
        let asserted = Person::of_asserted(asserted, |uri| self.identity_of(uri));
        let mut who = match asserted {
            Some(who) if who.is_any_of(&known.identities) => who,
            Some(other) => return Err(Refusal::IdentityNotOfDialog.of(&other.who())),
            None => self.person(&known.uri),
        };
        for identity in known.identities {
            who.add_identity(identity);
        }
        let mut who = who.anonymous(anonymous);
        who.hidden |= known.hidden;
        self.add_what_session_knows(&mut who);
        Ok(who)
    }

    /// The peer of the dialog that a record keeps, as the session knows it.
    pub(in crate::cpm) fn peer_of_dialog(&mut self, holder: Id) -> Option<Person> {
        let (uri, identities, anonymous, hidden) = if let Some(leg) = self.records.leg(holder) {
            (&leg.uri, &leg.identities, leg.anonymous, leg.hidden)
        } else if let Some(refer) = self.records.refer(holder) {
            let anonymous = refer.anonymous;
            (&refer.referrer, &refer.identities, anonymous, refer.hidden)
        } else {
            let subscription = self.records.conference_subscription(holder)?;
            (
                &subscription.uri,
                &subscription.identities,
                subscription.anonymous,
                false,
            )
        };
        let mut who = Person::known_by(uri, identities.clone()).anonymous(anonymous);
        who.hidden = hidden;
        self.add_what_session_knows(&mut who);
        Some(who)
    }

    /// The leg that Target-Dialog names. A header that names none is no error (RFC 4538 section 4,
    /// R1.4). The tags are seen from here (section 3); a sender that wrote them as it sees them itself
    /// knows the dialog as well.
    fn target_dialog(&mut self, arrival: &Arrival) -> Option<Id> {
        let target = arrival.request.target_dialog()?;
        let (call, here, there) = (&target.call_id, &target.local_tag, &target.remote_tag);
        self.leg_of_dialog(call, here, there)
            .or_else(|| self.leg_of_dialog(call, there, here))
    }

    /// The connected leg of a dialog.
    fn leg_of_dialog(&mut self, call_id: &str, ours: &Tag, theirs: &Tag) -> Option<Id> {
        let name = Name::Dialog {
            call_id: call_id.to_owned(),
            local_tag: ours.clone(),
        };
        let id = self.records.find(&name)?;
        let leg = self.records.leg(id)?;
        let same = leg.dialog.remote_tag.as_ref() == Some(theirs);
        (same && leg.is_connected()).then_some(id)
    }

    /// Adds what the session itself knows of somebody.
    pub(in crate::cpm) fn add_what_session_knows(&mut self, who: &mut Person) {
        let leg = self.records.member(&who.identities);
        if let Some(leg) = leg.and_then(|id| self.records.leg(id)) {
            who.participant = leg.is_connected();
            who.administrator = leg.administrator;
            // Who joined anonymously stays so (R2.5).
            who.anonymous |= leg.anonymous;
            who.hidden |= leg.hidden;
        }
    }

    /// The leg of somebody in the session, or being invited, by a URI that is theirs or that they are
    /// shown by: subscribers know no other one of an anonymous participant.
    pub(super) fn member_called(&mut self, uri: &Uri) -> Option<Id> {
        let known = self.records.member(&[self.identity_of(uri)]);
        if known.is_some() || uri.host() != ANONYMOUS_HOST {
            return known;
        }
        self.records.children().into_iter().find(|id| {
            let leg = self.records.leg(*id);
            leg.filter(|leg| leg.is_member() && leg.is_unnamed())
                .is_some_and(|leg| leg.shown_uri() == uri.as_str())
        })
    }

    /// Whether a URI is that of the group, the factory or this focus: nobody to invite.
    pub(super) fn is_ourselves(&self, target: &Uri) -> bool {
        let group = self.head.group.as_ref();
        group.is_some_and(|group| Identity::same(group, target))
            || Identity::same(&self.env.settings.factory, target)
            || target.user() == Some(self.head.token.as_str())
    }
}
