//! The session's states on a virtual clock: whole flows between simulated endpoints and the domain,
//! over networks that lose, repeat and reorder.

mod amplifying;
mod anonymity;
pub mod bed;
mod clients;
mod costing;
mod founding;
mod hiding;
mod histories;
mod inviting;
mod joining;
mod lasting;
pub mod listing;
mod notifying;
pub mod offering;
mod outcomes;
mod racing;
mod rates;
mod refreshing;
mod renaming;
mod roles;
mod scarcity;
mod strangers;
mod subscribing;
mod trail;
pub mod watching;
