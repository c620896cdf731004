//! What the functions of the module tell the routing script.

/// Answered, with a refusal too, or absorbed: the script should exit.
pub const TAKEN: i32 = 1;
/// Not ours; nothing was sent.
pub const NOT_OURS: i32 = -1;
/// Ours, but failed here: a 5xx was answered and one line logged.
pub const FAILED: i32 = -2;
