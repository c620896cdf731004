//! The set-up of every test here: the focus, the S-CSCF before it, and phones on loopback addresses of their own.

use super::linphone::Linphone;
use super::scscf::Scscf;
use super::sofia::Sofia;
use crate::kit::{token, Group, Server, Setup, SOON};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Member,
    Admin,
}

/// Who is expected in a group.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    pub who: &'a str,
    pub role: Role,
}

pub fn admin(who: &str) -> Member<'_> {
    Member {
        who,
        role: Role::Admin,
    }
}

pub fn member(who: &str) -> Member<'_> {
    Member {
        who,
        role: Role::Member,
    }
}

pub struct Stage {
    pub scscf: Scscf,
    pub server: Server,
    registrar: SocketAddr,
    /// The first three octets of the phones' addresses, and the last one of the next phone.
    net: String,
    next: Cell<u8>,
}

impl Stage {
    pub fn new() -> Stage {
        Stage::with(Setup::new(Vec::<Group>::new()), None)
    }

    /// With `slow_answers_to`, what is sent behind a 2xx to that method overtakes it.
    pub fn with(setup: Setup, slow_answers_to: Option<&str>) -> Stage {
        let octets = u32::from_str_radix(&token(2), 16).expect("a hexadecimal token");
        let net = format!("127.{}.{}", 1 + octets % 250, octets / 256);
        let scscf = format!("{net}.2").parse().expect("an address");
        let registrar = Scscf::place(scscf);
        let server = setup
            .env("CPM_CONTACT", "conf.home1.test")
            .env("CPM_TRUSTED", scscf.to_string())
            .env("CPM_ORIG_ROUTE", format!("<sip:{registrar};lr;orig>"))
            .param_int("conference_notify_interval", 100)
            .start();
        let scscf = Scscf::start(registrar, server.addr(), slow_answers_to);
        let next = Cell::new(10);
        Stage {
            scscf,
            server,
            registrar,
            net,
            next,
        }
    }

    /// Phones with these identities, registered.
    pub fn phones<const N: usize>(&self, identities: [&str; N]) -> [Linphone; N] {
        let phones = identities.map(|who| Linphone::start(self, who));
        phones.iter().for_each(Linphone::registered);
        phones
    }

    /// An endpoint of the other kind, registered.
    pub fn sofia(&self, identity: &str) -> Sofia {
        Sofia::start(self, identity)
    }

    /// An address for one more phone.
    pub fn address(&self) -> String {
        let last = self.next.get();
        self.next.set(last + 1);
        format!("{}.{last}", self.net)
    }

    pub fn registrar(&self) -> String {
        format!("sip:{}", self.registrar)
    }

    /// Waits until all these phones show the same group, and the server tells the same of it.
    pub fn agree(&self, phones: &[&Linphone], subject: &str, members: &[Member]) {
        let mut focus = BTreeSet::new();
        for phone in phones {
            focus.insert(phone.shows_group(subject, members).focus);
        }
        assert_eq!(focus.len(), 1, "one group: {focus:?}");
        let focus = focus.pop_first().expect("one");
        self.server_shows(&focus, members);
        let shown = self.server.rpc_ok(&["cpm.show", &focus]);
        let subjects = shown
            .lines()
            .filter_map(|line| line.trim().strip_prefix("subject: "));
        assert_eq!(subjects.collect::<Vec<_>>(), [subject], "{shown}");
    }

    /// How many ACKs have come to the S-CSCF.
    pub fn acks(&self) -> usize {
        self.scscf.wire().matches("\nACK sip:").count()
    }

    /// Waits until more than so many have.
    pub fn until_ack(&self, before: usize) {
        let deadline = Instant::now() + SOON;
        while self.acks() <= before {
            assert!(Instant::now() < deadline, "no ACK:\n{}", self.scscf.wire());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Waits until exactly these are connected by what `cpm.show` says, each with its role.
    pub fn server_shows(&self, focus: &str, members: &[Member]) {
        let wanted: BTreeMap<&str, Role> = members.iter().map(|m| (m.who, m.role)).collect();
        let deadline = Instant::now() + SOON;
        loop {
            let shown = self.server.rpc_ok(&["cpm.show", focus]);
            let found = connected(&shown);
            if found == wanted {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "connected {found:?}, not {wanted:?}:\n{shown}"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

/// The connected participants of an answer to `cpm.show`, and their roles.
fn connected(shown: &str) -> BTreeMap<&str, Role> {
    let lines: Vec<&str> = shown.lines().map(str::trim).collect();
    let people = lines
        .windows(3)
        .filter(|people| people[1] == "state: connected");
    people
        .filter_map(|lines| {
            let role = match lines[2].strip_prefix("role: ")? {
                "administrator" => Role::Admin,
                _ => Role::Member,
            };
            Some((lines[0].strip_prefix("uri: ")?, role))
        })
        .collect()
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- what came to the S-CSCF ---\n{}\n--- end ---",
                self.scscf.wire()
            );
        }
    }
}
