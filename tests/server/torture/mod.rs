//! The torture messages of RFC 4475 and RFC 5118 against the real server, with REFER as the method where that makes sense.
//! What a row is about is kept; the rest is what this server serves.
//!
//! What each must be answered is in requirements.md section 6 (V10, V11); the sections are those of the RFCs.

mod invalid;
mod ipv6;
mod rows;
mod semantic;
mod valid;
mod wire;

use crate::kit::Transport;

#[test]
fn valid_messages_udp() {
    rows::all(valid::ROWS, Transport::Udp);
}

#[test]
fn valid_messages_tcp() {
    rows::all(valid::ROWS, Transport::Tcp);
}

#[test]
fn invalid_messages_udp() {
    rows::all(invalid::ROWS, Transport::Udp);
}

#[test]
fn invalid_messages_tcp() {
    rows::all(invalid::ROWS, Transport::Tcp);
}

#[test]
fn semantic_messages_udp() {
    rows::all(semantic::ROWS, Transport::Udp);
}

#[test]
fn semantic_messages_tcp() {
    rows::all(semantic::ROWS, Transport::Tcp);
}

#[test]
fn ipv6_messages_udp() {
    rows::all(ipv6::ROWS, Transport::Udp);
}

#[test]
fn ipv6_messages_tcp() {
    rows::all(ipv6::ROWS, Transport::Tcp);
}
