//! The decision trail of a REFER: what an operator can read of it, and that logs tell less of people.

use cpm::cpm::action::Level;
use cpm::cpm::env::Wanted;
use cpm::cpm::records::ReferId;

use crate::flows::bed::{interleaved, Told, World};

/// The lines of each trail whose Call-ID is that of the request, in the order they were opened.
fn trails(world: &World, peer: usize, branch: &str) -> Vec<Vec<String>> {
    let call_id = &world.peers[peer].asked[branch].request.call_id;
    let ids: Vec<ReferId> = world
        .trails
        .iter()
        .filter(|(_, told)| matches!(told, Told::Opened(its) if its == call_id))
        .map(|(refer, _)| *refer)
        .collect();
    let lines = |id: &ReferId| {
        let of = world.trails.iter().filter(|(refer, _)| refer == id);
        of.filter_map(|(_, told)| match told {
            Told::Line(line) => Some(line.clone()),
            Told::Opened(_) => None,
        })
        .collect()
    };
    ids.iter().map(lines).collect()
}

/// Whether lines with these beginnings follow each other, whatever stands between them.
fn tells(trail: &[String], beginnings: &[&str]) {
    let mut rest = trail.iter();
    for wanted in beginnings {
        assert!(
            rest.any(|line| line.starts_with(wanted)),
            "{wanted:?} in its turn in:\n{}",
            trail.join("\n")
        );
    }
}

#[test]
fn an_accepted_refer_tells_the_whole_story() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let carol = world.uri(cast.carol);
        let refer = world.refers(cast.alice, &carol, "");
        world.run(60_000);
        let all = trails(world, cast.alice, &refer);
        let [trail] = all.as_slice() else {
            panic!("one REFER, one trail: {all:?}");
        };
        tells(
            trail,
            &[
                "REFER ",
                "Refer-To: <sip:carol@home1.test>",
                "for group ",
                "referrer sip:alice@home1.test by P-Asserted-Identity, a participant",
                "asks to invite 1: sip:carol@home1.test; NOTIFYs",
                "policy: sip:alice@home1.test matches ",
                "answered 200",
                "REFER accepted from=sip:alice@home1.test",
                "policy: sip:carol@home1.test matches ",
                "INVITE to sip:carol@home1.test",
                "sip:carol@home1.test joined",
                "result sip:carol@home1.test: 200 ",
            ],
        );
        tells(
            trail,
            &[
                "NOTIFY 1 to sip:alice@home1.test: 100 Trying; active",
                "NOTIFY answered 200",
                "NOTIFY ",
                "NOTIFY answered 200",
            ],
        );
        let last = trail.iter().rfind(|line| line.starts_with("NOTIFY 2"));
        let last = last.or(trail.iter().rfind(|line| line.starts_with("NOTIFY 3")));
        assert!(last.is_some(), "{trail:?}");
        world.end();
    });
}

#[test]
fn a_refused_refer_tells_why() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let (carol, mallory) = (world.uri(cast.carol), world.uri(cast.mallory));
        let refer = world.refers_outside(cast.mallory, &carol, "");
        world.run(20_000);
        let all = trails(world, cast.mallory, &refer);
        assert!(!all.is_empty());
        for trail in &all {
            tells(
                trail,
                &[
                    "REFER ",
                    "referrer sip:mallory@home1.test by P-Asserted-Identity",
                    "policy: sip:mallory@home1.test matches ",
                    "REFER refused 403 why=\"policy: allow-invite-users-dynamically\"",
                ],
            );
            let refused = trail.iter().find(|line| line.contains("refused")).unwrap();
            assert!(refused.contains(&format!("from={mallory}")), "{refused}");
            assert!(refused.contains("warning=\""), "{refused}");
        }
        world.end();
    });
}

#[test]
fn a_target_the_policy_keeps_out_is_told_apart() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        let mallory = world.uri(cast.mallory);
        let refer = world.refers(cast.alice, &mallory, "");
        world.run(20_000);
        let all = trails(world, cast.alice, &refer);
        assert_eq!(all.len(), 1);
        tells(
            &all[0],
            &[
                "REFER accepted",
                "policy: sip:mallory@home1.test matches no rule: join-handling no",
                "target sip:mallory@home1.test: 403 why=\"policy: join-handling\"",
                "result sip:mallory@home1.test: 403 Forbidden",
            ],
        );
        assert!(!all[0].iter().any(|line| line.starts_with("INVITE")));
        world.end();
    });
}

#[test]
fn what_nobody_reads_is_not_put_together() {
    interleaved(|world, cast| {
        world.wanted = Wanted {
            trails: false,
            debug: false,
            ..Wanted::ALL
        };
        world.join(cast.alice);
        let carol = world.uri(cast.carol);
        world.refers(cast.alice, &carol, "");
        world.run(60_000);
        assert!(world.trails.is_empty());
        assert!(world.logs.iter().all(|(level, _)| *level != Level::Debug));
        assert!(world.logs.iter().any(|(_, line)| line.contains(" joined ")));
        world.end();
    });
}
