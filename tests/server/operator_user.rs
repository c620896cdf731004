//! Whom the server runs as, and whose files it takes (CPM_USER).

use crate::kit::{Group, Server, Setup, ALICE, SOON};
use std::fs::{self, Permissions};
use std::os::unix::fs::{chown, MetadataExt, PermissionsExt};
use std::path::Path;

/// A user number that is nobody's here.
const FOREIGN: u32 = 54_321;

fn setup() -> Setup {
    Setup::new([Group::open("s", &[ALICE])])
}

/// The tests run as root or as a developer: the files they make tell.
fn we_are_root() -> bool {
    fs::metadata("/proc/self").expect("Linux").uid() == 0
}

/// The real, effective, saved and file system user of each process of the server.
fn users(server: &Server) -> Vec<String> {
    let of = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        line.expect("the kernel says it").trim().to_owned()
    };
    server.processes().into_iter().map(of).collect()
}

/// A start that has to fail, with a line that names all of these.
fn refused(setup: Setup, parts: &[&str]) {
    let failure = setup.try_start().err();
    let log = failure
        .unwrap_or_else(|| panic!("it starts: {parts:?}"))
        .log;
    let told = log
        .lines()
        .any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(told, "no line says {parts:?}:\n{log}");
}

#[test]
fn no_process_of_the_server_is_root() {
    let mut server = setup().start();
    let users = users(&server);
    assert!(users.len() > 8, "main, workers, timers: {users:?}");
    for user in &users {
        let is_root = user.split_whitespace().any(|number| number == "0");
        assert!(!is_root, "{users:?}");
    }
    // Root's kamcmd still reaches it.
    server.rpc_ok(&["cpm.list"]);
    // It may remove its pid file and its socket, and does.
    server.stop();
    let log = server.log_text();
    assert!(!log.contains("ERROR"), "{log}");
}

#[test]
fn root_runs_it_as_root_when_told_to() {
    if !we_are_root() {
        return refused(setup().env("CPM_USER", "root"), &["CPM_USER", "only root"]);
    }
    let server = setup().env("CPM_USER", "root").start();
    let root = "0\t0\t0\t0";
    assert!(users(&server).iter().all(|user| user == root));
    assert!(server.log_has("will run as root", SOON));
}

#[test]
fn a_user_who_is_not_there_stops_the_start() {
    refused(
        setup().env("CPM_USER", "no-such-user"),
        &["CPM_USER", "no-such-user", "expected"],
    );
}

#[test]
fn what_everybody_can_change_is_refused() {
    let open = |path: &Path| {
        fs::set_permissions(path, Permissions::from_mode(0o777)).expect("our own");
    };
    refused(
        setup().among_groups(|groups| {
            fs::set_permissions(groups, Permissions::from_mode(0o1777)).expect("our own");
        }),
        &["CPM_GROUPS_DIR", "world-writable", "chmod o-w"],
    );
    let dir = tempfile::tempdir().expect("a directory");
    let module = module_in(dir.path());
    open(dir.path());
    refused(
        setup().env("CPM_MODULE", &module),
        &["CPM_MODULE", "world-writable"],
    );
    let dir = tempfile::tempdir().expect("a directory");
    let local = dir.path().join("local.cfg");
    fs::write(&local, "").expect("a file");
    open(&local);
    let local = local.to_string_lossy();
    refused(
        setup().env("CPM_LOCAL_CFG", local),
        &["CPM_LOCAL_CFG", "world-writable"],
    );
}

#[test]
fn what_belongs_to_somebody_else_is_refused() {
    if !we_are_root() {
        return; // Only root can give files away.
    }
    refused(
        setup().among_groups(|groups| chown(groups, Some(FOREIGN), None).expect("root can")),
        &["CPM_GROUPS_DIR", "belongs to", "chown"],
    );
    let dir = tempfile::tempdir().expect("a directory");
    let module = module_in(dir.path());
    chown(&module, Some(FOREIGN), None).expect("root can");
    refused(
        setup().env("CPM_MODULE", &module),
        &["CPM_MODULE", "belongs to"],
    );
    // Who owns the directory can put another file there.
    chown(&module, Some(0), None).expect("root can");
    chown(dir.path(), Some(FOREIGN), None).expect("root can");
    refused(
        setup().env("CPM_MODULE", &module),
        &["CPM_MODULE", "belongs to"],
    );
}

fn module_in(dir: &Path) -> String {
    let built = std::env::var("CPM_MODULE").expect("tests/run.sh sets it");
    let copy = dir.join("cpm.so");
    fs::copy(built, &copy).expect("a copy of the module");
    copy.to_string_lossy().into_owned()
}
