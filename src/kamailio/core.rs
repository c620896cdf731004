//! Small facts about the server as a whole.
//! Not here: processes (`process`) and sockets (`sockets`).
//!
//! Promise: at shutdown the main process destroys the modules one after the other, newest first, and
//! may call tm callbacks after ours has been destroyed; whoever runs late asks [`shutting_down`].

use crate::kamailio_sys as sys;

/// Whether the server is on its way down; from then on nothing new is worth starting.
pub fn shutting_down() -> bool {
    // SAFETY: both only read flags of the core.
    unsafe { sys::ksr_shutdown_phase() != 0 || sys::destroy_modules_phase() != 0 }
}

/// Whether all processes of the server have been started.
pub fn ready() -> bool {
    // SAFETY: only reads a flag of the core.
    unsafe { sys::sr_instance_ready() != 0 }
}
