//! The phones are C programs around the libraries of Debian's packages: built on first use.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of this directory, what it is built with, and the packages that have that.
pub struct Source {
    pub name: &'static str,
    pub flags: &'static [&'static str],
    /// What it also needs when it runs.
    pub files: &'static [&'static str],
    pub packages: &'static str,
}

/// The built program. Tests run at the same time: one of them builds, the others wait for it.
pub fn built(source: &Source) -> PathBuf {
    for file in source.files {
        let why = format!("it needs: apt-get install {}", source.packages);
        assert!(Path::new(file).exists(), "{file} is not here; {why}");
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/server/phones");
    let code = here.join(format!("{}.c", source.name));
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("phones");
    fs::create_dir_all(&place).expect("a directory to build in");
    let lock = File::create(place.join("lock")).expect("a lock file");
    // SAFETY: an open file; the lock ends when it is closed.
    unsafe { libc::flock(lock.as_raw_fd(), libc::LOCK_EX) };
    let program = place.join(source.name);
    if newer(&program, &code) {
        return program;
    }
    let fresh = program.with_extension("new");
    let built = Command::new("cc")
        .args([
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-deprecated-declarations",
            "-o",
        ])
        .arg(&fresh)
        .arg(&code)
        .args(source.flags)
        .output()
        .unwrap_or_else(|e| panic!("cc cannot be run: {e}"));
    assert!(
        built.status.success(),
        "{} is not built; it needs: apt-get install {}\n{}",
        code.display(),
        source.packages,
        String::from_utf8_lossy(&built.stderr)
    );
    fs::rename(&fresh, &program).expect("the new program takes the place of the old one");
    program
}

fn newer(program: &Path, code: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|m| m.modified()).ok();
    changed(program).is_some_and(|at| Some(at) > changed(code))
}
