//! What a phone waits for: the real server over loopback, from the REFER to what it brings about.
//! Not here: what of that is ours (`focus.rs`). The endpoints share the machine with the server.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[path = "../kit/mod.rs"]
mod kit;

use std::time::{Duration, Instant};

use criterion::{criterion_group, criterion_main, BenchmarkId, Criterion};
use kit::lists::{list_to, with_list};
use kit::{check, Group, Incoming, Leg, Scene, Script, Setup, Transport, SOON};

const ALICE: &str = "sip:alice@home1.test";
const BOB: &str = "sip:bob@home1.test";

/// A session of two whose targets all decline, so that it stays one.
fn session(transport: Transport) -> (Scene, Leg, Leg) {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group])
        .env("CPM_SHM_MB", "1024")
        .param_int("invite_rate", 0)
        .param_int("refer_rate", 0)
        .param_int("session_rate", 0);
    let scene = Scene::with(setup, transport);
    let [alice, bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    scene.target(Script::on("INVITE").reply(486));
    (scene, alice, bob)
}

/// Targets nobody has invited yet: one that still declines would not be invited again.
fn strangers(many: usize) -> Vec<String> {
    (0..many)
        .map(|_| format!("sip:{}@home1.test", kit::token(12)))
        .collect()
}

/// Until the 2xx, which no INVITE holds up (RFC 3515 section 2.4.2).
fn answered(c: &mut Criterion) {
    let (scene, mut alice, _bob) = session(Transport::Udp);
    let mut group = c.benchmark_group("server");
    group.sample_size(50);
    group.bench_function("REFER to its 2xx", |b| {
        b.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                let target = format!("<{}>", strangers(1).concat());
                let refer = alice.refer(&target).with("Refer-Sub", "false");
                let before = Instant::now();
                let answer = alice.send(&refer).answer();
                time += before.elapsed();
                check::accepted(&answer);
                settled(&scene, &alice, 1);
            }
            time
        });
    });
    group.finish();
}

/// Until each target of a list has its INVITE.
fn invited(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER to its last INVITE, by targets");
    group.sample_size(20);
    for targets in [1, 10, 90] {
        // Unpaced, they would overrun the buffer of one UDP socket that plays all targets.
        let (scene, mut alice, _bob) = session(Transport::Tcp);
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter_custom(|rounds| {
                let mut time = Duration::ZERO;
                for _ in 0..rounds {
                    let uris = strangers(targets);
                    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
                    let refer = alice.refer("").with("Refer-Sub", "false");
                    let refer = with_list(refer.with("Require", "multiple-refer"), list_to(&uris));
                    let before = Instant::now();
                    alice.send(&refer);
                    let all = scene.targets.inbox().wait_for_all(SOON, |got| {
                        got.iter().filter(|i| is(i, "INVITE")).count() >= targets
                    });
                    time += before.elapsed();
                    assert!(all, "not every target has its INVITE");
                    settled(&scene, &alice, targets);
                }
                time
            });
        });
    }
    group.finish();
}

fn is(incoming: &Incoming, method: &str) -> bool {
    incoming.msg.is_request() && incoming.msg.method() == method
}

/// All of them have declined; the kit forgets them.
fn settled(scene: &Scene, alice: &Leg, targets: usize) {
    let acked = scene.targets.inbox().wait_for_all(SOON, |got| {
        got.iter().filter(|i| is(i, "ACK")).count() >= targets
    });
    assert!(acked, "not every refusal was acknowledged");
    scene.targets.inbox().clear();
    alice.ua().inbox().clear();
}

criterion_group!(benches, answered, invited);
criterion_main!(benches);
