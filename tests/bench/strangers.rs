//! What a flood of strangers costs: CPU time of the server for a refused request and for an accepted REFER, and how
//! many refused requests a second leave trusted traffic unharmed. Not here: what a phone waits for (`price`).
//!
//! It prints tables and promises nothing: strangers, phones and server share the machine.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

#[path = "../kit/mod.rs"]
mod kit;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kit::{check, Group, Leg, Scene, Script, Setup, Transport, ALICE, BOB, SOON};

/// Not in CPM_TRUSTED.
const STRANGER: &str = "127.0.0.2:0";
/// Requests that are counted for the cost of one.
const REFUSED: u64 = 20_000;
const ACCEPTED: u64 = 500;
/// In flight from the stranger at once while costs are measured, so that no socket buffer overflows.
const WINDOW: u64 = 64;
/// Requests of strangers per second in the second part, and for how long each.
const RATES: [u64; 7] = [0, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000];
const FLOOD: Duration = Duration::from_secs(5);
/// A REFER that has no answer by then is sent again by a real phone (T1 of RFC 3261 section 17.1.2.2).
const UNHARMED: Duration = Duration::from_millis(500);
/// Between two trusted REFERs during a flood.
const PAUSE: Duration = Duration::from_millis(20);

fn main() {
    let group = Group::open("s", &[ALICE, BOB]);
    let setup = Setup::new([&group])
        .env("CPM_TRUSTED", "127.0.0.1")
        .env("CPM_SHM_MB", "256")
        .param_int("invite_rate", 0)
        .param_int("refer_rate", 0)
        .param_int("session_rate", 0);
    let scene = Scene::with(setup, Transport::Udp);
    let [mut alice, _bob] = [ALICE, BOB].map(|who| scene.participant(who, &group));
    scene.target(Script::on("INVITE").reply(486));

    println!("\nCPU time of all processes of the server, per request");
    let accepted = cost(&scene, ACCEPTED, || accepted_refers(&scene, &mut alice));
    println!(
        "{:>9.1} µs  accepted REFER, with its INVITE, 486 and ACK",
        accepted
    );
    for method in ["REFER", "INVITE", "SUBSCRIBE", "OPTIONS", "BYE"] {
        let stranger = Stranger::new(scene.server.addr(), &alice.focus);
        let refused = cost(&scene, REFUSED, || stranger.ask(method, REFUSED));
        let share = accepted / refused;
        println!("{refused:>9.1} µs  refused {method} of a stranger: 1/{share:.0} of it");
    }

    println!(
        "\nTrusted REFERs while strangers send: answered within {UNHARMED:?}, and after how long"
    );
    println!("   sent/s   refused/s     trusted     median        99 %    free shm");
    for rate in RATES {
        flood(&scene, &mut alice, rate);
    }
}

/// µs of CPU time that the server takes for each of `many` requests.
fn cost(scene: &Scene, many: u64, run: impl FnOnce()) -> f64 {
    let before = cpu_time(scene);
    run();
    (cpu_time(scene) - before) as f64 / 1_000.0 / many as f64
}

/// CPU time of all processes of the server, ns: the first figure of `/proc/PID/schedstat`.
fn cpu_time(scene: &Scene) -> u64 {
    let of = |pid: u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let processes = scene.server.processes();
    assert!(processes.len() > 8, "the server runs");
    processes.into_iter().filter_map(of).sum()
}

fn accepted_refers(scene: &Scene, alice: &mut Leg) {
    for _ in 0..ACCEPTED {
        let answer = alice.send(&refer(alice)).answer();
        check::accepted(&answer);
        let acked = scene.targets.inbox().wait_for_all(SOON, |got| {
            got.iter()
                .any(|i| i.msg.is_request() && i.msg.method() == "ACK")
        });
        assert!(acked, "the target was not acknowledged");
        forget(scene, alice);
    }
}

/// A REFER outside the dialog, as the fresh ones of many phones are: an answer that is lost holds nothing up.
fn refer(alice: &Leg) -> kit::Msg {
    let target = format!("<sip:{}@home1.test>", kit::token(12));
    alice.refer_outside(&target).with("Refer-Sub", "false")
}

fn forget(scene: &Scene, alice: &Leg) {
    scene.targets.inbox().clear();
    alice.ua().inbox().clear();
}

/// Trusted REFERs beside that many requests of strangers per second.
fn flood(scene: &Scene, alice: &mut Leg, rate: u64) {
    let stop = AtomicBool::new(false);
    let stranger = Stranger::new(scene.server.addr(), &alice.focus);
    let mut waits = Vec::new();
    let (mut sent, mut lost) = (0, 0);
    let begun = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| stranger.flood(rate, &stop));
        while begun.elapsed() < FLOOD {
            let before = Instant::now();
            match alice.send(&refer(alice)).answer_within(UNHARMED) {
                Some(answer) if answer.status() == 200 => waits.push(before.elapsed()),
                _ => lost += 1,
            }
            sent += 1;
            forget(scene, alice);
            thread::sleep(PAUSE);
        }
        stop.store(true, Ordering::Relaxed);
    });
    waits.sort();
    let at = |share: usize| waits.get(waits.len() * share / 100).copied();
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{:>9.0} {:>11.0} {:>5} of {:<4} {:>9.1?} {:>11.1?} {:>8} kB",
        stranger.sent.load(Ordering::Relaxed) as f64 / seconds,
        stranger.answered.load(Ordering::Relaxed) as f64 / seconds,
        sent - lost,
        sent,
        at(50).unwrap_or_default(),
        at(99).unwrap_or_default(),
        scene.server.figure("core.shmmem", "free") / 1_000,
    );
    // What the flood left in sockets is not the next one's.
    thread::sleep(Duration::from_secs(1));
}

/// Somebody who is not trusted, on a socket of its own. A thread counts what comes back.
struct Stranger {
    socket: UdpSocket,
    server: SocketAddr,
    focus: String,
    sent: AtomicU64,
    answered: Arc<AtomicU64>,
}

impl Stranger {
    fn new(server: SocketAddr, focus: &str) -> Stranger {
        let socket = UdpSocket::bind(STRANGER).expect("another address of loopback");
        let answered = Arc::new(AtomicU64::new(0));
        let (reader, count) = (socket.try_clone().expect("a copy"), answered.clone());
        reader
            .set_read_timeout(Some(Duration::from_secs(2)))
            .expect("a timeout can be set");
        thread::spawn(move || {
            let mut buffer = [0; 2_048];
            while reader.recv(&mut buffer).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Stranger {
            socket,
            server,
            focus: focus.to_owned(),
            sent: AtomicU64::new(0),
            answered,
        }
    }

    /// That many requests, as fast as they are answered. What sl does not answer a second time (ACK) is none.
    fn ask(&self, method: &str, many: u64) {
        let mut patience = Instant::now();
        while self.sent.load(Ordering::Relaxed) < many {
            let answered = self.answered.load(Ordering::Relaxed);
            let in_flight = self.sent.load(Ordering::Relaxed).saturating_sub(answered);
            if in_flight < WINDOW {
                self.send(method);
                patience = Instant::now();
            } else if patience.elapsed() > SOON {
                panic!("{answered} of {many} answered");
            } else {
                thread::yield_now();
            }
        }
        // The last answers.
        thread::sleep(Duration::from_millis(100));
    }

    /// Requests at that pace until told to stop, whatever comes back.
    fn flood(&self, rate: u64, stop: &AtomicBool) {
        let begun = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
            while self.sent.load(Ordering::Relaxed) < due {
                let method = ["OPTIONS", "REFER", "BYE"][(due % 3) as usize];
                self.send(method);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn send(&self, method: &str) {
        let number = self.sent.fetch_add(1, Ordering::Relaxed);
        let local = self.socket.local_addr().expect("it is bound");
        let focus = &self.focus;
        let tag = if method == "BYE" { ";tag=none" } else { "" };
        let request = format!(
            "{method} {focus} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{number}x{port}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:stranger@elsewhere.test>;tag={number}\r\nTo: <{focus}>{tag}\r\n\
             Call-ID: {number}-{port}@elsewhere.test\r\nCSeq: 1 {method}\r\nContact: <sip:stranger@{local}>\r\n\
             P-Asserted-Identity: <sip:alice@home1.test>\r\nRefer-To: <sip:victim@home1.test>\r\n\
             Event: conference\r\nContent-Length: 0\r\n\r\n",
            port = local.port()
        );
        let _ = self.socket.send_to(request.as_bytes(), self.server);
    }
}
