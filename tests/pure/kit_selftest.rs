//! The test kit tested with itself: two endpoints talk to each other, the parser reads what it wrote.

use crate::kit::sip::{param, split_top, uri_of};
use crate::kit::transport::next_frame;
use crate::kit::{wire, Dialog, Msg, OnCancel, Script, Transport, Ua, QUIET, SOON};
use std::time::Duration;

fn pair(transport: Transport) -> (Ua, Ua) {
    (
        Ua::new("sip:alice@home1.test", transport),
        Ua::new("sip:carol@home1.test", transport),
    )
}

fn invite_to(caller: &Ua, callee: &Ua) -> Msg {
    caller.request("INVITE", &callee.contact_uri())
}

fn talk(transport: Transport) {
    let (alice, carol) = pair(transport);
    carol.script(Script::on("INVITE").reply(180).accept());
    let sent = alice.send(carol.local(), &invite_to(&alice, &carol));
    assert_eq!(
        sent.response(SOON, |s| s == 180)
            .expect("it rings")
            .msg
            .status(),
        180
    );
    let answer = sent.answer();
    assert_eq!(answer.status(), 200);
    assert!(answer.body_text().contains("a=path:msrp://"));
    let invite = carol.expect("INVITE");
    let mut leg = Dialog::as_uac(&sent, &answer);
    leg.ack(1);
    let ack = carol.expect("ACK");
    assert_eq!(ack.msg.tag_to(), Some(carol.tag_for(&invite.msg)));
    assert_eq!(leg.bye().status(), 200);
    let far = Dialog::as_uas(&carol, alice.local(), &invite, &answer);
    assert!(far.holds(&ack.msg) && far.holds(&carol.expect("BYE").msg));
}

#[test]
fn two_endpoints_set_up_and_end_a_dialog_over_udp() {
    talk(Transport::Udp);
}

#[test]
fn two_endpoints_set_up_and_end_a_dialog_over_tcp() {
    talk(Transport::Tcp);
}

#[test]
fn an_endpoint_can_live_on_ipv6() {
    let alice = Ua::on("::1", "sip:alice@home1.test", Transport::Udp);
    let carol = Ua::on("::1", "sip:carol@home1.test", Transport::Udp);
    let sent = alice.send(
        carol.local(),
        &alice.request("OPTIONS", &carol.contact_uri()),
    );
    assert_eq!(sent.answer().status(), 200);
    assert!(carol
        .expect("OPTIONS")
        .msg
        .request_uri()
        .contains("@[::1]:"));
}

#[test]
fn a_retransmission_is_answered_alike_and_is_not_a_new_request() {
    let (alice, carol) = pair(Transport::Udp);
    let sent = alice.send(
        carol.local(),
        &alice.request("OPTIONS", &carol.contact_uri()),
    );
    let first = sent
        .response(SOON, |s| s == 200)
        .expect("an answer")
        .raw
        .clone();
    sent.resend();
    assert_eq!(sent.response(SOON, |s| s == 200).expect("again").raw, first);
    assert_eq!(carol.count("OPTIONS"), 1);
    assert!(carol.inbox().all().iter().any(|i| i.again));
}

#[test]
fn cancel_ends_a_ringing_invite() {
    let (alice, carol) = pair(Transport::Udp);
    carol.script(Script::on("INVITE").reply(180));
    let sent = alice.send(carol.local(), &invite_to(&alice, &carol));
    sent.response(SOON, |s| s == 180).expect("it rings");
    let cancel = sent.msg.cancel();
    assert_eq!(alice.send(carol.local(), &cancel).answer().status(), 200);
    assert_eq!(sent.answer().status(), 487);
}

#[test]
fn a_script_can_accept_although_cancelled() {
    let (alice, carol) = pair(Transport::Udp);
    carol.script(
        Script::on("INVITE")
            .reply(180)
            .on_cancel(OnCancel::AcceptLate),
    );
    let sent = alice.send(carol.local(), &invite_to(&alice, &carol));
    sent.response(SOON, |s| s == 180).expect("it rings");
    alice.send(carol.local(), &sent.msg.cancel());
    assert_eq!(sent.answer().status(), 200);
}

#[test]
fn a_slow_script_can_be_cancelled_and_the_last_rule_that_fits_wins() {
    let (alice, carol) = pair(Transport::Udp);
    carol.script(
        Script::on("INVITE")
            .to("carol@")
            .reply(180)
            .wait(Duration::from_secs(3))
            .accept(),
    );
    carol.script(Script::on("INVITE").to("dave@").reply(603));
    let sent = alice.send(carol.local(), &invite_to(&alice, &carol));
    sent.response(SOON, |s| s == 180).expect("it rings");
    assert_eq!(
        alice
            .send(carol.local(), &sent.msg.cancel())
            .answer()
            .status(),
        200
    );
    assert_eq!(sent.answer().status(), 487);
    let dave = alice.request("INVITE", "sip:dave@home1.test");
    assert_eq!(alice.send(carol.local(), &dave).answer().status(), 603);
    carol.expect_none("BYE", QUIET);
}

#[test]
fn a_message_survives_being_written_and_read() {
    let msg = Msg::request("REFER", "sip:focus@conf.home1.test")
        .with(
            "v",
            "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKx, SIP/2.0/UDP other;branch=z9hG4bKy",
        )
        .with("f", "\"A, <B>\" <sip:a@b>;tag=1")
        .with("r", "<sip:c@d;method=INVITE>")
        .body("text/plain", "hello");
    let read = Msg::parse(&msg.to_bytes()).expect("it parses");
    assert_eq!(read.body_text(), "hello");
    assert_eq!(read.need("Refer-To"), "<sip:c@d;method=INVITE>");
    assert_eq!(read.tag_from().as_deref(), Some("1"));
    assert_eq!(read.branch().as_deref(), Some("z9hG4bKx"));
    assert_eq!(read.list("Via").len(), 2);
    assert_eq!(read.without("From").header("f"), None);
}

#[test]
fn values_are_taken_apart_as_the_grammar_says() {
    assert_eq!(uri_of("\"x <y>\" <sip:a@b;p=1>;tag=2"), "sip:a@b;p=1");
    assert_eq!(uri_of("sip:a@b;tag=2"), "sip:a@b");
    assert_eq!(
        param("<sip:a@b;tag=no>;x;tag=2", "TAG").as_deref(),
        Some("2")
    );
    assert_eq!(param("<sip:a@b>;isfocus", "isfocus").as_deref(), Some(""));
    assert_eq!(
        split_top("\"a,b\" <sip:x,y>, c", ','),
        ["\"a,b\" <sip:x,y>", "c"]
    );
}

#[test]
fn a_stream_is_cut_into_messages() {
    let one = Msg::request("OPTIONS", "sip:a")
        .with("Call-ID", "1")
        .body("text/plain", "abc")
        .to_bytes();
    let mut stream = [b"\r\n\r\n".as_slice(), &one, &one[..20]].concat();
    assert_eq!(next_frame(&mut stream).as_deref(), Some(one.as_slice()));
    assert_eq!(next_frame(&mut stream), None);
    stream.extend_from_slice(&one[20..]);
    assert_eq!(next_frame(&mut stream).as_deref(), Some(one.as_slice()));
    assert!(stream.is_empty());
}

#[test]
fn what_is_wrong_on_the_wire_is_seen() {
    let (alice, carol) = pair(Transport::Udp);
    let fine = alice
        .request("OPTIONS", &carol.contact_uri())
        .and("Via", alice.via(Transport::Udp));
    assert_eq!(wire::faults(&fine.to_bytes(), true), Vec::<String>::new());
    for broken in [
        fine.clone().without("Max-Forwards"),
        fine.clone().and("To", "<sip:x@y>"),
        fine.clone().with("CSeq", "1 BYE"),
        fine.clone().with("Content-Length", "5"),
        fine.clone().with("From", "<sip:a@b>"),
        fine.clone().with("Via", "SIP/2.0/UDP 127.0.0.1;branch=1"),
    ] {
        assert!(
            !wire::faults(&broken.to_bytes(), true).is_empty(),
            "{broken}"
        );
    }
    let mut order = wire::Order::default();
    assert_eq!(order.note(&fine), None);
    assert!(order.note(&fine).is_some(), "the same number again");
}

#[test]
fn a_module_to_test_is_not_left_untested() {
    let named = std::env::var_os("CPM_MODULE").is_some();
    assert!(
        !named || cfg!(feature = "server-tests"),
        "CPM_MODULE names a module, but the server tests are not compiled in: add --features server-tests"
    );
}
