//! The test bed: one focus of the domain, simulated endpoints, a network that loses, repeats and
//! reorders, and a clock of its own.

mod chance;
mod checks;
mod focus;
mod groups;
mod ledger;
mod message;
mod peer;
mod play;
mod roster;
mod store;
mod tm;
mod world;

pub use chance::Link;
pub use groups::{called_together, team, team_with_roles, watched_from_outside, FACTORY, GROUP};
pub use message::{answer, sdp, Draft};
pub use peer::{Effect, How, PeerDialog, Stage};
pub use play::{interleaved, interleaved_over, quietly, Cast};
pub use world::{Told, World};
