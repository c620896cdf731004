//! The session's states on a virtual clock: whole flows between simulated endpoints and the domain,
//! over networks that lose, repeat and reorder. Not here: Kamailio, sockets, shared memory.

#[path = "flows/anonymity.rs"]
mod anonymity;
#[path = "flows/bed/mod.rs"]
mod bed;
#[path = "flows/founding.rs"]
mod founding;
#[path = "flows/histories.rs"]
mod histories;
#[path = "flows/inviting.rs"]
mod inviting;
#[path = "flows/joining.rs"]
mod joining;
#[path = "flows/lasting.rs"]
mod lasting;
#[path = "flows/listing.rs"]
mod listing;
#[path = "flows/notifying.rs"]
mod notifying;
#[path = "flows/offering.rs"]
mod offering;
#[path = "flows/outcomes.rs"]
mod outcomes;
#[path = "flows/racing.rs"]
mod racing;
#[path = "flows/refreshing.rs"]
mod refreshing;
#[path = "kit/schema.rs"]
mod schema;
#[path = "flows/subscribing.rs"]
mod subscribing;
#[path = "flows/trail.rs"]
mod trail;
#[path = "flows/watching.rs"]
mod watching;
