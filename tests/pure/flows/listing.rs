//! Many targets of one request: lists in a REFER, sessions made on the spot, pacing, removal.
//! Not here: what becomes of a single INVITE (`super::inviting`).

use cpm::cpm::action::Counter;
use cpm::cpm::time::Millis;

use crate::flows::bed::{interleaved, team, Cast, World, FACTORY};
use crate::flows::watching::{perfectly, SETTLED};

/// A body of entries, and the header lines that go with it.
pub fn list(entries: &[&str], more: &str) -> (String, Vec<u8>) {
    let entries: String = entries
        .iter()
        .map(|uri| format!("<entry uri=\"{uri}\" cp:copyControl=\"to\"/>"))
        .collect();
    let body = format!(
        "<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list>{entries}</list></resource-lists>"
    );
    let headers = format!(
        "Require: multiple-refer\r\nRefer-To: <cid:list@home1.test>\r\nContent-ID: <list@home1.test>\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n{more}"
    );
    (headers, body.into_bytes())
}

pub fn refers_list(world: &mut World, peer: usize, entries: &[&str], more: &str) -> String {
    let (headers, body) = list(entries, more);
    let leg = world.peers[peer].leg().expect("a leg");
    world.lets(peer, |peer| peer.within(leg, "REFER", &headers, body))
}

pub fn creates(world: &mut World, peer: usize, entries: &[&str]) -> String {
    let (_, body) = list(entries, "");
    let headers = "Require: recipient-list-invite\r\n\
                   Content-Type: application/resource-lists+xml\r\n\
                   Content-Disposition: recipient-list\r\n";
    world.lets(peer, |peer| peer.outside("INVITE", FACTORY, headers, body))
}

/// What was said of each target: status and the URI in its To line, in the order of telling.
fn results(world: &World, peer: usize, branch: &str) -> Vec<(u16, String)> {
    let told = world.promise(peer, branch).told.iter();
    told.filter(|told| told.status >= 200)
        .map(|told| {
            let to = told.body.lines().find_map(|line| line.strip_prefix("To: "));
            (told.status, to.unwrap_or_default().to_owned())
        })
        .collect()
}

const FOUR: [&str; 4] = [
    "sip:carol@home1.test",
    "sip:dave@home1.test",
    "sip:mallory@home1.test",
    "tel:+358401234567",
];

fn four_fates(world: &mut World, cast: Cast) {
    world.manners(cast.dave).answer = Some((300, 603));
    world.manners(cast.number).answer = None;
}

#[test]
fn each_target_has_a_result_of_its_own() {
    interleaved(|world, cast| {
        four_fates(world, cast);
        world.join(cast.alice);
        let refer = refers_list(world, cast.alice, &FOUR, "");
        world.run_out();
        let mut results = results(world, cast.alice, &refer);
        results.sort();
        let expected = [
            (200, "<sip:carol@home1.test>"),
            (403, "<sip:mallory@home1.test>"),
            (408, "<tel:+358401234567>"),
            (603, "<sip:dave@home1.test>"),
        ];
        assert_eq!(results, expected.map(|(code, to)| (code, to.to_owned())));
        let told = world.told(cast.alice, &refer);
        assert_eq!(told.iter().filter(|(_, last)| *last).count(), 1);
        assert_eq!(world.sent("INVITE").len(), 3);
        assert_eq!(world.ledger.cancels.len(), 1);
        world.end();
    });
}

#[test]
fn a_list_that_does_not_fit_into_memory_is_refused_whole() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.room = 3;
        let refer = refers_list(world, cast.alice, &FOUR, "");
        world.run_out();
        assert_eq!(world.status(cast.alice, &refer), 503);
        assert!(world.sent("INVITE").is_empty());
        world.room = 4;
        let refer = refers_list(world, cast.alice, &FOUR, "");
        world.run_out();
        assert_eq!(world.status(cast.alice, &refer), 200);
        world.end();
    });
}

#[test]
fn a_suppressed_list_is_invited_in_silence() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let refer = refers_list(world, cast.alice, &FOUR, "Refer-Sub: false\r\n");
        world.run_out();
        assert_eq!(world.status(cast.alice, &refer), 200);
        assert!(world.sent("NOTIFY").is_empty());
        assert_eq!(world.counted(Counter::Participants), 4);
        world.end();
    });
}

#[test]
fn one_person_in_many_spellings_is_invited_once() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let entries = [
            "sip:carol@home1.test",
            "sip:carol@HOME1.TEST:5060",
            "sip:%63arol@home1.test;method=INVITE",
            "tel:+358401234567",
            "sip:+358-40-1234567@home1.test;user=phone",
            "sip:alice@home1.test",
        ];
        let refer = refers_list(world, cast.alice, &entries, "");
        world.run_out();
        assert_eq!(world.sent("INVITE").len(), 2);
        assert_eq!(results(world, cast.alice, &refer).len(), 3);
        world.end();
    });
}

/// Some places are left: filled in list order, the rest is told 486 (requirements section 2.9).
#[test]
fn what_places_are_left_are_given_in_list_order() {
    interleaved(|world, cast| {
        world.groups = team(Some(3));
        world.join(cast.alice);
        world.join(cast.bob);
        let entries = [
            "sip:carol@home1.test",
            "sip:dave@home1.test",
            "sip:bob@home1.test",
        ];
        let refer = refers_list(world, cast.alice, &entries, "");
        world.run_out();
        let mut results = results(world, cast.alice, &refer);
        results.sort();
        assert_eq!(results[0].0, 200);
        assert_eq!(results[1].0, 200);
        assert_eq!(results[2], (486, "<sip:dave@home1.test>".to_owned()));
        assert_eq!(world.sent("INVITE").len(), 1);
        assert!(world.is_in(cast.carol));
        world.end();
    });
}

fn crowd(world: &mut World, many: usize) -> Vec<String> {
    (0..many)
        .map(|n| {
            let uri = format!("sip:guest{n}@away.test");
            world.peer(&format!("guest{n}"), &[&uri]);
            uri
        })
        .collect()
}

/// A list of 30 neither leaves at once nor is any result lost.
#[test]
fn a_long_list_leaves_at_its_pace() {
    interleaved(|world, cast| {
        // A NOTIFY at a time over a bad network: the subscription has to live that long.
        world.settings.invite_timeout = 400_000;
        let guests = crowd(world, 30);
        let entries: Vec<&str> = guests.iter().map(String::as_str).collect();
        world.join(cast.alice);
        let refer = refers_list(world, cast.alice, &entries, "");
        world.run_out();
        let mut times: Vec<Millis> = world.sent("INVITE").iter().map(|sent| sent.at).collect();
        assert_eq!(times.len(), 30);
        times.sort_unstable();
        // Ten at once, then 20 at 50 in a second; whoever sends may be late.
        let least = 400 - 2 * world.network.link.work;
        assert!(times[29] - times[0] >= least, "{times:?}");
        assert_eq!(results(world, cast.alice, &refer).len(), 30);
        assert_eq!(world.counted(Counter::Participants), 31);
        world.end();
    });
}

/// The rest of a fan-out does not leave for a session that is over.
#[test]
fn who_waits_for_a_turn_is_not_invited_to_an_ended_session() {
    interleaved(|world, cast| {
        world.settings.invite_rate = 1;
        let guests = crowd(world, 30);
        let entries: Vec<&str> = guests.iter().map(String::as_str).collect();
        for peer in 6..36 {
            world.manners(peer).answer = None;
        }
        world.join(cast.alice);
        let refer = refers_list(world, cast.alice, &entries, "");
        world.outcome(cast.alice, &refer);
        world.run(2_000);
        world.leaves(cast.alice);
        world.run_out();
        assert!(world.sent("INVITE").len() < 30);
        let results = results(world, cast.alice, &refer);
        assert!(
            results.iter().all(|(status, _)| *status == 487),
            "{results:?}"
        );
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

/// The referrer's subscription ends, the fan-out it asked for does not.
#[test]
fn a_fan_out_goes_on_when_nobody_listens() {
    interleaved(|world, cast| {
        world.settings.invite_rate = 5;
        world.manners(cast.alice).notify = Some(481);
        let guests = crowd(world, 20);
        let entries: Vec<&str> = guests.iter().map(String::as_str).collect();
        world.join(cast.alice);
        let refer = refers_list(world, cast.alice, &entries, "");
        world.outcome(cast.alice, &refer);
        world.run_out();
        assert_eq!(world.sent("INVITE").len(), 20);
        assert_eq!(world.counted(Counter::Participants), 21);
        world.end();
    });
}

#[test]
fn a_session_is_made_on_the_spot() {
    interleaved(|world, cast| {
        four_fates(world, cast);
        let branch = creates(world, cast.alice, &FOUR);
        assert_eq!(world.outcome(cast.alice, &branch), 200);
        world.run_out();
        // Everybody may be invited to an ad-hoc session, mallory too.
        assert_eq!(world.sent("INVITE").len(), 4);
        assert!(world.sent("NOTIFY").is_empty());
        assert_eq!(world.counted(Counter::Participants), 3);
        let refer = world.refers(cast.carol, "sip:bob@home1.test", "");
        world.run_out();
        assert_eq!(world.told(cast.carol, &refer).last(), Some(&(200, true)));
        world.end();
    });
}

#[test]
fn a_session_of_nobody_else_is_not_made() {
    interleaved(|world, cast| {
        let alone = creates(world, cast.alice, &["sip:alice@home1.test"]);
        let empty = world.lets(cast.bob, |bob| bob.invite(FACTORY, ""));
        assert_eq!(world.outcome(cast.alice, &alone), 403);
        assert_eq!(world.outcome(cast.bob, &empty), 403);
        assert_eq!(world.records.len(), 0);
    });
}

#[test]
fn the_creator_removes_and_who_was_removed_stays_out() {
    interleaved(|world, cast| {
        let branch = creates(
            world,
            cast.alice,
            &[
                "sip:bob@home1.test",
                "sip:carol@home1.test",
                "sip:dave@home1.test",
            ],
        );
        world.outcome(cast.alice, &branch);
        world.run_out();
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        let refused = world.refers(cast.carol, "sip:bob@home1.test;method=BYE", "");
        assert_eq!(world.outcome(cast.carol, &refused), 403);
        let removal = world.refers(cast.alice, "sip:bob@home1.test;method=BYE", "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &removal).last(), Some(&(200, true)));
        assert!(!world.is_in(cast.bob));
        let again = world.lets(cast.bob, |bob| bob.invite(&focus, ""));
        assert_eq!(world.outcome(cast.bob, &again), 403);
        let warning = world
            .answer(cast.bob, &again)
            .and_then(|a| a.text("Warning"));
        assert!(warning.is_some_and(|w| w.contains("127 Service not authorised")));
        // Whoever may invite can ask them back.
        world.refers(cast.carol, "sip:bob@home1.test", "");
        world.run_out();
        assert!(world.is_in(cast.bob));
        world.end();
    });
}

/// Who names only itself leaves; the right to put others out is not needed for that, nor gained by it.
#[test]
fn anybody_may_put_itself_out() {
    interleaved(|world, cast| {
        let all = ["bob", "carol", "dave"].map(|name| format!("sip:{name}@home1.test"));
        let branch = creates(world, cast.alice, &all.each_ref().map(String::as_str));
        world.outcome(cast.alice, &branch);
        world.run_out();
        let focus = world.peers[cast.alice].dialogs[0].focus.clone();
        let two = ["bob", "carol"].map(|name| format!("sip:{name}@home1.test;method=BYE"));
        let refused = refers_list(world, cast.bob, &two.each_ref().map(String::as_str), "");
        assert_eq!(world.outcome(cast.bob, &refused), 403);
        let refer = world.refers(cast.bob, "sip:bob@home1.test;method=BYE", "");
        world.run_out();
        assert_eq!(world.told(cast.bob, &refer).last(), Some(&(200, true)));
        assert!(world.is_in(cast.carol) && !world.is_in(cast.bob));
        let again = world.lets(cast.bob, |bob| bob.invite(&focus, ""));
        assert_eq!(world.outcome(cast.bob, &again), 200);
        world.end();
    });
}

#[test]
fn who_still_rings_is_removed_by_cancel() {
    interleaved(|world, cast| {
        world.manners(cast.carol).answer = None;
        world.join(cast.alice);
        world.join(cast.bob);
        let refer = world.refers(cast.bob, "sip:carol@home1.test", "");
        world.outcome(cast.bob, &refer);
        let removal = world.refers(cast.alice, "sip:carol@home1.test;method=BYE", "");
        world.run_out();
        assert_eq!(world.told(cast.alice, &removal).last(), Some(&(200, true)));
        assert_eq!(world.told(cast.bob, &refer).last(), Some(&(487, true)));
        assert_eq!(world.ledger.cancels.len(), 1);
        world.end();
    });
}

/// Everybody else is put out in one request; then oneself is alone.
#[test]
fn a_list_of_removals_ends_the_session() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        world.join(cast.carol);
        world.run_out();
        let entries = [
            "sip:bob@home1.test;method=BYE",
            "sip:carol@home1.test;method=BYE",
        ];
        let refer = refers_list(world, cast.alice, &entries, "");
        world.run_out();
        assert_eq!(results(world, cast.alice, &refer).len(), 2);
        assert_eq!(world.records.len(), 0);
        world.end();
    });
}

/// A phone user whose network asserts the tel URI once and its sip form the next time, under the domain of the
/// subscribers. An ad-hoc session has no list whose hosts would count.
#[test]
fn a_phone_user_of_the_home_domain_comes_back_to_an_adhoc_session() {
    let comes_back = |domain: &'static str| {
        let status = std::cell::Cell::new(0);
        perfectly(|world, cast| {
            world.settings.phone_domains = vec!["conf.home1.test".into(), domain.into()];
            let entries = ["tel:+358401234567", "sip:bob@home1.test"];
            creates(world, cast.alice, &entries);
            world.run(SETTLED);
            assert!(world.is_in(cast.number));
            world.leaves(cast.number);
            world.run(SETTLED);
            let sip = world.peer("sipnumber", &["sip:+358401234567@home1.test;user=phone"]);
            let dialog = world.peers[cast.alice].dialogs.last();
            let focus = dialog
                .map(|dialog| dialog.focus.clone())
                .unwrap_or_default();
            let branch = world.lets(sip, |peer| peer.invite(&focus, ""));
            status.set(world.outcome(sip, &branch));
        });
        status.get()
    };
    assert_eq!(comes_back("home1.test"), 200);
    assert_eq!(comes_back("partner.test"), 403);
}
