//! Session timers (RFC 4028): what is agreed, who refreshes and how, and what becomes of dead legs.
//! Not here: what SDP a refresh carries (`super::offering`).

use cpm::cpm::action::Counter;

use crate::flows::bed::{interleaved, interleaved_over, Cast, World};

const EXPIRED: &str = "SIP;cause=408;text=\"Session timer expired\"";
const MINUTE: u64 = 60_000;

/// Joins with these header lines; what the 200 says of the timer, and whether it requires it.
fn agreed(world: &mut World, peer: usize, headers: &str) -> (Option<String>, bool) {
    let branch = world.joins_with(peer, headers);
    assert_eq!(world.outcome(peer, &branch), 200, "{headers}");
    let answer = world.answer(peer, &branch).expect("an answer");
    let required = answer.tokens("Require").contains(&"timer".to_owned());
    (answer.text("Session-Expires"), required)
}

/// Alice in a session that the focus has to refresh every 300 s, and bob.
fn refreshed_by_focus(world: &mut World, cast: Cast, allow: &str) {
    world.join(cast.bob);
    world.join(cast.carol);
    world.manners(cast.alice).accepts = "Session-Expires: 600;refresher=uac\r\n".into();
    let headers =
        format!("Supported: timer\r\nSession-Expires: 600;refresher=uas\r\nAllow: {allow}\r\n");
    agreed(world, cast.alice, &headers);
}

#[test]
fn what_a_joiner_asks_for_is_answered() {
    let cases = [
        ("", None),
        ("Supported: timer\r\n", Some(("1800;refresher=uas", true))),
        (
            "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n",
            Some(("600;refresher=uac", true)),
        ),
        (
            "Require: timer\r\nx: 600;refresher=uas\r\n",
            Some(("600;refresher=uas", true)),
        ),
        // A proxy asks for somebody who knows nothing of it.
        (
            "Session-Expires: 600\r\n",
            Some(("600;refresher=uas", false)),
        ),
        ("Session-Expires: 60\r\n", None),
        (
            "Supported: timer\r\nSession-Expires: 3600\r\n",
            Some(("1800;refresher=uas", true)),
        ),
        (
            "Supported: timer\r\nSession-Expires: 3600\r\nMin-SE: 2400\r\n",
            Some(("2400;refresher=uas", true)),
        ),
        (
            "Supported: timer\r\nMin-SE: 2400\r\n",
            Some(("2400;refresher=uas", true)),
        ),
        (
            "Supported: timer\r\nSession-Expires: soon\r\n",
            Some(("1800;refresher=uas", true)),
        ),
    ];
    interleaved_over(&cases, |world, cast, (headers, wanted)| {
        let (said, required) = agreed(world, cast.alice, headers);
        let wanted = wanted.map(|(said, required)| (said.to_owned(), required));
        assert_eq!(said.map(|said| (said, required)), wanted, "{headers}");
        world.leaves(cast.alice);
        world.run_out();
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn a_session_too_short_is_refused_with_what_would_do() {
    interleaved(|world, cast| {
        let branch = world.joins_with(
            cast.alice,
            "Supported: timer\r\nSession-Expires: 60;refresher=uac\r\n",
        );
        assert_eq!(world.outcome(cast.alice, &branch), 422);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        assert_eq!(answer.text("Min-SE").as_deref(), Some("90"));
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn without_the_parameter_nobody_is_asked_but_who_asks_is_served() {
    interleaved(|world, cast| {
        world.settings.session_expires = 0;
        assert_eq!(agreed(world, cast.alice, "Supported: timer\r\n").0, None);
        let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
        let said = agreed(world, cast.bob, asks).0;
        assert_eq!(said.as_deref(), Some("600;refresher=uac"));
        world.refers(cast.alice, "sip:carol@home1.test", "");
        world.run(2 * MINUTE);
        let invites = world.sent_to(cast.carol, "INVITE");
        assert_eq!(invites[0].request.text("Session-Expires"), None);
    });
}

#[test]
fn the_focus_refreshes_by_update() {
    interleaved(|world, cast| {
        refreshed_by_focus(world, cast, "INVITE, ACK, BYE, UPDATE");
        world.run(51 * MINUTE);
        let updates = world.sent_to(cast.alice, "UPDATE");
        assert!((9..=10).contains(&updates.len()), "{}", updates.len());
        for update in &updates {
            let said = update.request.text("Session-Expires");
            assert_eq!(said.as_deref(), Some("600;refresher=uac"));
            assert!(update.request.contact().is_some());
            assert!(update.request.body.is_empty());
        }
        assert!(world.sent_to(cast.alice, "INVITE").is_empty());
        assert!(world.is_in(cast.alice));
        assert_eq!(world.counted(Counter::Participants), 3);
        assert!(world.sent_to(cast.bob, "UPDATE").is_empty(), "no timer");
        world.leaves(cast.alice);
        world.run_out();
        world.assert_calm();
    });
}

#[test]
fn the_focus_refreshes_by_re_invite_where_update_is_not_allowed() {
    interleaved(|world, cast| {
        refreshed_by_focus(world, cast, "INVITE, ACK, BYE");
        world.run(31 * MINUTE);
        let invites = world.sent_to(cast.alice, "INVITE");
        assert!((5..=6).contains(&invites.len()), "{}", invites.len());
        let bodies: Vec<_> = invites.iter().map(|sent| &sent.request.body).collect();
        assert!(bodies.windows(2).all(|two| two[0] == two[1]));
        let joined = world.peers[cast.alice].asked.values();
        let answered = joined
            .filter_map(|asked| asked.answer.as_ref())
            .any(|answer| &answer.body == bodies[0]);
        assert!(answered, "the SDP is the one alice has");
        assert!(world.is_in(cast.alice));
        world.leaves(cast.alice);
        world.run_out();
        world.assert_calm();
    });
}

#[test]
fn a_refused_update_is_followed_by_a_re_invite() {
    interleaved(|world, cast| {
        refreshed_by_focus(world, cast, "UPDATE");
        world.manners(cast.alice).renews = Some(405);
        world.run(5 * MINUTE + 5_000);
        world.manners(cast.alice).renews = Some(200);
        world.run(3 * MINUTE);
        assert_eq!(world.sent_to(cast.alice, "UPDATE").len(), 1);
        assert_eq!(world.sent_to(cast.alice, "INVITE").len(), 1);
    });
}

#[test]
fn who_does_not_answer_a_refresh_is_out_and_may_come_back() {
    interleaved(|world, cast| {
        refreshed_by_focus(world, cast, "UPDATE");
        world.run(MINUTE);
        world.manners(cast.alice).dead = true;
        world.run(10 * MINUTE);
        assert_eq!(world.counted(Counter::Participants), 2);
        let byes = world.sent_to(cast.alice, "BYE");
        assert_eq!(byes.len(), 1);
        assert_eq!(byes[0].request.text("Reason").as_deref(), Some(EXPIRED));
        world.manners(cast.alice).dead = false;
        let (said, _) = agreed(world, cast.alice, "Supported: timer\r\n");
        assert!(said.is_some());
        assert_eq!(world.counted(Counter::Participants), 3);
    });
}

#[test]
fn who_knows_the_dialog_no_more_is_out_at_once() {
    interleaved_over(&[481, 408], |world, cast, status| {
        refreshed_by_focus(world, cast, "UPDATE");
        world.manners(cast.alice).renews = Some(status);
        world.run(6 * MINUTE);
        assert_eq!(world.counted(Counter::Participants), 2);
        assert_eq!(world.bye_reason(cast.alice).as_deref(), Some(EXPIRED));
    });
}

#[test]
fn glare_and_overload_are_waited_out() {
    for (status, more, least, most) in [
        (491, "", 0, 2_000),
        (500, "Retry-After: 7\r\n", 7_000, 7_000),
        (503, "Retry-After: 0\r\n", 1_000, 1_000),
    ] {
        interleaved(|world, cast| {
            refreshed_by_focus(world, cast, "UPDATE");
            world.manners(cast.alice).renews = Some(status);
            world.manners(cast.alice).refuses = more.into();
            while world.sent_to(cast.alice, "UPDATE").is_empty() {
                world.run(10);
            }
            // No answer yet; the next one finds a peer that has made up its mind.
            while world.status_of_last(cast.alice, "UPDATE").is_none() {
                world.run(1);
            }
            world.manners(cast.alice).renews = Some(200);
            world.run(60_000);
            let at: Vec<u64> = world
                .sent_to(cast.alice, "UPDATE")
                .iter()
                .map(|sent| sent.at)
                .collect();
            assert_eq!(at.len(), 2, "{status}");
            let waited = at[1] - at[0];
            // The network and the server take their time too.
            assert!(
                (least..=most + 34_000).contains(&waited),
                "{status}: {waited}"
            );
            assert!(world.is_in(cast.alice));
        });
    }
}

/// Nothing the peer says makes the focus send without end.
#[test]
fn refusals_of_refreshes_end_with_the_session() {
    interleaved_over(&[488, 491, 422, 503], |world, cast, status| {
        refreshed_by_focus(world, cast, "UPDATE");
        world.manners(cast.alice).renews = Some(status);
        world.manners(cast.alice).refuses = "Retry-After: 0\r\nMin-SE: 100\r\n".into();
        world.run(11 * MINUTE);
        assert_eq!(world.bye_reason(cast.alice).as_deref(), Some(EXPIRED));
        let sent = world.sent_to(cast.alice, "UPDATE").len();
        let sent = sent + world.sent_to(cast.alice, "INVITE").len();
        assert!(sent < 300, "{sent} refreshes");
        assert_eq!(world.counted(Counter::Participants), 2);
    });
}

/// RFC 4028 section 7.4: what a peer's requests call the least interval stays that in ours.
#[test]
fn the_least_interval_a_peer_asked_for_is_kept_to() {
    interleaved(|world, cast| {
        world.join(cast.bob);
        world.join(cast.carol);
        world.manners(cast.alice).accepts =
            "Require: timer\r\nSession-Expires: 2400;refresher=uac\r\n".into();
        let asks = "Supported: timer\r\nMin-SE: 2400\r\nAllow: UPDATE\r\n";
        let said = agreed(world, cast.alice, asks).0;
        assert_eq!(said.as_deref(), Some("2400;refresher=uas"));
        world.run(21 * MINUTE);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let more = "Supported: timer\r\nSession-Expires: 3600;refresher=uas\r\nMin-SE: 3600\r\n";
        world.lets(cast.alice, |peer| {
            peer.within(leg, "UPDATE", more, Vec::new())
        });
        world.run(31 * MINUTE);
        let updates = world.sent_to(cast.alice, "UPDATE");
        let said = |header: &str| -> Vec<_> {
            let texts = updates.iter().map(|sent| sent.request.text(header));
            texts.map(Option::unwrap_or_default).collect()
        };
        assert_eq!(said("Min-SE"), ["2400", "3600"]);
        assert_eq!(
            said("Session-Expires"),
            ["2400;refresher=uac", "3600;refresher=uac"]
        );
        world.leaves(cast.alice);
        world.run_out();
        world.assert_calm();
    });
}

#[test]
fn who_has_to_refresh_and_does_not_is_out() {
    interleaved(|world, cast| {
        world.join(cast.bob);
        world.join(cast.carol);
        let asks = "Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n";
        agreed(world, cast.alice, asks);
        world.run(5 * MINUTE);
        let leg = world.peers[cast.alice].leg().expect("a leg");
        let branch = world.lets(cast.alice, |peer| {
            peer.within(leg, "UPDATE", asks, Vec::new())
        });
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        let answer = world.answer(cast.alice, &branch).expect("an answer");
        let said = answer.text("Session-Expires");
        assert_eq!(said.as_deref(), Some("600;refresher=uac"));
        let refreshed = world.now;
        world.run(8 * MINUTE);
        assert!(world.is_in(cast.alice), "refreshed in between");
        world.run_out();
        assert_eq!(world.bye_reason(cast.alice).as_deref(), Some(EXPIRED));
        let bye = world.sent_to(cast.alice, "BYE")[0].at;
        let after = bye - refreshed;
        assert!((500_000..=572_000).contains(&after), "{after}");
        assert!(world.sent_to(cast.alice, "UPDATE").is_empty());
        world.end();
    });
}

#[test]
fn a_target_that_wants_longer_sessions_is_asked_again() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.manners(cast.bob).min_se = 3_600;
        world.manners(cast.bob).accepts =
            "Require: timer\r\nSession-Expires: 3600;refresher=uac\r\nAllow: UPDATE\r\n".into();
        let refer = world.refers(cast.alice, "sip:bob@home1.test", "");
        world.run(3 * MINUTE);
        assert!(world.told(cast.alice, &refer).contains(&(200, true)));
        let invites = world.sent_to(cast.bob, "INVITE");
        assert_eq!(invites.len(), 2);
        let [first, second] = [&invites[0].request, &invites[1].request];
        assert_eq!(
            first.text("Session-Expires").as_deref(),
            Some("1800;refresher=uac")
        );
        assert_eq!(first.text("Min-SE").as_deref(), Some("90"));
        assert_eq!(second.call_id, first.call_id);
        assert_eq!(second.cseq, first.cseq + 1);
        assert_eq!(second.from_tag, first.from_tag);
        assert_eq!(
            second.text("Session-Expires").as_deref(),
            Some("3600;refresher=uac")
        );
        assert_eq!(second.text("Min-SE").as_deref(), Some("3600"));
        assert!(second.tokens("Supported").contains(&"timer".to_owned()));
        world.run(31 * MINUTE);
        let updates = world.sent_to(cast.bob, "UPDATE");
        assert_eq!(updates.len(), 1);
        let said = updates[0].request.text("Session-Expires");
        assert_eq!(said.as_deref(), Some("3600;refresher=uac"));
    });
}

#[test]
fn a_422_that_leads_nowhere_is_the_result() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.manners(cast.bob).answer = Some((200, 422));
        let refer = world.refers(cast.alice, "sip:bob@home1.test", "");
        world.run_out();
        assert!(world.told(cast.alice, &refer).contains(&(422, true)));
        assert_eq!(world.sent_to(cast.bob, "INVITE").len(), 1);
        world.end();
    });
}

#[test]
fn a_target_that_promises_to_refresh_and_does_not_is_out() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.carol);
        world.manners(cast.bob).accepts =
            "Require: timer\r\nSession-Expires: 600;refresher=uas\r\n".into();
        world.refers(cast.alice, "sip:bob@home1.test", "");
        world.run_out();
        assert_eq!(world.bye_reason(cast.bob).as_deref(), Some(EXPIRED));
        assert!(world.sent("UPDATE").is_empty());
        world.end();
    });
}

/// Refreshes are nothing that happens in a session.
#[test]
fn refreshes_do_not_keep_an_idle_session_open() {
    interleaved(|world, cast| {
        world.settings.inactivity_timeout = 20 * MINUTE;
        refreshed_by_focus(world, cast, "UPDATE");
        world.run(25 * MINUTE);
        assert_eq!(world.counted(Counter::Sessions), 0);
        assert!(world.sent_to(cast.alice, "UPDATE").len() >= 3);
    });
}
