//! The session's states on a virtual clock: whole flows between simulated endpoints and the domain,
//! over networks that lose, repeat and reorder. Not here: Kamailio, sockets, shared memory.

#[path = "flows/bed/mod.rs"]
mod bed;
#[path = "flows/joining.rs"]
mod joining;
#[path = "flows/trail.rs"]
mod trail;
