//! A program that runs beside the test: lines in, lines out, ended with the test.
//! It is not any of the programs: see `scscf.rs`, `linphone.rs` and `sofia.rs`.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// How long a program may take to end when it is told to.
const END: Duration = Duration::from_secs(7);

impl Program {
    pub fn start(name: &str, command: &mut Command) -> Program {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("{name} cannot be started: {command:?}: {e}"));
        let said = Arc::new(Said::default());
        collect(child.stdout.take().expect("piped"), said.clone());
        collect(child.stderr.take().expect("piped"), said.clone());
        Program {
            name: name.into(),
            input: child.stdin.take(),
            child,
            said,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line of what the user does.
    pub fn tell(&self, words: &[&str]) {
        let mut input = self.input.as_ref().expect("there until it is dropped");
        let line = format!("{}\n", words.join("\t"));
        input
            .write_all(line.as_bytes())
            .unwrap_or_else(|e| panic!("{} is gone: {e}\n{}", self.name, self.text()));
    }

    /// Waits until the lines so far hold what `find` looks for.
    pub fn wait_for<T>(
        &self,
        wait: Duration,
        find: impl Fn(&[String]) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + wait;
        let mut lines = self.lines();
        loop {
            if let Some(found) = find(&lines) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(lines.join("\n"));
            }
            let more = self.said.more.wait_timeout(lines, left);
            lines = more.expect("no panic under this lock").0;
        }
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    pub fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.said.lines.lock().expect("no panic under this lock")
    }

    /// Ends it and the processes it has started, at once.
    pub fn kill(&self) {
        let group = -(self.child.id() as libc::pid_t);
        // SAFETY: the process group made for this child, which is not reaped.
        unsafe { libc::kill(group, libc::SIGKILL) };
    }

    fn has_ended(&mut self) -> bool {
        let deadline = Instant::now() + END;
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.input.take());
        if !self.has_ended() {
            self.kill();
            let _ = self.child.wait();
        }
        if thread::panicking() {
            eprintln!("--- {} said ---\n{}\n--- end ---", self.name, self.text());
        }
    }
}

fn collect(from: impl Read + Send + 'static, said: Arc<Said>) {
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            let mut lines = said.lines.lock().expect("no panic under this lock");
            lines.push(line.trim_end_matches('\r').to_string());
            said.more.notify_all();
        }
    });
}
