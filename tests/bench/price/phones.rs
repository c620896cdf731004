//! The load: one thread that plays all referrers and all targets, at a pace, and notes what became of each REFER.

use super::message::{declines, target_in, Heard, Kind, Phone};
use super::wire::{From, Wire};
use crate::kit::Transport;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// When the next REFER is sent.
#[derive(Clone, Copy)]
pub enum Pace {
    /// As soon as fewer than so many are unfinished.
    Window(usize),
    /// So many per second, whatever comes back.
    Rate(f64),
}

/// A run of the load.
#[derive(Clone, Copy)]
pub struct Plan {
    pub kind: Kind,
    pub refers: usize,
    pub pace: Pace,
}

/// What became of a REFER. Times count from when it was due, so that a load which is late hides nothing.
#[derive(Clone)]
pub struct Flight {
    due: Instant,
    /// The final answer.
    pub answer: Option<(u16, Duration)>,
    pub retry_after: bool,
    invited: u128,
    acked: u128,
    /// When the last of its targets had its INVITE.
    pub last_invite: Duration,
    /// The subscription has ended.
    ended: bool,
    finished: Option<Duration>,
    targets: usize,
}

/// What became of a run.
pub struct Outcome {
    pub flights: Vec<Flight>,
    /// From the first REFER to the last that was finished.
    pub time: Duration,
}

/// Everybody but the server.
pub struct Phones {
    server: SocketAddr,
    wire: Wire,
    phone: Phone,
    stranger: Phone,
    /// The focus URIs that REFERs go to, in turn.
    pub focuses: Vec<String>,
    joined: Vec<Option<String>>,
    flights: Vec<Flight>,
    /// The number of the first flight.
    first: u64,
    next: u64,
    open: usize,
    /// Messages that came again, since the start.
    pub repeated: u64,
}

/// How long the last ones of a run may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same where some may have been lost.
const LATE: Duration = Duration::from_secs(8);
const MOMENT: Duration = Duration::from_millis(20);

impl Phones {
    pub fn new(transport: Transport) -> Phones {
        let wire = Wire::new(transport);
        let phone = |local| match transport {
            Transport::Udp => Phone {
                local,
                transport: "UDP",
                suffix: "",
            },
            Transport::Tcp => Phone {
                local,
                transport: "TCP",
                suffix: ";transport=tcp",
            },
        };
        Phones {
            server: wire.local(),
            phone: phone(wire.local()),
            stranger: phone(wire.stranger()),
            wire,
            focuses: Vec::new(),
            joined: Vec::new(),
            flights: Vec::new(),
            first: 0,
            next: 0,
            open: 0,
            repeated: 0,
        }
    }

    /// The Route set that leads what the server originates to us.
    pub fn route(&self) -> String {
        let Phone { local, suffix, .. } = self.phone;
        format!("<sip:{local};lr;orig{suffix}>")
    }

    pub fn connect(&mut self, server: SocketAddr) {
        self.server = server;
        self.wire.connect(server);
    }

    /// Somebody joins that group; the focus URI.
    pub fn join(&mut self, who: &str, group: &str) -> String {
        self.joined.push(None);
        let invite = self.phone.join(self.joined.len() as u64 - 1, who, group);
        self.enter(&invite)
    }

    /// Makes an ad-hoc session with that many targets, who all accept; the focus URI.
    pub fn create(&mut self, targets: usize) -> String {
        self.joined.push(None);
        self.start(1, targets);
        let number = self.next - 1;
        // The number of the targets is that of a flight, which is over once they all have been acknowledged.
        let invite = self
            .phone
            .creation(self.joined.len() as u64 - 1, number, targets);
        let focus = self.enter(&invite);
        let all = 1u128
            .checked_shl(targets as u32)
            .unwrap_or(0)
            .wrapping_sub(1);
        let until = Instant::now() + PATIENCE;
        while self.flights[0].acked != all {
            assert!(
                Instant::now() < until,
                "not all targets of an ad-hoc session came"
            );
            self.receive(MOMENT);
        }
        focus
    }

    fn enter(&mut self, invite: &str) -> String {
        self.wire.send(self.server, invite);
        let until = Instant::now() + PATIENCE;
        loop {
            self.receive(MOMENT);
            if let Some(focus) = self.joined.last().cloned().flatten() {
                return focus;
            }
            assert!(Instant::now() < until, "nobody lets us join:\n{invite}");
        }
    }

    /// Answers what comes for that long.
    pub fn idle(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.receive(MOMENT);
        }
    }

    /// Sends the REFERs and waits until each is finished, or for as long as one may take that was not lost.
    pub fn run(&mut self, plan: Plan) -> Outcome {
        let begun = self.start(0, 0);
        let enough = match plan.pace {
            Pace::Window(_) => PATIENCE,
            Pace::Rate(_) => LATE,
        };
        let mut sent = 0;
        let mut patience = begun;
        loop {
            let now = Instant::now();
            while sent < plan.refers {
                let due = match plan.pace {
                    Pace::Window(many) if self.open < many => now,
                    Pace::Rate(rate) => begun + Duration::from_secs_f64(sent as f64 / rate),
                    Pace::Window(_) => break,
                };
                if due > now {
                    break;
                }
                self.refer(plan.kind, due);
                sent += 1;
                patience = now;
            }
            if sent == plan.refers && (self.open == 0 || now > patience + enough) {
                break;
            }
            assert!(
                now < patience + 2 * PATIENCE,
                "{} REFERs of {sent} are open",
                self.open
            );
            let wait = match plan.pace {
                Pace::Rate(rate) if sent < plan.refers => {
                    let due = begun + Duration::from_secs_f64(sent as f64 / rate);
                    due.saturating_duration_since(now).min(MOMENT)
                }
                _ => MOMENT,
            };
            self.receive(wait);
        }
        let flights = std::mem::take(&mut self.flights);
        let last = flights
            .iter()
            .filter_map(|f| Some(f.due + f.finished?))
            .max();
        self.first = self.next;
        Outcome {
            flights,
            time: last.map_or(Duration::ZERO, |last| last - begun),
        }
    }

    /// Forgets the flights of before, and has so many new ones.
    fn start(&mut self, many: usize, targets: usize) -> Instant {
        self.flights.clear();
        self.first = self.next;
        self.open = 0;
        let now = Instant::now();
        for _ in 0..many {
            self.flights.push(Flight::new(now, targets));
            self.next += 1;
        }
        now
    }

    fn refer(&mut self, kind: Kind, due: Instant) {
        let focus = &self.focuses[self.next as usize % self.focuses.len()];
        let from = match kind {
            Kind::Stranger => &self.stranger,
            _ => &self.phone,
        };
        let text = from.refer(kind, self.next, focus);
        let targets = match kind {
            Kind::Accepted(many) => many,
            Kind::Declined => 1,
            _ => 0,
        };
        self.flights.push(Flight::new(due, targets));
        self.next += 1;
        self.open += 1;
        match kind {
            Kind::Stranger => self.wire.send_as_stranger(self.server, &text),
            _ => self.wire.send(self.server, &text),
        }
    }

    fn receive(&mut self, wait: Duration) {
        for (from, bytes) in self.wire.receive(wait) {
            self.heard(from, &bytes);
        }
    }

    fn heard(&mut self, from: From, bytes: &[u8]) {
        let Some(heard) = Heard::read(bytes) else {
            return;
        };
        if heard.status > 0 {
            self.answered(&heard);
            return;
        }
        match heard.method {
            "INVITE" => {
                let Some((number, k)) = target_in(heard.uri) else {
                    return;
                };
                let user = format!("t{number}-{k}");
                let ringing = self.phone.ringing(&user);
                let ringing = heard.answer("180 Ringing", &user, &ringing);
                self.wire.answer(from, self.server, &ringing);
                let end = match declines(heard.uri) {
                    true => heard.answer("486 Busy Here", &user, ""),
                    false => heard.answer("200 OK", &user, &self.phone.accepting(&user)),
                };
                self.wire.answer(from, self.server, &end);
                self.note(number, |flight, time| {
                    let again = flight.invited >> k & 1 == 1;
                    flight.invited |= 1 << k;
                    flight.last_invite = time;
                    again
                });
            }
            "ACK" => {
                if let Some((number, k)) = target_in(heard.uri) {
                    self.note(number, |flight, _| {
                        flight.acked |= 1 << k;
                        false
                    });
                }
            }
            "NOTIFY" => {
                self.wire
                    .answer(from, self.server, &heard.answer("200 OK", "n", ""));
                let ends = heard
                    .header("Subscription-State")
                    .is_some_and(|state| state.starts_with("terminated"));
                if let (true, Some(number)) = (ends, number_of(heard.call_id, 'r')) {
                    self.note(number, |flight, _| {
                        std::mem::replace(&mut flight.ended, true)
                    });
                }
            }
            _ => self
                .wire
                .answer(from, self.server, &heard.answer("200 OK", "o", "")),
        }
    }

    fn answered(&mut self, heard: &Heard<'_>) {
        if heard.status < 200 {
            return;
        }
        if let Some(number) = number_of(heard.call_id, 'j') {
            assert_eq!(heard.status, 200, "joining: {}", heard.start);
            let contact = heard.header("Contact").unwrap_or_default();
            let uri = contact.split(['<', '>']).nth(1).unwrap_or_default();
            self.wire.send(self.server, &self.phone.ack(heard, uri));
            // With the parameters of its Contact it would be the same focus.
            let focus = uri.split(';').next().unwrap_or_default().to_owned();
            if let Some(joined) = self.joined.get_mut(number as usize) {
                *joined = Some(focus);
            }
            return;
        }
        if let Some(number) = number_of(heard.call_id, 'r') {
            let retry_after = heard.header("Retry-After").is_some();
            self.note(number, |flight, time| {
                let again = flight.answer.is_some();
                flight.answer.get_or_insert((heard.status, time));
                flight.retry_after |= retry_after;
                again
            });
        }
    }

    /// Something happened to that REFER; `change` says whether it had happened before.
    fn note(&mut self, number: u64, change: impl FnOnce(&mut Flight, Duration) -> bool) {
        let Some(at) = number.checked_sub(self.first) else {
            return;
        };
        let Some(flight) = self.flights.get_mut(at as usize) else {
            return;
        };
        let time = flight.due.elapsed();
        self.repeated += u64::from(change(flight, time));
        if flight.finished.is_none() && (flight.refused() || flight.completed()) {
            flight.finished = Some(time);
            self.open = self.open.saturating_sub(1);
        }
    }
}

impl Flight {
    fn new(due: Instant, targets: usize) -> Flight {
        Flight {
            due,
            answer: None,
            retry_after: false,
            invited: 0,
            acked: 0,
            last_invite: Duration::ZERO,
            ended: false,
            finished: None,
            targets,
        }
    }

    pub fn refused(&self) -> bool {
        self.answer.is_some_and(|(status, _)| status >= 300)
    }

    pub fn accepted(&self) -> bool {
        self.answer.is_some_and(|(status, _)| status < 300)
    }

    /// 2xx, INVITE and ACK of each target, terminal NOTIFY.
    pub fn completed(&self) -> bool {
        self.accepted()
            && self.ended
            && self.invited.count_ones() as usize == self.targets
            && self.acked.count_ones() as usize == self.targets
    }
}

impl Outcome {
    pub fn completed(&self) -> usize {
        self.flights.iter().filter(|f| f.completed()).count()
    }

    /// Panics unless every REFER was completed: figures of another run count for nothing.
    pub fn all_completed(&self) {
        let stuck = self.flights.iter().find(|f| !f.completed());
        if let Some(f) = stuck {
            panic!(
                "{} of {} REFERs completed; one has answer {:?}, {} INVITEs, {} ACKs, ended {}",
                self.completed(),
                self.flights.len(),
                f.answer,
                f.invited.count_ones(),
                f.acked.count_ones(),
                f.ended
            );
        }
    }

    /// Times to the answer of those REFERs, ms, the shortest first.
    pub fn waits(&self, of: impl Fn(&Flight) -> bool) -> Vec<f64> {
        let answers = self
            .flights
            .iter()
            .filter(|f| of(f))
            .filter_map(|f| f.answer);
        let mut waits: Vec<f64> = answers.map(|(_, time)| time.as_secs_f64() * 1e3).collect();
        waits.sort_by(f64::total_cmp);
        waits
    }
}

fn number_of(call_id: &str, kind: char) -> Option<u64> {
    call_id.strip_prefix(kind)?.parse().ok()
}
