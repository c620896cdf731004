//! The S-CSCF between the phones and the focus: a Kamailio with `scscf.cfg`, on a loopback address of its own.

use super::program::Program;
use crate::kit::transport::bind_pair;
use crate::kit::SOON;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;

pub struct Scscf {
    program: Program,
    _dir: tempfile::TempDir,
}

impl Scscf {
    /// A free socket for it, which the focus has to know before either is started.
    pub fn place(ip: IpAddr) -> SocketAddr {
        bind_pair(ip)
            .0
            .local_addr()
            .expect("a bound socket has an address")
    }

    /// With `slow_answers_to`, what is sent behind a 2xx to that method overtakes it.
    pub fn start(at: SocketAddr, focus: SocketAddr, slow_answers_to: Option<&str>) -> Scscf {
        let dir = tempfile::Builder::new()
            .prefix("scscf-")
            .tempdir_in("/tmp")
            .expect("a directory under /tmp");
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server/phones/scscf.cfg");
        let mut command = Command::new("kamailio");
        command
            .args(["-DD", "-E", "-m", "32", "-M", "8", "-f", config])
            .args(["-l", &format!("udp:{at}")])
            .arg("-w")
            .arg(dir.path())
            .arg("-Y")
            .arg(dir.path())
            .args(["-A", &format!("FOCUS_URI=\"sip:{focus}\"")])
            .args(["-A", &format!("FOCUS_ADDRESS=\"{}\"", focus.ip())]);
        if let Some(method) = slow_answers_to {
            command.args(["-A", &format!("SLOW_ANSWERS_TO=\"{method}\"")]);
        }
        let program = Program::start("scscf", &mut command);
        let ready = |lines: &[String]| {
            lines
                .iter()
                .any(|l| l.contains("scscf: ready"))
                .then_some(())
        };
        if let Err(log) = program.wait_for(SOON, ready) {
            panic!("the S-CSCF does not get ready:\n{log}");
        }
        Scscf { program, _dir: dir }
    }

    /// Everything that came to it, in order: first the start lines alone, then the messages.
    pub fn wire(&self) -> String {
        let log = self.program.text();
        let lines: Vec<&str> = log.lines().collect();
        let came = lines.windows(2).filter_map(|pair| {
            let (_, from) = pair[0].split_once("wire from ")?;
            Some(format!("{from:>21}  {}\n", pair[1]))
        });
        format!("{}\n{log}", came.collect::<String>())
    }
}

impl Drop for Scscf {
    fn drop(&mut self) {
        // Asked to stop, a Kamailio that is just writing its log takes five seconds.
        self.program.kill();
    }
}
