//! What a watcher is shown of the session and of each participant (RFC 4575 section 5, requirements section 2.8).
//! Not here: XML (`crate::sip::conference_info`) and when it is shown (`super::state`).

use std::collections::BTreeSet;

use super::board::Parting;
use super::{Session, Who};
use crate::cpm::records::{Id, Leg, Record};
use crate::cpm::watch::{status_of, Gone};
use crate::sip::conference_info::{
    ConferenceState, Description, Document, Endpoint, Execution, Joining, Role, State, Status, User,
};
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// Whoever is not to be named and is in the session no more (RFC 3323 section 4.1.1.3).
pub(super) const UNNAMED: &str = "sip:anonymous@anonymous.invalid";
const ANONYMOUS_HOST: &str = "anonymous.invalid";
/// How RFC 4575 section 5.7.7 begins a reason that SIP gave.
pub(super) const REASON_PREFIX: &str = "Reason: ";

impl Leg {
    /// The URI it is shown by; of an anonymous participant nothing but a number (RFC 7701 section 5.2),
    /// a different one for each (RFC 4575 section 4.5).
    pub(super) fn entity(&self) -> String {
        match (self.anonymous, self.appearance.alias) {
            (false, _) => self.uri.clone(),
            (true, alias) => format!("sip:anonymous-{alias}@{ANONYMOUS_HOST}"),
        }
    }
}

impl Session<'_> {
    /// The leg of somebody in the session, or being invited, by a URI that is theirs or that they are
    /// shown by: an anonymous participant has no other for those who watch.
    pub(super) fn member_called(&mut self, uri: &Uri) -> Option<Id> {
        let known = self.member(&[Identity::of(uri)]);
        if known.is_some() || uri.host() != ANONYMOUS_HOST {
            return known;
        }
        self.children().into_iter().find(|id| {
            let leg = self.leg(*id).filter(|leg| leg.is_member() && leg.anonymous);
            leg.is_some_and(|leg| leg.entity() == uri.as_str())
        })
    }

    /// The whole state, with whoever has gone since change `told`.
    pub(super) fn whole(&mut self, told: u64, watcher: &[Identity], version: u32) -> Document {
        let mut users = Vec::new();
        let mut seen = BTreeSet::new();
        for id in self.children() {
            if let Some(user) = self.portrait(id, watcher) {
                // Keys are unique among siblings.
                if seen.insert(user.entity.clone()) {
                    users.push(user);
                }
            }
        }
        let gone = self.gone(watcher, |gone| gone.change > told || gone.came_to_nothing());
        users.extend(gone.into_iter().filter(|user| {
            // In a whole document nobody has to be taken out.
            user.state != State::Deleted && seen.insert(user.entity.clone())
        }));
        let name = self.group_name();
        let subject = self.head.subject.clone();
        Document {
            description: Some(Description {
                display_text: name.clone().or_else(|| subject.clone()),
                // Clients show it and nothing else.
                subject: subject.or(name),
                maximum_user_count: Some(self.head.max_participants),
            }),
            conference_state: Some(self.conference_state()),
            ..self.document(State::Full, version, users)
        }
    }

    /// What changed after change `told`.
    pub(super) fn changes(&mut self, told: u64, watcher: &[Identity], version: u32) -> Document {
        let mut users = self.gone(watcher, |gone| gone.change > told);
        let changed: Vec<Id> = self.board().map_or(Vec::new(), |board| {
            let newer = board.changed.iter().filter(|(change, _)| *change > told);
            newer.map(|(_, id)| *id).collect()
        });
        for id in changed {
            users.extend(self.portrait(id, watcher));
        }
        Document {
            conference_state: Some(self.conference_state()),
            ..self.document(State::Partial, version, users)
        }
    }

    /// The session is no more.
    pub(super) fn no_more(&self, version: u32) -> Document {
        self.document(State::Deleted, version, Vec::new())
    }

    fn document(&self, state: State, version: u32, users: Vec<User>) -> Document {
        Document {
            entity: self.focus_uri(),
            state,
            version,
            description: None,
            conference_state: None,
            users,
        }
    }

    fn conference_state(&self) -> ConferenceState {
        ConferenceState {
            user_count: self.head.connected,
            active: self.head.live,
        }
    }

    /// What the group is called in its document.
    fn group_name(&self) -> Option<String> {
        self.head.group.as_ref()?;
        self.policy()?.display_name.clone()
    }

    /// Who is in no more, as this watcher is shown them.
    fn gone(&mut self, watcher: &[Identity], which: impl Fn(&Gone) -> bool) -> Vec<User> {
        self.board().map_or(Vec::new(), |board| {
            let some = board.gone.iter().filter(|gone| which(gone));
            some.map(|gone| User {
                yourown: watcher.iter().any(|me| gone.identities.contains(me)),
                ..gone.user.clone()
            })
            .collect()
        })
    }

    /// A leg as this watcher sees it. None: no leg, or not in the session.
    fn portrait(&mut self, id: Id, watcher: &[Identity]) -> Option<User> {
        if !matches!(&self.slot(id).record, Some(Record::Leg(leg)) if status_of(leg).is_some()) {
            return None;
        }
        if !self.portraits.contains_key(&id) {
            let user = self.paint(id)?;
            self.portraits.insert(id, user);
        }
        let mut user = self.portraits.get(&id)?.clone();
        let leg = self.leg(id)?;
        user.yourown = watcher.iter().any(|me| leg.identities.contains(me));
        Some(user)
    }

    fn paint(&mut self, id: Id) -> Option<User> {
        let leg = self.leg(id)?;
        let status = status_of(leg)?;
        let endpoint = endpoint(leg, status);
        let display_text = leg.display_name.clone();
        let uris = Uri::parse(leg.uri.as_bytes()).into_iter().collect();
        let mut who = Who::new(uris, leg.anonymous);
        for identity in &leg.identities {
            if !who.identities.contains(identity) {
                who.identities.push(identity.clone());
            }
        }
        who.participant = true;
        let role = match self.decide(&who).allowed.allow_expelling {
            true => Role::Administrator,
            false => Role::Participant,
        };
        Some(User {
            entity: endpoint.entity.clone(),
            state: State::Full,
            display_text,
            yourown: false,
            roles: vec![role],
            endpoint: Some(endpoint),
        })
    }

    /// The last that is said of somebody.
    pub(super) fn farewell(&mut self, id: Id, parting: Parting) -> Option<User> {
        let now = self.env.unix;
        let leg = self.leg(id)?;
        let endpoint = endpoint(leg, Status::Disconnected);
        let display_text = leg.display_name.clone();
        Some(User {
            display_text,
            ..gone(endpoint, parting, now)
        })
    }

    /// Somebody who was asked for by `by` and never had a leg.
    pub(super) fn never_in(&self, entity: &str, by: String, parting: Parting) -> User {
        let endpoint = Endpoint {
            entity: entity.to_owned(),
            referred: Some(Execution {
                when: Some(self.env.unix),
                by: Some(by),
                ..Execution::default()
            }),
            status: Status::Disconnected,
            joining: None,
            disconnection: None,
        };
        gone(endpoint, parting, self.env.unix)
    }
}

fn gone(mut endpoint: Endpoint, parting: Parting, now: i64) -> User {
    let entity = endpoint.entity.clone();
    let (state, endpoint) = match parting.how {
        None => (State::Deleted, None),
        Some(how) => {
            let info = Execution {
                when: Some(now),
                ..parting.info
            };
            endpoint.disconnection = Some((how, info));
            (State::Full, Some(endpoint))
        }
    };
    User {
        entity,
        state,
        display_text: None,
        yourown: false,
        roles: Vec::new(),
        endpoint,
    }
}

fn endpoint(leg: &Leg, status: Status) -> Endpoint {
    let when = |when| Execution {
        when,
        ..Execution::default()
    };
    let method = match leg.outgoing {
        Some(_) => Joining::DialedOut,
        None => Joining::DialedIn,
    };
    Endpoint {
        // Its Contact would tell everybody where it is.
        entity: leg.entity(),
        referred: leg.outgoing.as_ref().map(|_| Execution {
            by: Some(leg.referrer.clone().unwrap_or_else(|| UNNAMED.to_owned())),
            ..when(leg.appearance.invited)
        }),
        status,
        joining: leg.appearance.joined.map(|at| (method, when(Some(at)))),
        disconnection: None,
    }
}
