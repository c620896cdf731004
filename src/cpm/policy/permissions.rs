//! What a rule can permit: the actions of a group document, and a set of them.

use serde::{Deserialize, Serialize};

/// What somebody is permitted: one field per action of a group document. The default permits nothing.
///
/// The actions are those of OMA's group documents and two of this server's namespace, all of them
/// `xs:boolean`. The first eight fields are enforced; the others are read and reported only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Permissions {
    /// Join, join again, or be invited.
    pub join_handling: bool,
    /// Start the session of the group.
    pub allow_initiate_conference: bool,
    /// Invite others into the running session.
    pub allow_invite_users_dynamically: bool,
    /// Ask for anonymity (`Privacy: id`).
    pub allow_anonymity: bool,
    /// Subscribe to the conference event package.
    pub allow_conference_state: bool,
    /// Remove others from the session.
    pub allow_expelling: bool,
    /// Give others the role of an administrator, and take it. Of this server's namespace.
    pub allow_role_change: bool,
    /// Change the subject of the session. Of this server's namespace.
    pub allow_subject_change: bool,
    /// Be a participant without whom the session ends. Not enforced.
    pub is_key_participant: bool,
    /// `<allow-subconf>` of OMA's XDM extensions. Not enforced.
    pub allow_subconf: bool,
    /// `<allow-private-message>` of OMA's XDM extensions. Not enforced.
    pub allow_private_message: bool,
    /// `<allow-reject-invite>` of OMA's XDM extensions. Not enforced.
    pub allow_reject_invite: bool,
    /// `<allow-offline-storage>` of OMA's XDM extensions. Not enforced.
    pub allow_offline_storage: bool,
    /// `<allow-media-handling>` of OMA's XDM extensions. Not enforced.
    pub allow_media_handling: bool,
    /// `<remove-media-handling>` of OMA's XDM extensions. Not enforced.
    pub remove_media_handling: bool,
    /// `<allow-auto-answermode>` of OMA's XDM extensions. Not enforced.
    pub allow_auto_answermode: bool,
    /// `<allow-manual-answer-override>` of OMA's XDM extensions. Not enforced.
    pub allow_manual_answer_override: bool,
    /// `<block-group-advertisement-sending>` of OMA's XDM extensions. Not enforced.
    pub block_group_advertisement_sending: bool,
}

/// An action of a group document, so that a log line can name the permission that was missing. The
/// fields of [`Permissions`] say what each one means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// `<join-handling>`.
    JoinHandling,
    /// `<allow-initiate-conference>`.
    AllowInitiateConference,
    /// `<allow-invite-users-dynamically>`.
    AllowInviteUsersDynamically,
    /// `<allow-anonymity>`.
    AllowAnonymity,
    /// `<allow-conference-state>`.
    AllowConferenceState,
    /// `<allow-expelling>`.
    AllowExpelling,
    /// `<allow-role-change>` of this server's namespace.
    AllowRoleChange,
    /// `<allow-subject-change>` of this server's namespace.
    AllowSubjectChange,
    /// `<is-key-participant>`.
    IsKeyParticipant,
    /// `<allow-subconf>`.
    AllowSubconf,
    /// `<allow-private-message>`.
    AllowPrivateMessage,
    /// `<allow-reject-invite>`.
    AllowRejectInvite,
    /// `<allow-offline-storage>`.
    AllowOfflineStorage,
    /// `<allow-media-handling>`.
    AllowMediaHandling,
    /// `<remove-media-handling>`.
    RemoveMediaHandling,
    /// `<allow-auto-answermode>`.
    AllowAutoAnswermode,
    /// `<allow-manual-answer-override>`.
    AllowManualAnswerOverride,
    /// `<block-group-advertisement-sending>`.
    BlockGroupAdvertisementSending,
}

impl Action {
    /// All actions, in the order in which they are reported.
    pub const ALL: [Action; 18] = [
        Action::JoinHandling,
        Action::AllowInitiateConference,
        Action::AllowInviteUsersDynamically,
        Action::AllowAnonymity,
        Action::AllowConferenceState,
        Action::AllowExpelling,
        Action::AllowRoleChange,
        Action::AllowSubjectChange,
        Action::IsKeyParticipant,
        Action::AllowSubconf,
        Action::AllowPrivateMessage,
        Action::AllowRejectInvite,
        Action::AllowOfflineStorage,
        Action::AllowMediaHandling,
        Action::RemoveMediaHandling,
        Action::AllowAutoAnswermode,
        Action::AllowManualAnswerOverride,
        Action::BlockGroupAdvertisementSending,
    ];

    /// The name of the element in a document.
    pub fn name(self) -> &'static str {
        match self {
            Action::JoinHandling => "join-handling",
            Action::AllowInitiateConference => "allow-initiate-conference",
            Action::AllowInviteUsersDynamically => "allow-invite-users-dynamically",
            Action::AllowAnonymity => "allow-anonymity",
            Action::AllowConferenceState => "allow-conference-state",
            Action::AllowExpelling => "allow-expelling",
            Action::AllowRoleChange => "allow-role-change",
            Action::AllowSubjectChange => "allow-subject-change",
            Action::IsKeyParticipant => "is-key-participant",
            Action::AllowSubconf => "allow-subconf",
            Action::AllowPrivateMessage => "allow-private-message",
            Action::AllowRejectInvite => "allow-reject-invite",
            Action::AllowOfflineStorage => "allow-offline-storage",
            Action::AllowMediaHandling => "allow-media-handling",
            Action::RemoveMediaHandling => "remove-media-handling",
            Action::AllowAutoAnswermode => "allow-auto-answermode",
            Action::AllowManualAnswerOverride => "allow-manual-answer-override",
            Action::BlockGroupAdvertisementSending => "block-group-advertisement-sending",
        }
    }

    /// Whether only this server knows it.
    pub fn is_own(self) -> bool {
        matches!(self, Action::AllowRoleChange | Action::AllowSubjectChange)
    }

    /// The action whose element has this local name.
    pub fn from_name(name: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| action.name() == name)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Permissions {
    /// Whether `action` is permitted.
    pub fn allows(&self, action: Action) -> bool {
        let mut copy = *self;
        *copy.flag_mut(action)
    }

    /// Permits `action`.
    pub fn grant(&mut self, action: Action) {
        *self.flag_mut(action) = true;
    }

    /// Adds what another matching rule permits. A boolean permission is true when any matching rule
    /// makes it true, so no rule takes away what another gives (RFC 4745 section 10.2).
    pub fn merge(&mut self, other: &Permissions) {
        for action in other.granted() {
            self.grant(action);
        }
    }

    /// The permitted actions, in the order of [`Action::ALL`].
    pub fn granted(&self) -> impl Iterator<Item = Action> + '_ {
        Action::ALL
            .into_iter()
            .filter(|action| self.allows(*action))
    }

    fn flag_mut(&mut self, action: Action) -> &mut bool {
        match action {
            Action::JoinHandling => &mut self.join_handling,
            Action::AllowInitiateConference => &mut self.allow_initiate_conference,
            Action::AllowInviteUsersDynamically => &mut self.allow_invite_users_dynamically,
            Action::AllowAnonymity => &mut self.allow_anonymity,
            Action::AllowConferenceState => &mut self.allow_conference_state,
            Action::AllowExpelling => &mut self.allow_expelling,
            Action::AllowRoleChange => &mut self.allow_role_change,
            Action::AllowSubjectChange => &mut self.allow_subject_change,
            Action::IsKeyParticipant => &mut self.is_key_participant,
            Action::AllowSubconf => &mut self.allow_subconf,
            Action::AllowPrivateMessage => &mut self.allow_private_message,
            Action::AllowRejectInvite => &mut self.allow_reject_invite,
            Action::AllowOfflineStorage => &mut self.allow_offline_storage,
            Action::AllowMediaHandling => &mut self.allow_media_handling,
            Action::RemoveMediaHandling => &mut self.remove_media_handling,
            Action::AllowAutoAnswermode => &mut self.allow_auto_answermode,
            Action::AllowManualAnswerOverride => &mut self.allow_manual_answer_override,
            Action::BlockGroupAdvertisementSending => &mut self.block_group_advertisement_sending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_its_own_name_and_field() {
        for action in Action::ALL {
            let mut permissions = Permissions::default();
            assert!(!permissions.allows(action), "{action} starts as false");
            permissions.grant(action);
            assert_eq!(permissions.granted().collect::<Vec<_>>(), [action]);
            assert_eq!(Action::from_name(action.name()), Some(action));
        }
        assert_eq!(Action::from_name("allow-everything"), None);
    }

    #[test]
    fn merging_adds_and_never_takes_away() {
        let mut all = Permissions::default();
        let mut more = Permissions::default();
        all.grant(Action::AllowAnonymity);
        more.grant(Action::JoinHandling);
        all.merge(&more);
        all.merge(&Permissions::default());
        assert!(all.allow_anonymity && all.join_handling);
        assert_eq!(all.granted().count(), 2);
    }
}
