//! What is measured: a server with the module, or the same Kamailio with a bare routing script, and its load.

use super::launcher::Launcher;
use super::phones::{Outcome, Phones, Plan};
use crate::kit::server::{free_port, processes_of, Server, Setup};
use crate::kit::{Group, Transport};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How a server is started; everything else is as shipped.
#[derive(Clone)]
pub struct How {
    pub transport: Transport,
    pub memory_manager: &'static str,
    pub workers: usize,
    pub shm_mb: usize,
    /// Group documents beside those of the sessions.
    pub groups: usize,
    /// Sessions that REFERs go to in turn, each of a group, with one participant.
    pub sessions: usize,
    /// The NOTIFYs of the comparison: at once, and no provisional ones; else as shipped.
    pub compared: bool,
    /// Whether it runs under callgrind.
    pub callgrind: bool,
}

pub struct Subject {
    pub phones: Phones,
    /// The URIs of the groups beside those of the sessions.
    pub others: Vec<String>,
    server: Running,
    launcher: Launcher,
}

enum Running {
    Module(Server),
    Script(Bare),
}

/// A Kamailio without the module.
pub struct Bare {
    child: Child,
    _dir: tempfile::TempDir,
}

/// A start or an end under callgrind.
const SLOW: Duration = Duration::from_secs(180);

impl Default for How {
    fn default() -> How {
        How {
            transport: Transport::Udp,
            memory_manager: "tlsf",
            workers: 2,
            shm_mb: 1024,
            groups: 0,
            sessions: 20,
            compared: true,
            callgrind: false,
        }
    }
}

impl Subject {
    /// A server with the module. Nobody is told to slow down, and no session is ever full.
    pub fn module(how: &How) -> Subject {
        let mut phones = Phones::new(how.transport);
        let names = (0..how.sessions).map(|n| format!("s{n}"));
        let others = (0..how.groups).map(|n| format!("other{n}"));
        // Each other group is at home elsewhere, as groups of many operators are.
        let others = others.map(|name| {
            let group = Group::open(&name, &[super::message::ALICE]);
            let (from, to) = (&group.uri, format!("sip:{name}@{name}.test"));
            Group {
                xml: group.xml.replace(from.as_str(), &to),
                uri: to,
            }
        });
        let groups: Vec<Group> = names
            .map(|name| Group::open(&name, &[super::message::ALICE]))
            .chain(others)
            .collect();
        let mut setup = Setup::new(&groups)
            .env("CPM_ORIG_ROUTE", phones.route())
            .env("CPM_TRUSTED", "127.0.0.1")
            .env("CPM_SHM_MB", how.shm_mb.to_string())
            .env("CPM_WORKERS", how.workers.to_string())
            .env("CPM_MEMORY_MANAGER", how.memory_manager)
            // As shipped: the kit turns it off.
            .param_int("shed_queue_delay", 100)
            .param_int("refer_rate", 0)
            .param_int("session_rate", 0)
            .param_int("invite_rate", 0)
            .param_int("target_rate", 0)
            .param_int("next_hop_rate", 0)
            .param_int("max_participants", 10_000);
        if how.compared {
            setup = setup
                .param_int("first_notify_delay", 0)
                .param_int("refer_notify_interval", 1000);
        }
        let launcher = Launcher::new(how.callgrind);
        setup = setup.env("PATH", launcher.path());
        if how.callgrind {
            setup = setup
                .env("CPM_USER", "root")
                .patience(SLOW)
                .local_cfg(PATIENT);
        }
        let server = setup.try_start();
        let server = server.unwrap_or_else(|e| {
            panic!(
                "{}
{}",
                e.log,
                launcher.log()
            )
        });
        phones.connect(server.addr());
        for group in groups.iter().take(how.sessions) {
            let focus = phones.join(super::message::ALICE, &group.uri);
            phones.focuses.push(focus);
        }
        let others = groups
            .iter()
            .skip(how.sessions)
            .map(|group| group.uri.clone());
        Subject {
            others: others.collect(),
            phones,
            server: Running::Module(server),
            launcher,
        }
    }

    /// The routing script. What makes a module fast or slow, it has the same.
    pub fn script(how: &How) -> Subject {
        let mut phones = Phones::new(how.transport);
        phones.focuses.push("sip:focus@conf.home1.test".into());
        let launcher = Launcher::new(how.callgrind);
        let (bare, addr) = Bare::start(how, &phones.route(), &launcher);
        phones.connect(addr);
        Subject {
            others: Vec::new(),
            phones,
            server: Running::Script(bare),
            launcher,
        }
    }

    pub fn server(&self) -> &Server {
        match &self.server {
            Running::Module(server) => server,
            Running::Script(_) => panic!("a script has no module to ask"),
        }
    }

    pub fn processes(&self) -> Vec<u32> {
        match &self.server {
            Running::Module(server) => server.processes(),
            Running::Script(bare) => processes_of(bare.child.id()),
        }
    }

    /// CPU time of all processes of the server, ns.
    pub fn cpu(&self) -> u64 {
        cpu_of(&self.processes())
    }

    pub fn run(&mut self, plan: Plan) -> Outcome {
        self.phones.run(plan)
    }

    /// Ends the server: the user instructions of each of its processes, from start to end, under callgrind.
    pub fn instructions(self) -> Vec<f64> {
        let Subject {
            server, launcher, ..
        } = self;
        drop(server);
        launcher.counts()
    }
}

/// A process that is stopped has that many seconds to write what callgrind counted.
const PATIENT: &str = "exit_timeout=60";

/// The first figure of `/proc/PID/schedstat` of each.
fn cpu_of(processes: &[u32]) -> u64 {
    assert!(processes.len() > 3, "the server runs");
    let of = |pid: &u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    processes.iter().filter_map(of).sum()
}

/// The configuration of the sample, without the module and with the script for its routes.
fn configuration(how: &How) -> String {
    let sample = include_str!("../../../kamailio-cfg/cpm-as.cfg");
    let (own, _) = sample
        .split_once("####### The module #######")
        .expect("the sample configuration has a part for the module");
    let load = "loadmodule CPM_MODULE_FILE\n";
    assert!(
        own.contains(load),
        "the sample configuration loads the module"
    );
    // Nobody looks at messages before they are read.
    let own = own.replace(load, "").replace("received_route_mode=1", "");
    let patient = if how.callgrind { PATIENT } else { "" };
    format!("{own}\n{patient}\n{}", include_str!("script.cfg"))
}

impl Bare {
    fn start(how: &How, route: &str, launcher: &Launcher) -> (Bare, SocketAddr) {
        let dir = tempfile::Builder::new()
            .prefix("cpm-")
            .tempdir_in("/tmp")
            .expect("a directory");
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("script.cfg"), configuration(how)).expect("a configuration");
        let addr = free_port([127, 0, 0, 1].into());
        let next_hop = route
            .trim_start_matches('<')
            .split(";lr")
            .next()
            .unwrap_or_default();
        let suffix = if how.transport == Transport::Tcp {
            ";transport=tcp"
        } else {
            ""
        };
        let mut command = Command::new("env");
        command
            .args(["kamailio", "-DD", "-E", "-f"])
            .arg(at("script.cfg"))
            .arg("-P")
            .arg(at("pid"))
            .arg("-w")
            .arg(dir.path())
            .arg("-Y")
            .arg(dir.path())
            .args(["-m", &how.shm_mb.to_string(), "-M", "16"])
            .args(["-x", how.memory_manager, "-X", how.memory_manager])
            .args(["-l", &format!("udp:{addr}"), "-l", &format!("tcp:{addr}")])
            .args(["-A", &format!("CPM_WORKERS={}", how.workers)])
            .args(["-A", &format!("CPM_RPC=\"unix:{}\"", at("ctl").display())])
            .args(["-A", &format!("SCRIPT_ROUTE=\"{route}\"")])
            .args(["-A", &format!("SCRIPT_NEXT_HOP=\"{next_hop}{suffix}\"")])
            .env("PATH", launcher.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let mut bare = Bare {
            child: command.spawn().expect("env runs"),
            _dir: dir,
        };
        bare.wait_ready(addr, launcher);
        (bare, addr)
    }

    fn wait_ready(&mut self, addr: SocketAddr, launcher: &Launcher) {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let wait = Some(Duration::from_millis(200));
        socket.set_read_timeout(wait).expect("a timeout can be set");
        let local = socket.local_addr().expect("it is bound");
        let ask = format!(
            "OPTIONS sip:{addr} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKo\r\nFrom: <sip:o@o.test>;tag=o\r\n\
             To: <sip:{addr}>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        );
        let until = Instant::now() + SLOW;
        loop {
            let _ = socket.send_to(ask.as_bytes(), addr);
            if socket.recv(&mut [0; 4096]).is_ok() {
                return;
            }
            let ended = self.child.try_wait().expect("it is our child");
            if ended.is_some() || Instant::now() > until {
                let log = launcher.log();
                panic!("the routing script does not start ({ended:?}):\n{log}");
            }
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // SAFETY: a signal to the child we started and have not reaped.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        let until = Instant::now() + SLOW;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                // SAFETY: the group that process_group(0) made of it, and it is not reaped.
                unsafe { libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL) };
                let _ = self.child.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
