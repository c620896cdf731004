//! What a subscriber that applies every document believes, held against what a full document says.

use std::collections::BTreeMap;

use cpm::cpm::outgoing_message::OutgoingRequest;
use cpm::cpm::records::{Carrier, ConferenceSubscription, Dialog, Id, Record};
use cpm::cpm::session::Session;
use cpm::sip::Request;

use super::world::World;
use crate::kit::schema::{root, text, user, users};

/// The list of a client: each user with what is said of it, but for when and by whom.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    users: BTreeMap<String, String>,
    subject: String,
}

impl Roster {
    /// Applies a document as RFC 4575 section 4.4 says.
    pub fn apply(&mut self, document: &str) {
        match root(document, "state") {
            "full" => *self = Roster::default(),
            "deleted" => return *self = Roster::default(),
            _ => {}
        }
        if let Some(description) = text(document, "conference-description") {
            self.subject = text(description, "subject").unwrap_or_default().to_owned();
        }
        for entity in users(document) {
            let element = user(document, entity).unwrap_or_default();
            let start = element.split('>').next().unwrap_or_default();
            if start.contains("state=\"deleted\"") {
                self.users.remove(entity);
                continue;
            }
            let shown = ["display-text", "roles", "status", "joining-method"]
                .map(|name| text(element, name).unwrap_or_default());
            let own = start.contains("yourown");
            self.users
                .insert(entity.to_owned(), format!("{shown:?} {own}"));
        }
    }

    fn of(document: &str) -> Roster {
        let mut roster = Roster::default();
        roster.apply(document);
        roster
    }
}

impl World {
    /// A conference NOTIFY leaves. Whoever applied all documents so far has the list of a full one, if the
    /// subscription has been told everything.
    pub(super) fn roster_agrees(
        &mut self,
        outgoing: &OutgoingRequest,
        request: &Request,
    ) -> Result<(), String> {
        if request.body.is_empty() {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let event_id = request.event().and_then(|(_, id)| id);
        let dialog = (outgoing.call_id.clone(), outgoing.local_tag.to_string());
        let roster = self.rosters.entry((dialog, event_id.clone())).or_default();
        roster.apply(&body);
        let believed = roster.clone();
        let Some((root, id, subscription)) = self.subscription_of(outgoing, event_id.as_deref())
        else {
            return Ok(());
        };
        if !self.is_told_everything(root, id, &subscription) {
            return Ok(());
        }
        let document = self.with_env(|env| {
            let mut session = Session::open(root, &self.records, env)?;
            let document = session.conference_document(&subscription.identities);
            Some(document.to_xml())
        });
        let document = String::from_utf8(document.unwrap_or_default()).unwrap_or_default();
        self.rosters_compared += 1;
        let read = Roster::of(&document);
        if believed == read {
            return Ok(());
        }
        Err(format!(
            "who applies documents believes {believed:#?}, who reads full ones {read:#?}"
        ))
    }

    fn subscription_of(
        &self,
        outgoing: &OutgoingRequest,
        event_id: Option<&str>,
    ) -> Option<(Id, Id, ConferenceSubscription)> {
        let ours = |dialog: &Dialog| {
            dialog.call_id == outgoing.call_id && dialog.local_tag == outgoing.local_tag
        };
        let carries = |carrier: &Carrier| match carrier {
            Carrier::Own(dialog) => ours(dialog),
            Carrier::In(leg) => {
                let mut rows = self.records.rows();
                let leg = rows.find(|(id, _)| id == leg).map(|(_, row)| &row.record);
                matches!(leg, Some(Record::Leg(leg)) if ours(&leg.dialog))
            }
            Carrier::None => false,
        };
        self.records.rows().find_map(|(id, row)| match &row.record {
            Record::ConferenceSubscription(it)
                if it.event_id.as_deref() == event_id && carries(&it.carrier) =>
            {
                Some((row.root, id, it.as_ref().clone()))
            }
            _ => None,
        })
    }

    fn is_told_everything(&self, root: Id, id: Id, subscription: &ConferenceSubscription) -> bool {
        let log = self
            .records
            .below(root)
            .find_map(|(_, record)| match record {
                Record::ChangeLog(log) => Some(log),
                _ => None,
            });
        log.is_some_and(|log| {
            subscription.common.is_active()
                && subscription.told.members == log.latest
                && !log.departed.iter().any(|gone| subscription.owes(id, gone))
        })
    }
}
