//! What deployed clients do beside or against the rules, counted (requirements section 11).

use crate::sip::refer_to;

/// What a client does. Of those of a REFER or a list a strict reader refuses some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quirk {
    /// In the Refer-To itself.
    ReferTo(refer_to::Quirk),
    /// Refer-To names the focus or factory, and the list in the body is meant.
    ListWithoutCid,
    /// A list without `Require: multiple-refer`.
    ListWithoutRequire,
    /// The copyControl namespace with a capital C, as a figure of RFC 5366 misprints it.
    CopyControlNamespace,
    /// A list without `Content-Disposition: recipient-list`.
    ListWithoutDisposition,
    /// Refer-To with `;admin=…`, which nobody has standardised.
    RoleParameter,
    /// `Require: recipient-list-invite` where there is no list.
    RequireWithoutList,
    /// A target refuses an INVITE with 488 and accepts it in another form.
    OtherForm,
    /// A 2xx to our offer has no SDP.
    AnswerWithoutSdp,
    /// SUBSCRIBE of somebody whose 2xx to our INVITE has not arrived.
    SubscribeWhileInvited,
    /// 481 to the first NOTIFY, so early that the 2xx before it may not have arrived.
    EarlyNotify,
    /// A client that needs another Reason than 410 at the end of a session.
    FailsOn410,
}

impl Quirk {
    /// The rule that was broken. `None` for what is only unusual.
    pub fn broken_rule(self) -> Option<&'static str> {
        match self {
            Quirk::ReferTo(quirk) => quirk.broken_rule(),
            Quirk::ListWithoutCid => {
                Some("Refer-To must point to the list by cid (RFC 5368 section 7)")
            }
            Quirk::CopyControlNamespace => {
                Some("the copycontrol namespace is lower-case (RFC 5364 section 5)")
            }
            Quirk::ListWithoutDisposition => {
                Some("a list needs Content-Disposition: recipient-list (RFC 5363 section 4.1)")
            }
            Quirk::ListWithoutRequire => {
                Some("a list needs Require: multiple-refer (RFC 5368 section 4)")
            }
            Quirk::RoleParameter
            | Quirk::RequireWithoutList
            | Quirk::OtherForm
            | Quirk::AnswerWithoutSdp
            | Quirk::SubscribeWhileInvited
            | Quirk::EarlyNotify
            | Quirk::FailsOn410 => None,
        }
    }
}
