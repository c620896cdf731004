//! Somebody who watches a session: a conference subscription and the documents it was told (RFC 4575).
//! It checks each NOTIFY as it comes; what they should say is the test's business.

use super::schema::{root, standing, users, version};
use super::{check, Dialog, Incoming, Leg, Msg, SOON};
use std::sync::Arc;
use std::time::Duration;

pub fn subscribe(leg: &Leg, uri: &str) -> Msg {
    leg.ua()
        .request("SUBSCRIBE", uri)
        .with("Event", "conference")
        .with("Accept", "application/conference-info+xml")
        .with("Expires", "3600")
}

/// A subscription and what it was told, in order.
pub struct Watcher {
    pub dialog: Dialog,
    pub documents: Vec<String>,
}

impl Watcher {
    /// Watches the session; the first document is whole.
    pub fn of(leg: &Leg) -> Watcher {
        let sent = leg.send(&subscribe(leg, &leg.focus));
        let answer = sent.answer();
        check::accepted(&answer);
        check::focus_contact(&answer);
        assert_eq!(answer.need("Expires"), "3600", "{answer}");
        let mut watcher = Watcher {
            dialog: Dialog::as_uac(&sent, &answer),
            documents: Vec::new(),
        };
        let first = watcher.next();
        assert_eq!(root(&first, "state"), "full");
        assert_eq!(version(&first), 1);
        watcher
    }

    pub fn find(&mut self, wait: Duration) -> Option<Arc<Incoming>> {
        let notify = self.dialog.find("NOTIFY", wait)?;
        let msg = &notify.msg;
        assert_eq!(msg.need("Event"), "conference", "{msg}");
        assert_eq!(msg.all("Contact").len(), 1, "{msg}");
        let body = msg.body_text();
        if !body.is_empty() {
            assert_eq!(msg.need("Content-Type"), "application/conference-info+xml");
            let last = self.documents.last().map_or(0, |last| version(last));
            assert_eq!(version(&body), last + 1, "{body}");
            users(&body);
            self.documents.push(body);
        }
        Some(notify)
    }

    pub fn notify(&mut self) -> Arc<Incoming> {
        self.find(SOON).expect("a conference NOTIFY")
    }

    /// The next document. A large one comes after a NOTIFY without any.
    pub fn next(&mut self) -> String {
        loop {
            let body = self.notify().msg.body_text();
            if !body.is_empty() {
                return body;
            }
        }
    }

    /// Reads on until somebody stands so; panics if that is never said.
    pub fn until(&mut self, entity: &str, wanted: &str) -> String {
        loop {
            let Some(notify) = self.find(SOON) else {
                panic!("{entity} is never {wanted}: {:#?}", self.documents);
            };
            let body = notify.msg.body_text();
            if standing(&body, entity).as_deref() == Some(wanted) {
                return body;
            }
        }
    }

    /// The last NOTIFY of the subscription.
    pub fn end(&mut self) -> Arc<Incoming> {
        loop {
            let notify = self.notify();
            if notify
                .msg
                .need("Subscription-State")
                .starts_with("terminated")
            {
                return notify;
            }
        }
    }

    pub fn again(&mut self, expires: u32) -> Msg {
        let more = self.dialog.request("SUBSCRIBE");
        let more = more
            .with("Event", "conference")
            .with("Expires", expires.to_string());
        self.dialog.send(&more).answer()
    }
}
