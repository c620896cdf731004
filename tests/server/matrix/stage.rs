//! The session "S" of requirements.md section 7, and what a REFER for one target can come to.

use crate::kit::refer::{expect_final, expect_trying};
use crate::kit::sip::uri_of;
use crate::kit::{
    check, pair, Group, Leg, Msg, Place, Scene, Setup, Transport, ALICE, BOB, CAROL, PLACES, QUIET,
};
use std::time::Duration;

/// The session "S": alice and bob connected, everything granted to members but anonymity.
pub struct Stage {
    pub scene: Scene,
    pub alice: Leg,
    pub bob: Leg,
}

/// What a REFER for one target comes to.
#[derive(Clone, Copy)]
pub enum Outcome {
    /// 2xx, one INVITE to this URI, `100 Trying`, and the result.
    Told(&'static str),
    /// 2xx with `Refer-Sub: false`, one INVITE to this URI, no NOTIFY.
    Quiet(&'static str),
    /// This status, nothing to anybody.
    Refused(u16),
}

pub fn stage(transport: Transport) -> Stage {
    stage_with(transport, |setup| setup)
}

pub fn stage_with(transport: Transport, change: impl Fn(Setup) -> Setup) -> Stage {
    let (scene, alice, bob) = pair(transport, change);
    Stage { scene, alice, bob }
}

/// Sends what `change` makes of a REFER for carol, in a dialog and outside one, and looks at what comes of it.
pub fn plain(transport: Transport, outcome: Outcome, change: impl Fn(Msg) -> Msg) {
    each(transport, outcome, &[()], |refer, ()| change(refer));
}

/// The same with each of these values.
pub fn each<V: Copy>(
    transport: Transport,
    outcome: Outcome,
    values: &[V],
    change: impl Fn(Msg, V) -> Msg,
) {
    let mut stage = stage(transport);
    for (n, value) in values.iter().enumerate() {
        for place in PLACES {
            if let Outcome::Refused(status) = outcome {
                let refer = change(stage.refer(place), *value);
                stage.refused(&refer, status);
                continue;
            }
            if n > 0 || place != PLACES[0] {
                // The target is a participant by now.
                stage = stage.next_session();
            }
            let refer = change(stage.refer(place), *value);
            outcome.check(&mut stage, &refer);
        }
    }
    if matches!(outcome, Outcome::Refused(_)) {
        stage.nothing_came();
    }
}

impl Stage {
    pub fn refer(&mut self, place: Place) -> Msg {
        self.alice
            .refer_at(place, &format!("<{CAROL};method=INVITE>"))
    }

    /// All leave, and alice and bob start the session anew.
    fn next_session(mut self) -> Stage {
        check::accepted(&self.alice.dialog.bye());
        check::accepted(&self.bob.dialog.bye());
        self.scene.targets.expect("BYE");
        self.scene.targets.forget();
        let group = Group::open("s", &[ALICE, BOB]);
        let [alice, bob] = [ALICE, BOB].map(|who| self.scene.participant(who, &group));
        assert_ne!(alice.focus, self.alice.focus);
        Stage {
            scene: self.scene,
            alice,
            bob,
        }
    }

    /// Alice's REFER is refused with that status, and a 400 says what was wrong.
    pub fn refused(&self, refer: &Msg, status: u16) -> Msg {
        let answer = self.alice.send(refer).answer();
        assert_eq!(answer.status(), status, "{refer}\n{answer}");
        assert!(
            status != 400 || answer.reason() != "Bad Request",
            "it says what was wrong: {answer}"
        );
        answer
    }

    /// After refusals: nobody was invited, alice was told nothing, and her next REFER is served.
    pub fn nothing_came(&mut self) {
        self.scene.nobody_invited();
        // A NOTIFY had as long to come as an INVITE.
        self.alice.ua().expect_none("NOTIFY", Duration::ZERO);
        let proof = "sip:proof@home1.test";
        let refer = self.alice.refer(&format!("<{proof}>"));
        let refer = refer.with("Refer-Sub", "false");
        check::accepted(&self.alice.send(&refer).answer());
        self.scene.invite_for(proof);
    }
}

impl Outcome {
    pub fn check(self, stage: &mut Stage, refer: &Msg) -> Msg {
        if let Outcome::Refused(status) = self {
            let answer = stage.refused(refer, status);
            stage.nothing_came();
            return answer;
        }
        let answer = stage.alice.send(refer).answer();
        check::accepted(&answer);
        let ua = stage.alice.ua();
        match self {
            Outcome::Told(target) => {
                assert!(
                    answer
                        .header("Refer-Sub")
                        .is_none_or(|v| v.starts_with("true")),
                    "{answer}"
                );
                let trying = expect_trying(ua, refer.call_id());
                assert_eq!(trying.incoming.path.transport, stage.scene.transport);
                invited(stage, target);
                expect_final(ua, refer.call_id(), 200);
                assert_eq!(stage.scene.targets.count("INVITE"), 1);
            }
            Outcome::Quiet(target) => {
                assert_eq!(
                    answer.need("Refer-Sub").split(';').next().map(str::trim),
                    Some("false"),
                    "{answer}"
                );
                invited(stage, target);
                ua.expect_none("NOTIFY", QUIET);
            }
            Outcome::Refused(_) => {}
        }
        answer
    }
}

/// The target is invited, by its URI in To as well, and accepts.
fn invited(stage: &Stage, target: &str) {
    let invite = stage.scene.invite_for(target);
    assert_eq!(uri_of(invite.msg.need("To")), target, "{}", invite.msg);
    stage.scene.accept(&invite);
}
