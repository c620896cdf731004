//! People who are not to be named: by the list that invited them (`bcc`, `anonymize`), or by their own 2xx.
//! Not here: who joined anonymously by an INVITE of their own (`super::anonymity`).

use cpm::cpm::action::Level;

use crate::flows::bed::{interleaved, interleaved_over, Cast, World};
use crate::flows::watching::{documents, perfectly, told, watch};
use crate::kit::schema::{assert_valid, standing, text, user, users};

const CAROL: &str = "sip:carol@home1.test";
const DAVE: &str = "sip:dave@home1.test";
const MALLORY: &str = "sip:mallory@home1.test";
const SHOWN: &str = "sip:anonymous-1@anonymous.invalid";

/// REFER with a list of somebody, with these attributes, and dave, who may be named.
fn refers_hidden(world: &mut World, peer: usize, who: &str, attributes: &str) -> String {
    let body = format!(
        "<?xml version=\"1.0\"?><resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" \
         xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\"><list><entry uri=\"{who}\" {attributes}/>\
         <entry uri=\"{DAVE}\" cp:copyControl=\"to\"/></list></resource-lists>"
    );
    let headers = "Require: multiple-refer\r\nRefer-To: <cid:list@home1.test>\r\nContent-ID: <list@home1.test>\r\n\
         Content-Type: application/resource-lists+xml\r\nContent-Disposition: recipient-list\r\n";
    let leg = world.peers[peer].leg().expect("a leg");
    world.lets(peer, |peer| {
        peer.within(leg, "REFER", headers, body.into_bytes())
    })
}

/// Nothing that was sent to somebody names carol, and no line at INFO does.
fn unheard_of(world: &World, peers: &[usize]) {
    for sent in &world.ledger.sent {
        let text = sent.text.to_ascii_lowercase();
        assert!(
            !peers.contains(&sent.to) || !text.contains("carol"),
            "{text}"
        );
    }
    for (level, line) in &world.logs {
        let named = line.contains("carol") || line.contains("sip:c***");
        assert!(*level == Level::Debug || !named, "{line}");
    }
}

const HIDING: [&str; 3] = [
    "cp:copyControl=\"bcc\"",
    "cp:copyControl=\"to\" cp:anonymize=\"true\"",
    "cp:copyControl=\"cc\" cp:anonymize=\"1\"",
];

#[test]
fn a_hidden_target_is_named_to_its_referrer_only() {
    interleaved_over(&HIDING, |world, cast, attributes| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.bob);
        world.manners(cast.carol).asserted = vec![CAROL.into()];
        let refer = refers_hidden(world, cast.alice, CAROL, attributes);
        world.run(75_000);
        let body = |told: &str| told.contains(CAROL);
        let mut told_alice = world.promise(cast.alice, &refer).told.iter();
        assert!(told_alice.any(|told| told.status == 200 && body(&told.body)));
        assert!(world.is_in(cast.carol) && world.is_in(cast.dave));
        unheard_of(world, &[cast.bob, cast.dave]);
        world.end();
    });
}

/// Others see that somebody is there, the person itself sees which entry is its own, and an administrator
/// can remove that entry.
#[test]
fn a_hidden_target_is_shown_as_somebody() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.bob);
        refers_hidden(world, cast.alice, CAROL, HIDING[0]);
        world.run(20_000);
        watch(world, cast.carol);
        let own = told(world, cast.carol).pop().expect("a document").body;
        assert_valid(std::slice::from_ref(&own));
        assert_eq!(
            standing(&own, SHOWN).as_deref(),
            Some("connected dialed-out")
        );
        assert!(user(&own, SHOWN).is_some_and(|user| user.contains("yourown=\"true\"")));
        assert_eq!(text(&own, "user-count"), Some("4"));
        watch(world, cast.bob);
        let others = told(world, cast.bob).pop().expect("a document").body;
        assert!(
            users(&others).contains(&SHOWN) && users(&others).contains(&DAVE),
            "{others}"
        );
        assert!(user(&others, SHOWN).is_some_and(|user| !user.contains("yourown")));
        // What she does herself does not name her either.
        let number = world.refers(cast.carol, "sip:erin@home1.test", "");
        assert_eq!(world.outcome(cast.carol, &number), 403);
        let removal = world.refers(cast.alice, &format!("{SHOWN};method=BYE"), "");
        world.run(20_000);
        assert_eq!(world.told(cast.alice, &removal).last(), Some(&(200, true)));
        assert!(!world.is_in(cast.carol));
        unheard_of(world, &[cast.bob, cast.dave]);
    });
}

/// Clients that know nothing of copyControl write none: they hide nobody.
#[test]
fn a_list_without_copy_control_hides_nobody() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.bob);
        refers_hidden(world, cast.alice, CAROL, "");
        world.run(20_000);
        watch(world, cast.bob);
        let document = told(world, cast.bob).pop().expect("a document").body;
        assert!(users(&document).contains(&CAROL), "{document}");
    });
}

/// A hidden target that gets no INVITE is nobody's business but the referrer's.
#[test]
fn a_hidden_target_that_may_not_come_is_not_shown() {
    interleaved(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.bob);
        let refer = refers_hidden(world, cast.alice, MALLORY, HIDING[0]);
        world.run(75_000);
        let told = &world.promise(cast.alice, &refer).told;
        assert!(told
            .iter()
            .any(|told| told.status == 403 && told.body.contains(MALLORY)));
        for sent in world.sent_to(cast.bob, "NOTIFY") {
            assert!(!sent.text.contains("mallory"), "{}", sent.text);
        }
        for (level, line) in &world.logs {
            let named = line.contains("mallory") || line.contains("sip:m***");
            assert!(*level == Level::Debug || !named, "{line}");
        }
        world.end();
    });
}

/// What those who watch were told: a name is taken back from who has heard it, and from nobody else.
fn coherent(world: &World, peer: usize) -> bool {
    let (mut named, mut taken_back) = (false, false);
    for told in told(world, peer) {
        let Some(element) = user(&told.body, CAROL) else {
            continue;
        };
        let start = element.split('>').next().unwrap_or_default();
        if start.contains("state=\"deleted\"") {
            assert!(named, "told of a name that was never said: {}", told.body);
            taken_back = true;
        } else {
            assert!(!taken_back, "{}", told.body);
            named = true;
        }
    }
    assert_eq!(named, taken_back);
    named
}

fn invited(world: &mut World, cast: Cast, privacy: &str) {
    world.manners(cast.carol).accepts = format!("Privacy: {privacy}\r\n");
    world.manners(cast.carol).asserted = vec![CAROL.into()];
    world.join(cast.alice);
    world.join(cast.bob);
    world.join(cast.dave);
}

#[test]
fn a_target_that_accepts_anonymously_is_not_named_from_then_on() {
    interleaved_over(&["id", "user", "header;ID"], |world, cast, privacy| {
        invited(world, cast, privacy);
        watch(world, cast.bob);
        let refer = world.refers(cast.alice, CAROL, "");
        world.run(75_000);
        assert_eq!(world.told(cast.alice, &refer).last(), Some(&(200, true)));
        watch(world, cast.dave);
        world.run(75_000);
        coherent(world, cast.bob);
        assert!(!coherent(world, cast.dave));
        for peer in [cast.bob, cast.dave] {
            watch(world, peer);
            // The document follows an empty NOTIFY.
            world.run(75_000);
            let last = documents(world, peer).pop().expect("a document");
            assert!(users(&last).contains(&SHOWN), "{last}");
            assert!(!last.contains("carol"), "{last}");
        }
    });
}

/// Who was paced while she was invited has not heard her name, and does not hear it when it is taken back.
#[test]
fn a_name_that_was_not_told_is_not_taken_back() {
    interleaved(|world, cast| {
        invited(world, cast, "id");
        watch(world, cast.bob);
        // The next change within the interval is held back.
        world.joins(cast.number);
        world.run(300);
        watch(world, cast.dave);
        world.refers(cast.alice, CAROL, "");
        world.run(75_000);
        for peer in [cast.bob, cast.dave] {
            coherent(world, peer);
        }
        world.end();
    });
}

/// A phone that lost its connection comes back by itself; that does not make its user known.
#[test]
fn who_was_invited_in_secret_and_comes_back_is_not_named() {
    perfectly(|world, cast| {
        world.join(cast.alice);
        world.join(cast.bob);
        watch(world, cast.bob);
        refers_hidden(world, cast.alice, CAROL, HIDING[0]);
        world.run(20_000);
        assert!(world.is_in(cast.carol));
        world.leaves(cast.carol);
        world.run(2_000);
        world.join(cast.carol);
        world.run(20_000);
        unheard_of(world, &[cast.bob, cast.dave]);
    });
}
