//! One target of a REFER: a record of its own, so that what happens to it costs the same in a long list and in a
//! short one.

use serde::{Deserialize, Serialize};

use super::ids::{Id, ReferId};
use super::refer::Report;
use crate::cpm::redact::Who;
use crate::cpm::targets::{Target, TargetAddress};

/// One target of a REFER and what became of it. It is there for as long as the record of its REFER is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// The REFER that names it.
    pub refer: Id,
    /// The next one of the list.
    pub next: Option<Id>,
    /// Whom it names.
    pub address: TargetAddress,
    /// Session-Replaces of the INVITE to it.
    pub session_replaces: Option<String>,
    /// Others are not to learn whom it names.
    pub hidden: bool,
    /// Its result. `None`: nothing has become of it yet.
    pub outcome: Option<Outcome>,
    /// Whose result is told right after its own.
    pub told_next: Option<Id>,
}

/// The result of a target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Final status.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
}

/// A target that waits for what becomes of an INVITE, as the leg of that INVITE knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Awaiting {
    /// The target.
    pub target: Id,
    /// Its REFER.
    pub refer: Id,
    /// The name that log lines have for the REFER.
    pub label: ReferId,
}

impl TargetRecord {
    /// A target of which nothing has become yet.
    pub fn new(refer: Id, target: &Target, next: Option<Id>) -> TargetRecord {
        TargetRecord {
            refer,
            next,
            address: target.address.clone(),
            session_replaces: target.session_replaces.clone(),
            hidden: target.hidden,
            outcome: None,
            told_next: None,
        }
    }

    /// As a line of the log names it.
    pub fn who(&self) -> Who {
        self.address.who(self.hidden)
    }

    /// What the referrer is told of its result. `id` is that of this record.
    pub fn report(&self, id: Id) -> Option<Report> {
        self.outcome.as_ref().map(|outcome| Report {
            status: outcome.status,
            reason: outcome.reason.clone(),
            target: Some(id),
        })
    }
}
