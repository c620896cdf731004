//! The XML namespaces of group documents and what belongs to which.
//! Not here: prefix resolution, which is quick-xml's.

/// Group documents proper, PoC 2.0 and what followed it.
pub const LIST_SERVICE: &str = "urn:oma:xml:poc:list-service";
/// Rules, RFC 4745 section 13.
pub const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
/// Conditions and actions that only this server knows; see `adhoc`.
pub const OWN: &str = "urn:x-cpm:group-policy";

const LIST_SERVICE_DRAFT: &str = "urn:oma:params:xml:ns:list-service";
const EXTENSIONS: &str = "urn:oma:xml:xdm:extensions";
const XDM_GROUP: &str = "urn:oma:xml:xdm:group";
const OMA_POLICY: &str = "urn:oma:xml:xdm:common-policy";
const RESOURCE_LISTS: &str = "urn:ietf:params:xml:ns:resource-lists";

/// A namespace, as far as it makes a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ns {
    ListService,
    /// The other namespaces of OMA. Products disagree on which of them holds what (requirements
    /// 3.3), so within OMA's own the local name decides.
    OtherOma,
    CommonPolicy,
    ResourceLists,
    Own,
    None,
    Unknown,
}

impl Ns {
    pub fn of(uri: &str) -> Ns {
        match uri {
            "" => Ns::None,
            LIST_SERVICE | LIST_SERVICE_DRAFT => Ns::ListService,
            EXTENSIONS | XDM_GROUP | OMA_POLICY => Ns::OtherOma,
            COMMON_POLICY => Ns::CommonPolicy,
            RESOURCE_LISTS => Ns::ResourceLists,
            OWN => Ns::Own,
            _ => Ns::Unknown,
        }
    }

    pub fn is_oma(self) -> bool {
        matches!(self, Ns::ListService | Ns::OtherOma)
    }

    /// For messages.
    pub fn words(self) -> &'static str {
        match self {
            Ns::ListService => "the list-service namespace",
            Ns::OtherOma => "an OMA extension namespace",
            Ns::CommonPolicy => "the common-policy namespace",
            Ns::ResourceLists => "the resource-lists namespace",
            Ns::Own => "the namespace of this server",
            Ns::None => "no namespace",
            Ns::Unknown => "an unknown namespace",
        }
    }
}
