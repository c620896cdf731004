//! Target for stored records: what shared memory (or, later, a database) gives back may be anything.
//! Not here: how they are stored.

use super::harness::kind;
use cpm::cpm::action::Transaction;
use cpm::cpm::dialog::{ByeCause, Dialog, InFlight, Waiting};
use cpm::cpm::records::{
    Aim, AwaitedAck, Carrier, Closing, Head, Id, Leg, LegState, Media, Record, Refer, Report,
    Roster, Subscription,
};
use cpm::cpm::settings::{Socket, Transport};
use cpm::sip::{Identity, Uri};

pub fn record(input: &[u8]) -> u64 {
    let Ok(record) = postcard::from_bytes::<Record>(input) else {
        return 0;
    };
    let bytes = postcard::to_stdvec(&record).expect("what was read can be written");
    let again: Record = postcard::from_bytes(&bytes).expect("what was written can be read");
    assert_eq!(again, record);
    let names = record.names(Id(1)).len();
    let deadline = record.deadline().is_some();
    let (which, more) = match &record {
        Record::Head(head) => (0, u64::from(head.slots() > 0)),
        Record::Leg(leg) => (
            1,
            kind((leg.is_member(), leg.is_pending(), leg.is_finished())),
        ),
        Record::Refer(refer) => (
            2,
            kind((refer.all_settled(), refer.is_finished(u64::MAX / 2))),
        ),
        Record::Roster(roster) => (3, roster.known.len().min(2) as u64),
    };
    kind((which, more, names.min(4), deadline))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let who = |text: &str| Identity::of(&Uri::parse(text.as_bytes()).expect("a URI"));
    let leg = |state| Leg {
        identities: vec![who("sip:alice@home1.test"), who("tel:+3581")],
        uri: "sip:alice@home1.test".into(),
        anonymous: false,
        state,
        dialog: dialog(),
        media: Media {
            msrp_uri: "msrp://127.0.0.1:2855".into(),
            session: "s".into(),
            origin_id: 1,
            version: 2,
        },
        awaited_ack: Some(AwaitedAck { cseq: 1, until: 9 }),
        subscriptions: vec![Id(3)],
        watchers: vec![Id(4), Id(5)],
        referrer: Some("sip:bob@home1.test".into()),
        referred_before: true,
        formed_by: Some(("tag".into(), 1)),
        forks: vec!["fork".into()],
    };
    let report = |status| Report {
        status,
        reason: "OK".into(),
        target: Some(0),
    };
    let refer = |carrier| Refer {
        cseq: 2,
        referrer: "sip:alice@home1.test".into(),
        identities: vec![who("sip:alice@home1.test")],
        anonymous: false,
        referred_by: "<sip:alice@home1.test>".into(),
        socket: socket(),
        targets: vec![
            Aim {
                uri: "sip:carol@home1.test".into(),
                leg: Some(Id(9)),
                outcome: None,
            },
            Aim::of(&Err("nobody".into())),
        ],
        history: Some(b"<list/>".to_vec()),
        event_id: Some(2),
        carrier,
        guests: vec![Id(7)],
        subscription: Some(Subscription {
            expires_at: 60_000,
            reports: [report(100), report(200)].into(),
            progress: Some(report(180)),
            progress_due: 5,
            told: None,
            closing: Some(Closing::Told),
            queued: false,
        }),
        merge: Some(("call".into(), "tag".into(), 1)),
        remembered_until: 32_000,
    };
    let transaction = Some(Transaction { index: 1, label: 2 });
    let records = [
        Record::Head(Head {
            token: "0123456789abcdef".into(),
            group: Some("sip:team@groups.test".into()),
            creator: vec![who("sip:alice@home1.test")],
            roster: Some(Id(2)),
            conversation_id: "c".into(),
            contribution_id: "d".into(),
            subject: Some("s".into()),
            started: 1,
            max_participants: 100,
            min_participants: 2,
            connected: 1,
            pending: 1,
            had_minimum: false,
            live: true,
        }),
        Record::Leg(Box::new(leg(LegState::Connected))),
        Record::Leg(Box::new(leg(LegState::Inviting {
            transaction,
            ringing: true,
            ring_until: 1,
        }))),
        Record::Leg(Box::new(leg(LegState::Waiting {
            refer: Id(1),
            at: 1,
        }))),
        Record::Leg(Box::new(leg(LegState::Withdrawn {
            transaction,
            until: 1,
        }))),
        Record::Refer(Box::new(refer(Carrier::In(Id(1))))),
        Record::Refer(Box::new(refer(Carrier::Own(Box::new(dialog()))))),
        Record::Refer(Box::new(refer(Carrier::None))),
        Record::Roster(Roster {
            known: vec![who("sip:alice@home1.test")],
            removed: vec![who("sip:bob@home1.test")],
        }),
    ];
    records
        .iter()
        .map(|record| postcard::to_stdvec(record).expect("a record can be written"))
        .collect()
}

fn socket() -> Socket {
    Socket {
        transport: Transport::Udp,
        host: "127.0.0.1".into(),
        port: 5060,
    }
}

fn dialog() -> Dialog {
    Dialog {
        call_id: "call".into(),
        local_tag: "ours".into(),
        remote_tag: Some("theirs".into()),
        local: "sip:focus@conf.home1.test".into(),
        remote: "sip:alice@home1.test".into(),
        remote_target: "sip:alice@127.0.0.1:5070".into(),
        route_set: vec!["<sip:proxy.home1.test;lr>".into()],
        local_cseq: 1,
        remote_cseq: Some(2),
        socket: socket(),
        contact: "sip:focus@127.0.0.1:5060".into(),
        in_flight: Some(InFlight {
            cseq: 1,
            what: Waiting::Notify(Id(3)),
            lost_at: 40_000,
        }),
        waiting: [Waiting::Bye(ByeCause::Gone)].into(),
    }
}
