//! Event packages that a SUBSCRIBE may be for (RFC 6665 section 4.2.1.1).

use super::refusal::Refusal;
use crate::sip::Request;

/// What the Event header of a SUBSCRIBE names.
pub enum EventPackage {
    /// The implicit subscription of a REFER (RFC 3515).
    Refer {
        /// `id` of the Event header.
        id: Option<String>,
    },
    /// The state of the conference (RFC 4575).
    Conference {
        /// `id` of the Event header.
        id: Option<String>,
    },
}

/// The package of a SUBSCRIBE.
///
/// # Errors
/// [`Refusal::EventPackage`] for all but the two.
pub fn event_package(request: &Request) -> Result<EventPackage, Refusal> {
    let (package, id) = request.event().ok_or(Refusal::EventPackage)?;
    match package.as_str() {
        "refer" => Ok(EventPackage::Refer { id }),
        "conference" => Ok(EventPackage::Conference { id }),
        _ => Err(Refusal::EventPackage),
    }
}

/// Which packages a SUBSCRIBE outside a dialog may be for: the conference package alone.
///
/// # Errors
/// [`Refusal::EventPackage`], and [`Refusal::SubscribeToRefer`] (RFC 3515 section 2.4.4).
pub fn check_event_outside_dialog(request: &Request) -> Result<(), Refusal> {
    match event_package(request)? {
        EventPackage::Conference { .. } => Ok(()),
        EventPackage::Refer { .. } => Err(Refusal::SubscribeToRefer),
    }
}
