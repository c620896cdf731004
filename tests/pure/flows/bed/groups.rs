//! The group document of the test world and the settings of its focus.

use std::sync::Arc;

use cpm::cpm::client_forms::ClientForms;
use cpm::cpm::policy::{adhoc_document, AdhocPolicy, Directory, Group, InviteBy};
use cpm::cpm::settings::{Rates, Settings};
use cpm::cpm::socket::{Socket, Transport};
use cpm::cpm::warning_texts::WarningTexts;
use cpm::sip::identity::Identity;
use cpm::sip::uri::Uri;

pub const FACTORY: &str = "sip:conference-factory@conf.home1.test";
pub const GROUP: &str = "sip:team@conf.home1.test";

/// Everybody of home1.test but mallory may come; alice, bob and whoever is a number may invite;
/// alice and bob may be anonymous and may remove others; whoever is in may watch. Everybody of away.test may come and nothing else.
pub fn team(max: Option<u32>) -> Directory {
    load(document(&max.map_or(String::new(), |max| {
        format!("<max-participant-count>{max}</max-participant-count>")
    })))
}

fn document(more: &str) -> String {
    format!(
        r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:oxe="urn:oma:xml:xdm:extensions" xmlns:own="urn:x-cpm:group-policy">
 <list-service uri="{GROUP}">
  <list><entry uri="sip:alice@home1.test"/><entry uri="tel:+358401234567"/></list>
  {more}
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
     <allow-anonymity>true</allow-anonymity>
     <oxe:allow-expelling>true</oxe:allow-expelling></cp:actions></cp:rule>
   <cp:rule id="present"><cp:conditions><own:participant/></cp:conditions>
    <cp:actions><allow-conference-state>true</allow-conference-state></cp:actions></cp:rule>
  </cp:ruleset>
 </list-service>
</group>"#
    )
}

fn load(document: String) -> Directory {
    let (directory, problems) = Directory::load([("team.xml", document)]);
    assert!(problems.is_empty(), "{problems:?}");
    directory
}

/// The same group, whose members are all invited when its session starts.
pub fn called_together() -> Directory {
    load(document("<invite-members>true</invite-members>"))
}

/// The same group, in which alice and bob may give the role of an administrator and take it.
pub fn team_with_roles() -> Directory {
    let may = "<oxe:allow-expelling>true</oxe:allow-expelling>";
    let more = format!("{may}<own:allow-role-change>true</own:allow-role-change>");
    load(document("").replace(may, &more))
}

/// The same group, which everybody of home1.test may watch from outside as well.
pub fn watched_from_outside() -> Directory {
    let home = "<cp:identity><cp:many domain=\"home1.test\"/></cp:identity>";
    load(document("").replace("<own:participant/>", home))
}

/// Hosts that may stand for numbers, in every session of the test world.
const PHONE_DOMAINS: [&str; 2] = ["conf.home1.test", "home1.test"];

/// Who a URI stands for in the test world.
pub fn identity(uri: &Uri) -> Identity {
    Identity::of(uri).number_where(|host| PHONE_DOMAINS.contains(&host))
}

pub fn settings() -> Settings {
    let uri = Uri::parse(FACTORY.as_bytes());
    let adhoc = adhoc_document(AdhocPolicy {
        allow_anonymity: false,
        invite_by: InviteBy::Participants,
    });
    let adhoc = Group::parse(adhoc.as_bytes()).expect("the document of ad-hoc sessions");
    Settings {
        domain: "conf.home1.test".into(),
        factory: uri.expect("a URI of the test"),
        contact_host: None,
        msrp_uri: None,
        msrp_fingerprint: None,
        msrp_chatroom: Some("nickname private-messages".into()),
        session_expires: 1_800,
        min_se: 90,
        orig_route: Vec::new(),
        refer_ok_code: 200,
        max_refer_targets: 100,
        strict: false,
        precheck_targets: false,
        inactivity_timeout: 0,
        client_forms: ClientForms::default(),
        first_notify_delay: 50,
        invite_rate: 50,
        adhoc_policy: Arc::new(adhoc),
        phone_domains: PHONE_DOMAINS.map(str::to_owned).to_vec(),
        max_participants: 100,
        min_participants: 2,
        invite_timeout: 60_000,
        refer_notify_interval: 1_000,
        conference_notify_interval: 5_000,
        max_subscriptions: 200,
        max_person_subscriptions: 10,
        target_next_hop: false,
        rates: Rates::new(10, 100, 500, 1_000),
        sockets: vec![Socket {
            transport: Transport::Udp,
            address: [127, 0, 0, 1].into(),
            port: 5060,
        }],
        warnings: WarningTexts::default(),
    }
}
