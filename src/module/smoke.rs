//! Smoke module: exercises the wrapper inside a running Kamailio.
//! Not here: the product.
use std::ffi::{c_char, c_int, c_void};

use crate::kamailio::counters::{self, Counter};
use crate::kamailio::exports::{self, CommandTable, Exports, ParamTable, RpcTable};
use crate::kamailio::kemi::{self, KemiTable};
use crate::kamailio::message::Message;
use crate::kamailio::params::{self, IntParam, StringParam};
use crate::kamailio::process::{self, Stage};
use crate::kamailio::rpc::{self, Doc, Fault, Rpc};
use crate::kamailio::script::{self, Disposition};
use crate::kamailio::shm::KamailioShm;
use crate::kamailio::sockets::{self, LocalSocket};
use crate::kamailio::tm::{Event, NewTransaction, OutgoingRequest, Reply, Tm, TransactionId};
use crate::kamailio::{clock, log, sl};

static COMMANDS: CommandTable<3> = exports::commands([
    exports::command(c"cpm_handle_request", handle_request),
    exports::command(c"cpm_panic", |_: &Message<'_>| -> i32 {
        panic!("in a command")
    }),
    exports::command_with_string(c"cpm_is_focus", is_focus),
]);
static DOMAIN: StringParam = StringParam::unset();
static MODE: IntParam = IntParam::with_default(7);
static PARAMS: ParamTable<3> = params::params([
    params::string(c"domain", &DOMAIN),
    params::integer(c"mode", &MODE),
    params::string_function(c"trusted", |value: &str| {
        log::notice!("trusted = {value}");
        if value == "bad" {
            Err(format!("parameter trusted: {value:?} is not an address"))
        } else {
            Ok(())
        }
    }),
]);
static DOC: Doc = Doc::new(c"smoke");
static RPC: RpcTable<4> = rpc::rpc([
    rpc::command(c"cpm.list", &DOC, rpc_list),
    rpc::command(c"cpm.shm", &DOC, rpc_shm),
    rpc::command(c"cpm.send", &DOC, rpc_send),
    rpc::command(c"cpm.panic", &DOC, |_: &mut Rpc<'_>| -> Result<(), Fault> {
        panic!("in an rpc")
    }),
]);
static KEMI: KemiTable<2> = kemi::kemi([
    kemi::function(c"cpm", c"cpm_handle_request", handle_request),
    kemi::function_with_string(c"cpm", c"cpm_is_focus", is_focus),
]);

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static exports: Exports = Exports::new(c"cpm", &COMMANDS, &PARAMS, &RPC, init, child, destroy);

#[no_mangle]
pub extern "C" fn mod_register(
    _: *mut c_char,
    _: *mut c_int,
    _: *mut c_void,
    _: *mut c_void,
) -> c_int {
    exports::on_register(|| kemi::register(&KEMI))
}

static REQUESTS: Counter = Counter::new();
static EVENTS: Counter = Counter::new();

fn init() -> Result<(), String> {
    let _ = Tm::load().map_err(|e| e.to_string())?;
    sl::load().map_err(|e| e.to_string())?;
    Tm::set_response_handler(on_event);
    script::on_every_reply(on_reply);
    counters::register(
        c"cpm",
        &[
            (c"requests", c"requests seen", &REQUESTS),
            (c"events", c"tm events", &EVENTS),
        ],
    )
    .map_err(|e| e.to_string())?;
    process::reserve(1).map_err(|e| e.to_string())?;
    log::notice!(
        "mod_init: built for {}, domain {:?} mode {} sockets {:?} local? {} {} {} shm {:?}",
        exports::built_for(),
        DOMAIN.get(),
        MODE.get(),
        sockets::all()
            .iter()
            .map(LocalSocket::text)
            .collect::<Vec<_>>(),
        sockets::is_local("127.0.0.1", 0),
        sockets::is_local("[::1]", 0),
        sockets::is_local("alias.test", 0),
        KamailioShm.usage()
    );
    if DOMAIN.get().as_deref() == Some("panic") {
        panic!("in mod_init")
    }
    Ok(())
}

fn child(stage: Stage) -> Result<(), String> {
    log::notice!(
        "child_init {stage:?} number {} timer {}",
        process::number(),
        process::in_timer()
    );
    if stage == Stage::BeforeFork {
        log::notice!("timers {:?}", Tm::get().and_then(|tm| tm.timers()));
    }
    if stage == Stage::Main {
        process::start(c"CPM worker", step).map_err(|e| e.to_string())?;
    }
    Ok(())
}

fn destroy() {
    log::notice!(
        "mod_destroy, shutting down {}",
        crate::kamailio::core::shutting_down()
    );
}

/// One step of the own process: sends MESSAGE for each file dropped, panics on demand.
fn step() {
    std::thread::sleep(std::time::Duration::from_millis(50));
    let Some(dir) = DOMAIN.get() else { return };
    let job = std::path::Path::new(&dir).join("job");
    if let Ok(text) = std::fs::read_to_string(&job) {
        let _ = std::fs::remove_file(&job);
        if text.trim() == "panic" {
            panic!("in own process")
        }
        if text.trim() == "log" {
            log::notice!("config level {}", log::enabled(log::Level::Debug));
            return;
        }
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let started = clock::monotonic_ms();
        let result = outgoing(&words);
        log::notice!(
            "own process {} sent {:?} in {} ms wall {}",
            process::number(),
            result,
            clock::monotonic_ms() - started,
            clock::wall_ms()
        );
    }
}

fn handle_request(message: &Message<'_>) -> i32 {
    REQUESTS.increment();
    let Some(tm) = Tm::get() else { return -2 };
    let text = String::from_utf8_lossy(message.bytes()).into_owned();
    log::notice!(
        "request {} {} from {} on {:?} stream {} proc {}",
        String::from_utf8_lossy(message.method()),
        String::from_utf8_lossy(message.request_uri()),
        message.source(),
        message.socket().map(|s| s.text()),
        message.is_stream(),
        process::number()
    );
    match message.method() {
        b"ACK" => {
            let r = tm.check_transaction(message);
            log::notice!("ACK {r:?}");
            return 1;
        }
        b"CANCEL" => {
            let r = tm.cancel_received(message);
            log::notice!("CANCEL {r:?}");
            if r == Ok(crate::kamailio::tm::AckOrCancel::Unmatched) {
                let _ = sl::reply_stateless(message, 481, "Call/Transaction Does Not Exist", "");
            }
            return 1;
        }
        b"OPTIONS" => {
            let r = sl::reply_stateless(message, 200, "OK", "X-Stateless: yes\r\n");
            log::notice!("sl {r:?}");
            return 1;
        }
        _ => {}
    }
    if text.contains("X-Panic: before") {
        panic!("before the transaction")
    }
    let created = tm.new_transaction(message);
    log::notice!(
        "newtran {created:?} tag {:?}",
        tm.reply_tag(message)
            .map(|t| String::from_utf8_lossy(&t).into_owned())
    );
    if created != Ok(NewTransaction::Created) {
        return 1;
    }
    if text.contains("X-Panic: after") {
        panic!("after the transaction")
    }
    if text.contains("X-Ring: yes") {
        let r = tm.reply(
            message,
            &Reply {
                code: 180,
                reason: "Ringing",
                to_tag: Some("owntag"),
                headers: "",
                body: b"",
            },
        );
        log::notice!("180 {r:?}");
    }
    let body: &[u8] = if message.method() == b"INVITE" {
        b"v=0\r\n"
    } else {
        b""
    };
    let headers = if message.method() == b"INVITE" {
        "Contact: <sip:focus@127.0.0.1>;isfocus\r\nContent-Type: application/sdp\r\n"
    } else {
        "X-Cpm: 1\r\n"
    };
    let tag = (!text.contains("X-Tag: none")).then_some("owntag");
    let r = tm.reply(
        message,
        &Reply {
            code: 200,
            reason: "OK",
            to_tag: tag,
            headers,
            body,
        },
    );
    log::notice!("200 {r:?}");
    let again = tm.reply(
        message,
        &Reply {
            code: 500,
            reason: "again",
            to_tag: tag,
            headers,
            body,
        },
    );
    log::notice!("second final {again:?}");
    if text.contains("X-Panic: answered") {
        panic!("after the answer")
    }
    1
}

fn is_focus(message: &Message<'_>, uri: &[u8]) -> i32 {
    log::notice!(
        "is_focus {} ({} bytes)",
        String::from_utf8_lossy(uri),
        message.bytes().len()
    );
    if uri == b"panic" {
        panic!("in is_focus")
    }
    if uri.starts_with(b"sip:yes") {
        1
    } else {
        -1
    }
}

fn rpc_list(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let mut args = Vec::new();
    while let Some(arg) = rpc.next_string() {
        args.push(arg);
    }
    if args.first().map(String::as_str) == Some("fault") {
        return Err(Fault::new(404, "no such %s focus"));
    }
    rpc.add_string("hello");
    rpc.add_int(42);
    let mut outer = rpc.add_struct();
    outer.string(c"focus", "sip:x@y").int(c"participants", 3);
    outer.structure(c"inner").string(c"a", "b");
    let mut list = outer.list(c"args");
    for arg in &args {
        list.add_string(arg);
    }
    list.add_struct().string(c"in", "list");
    Ok(())
}

fn rpc_shm(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let usage = KamailioShm.usage();
    rpc.add_struct()
        .int(c"used", usage.used as i64)
        .int(c"real", usage.real_used as i64)
        .int(c"total", usage.total as i64)
        .int(c"available", KamailioShm.available() as i64)
        .int(c"requests", REQUESTS.value())
        .int(c"events", EVENTS.value());
    Ok(())
}

fn rpc_send(rpc: &mut Rpc<'_>) -> Result<(), Fault> {
    let mut args = Vec::new();
    while let Some(arg) = rpc.next_string() {
        args.push(arg);
    }
    let result = outgoing(&args);
    rpc.add_string(&format!("{result:?}"));
    Ok(())
}

/// args: METHOD uri callid cseq [handle] [route=..] [to=..] [tag=..] [sock=..] [body] | cancel index label [reason]
fn outgoing(args: &[String]) -> Result<TransactionId, String> {
    let tm = Tm::get().ok_or("no tm")?;
    let arg = |i: usize| args.get(i).cloned().unwrap_or_default();
    if arg(0) == "cancel" {
        let id = TransactionId {
            index: arg(1).parse().unwrap_or(0),
            label: arg(2).parse().unwrap_or(0),
        };
        let headers = if arg(3).is_empty() {
            ""
        } else {
            "Reason: SIP;cause=410;text=\"Gone\"\r\n"
        };
        return tm
            .cancel(id, headers)
            .map(|()| id)
            .map_err(|e| e.to_string());
    }
    let option = |name: &str| {
        args.iter()
            .find_map(|a| a.strip_prefix(&format!("{name}=")).map(str::to_owned))
    };
    let route: Vec<String> = option("route")
        .map(|r| r.split('|').map(str::to_owned).collect())
        .unwrap_or_default();
    let sock = option("sock").and_then(|s| LocalSocket::parse(&s));
    let (uri, to) = (arg(1), option("to").unwrap_or_else(|| arg(1)));
    let (method, call_id, tag, from) = (
        arg(0),
        arg(2),
        option("tag"),
        option("from").unwrap_or("\"Focus\" <sip:focus@conf.test>".into()),
    );
    let body = option("body").unwrap_or_default();
    let request = OutgoingRequest {
        method: &method,
        request_uri: &uri,
        local_uri: &from,
        remote_uri: &to,
        call_id: &call_id,
        local_tag: "ltag",
        remote_tag: tag.as_deref(),
        cseq: arg(3).parse().unwrap_or(1),
        route: &route,
        headers: "Contact: <sip:focus@127.0.0.1>\r\n",
        body: body.as_bytes(),
        socket: sock.as_ref(),
    };
    if arg(0) == "ACK" {
        return tm
            .send_ack(&request)
            .map(|()| TransactionId { index: 0, label: 0 })
            .map_err(|e| e.to_string());
    }
    tm.send(&request, option("handle").and_then(|h| h.parse().ok()))
        .map_err(|e| e.to_string())
}

fn header(text: &str, name: &str) -> String {
    text.lines()
        .find_map(|l| l.strip_prefix(&format!("{name}: ")))
        .unwrap_or_default()
        .to_owned()
}

/// Handle 1: only log. 2: ACK every 2xx to INVITE. 3: panic.
fn on_event(handle: u64, event: Event<'_>, in_timer: bool) {
    EVENTS.increment();
    match event {
        Event::Timeout { code } => {
            log::notice!("event {handle:#x} timeout {code} timer {in_timer}")
        }
        Event::Reply {
            bytes,
            is_stream,
            source,
        } => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            log::notice!("event {handle:#x} reply {:?} cseq {} to {} stream {is_stream} from {source} timer {in_timer}", text.lines().next(), header(&text, "CSeq"), header(&text, "To"));
            if text.starts_with("SIP/2.0 2")
                && header(&text, "CSeq").ends_with("INVITE")
                && handle & 0xf == 2
            {
                let tag = header(&text, "To")
                    .split("tag=")
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned();
                let contact = header(&text, "Contact").trim_matches(['<', '>']).to_owned();
                let args: Vec<String> = vec![
                    "ACK".into(),
                    contact,
                    header(&text, "Call-ID"),
                    header(&text, "CSeq")
                        .split(' ')
                        .next()
                        .unwrap_or_default()
                        .into(),
                    format!("tag={tag}"),
                ];
                let r = outgoing(&args);
                log::notice!("ack {r:?}");
            }
        }
    }
    if handle & 0xf == 3 {
        panic!("in the response handler")
    }
}

fn on_reply(message: &Message<'_>) -> Disposition {
    let text = String::from_utf8_lossy(message.bytes()).into_owned();
    if text.contains("X-Panic: reply") {
        panic!("in the reply callback")
    }
    if !header(&text, "CSeq").ends_with("INVITE") || !(200..300).contains(&message.status()) {
        return Disposition::Keep;
    }
    let known = Tm::get().is_some_and(|tm| tm.knows_reply(message));
    log::notice!("reply callback {} known {known}", message.status());
    if known {
        Disposition::Keep
    } else {
        Disposition::Drop
    }
}
