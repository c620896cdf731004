//! Processes: which one this is, and processes of our own.
//! Not here: what they do.
//!
//! Promise: one thread per process, forked from the main one after `mod_init`; statics are copied then
//! and differ from there on. A process of ours is announced in `mod_init`, forked in
//! `child_init(Main)`, which is before TCP starts, so it can send over TCP and TLS too. It must never
//! end: Kamailio would end with it. At shutdown it is killed at any instruction, without destructors.

use std::ffi::{c_int, CStr};
use std::time::Duration;

use super::guard::guard;
use super::{config, log};
use crate::kamailio_sys as sys;

/// Where `child_init` was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Main process, before anything is forked.
    BeforeFork,
    /// Main process, while it forks; ours are started here.
    Main,
    /// Main process, after all are started (only when asked for).
    AfterFork,
    /// Main process of TCP.
    TcpMain,
    /// A timer process.
    Timer,
    /// A process that takes commands, or runs tasks of modules.
    Rpc,
    /// A SIP worker, from 1; also 127, extra workers of modules.
    Worker(i32),
    /// Anything else.
    Other(i32),
}

impl Stage {
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

/// A process of our own was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    #[error("kamailio did not take the announcement of {0} processes")]
    NotReserved(u32),
    #[error("a process could not be forked")]
    NotForked,
}

/// Announces `count` processes of our own; in `mod_init`.
pub fn reserve(count: u32) -> Result<(), ProcessError> {
    let number = c_int::try_from(count).map_err(|_| ProcessError::NotReserved(count))?;
    // SAFETY: only adds to a counter of the start-up.
    if unsafe { sys::register_procs(number) } < 0 {
        return Err(ProcessError::NotReserved(count));
    }
    Ok(())
}

/// Forks one announced process; in `child_init(Main)`. There `step` runs for ever, one call after the
/// other, and itself waits for work; a panic costs that step and a short pause.
pub fn start(description: &'static CStr, mut step: impl FnMut()) -> Result<(), ProcessError> {
    // SAFETY: the description is a constant and copied. The child runs child_init of all modules
    // inside this call and gets 0 back.
    let pid = unsafe { sys::fork_process(sys::PROC_RPC, description.as_ptr() as *mut _, 1) };
    if pid < 0 {
        return Err(ProcessError::NotForked);
    }
    if pid > 0 {
        return Ok(());
    }
    if !config::join() {
        log::error!("{description:?} cannot read the configuration of the core");
    }
    loop {
        config::follow();
        let finished = guard("a process of our own", false, || {
            step();
            true
        });
        if !finished {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Kamailio's number of this process, from 0; stable for its life.
pub fn number() -> i32 {
    // SAFETY: a global of this process, set at the fork.
    unsafe { sys::process_no }
}

/// Whether this is one of Kamailio's timer processes.
pub fn in_timer() -> bool {
    // SAFETY: `pt` is NULL or the table of all processes in shared memory, which has an entry for
    // each process number; the rank is written once, when the process is made.
    unsafe {
        let number = sys::process_no;
        if sys::pt.is_null() || number < 0 {
            return false;
        }
        (*sys::pt.offset(number as isize)).rank == sys::PROC_TIMER
    }
}
