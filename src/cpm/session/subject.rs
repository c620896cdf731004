//! The subject of a session: taken from the INVITE that starts it, changed by a re-INVITE or UPDATE of who
//! may.

use super::Session;
use crate::cpm::action::Level;
use crate::cpm::note::Note;
use crate::cpm::option_tags::requires_list_invite;
use crate::cpm::person::Person;
use crate::cpm::policy::Action;
use crate::cpm::records::ids::Id;
use crate::cpm::redact::Who;
use crate::cpm::refusal::Refusal;
use crate::sip::Request;

/// Longest Subject taken over, bytes.
pub(super) const MAX_SUBJECT: usize = 512;
/// How many earlier subjects are remembered: who repeats one may have missed the change.
const FORMER: usize = 4;

impl Session<'_> {
    /// The subject that a re-INVITE or UPDATE of `id` wants for the session. `None`: it wants no other one. A
    /// client may write into every request what it said at first, or was told by our INVITE or 200, so that
    /// means nothing, unless it requires `recipient-list-invite`, by which liblinphone renames.
    ///
    /// # Errors
    /// As [`Session::check_subject`].
    pub(super) fn wanted_subject(
        &mut self,
        id: Id,
        request: &Request,
    ) -> Result<Option<String>, Refusal> {
        let known = self.records.leg(id).and_then(|leg| leg.subject.clone());
        let who = self.peer_of_dialog(id);
        let said = request
            .text("Subject")
            .filter(|_| !requires_list_invite(request));
        // Or what it was told by a conference document.
        let former = |said| self.head.former_subjects.contains(said);
        match said {
            Some(said) if known.as_ref() == Some(&said) => Ok(None),
            Some(said) if former(&said) && !self.may_rename(who.as_ref()) => Ok(None),
            _ => self.check_subject(request, who),
        }
    }

    fn may_rename(&mut self, who: Option<&Person>) -> bool {
        who.is_some_and(|who| {
            let verdict = self.permissions_of(who);
            verdict.allows(Action::AllowSubjectChange)
        })
    }

    /// What somebody who comes in is told by our 200, or else said itself.
    pub(super) fn subject_told(&self, request: &Request) -> Option<String> {
        let said = || {
            request
                .text("Subject")
                .filter(|said| said.len() <= MAX_SUBJECT)
        };
        self.head.subject.clone().or_else(said)
    }

    /// The subject that a request wants for the session. `None`: it wants none, or the one there is.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for more than 512 bytes, control characters or anything but UTF-8;
    /// [`Refusal::Policy`] or [`Refusal::AdHocPolicy`] for somebody who may not.
    pub(super) fn check_subject(
        &mut self,
        request: &Request,
        who: Option<Person>,
    ) -> Result<Option<String>, Refusal> {
        if request.values("Subject").is_empty() {
            return Ok(None);
        }
        let Some(subject) = request.text("Subject") else {
            return Err(Refusal::malformed("Subject is not clean UTF-8"));
        };
        if subject.is_empty() {
            return Ok(None);
        }
        if subject.len() > MAX_SUBJECT {
            return Err(Refusal::malformed("Subject is longer than 512 bytes"));
        }
        if self.head.subject.as_deref() == Some(&subject) {
            return Ok(None);
        }
        match self.may_rename(who.as_ref()) {
            true => Ok(Some(subject)),
            false => Err(self.not_permitted(Action::AllowSubjectChange)),
        }
    }

    /// The session has another subject from now on.
    pub(super) fn change_subject(&mut self, who: &Who, subject: String) {
        self.log(Level::Info, Note::SubjectChanged(who.to_ref()));
        self.log(Level::Debug, Note::Subject(&subject));
        let former = self.head.subject.replace(subject);
        if let Some(former) = former {
            let kept = &mut self.head.former_subjects;
            kept.retain(|known| *known != former);
            kept.insert(0, former);
            kept.truncate(FORMER);
        }
        self.note_description();
    }
}
