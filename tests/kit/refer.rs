//! What the NOTIFYs of a refer subscription say, taken apart and checked (RFC 3515 section 2.4.5).

use super::inbox::Incoming;
use super::scene::Leg;
use super::sip::Msg;
use super::ua::Ua;
use std::collections::HashMap;
use std::sync::Arc;

/// A NOTIFY for `refer` with its sipfrag.
pub struct Notified {
    pub incoming: Arc<Incoming>,
    /// The `id` parameter of Event.
    pub id: Option<String>,
    /// `active` or `terminated`.
    pub state: String,
    /// The `reason` parameter of Subscription-State.
    pub reason: Option<String>,
    /// The status of the sipfrag's first line.
    pub status: u16,
    pub body: String,
}

/// Takes the next NOTIFY of that Call-ID and checks its form.
pub fn expect_notify(ua: &Ua, call_id: &str) -> Notified {
    let incoming = ua.expect_where("NOTIFY", &format!("in {call_id}"), |m| {
        m.call_id() == call_id
    });
    read(incoming)
}

/// `100 Trying`, active: what comes right after the 2xx.
pub fn expect_trying(ua: &Ua, call_id: &str) -> Notified {
    let first = expect_notify(ua, call_id);
    assert_eq!(first.body, "SIP/2.0 100 Trying\r\n", "the first NOTIFY");
    assert_eq!(first.state, "active");
    first
}

/// Skips provisional results and takes the one that ends the subscription.
pub fn expect_final(ua: &Ua, call_id: &str, status: u16) -> Notified {
    let end = expect_end(ua, call_id);
    assert_eq!(end.status, status, "{}", end.incoming.msg);
    end
}

/// As `expect_final`, whatever the result is.
pub fn expect_end(ua: &Ua, call_id: &str) -> Notified {
    loop {
        let next = expect_notify(ua, call_id);
        if next.state == "active" && next.status < 200 {
            continue;
        }
        assert_eq!(next.state, "terminated", "{}", next.incoming.msg);
        assert_eq!(
            next.reason.as_deref(),
            Some("noresource"),
            "{}",
            next.incoming.msg
        );
        return next;
    }
}

/// The whole of a subscription: `100 Trying`, then the result.
pub fn expect_outcome(ua: &Ua, call_id: &str, status: u16) {
    expect_trying(ua, call_id);
    expect_final(ua, call_id, status);
}

/// The result told for each target, and that only the last one ended the subscription.
pub fn results(leg: &Leg, call_id: &str, uris: &[String]) -> HashMap<String, u16> {
    expect_trying(leg.ua(), call_id);
    let mut told = HashMap::new();
    loop {
        let next = expect_notify(leg.ua(), call_id);
        if next.status >= 200 {
            let about = uris.iter().find(|u| {
                next.body.contains(&format!("{u}>")) || next.body.contains(&format!("{u}\r"))
            });
            let about =
                about.unwrap_or_else(|| panic!("it names its target: {}", next.incoming.msg));
            assert!(
                told.insert(about.clone(), next.status).is_none(),
                "told twice: {about}"
            );
        }
        if next.state == "terminated" {
            assert_eq!(next.reason.as_deref(), Some("noresource"));
            return told;
        }
    }
}

pub fn read(incoming: Arc<Incoming>) -> Notified {
    let msg: &Msg = &incoming.msg;
    let event = msg.need("Event");
    assert_eq!(
        event.split(';').next().map(str::trim),
        Some("refer"),
        "{msg}"
    );
    assert!(
        msg.need("Content-Type")
            .replace(' ', "")
            .starts_with("message/sipfrag"),
        "{msg}"
    );
    let state = msg.need("Subscription-State");
    let (word, params) = state.split_once(';').unwrap_or((state, ""));
    let reason = super::sip::param(&format!("<x>;{params}"), "reason");
    let expires = super::sip::param(&format!("<x>;{params}"), "expires");
    if word.trim() == "active" {
        let left = expires.as_deref().and_then(|e| e.parse::<u32>().ok());
        assert!(
            left.is_some_and(|e| e > 0),
            "an active subscription says how long: {msg}"
        );
    }
    let body = msg.body_text();
    let status = body
        .strip_prefix("SIP/2.0 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("a sipfrag begins with a status line: {msg}"));
    Notified {
        id: super::sip::param(
            &format!("<x>;{}", event.split_once(';').map_or("", |(_, p)| p)),
            "id",
        ),
        state: word.trim().to_string(),
        reason,
        status,
        body,
        incoming,
    }
}
