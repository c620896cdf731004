//! Group policy: OMA list-service documents and their RFC 4745 evaluation (requirements section 3).
//! Not here: where documents come from (the caller hands over bytes) and what follows from a verdict.
//!
//! A document is read in two steps: `xml` makes a small bounded tree of it, `document` and `rules`
//! give the tree its meaning. What is ill-formed or ambiguous refuses the whole document; what is
//! merely not evaluated here makes its rule match nobody and leaves a [`LoadNote`]. Either way
//! nobody gets a permission by mistake.

pub mod adhoc;
pub mod check;
pub mod condition;
pub mod directory;
mod document;
pub mod domain;
mod error;
mod group;
mod limits;
mod namespace;
mod permissions;
mod request;
mod rules;
mod time;
mod values;
mod xml;

pub use adhoc::{adhoc_document, AdhocPolicy, InviteBy};
pub use check::{explain, report};
pub use condition::Condition;
pub use directory::{Directory, LoadProblem};
pub use error::{DocumentError, LoadNote, Reason};
pub use group::{Group, Member, Rule};
pub use limits::MAX_DOCUMENT;
pub use permissions::{Action, Permissions};
pub use request::{PolicyRequest, Role, Verdict};

#[cfg(test)]
mod tests;
