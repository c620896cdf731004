//! Ad-hoc sessions: the INVITE to the conference factory that makes one, and who comes of its list.

use super::{Dialog, Group, Msg, Scene, Script, Setup, Transport, Ua};

pub const FACTORY: &str = "sip:conference-factory@conf.home1.test";

/// A server without groups.
pub fn scene(transport: Transport) -> Scene {
    Scene::with(Setup::new(Vec::<Group>::new()), transport)
}

/// The same, and every target accepts.
pub fn accepting(transport: Transport) -> Scene {
    let scene = scene(transport);
    scene.target(Script::on("INVITE").accept());
    scene
}

/// An INVITE to the factory with an offer and that list.
pub fn creation(scene: &Scene, ua: &Ua, xml: &str) -> Msg {
    let invite = scene
        .invite(ua, FACTORY)
        .with("Require", "recipient-list-invite");
    let body = format!(
        "--b1\r\nContent-Type: application/sdp\r\n\r\n{}\r\n--b1\r\nContent-Type: application/resource-lists+xml\r\n\
         Content-Disposition: recipient-list\r\n\r\n{xml}\r\n--b1--\r\n",
        invite.body_text()
    );
    invite.body("multipart/mixed;boundary=\"b1\"", body)
}

/// The dialog of a target that a script has let accept.
pub fn accepted(scene: &Scene, uri: &str) -> Dialog {
    let leg = scene.leg_of(&scene.invite_for(uri));
    leg.expect("ACK");
    leg
}
