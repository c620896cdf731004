//! All sessions of the server: lock one, load it, let the domain decide, commit, unlock, and hand back
//! what to do.

use std::collections::BTreeMap;

use super::alarm::Heard;
use super::engine::{Anchor, Change as EngineChange, CommitError, Engine, Key, Locked, RecordId};
use super::memory::Memory;
use crate::cpm::action::Action;
use crate::cpm::env::Env;
use crate::cpm::policy::Group;
use crate::cpm::records::{Head, Id, MergeKey, Name, Record, SessionStore};
use crate::cpm::session::{Change, Session};
use crate::cpm::time::Millis;
use crate::sip::identity::Identity;

/// Why nothing happened; the state is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It never was, or has ended meanwhile.
    #[error("no such session")]
    NoSession,
    /// There is no room for what would change.
    #[error("shared memory is full")]
    Full,
    /// The engine refuses the change.
    #[error("the session could not be stored: {0}")]
    Refused(CommitError),
    /// A record cannot be written as bytes.
    #[error("a record could not be encoded")]
    Encoding,
}

/// All sessions of this server; the same in every process.
#[derive(Clone, Copy)]
pub struct Store<M: Memory> {
    engine: Engine<M>,
}

/// Which session of a pre-defined group is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfGroup {
    /// The living one.
    Living,
    /// The living one, or a new one if there is none.
    LivingOrNew,
}

impl<M: Memory> Store<M> {
    /// The sessions that this engine keeps.
    pub fn new(engine: Engine<M>) -> Self {
        Store { engine }
    }

    /// The engine, for its counts.
    pub fn engine(&self) -> &Engine<M> {
        &self.engine
    }

    /// The record with this name. A hint: it is looked at again under the lock.
    pub fn find(&self, name: &Name) -> Option<Id> {
        self.engine.find(key(&self.engine, name)).map(to_id)
    }

    /// Lets something happen to the session that `record` belongs to, whether it is live or ending.
    pub fn with_record(
        &self,
        record: Id,
        env: &Env<'_>,
        f: impl FnOnce(&mut Session<'_>),
    ) -> Result<Vec<Action>, AccessError> {
        let id = from_id(record).ok_or(AccessError::NoSession)?;
        let locked = self.engine.lock(id.anchor());
        if locked.read(id).is_none() {
            return Err(AccessError::NoSession);
        }
        let root = locked.parent(id).unwrap_or(id);
        let mut locked_session = LockedSession {
            engine: &self.engine,
            locked,
        };
        let (changes, actions) = {
            let mut session =
                Session::open(to_id(root), &locked_session, env).ok_or(AccessError::NoSession)?;
            f(&mut session);
            session.finish()
        };
        locked_session.commit(root, &changes)?;
        Ok(actions)
    }

    /// The same for the living session whose focus has this token.
    pub fn with_focus(
        &self,
        token: &str,
        env: &Env<'_>,
        f: impl FnOnce(&mut Session<'_>),
    ) -> Result<Vec<Action>, AccessError> {
        let name = Name::Token(token.to_owned());
        let mut live = false;
        let id = self.find(&name).ok_or(AccessError::NoSession)?;
        let actions = self.with_record(id, env, |session| {
            live = session.head().live;
            if live {
                f(session);
            }
        })?;
        live.then_some(actions).ok_or(AccessError::NoSession)
    }

    /// The same for the session of a pre-defined group.
    pub fn with_group(
        &self,
        group: &Group,
        which: OfGroup,
        env: &Env<'_>,
        f: impl FnOnce(&mut Session<'_>),
    ) -> Result<Vec<Action>, AccessError> {
        let name = Name::Group(Identity::of(&group.uri));
        match which {
            OfGroup::Living => self.with_named(&name, env, |_, _| None, f),
            OfGroup::LivingOrNew => self.with_named(
                &name,
                env,
                |store, env| Some(Session::for_group(group, store, env)),
                f,
            ),
        }
    }

    /// The same for the living ad-hoc session with this Contribution-ID, or for one made now.
    pub fn with_contribution(
        &self,
        contribution: &str,
        env: &Env<'_>,
        f: impl FnOnce(&mut Session<'_>),
    ) -> Result<Vec<Action>, AccessError> {
        let name = Name::Contribution(contribution.to_owned());
        self.with_named(
            &name,
            env,
            |store, env| Some(Session::ad_hoc(contribution, store, env)),
            f,
        )
    }

    /// The living session of this name, or the one that `make` makes. All processes that ask for one
    /// name meet at one lock, so that two people who start a session at once start one session.
    fn with_named(
        &self,
        name: &Name,
        env: &Env<'_>,
        make: impl for<'d> FnOnce(&'d dyn SessionStore, &'d Env<'d>) -> Option<Session<'d>>,
        f: impl FnOnce(&mut Session<'_>),
    ) -> Result<Vec<Action>, AccessError> {
        let key = key(&self.engine, name);
        let locked = self.engine.lock(self.engine.anchor_of(key));
        let living = locked.find(key);
        let mut locked_session = LockedSession {
            engine: &self.engine,
            locked,
        };
        let (root, changes, actions) = {
            let session = match living {
                Some(id) => Session::open(to_id(id), &locked_session, env),
                None => make(&locked_session, env),
            };
            let mut session = session.ok_or(AccessError::NoSession)?;
            f(&mut session);
            let root = session.id();
            let (changes, actions) = session.finish();
            (root, changes, actions)
        };
        let root = from_id(root).ok_or(AccessError::Encoding)?;
        locked_session.commit(root, &changes)?;
        Ok(actions)
    }

    /// A keyed hash of a text; the key never leaves shared memory.
    pub fn seal(&self, text: &str) -> u128 {
        self.engine.key(&[b"seal", text.as_bytes()]).to_bits()
    }

    /// Records whose deadline has come.
    pub fn due(&self, now: Millis, limit: usize) -> Vec<Id> {
        self.engine.due(now, limit).into_iter().map(to_id).collect()
    }

    /// These records by the sessions they belong to, in the order of their making; those that are gone are left out.
    /// A hint: they are looked at again under the lock.
    pub fn by_session(&self, records: &[Id]) -> Vec<Vec<Id>> {
        let mut ids: Vec<RecordId> = records.iter().filter_map(|id| from_id(*id)).collect();
        ids.sort_unstable();
        let mut sessions: BTreeMap<RecordId, Vec<Id>> = BTreeMap::new();
        for family in ids.chunk_by(|a, b| a.anchor() == b.anchor()) {
            let Some(first) = family.first() else {
                continue;
            };
            let locked = self.engine.lock(first.anchor());
            for id in family {
                if locked.read(*id).is_some() {
                    let session = locked.parent(*id).unwrap_or(*id);
                    sessions.entry(session).or_default().push(to_id(*id));
                }
            }
        }
        sessions.into_values().collect()
    }

    /// To be asked before [`Store::due`] by who sleeps afterwards.
    pub fn listen(&self) -> Heard {
        self.engine.listen()
    }

    /// Wakes the process in [`Store::sleep`].
    pub fn ring(&self) {
        self.engine.ring();
    }

    /// Sleeps from `now` until something is due that was not due before, at most `longest` ms, and `again` ms
    /// if something stays due. One process alone may do that.
    pub fn sleep(&self, heard: Heard, now: Millis, longest: Millis, again: Millis) {
        self.engine.sleep(heard, now, longest, again);
    }

    /// Sessions in the order of their making, those after `after` only.
    pub fn sessions(&self, after: Option<Id>, limit: usize) -> Vec<Id> {
        let after = after.and_then(from_id);
        self.engine
            .roots(after, limit)
            .into_iter()
            .map(to_id)
            .collect()
    }

    /// A session as it is now: its head and all records below it.
    pub fn view(&self, session: Id) -> Option<(Head, Vec<(Id, Record)>)> {
        let id = from_id(session)?;
        let locked_session = LockedSession {
            engine: &self.engine,
            locked: self.engine.lock(id.anchor()),
        };
        let Some(Record::Head(head)) = locked_session.load(session) else {
            return None;
        };
        let below = locked_session
            .children(session)
            .into_iter()
            .filter_map(|id| Some((id, locked_session.load(id)?)))
            .collect();
        Some((*head, below))
    }

    /// The anchor of a session, for tests and listings.
    pub fn anchor(&self, id: Id) -> Option<Anchor> {
        from_id(id).map(RecordId::anchor)
    }
}

/// A session under its lock, as the domain's store.
struct LockedSession<'a, M: Memory> {
    engine: &'a Engine<M>,
    locked: Locked<'a, M>,
}

impl<M: Memory> SessionStore for LockedSession<'_, M> {
    fn load(&self, id: Id) -> Option<Record> {
        let bytes = self.locked.read(from_id(id)?)?;
        postcard::from_bytes(bytes).ok()
    }

    fn children(&self, session: Id) -> Vec<Id> {
        match from_id(session) {
            Some(id) => self.locked.children(id).into_iter().map(to_id).collect(),
            None => Vec::new(),
        }
    }

    fn child_count(&self, session: Id) -> usize {
        from_id(session).map_or(0, |id| self.locked.child_count(id))
    }

    fn find(&self, name: &Name) -> Option<Id> {
        self.locked.find(key(self.engine, name)).map(to_id)
    }

    fn new_id(&self) -> Id {
        to_id(self.locked.new_id())
    }
}

impl<M: Memory> LockedSession<'_, M> {
    fn commit(&mut self, root: RecordId, changes: &[Change]) -> Result<(), AccessError> {
        let mut encoded = Vec::with_capacity(changes.len());
        for change in changes {
            let id = from_id(change.id).ok_or(AccessError::Encoding)?;
            let parent = (id != root).then_some(root);
            encoded.push(match &change.body {
                Some(record) => EngineChange {
                    id,
                    parent,
                    body: Some(encode(record)?),
                    keys: change.renamed.then(|| {
                        let names = record.names(to_id(root));
                        names.iter().map(|name| key(self.engine, name)).collect()
                    }),
                    deadline: record.deadline(),
                },
                None => EngineChange {
                    id,
                    parent,
                    body: None,
                    keys: None,
                    deadline: None,
                },
            });
        }
        self.locked.commit(&encoded).map_err(|error| match error {
            CommitError::Full => AccessError::Full,
            other => AccessError::Refused(other),
        })
    }
}

fn encode(record: &Record) -> Result<Vec<u8>, AccessError> {
    /// Room for most records, so that few of them grow on the way.
    const USUAL: usize = 1024;
    let bytes = postcard::to_extend(record, Vec::with_capacity(USUAL));
    bytes.map_err(|_| AccessError::Encoding)
}

fn key<M: Memory>(engine: &Engine<M>, name: &Name) -> Key {
    match name {
        Name::Token(token) => engine.key(&[b"token", token.as_bytes()]),
        Name::Contribution(id) => engine.key(&[b"contribution", id.as_bytes()]),
        Name::Group(group) => engine.key(&[b"group", group.as_str().as_bytes()]),
        Name::Dialog { call_id, local_tag } => {
            engine.key(&[b"dialog", call_id.as_bytes(), local_tag.as_bytes()])
        }
        Name::Member { session, who } => {
            engine.key(&[b"member", &session.0.to_le_bytes(), who.as_str().as_bytes()])
        }
        Name::Merge(MergeKey {
            call_id,
            from_tag,
            cseq,
        }) => engine.key(&[
            b"merge",
            call_id.as_bytes(),
            from_tag.as_bytes(),
            &cseq.to_le_bytes(),
        ]),
    }
}

fn to_id(id: RecordId) -> Id {
    Id(id.to_bits())
}

fn from_id(id: Id) -> Option<RecordId> {
    RecordId::from_bits(id.0)
}
