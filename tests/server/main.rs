//! The running server: black-box SIP over loopback sockets, one scenario per test.
//! CPM_MODULE names the module that it loads: `tests/run.sh` builds it and sets it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[path = "../kit/mod.rs"]
mod kit;

/// One test per transport of a scenario.
macro_rules! over_udp_and_tcp {
    ($($scenario:ident)*) => {
        $(mod $scenario {
            #[test]
            fn udp() {
                super::$scenario(crate::kit::Transport::Udp);
            }
            #[test]
            fn tcp() {
                super::$scenario(crate::kit::Transport::Tcp);
            }
        })*
    };
}

mod attacks_amplifier;
mod attacks_answers;
mod attacks_identity;
mod attacks_strangers;
mod conference;
mod kemi;
mod matrix;
mod memory;
mod operator_drain;
mod operator_rpc;
mod operator_start;
mod operator_user;
mod operator_why;
mod options;
mod overload;
mod oversized;
mod phones;
mod price;
mod refer_accepted;
mod refer_answer;
mod refer_authorise;
mod refer_clients;
mod refer_filter;
mod refer_invite;
mod refer_list;
mod refer_notify;
mod refer_outcome;
mod refer_privacy;
mod refer_provisional;
mod refer_refused;
mod refer_removal;
mod refer_subscription;
mod refer_targets;
mod robustness;
mod scarcity;
mod session_adhoc;
mod session_dialog;
mod session_end;
mod session_join;
mod session_offer;
mod session_restart;
mod session_timer;
mod torture;
mod transports;
