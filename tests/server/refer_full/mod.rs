//! REFER in full against the real server: removal, subscriptions, results of INVITEs, forms of deployed clients.
//! It is not the matrix of requirements.md section 7: see `matrix/`.

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

mod clients;
mod provisional;
mod removal;
mod results;
mod subscription;

use crate::kit::{Group, Leg, Scene, Setup, Transport};

pub const ALICE: &str = "sip:alice@home1.test";
pub const BOB: &str = "sip:bob@home1.test";
pub const CAROL: &str = "sip:carol@home1.test";

/// Alice and bob in a group that grants its members everything but anonymity.
pub fn pair(transport: Transport, change: impl Fn(Setup) -> Setup) -> (Scene, Leg, Leg) {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(change(Setup::new([&group])), transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    (scene, alice, bob)
}
