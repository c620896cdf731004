//! The functions as a Lua script calls them (KEMI).

use crate::kit::refer::expect_outcome;
use crate::kit::{check, Group, Msg, Scene, Script, Setup, Transport, Ua, ALICE, BOB, CAROL};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

/// The script serves sessions. A request with X-Ask learns from the reason phrase what a function returned.
const SCRIPT: &str = r#"
function ksr_request_route()
    local ask = KSR.pv.get("$hdr(X-Ask)")
    if ask == "trusted" then
        KSR.sl.sl_send_reply(480, "trusted " .. KSR.cpm.cpm_is_trusted())
    elseif KSR.cpm.cpm_turn_away() == 1 then
        return
    elseif ask == nil then
        if KSR.cpm.cpm_handle_request() == -1 then
            KSR.sl.sl_send_reply(404, "Not ours")
        end
    elseif ask == "refer" then
        KSR.sl.sl_send_reply(480, "refer " .. KSR.cpm.cpm_handle_refer())
    elseif ask == "this" then
        KSR.sl.sl_send_reply(480, "this " .. KSR.cpm.cpm_is_focus())
    else
        KSR.sl.sl_send_reply(480, "that " .. KSR.cpm.cpm_is_focus_uri(ask))
    end
end
"#;

fn group() -> Group {
    Group::open("s", &[ALICE, BOB])
}

/// The server reads the file until it is ready; so long the file has to stay.
fn scripted() -> Scene {
    // The script is read by the server's user, not by who starts it.
    let readable = Permissions::from_mode(0o644);
    let mut file = tempfile::Builder::new();
    let mut file = file.permissions(readable).tempfile().expect("a file");
    file.write_all(SCRIPT.as_bytes()).expect("written");
    let trusted = Setup::new([group()]).env("CPM_TRUSTED", "127.0.0.1");
    let setup = trusted.local_cfg(&format!(
        "#!define CPM_OWN_ROUTES\nloadmodule \"app_lua.so\"\nmodparam(\"app_lua\", \"load\", \"{}\")\ncfgengine \"lua\"",
        file.path().display()
    ));
    Scene::with(setup, Transport::Udp)
}

fn asked(scene: &Scene, uri: &str, ask: &str) -> String {
    asked_by(&scene.ua(ALICE), scene, uri, ask)
}

fn asked_by(ua: &Ua, scene: &Scene, uri: &str, ask: &str) -> String {
    let answer: Msg = scene
        .send(ua, &ua.request("OPTIONS", uri).with("X-Ask", ask))
        .answer();
    assert_eq!(answer.status(), 480, "{answer}");
    answer.reason().to_owned()
}

#[test]
fn a_lua_script_serves_a_session() {
    let scene = scripted();
    scene.target(Script::on("INVITE").accept());
    let mut alice = scene.participant(ALICE, &group());
    let _bob = scene.participant(BOB, &group());
    check::accepted(&alice.referred(&format!("<{CAROL}>")));
    expect_outcome(alice.ua(), alice.call_id(), 200);
    check::accepted(&alice.dialog.bye());
}

#[test]
fn a_lua_script_gets_the_return_codes() {
    let scene = scripted();
    let alice = scene.participant(ALICE, &group());
    let elsewhere = "sip:somebody@elsewhere.test";
    let ours = "sip:nobody@conf.home1.test";
    for (uri, code) in [
        (&*alice.focus, 1),
        (&group().uri, 1),
        (ours, -1),
        (elsewhere, -1),
    ] {
        assert_eq!(asked(&scene, uri, "this"), format!("this {code}"), "{uri}");
        assert_eq!(
            asked(&scene, elsewhere, uri),
            format!("that {code}"),
            "{uri}"
        );
    }
    assert_eq!(asked(&scene, &alice.focus, "refer"), "refer -1", "no REFER");
    let options = alice.ua().request("OPTIONS", elsewhere);
    check::refused(&scene.send(alice.ua(), &options).answer(), 404, None);
}

#[test]
fn a_lua_script_turns_strangers_away() {
    let scene = scripted();
    let stranger = Ua::on("127.0.0.2", ALICE, Transport::Udp);
    let elsewhere = "sip:somebody@elsewhere.test";
    assert_eq!(asked(&scene, elsewhere, "trusted"), "trusted 1");
    let told = asked_by(&stranger, &scene, elsewhere, "trusted");
    assert_eq!(told, "trusted -1");
    for uri in [elsewhere, &group().uri, "sip:conf.home1.test"] {
        let options = stranger.request("OPTIONS", uri);
        check::refused(&scene.send(&stranger, &options).answer(), 403, None);
    }
    assert_eq!(scene.server.statistic("untrusted_requests"), 3);
}
