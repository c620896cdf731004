//! Targets for whole messages: framing, typed headers, and what a REFER or INVITE asks for with its body.

use super::checks::{clean, clean_error, clean_params, clean_words, visible};
use super::harness::{kind, refused};
use super::values::{check_address, check_refer_to, check_uri};
use cpm::cpm::body_parts::read_sdp;
use cpm::cpm::recipient_list::read_recipients;
use cpm::cpm::refer_syntax::ReferRequest;
use cpm::cpm::refusal::Refusal;
use cpm::cpm::targets::{TargetAddress, Targets};
use cpm::sip::identity::Identity;
use cpm::sip::resource_list;
use cpm::sip::{Headers, NameAddr, Request, Response, Uri};

pub fn request(input: &[u8]) -> u64 {
    let streamed = Request::parse(input, true);
    let request = match Request::parse(input, false) {
        Ok(request) => request,
        Err(error) => {
            clean_error(&error);
            clean(&error.reason());
            assert!([400, 505].contains(&error.status()));
            // A stream asks for more than a datagram, never for less.
            assert!(streamed.is_err(), "{error}");
            return refused(error);
        }
    };
    if let Ok(streamed) = streamed {
        assert_eq!(streamed, request);
    }
    visible(request.method.as_str());
    visible(&request.uri);
    visible(&request.call_id);
    visible(&request.from_tag);
    request.to_tag.as_deref().into_iter().for_each(visible);
    request.branch.as_deref().into_iter().for_each(clean);
    check_address(&request.from());
    check_address(&request.to());
    assert!(request.body.len() <= input.len());
    let headers = check_headers(&request);
    let asked = check_asked(&request);
    kind((headers, asked, request.to_tag.is_some()))
}

pub fn response(input: &[u8]) -> u64 {
    let response = match Response::parse(input, false) {
        Ok(response) => response,
        Err(error) => {
            clean_error(&error);
            return refused(error);
        }
    };
    assert!((100..700).contains(&response.status), "{}", response.status);
    clean(&response.reason);
    visible(&response.call_id);
    visible(response.cseq_method.as_str());
    visible(&response.from_tag);
    response.to_tag.as_deref().into_iter().for_each(visible);
    check_address(&response.from());
    check_address(&response.to());
    kind((check_headers(&response), response.status / 100))
}

/// The value of every header that is read at all, in a frame that is right.
pub fn header_value(input: &[u8]) -> u64 {
    const NAMES: [&str; 16] = [
        "Refer-To",
        "Refer-Sub",
        "Referred-By",
        "Contact",
        "Record-Route",
        "Privacy",
        "Event",
        "Subscription-State",
        "P-Asserted-Identity",
        "Content-Type",
        "Content-Disposition",
        "Content-ID",
        "Content-Encoding",
        "Require",
        "Retry-After",
        "Subject",
    ];
    let mut raw =
        b"REFER sip:f@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\nFrom: <sip:a@b>;tag=1\r\n\
        To: <sip:f@x>\r\ni: 1\r\nCSeq: 1 REFER\r\n"
            .to_vec();
    for name in NAMES {
        raw.extend_from_slice(name.as_bytes());
        raw.extend_from_slice(b": ");
        raw.extend(input.iter().filter(|byte| !b"\r\n".contains(byte)));
        raw.extend_from_slice(b"\r\n");
    }
    raw.extend_from_slice(b"\r\nbody");
    request(&raw)
}

fn check_headers(headers: &Headers) -> u64 {
    if let Some(contact) = headers.contact_addr() {
        check_address(&contact);
    }
    let routes = headers.record_route();
    for route in &routes {
        let route = route.as_str();
        assert!(!route.chars().any(char::is_control), "{route:?}");
        assert!(route.is_ascii() && NameAddr::parse(route.as_bytes()).is_ok());
    }
    let asserted = headers.asserted_identities();
    assert!(asserted.len() <= 4);
    asserted.iter().for_each(check_uri);
    let refer_to = headers.refer_to();
    match &refer_to {
        Ok(refer_to) => check_refer_to(refer_to),
        Err(error) => clean_error(error),
    }
    if let Err(error) = headers.refer_sub() {
        clean_error(&error);
    }
    match headers.referred_by() {
        Ok(Some(by)) => clean(&by.text),
        Ok(None) => {}
        Err(error) => clean_error(&error),
    }
    let kinds = headers.content_type();
    if let Some(kind) = &kinds {
        visible(&kind.kind);
        clean_params(&kind.params);
    }
    if let Some((package, id)) = headers.event() {
        visible(&package);
        id.as_deref().into_iter().for_each(clean);
    }
    if let Some((state, params)) = headers.subscription_state() {
        visible(&state);
        clean_params(&params);
    }
    for name in ["subject", "require", "contact", "Conversation-ID"] {
        headers.text(name).as_deref().into_iter().for_each(clean);
        headers.tokens(name).iter().for_each(|token| visible(token));
    }
    kind((
        refer_to.is_ok(),
        headers.contact().is_some(),
        routes.len().min(2),
        asserted.len().min(3),
        headers.content_disposition().is_some(),
        kinds.is_some(),
        headers.retry_after().is_some(),
        format!("{:?}", headers.privacy()),
    ))
}

/// What the domain reads of it: from here every word may reach an INVITE or a NOTIFY.
fn check_asked(request: &Request) -> u64 {
    let ourselves = |uri: &Uri| uri.user() == Some("f");
    let asked = ReferRequest::read(request, true, usize::MAX, &ourselves, &Identity::of);
    let targets = match &asked {
        Ok(asked) => {
            if let Some(referred_by) = &asked.referred_by {
                check_uri(&referred_by.uri);
                clean(&referred_by.text);
            }
            asked.contact.iter().for_each(check_uri);
            match &asked.targets {
                Ok(targets) => check_targets(targets),
                Err(refusal) => check_refusal(refusal),
            }
        }
        Err(refusal) => check_refusal(refusal),
    };
    let recipients = match read_recipients(request, usize::MAX, &Identity::of) {
        Some(Ok(targets)) => check_targets(&targets),
        Some(Err(refusal)) => check_refusal(&refusal),
        None => 0,
    };
    let sdp = read_sdp(request).map(|sdp| sdp.is_some());
    kind((targets, recipients, sdp.is_ok_and(|there| there)))
}

fn check_targets(targets: &Targets) -> u64 {
    assert!(targets.list.len() <= targets.written);
    let mut unusable = 0;
    for target in &targets.list {
        // The one embedded header that goes on, its escapes undone.
        target.session_replaces.iter().for_each(|id| visible(id));
        match &target.address {
            TargetAddress::Uri(uri) => {
                check_uri(uri);
                assert!(uri.param("method").is_none() && uri.headers().is_empty());
            }
            TargetAddress::Unusable(text) => {
                clean(text);
                unusable += 1;
            }
        }
    }
    if let Some(history) = &targets.history {
        resource_list::parse(history).expect("what we write can be read");
    }
    kind((
        targets.list.len().min(3),
        unusable.min(2),
        targets.history.is_some(),
    ))
}

fn check_refusal(refusal: &Refusal) -> u64 {
    assert!((400..600).contains(&refusal.status()), "{refusal:?}");
    clean_words(&refusal.reason());
    for (_, value) in refusal.headers() {
        clean(&value);
    }
    let text = format!("{refusal:?}");
    let name = text.split(['(', ' ']).next().map(str::to_owned);
    kind((refusal.status(), refusal.warning().is_some(), name))
}
