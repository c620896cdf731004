//! The session "S" of requirements.md section 7 and what a REFER for one target can come to.
//! Not here: the rows themselves.

use crate::kit::refer::{expect_final, expect_trying};
use crate::kit::{check, Group, Leg, Msg, Place, Scene, Setup, Transport, PLACES, QUIET};

pub const ALICE: &str = "sip:alice@home1.test";
pub const BOB: &str = "sip:bob@home1.test";
pub const CAROL: &str = "sip:carol@home1.test";

/// The session "S": alice and bob connected, everything granted to members but anonymity.
pub struct Stage {
    pub scene: Scene,
    pub alice: Leg,
    pub bob: Leg,
}

pub fn stage(transport: Transport) -> Stage {
    stage_with(transport, |setup| setup)
}

pub fn stage_with(transport: Transport, change: impl Fn(Setup) -> Setup) -> Stage {
    let group = Group::open("s", &[ALICE, BOB]);
    let scene = Scene::with(change(Setup::new([&group])), transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    Stage { scene, alice, bob }
}

/// What a REFER for one target comes to.
pub enum Outcome {
    /// 2xx, one INVITE to this URI, `100 Trying`, and the result.
    Told(&'static str),
    /// 2xx with `Refer-Sub: false`, one INVITE to this URI, no NOTIFY.
    Quiet(&'static str),
    /// This status, nothing to anybody.
    Refused(u16),
}

/// Sends what `change` makes of a REFER for carol, in a dialog and outside one, and looks at what comes of it.
pub fn plain(transport: Transport, outcome: Outcome, change: impl Fn(Msg) -> Msg) {
    let mut stage = stage(transport);
    for place in PLACES {
        let refer = change(
            stage
                .alice
                .refer_at(place, &format!("<{CAROL};method=INVITE>")),
        );
        outcome.check(&mut stage, &refer);
        if place == Place::InDialog && !matches!(outcome, Outcome::Refused(_)) {
            // The target is a participant by now.
            stage = self::stage(transport);
        }
    }
}

impl Outcome {
    pub fn check(&self, stage: &mut Stage, refer: &Msg) -> Msg {
        let answer = stage.alice.send(refer).answer();
        let ua = stage.alice.ua();
        match self {
            Outcome::Refused(status) => {
                assert_eq!(answer.status(), *status, "{refer}\n{answer}");
                stage.scene.nobody_invited();
                ua.expect_none("NOTIFY", QUIET);
            }
            Outcome::Quiet(target) => {
                check::accepted(&answer);
                assert_eq!(
                    answer.need("Refer-Sub").split(';').next().map(str::trim),
                    Some("false"),
                    "{answer}"
                );
                let invite = stage.scene.invite_for(target);
                stage.scene.accept(&invite);
                ua.expect_none("NOTIFY", QUIET);
            }
            Outcome::Told(target) => {
                check::accepted(&answer);
                assert!(
                    answer
                        .header("Refer-Sub")
                        .is_none_or(|v| v.starts_with("true")),
                    "{answer}"
                );
                expect_trying(ua, refer.call_id());
                let invite = stage.scene.invite_for(target);
                stage.scene.accept(&invite);
                expect_final(ua, refer.call_id(), 200);
                assert_eq!(stage.scene.targets.count("INVITE"), 1);
            }
        }
        answer
    }
}
