//! What a conference-info document shows of the session and of each participant (RFC 4575 section 5,
//! requirements section 2.8).

use std::collections::BTreeSet;

use crate::cpm::departure_reason::Departure;
use crate::cpm::records::conference::status_of;
use crate::cpm::records::ids::Id;
use crate::cpm::records::Leg;
use crate::cpm::session::{is_shown_as_administrator, Session};
use crate::sip::conference_info::{
    ConferenceState, Description, Document, Endpoint, Execution, Joining, Role, State, Status, User,
};
use crate::sip::identity::Identity;
use crate::sip::privacy::ANONYMOUS;

impl Session<'_> {
    /// The conference state as a full document (RFC 4575 section 4), as a reader with these identities is
    /// shown it. Its version is 0: it belongs to no subscription.
    pub fn conference_document(&mut self, reader: &[Identity]) -> Document {
        self.full_document(reader, 0)
    }

    /// The whole state: who is in, and nobody else. `subscriber` is who reads it.
    pub(super) fn full_document(&mut self, subscriber: &[Identity], version: u32) -> Document {
        let mut users = Vec::new();
        let mut seen = BTreeSet::new();
        for id in self.records.children() {
            if let Some(user) = self.user_for(id, subscriber) {
                // Keys are unique among siblings.
                if seen.insert(user.entity.clone()) {
                    users.push(user);
                }
            }
        }
        Document {
            description: Some(self.description()),
            conference_state: Some(self.conference_state()),
            ..self.document(State::Full, version, users)
        }
    }

    /// What changed after change `told`, and those who have gone.
    pub(super) fn partial_document(
        &mut self,
        told: u64,
        gone: Vec<User>,
        subscriber: &[Identity],
        version: u32,
    ) -> Document {
        let mut users = gone;
        let changed: Vec<Id> = self.change_log().map_or(Vec::new(), |log| {
            let newer = log.changed.iter().filter(|(change, _)| *change > told);
            newer.map(|(_, id)| *id).collect()
        });
        for id in changed {
            users.extend(self.user_for(id, subscriber));
        }
        let renamed = self.change_log().is_some_and(|log| log.description > told);
        Document {
            description: renamed.then(|| self.description()),
            conference_state: Some(self.conference_state()),
            ..self.document(State::Partial, version, users)
        }
    }

    fn description(&self) -> Description {
        let name = self.group_name();
        let subject = self.head.subject.clone();
        Description {
            display_text: name.clone().or_else(|| subject.clone()),
            // Clients show it and nothing else.
            subject: subject.or(name),
            maximum_user_count: Some(self.head.max_participants),
        }
    }

    /// The session is no more.
    pub(super) fn deleted_document(&self, version: u32) -> Document {
        self.document(State::Deleted, version, Vec::new())
    }

    fn document(&self, state: State, version: u32, users: Vec<User>) -> Document {
        Document {
            entity: self.focus_uri().to_string(),
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

    /// The name of the group in its document.
    fn group_name(&self) -> Option<String> {
        self.head.group.as_ref()?;
        self.group_document()?.display_name.clone()
    }

    /// A leg as this subscriber sees it. `None`: no leg, or not in the session.
    fn user_for(&mut self, id: Id, subscriber: &[Identity]) -> Option<User> {
        status_of(self.records.leg(id)?)?;
        if !self.users.contains_key(&id) {
            let user = self.user_of_leg(id)?;
            self.users.insert(id, user);
        }
        let mut user = self.users.get(&id)?.clone();
        let leg = self.records.leg(id)?;
        user.yourown = subscriber.iter().any(|me| leg.identities.contains(me));
        Some(user)
    }

    fn user_of_leg(&mut self, id: Id) -> Option<User> {
        let leg = self.records.leg(id)?;
        let endpoint = endpoint(leg, status_of(leg)?);
        let display_text = shown_name(leg);
        let role = match is_shown_as_administrator(&self.head, leg, self.env) {
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

    /// The last that is said of somebody who had a leg.
    pub(super) fn departed_user(&mut self, id: Id, departure: Departure) -> Option<User> {
        let now = self.env.unix;
        let leg = self.records.leg(id)?;
        let endpoint = endpoint(leg, Status::Disconnected);
        let display_text = shown_name(leg);
        Some(User {
            display_text,
            ..departed(endpoint, departure, now)
        })
    }

    /// Somebody who was asked for by `by` and never had a leg.
    pub(super) fn never_invited_user(
        &self,
        entity: &str,
        by: String,
        departure: Departure,
    ) -> User {
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
        departed(endpoint, departure, self.env.unix)
    }
}

/// The entry of somebody who is in, and not to be called so any more.
pub(super) fn renamed_user(entity: String) -> User {
    User {
        entity,
        state: State::Deleted,
        display_text: None,
        yourown: false,
        roles: Vec::new(),
        endpoint: None,
    }
}

fn departed(mut endpoint: Endpoint, departure: Departure, now: i64) -> User {
    let entity = endpoint.entity.clone();
    let endpoint = departure.how.map(|how| {
        let info = Execution {
            when: Some(now),
            ..departure.info
        };
        endpoint.disconnection = Some((how, info));
        endpoint
    });
    User {
        entity,
        state: State::Deleted,
        display_text: None,
        yourown: false,
        roles: Vec::new(),
        endpoint,
    }
}

fn shown_name(leg: &Leg) -> Option<String> {
    leg.display_name.clone().filter(|_| !leg.is_unnamed())
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
    let referrer = || match &leg.referrer {
        Some(referrer) => referrer.to_string(),
        None => ANONYMOUS.to_owned(),
    };
    Endpoint {
        // Its Contact would tell everybody where it is.
        entity: leg.shown_uri(),
        referred: leg.outgoing.as_ref().map(|_| Execution {
            by: Some(referrer()),
            ..when(leg.appearance.invited)
        }),
        status,
        joining: leg.appearance.joined.map(|at| (method, when(Some(at)))),
        disconnection: None,
    }
}
