//! What every process of the server has: the validated configuration and the doors to Kamailio and the
//! store.

use std::fs;
use std::path::Path;

use once_cell::sync::OnceCell;

use super::counters;
use super::drain_state::Draining;
use super::modparams::Config;
use super::overload::Load;
use super::sampled_log::Samples;
use crate::cpm::action::Counter;
use crate::cpm::env::{Env, Wanted};
use crate::cpm::policy::Directory;
use crate::cpm::socket::{Socket, Transport};
use crate::cpm::stray_answer::EndedAnswer;
use crate::cpm::time::SIXTY_FOUR_T1;
use crate::document_file::read_document;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::sockets::{LocalSocket, Proto};
use crate::kamailio::tm::Tm;
use crate::kamailio::{clock, log};
use crate::store::memory::Memory;
use crate::store::queue::Queue;
use crate::store::random;
use crate::store::ring::Ring;
use crate::store::sessions::Store;
use crate::store::shared_table::SharedTable;
use crate::store::turns::Turns;

/// Built once in `mod_init`, before any fork; every process has its own copy of the same values,
/// and what changes lives in shared memory behind `store` and the queues.
pub struct Runtime {
    pub config: Config,
    pub groups: Directory,
    pub tm: Tm,
    pub store: Store<KamailioShm>,
    /// For each sender the requests whose next hop is a name.
    pub senders: Vec<Queue<KamailioShm>>,
    /// What tm's timer process leaves to the process that watches deadlines.
    pub timeouts: Queue<KamailioShm>,
    pub draining: Draining,
    pub load: Load,
    pub samples: Samples,
    /// 2xx that nobody waited for and that were ended.
    pub ended_answers: SharedTable<KamailioShm, EndedAnswer>,
    /// Decision trails of the last REFERs; none are kept when `trail_size` is 0.
    pub trails: Option<Ring<KamailioShm>>,
    /// How often what has happened, for the rates.
    pub turns: Turns<KamailioShm>,
}

/// Shared memory kept free for what has begun already: with less, new INVITEs and REFERs get 503, bytes.
pub const RESERVE: u64 = 1 << 20;
/// What an INVITE to a target takes while it rings (transaction, buffers, leg), bytes; measured, rounded up.
const INVITE_COST: u64 = 12 * 1024;
/// By how much tm's timers of an INVITE have to exceed ours, ms.
const TIMER_MARGIN: u64 = 10_000;
/// tm counts in sixteenths of a second, ms rounded up.
const TICK: u64 = 63;

static RUNTIME: OnceCell<Runtime> = OnceCell::new();

/// Nothing before `mod_init` has succeeded.
pub fn runtime() -> Option<&'static Runtime> {
    RUNTIME.get()
}

/// Makes it known to this process and those forked from it. False: that was done already.
pub fn install(runtime: Runtime) -> bool {
    RUNTIME.set(runtime).is_ok()
}

impl Runtime {
    /// Calls `f` with what a decision made now may look at.
    pub fn with_env<R>(&self, f: impl FnOnce(&Env<'_>) -> R) -> R {
        f(&Env {
            now: clock::monotonic_ms(),
            unix: unix_now(),
            settings: &self.config.settings,
            groups: &self.groups,
            random: &random_bits,
            room: &room,
            seal: &|text| self.store.seal(text),
            turn: &|bucket, rate, count, patience| {
                let hash = self.store.seal(&bucket.name());
                let now = clock::monotonic_us();
                self.turns
                    .take(bucket.kind(), hash, rate, now, count, patience)
            },
            clock: &clock::monotonic_us,
            wanted: self.wanted(),
        })
    }

    /// Kamailio's log level may change at any time, so it is asked for each decision.
    fn wanted(&self) -> Wanted {
        let threshold = log::threshold();
        Wanted {
            trails: self.trails.is_some(),
            warnings: threshold.lets_through(log::Level::Warn),
            info: threshold.lets_through(log::Level::Info),
            debug: threshold.lets_through(log::Level::Debug),
        }
    }

    /// tm must not give up on an INVITE before we do (kamailio's defaults would); said once, at start.
    pub fn check_host_timers(&self) {
        let Some(timers) = self.tm.timers() else {
            return;
        };
        let ours = self.config.settings.invite_timeout;
        let least = ours + TIMER_MARGIN;
        for (name, value) in [
            ("fr_inv_timer", timers.ringing),
            ("max_inv_lifetime", timers.invite_lifetime),
        ] {
            if value < least {
                log::warning!(
                    "tm's {name} is {value} ms and cuts invite_timeout ({ours} ms), expected {least} or more; \
                     example: modparam(\"tm\", \"{name}\", {least})"
                );
            }
        }
        if timers.no_answer + TICK < SIXTY_FOUR_T1 {
            log::warning!(
                "tm's fr_timer is {} ms, expected {SIXTY_FOUR_T1} (64*T1); example: modparam(\"tm\", \"fr_timer\", {SIXTY_FOUR_T1})",
                timers.no_answer
            );
        }
    }

    /// Whether P-headers from this address are believed.
    pub fn trusts(&self, source: std::net::SocketAddr) -> bool {
        let address = source.ip().to_canonical();
        self.config
            .trusted
            .iter()
            .any(|network| network.contains(&address))
    }
}

/// For how many INVITEs there is memory beyond those that wait: these take theirs only when they leave.
fn room() -> u64 {
    let all = KamailioShm.available().saturating_sub(RESERVE) / INVITE_COST;
    let waiting = counters::of(Counter::InvitesWaiting).value();
    all.saturating_sub(waiting.try_into().unwrap_or(0))
}

/// Whether memory is left for one INVITE that is about to leave.
pub fn has_room_to_invite() -> bool {
    KamailioShm.available() >= RESERVE + INVITE_COST
}

/// Seconds since 1970.
pub fn unix_now() -> i64 {
    i64::try_from(clock::wall_ms() / 1000).unwrap_or(i64::MAX)
}

/// 128 bits from the operating system. Should it refuse (it does not on Linux once booted), the clock
/// and the process keep tokens distinct, and the log says so.
pub fn random_bits() -> u128 {
    random::random_bits().unwrap_or_else(|error| {
        log::error!("the operating system gives no random bytes: {error}");
        (u128::from(clock::wall_ms()) << 64) | u128::from(std::process::id())
    })
}

/// Reads all `*.xml` of a directory in the order of their names. What cannot be used is logged and left out.
pub fn load_groups(dir: &str) -> Result<Directory, String> {
    let problem = |why: &dyn std::fmt::Display| {
        format!(
            "cpm: parameter groups_dir is \"{dir}\", expected a readable directory of group documents ({why}); \
             example: modparam(\"cpm\", \"groups_dir\", \"/etc/kamailio/groups\")"
        )
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(|error| problem(&error))? {
        let path = entry.map_err(|error| problem(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "xml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut documents = Vec::new();
    for path in paths {
        match read_document(&path) {
            Ok(bytes) => documents.push((show(&path), bytes)),
            Err(error) => log::error!(
                "group document {} {error}; this document is not used",
                show(&path)
            ),
        }
    }
    let (directory, problems) = Directory::load(documents);
    for problem in problems {
        log::error!("group document {problem}; this document is not used");
    }
    for (file, note) in directory.notes() {
        log::warning!("group document {file}:{}: {}", note.line, note.text);
    }
    match directory.len() {
        0 => log::warning!("no group loaded from {dir}: expected one *.xml for each"),
        1 => log::notice!("1 group loaded from {dir}"),
        groups => log::notice!("{groups} groups loaded from {dir}"),
    }
    Ok(directory)
}

fn show(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl From<LocalSocket> for Socket {
    fn from(socket: LocalSocket) -> Socket {
        Socket {
            transport: match socket.proto {
                Proto::Udp => Transport::Udp,
                Proto::Tcp => Transport::Tcp,
                Proto::Tls => Transport::Tls,
                Proto::Sctp => Transport::Sctp,
                Proto::Ws => Transport::Ws,
                Proto::Wss => Transport::Wss,
            },
            address: socket.address,
            port: socket.port,
        }
    }
}

impl From<Socket> for LocalSocket {
    fn from(socket: Socket) -> LocalSocket {
        LocalSocket {
            proto: match socket.transport {
                Transport::Udp => Proto::Udp,
                Transport::Tcp => Proto::Tcp,
                Transport::Tls => Proto::Tls,
                Transport::Sctp => Proto::Sctp,
                Transport::Ws => Proto::Ws,
                Transport::Wss => Proto::Wss,
            },
            address: socket.address,
            port: socket.port,
        }
    }
}

// SAFETY: one mapping made before the fork, at one address in every process; Kamailio's allocator takes
// its own leaf lock, calls nothing of ours and aligns to 8 bytes at least.
unsafe impl Memory for KamailioShm {
    fn allocate(&self, size: usize) -> Option<std::ptr::NonNull<u8>> {
        self.allocate_uninitialised(size)
    }

    unsafe fn release(&self, block: std::ptr::NonNull<u8>) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { KamailioShm::release(self, block) }
    }
}
