//! The default policy of ad-hoc sessions, generated as an ordinary group document.
//!
//! OMA has no condition for what a person is in the session. Three conditions in a namespace of our own
//! fill the gap: `<participant/>` is true for a connected participant, `<creator/>` for the person who
//! started the session, `<administrator/>` for who has that role in it. Like OMA's conditions they are
//! empty or boolean. Pre-defined groups may use them too.

use super::namespace::{COMMON_POLICY, LIST_SERVICE, OWN};

/// What an operator can choose without writing a document. Each field is a parameter of the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdhocPolicy {
    /// Everybody may ask for anonymity (`adhoc_allow_anonymity`).
    pub allow_anonymity: bool,
    /// Who may invite (`invite_by`).
    pub invite_by: InviteBy,
}

/// Who may invite into a running ad-hoc session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InviteBy {
    /// Every connected participant.
    #[default]
    Participants,
    /// Every administrator.
    Admins,
}

/// The document in list-service XML.
///
/// Everybody may start a session and be invited. Connected participants may watch it and, by default,
/// invite. Administrators may do all that, expel, give and take their role, and change the subject. The
/// document lets everybody join; the session itself keeps out those who were never invited.
pub fn adhoc_document(policy: AdhocPolicy) -> String {
    let everybody = match policy.allow_anonymity {
        true => "\n      <allow-anonymity>true</allow-anonymity>",
        false => "",
    };
    let participant = match policy.invite_by {
        InviteBy::Participants => {
            "\n      <allow-invite-users-dynamically>true</allow-invite-users-dynamically>"
        }
        InviteBy::Admins => "",
    };
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<group xmlns="{LIST_SERVICE}" xmlns:cp="{COMMON_POLICY}"
       xmlns:oxe="urn:oma:xml:xdm:extensions" xmlns:own="{OWN}">
 <list-service uri="sip:ad-hoc@policy.invalid">
  <cp:ruleset>
   <cp:rule id="everybody">
    <cp:actions>
      <join-handling>true</join-handling>
      <allow-initiate-conference>true</allow-initiate-conference>{everybody}
    </cp:actions>
   </cp:rule>
   <cp:rule id="participant">
    <cp:conditions><own:participant/></cp:conditions>
    <cp:actions>
      <allow-conference-state>true</allow-conference-state>{participant}
    </cp:actions>
   </cp:rule>
   <cp:rule id="administrator">
    <cp:conditions><own:administrator/></cp:conditions>
    <cp:actions>
      <allow-invite-users-dynamically>true</allow-invite-users-dynamically>
      <oxe:allow-expelling>true</oxe:allow-expelling>
      <own:allow-role-change>true</own:allow-role-change>
      <own:allow-subject-change>true</own:allow-subject-change>
    </cp:actions>
   </cp:rule>
  </cp:ruleset>
 </list-service>
</group>
"#
    )
}
