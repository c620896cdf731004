//! The phones themselves: stacks that others wrote, unmodified and headless, with a real S-CSCF between them and the
//! server. What each of them shows its user is compared with the others and with `cpm.show`.

mod build;
mod linphone;
mod program;
mod scscf;
mod sofia;
mod stage;

mod admins;
mod creating;
mod members;
mod overtaking;
mod referring;
mod renaming;
mod restarting;
mod texts;
