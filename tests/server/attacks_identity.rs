//! Attacks on who is who: a member, or somebody with the words of one, wants to be taken for another.

use crate::kit::refer::expect_trying;
use crate::kit::sip::uri_of;
use crate::kit::watch::subscribe;
use crate::kit::{check, pair, Leg, Msg, Transport, BOB, CAROL};

/// REFER of alice's endpoint, outside a dialog, that names another's dialog as the focus sees it
/// (RFC 4538 section 3).
fn naming_dialog_of(other: &Leg, refer: Msg) -> Msg {
    let tag = |tag: Option<String>| tag.expect("a dialog has tags");
    let value = format!(
        "{};local-tag={};remote-tag={}",
        other.call_id(),
        tag(other.dialog.remote_tag()),
        tag(other.dialog.local_tag())
    );
    refer.with("Target-Dialog", value)
}

/// Without an asserted identity nobody is anybody, whatever dialog is named; what was answered leaves
/// nothing behind.
#[test]
fn a_known_dialog_is_no_identity() {
    let (scene, alice, bob) = pair(Transport::Udp, |setup| setup);
    for other in [&bob, &alice] {
        let refer = naming_dialog_of(other, alice.refer_outside(&format!("<{CAROL}>")));
        let nobody = refer.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
        let watch = naming_dialog_of(other, subscribe(&alice, &alice.focus));
        let nobody = watch.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
        let join = naming_dialog_of(other, scene.invite(alice.ua(), &alice.focus));
        let nobody = join.without("P-Asserted-Identity");
        check::refused(&alice.send(&nobody).answer(), 403, None);
    }
    scene.nobody_invited();
    // The same dialog, and somebody who is asserted: it is his own REFER.
    let refer = naming_dialog_of(&alice, bob.refer_outside(&format!("<{CAROL}>")));
    check::accepted(&bob.send(&refer).answer());
    expect_trying(bob.ua(), refer.call_id());
    let invite = scene.invite_for(CAROL);
    assert_eq!(
        uri_of(invite.msg.need("Referred-By")),
        BOB,
        "{}",
        invite.msg
    );
}
