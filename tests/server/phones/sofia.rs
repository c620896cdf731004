//! An endpoint with Sofia-SIP (`sofia.c`): it joins, is invited, refers, and says what its stack made of the NOTIFYs.

use super::build::{built, Source};
use super::program::Program;
use super::stage::Stage;
use crate::kit::SOON;
use std::process::Command;

const SOURCE: Source = Source {
    name: "sofia",
    flags: &["-I/usr/include/sofia-sip-1.12", "-lsofia-sip-ua"],
    files: &[],
    packages: "gcc libsofia-sip-ua-dev",
};

pub struct Sofia {
    program: Program,
}

/// A NOTIFY of a refer subscription as the stack gives it to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub state: String,
    /// Of the status line in its body.
    pub status: u16,
}

impl Sofia {
    pub fn start(stage: &Stage, identity: &str) -> Sofia {
        let mut command = Command::new(built(&SOURCE));
        command.args([
            identity.trim_start_matches("sip:"),
            &stage.address(),
            &stage.registrar(),
        ]);
        let sofia = Sofia {
            program: Program::start(identity, &mut command),
        };
        sofia.until("registered\t200", 1);
        sofia
    }

    /// Joins and waits for the 200.
    pub fn join(&self, uri: &str) {
        self.program.tell(&["join", uri]);
        self.until("joined\t200", 1);
    }

    /// Waits until it has accepted an invitation.
    pub fn is_invited(&self) {
        self.until("invited\t", 1);
    }

    /// A REFER in its dialog.
    pub fn refer(&self, refer_to: &str) {
        self.program.tell(&["refer", refer_to]);
    }

    /// A REFER outside any dialog.
    pub fn refer_outside(&self, uri: &str, refer_to: &str) {
        self.program.tell(&["refer-outside", uri, refer_to]);
    }

    pub fn leave(&self) {
        self.program.tell(&["leave"]);
        self.until("left\t200", 1);
    }

    /// Waits for the BYE of the focus.
    pub fn is_put_out(&self) {
        self.until("bye\t", 1);
    }

    /// Waits until a refer subscription has ended, for the `count`th time; everything that was told so far.
    pub fn told(&self, count: usize) -> Vec<Told> {
        let ended =
            |told: &[Told]| told.iter().filter(|t| t.state == "terminated").count() >= count;
        let told = self.program.wait_for(SOON, |lines| {
            let told: Vec<Told> = lines.iter().filter_map(|l| told(l)).collect();
            ended(&told).then_some(told)
        });
        told.unwrap_or_else(|lines| {
            panic!(
                "{} is not told the end of {count} REFERs, but:\n{lines}",
                self.program.name()
            )
        })
    }

    /// Waits for a line that begins so, for the `count`th time.
    pub fn until(&self, line: &str, count: usize) {
        let seen = |lines: &[String]| {
            let found = lines.iter().filter(|l| l.starts_with(line)).count();
            (found >= count).then_some(())
        };
        if let Err(lines) = self.program.wait_for(SOON, seen) {
            panic!(
                "{} never says {line:?} {count} times, but:\n{lines}",
                self.program.name()
            );
        }
    }
}

fn told(line: &str) -> Option<Told> {
    let mut fields = line.strip_prefix("notify\t")?.split('\t').skip(1);
    let state = fields.next()?.into();
    let status = fields.next()?.strip_prefix("SIP/2.0 ")?.get(..3)?;
    Some(Told {
        state,
        status: status.parse().ok()?,
    })
}
