//! The module's parameters and what they must be. A mistake names the parameter, its value, what was
//! expected and an example.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

use super::modparam_values::{
    check_host, check_msrp, number, quoted, routes, text, trusted, uri, wrong, ConfigError,
};
use crate::cpm::client_forms::ClientForms;
use crate::cpm::policy::{adhoc_document, AdhocPolicy, Group, InviteBy};
use crate::cpm::settings::{Rates, Settings};
use crate::cpm::socket::Socket;
use crate::cpm::time::Micros;
use crate::cpm::warning_texts::WarningTexts;
use crate::document_file::read_document;
use crate::kamailio::params::{IntParam, StringParam};
use crate::kamailio::sockets;
use crate::sip::identity::Identity;
use crate::sip::sdp::{is_chatroom, is_fingerprint, CHATROOM_TOKENS};
use crate::sip::uri::Uri;

/// Host part of focus URIs.
pub static DOMAIN: StringParam = StringParam::unset();
/// URI of the conference factory.
pub static FACTORY_URI: StringParam = StringParam::unset();
/// Directory of group documents.
pub static GROUPS_DIR: StringParam = StringParam::unset();
/// Addresses and networks whose P-headers are believed.
pub static TRUSTED_PEERS: StringParam = StringParam::unset();
/// Route set of requests outside a dialog.
pub static ORIG_ROUTE: StringParam = StringParam::unset();
/// Hosts whose `sip:+…` user parts are phone numbers.
pub static PHONE_DOMAINS: StringParam = StringParam::unset();
/// `host[:port]` of our Contacts.
pub static CONTACT_HOST: StringParam = StringParam::unset();
/// MSRP address put into SDP.
pub static MSRP_URI: StringParam = StringParam::unset();
/// Fingerprint of the MSRP switch's certificate.
pub static MSRP_FINGERPRINT: StringParam = StringParam::unset();
/// Words of `a=chatroom`.
pub static MSRP_CHATROOM: StringParam = StringParam::unset();
/// Session interval asked for, seconds; 0: none.
pub static SESSION_EXPIRES: IntParam = IntParam::with_default(1_800);
/// Least session interval, seconds.
pub static MIN_SE: IntParam = IntParam::with_default(90);
/// Answer to an accepted REFER: 200 or 202.
pub static REFER_OK_CODE: IntParam = IntParam::with_default(200);
/// Most entries of one list.
pub static MAX_REFER_TARGETS: IntParam = IntParam::with_default(100);
/// 1: a REFER without a target that may join is refused.
pub static PRECHECK_TARGETS: IntParam = IntParam::with_default(0);
/// How long nothing may happen in a session, ms; 0: for ever.
pub static INACTIVITY_TIMEOUT: IntParam = IntParam::with_default(0);
/// Most live sessions; 0: as many as fit into memory.
pub static MAX_SESSIONS: IntParam = IntParam::with_default(0);
/// 1: refuse what deployed clients do against the rules.
pub static STRICT: IntParam = IntParam::with_default(0);
/// Forms of our INVITE beyond what clients show by themselves.
pub static CLIENT_FORMS: StringParam = StringParam::unset();
/// Least time between a 2xx to REFER or SUBSCRIBE and the first NOTIFY, ms.
pub static FIRST_NOTIFY_DELAY: IntParam = IntParam::with_default(50);
/// What requests of sources that are not trusted get: `refuse` or `drop`.
pub static UNTRUSTED: StringParam = StringParam::unset();
/// 1: requests in a dialog are taken from sources that are not trusted.
pub static UNTRUSTED_IN_DIALOG: IntParam = IntParam::with_default(0);
/// INVITEs per second of one fan-out; 0: no pacing.
pub static INVITE_RATE: IntParam = IntParam::with_default(50);
/// 1: people of ad-hoc sessions may ask for anonymity.
pub static ADHOC_ALLOW_ANONYMITY: IntParam = IntParam::with_default(0);
/// Who may invite into ad-hoc sessions: `participants` or `admins`.
pub static INVITE_BY: StringParam = StringParam::unset();
/// Document that replaces the policy of ad-hoc sessions.
pub static ADHOC_POLICY_FILE: StringParam = StringParam::unset();
/// Most people of a session, connected and pending.
pub static MAX_PARTICIPANTS: IntParam = IntParam::with_default(100);
/// A session that had as many ends when it has fewer.
pub static MIN_PARTICIPANTS: IntParam = IntParam::with_default(2);
/// How long a target may ring, ms.
pub static INVITE_TIMEOUT: IntParam = IntParam::with_default(180_000);
/// Least time between a NOTIFY and a provisional one after it, ms.
pub static REFER_NOTIFY_INTERVAL: IntParam = IntParam::with_default(1_000);
/// Least time between two rounds of conference NOTIFYs, ms.
pub static CONFERENCE_NOTIFY_INTERVAL: IntParam = IntParam::with_default(5_000);
/// Most conference subscriptions of one session.
pub static MAX_SUBSCRIPTIONS: IntParam = IntParam::with_default(200);
/// Most conference subscriptions of one person in one session.
pub static MAX_PERSON_SUBSCRIPTIONS: IntParam = IntParam::with_default(10);
/// REFERs per second of one person; 0: no limit.
pub static REFER_RATE: IntParam = IntParam::with_default(10);
/// INVITEs per second of one session; 0: no limit.
pub static SESSION_RATE: IntParam = IntParam::with_default(100);
/// INVITEs per second to one domain; 0: no limit.
pub static TARGET_RATE: IntParam = IntParam::with_default(500);
/// INVITEs per second to one next hop; 0: no limit.
pub static NEXT_HOP_RATE: IntParam = IntParam::with_default(1_000);
/// Answer to what is too much: 480, 486, 500 or 503.
pub static SHED_STATUS: IntParam = IntParam::with_default(503);
/// How long messages may wait until new requests are refused, ms; 0: they never are.
pub static SHED_QUEUE_DELAY: IntParam = IntParam::with_default(100);
/// 1: port and maddr of a target's URI count where there is no `orig_route`.
pub static TARGET_NEXT_HOP: IntParam = IntParam::with_default(0);
/// Trails of that many REFERs are kept, 8 kB each.
pub static TRAIL_SIZE: IntParam = IntParam::with_default(256);
/// Every `warning_text` in the order of the configuration.
static WARNING_TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// Processes that send what must not wait in a SIP worker.
pub static SENDER_PROCESSES: IntParam = IntParam::with_default(2);
/// For tests: a request with this header panics.
pub static DEBUG_PANIC_HEADER: StringParam = StringParam::unset();
/// For tests: a request with this header says which allocation fails.
pub static DEBUG_FULL_HEADER: StringParam = StringParam::unset();

/// What a request from a source that is not trusted gets (parameter `untrusted`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untrusted {
    /// 403, without a transaction.
    Refuse,
    /// Nothing.
    Drop,
}

/// Everything an operator can say, validated.
pub struct Config {
    pub settings: Settings,
    pub groups_dir: String,
    /// ISC peers whose P-headers are believed.
    pub trusted: Vec<IpNet>,
    /// What requests of all others get.
    pub untrusted: Untrusted,
    /// Except those in a dialog: for laboratories without S-CSCF.
    pub untrusted_in_dialog: bool,
    /// Answer to what is too much.
    pub shed_status: u16,
    /// How long messages may wait until new requests are refused; 0: they never are.
    pub shed_delay: Micros,
    /// How many REFERs the operator can ask about afterwards.
    pub trail_size: u32,
    /// Processes of our own that send what must not wait in a SIP worker.
    pub senders: u32,
    /// Most live sessions; 0: as many as fit into memory.
    pub max_sessions: u32,
    /// For tests only: a request with this header panics inside the module.
    pub debug_panic_header: Option<String>,
    /// For tests only: a request with this header says which of the next allocations of shared memory fails.
    pub debug_full_header: Option<String>,
}

impl Config {
    /// Reads what Kamailio has written; in `mod_init`.
    pub fn read() -> Result<Config, ConfigError> {
        // Unlike most texts it cannot be empty: a variable that was never set must not bring the default.
        let domain = DOMAIN.get().map(|value| value.trim().to_owned());
        let domain = domain.unwrap_or_else(|| "conf.home1.test".to_owned());
        check_host("domain", &domain, "\"conf.example.com\"")?;
        let domain = domain.to_ascii_lowercase();
        let factory = uri(
            "factory_uri",
            &text(&FACTORY_URI).unwrap_or_else(|| format!("sip:conference-factory@{domain}")),
            "\"sip:conference-factory@conf.example.com\"",
        )?;
        let contact_host = text(&CONTACT_HOST).map(|host| host.to_ascii_lowercase());
        if let Some(host) = &contact_host {
            check_host("contact_host", host, "\"conf.example.com\"")?;
        }
        let msrp_uri = text(&MSRP_URI);
        if let Some(uri) = &msrp_uri {
            check_msrp(uri)?;
        }
        let refer_ok_code = match REFER_OK_CODE.get() {
            code @ (200 | 202) => code as u16,
            other => return Err(wrong("refer_ok_code", other, "200 or 202", "202")),
        };
        let shed_status = match SHED_STATUS.get() {
            code @ (480 | 486 | 500 | 503) => code as u16,
            other => return Err(wrong("shed_status", other, "480, 486, 500 or 503", "486")),
        };
        let groups_dir = text(&GROUPS_DIR).ok_or_else(|| {
            wrong(
                "groups_dir",
                "not set",
                "a directory of group documents",
                "\"/etc/kamailio/groups\"",
            )
        })?;
        Ok(Config {
            settings: Settings {
                phone_domains: phone_domains(&domain, contact_host.as_deref())?,
                domain,
                factory,
                contact_host,
                msrp_uri,
                msrp_fingerprint: fingerprint()?,
                msrp_chatroom: chatroom()?,
                session_expires: session_expires()?,
                min_se: min_se()?,
                orig_route: routes(&text(&ORIG_ROUTE).unwrap_or_default())?,
                refer_ok_code,
                max_refer_targets: number(
                    "max_refer_targets",
                    &MAX_REFER_TARGETS,
                    1..=1_000,
                    "100",
                )?,
                client_forms: client_forms()?,
                first_notify_delay: number(
                    "first_notify_delay",
                    &FIRST_NOTIFY_DELAY,
                    0..=5_000,
                    "50",
                )?
                .into(),
                invite_rate: number("invite_rate", &INVITE_RATE, 0..=10_000, "50")?,
                precheck_targets: number("precheck_targets", &PRECHECK_TARGETS, 0..=1, "1")? == 1,
                inactivity_timeout: number(
                    "inactivity_timeout",
                    &INACTIVITY_TIMEOUT,
                    0..=2_147_483_647,
                    "3600000",
                )?
                .into(),
                strict: number("strict", &STRICT, 0..=1, "1")? == 1,
                adhoc_policy: adhoc_policy()?,
                max_participants: number("max_participants", &MAX_PARTICIPANTS, 2..=10_000, "100")?,
                min_participants: number("min_participants", &MIN_PARTICIPANTS, 1..=1_000, "2")?,
                invite_timeout: number(
                    "invite_timeout",
                    &INVITE_TIMEOUT,
                    100..=3_600_000,
                    "180000",
                )?
                .into(),
                refer_notify_interval: number(
                    "refer_notify_interval",
                    &REFER_NOTIFY_INTERVAL,
                    0..=60_000,
                    "1000",
                )?
                .into(),
                conference_notify_interval: number(
                    "conference_notify_interval",
                    &CONFERENCE_NOTIFY_INTERVAL,
                    0..=600_000,
                    "5000",
                )?
                .into(),
                max_subscriptions: number(
                    "max_subscriptions",
                    &MAX_SUBSCRIPTIONS,
                    0..=20_000,
                    "200",
                )?,
                max_person_subscriptions: number(
                    "max_person_subscriptions",
                    &MAX_PERSON_SUBSCRIPTIONS,
                    1..=20_000,
                    "10",
                )?,
                target_next_hop: number("target_next_hop", &TARGET_NEXT_HOP, 0..=1, "1")? == 1,
                rates: Rates::new(
                    number("refer_rate", &REFER_RATE, 0..=10_000, "10")?,
                    number("session_rate", &SESSION_RATE, 0..=10_000, "100")?,
                    number("target_rate", &TARGET_RATE, 0..=100_000, "500")?,
                    number("next_hop_rate", &NEXT_HOP_RATE, 0..=100_000, "1000")?,
                ),
                sockets: sockets::all().into_iter().map(Socket::from).collect(),
                warnings: warnings()?,
            },
            max_sessions: number("max_sessions", &MAX_SESSIONS, 0..=10_000_000, "10000")?,
            groups_dir,
            trusted: trusted(&TRUSTED_PEERS.get().unwrap_or_default())?,
            untrusted: untrusted()?,
            untrusted_in_dialog: number("untrusted_in_dialog", &UNTRUSTED_IN_DIALOG, 0..=1, "1")?
                == 1,
            shed_status,
            shed_delay: Micros::from(number(
                "shed_queue_delay",
                &SHED_QUEUE_DELAY,
                0..=250,
                "100",
            )?) * 1_000,
            trail_size: number("trail_size", &TRAIL_SIZE, 0..=10_000, "1000")?,
            senders: number("sender_processes", &SENDER_PROCESSES, 1..=64, "2")?,
            debug_panic_header: text(&DEBUG_PANIC_HEADER),
            debug_full_header: text(&DEBUG_FULL_HEADER),
        })
    }
}

/// RFC 4028 sections 4 and 5 want 90 s at least for both; less is for tests.
fn min_se() -> Result<u32, ConfigError> {
    number("min_se", &MIN_SE, 2..=86_400, "90")
}

fn session_expires() -> Result<u32, ConfigError> {
    let seconds = number("session_expires", &SESSION_EXPIRES, 0..=86_400, "1800")?;
    let least = min_se()?;
    if seconds != 0 && seconds < least {
        let expected = format!("0 or no less than min_se, which is {least}");
        return Err(wrong("session_expires", seconds, expected, "1800"));
    }
    Ok(seconds)
}

fn untrusted() -> Result<Untrusted, ConfigError> {
    match text(&UNTRUSTED).as_deref() {
        None | Some("refuse") => Ok(Untrusted::Refuse),
        Some("drop") => Ok(Untrusted::Drop),
        Some(other) => Err(wrong(
            "untrusted",
            quoted(other),
            "\"refuse\" or \"drop\"",
            "\"drop\"",
        )),
    }
}

fn client_forms() -> Result<ClientForms, ConfigError> {
    let value = text(&CLIENT_FORMS).unwrap_or_default();
    ClientForms::read(&value).map_err(|word| {
        wrong(
            "client_forms",
            quoted(&word),
            "words of text, sip-im and no-offer",
            "\"text\"",
        )
    })
}

fn fingerprint() -> Result<Option<String>, ConfigError> {
    let value = text(&MSRP_FINGERPRINT);
    match &value {
        Some(value) if !is_fingerprint(value) => Err(wrong(
            "msrp_fingerprint",
            quoted(value),
            "a hash function, a blank and hexadecimal pairs joined by colons",
            "\"sha-256 12:DF:3E:…\"",
        )),
        _ => Ok(value),
    }
}

/// Unless the operator says otherwise, the MSRP switch is taken for a chat room of RFC 7701 with all its
/// features, which peers look for in SDP (requirements section 2.5).
fn chatroom() -> Result<Option<String>, ConfigError> {
    match text(&MSRP_CHATROOM) {
        None => Ok(Some(CHATROOM_TOKENS.join(" "))),
        Some(value) if value == "none" => Ok(None),
        Some(value) if is_chatroom(&value) => Ok(Some(value)),
        Some(value) => {
            let expected = format!("none, or some of: {}", CHATROOM_TOKENS.join(" "));
            let example = "\"nickname\"";
            Err(wrong("msrp_chatroom", quoted(&value), expected, example))
        }
    }
}

/// The domain above `domain`, whose subscribers the S-CSCF sends: `home1.test` above `conf.home1.test`. None if it
/// would have a single label, or `domain` is an address.
fn domain_above(domain: &str) -> Option<&str> {
    let (_, above) = domain.split_once('.')?;
    let is_address = domain.parse::<std::net::IpAddr>().is_ok();
    (!is_address && above.trim_end_matches('.').contains('.')).then_some(above)
}

/// Our own hosts and those that the parameter names, as identities have them; without the parameter the domain
/// above ours.
fn phone_domains(domain: &str, contact_host: Option<&str>) -> Result<Vec<String>, ConfigError> {
    let named = text(&PHONE_DOMAINS).unwrap_or_default();
    let named: Vec<&str> = named
        .split([',', ' ', '\t'])
        .filter(|host| !host.is_empty())
        .collect();
    for host in &named {
        check_host("phone_domains", host, "\"ims.example.com partner.example\"")?;
    }
    let above = domain_above(domain).filter(|_| named.is_empty());
    let own = [domain].into_iter().chain(contact_host);
    let hosts = named.into_iter().chain(above).chain(own);
    let uris = hosts.filter_map(|host| Uri::parse(format!("sip:{host}").as_bytes()).ok());
    Ok(uris
        .map(|uri| Identity::of(&uri).host().to_owned())
        .collect())
}

/// The document that rules sessions made on the spot: generated, or the operator's own.
fn adhoc_policy() -> Result<Arc<Group>, ConfigError> {
    let allow_anonymity = number("adhoc_allow_anonymity", &ADHOC_ALLOW_ANONYMITY, 0..=1, "1")? == 1;
    let invite_by = match text(&INVITE_BY).as_deref() {
        None | Some("participants") => InviteBy::Participants,
        Some("admins") => InviteBy::Admins,
        Some(other) => {
            return Err(wrong(
                "invite_by",
                quoted(other),
                "\"participants\" or \"admins\"",
                "\"admins\"",
            ));
        }
    };
    let file = text(&ADHOC_POLICY_FILE);
    let document = match &file {
        Some(file) => {
            let read = read_document(Path::new(file));
            read.map_err(|error| bad_policy_file(file, &error))?
        }
        None => adhoc_document(AdhocPolicy {
            allow_anonymity,
            invite_by,
        })
        .into_bytes(),
    };
    let group = Group::parse(&document);
    group
        .map(Arc::new)
        .map_err(|error| bad_policy_file(file.as_deref().unwrap_or_default(), &error))
}

fn bad_policy_file(file: &str, why: &dyn std::fmt::Display) -> ConfigError {
    let expected = format!("a group document that can be read ({why})");
    wrong(
        "adhoc_policy_file",
        quoted(file),
        expected,
        "\"/etc/kamailio/adhoc.xml\"",
    )
}

/// One `modparam("cpm", "warning_text", …)`; looked at in [`Config::read`] with the rest.
pub fn warning_text(value: &str) -> Result<(), String> {
    let mut texts = WARNING_TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    texts.push(value.to_owned());
    Ok(())
}

/// The Warning texts with what the operator puts in their place: `NAME=TEXT`, the last one of a name counts.
fn warnings() -> Result<WarningTexts, ConfigError> {
    let mut texts = WarningTexts::default();
    let given = WARNING_TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    for entry in given.iter() {
        texts.replace(entry).map_err(|error| {
            let names: Vec<&str> = WarningTexts::names().collect();
            let expected = format!(
                "NAME=TEXT, the TEXT one line of 1 to {} bytes, the NAME one of {}",
                WarningTexts::LONGEST,
                names.join(", ")
            );
            wrong(
                "warning_text",
                format!("{} ({error})", quoted(entry)),
                expected,
                "\"too_many=102 Too many participants\"",
            )
        })?;
    }
    Ok(texts)
}
