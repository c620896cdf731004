//! SIP as bytes and types: what arrives is checked and named here, what leaves is spelt here.
//! Not here: any decision about a session, any I/O, any clock, anything of Kamailio.
//!
//! Every public `parse` takes arbitrary bytes, never panics and bounds what it allocates by the
//! size of its input. No `String` that comes out of this module holds CR, LF or NUL, so nothing a
//! peer wrote can end a header line of ours.
#![forbid(unsafe_code)]

pub mod conference_info;
pub mod content_encoding;
pub mod content_type;
pub mod headers;
pub mod identity;
pub mod message;
pub mod message_error;
pub mod method;
pub mod multipart;
pub mod name_addr;
pub mod params;
pub mod plain;
pub mod privacy;
pub mod refer_sub;
pub mod refer_to;
pub mod referred_by;
pub mod resource_list;
pub mod response;
pub mod route;
pub mod sdp;
pub mod session_expires;
pub mod sipfrag;
pub mod status;
pub mod tag;
pub mod target_dialog;
pub mod uri;
pub mod warning;

mod chars;
mod text;

pub use content_type::ContentType;
pub use headers::Headers;
pub use identity::Identity;
pub use message::Request;
pub use message_error::MessageError;
pub use method::Method;
pub use name_addr::{NameAddr, NameAddrError};
pub use privacy::Privacy;
pub use refer_sub::ReferSubError;
pub use refer_to::{Quirk, ReferTarget, ReferTo, ReferToError};
pub use referred_by::{ReferredBy, ReferredByError};
pub use response::{may_answer_invite, Response};
pub use route::Route;
pub use tag::Tag;
pub use uri::{Scheme, Uri, UriError};

#[cfg(test)]
mod property_tests;
