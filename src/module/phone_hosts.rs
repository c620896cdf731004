//! Told to the operator: the host of a phone user that does not count as a phone domain.

use super::runtime::Runtime;
use super::sampled_log::Sampled;
use crate::cpm::input::Arrival;
use crate::cpm::request_uri::Destination;
use crate::kamailio::{clock, log};
use crate::sip::{Identity, Scheme, Uri};

/// Writes a line, now and then, when a trusted peer asserts `sip:+…;user=phone` under a host that may not stand
/// for numbers where the request goes. At a focus the list of its group is not looked at, so nothing is said.
pub fn notice(runtime: &Runtime, where_to: &Destination, arrival: &Arrival) {
    if !arrival.trusted {
        return;
    }
    let domains = &runtime.config.settings.phone_domains;
    let identity = |uri: &Uri| match where_to {
        Destination::Group(group) => Some(group.identity_of(uri, domains)),
        Destination::Factory => {
            Some(Identity::of(uri).number_where(|host| domains.iter().any(|known| known == host)))
        }
        _ => None,
    };
    for uri in arrival.request.asserted_identities() {
        if uri.scheme() == Scheme::Tel || uri.param("user") != Some("phone") {
            continue;
        }
        // A number has no host, and what is none under any host is not meant.
        let Some(who) = identity(&uri).filter(|who| !who.host().is_empty()) else {
            continue;
        };
        let is_number = who.for_denial().host().is_empty();
        let due = || {
            runtime
                .samples
                .due(Sampled::PhoneHosts, clock::monotonic_ms())
        };
        if let Some(kept_back) = is_number.then(due).flatten() {
            log::notice!(
                "a phone user's host does not count as a phone domain host={} hint=\"phone_domains names those that do\"{kept_back}",
                who.host()
            );
        }
    }
}
