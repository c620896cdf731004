//! The test kit: a real server, real SIP endpoints over real sockets, and group documents.
//! It has its own small SIP parser, so that no test checks the crate with the crate.

// The binaries that include the kit use a part of it each.
#![allow(dead_code, unused_imports)]

pub mod adhoc;
pub mod check;
pub mod dialog;
pub mod groups;
pub mod inbox;
pub mod lists;
pub mod refer;
pub mod scene;
pub mod schema;
pub mod script;
pub mod serve;
pub mod server;
pub mod sip;
pub mod transport;
pub mod ua;
pub mod watch;
pub mod wire;

pub use dialog::Dialog;
pub use groups::{Group, Rule};
pub use inbox::{Incoming, Pending};
pub use scene::{pair, with_alice, Leg, Place, Scene, PLACES};
pub use script::{OnCancel, Script};
pub use server::{Server, Setup};
pub use sip::Msg;
pub use transport::Transport;
pub use ua::Ua;

use std::time::Duration;

pub const ALICE: &str = "sip:alice@home1.test";
pub const BOB: &str = "sip:bob@home1.test";
pub const CAROL: &str = "sip:carol@home1.test";
pub const DAVE: &str = "sip:dave@home1.test";

/// How long an event that must happen may take. Generous: it is only waited for in full by a test that fails.
pub const SOON: Duration = Duration::from_secs(8);

/// How long a test watches for what must not happen.
pub const QUIET: Duration = Duration::from_millis(350);

/// A random lower-case hexadecimal token of `bytes` octets, for tags, branches and Call-IDs.
pub fn token(bytes: usize) -> String {
    let mut raw = vec![0u8; bytes];
    getrandom::fill(&mut raw).expect("the system has randomness");
    raw.iter().map(|b| format!("{b:02x}")).collect()
}
