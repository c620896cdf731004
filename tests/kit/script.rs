//! How an endpoint answers without the test's doing: rules by method and target, and what they do.

use std::time::Duration;

/// One thing a script does.
#[derive(Clone, Debug)]
pub enum Act {
    Reply(u16, Vec<(String, String)>),
    /// 200 with Contact and an SDP.
    Accept,
    Wait(Duration),
}

/// What happens to a request of ours that is cancelled before its final answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// 200 to the CANCEL, 487 to the INVITE.
    Terminate,
    /// 200 to the CANCEL, and 200 to the INVITE: the answer that crosses.
    AcceptLate,
    /// Nothing: the test answers.
    Manual,
}

/// How requests of one method (and, if given, for one target) are answered without the test's doing.
#[derive(Clone, Debug)]
pub struct Script {
    pub method: String,
    pub target: Option<String>,
    pub acts: Vec<Act>,
    pub on_cancel: OnCancel,
}

impl Script {
    pub fn on(method: &str) -> Script {
        Script {
            method: method.into(),
            target: None,
            acts: Vec::new(),
            on_cancel: OnCancel::Terminate,
        }
    }

    /// Only requests whose Request-URI contains this.
    pub fn to(mut self, part_of_uri: &str) -> Script {
        self.target = Some(part_of_uri.into());
        self
    }

    pub fn reply(self, status: u16) -> Script {
        self.reply_with(status, &[])
    }

    pub fn reply_with(mut self, status: u16, headers: &[(&str, &str)]) -> Script {
        let headers = headers
            .iter()
            .map(|(n, v)| (n.to_string(), v.to_string()))
            .collect();
        self.acts.push(Act::Reply(status, headers));
        self
    }

    pub fn accept(mut self) -> Script {
        self.acts.push(Act::Accept);
        self
    }

    pub fn wait(mut self, time: Duration) -> Script {
        self.acts.push(Act::Wait(time));
        self
    }

    pub fn on_cancel(mut self, what: OnCancel) -> Script {
        self.on_cancel = what;
        self
    }
}
