//! What an event costs in bytes of records, read and written: the same in a long list as in a short one. Unlike
//! times these figures repeat.

use std::cell::RefCell;
use std::collections::BTreeMap;

use cpm::cpm::action::Counter;

use crate::flows::bed::World;
use crate::flows::listing::refers_list;
use crate::flows::watching::perfectly;

/// Lists compared.
const SHORT: usize = 10;
const LONG: usize = 90;
/// By how much an event of the long list may move more, bytes: numbers have more digits.
const DIGITS: usize = 48;

/// What an event of each kind moved on average while a list of so many targets was carried out, bytes. The last one
/// also moves all that is forgotten with the REFER.
fn moved(many: usize, manners: fn(&mut World, usize)) -> BTreeMap<&'static str, usize> {
    let (sums, events) = (RefCell::new(BTreeMap::new()), RefCell::new(BTreeMap::new()));
    perfectly(|world, cast| {
        // What subscribers of the conference are told is another matter.
        world.settings.max_subscriptions = 0;
        world.settings.invite_rate = 0;
        let guests = crowd(world, many, manners);
        world.join(cast.alice);
        world.join(cast.bob);
        let entries: Vec<&str> = guests.iter().map(String::as_str).collect();
        world.moved.clear();
        let refer = refers_list(world, cast.alice, &entries, "");
        world.run_out();
        let told = world.told(cast.alice, &refer);
        let results = told.iter().filter(|(status, _)| *status >= 200);
        assert_eq!(results.count(), many);
        for (what, bytes) in &world.moved {
            *sums.borrow_mut().entry(*what).or_insert(0) += bytes;
            *events.borrow_mut().entry(*what).or_insert(0) += 1;
        }
        world.end();
    });
    let events = events.into_inner();
    let average = |(what, sum): (&'static str, usize)| (what, sum / events[what]);
    sums.into_inner().into_iter().map(average).collect()
}

fn crowd(world: &mut World, many: usize, manners: fn(&mut World, usize)) -> Vec<String> {
    let guests = (100..100 + many).map(|n| format!("sip:guest{n}@away.test"));
    let guests: Vec<String> = guests.collect();
    for uri in &guests {
        let peer = world.peer(&uri[4..12], &[uri]);
        manners(world, peer);
    }
    guests
}

fn costs_the_same(manners: fn(&mut World, usize), events: &[&str]) {
    let (short, long) = (moved(SHORT, manners), moved(LONG, manners));
    for what in events {
        let (short, long) = (short[what], long[what]);
        assert!(
            long <= short + DIGITS,
            "{what}: {short} bytes in a list of {SHORT}, {long} in one of {LONG}"
        );
    }
}

#[test]
fn who_accepts_costs_the_same_in_every_list() {
    let events = [
        "INVITE sent",
        "provisional answer",
        "final answer",
        "ACK sent",
        "answer to NOTIFY",
    ];
    costs_the_same(|_, _| {}, &events);
}

#[test]
fn who_refuses_costs_the_same_in_every_list() {
    let events = ["INVITE sent", "final answer", "answer to NOTIFY"];
    let refuses = |world: &mut World, peer| world.manners(peer).answer = Some((300, 486));
    costs_the_same(refuses, &events);
}

/// All are there at once, so that the results wait for the NOTIFYs before them.
#[test]
fn results_that_wait_cost_nothing() {
    let at_once = |world: &mut World, peer| world.manners(peer).answer = Some((0, 200));
    costs_the_same(at_once, &["final answer", "answer to NOTIFY"]);
}

/// One INVITE at a time leaves; the list it is on is read, not what became of it.
#[test]
fn a_paced_invite_reads_the_list_once_and_nothing_else_of_it() {
    let most = std::cell::Cell::new(0);
    perfectly(|world, cast| {
        world.settings.max_subscriptions = 0;
        world.settings.invite_rate = 5;
        let guests = crowd(world, 30, |_, _| {});
        world.join(cast.alice);
        let entries: Vec<&str> = guests.iter().map(String::as_str).collect();
        refers_list(world, cast.alice, &entries, "Refer-Sub: false\r\n");
        world.run_out();
        let deadlines = world.moved.iter().filter(|(what, _)| *what == "deadline");
        most.set(deadlines.map(|(_, bytes)| *bytes).max().unwrap_or(0));
        assert_eq!(world.counted(Counter::Participants), 31);
        world.end();
    });
    // Head, leg twice, REFER, target; and 30 entries of some 60 bytes.
    let bytes = most.get();
    assert!(bytes > 0 && bytes < 6_000, "{bytes}");
}
