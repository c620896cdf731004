//! The XML namespaces of group documents.

/// Namespace of `<group>`, `<list-service>` and most of their children, since PoC 2.0.
pub const LIST_SERVICE: &str = "urn:oma:xml:poc:list-service";
/// Namespace of rules (RFC 4745 section 13).
pub const COMMON_POLICY: &str = "urn:ietf:params:xml:ns:common-policy";
/// Namespace of the conditions and actions that only this server knows; see `adhoc`.
pub const OWN: &str = "urn:x-cpm:group-policy";

const LIST_SERVICE_DRAFT: &str = "urn:oma:params:xml:ns:list-service";
const EXTENSIONS: &str = "urn:oma:xml:xdm:extensions";
const XDM_GROUP: &str = "urn:oma:xml:xdm:group";
const OMA_POLICY: &str = "urn:oma:xml:xdm:common-policy";
const RESOURCE_LISTS: &str = "urn:ietf:params:xml:ns:resource-lists";

/// A namespace, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ns {
    /// [`LIST_SERVICE`], or its name in an early draft.
    ListService,
    /// The other namespaces of OMA. Products disagree on which of them an element belongs to, so for
    /// all of OMA's elements the local name decides.
    OtherOma,
    /// [`COMMON_POLICY`].
    CommonPolicy,
    /// Resource lists (RFC 4826 section 3.2).
    ResourceLists,
    /// [`OWN`].
    Own,
    /// No namespace is declared.
    None,
    /// Any other namespace.
    Unknown,
}

impl Ns {
    /// The namespace with this URI; empty for no namespace.
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

    /// Whether OMA defined it.
    pub fn is_oma(self) -> bool {
        matches!(self, Ns::ListService | Ns::OtherOma)
    }

    /// The words for it in notes and errors.
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
