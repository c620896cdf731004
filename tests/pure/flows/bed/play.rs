//! What tests say to the world: the usual endpoints and what they do, in the words of a scenario.

use cpm::cpm::action::Counter;
use cpm::sip::Route;
use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::sync::Once;

use super::chance::Link;
use super::groups::{settings, team, GROUP};
use super::peer::{How, Manners};
use super::world::World;

/// The usual endpoints; `number` is known by a telephone number only, `away` is a second domain's.
#[derive(Clone, Copy)]
pub struct Cast {
    pub alice: usize,
    pub bob: usize,
    pub carol: usize,
    pub dave: usize,
    pub number: usize,
    pub mallory: usize,
}

/// How often each scenario is played.
const INTERLEAVINGS: usize = 30;

/// Plays one scenario over a perfect network, over a slow one and over a bad one, again and again.
/// What chance did is in the number a failure prints.
pub fn interleaved(scenario: impl Fn(&mut World, Cast)) {
    interleaved_over(&[()], |world, cast, ()| scenario(world, cast));
}

/// The same with each of `cases` in turn. `CPM_INTERLEAVINGS` raises how often.
pub fn interleaved_over<T: Clone>(cases: &[T], scenario: impl Fn(&mut World, Cast, T)) {
    let times = std::env::var("CPM_INTERLEAVINGS").ok();
    let times = times
        .and_then(|times| times.parse().ok())
        .unwrap_or(INTERLEAVINGS);
    let times = times.max(3 * cases.len());
    for (seed, case) in (0..times as u64).zip(cases.iter().cycle()) {
        let link = match (seed as usize / cases.len(), seed % 2) {
            (0, _) => Link::PERFECT,
            (_, 0) => Link::SLOW,
            _ => Link::BAD,
        };
        let (mut world, cast) = World::with_cast(link, seed);
        let played = catch_unwind(AssertUnwindSafe(|| {
            scenario(&mut world, cast, case.clone())
        }));
        if let Err(cause) = played {
            eprintln!(
                "{}\nthis was interleaving {seed} over {link:?}",
                world.trail()
            );
            resume_unwind(cause);
        }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without the report a panic makes: whoever looks for the shortest history causes many.
pub fn quietly<T>(f: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                report(info);
            }
        }));
    });
    let before = QUIET.replace(true);
    let result = f();
    QUIET.set(before);
    result
}

impl World {
    pub fn with_cast(link: Link, seed: u64) -> (World, Cast) {
        let mut settings = settings();
        if seed % 4 < 2 {
            settings.orig_route = Route::parse(b"<sip:127.0.0.1:5070;lr;orig>")
                .into_iter()
                .collect();
        }
        let mut world = World::new(settings, team(None), link, seed);
        let cast = Cast {
            alice: world.peer("alice", &["sip:alice@home1.test"]),
            bob: world.peer("bob", &["sip:bob@home1.test"]),
            carol: world.peer("carol", &["sip:carol@home1.test"]),
            dave: world.peer("dave", &["sip:dave@home1.test"]),
            number: world.peer("number", &["tel:+358401234567"]),
            mallory: world.peer("mallory", &["sip:mallory@home1.test"]),
        };
        (world, cast)
    }

    pub fn manners(&mut self, peer: usize) -> &mut Manners {
        &mut self.peers[peer].manners
    }

    /// INVITE to the group; gives its branch.
    pub fn joins(&mut self, peer: usize) -> String {
        self.joins_with(peer, "")
    }

    pub fn joins_with(&mut self, peer: usize, headers: &str) -> String {
        self.lets(peer, |peer| peer.invite(GROUP, headers))
    }

    /// Joins and is in, however often the network makes it ask.
    pub fn join(&mut self, peer: usize) {
        let branch = self.joins(peer);
        let status = self.outcome(peer, &branch);
        if status != 200 {
            self.fail(&format!("peer {peer} got {status}"));
        }
    }

    /// Waits for the final answer to a request; 0 if none comes as long as it may.
    pub fn outcome(&mut self, peer: usize, branch: &str) -> u16 {
        let patience = self.now + 40_000;
        while self.status(peer, branch) == 0 && self.now < patience {
            self.run(200);
        }
        self.status(peer, branch)
    }

    /// REFER in the dialog of its leg; `more` are further header lines.
    pub fn refers(&mut self, peer: usize, target: &str, more: &str) -> String {
        self.refers_to(peer, &format!("<{target}>"), more)
    }

    /// The same with a whole Refer-To.
    pub fn refers_to(&mut self, peer: usize, refer_to: &str, more: &str) -> String {
        let leg = self.leg(peer);
        let headers = format!("Refer-To: {refer_to}\r\n{more}");
        self.lets(peer, |peer| peer.within(leg, "REFER", &headers, Vec::new()))
    }

    /// REFER outside any dialog, to the group.
    pub fn refers_outside(&mut self, peer: usize, target: &str, more: &str) -> String {
        let headers = format!("Refer-To: <{target}>\r\n{more}");
        self.lets(peer, |peer| {
            peer.outside("REFER", GROUP, &headers, Vec::new())
        })
    }

    /// BYE in the dialog of its leg.
    pub fn leaves(&mut self, peer: usize) -> String {
        let leg = self.leg(peer);
        self.lets(peer, |peer| peer.within(leg, "BYE", "", Vec::new()))
    }

    fn leg(&self, peer: usize) -> usize {
        let leg = self.peers[peer].leg();
        leg.unwrap_or_else(|| self.fail(&format!("peer {peer} is in no session")))
    }

    pub fn uri(&self, peer: usize) -> String {
        self.peers[peer].uri().to_owned()
    }

    /// Whether the focus has it as a connected participant and it thinks so too.
    pub fn is_in(&self, peer: usize) -> bool {
        self.peers[peer].leg().is_some()
    }

    /// The reason of the BYE its newest dialog got, as far as one came.
    pub fn bye_reason(&self, peer: usize) -> Option<String> {
        let mut dialogs = self.peers[peer].dialogs.iter().rev();
        dialogs
            .find(|d| d.how != How::Referred)
            .and_then(|d| d.bye_reason.clone())
    }

    /// Everybody leaves; after that nothing may be left anywhere.
    pub fn end(&mut self) {
        self.run_out();
        self.assert_calm();
        for peer in 0..self.peers.len() {
            if self.is_in(peer) {
                self.leaves(peer);
                self.run_out();
            }
        }
        self.assert_calm();
        if self.records.len() > 0 {
            self.fail("everybody has left, records have not");
        }
        if self.counted(Counter::InvitesWaiting) != 0 {
            self.fail("nobody is left, INVITEs wait");
        }
    }
}
