//! A phone with liblinphone (`linphone.c`): what its user does, and what its interface shows.

use super::build::{built, Source};
use super::program::Program;
use super::stage::{Member, Role, Stage};
use crate::kit::SOON;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::process::Command;

const SOURCE: Source = Source {
    name: "linphone",
    flags: &["-llinphone", "-lbctoolbox"],
    files: &["/usr/share/belr/grammars/cpim_grammar"],
    packages: "gcc liblinphone-dev linphone-common",
};

pub struct Linphone {
    pub identity: String,
    address: String,
    registrar: String,
    /// None while it is switched off. It ends before its directory goes.
    program: RefCell<Option<Program>>,
    /// What the device keeps when it is switched off.
    dir: tempfile::TempDir,
}

/// A group as the phone shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The library's word: `Created` while the user is in, `Terminated` when not.
    pub state: String,
    pub focus: String,
    pub subject: String,
    /// The user's own role.
    pub own: Role,
    /// The others.
    pub people: BTreeMap<String, Role>,
}

impl Linphone {
    /// Switches on a new device; it registers by itself.
    pub fn start(stage: &Stage, identity: &str) -> Linphone {
        let dir = tempfile::Builder::new()
            .prefix("linphone-")
            .tempdir_in("/tmp")
            .expect("a directory under /tmp");
        let (address, registrar) = (stage.address(), stage.registrar());
        let program = switch_on(identity, &address, &registrar, &dir);
        Linphone {
            identity: identity.into(),
            address,
            registrar,
            dir,
            program: RefCell::new(Some(program)),
        }
    }

    /// Waits until it is registered.
    pub fn registered(&self) {
        self.until("registered", |lines| {
            lines.iter().any(|l| l == "registered").then_some(())
        });
    }

    /// The battery out and in again: the same device without its dialogs.
    pub fn restart(&self) {
        drop(self.program.take());
        let program = switch_on(&self.identity, &self.address, &self.registrar, &self.dir);
        self.program.replace(Some(program));
        self.registered();
    }

    pub fn create(&self, subject: &str, people: &[&str]) {
        self.tell(&[&["create", subject], people].concat());
    }

    pub fn add(&self, people: &[&str]) {
        self.tell(&[&["add"], people].concat());
    }

    pub fn rename(&self, subject: &str) {
        self.tell(&["rename", subject]);
    }

    pub fn give_role(&self, who: &str, role: Role) {
        let flag = if role == Role::Admin { "1" } else { "0" };
        self.tell(&["admin", who, flag]);
    }

    pub fn remove(&self, who: &str) {
        self.tell(&["remove", who]);
    }

    pub fn leave(&self) {
        self.tell(&["leave"]);
    }

    pub fn send(&self, text: &str) {
        self.tell(&["send", text]);
    }

    /// The user looks at the messages.
    pub fn read(&self) {
        self.tell(&["read"]);
    }

    /// What is shown now.
    pub fn view(&self) -> View {
        last_view(&self.lines()).unwrap_or_default()
    }

    /// Waits until this is shown.
    pub fn shows(&self, what: &str, wanted: impl Fn(&View) -> bool) -> View {
        self.until(what, |lines| last_view(lines).filter(&wanted))
    }

    /// Waits until it shows this group with these people and itself in it.
    pub fn shows_group(&self, subject: &str, members: &[Member]) -> View {
        let own = members.iter().find(|m| m.who == self.identity);
        let own = own.unwrap_or_else(|| panic!("{} is not in {members:?}", self.identity));
        let others = members.iter().filter(|m| m.who != self.identity);
        let people: BTreeMap<String, Role> = others.map(|m| (m.who.to_string(), m.role)).collect();
        self.shows(&format!("{subject}: {own:?} with {people:?}"), |view| {
            let group = (view.state.as_str(), view.subject.as_str());
            group == ("Created", subject) && view.own == own.role && view.people == people
        })
    }

    /// Waits until it shows that its user is not in the group any more.
    pub fn shows_the_end(&self) -> View {
        self.shows("the group as left", |view| view.state == "Terminated")
    }

    /// Waits for that text of that person in the group.
    pub fn gets(&self, from: &str, text: &str) {
        let wanted = format!("message\t{from}\t{}\t{text}", self.view().focus);
        self.until(&wanted, |lines| lines.contains(&wanted).then_some(()));
    }

    /// How often that text was received.
    pub fn times(&self, text: &str) -> usize {
        let is_it = |l: &&String| l.starts_with("message\t") && l.ends_with(&format!("\t{text}"));
        self.lines().iter().filter(is_it).count()
    }

    /// Waits until a text it sent is so: `Delivered`, `DeliveredToUser`, `Displayed`, `NotDelivered`.
    pub fn sent(&self, text: &str, state: &str) {
        let wanted = format!("sent\t{state}\t{text}");
        self.until(&wanted, |lines| lines.contains(&wanted).then_some(()));
    }

    fn tell(&self, words: &[&str]) {
        self.with(|program| program.tell(words));
    }

    fn lines(&self) -> Vec<String> {
        self.with(|program| program.lines().clone())
    }

    fn until<T>(&self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        let found = self.with(|program| program.wait_for(SOON, find));
        found.unwrap_or_else(|_| {
            let (who, view) = (&self.identity, self.view());
            panic!("the phone of {who} never shows {what}, but:\n{view:#?}")
        })
    }

    fn with<T>(&self, act: impl FnOnce(&Program) -> T) -> T {
        act(self.program.borrow().as_ref().expect("switched on"))
    }
}

fn switch_on(identity: &str, address: &str, registrar: &str, dir: &tempfile::TempDir) -> Program {
    let user = identity.trim_start_matches("sip:");
    let mut command = Command::new(built(&SOURCE));
    command
        .args([user, address, registrar, crate::kit::adhoc::FACTORY])
        .arg(format!("{}/", dir.path().display()))
        .env("HOME", dir.path())
        .env_remove("DISPLAY")
        .env_remove("XDG_RUNTIME_DIR")
        .env_remove("DBUS_SESSION_BUS_ADDRESS");
    Program::start(identity, &mut command)
}

/// The last line that tells of the group: `group state=… admin=… focus=… subject=… URI=ROLE…`.
fn last_view(lines: &[String]) -> Option<View> {
    let line = lines.iter().rfind(|l| l.starts_with("group\t"))?;
    let mut view = View::default();
    for field in line.split('\t').skip(1) {
        let (name, value) = field.split_once('=')?;
        let role = |is_admin: bool| if is_admin { Role::Admin } else { Role::Member };
        match name {
            "state" => view.state = value.into(),
            "focus" => view.focus = value.into(),
            "subject" => view.subject = value.into(),
            "admin" => view.own = role(value == "1"),
            "left" => {}
            who => drop(view.people.insert(who.into(), role(value == "admin"))),
        }
    }
    Some(view)
}
