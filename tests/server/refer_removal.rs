//! REFER with method BYE (requirements.md section 2.6): out of the session, in every spelling.

use crate::kit::lists::{entry, list, with_list};
use crate::kit::refer::{expect_end, expect_final, expect_notify, expect_outcome, expect_trying};
use crate::kit::{
    check, pair, Group, Leg, Msg, Rule, Scene, Setup, Transport, ALICE, BOB, CAROL, DAVE, PLACES,
    QUIET,
};

const HOSTED: &str = "sip:hosted@groups.home1.test";

/// A group in which everybody may join and only alice may invite and put out.
fn hosted(members: &[&str]) -> Group {
    let rules = [
        Rule::everybody()
            .allow("join-handling")
            .allow("allow-initiate-conference"),
        Rule::one(ALICE)
            .allow("oxe:allow-expelling")
            .allow("allow-invite-users-dynamically"),
    ];
    Group::new(HOSTED, members, &rules)
}

fn in_hosted<const N: usize>(transport: Transport, who: [&str; N]) -> (Scene, [Leg; N]) {
    let group = hosted(&who);
    let scene = Scene::with(Setup::new([&group]), transport);
    let legs = who.map(|one| scene.participant(one, &group));
    (scene, legs)
}

/// A list without a Refer-To of its own, so that the test says where the method stands.
fn listed(refer: Msg, entries: &[String], refer_to: &str) -> Msg {
    with_list(refer.with("Require", "multiple-refer"), list(entries)).with("Refer-To", refer_to)
}

fn is_removal(bye: &Msg) {
    assert_eq!(
        bye.need("Reason").replace(' ', ""),
        "SIP;cause=200;text=\"Callcompleted\"",
        "{bye}"
    );
}

over_udp_and_tcp! { every_spelling_of_the_method_puts_out }

fn every_spelling_of_the_method_puts_out(transport: Transport) {
    let single = [
        "<TARGET;method=BYE>",
        "<TARGET;method=bye>",
        "<TARGET>;method=BYE",
        "TARGET;method=BYE",
        "<TARGET?method=BYE>",
        "<TARGET;method=BYE>;text",
    ];
    // Where the method stands in the Refer-To of a list, and where in its entry.
    let lists = [
        ("<cid:list@home1.test>;method=BYE", "TARGET"),
        ("<cid:list@home1.test;method=BYE>", "TARGET"),
        ("<cid:list@home1.test>", "TARGET;method=BYE"),
        ("<cid:list@home1.test>", "TARGET?method=BYE"),
        ("<cid:list@home1.test>;method=INVITE", "TARGET;method=BYE"),
    ];
    let members: Vec<String> = (0..=single.len() + lists.len())
        .map(|n| format!("sip:m{n}@home1.test"))
        .collect();
    let all: Vec<&str> = members.iter().map(String::as_str).chain([ALICE]).collect();
    let group = hosted(&all);
    let scene = Scene::with(Setup::new([&group]), transport);
    let mut alice = scene.participant(ALICE, &group);
    // The last one stays, so that the session does.
    let legs: Vec<Leg> = members
        .iter()
        .map(|m| scene.participant(m, &group))
        .collect();
    for (n, (leg, target)) in legs.iter().zip(&members).enumerate() {
        let named = |text: &str| text.replace("TARGET", target);
        let refer = match (single.get(n), lists.get(n.saturating_sub(single.len()))) {
            (Some(spelling), _) => alice.refer(&named(spelling)),
            (None, Some((refer_to, written))) => {
                let entries = [entry(&named(written), "")];
                listed(alice.refer(""), &entries, refer_to)
            }
            (None, None) => break,
        };
        let refer = refer.with("Refer-Sub", "false");
        let answer = alice.send(&refer).answer();
        assert_eq!(answer.status(), 200, "{refer}\n{answer}");
        is_removal(&leg.dialog.expect("BYE").msg);
    }
    scene.nobody_invited();
}

#[test]
fn a_list_puts_out_several_and_tells_of_each() {
    let (scene, [mut alice, bob, carol, _dave]) =
        in_hosted(Transport::Udp, [ALICE, BOB, CAROL, DAVE]);
    let entries = [BOB, CAROL, "sip:nobody@home1.test"].map(|who| entry(who, ""));
    let refer = listed(
        alice.refer(""),
        &entries,
        "<cid:list@home1.test;method=BYE>",
    );
    check::accepted(&alice.send(&refer).answer());
    for leg in [&bob, &carol] {
        is_removal(&leg.dialog.expect("BYE").msg);
    }
    expect_trying(alice.ua(), refer.call_id());
    for (who, status, state) in [
        (BOB, 200, "active"),
        (CAROL, 200, "active"),
        ("sip:nobody@home1.test", 404, "terminated"),
    ] {
        let told = expect_notify(alice.ua(), refer.call_id());
        assert_eq!(
            (told.status, told.state.as_str()),
            (status, state),
            "{}",
            told.body
        );
        assert!(told.body.contains(&format!("To: <{who}>")), "{}", told.body);
    }
    scene.nobody_invited();
}

#[test]
fn a_list_that_mixes_methods_does_nothing() {
    let (scene, [mut alice, bob, _carol]) = in_hosted(Transport::Udp, [ALICE, BOB, CAROL]);
    let bye = entry(&format!("{BOB};method=BYE"), "");
    let [plain, invite] =
        [DAVE.to_string(), format!("{DAVE};method=INVITE")].map(|uri| entry(&uri, ""));
    for entries in [[&bye, &plain], [&bye, &invite], [&invite, &bye]] {
        let entries = entries.map(String::clone);
        let refer = listed(alice.refer(""), &entries, "<cid:list@home1.test>");
        check::refused(&alice.send(&refer).answer(), 400, None);
    }
    let message = entry(&format!("{BOB};method=MESSAGE"), "");
    for entries in [&[message.clone(), entry(CAROL, "")][..], &[message]] {
        let refer = listed(alice.refer(""), entries, "<cid:list@home1.test>");
        check::refused(&alice.send(&refer).answer(), 488, None);
    }
    bob.dialog.expect_none("BYE", QUIET);
    scene.nobody_invited();
}

over_udp_and_tcp! { who_still_rings_is_cancelled }

fn who_still_rings_is_cancelled(transport: Transport) {
    let (scene, mut alice, _bob) = pair(transport, |setup| setup);
    let first = alice.refer(&format!("<{CAROL}>"));
    check::accepted(&alice.send(&first).answer());
    let invite = scene.invite_for(CAROL);
    scene.targets.reply(&invite, 180, &[]);
    expect_trying(alice.ua(), first.call_id());
    let second = alice.refer_outside(&format!("<{CAROL};method=BYE>"));
    check::accepted(&alice.send(&second).answer());
    let cancel = scene.targets.expect("CANCEL");
    assert_eq!(cancel.msg.call_id(), invite.msg.call_id());
    expect_outcome(alice.ua(), second.call_id(), 200);
    expect_final(alice.ua(), first.call_id(), 487);
    scene.targets.expect_none("BYE", QUIET);
}

#[test]
fn who_is_not_in_cannot_be_put_out() {
    let (scene, [mut alice, bob]) = in_hosted(Transport::Udp, [ALICE, BOB]);
    for place in PLACES {
        let refer = alice.refer_at(place, "<sip:nobody@home1.test;method=BYE>");
        check::accepted(&alice.send(&refer).answer());
        expect_outcome(alice.ua(), refer.call_id(), 404);
    }
    bob.dialog.expect_none("BYE", QUIET);
    scene.nobody_invited();
}

#[test]
fn putting_oneself_out_is_leaving() {
    let (scene, [mut alice, bob, _carol]) = in_hosted(Transport::Udp, [ALICE, BOB, CAROL]);
    let refer = alice.refer(&format!("<{ALICE};method=BYE>"));
    check::accepted(&alice.send(&refer).answer());
    alice.dialog.expect("BYE");
    expect_outcome(alice.ua(), refer.call_id(), 200);
    bob.dialog.expect_none("BYE", QUIET);
    // Nobody put her out: she may come back.
    scene.join(alice.ua(), HOSTED);
}

#[test]
fn the_result_is_told_before_the_session_that_ends_of_it() {
    let (_scene, [mut alice, bob]) = in_hosted(Transport::Udp, [ALICE, BOB]);
    let refer = alice.refer(&format!("<{BOB};method=BYE>"));
    check::accepted(&alice.send(&refer).answer());
    is_removal(&bob.dialog.expect("BYE").msg);
    let told = expect_end(alice.ua(), refer.call_id());
    assert_eq!(told.status, 200, "{}", told.body);
    let bye = alice.dialog.expect("BYE");
    check::gone(&bye.msg);
    assert!(bye.msg.cseq() > told.incoming.msg.cseq(), "{}", bye.msg);
}

over_udp_and_tcp! { who_was_put_out_comes_back_by_invitation_only }

fn who_was_put_out_comes_back_by_invitation_only(transport: Transport) {
    let (scene, [mut alice, bob, _carol]) = in_hosted(transport, [ALICE, BOB, CAROL]);
    check::accepted(&alice.referred(&format!("<{BOB};method=BYE>")));
    bob.dialog.expect("BYE");
    for uri in [HOSTED, &alice.focus] {
        let again = scene.send(bob.ua(), &scene.invite(bob.ua(), uri)).answer();
        check::refused(&again, 403, Some("127 Service not authorised"));
    }
    // Alice invites bob again, and he leaves without a reason.
    check::accepted(&alice.referred(&format!("<{BOB}>")));
    let invite = scene.invite_for(BOB);
    let mut invited = scene.accept(&invite);
    let bye = invited
        .request("BYE")
        .with("P-Asserted-Identity", format!("<{BOB}>"));
    check::accepted(&invited.send(&bye).answer());
    // Now he may come by himself again.
    scene.join(bob.ua(), HOSTED);
}
