//! Histories nobody thought of: random deeds of a handful of endpoints, over networks good and bad.
//! The bed looks at every step; here is what they may do, and what must be left at the end.
//!
//! `CPM_HISTORIES` is how many are played (default below), `CPM_SEED` which ones.

use std::panic::{catch_unwind, AssertUnwindSafe};

use cpm::cpm::records::{Id, Record};
use cpm::cpm::settings::Rates;
use cpm::sip::uri::Uri;
use cpm::sip::Method;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

use crate::flows::bed::{quietly, How, Link, PeerDialog, World, FACTORY, GROUP};
use crate::flows::listing::list;

const HISTORIES: u32 = 300;

const TARGETS: [&str; 9] = [
    "sip:alice@home1.test",
    "sip:bob@home1.test",
    "sip:carol@home1.test",
    "sip:dave@home1.test",
    "tel:+358401234567",
    "sip:+358401234567@home1.test;user=phone",
    "sip:mallory@home1.test",
    "sip:nobody@away.test",
    GROUP,
];

/// How a REFER wants to be served.
const MANNERS_OF_ASKING: [&str; 5] = [
    "",
    "Refer-Sub: false\r\n",
    "Privacy: id\r\n",
    "Require: nosub\r\n",
    "Refer-Sub: false\r\nPrivacy: id\r\n",
];

/// What a joiner says of session timers (RFC 4028).
const TIMERS: [&str; 4] = [
    "Supported: timer\r\nAllow: INVITE, UPDATE\r\n",
    "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\nAllow: INVITE, UPDATE\r\n",
    "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n",
    "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n",
];

/// Something an endpoint does or begins to do. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    Join {
        peer: usize,
        how: usize,
    },
    JoinAgain {
        peer: usize,
    },
    Leave {
        peer: usize,
    },
    Offer {
        peer: usize,
        update: bool,
    },
    Refer {
        peer: usize,
        target: usize,
        how: usize,
        outside: bool,
    },
    ReferList {
        peer: usize,
        targets: u16,
        how: usize,
    },
    Remove {
        peer: usize,
        target: usize,
    },
    /// Gives the role of an administrator, or takes it.
    Role {
        peer: usize,
        target: usize,
        give: bool,
    },
    /// A re-INVITE with another Subject.
    Rename {
        peer: usize,
        name: usize,
    },
    Create {
        peer: usize,
        targets: u16,
    },
    Cancel {
        peer: usize,
    },
    /// SUBSCRIBE to the conference event package; seconds, of which 0 asks once.
    Watch {
        peer: usize,
        expires: u32,
        outside: bool,
    },
    /// To a refer subscription; seconds, of which 0 ends it.
    Subscribe {
        peer: usize,
        expires: u32,
    },
    /// An operator invites, removes, ends one session, or all of them.
    Operate {
        what: usize,
        target: usize,
    },
    ComeTwice {
        peer: usize,
    },
    /// How it answers INVITEs from now on.
    Answer {
        peer: usize,
        after: u64,
        code: u16,
        devices: usize,
    },
    /// How it answers everything else.
    Behave {
        peer: usize,
        how: Behaviour,
    },
    Fault(Fault),
}

#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Well,
    NoAnswer,
    NoTrying,
    Reliable,
    RetryAfter(u32),
    Crosses,
    BadSdp,
    NoSdp,
    WantsText(bool),
    NoAck,
    Notify(u16),
    NoNotify,
    /// Refuses two NOTIFYs for now.
    BusyForNotify(u32),
    NoBye,
    Dead,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    NoInvites,
    NoNotifies,
    NoAcks,
    NoAnswers,
    LateSends,
}

#[derive(Clone, Debug)]
struct History {
    seed: u64,
    link: Link,
    places: Option<u32>,
    short_memory: bool,
    /// Sessions in which nothing happens are closed.
    impatient: bool,
    /// Endpoints agree on session timers.
    timers: bool,
    /// INVITEs without an offer.
    no_offer: bool,
    deeds: Vec<(Deed, u64)>,
}

fn deed() -> impl Strategy<Value = Deed> {
    let peer = 0..6usize;
    let target = 0..TARGETS.len();
    let how = 0..MANNERS_OF_ASKING.len();
    let code = prop::sample::select(vec![200, 200, 200, 486, 603, 404, 302, 503]);
    let behaviour = prop::sample::select(vec![
        Behaviour::Well,
        Behaviour::NoAnswer,
        Behaviour::NoTrying,
        Behaviour::Reliable,
        Behaviour::RetryAfter(0),
        Behaviour::RetryAfter(7),
        Behaviour::Crosses,
        Behaviour::BadSdp,
        Behaviour::NoSdp,
        Behaviour::WantsText(true),
        Behaviour::WantsText(false),
        Behaviour::NoAck,
        Behaviour::Notify(481),
        Behaviour::Notify(500),
        Behaviour::NoNotify,
        Behaviour::BusyForNotify(2),
        Behaviour::BusyForNotify(60),
        Behaviour::NoBye,
        Behaviour::Dead,
    ]);
    let fault = prop::sample::select(vec![
        Fault::None,
        Fault::NoInvites,
        Fault::NoNotifies,
        Fault::NoAcks,
        Fault::NoAnswers,
        Fault::LateSends,
    ]);
    prop_oneof![
        6 => (peer.clone(), how.clone()).prop_map(|(peer, how)| Deed::Join { peer, how }),
        1 => peer.clone().prop_map(|peer| Deed::JoinAgain { peer }),
        3 => peer.clone().prop_map(|peer| Deed::Leave { peer }),
        1 => (peer.clone(), any::<bool>()).prop_map(|(peer, update)| Deed::Offer { peer, update }),
        8 => (peer.clone(), target.clone(), how.clone(), any::<bool>())
            .prop_map(|(peer, target, how, outside)| Deed::Refer { peer, target, how, outside }),
        2 => (peer.clone(), 1..512u16, how)
            .prop_map(|(peer, targets, how)| Deed::ReferList { peer, targets, how }),
        1 => (peer.clone(), target.clone()).prop_map(|(peer, target)| Deed::Remove { peer, target }),
        1 => (peer.clone(), target, any::<bool>())
            .prop_map(|(peer, target, give)| Deed::Role { peer, target, give }),
        1 => (peer.clone(), 0..3usize).prop_map(|(peer, name)| Deed::Rename { peer, name }),
        1 => (peer.clone(), 1..512u16).prop_map(|(peer, targets)| Deed::Create { peer, targets }),
        1 => peer.clone().prop_map(|peer| Deed::Cancel { peer }),
        1 => peer.clone().prop_map(|peer| Deed::ComeTwice { peer }),
        1 => (peer.clone(), prop::sample::select(vec![0, 3, 60]))
            .prop_map(|(peer, expires)| Deed::Subscribe { peer, expires }),
        2 => (peer.clone(), prop::sample::select(vec![0, 3, 60, 600]), any::<bool>())
            .prop_map(|(peer, expires, outside)| Deed::Watch { peer, expires, outside }),
        1 => (0..8usize, 0..TARGETS.len()).prop_map(|(what, target)| Deed::Operate { what, target }),
        3 => (peer.clone(), 0..40_000u64, code, 1..3usize).prop_map(|(peer, after, code, devices)| {
            Deed::Answer { peer, after, code, devices }
        }),
        3 => (peer, behaviour).prop_map(|(peer, how)| Deed::Behave { peer, how }),
        1 => fault.prop_map(Deed::Fault),
    ]
}

fn history() -> impl Strategy<Value = History> {
    let link = prop::sample::select(vec![Link::PERFECT, Link::SLOW, Link::BAD]);
    let wait = prop_oneof![Just(0u64), 0..1_000u64, 0..8_000u64, 0..60_000u64];
    (
        any::<u64>().no_shrink(),
        link,
        prop::option::weighted(0.3, 2..5u32),
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
        prop::collection::vec((deed(), wait), 1..25),
    )
        .prop_map(
            |(seed, link, places, short_memory, impatient, timers, no_offer, deeds)| History {
                seed,
                link,
                places,
                short_memory,
                impatient,
                timers,
                no_offer,
                deeds,
            },
        )
}

impl Deed {
    fn is_done(&self, world: &mut World, timers: bool) {
        match *self {
            Deed::Join { peer, how } => {
                // Anonymity is the one that means something to an INVITE.
                let more = if how == 2 { MANNERS_OF_ASKING[2] } else { "" };
                let timer = if timers {
                    TIMERS[how % TIMERS.len()]
                } else {
                    ""
                };
                world.joins_with(peer, &format!("{more}{timer}"));
            }
            Deed::JoinAgain { peer } => {
                if let Some(last) = world.peers[peer].dialogs.last() {
                    let focus = last.focus.clone();
                    world.lets(peer, |peer| peer.invite(&focus, ""));
                }
            }
            Deed::Leave { peer } => {
                // Whoever was invited says BYE after our ACK only (RFC 3261 section 15).
                let may = |d: &PeerDialog| d.how != How::Invited || d.acknowledged;
                let leg = world.peers[peer].leg();
                if leg.is_some_and(|leg| may(&world.peers[peer].dialogs[leg])) {
                    world.leaves(peer);
                }
            }
            Deed::Offer { peer, update } => {
                let method = if update { "UPDATE" } else { "INVITE" };
                within(world, peer, method, "", Vec::new());
            }
            Deed::Refer {
                peer,
                target,
                how,
                outside,
            } => {
                let more = MANNERS_OF_ASKING[how];
                match outside {
                    true => drop(world.refers_outside(peer, TARGETS[target], more)),
                    false if world.is_in(peer) => drop(world.refers(peer, TARGETS[target], more)),
                    false => {}
                }
            }
            Deed::ReferList { peer, targets, how } => {
                let (headers, body) = list(&chosen(targets), MANNERS_OF_ASKING[how]);
                within(world, peer, "REFER", &headers, body);
            }
            Deed::Remove { peer, target } => {
                let target = format!("{};method=BYE", TARGETS[target]);
                if world.is_in(peer) && target.starts_with("sip:") {
                    world.refers(peer, &target, "");
                }
            }
            Deed::Role { peer, target, give } => {
                let target = TARGETS[target];
                if world.is_in(peer) && target.starts_with("sip:") {
                    let role = format!("<{target}>;admin={}", u8::from(give));
                    world.refers_to(peer, &role, "");
                }
            }
            Deed::Rename { peer, name } => {
                let subject = format!("Subject: name {name}\r\n");
                within(world, peer, "INVITE", &subject, Vec::new());
            }
            Deed::Create { peer, targets } => {
                let (headers, body) = list(&chosen(targets), "");
                let headers = headers.replace("multiple-refer", "recipient-list-invite");
                // Of two groups at most: some restart what others have made.
                let headers = format!("{headers}Contribution-ID: group-{}\r\n", targets % 2);
                world.lets(peer, |peer| peer.outside("INVITE", FACTORY, &headers, body));
            }
            Deed::Cancel { peer } => {
                if let Some(branch) = last_outside(world, peer, "INVITE") {
                    let effects = world.peers[peer].cancel(&branch);
                    world.effects(peer, effects);
                }
            }
            Deed::Watch {
                peer,
                expires,
                outside,
            } => {
                let headers = format!("Event: conference\r\nExpires: {expires}\r\n");
                match outside {
                    true => {
                        world.lets(peer, |p| {
                            p.outside("SUBSCRIBE", GROUP, &headers, Vec::new())
                        });
                    }
                    false => within(world, peer, "SUBSCRIBE", &headers, Vec::new()),
                }
            }
            Deed::Subscribe { peer, expires } => {
                let headers = format!("Event: refer\r\nExpires: {expires}\r\n");
                within(world, peer, "SUBSCRIBE", &headers, Vec::new());
            }
            Deed::Operate { what, target } => operates(world, what, TARGETS[target]),
            Deed::ComeTwice { peer } => {
                // Late enough it is a request of its own; two dialogs then have one end in common.
                world.peers[peer].unreliable = true;
                let branch = last_outside(world, peer, "REFER");
                if let Some(branch) = branch.or_else(|| last_outside(world, peer, "INVITE")) {
                    world.lets(peer, |peer| peer.again_by_another_way(&branch));
                }
            }
            Deed::Answer {
                peer,
                after,
                code,
                devices,
            } => {
                let manners = world.manners(peer);
                manners.answer = Some((after, code));
                manners.devices = devices;
            }
            Deed::Behave { peer, how } => how.shows(world, peer),
            Deed::Fault(fault) => fault.happens(world),
        }
    }
}

fn within(world: &mut World, peer: usize, method: &str, headers: &str, body: Vec<u8>) {
    if let Some(leg) = world.peers[peer].leg() {
        world.lets(peer, |peer| peer.within(leg, method, headers, body));
    }
}

fn operates(world: &mut World, what: usize, target: &str) {
    let rows = world.records.rows();
    let heads = rows.filter(|(_, row)| matches!(&row.record, Record::Head(head) if head.live));
    let heads: Vec<Id> = heads.map(|(id, _)| id).collect();
    let Ok(uri) = Uri::parse(target.as_bytes()) else {
        return;
    };
    for head in heads {
        match what {
            0..=2 => {
                world.ledger.expects(target);
                world.operator(head, |session| session.invite_by_operator(&uri));
            }
            3..=5 => drop(world.operator(head, |session| session.remove_by_operator(&uri))),
            6 => world.operator(head, |session| session.end_by_operator()),
            _ => world.operator(head, |session| session.drain()),
        }
    }
}

fn chosen(targets: u16) -> Vec<&'static str> {
    let all = TARGETS.iter().enumerate();
    all.filter(|(n, _)| targets & (1 << n) != 0)
        .map(|(_, uri)| *uri)
        .collect()
}

fn last_outside(world: &World, peer: usize, method: &str) -> Option<String> {
    let asked = world.peers[peer].asked.iter();
    let mut outside: Vec<_> = asked
        .filter(|(_, asked)| {
            asked.request.method.as_str() == method && asked.request.to_tag.is_none()
        })
        .collect();
    outside.sort_by_key(|(_, asked)| asked.dialog);
    outside.last().map(|(branch, _)| (*branch).clone())
}

impl Behaviour {
    fn shows(self, world: &mut World, peer: usize) {
        let unreliable = matches!(self, Behaviour::NoAck | Behaviour::NoBye | Behaviour::Dead);
        world.peers[peer].unreliable |= unreliable;
        let manners = world.manners(peer);
        match self {
            Behaviour::Well => *manners = Default::default(),
            Behaviour::NoAnswer => manners.answer = None,
            Behaviour::Reliable => manners.reliable = true,
            Behaviour::RetryAfter(seconds) => {
                (manners.retry_after, manners.patience) = (Some(seconds), 2);
            }
            Behaviour::NoTrying => (manners.trying, manners.rings) = (false, Vec::new()),
            Behaviour::Crosses => manners.crosses = true,
            Behaviour::BadSdp => manners.usable_sdp = false,
            Behaviour::NoSdp => manners.no_sdp = true,
            Behaviour::WantsText(wanted) => manners.wants_text = Some(wanted),
            Behaviour::NoAck => manners.acks = false,
            Behaviour::Notify(code) => manners.notify = Some(code),
            Behaviour::NoNotify => manners.notify = None,
            Behaviour::BusyForNotify(seconds) => {
                manners.notify = Some(503);
                (manners.retry_after, manners.patience) = (Some(seconds), 2);
            }
            Behaviour::NoBye => manners.bye = None,
            Behaviour::Dead => manners.dead = true,
        }
    }
}

impl Fault {
    fn happens(self, world: &mut World) {
        let faults = &mut world.faults;
        match self {
            Fault::None => *faults = Default::default(),
            Fault::NoInvites => faults.sends = vec![Method::Invite],
            Fault::NoNotifies => faults.sends = vec![Method::Notify],
            Fault::NoAcks => faults.sends = vec![Method::Ack],
            Fault::NoAnswers => faults.answers = true,
            Fault::LateSends => faults.invite_sent_after = Some(3_000),
        }
    }
}

impl History {
    fn world(&self) -> World {
        let (mut world, _) = World::with_cast(self.link, self.seed);
        world.groups = crate::flows::bed::team(self.places);
        world.settings.invite_rate = 5;
        if self.seed % 2 == 1 {
            world.settings.rates = Rates::new(1, 1, 1, 2);
        }
        world.settings.client_forms.no_offer = self.no_offer;
        let delays = [0, 50, 3_000];
        world.settings.first_notify_delay = delays[(self.seed % 3) as usize];
        if self.impatient {
            world.settings.inactivity_timeout = 90_000;
        }
        if self.short_memory {
            world.tm.wait = 5_000;
        }
        world
    }

    /// Everything happens; then everybody behaves, and what is left is looked at.
    fn plays(&self, world: &mut World, forgets: u8) {
        world.faults.forgets = forgets;
        for (deed, wait) in &self.deeds {
            deed.is_done(world, self.timers);
            world.run(*wait);
        }
        world.faults = Default::default();
        world.faults.forgets = forgets;
        for peer in 0..world.peers.len() {
            let (answer, devices) = (world.manners(peer).answer, world.manners(peer).devices);
            *world.manners(peer) = Default::default();
            world.manners(peer).answer = answer;
            world.manners(peer).devices = devices;
        }
        if self.timers {
            // Refreshes go on for as long as the session does.
            world.run(400_000);
        } else {
            world.run_out();
            world.assert_calm();
        }
        for peer in 0..world.peers.len() {
            while world.is_in(peer) {
                world.leaves(peer);
                world.run(60_000);
            }
        }
        world.run_out();
        world.assert_calm();
        if world.records.len() > 0 {
            world.fail("everybody has left, records have not");
        }
    }
}

/// Plays as many histories as asked for; the first bad one is made as short as it can be.
fn all_histories(forgets: u8) {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().expect(name))
    };
    let seed = number("CPM_SEED", 1);
    let config = Config {
        cases: number("CPM_HISTORIES", u64::from(HISTORIES)) as u32,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let outcome = runner.run(&history(), |history| {
        let mut world = history.world();
        let played =
            quietly(|| catch_unwind(AssertUnwindSafe(|| history.plays(&mut world, forgets))));
        played.map_err(|_| TestCaseError::fail("see below"))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(_, history)) => {
            let mut world = history.world();
            let why = catch_unwind(AssertUnwindSafe(|| history.plays(&mut world, forgets)));
            let why = why.err().and_then(|why| why.downcast::<String>().ok());
            panic!(
                "{}\n{history:#?}\n{}\nCPM_SEED={seed}",
                world.trail(),
                why.map_or(String::new(), |why| *why)
            );
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

#[test]
fn whatever_happens_every_promise_is_kept() {
    all_histories(0);
}

/// One input in ten is lost between tm and the store: promises may suffer, nothing is left behind.
#[test]
fn what_is_forgotten_is_found_by_its_deadline() {
    all_histories(10);
}
