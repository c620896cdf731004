//! The group document of the test world and the settings of its focus.
//! Not here: who the endpoints are.

use cpm::cpm::policy::Directory;
use cpm::cpm::settings::{Settings, Socket, Transport};
use cpm::cpm::text::WarningTexts;
use cpm::sip::uri::Uri;

pub const GROUP: &str = "sip:team@conf.home1.test";

/// Everybody of home1.test but mallory may come; alice, bob and whoever is a number may invite;
/// alice may be anonymous. Everybody of away.test may come and nothing else.
pub fn team(max: Option<u32>) -> Directory {
    let max = max.map_or(String::new(), |max| {
        format!("<max-participant-count>{max}</max-participant-count>")
    });
    let document = format!(
        r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:cp="urn:ietf:params:xml:ns:common-policy">
 <list-service uri="{GROUP}">
  <list><entry uri="sip:alice@home1.test"/><entry uri="tel:+358401234567"/></list>
  {max}
  <cp:ruleset>
   <cp:rule id="members"><cp:conditions><is-list-member/></cp:conditions>
    <cp:actions><join-handling>true</join-handling>
     <allow-invite-users-dynamically>true</allow-invite-users-dynamically></cp:actions></cp:rule>
   <cp:rule id="home"><cp:conditions><cp:identity>
     <cp:many domain="home1.test"><cp:except id="sip:mallory@home1.test"/></cp:many>
     <cp:many domain="away.test"/></cp:identity></cp:conditions>
    <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>
   <cp:rule id="hosts"><cp:conditions><cp:identity>
     <cp:one id="sip:alice@home1.test"/><cp:one id="sip:bob@home1.test"/></cp:identity></cp:conditions>
    <cp:actions><allow-invite-users-dynamically>true</allow-invite-users-dynamically>
     <allow-anonymity>true</allow-anonymity></cp:actions></cp:rule>
  </cp:ruleset>
 </list-service>
</group>"#
    );
    let (directory, problems) = Directory::load([("team.xml", document)]);
    assert!(problems.is_empty(), "{problems:?}");
    directory
}

pub fn settings() -> Settings {
    let uri = Uri::parse(b"sip:conference-factory@conf.home1.test");
    Settings {
        domain: "conf.home1.test".into(),
        factory: uri.expect("a URI of the test"),
        contact_host: None,
        msrp_uri: None,
        orig_route: Vec::new(),
        refer_ok_code: 200,
        max_participants: 100,
        min_participants: 2,
        invite_timeout: 60_000,
        refer_notify_interval: 1_000,
        sockets: vec![Socket {
            transport: Transport::Udp,
            host: "127.0.0.1".into(),
            port: 5060,
        }],
        warnings: WarningTexts::default(),
    }
}
