//! The default policy of ad-hoc sessions, generated as an ordinary group document.
//! Not here: its evaluation, which is that of any group.
//!
//! Who is what in a session no list-service document can say, so two conditions in a namespace of
//! our own do, empty or boolean like OMA's: `<participant/>`, true for a connected participant, and
//! `<creator/>`, true for whoever made the session. Pre-defined groups may use them as well.

use super::namespace::{COMMON_POLICY, LIST_SERVICE, OWN};

/// What an operator can choose without writing a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdhocPolicy {
    pub allow_anonymity: bool,
    pub invite_by: InviteBy,
}

/// Who may invite into a running ad-hoc session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InviteBy {
    /// Every connected participant.
    #[default]
    Participants,
    /// The creator.
    Admins,
}

/// The document: everybody may start a session and be invited, connected participants may watch and
/// (unless only admins may) invite, the creator may expel and invite while connected. Whether
/// somebody who was never invited may join is for the session to decide, not for its policy.
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
   <cp:rule id="creator">
    <cp:conditions><own:participant/><own:creator/></cp:conditions>
    <cp:actions>
      <allow-invite-users-dynamically>true</allow-invite-users-dynamically>
      <oxe:allow-expelling>true</oxe:allow-expelling>
    </cp:actions>
   </cp:rule>
  </cp:ruleset>
 </list-service>
</group>
"#
    )
}
