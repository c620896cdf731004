//! What the module spends on a request, from its bytes to what is committed, without Kamailio around it.
//! Not here: the network and tm (`price`), and any promise about time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[allow(dead_code)] // Shared with the instruction counts; not all of it is needed here.
mod bed;
#[path = "lists.rs"]
mod lists;

use std::hint::black_box;

use bed::{refer, request, Bed, MEMORY, NOW};
use cpm::cpm::action::Action;
use cpm::sip::Request;
use cpm::store::memory::SharedMap;
use criterion::{criterion_group, criterion_main, BatchSize, BenchmarkId, Criterion};

/// A REFER in a session of two: parsed, admitted, all INVITEs decided, committed.
fn refers(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER accepted, by targets");
    group.sample_size(20);
    for targets in [1, 10, 100, 1_000] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(map.arena());
        let bytes = refer(targets);
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter_batched(
                || {
                    bed.forget();
                    bed.session_of(2);
                },
                |()| {
                    let actions = bed.group_gets(&bytes);
                    assert!(actions.len() >= targets, "{actions:?}");
                    actions
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

/// The head and the list of a REFER, parsed only.
fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("REFER parsed, by targets");
    for targets in [1, 100] {
        let bytes = refer(targets);
        group.bench_function(BenchmarkId::from_parameter(targets), |b| {
            b.iter(|| Request::parse(black_box(&bytes), false));
        });
    }
    group.finish();
}

/// An event on one leg: what it costs must not depend on how many others there are.
fn one_leg(c: &mut Criterion) {
    let mut group = c.benchmark_group("UPDATE of one leg, by participants");
    for participants in [3, 30, 300] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(map.arena());
        let (call_id, tag) = bed.session_of(participants);
        let who = format!("sip:p{}@home1.test", participants - 1);
        let headers = "Supported: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
        let text = request("UPDATE", &who, &call_id, Some(&tag), "", headers);
        let text = String::from_utf8(text).expect("text");
        let mut cseq = 2u32;
        group.bench_function(BenchmarkId::from_parameter(participants), |b| {
            b.iter_batched(
                || {
                    cseq += 1;
                    text.replace("CSeq: 2 ", &format!("CSeq: {cseq} "))
                },
                |text| {
                    let actions = bed.in_dialog(text.as_bytes());
                    let ok = |a: &Action| matches!(a, Action::Answer(answer) if answer.code == 200);
                    assert!(actions.iter().any(ok), "{actions:?}");
                    actions
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

/// A look at the deadlines while nothing is due. Each record that waits is met once per round of the
/// timing wheel, so this grows with their number, but by nanoseconds.
fn looking(c: &mut Criterion) {
    let mut group = c.benchmark_group("nothing due, by legs that wait");
    for participants in [10, 1_000, 10_000] {
        let map = SharedMap::new(MEMORY).expect("memory");
        let bed = Bed::new(map.arena());
        bed.session_of(participants);
        let mut now = NOW;
        group.bench_function(BenchmarkId::from_parameter(participants), |b| {
            b.iter(|| {
                // As often as the module looks, every 50 ms; all legs are refreshed much later.
                now = NOW + (now - NOW + 50) % 60_000;
                bed.store.due(black_box(now), 256)
            });
        });
    }
    group.finish();
}

criterion_group!(
    benches,
    parsing,
    refers,
    lists::carried_out,
    one_leg,
    looking
);
criterion_main!(benches);
