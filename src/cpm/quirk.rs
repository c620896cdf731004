//! Forms of a REFER that deployed clients use and a strict reader refuses (requirements section 11).

use crate::sip::refer_to;

/// An unusual form of a REFER or of its list.
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
        }
    }
}
