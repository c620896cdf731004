//! Targets for bodies: multiparts, content encodings, session descriptions.

use super::checks::{clean, clean_error, clean_params, visible};
use super::harness::{kind, refused};
use cpm::sip::content_encoding::decode;
use cpm::sip::multipart::{self, NewPart, MAX_BODY, MAX_PARTS};
use cpm::sip::sdp::{self, LocalMedia, MsrpPath, Offer, Sdp};
use cpm::sip::Request;

/// A request with that body; the boundary is `b`.
fn with_body(content_type: &str, body: &[u8]) -> Request {
    let mut raw = format!(
        "REFER sip:f@x SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:f@x>\r\ni: 1\r\nCSeq: 1 REFER\r\nContent-Type: {content_type}\r\n\r\n"
    )
    .into_bytes();
    raw.extend_from_slice(body);
    Request::parse(&raw, false).expect("the frame is right")
}

pub fn multipart(input: &[u8]) -> u64 {
    let request = with_body("multipart/mixed;boundary=b", input);
    let parts = match multipart::parts(&request, &request.body) {
        Ok(parts) => parts,
        Err(error) => {
            clean_error(&error);
            assert!([400, 413, 415].contains(&error.status()), "{error}");
            return refused(error);
        }
    };
    assert!(parts.len() <= MAX_PARTS);
    let mut kinds = Vec::new();
    for part in &parts {
        visible(&part.kind.kind);
        clean_params(&part.kind.params);
        part.id.as_deref().into_iter().for_each(clean);
        part.disposition().into_iter().for_each(visible);
        part.encodings.iter().for_each(|name| clean(name));
        if let Some(id) = &part.id {
            assert!(multipart::by_content_id(&parts, id).is_some());
        }
        match part.decoded() {
            Ok(body) => assert!(body.len() <= MAX_BODY.max(part.body.len())),
            Err(error) => clean_error(&error),
        }
        kinds.push((part.id.is_some(), part.required(), part.body.len().min(2)));
    }
    kinds.truncate(4);
    kind((parts.len().min(5), kinds))
}

/// The first octet chooses the encodings.
pub fn content_encoding(input: &[u8]) -> u64 {
    const MAX: usize = 4096;
    let Some((first, body)) = input.split_first() else {
        return 0;
    };
    let names: &[&str] = match first % 6 {
        0 => &["deflate"],
        1 => &["gzip"],
        2 => &["x-gzip", "identity"],
        3 => &["gzip", "deflate"],
        4 => &["br"],
        _ => &["identity"],
    };
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    match decode(&names, body, MAX) {
        Ok(out) => {
            assert!(out.len() <= MAX || out.len() == body.len());
            kind((first % 6, out.len().min(3)))
        }
        Err(error) => {
            clean_error(&error);
            kind((first % 6, refused(error)))
        }
    }
}

/// What is put into a multipart comes out of it.
pub fn parts_written(input: &[u8]) -> u64 {
    let bodies: Vec<&[u8]> = input.split(|byte| *byte == b'|').take(8).collect();
    let parts: Vec<NewPart<'_>> = bodies
        .iter()
        .map(|body| NewPart {
            kind: "a/b",
            disposition: Some("x"),
            body,
        })
        .collect();
    let (content_type, body) = multipart::build(&parts);
    clean(&content_type);
    let request = with_body(&content_type, &body);
    let found = multipart::parts(&request, &body).map(|parts| {
        parts
            .into_iter()
            .map(|part| part.body)
            .collect::<Vec<Vec<u8>>>()
    });
    // Behind dashes these are taken for words of mail, which are not many.
    let words = input.windows(2).filter(|at| at == b"=?").count();
    if input.len() < 60_000 && words <= 100 {
        assert_eq!(found, Ok(bodies.iter().map(|body| body.to_vec()).collect()));
    }
    kind(bodies.len())
}

pub fn sdp(input: &[u8]) -> u64 {
    let sdp = match Sdp::parse(input) {
        Ok(sdp) => sdp,
        Err(error) => {
            clean_error(&error);
            return refused(error);
        }
    };
    assert!(sdp.media.len() <= 32);
    if let Some((id, version)) = &sdp.origin {
        clean(id);
        clean(version);
    }
    for media in &sdp.media {
        visible(&media.kind);
        visible(&media.proto);
        clean(&media.formats);
        for (name, value) in &media.attributes {
            visible(name);
            clean(value);
        }
    }
    let local = LocalMedia {
        msrp_uri: "msrp://127.0.0.1:2855".into(),
        session: "s".into(),
        origin_id: 1,
        version: 1,
        fingerprint: None,
        chatroom: Some("nickname".into()),
    };
    let answered = match sdp::build_answer(&local, &sdp) {
        Ok(answer) => {
            let answer = Sdp::parse(&answer).expect("what we write can be read");
            assert_eq!(answer.media.len(), sdp.media.len());
            assert_eq!(answer.media.iter().filter(|m| m.port != 0).count(), 1);
            let own = answer.usable_answer_to(&local);
            check_offer(&own.expect("our own answer is usable"));
            true
        }
        Err(error) => {
            clean_error(&error);
            assert!([400, 488].contains(&error.status()));
            false
        }
    };
    for found in [sdp.usable_offer(), sdp.usable_answer_to(&local)] {
        match found {
            Ok(offer) => check_offer(&offer),
            Err(error) => clean_error(&error),
        }
    }
    kind((
        sdp.media.len().min(3),
        answered,
        sdp.usable_answer_to(&local).is_ok(),
    ))
}

fn check_offer(offer: &Offer) {
    assert!(!offer.path.is_empty());
    offer.path.iter().for_each(|path| visible(path.as_str()));
    offer.accept_types.iter().for_each(|kind| clean(kind));
}

pub fn msrp_path(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    // As the place of the message plane it stays within its lines, readable or not.
    let local = LocalMedia {
        msrp_uri: text.to_string(),
        session: text.to_string(),
        origin_id: 1,
        version: 1,
        fingerprint: None,
        chatroom: None,
    };
    let offer = sdp::build_offer(&local);
    assert_eq!(offer.iter().filter(|byte| **byte == b'\n').count(), 12);
    assert!(!offer.contains(&0));
    Sdp::parse(&offer).expect("what we write can be read");
    let checked = local.check().is_ok();
    match MsrpPath::parse(&text) {
        Some(path) => {
            visible(path.as_str());
            assert_eq!(MsrpPath::parse(path.as_str()).as_ref(), Some(&path));
            visible(path.host());
            visible(path.session());
            kind((path.tls(), path.is_ipv6(), path.port().is_some(), checked))
        }
        None => kind(checked),
    }
}
