//! Whether the server is up, and whether it is shutting down.
//!
//! At shutdown the main process destroys the modules one after the other, the last loaded first. It may
//! call callbacks of tm after this module was destroyed, so code that may run late asks
//! [`shutting_down`].

use crate::kamailio_sys as sys;

/// Whether the server is shutting down. Nothing new should be started then.
pub fn shutting_down() -> bool {
    // SAFETY: both functions only read flags of the core.
    unsafe { sys::ksr_shutdown_phase() != 0 || sys::destroy_modules_phase() != 0 }
}

/// Whether all processes of the server have been started.
pub fn ready() -> bool {
    // SAFETY: the function only reads a flag of the core.
    unsafe { sys::sr_instance_ready() != 0 }
}
