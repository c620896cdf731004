//! The server under test: `kamailio-cfg/run.sh` with an already built module, on free ports of loopback.
//! CPM_MODULE names that module: `tests/run.sh` builds it.

use super::groups::Group;
use super::transport::bind_pair;
use std::borrow::Borrow;
use std::fs::Permissions;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// How the server is to be started.
#[derive(Clone, Default)]
pub struct Setup {
    groups: Vec<Group>,
    env: Vec<(String, String)>,
    local_cfg: String,
    ips: Vec<String>,
    /// Done to the directory of group documents before the start.
    among_groups: Vec<fn(&Path)>,
    /// How long the start may take; none: as long as usual.
    patience: Option<Duration>,
}

/// A running server; dropping it stops it and waits for its end.
pub struct Server {
    /// The socket (UDP and TCP) of each address it listens on, in the order asked for.
    pub addrs: Vec<SocketAddr>,
    pub groups_dir: PathBuf,
    child: Child,
    log: Arc<Log>,
    dir: tempfile::TempDir,
    /// How long its end may take.
    stop: Duration,
}

/// A server that did not start: how it ended and what it said.
#[derive(Debug)]
pub struct Failure {
    pub status: Option<ExitStatus>,
    pub log: String,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Condvar,
}

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(10);
const SETTLED: Duration = Duration::from_secs(90);

impl Setup {
    /// On 127.0.0.1, with these groups. Servers of tests share the machine, and do not refuse what waited for that
    /// reason, unless a test asks for `shed_queue_delay`.
    pub fn new<G: Borrow<Group>>(groups: impl IntoIterator<Item = G>) -> Setup {
        Setup {
            groups: groups.into_iter().map(|g| g.borrow().clone()).collect(),
            ips: vec!["127.0.0.1".into()],
            ..Setup::default()
        }
        .param_int("shed_queue_delay", 0)
    }

    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Setup {
        self.env.push((name.into(), value.as_ref().into()));
        self
    }

    /// Configuration included behind the module's own parameters (CPM_LOCAL_CFG).
    pub fn local_cfg(mut self, text: &str) -> Setup {
        self.local_cfg.push_str(text);
        self.local_cfg.push('\n');
        self
    }

    /// Puts something into the directory of group documents that is none.
    pub fn among_groups(mut self, put: fn(&Path)) -> Setup {
        self.among_groups.push(put);
        self
    }

    /// A parameter of the module with a number.
    pub fn param_int(self, name: &str, value: i64) -> Setup {
        self.local_cfg(&format!("modparam(\"cpm\", \"{name}\", {value})"))
    }

    /// A parameter of the module with a text.
    pub fn param_str(self, name: &str, value: &str) -> Setup {
        self.local_cfg(&format!("modparam(\"cpm\", \"{name}\", \"{value}\")"))
    }

    /// Listens on this address too.
    pub fn also_on(mut self, ip: &str) -> Setup {
        self.ips.push(ip.into());
        self
    }

    /// Lets the start and the end take that long, each.
    pub fn patience(mut self, time: Duration) -> Setup {
        self.patience = Some(time);
        self
    }

    /// Starts; panics with the log when the server does not get ready.
    pub fn start(self) -> Server {
        self.try_start().unwrap_or_else(|failure| {
            panic!("no `cpm: ready`: {:?}\n{}", failure.status, failure.log)
        })
    }

    /// Starts; a port taken by somebody else in the meantime is tried again elsewhere.
    pub fn try_start(self) -> Result<Server, Failure> {
        let module = std::env::var("CPM_MODULE").unwrap_or_else(|_| {
            panic!("CPM_MODULE does not name a built module: run ./tests/run.sh, which builds it and sets it")
        });
        assert!(
            std::path::Path::new(&module).is_file(),
            "CPM_MODULE={module} is no file: run ./tests/run.sh"
        );
        for _ in 0..4 {
            match self.once(&module) {
                Err(failure) if failure.log.contains("Address already in use") => continue,
                outcome => return outcome,
            }
        }
        self.once(&module)
    }

    fn once(&self, module: &str) -> Result<Server, Failure> {
        // A socket path has 107 bytes, so the run directory is a short one.
        let dir = tempfile::Builder::new()
            .prefix("cpm-")
            // The server does not run as root, even where the tests do.
            .permissions(Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a directory under /tmp");
        let groups_dir = dir.path().join("groups");
        std::fs::create_dir(&groups_dir).expect("a groups directory");
        for group in &self.groups {
            group.write(&groups_dir);
        }
        for put in &self.among_groups {
            put(&groups_dir);
        }
        let local_cfg = dir.path().join("local.cfg");
        std::fs::write(&local_cfg, &self.local_cfg).expect("a local configuration");
        let addrs: Vec<SocketAddr> = self
            .ips
            .iter()
            .map(|ip| free_port(ip.parse().expect("an IP address")))
            .collect();
        let listen: Vec<String> = addrs
            .iter()
            .flat_map(|a| [format!("udp:{a}"), format!("tcp:{a}")])
            .collect();
        let root = env!("CARGO_MANIFEST_DIR");
        let mut command = Command::new(format!("{root}/kamailio-cfg/run.sh"));
        command
            .current_dir(root)
            .env("CPM_MODULE", module)
            .env("CPM_LISTEN", listen.join(" "))
            .env("CPM_GROUPS_DIR", &groups_dir)
            .env("CPM_RUN_DIR", dir.path().join("run"))
            .env("CPM_SHM_MB", "64")
            .envs(self.env.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        for inherited in [
            "CPM_LOCAL_CFG",
            "CPM_DOMAIN",
            "CPM_CONTACT",
            "CPM_TRUSTED",
            "CPM_ORIG_ROUTE",
            "CPM_PHONE_DOMAINS",
            "CPM_USER",
            "CPM_WORKERS",
        ] {
            if !self.env.iter().any(|(name, _)| name == inherited) {
                command.env_remove(inherited);
            }
        }
        // A test may give another one, or one that is wrong.
        if !self.env.iter().any(|(name, _)| name == "CPM_LOCAL_CFG") {
            command.env("CPM_LOCAL_CFG", &local_cfg);
        }
        let mut child = command
            .spawn()
            .unwrap_or_else(|e| panic!("kamailio-cfg/run.sh cannot be run: {e}"));
        let log = Arc::new(Log::default());
        collect(child.stdout.take().expect("piped"), log.clone());
        collect(child.stderr.take().expect("piped"), log.clone());
        let mut server = Server {
            addrs,
            groups_dir,
            child,
            log,
            dir,
            stop: self.patience.unwrap_or(STOP),
        };
        match server.wait_ready(self.patience.unwrap_or(START)) {
            None => Ok(server),
            Some(status) => {
                // The pipes may still hold its last words.
                server.log.settle();
                Err(Failure {
                    status,
                    log: server.log_text(),
                })
            }
        }
    }
}

impl Server {
    /// The first address it listens on, UDP and TCP alike.
    pub fn addr(&self) -> SocketAddr {
        self.addrs[0]
    }

    /// An RPC command over the control socket: its output, or what it complained of.
    pub fn rpc(&self, command: &[&str]) -> Result<String, String> {
        let socket = format!("unix:{}/run/kamailio_ctl", self.dir.path().display());
        let out = Command::new("kamcmd")
            .arg("-s")
            .arg(socket)
            .args(command)
            .output()
            .expect("kamcmd is installed");
        let (stdout, stderr) = (text(&out.stdout), text(&out.stderr));
        // kamcmd reports a fault of the server as a line of its own.
        if !out.status.success() || stdout.starts_with("error:") || stderr.contains("error:") {
            return Err(format!("{stdout}{stderr}"));
        }
        Ok(stdout)
    }

    /// An RPC command that has to work.
    pub fn rpc_ok(&self, command: &[&str]) -> String {
        self.rpc(command)
            .unwrap_or_else(|e| panic!("{command:?}: {e}"))
    }

    /// A figure in the answer to an RPC command; free memory may be negative.
    pub fn figure(&self, command: &str, name: &str) -> i64 {
        let output = self.rpc_ok(&[command]);
        let line = output
            .lines()
            .find_map(|l| l.trim().strip_prefix(name)?.trim().strip_prefix(':'));
        line.and_then(|v| v.trim().parse().ok())
            .unwrap_or_else(|| panic!("no {name} in:\n{output}"))
    }

    /// A statistic of the module.
    pub fn statistic(&self, name: &str) -> i64 {
        let output = self.rpc_ok(&["cnt.get", "cpm", name]);
        output
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {output}"))
    }

    /// Bytes of shared memory in use once every session has ended and tm has let go of every transaction.
    pub fn settled(&self) -> u64 {
        let deadline = Instant::now() + SETTLED;
        loop {
            let cells = self.figure("tm.stats", "current");
            let sessions = self.rpc_ok(&["cpm.list"]);
            if cells == 0 && !sessions.contains("@conf.home1.test") {
                return self.figure("core.shmmem", "real_used").unsigned_abs();
            }
            if Instant::now() > deadline {
                let which = self.rpc(&["tm.list"]).unwrap_or_default();
                panic!("{cells} transactions are still there:\n{which}\nand these sessions:\n{sessions}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn log_text(&self) -> String {
        self.log
            .lines
            .lock()
            .expect("no panic under this lock")
            .join("\n")
    }

    /// Waits for a line of the log that contains this.
    pub fn log_has(&self, part: &str, wait: Duration) -> bool {
        self.log
            .wait(wait, |lines| lines.iter().any(|l| l.contains(part)))
    }

    /// The processes of Kamailio, the main one among them.
    pub fn processes(&self) -> Vec<u32> {
        processes_of(self.child.id())
    }

    /// Whether the server's main process is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether any process of the group it was started as is still there; of use after its end.
    pub fn leaves_processes(&self) -> bool {
        let group = -(self.child.id() as libc::pid_t);
        // SAFETY: signal 0 only asks whether the group exists.
        let there = || unsafe { libc::kill(group, 0) == 0 };
        // A child the main process has not reaped is gone once init has.
        let deadline = Instant::now() + Duration::from_secs(2);
        while there() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        there()
    }

    /// Kills the process that was started: Kamailio, or with CPM_DRAIN the shell above it.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was ours");
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let pid = self.child.id() as libc::pid_t;
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        // SAFETY: a signal to the child we started and have not reaped.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let status = self.wait_exit(self.stop);
        if status.is_none() {
            // SAFETY: the process group of that child, made for it by process_group(0), and the child is not reaped.
            unsafe { libc::kill(-pid, libc::SIGKILL) };
            let _ = self.child.wait();
        }
        status
    }

    /// Waits until the process has ended by itself.
    pub fn wait_exit(&mut self, wait: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + wait;
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// None when ready, else how it ended (or that it neither ended nor got ready).
    fn wait_ready(&mut self, wait: Duration) -> Option<Option<ExitStatus>> {
        let deadline = Instant::now() + wait;
        while Instant::now() < deadline {
            if self.log.wait(Duration::from_millis(20), |lines| {
                lines.iter().any(|l| l.contains("cpm: ready"))
            }) {
                return None;
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Some(Some(status));
            }
        }
        Some(None)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let status = self.stop();
        if std::thread::panicking() {
            eprintln!(
                "--- log of the server (ended: {status:?}) ---\n{}\n--- end of log ---",
                self.log_text()
            );
        }
    }
}

impl Log {
    fn wait(&self, wait: Duration, enough: impl Fn(&[String]) -> bool) -> bool {
        let lines = self.lines.lock().expect("no panic under this lock");
        let (lines, _) = self
            .changed
            .wait_timeout_while(lines, wait, |l| !enough(l))
            .expect("no panic under this lock");
        enough(&lines)
    }

    /// Waits until no more lines come.
    fn settle(&self) {
        let count = || self.lines.lock().expect("no panic under this lock").len();
        let mut before = count();
        while self.wait(Duration::from_millis(100), |lines| lines.len() > before) {
            before = count();
        }
    }
}

fn collect(from: impl Read + Send + 'static, log: Arc<Log>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            log.lines
                .lock()
                .expect("no panic under this lock")
                .push(text(&line));
            log.changed.notify_all();
        }
    });
}

/// The processes of Kamailio in a process group, by itself or under callgrind.
pub fn processes_of(group: u32) -> Vec<u32> {
    let group = group.to_string();
    let is_ours = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // pid (command) state parent group …
        let (command, rest) = stat.rsplit_once(')').unwrap_or_default();
        let kamailio = command.ends_with("(kamailio") || command.contains("(callgrind");
        kamailio && rest.split_whitespace().nth(2) == Some(&*group)
    };
    let all = std::fs::read_dir("/proc").expect("Linux");
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(is_ours).collect()
}

/// A port that is free for both transports, below the range from which the system takes ports for others.
pub fn free_port(ip: IpAddr) -> SocketAddr {
    for _ in 0..200 {
        let mut raw = [0u8; 2];
        getrandom::fill(&mut raw).expect("the system has randomness");
        let port = 10_000 + u16::from_be_bytes(raw) % 20_000;
        if UdpSocket::bind((ip, port)).is_ok() && TcpListener::bind((ip, port)).is_ok() {
            return SocketAddr::new(ip, port);
        }
    }
    bind_pair(ip)
        .0
        .local_addr()
        .expect("a bound socket has an address")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .trim_end_matches('\r')
        .to_string()
}
