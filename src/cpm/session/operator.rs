//! What an operator does to a session by hand: invite, remove, end (RPC `cpm.invite`, `cpm.remove`, `cpm.end`).
//! Not here: how the commands are typed (`crate::module::rpc`).

use super::refer::Order;
use super::{Session, Who};
use crate::cpm::action::Level;
use crate::cpm::asked::{Purpose, Targets};
use crate::cpm::dialog::ByeCause;
use crate::cpm::text::Redacted;
use crate::sip::uri::Uri;

impl Session<'_> {
    /// Invites one user on the focus' own behalf. The group document still decides who may join.
    /// Gives the status a referrer would be told now: 100 while the INVITE is on its way.
    pub fn invite_by_operator(&mut self, target: &Uri) -> u16 {
        let focus = self.focus_uri();
        let who = Who::new(Uri::parse(focus.as_bytes()).into_iter().collect(), false);
        self.log(
            Level::Info,
            format!("operator invites {}", Redacted(target.as_str())),
        );
        let targets = Targets::plain(Purpose::Invite, vec![target.clone()]);
        let order = Order {
            referred_by: format!("<{focus}>"),
            socket: None,
            cseq: 0,
        };
        let refer = self.place_order(order, &who, &targets);
        self.fan_out(refer, &who, &targets);
        let outcome = self.refer(refer).and_then(|r| r.targets.first()?.outcome);
        self.end_if_due();
        outcome.unwrap_or(100)
    }

    /// Takes one user out, as a REFER with method BYE would. 404: not in the session.
    pub fn remove_by_operator(&mut self, target: &Uri) -> u16 {
        self.log(
            Level::Info,
            format!("operator removes {}", Redacted(target.as_str())),
        );
        let nobody = Who::new(Vec::new(), false);
        let (status, _) = self.remove(&nobody, target);
        self.end_if_due();
        status
    }

    /// The server is about to stop.
    pub fn drain(&mut self) {
        if self.head.live {
            self.end(ByeCause::Gone);
        }
    }

    /// The time to stop is over: what is still owed is sent without waiting for what has not been answered, and
    /// the session forgotten.
    pub fn give_up(&mut self) {
        self.drain();
        let owed = self.children();
        self.log(
            Level::Warn,
            format!("given up, {} records were not done", owed.len()),
        );
        for id in owed.iter().copied() {
            self.send_the_rest(id);
        }
        for id in owed {
            self.forget_watcher(id);
            self.slot(id).record = None;
        }
    }

    /// Ends the session: BYE with cause 410 to everybody, and the NOTIFYs that are owed.
    pub fn end_by_operator(&mut self) {
        if self.head.live {
            self.log(Level::Info, "operator ends the session".into());
            self.end(ByeCause::Gone);
        }
    }
}
