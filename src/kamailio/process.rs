//! Processes: which one this is, and processes of our own.
//!
//! Each process has one thread. The main process forks the others after `mod_init`. The fork copies
//! statics, which then differ from process to process.
//!
//! A process of our own is announced in `mod_init` and forked in `child_init(Main)`. That is before TCP
//! starts, so the process can send over TCP and TLS too. It must never end, because Kamailio ends the
//! whole server then. At shutdown it is killed at any instruction, without destructors.

use std::ffi::{c_int, CStr};
use std::time::Duration;

use super::panic_guard::guard;
use super::{cfg_framework, log};
use crate::kamailio_sys as sys;

/// The process and the moment in which Kamailio calls `child_init`. Kamailio calls it the rank
/// (core/sr_module.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// PROC_INIT: the main process, before it forks anything.
    BeforeFork,
    /// PROC_MAIN: the main process, while it forks. Processes of our own start here.
    Main,
    /// PROC_POSTCHILDINIT: the main process, after it has forked all. Only for modules that ask for it.
    AfterFork,
    /// PROC_TCP_MAIN: the process that accepts connections.
    TcpMain,
    /// PROC_TIMER: a timer process.
    Timer,
    /// PROC_RPC: a process that takes RPC commands, or that a module started.
    Rpc,
    /// A SIP worker, numbered from 1, or PROC_XWORKER (127), an extra worker of a module.
    Worker(i32),
    /// Any other rank.
    Other(i32),
}

impl Stage {
    /// The meaning of a rank (`PROC_…`, core/sr_module.h).
    pub(super) fn from_rank(rank: c_int) -> Stage {
        match rank {
            0 => Stage::Main,
            sys::PROC_INIT => Stage::BeforeFork,
            sys::PROC_POSTCHILDINIT => Stage::AfterFork,
            sys::PROC_TCP_MAIN => Stage::TcpMain,
            sys::PROC_TIMER => Stage::Timer,
            sys::PROC_RPC => Stage::Rpc,
            rank if rank > 0 => Stage::Worker(rank),
            rank => Stage::Other(rank),
        }
    }
}

/// Why a process of our own was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// Holds how many processes were announced.
    #[error("kamailio did not take the announcement of {0} processes")]
    NotReserved(u32),
    /// fork(2) failed, or more processes were started than announced.
    #[error("a process could not be forked")]
    NotForked,
}

/// Announces `count` processes of our own, so that Kamailio has room for them. To be called in `mod_init`.
pub fn reserve(count: u32) -> Result<(), ProcessError> {
    let number = c_int::try_from(count).map_err(|_| ProcessError::NotReserved(count))?;
    // SAFETY: the function only adds to a counter of the start-up.
    if unsafe { sys::register_procs(number) } < 0 {
        return Err(ProcessError::NotReserved(count));
    }
    Ok(())
}

/// Forks one announced process. To be called in `child_init(Main)`.
///
/// The new process calls `step` again and again and does not return. `step` waits for work by itself.
/// After a panic in `step` the process pauses 100 ms and goes on.
pub fn start(description: &'static CStr, mut step: impl FnMut()) -> Result<(), ProcessError> {
    // SAFETY: the description is a constant, and Kamailio copies it. The child runs child_init of all
    // modules inside this call, which then returns 0 to it.
    let pid = unsafe { sys::fork_process(sys::PROC_RPC, description.as_ptr() as *mut _, 1) };
    if pid < 0 {
        return Err(ProcessError::NotForked);
    }
    if pid > 0 {
        return Ok(());
    }
    if !cfg_framework::init() {
        log::error!("{description:?} cannot read the configuration of the core");
    }
    loop {
        cfg_framework::update();
        let finished = guard("a process of our own", false, || {
            step();
            true
        });
        if !finished {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Kamailio's number of this process, from 0. It does not change while the process lives.
pub fn number() -> i32 {
    // SAFETY: this is a global of this process, written at the fork.
    unsafe { sys::process_no }
}

/// Whether this is one of Kamailio's timer processes.
pub fn in_timer() -> bool {
    // SAFETY: `pt` is NULL or the table of all processes in shared memory. It has an entry for each
    // process number. The rank in it is written once, at the fork.
    unsafe {
        let number = sys::process_no;
        if sys::pt.is_null() || number < 0 {
            return false;
        }
        (*sys::pt.offset(number as isize)).rank == sys::PROC_TIMER
    }
}
