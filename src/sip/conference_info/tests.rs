//! The writer: every element in its place, and nothing that could end one early.

use super::*;

fn user(entity: &str, status: Status) -> User {
    User {
        entity: entity.into(),
        state: State::Full,
        display_text: None,
        yourown: false,
        roles: vec![Role::Participant],
        endpoint: Some(Endpoint {
            entity: entity.into(),
            referred: None,
            status,
            joining: None,
            disconnection: None,
        }),
    }
}

fn document(state: State, users: Vec<User>) -> Document {
    Document {
        entity: "sip:focus@conf.home1.test".into(),
        state,
        version: 7,
        description: None,
        conference_state: None,
        users,
    }
}

fn written(document: &Document) -> String {
    String::from_utf8(document.to_xml()).expect("UTF-8")
}

#[test]
fn a_whole_document_in_the_order_of_the_schema() {
    let mut alice = user("sip:alice@home1.test", Status::Connected);
    alice.yourown = true;
    alice.display_text = Some("Alice <A>".into());
    alice.roles = vec![Role::Administrator];
    if let Some(endpoint) = &mut alice.endpoint {
        endpoint.referred = Some(Execution {
            by: Some("sip:bob@home1.test".into()),
            ..Execution::default()
        });
        endpoint.joining = Some((
            Joining::DialedOut,
            Execution {
                when: Some(1_700_000_000),
                ..Execution::default()
            },
        ));
    }
    let whole = Document {
        description: Some(Description {
            display_text: Some("Team".into()),
            subject: Some("Team".into()),
            maximum_user_count: Some(20),
        }),
        conference_state: Some(ConferenceState {
            user_count: 1,
            active: true,
        }),
        ..document(State::Full, vec![alice])
    };
    assert_eq!(
        written(&whole),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
         entity=\"sip:focus@conf.home1.test\" state=\"full\" version=\"7\">\
         <conference-description><display-text>Team</display-text><subject>Team</subject>\
         <maximum-user-count>20</maximum-user-count></conference-description>\
         <conference-state><user-count>1</user-count><active>true</active></conference-state>\
         <users state=\"full\">\
         <user entity=\"sip:alice@home1.test\" state=\"full\" yourown=\"true\">\
         <display-text>Alice &lt;A&gt;</display-text>\
         <roles><entry>administrator</entry><entry>admin</entry></roles>\
         <endpoint entity=\"sip:alice@home1.test\" state=\"full\">\
         <referred><by>sip:bob@home1.test</by></referred><status>connected</status>\
         <joining-method>dialed-out</joining-method>\
         <joining-info><when>2023-11-14T22:13:20Z</when></joining-info>\
         </endpoint></user></users></conference-info>"
    );
}

#[test]
fn a_session_without_people_still_says_so_and_an_ended_one_says_nothing_more() {
    assert!(written(&document(State::Full, vec![])).contains("<users state=\"full\"></users>"));
    assert!(!written(&document(State::Deleted, vec![])).contains("users"));
    assert!(!written(&document(State::Partial, vec![])).contains("users"));
}

#[test]
fn somebody_who_leaves_is_told_with_the_reason() {
    let mut gone = user("sip:carol@home1.test", Status::Disconnected);
    if let Some(endpoint) = &mut gone.endpoint {
        endpoint.disconnection = Some((
            Disconnection::Busy,
            Execution {
                when: None,
                reason: Some("Reason: SIP;cause=486;text=\"Busy Here\"".into()),
                by: None,
            },
        ));
    }
    let text = written(&document(State::Partial, vec![gone]));
    assert!(text.contains(
        "<status>disconnected</status><disconnection-method>busy</disconnection-method>\
         <disconnection-info><reason>Reason: SIP;cause=486;text="
    ));
    assert!(text.contains("Busy Here"));
}

#[test]
fn nothing_a_peer_wrote_can_end_an_element_or_start_one() {
    let mut evil = document(
        State::Full,
        vec![user("sip:a&b'\"<user/>@x", Status::Connected)],
    );
    evil.description = Some(Description {
        display_text: None,
        subject: Some("</subject>\u{0}\u{1}\r\n\u{ffff}<x>&".into()),
        maximum_user_count: None,
    });
    let text = written(&evil);
    assert!(!text.contains("<user/>") && !text.contains("<x>"), "{text}");
    assert!(
        text.contains("&lt;/subject&gt;     &lt;x&gt;&amp;"),
        "{text}"
    );
    let mut reader = quick_xml::Reader::from_str(&text);
    loop {
        match reader.read_event() {
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(error) => panic!("{error}: {text}"),
        }
    }
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (unix, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (1_709_251_199, "2024-02-29T23:59:59Z"),
        (4_102_444_800, "2100-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ] {
        assert_eq!(date_time(unix), text);
    }
}

#[test]
fn what_may_name_a_user() {
    for fit in ["mailto:x@y", "http://a/b?c=d", "im:a%20b@c"] {
        assert!(is_entity(fit), "{fit}");
    }
    for unfit in [
        "",
        ":",
        "x:",
        "nobody",
        "1x:y",
        "mailto:a b",
        "x:%",
        "x:%2",
        "x:%zz",
        "x:\u{fc}",
        "x:<y>",
        "x:a#b#c",
    ] {
        assert!(!is_entity(unfit), "{unfit}");
    }
    assert!(!is_entity(&format!("mailto:{}", "x".repeat(MAX_ENTITY))));
}
