//! How large a group document may be, and how deep.

/// Largest accepted document, in bytes: room for about 15,000 list entries.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// Deepest accepted nesting of elements. It bounds every recursion over a document.
pub const MAX_DEPTH: usize = 32;
/// Most elements in a document.
pub const MAX_ELEMENTS: usize = 50_000;
/// Most attributes of one element, namespace declarations included.
pub const MAX_ATTRIBUTES: usize = 32;
/// Longest accepted attribute value, in bytes as written.
pub const MAX_ATTRIBUTE: usize = 4096;
