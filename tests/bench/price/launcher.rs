//! A command named `kamailio` that starts the real one as it is measured: its log in a file, maybe under callgrind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub struct Launcher {
    dir: tempfile::TempDir,
}

impl Launcher {
    pub fn new(callgrind: bool) -> Launcher {
        let dir = tempfile::Builder::new()
            .prefix("cpm-")
            // The server need not run as root.
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/tmp")
            .expect("a directory under /tmp");
        let at = dir.path().display();
        let under = match callgrind {
            true => format!("valgrind -q --tool=callgrind --callgrind-out-file={at}/callgrind.%p "),
            false => String::new(),
        };
        // Whoever started it would read the log, on the same processors, and takes its end for the server's. So the
        // log goes into a file, and this shell keeps what it would have gone to open.
        let script = format!(
            "#!/bin/sh\n\
             # Asked for its version, or to check a configuration, it is not measured.\n\
             for last; do :; done\n\
             case $last in -c | -v | -V) exec {real} \"$@\" ;; esac\n\
             {under}{real} \"$@\" 2>{at}/log &\n\
             trap \"kill -TERM $!\" TERM INT\n\
             wait\n\
             wait\n",
            real = real().display(),
        );
        let file = dir.path().join("kamailio");
        fs::write(&file, script).expect("a script");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it can be run");
        Launcher { dir }
    }

    /// A PATH that finds it first.
    pub fn path(&self) -> String {
        format!("{}:{}", self.dir.path().display(), path())
    }

    /// The last lines of the log.
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// What each process counted under callgrind, which it writes when it ends.
    pub fn counts(&self) -> Vec<f64> {
        let files = fs::read_dir(self.dir.path()).expect("the directory is there");
        files.filter_map(|file| total(&file.ok()?.path())).collect()
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- log of a server ---\n{}\n--- end of log ---",
                self.log()
            );
        }
    }
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default() + ":/usr/local/sbin:/usr/sbin"
}

fn real() -> PathBuf {
    let path = path();
    let mut files = path.split(':').map(|dir| Path::new(dir).join("kamailio"));
    files
        .find(|file| file.is_file())
        .expect("Kamailio is installed")
}

/// What a file of callgrind sums up to.
fn total(file: &Path) -> Option<f64> {
    let name = file.file_name()?.to_str()?;
    let text = name
        .starts_with("callgrind.")
        .then(|| fs::read_to_string(file).ok())??;
    text.lines().rev().find_map(|line| {
        let figures = line.strip_prefix("totals:")?;
        figures.split_whitespace().next()?.parse().ok()
    })
}
