//! Group policy: OMA list-service documents, and their evaluation by the rules of RFC 4745.
//!
//! A document is read in two steps. `xml` makes a bounded tree of it; `document` and `rules` give the
//! tree its meaning. A document that is ill-formed or ambiguous is refused as a whole. An element that
//! has no effect here leaves a [`LoadNote`]; a condition among them makes its rule match nobody. So
//! nobody gets a permission by mistake.
//!
//! The schema is that of the OMA Shared Group XDM specification; the README lists what has an effect.

pub mod adhoc;
pub mod condition;
pub mod directory;
mod document;
mod document_limits;
pub mod domain;
pub mod dry_run;
mod error;
mod group;
mod namespace;
mod permissions;
mod query;
mod rules;
mod time;
mod values;
mod xml;

pub use adhoc::{adhoc_document, AdhocPolicy, InviteBy};
pub use condition::Condition;
pub use directory::{Directory, LoadProblem};
pub use document_limits::MAX_DOCUMENT;
pub use dry_run::{explain, report};
pub use error::{DocumentError, LoadNote, Reason};
pub use group::{Group, Member, Rule};
pub use permissions::{Action, Permissions};
pub use query::{PolicyQuery, Role, Verdict};

#[cfg(test)]
mod tests;
