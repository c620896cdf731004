//! Wiring: what Kamailio sees of this module, and how it starts.

mod collisions;
mod counters;
mod drain_sessions;
mod drain_state;
mod executor;
mod modparam_values;
mod modparams;
mod overload;
mod phone_hosts;
mod replies;
mod request;
mod return_codes;
mod rpc;
mod rpc_names;
mod rpc_why;
mod runtime;
mod sampled_log;
mod strangers;
mod workers;

use std::ffi::{c_char, c_int, c_void};

use self::modparams::Config;
use self::runtime::Runtime;
use crate::kamailio::exports::{
    command, command_with_string, commands, on_register, CommandTable, Exports, ParamTable,
    RpcTable,
};
use crate::kamailio::kemi::{self, function, function_with_string, KemiTable};
use crate::kamailio::params::{integer, params, string, string_function};
use crate::kamailio::process::Stage;
use crate::kamailio::rpc::rpc as rpc_table;
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::tm::Tm;
use crate::kamailio::{clock, log, script, sl};
use crate::store::engine::{Engine, EngineConfig};
use crate::store::queue::Queue;
use crate::store::ring::Ring;
use crate::store::sessions::Store;
use crate::store::shared_table::SharedTable;
use crate::store::turns::Turns;

/// Functions for `request_route`, and one for `event_route[core:msg-received]`.
static COMMANDS: CommandTable<7> = commands([
    command(c"cpm_handle_request", request::handle_request),
    command(c"cpm_handle_refer", request::handle_refer),
    command(c"cpm_is_focus", request::is_focus),
    command_with_string(c"cpm_is_focus", request::is_focus_uri),
    command(c"cpm_is_trusted", strangers::is_trusted),
    command(c"cpm_turn_away", strangers::turn_away_stranger),
    command(c"cpm_check_received", strangers::check_received),
]);

/// `modparam("cpm", …)`.
static PARAMS: ParamTable<45> = params([
    string(c"domain", &modparams::DOMAIN),
    string(c"factory_uri", &modparams::FACTORY_URI),
    string(c"groups_dir", &modparams::GROUPS_DIR),
    string(c"trusted_peers", &modparams::TRUSTED_PEERS),
    string(c"orig_route", &modparams::ORIG_ROUTE),
    string(c"contact_host", &modparams::CONTACT_HOST),
    string(c"phone_domains", &modparams::PHONE_DOMAINS),
    string(c"msrp_uri", &modparams::MSRP_URI),
    string(c"msrp_fingerprint", &modparams::MSRP_FINGERPRINT),
    string(c"msrp_chatroom", &modparams::MSRP_CHATROOM),
    integer(c"session_expires", &modparams::SESSION_EXPIRES),
    integer(c"min_se", &modparams::MIN_SE),
    integer(c"refer_ok_code", &modparams::REFER_OK_CODE),
    integer(c"max_refer_targets", &modparams::MAX_REFER_TARGETS),
    integer(c"precheck_targets", &modparams::PRECHECK_TARGETS),
    integer(c"inactivity_timeout", &modparams::INACTIVITY_TIMEOUT),
    integer(c"max_sessions", &modparams::MAX_SESSIONS),
    integer(c"strict", &modparams::STRICT),
    string(c"client_forms", &modparams::CLIENT_FORMS),
    integer(c"first_notify_delay", &modparams::FIRST_NOTIFY_DELAY),
    string(c"untrusted", &modparams::UNTRUSTED),
    integer(c"untrusted_in_dialog", &modparams::UNTRUSTED_IN_DIALOG),
    integer(c"invite_rate", &modparams::INVITE_RATE),
    integer(c"adhoc_allow_anonymity", &modparams::ADHOC_ALLOW_ANONYMITY),
    string(c"invite_by", &modparams::INVITE_BY),
    string(c"adhoc_policy_file", &modparams::ADHOC_POLICY_FILE),
    integer(c"max_participants", &modparams::MAX_PARTICIPANTS),
    integer(c"min_participants", &modparams::MIN_PARTICIPANTS),
    integer(c"invite_timeout", &modparams::INVITE_TIMEOUT),
    integer(c"refer_notify_interval", &modparams::REFER_NOTIFY_INTERVAL),
    integer(
        c"conference_notify_interval",
        &modparams::CONFERENCE_NOTIFY_INTERVAL,
    ),
    integer(c"max_subscriptions", &modparams::MAX_SUBSCRIPTIONS),
    integer(
        c"max_person_subscriptions",
        &modparams::MAX_PERSON_SUBSCRIPTIONS,
    ),
    integer(c"target_next_hop", &modparams::TARGET_NEXT_HOP),
    integer(c"refer_rate", &modparams::REFER_RATE),
    integer(c"session_rate", &modparams::SESSION_RATE),
    integer(c"target_rate", &modparams::TARGET_RATE),
    integer(c"next_hop_rate", &modparams::NEXT_HOP_RATE),
    integer(c"shed_status", &modparams::SHED_STATUS),
    integer(c"shed_queue_delay", &modparams::SHED_QUEUE_DELAY),
    integer(c"trail_size", &modparams::TRAIL_SIZE),
    string_function(c"warning_text", modparams::warning_text),
    integer(c"sender_processes", &modparams::SENDER_PROCESSES),
    string(c"debug_panic_header", &modparams::DEBUG_PANIC_HEADER),
    string(c"debug_full_header", &modparams::DEBUG_FULL_HEADER),
]);

/// `kamcmd cpm.…`.
static RPC: RpcTable<8> = rpc_table([
    rpc::LIST,
    rpc::SHOW,
    rpc::CHECK,
    rpc::INVITE,
    rpc::REMOVE,
    rpc::END,
    rpc::DRAIN,
    rpc_why::WHY,
]);

/// `KSR.cpm.…`.
static KEMI: KemiTable<7> = kemi::kemi([
    function(c"cpm", c"cpm_handle_request", request::handle_request),
    function(c"cpm", c"cpm_handle_refer", request::handle_refer),
    function(c"cpm", c"cpm_is_focus", request::is_focus),
    function_with_string(c"cpm", c"cpm_is_focus_uri", request::is_focus_uri),
    function(c"cpm", c"cpm_is_trusted", strangers::is_trusted),
    function(c"cpm", c"cpm_turn_away", strangers::turn_away_stranger),
    function(c"cpm", c"cpm_check_received", strangers::check_received),
]);

/// What Kamailio looks up when it loads the module.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static exports: Exports =
    Exports::new(c"cpm", &COMMANDS, &PARAMS, &RPC, init, child_init, || {});

/// First function Kamailio calls: KEMI functions are made known here.
///
/// # Safety
/// Called by Kamailio's loader only; the arguments are not looked at.
#[no_mangle]
pub unsafe extern "C" fn mod_register(
    _path: *mut c_char,
    _dlflags: *mut c_int,
    _reserved1: *mut c_void,
    _reserved2: *mut c_void,
) -> c_int {
    on_register(|| kemi::register(&KEMI))
}

/// Once, before any fork. An error stops the start.
fn init() -> Result<(), String> {
    let config = Config::read().map_err(|error| error.to_string())?;
    let tm = Tm::load().map_err(|error| format!("cpm: {error}"))?;
    sl::load().map_err(|error| format!("cpm: {error}"))?;
    let groups = runtime::load_groups(&config.groups_dir)?;
    if config.trusted.is_empty() {
        log::warning!("trusted_peers is empty: every INVITE and REFER will be refused with 403");
    }
    let senders = config.senders;
    let engine = Engine::create(
        KamailioShm,
        EngineConfig::for_memory(KamailioShm.usage().total),
        clock::monotonic_ms(),
    )
    .map_err(|error| format!("cpm: {error}"))?;
    let turns = Turns::create(KamailioShm).map_err(|error| format!("cpm: {error}"))?;
    let queue =
        || Queue::create(KamailioShm, QUEUE_LENGTH).map_err(|error| format!("cpm: {error}"));
    let queues = (0..senders).map(|_| queue()).collect::<Result<_, _>>()?;
    let timeouts = queue()?;
    let trails = match config.trail_size {
        0 => None,
        size => Some(
            Ring::create(KamailioShm, size)
                .map_err(|error| format!("cpm: trail_size {size}: {error}"))?,
        ),
    };
    counters::register_all().map_err(|error| format!("cpm: {error}"))?;
    workers::reserve(senders).map_err(|error| format!("cpm: {error}"))?;
    if !Tm::set_response_handler(replies::on_event)
        || !script::on_every_reply(replies::on_every_reply)
    {
        return Err("cpm: kamailio did not take a callback".into());
    }
    let no_room = "cpm: shared memory has no room; give Kamailio more (-m)";
    let draining = drain_state::Draining::create().ok_or(no_room)?;
    let load = overload::Load::create().ok_or(no_room)?;
    let samples = sampled_log::Samples::create().ok_or(no_room)?;
    let ended_answers =
        SharedTable::create(KamailioShm, ENDED_ANSWERS).map_err(|error| format!("cpm: {error}"))?;
    if config.debug_full_header.is_some() {
        KamailioShm.prepare_to_fail().ok_or(no_room)?;
    }
    let installed = runtime::install(Runtime {
        ended_answers,
        draining,
        load,
        samples,
        config,
        groups,
        tm,
        store: Store::new(engine),
        senders: queues,
        timeouts,
        trails,
        turns,
    });
    installed
        .then_some(())
        .ok_or_else(|| "cpm: initialised twice".into())
}

/// How many stray 2xx are remembered; each takes 32 bytes.
const ENDED_ANSWERS: usize = 1_024;

/// Jobs that may wait for one of our own processes.
const QUEUE_LENGTH: u32 = 10_000;

/// In every process; ours are forked from the main one.
fn child_init(stage: Stage) -> Result<(), String> {
    match (stage, runtime::runtime()) {
        (Stage::BeforeFork, Some(runtime)) => {
            runtime.check_host_timers();
            Ok(())
        }
        (Stage::Main, Some(runtime)) => {
            workers::start(runtime.config.senders).map_err(|error| format!("cpm: {error}"))
        }
        _ => Ok(()),
    }
}
