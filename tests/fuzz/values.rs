//! Targets for single values: URIs, addresses, parameters, the headers of a REFER, and the short texts we write.

use super::checks::{clean, clean_error, clean_params, visible};
use super::harness::{kind, refused};
use cpm::sip::content_type::ContentDisposition;
use cpm::sip::{
    params as header_params, refer_sub as sub, referred_by as by, sipfrag, status, warning,
};
use cpm::sip::{ContentType, Identity, NameAddr, Privacy, ReferTarget, ReferTo, Uri};

pub fn uri(input: &[u8]) -> u64 {
    let uri = match Uri::parse(input) {
        Ok(uri) => uri,
        Err(error) => {
            clean_error(&error);
            return refused(error);
        }
    };
    check_uri(&uri);
    kind((
        uri.scheme() as u8,
        uri.user().is_some(),
        uri.port().is_some(),
        uri.params().count().min(3),
        uri.headers().len().min(3),
        uri.is_address_literal(),
        uri.host().starts_with('['),
        Identity::of(&uri).as_str().starts_with("tel:"),
    ))
}

/// What holds of every URI, wherever it was read.
pub fn check_uri(uri: &Uri) {
    visible(uri.as_str());
    assert!(!uri.as_str().contains(['<', '>', '"', '\\']));
    assert_eq!(Uri::parse(uri.to_string().as_bytes()).as_ref(), Ok(uri));
    let bytes = postcard::to_stdvec(uri).expect("a URI can be stored");
    assert_eq!(postcard::from_bytes::<Uri>(&bytes).as_ref(), Ok(uri));
    assert!(uri.equivalent(uri));

    let target = uri.to_target();
    assert_eq!(Uri::parse(target.as_str().as_bytes()).as_ref(), Ok(&target));
    assert!(target.param("method").is_none() && target.headers().is_empty());
    assert_eq!((target.user(), target.host()), (uri.user(), uri.host()));
    assert_eq!(target.to_target(), target);

    let more = uri.with_param("x", Some("a\r\n\0;?b"));
    assert_eq!(Uri::parse(more.as_str().as_bytes()).as_ref(), Ok(&more));
    assert_eq!(more.headers(), uri.headers());
    let less = more.with_param("x", None);
    assert_eq!(Uri::parse(less.as_str().as_bytes()).as_ref(), Ok(&less));

    let who = Identity::of(uri);
    visible(who.as_str());
    assert_eq!(who, Identity::of(&target), "{uri}");
    // The canonical text is the canonical text of itself.
    if let Ok(again) = Uri::parse(who.as_str().as_bytes()) {
        assert_eq!(Identity::of(&again), who, "{uri}");
    }
}

/// Two, with a line feed between.
pub fn two_uris(input: &[u8]) -> u64 {
    let mut lines = input.splitn(2, |byte| *byte == b'\n');
    let (Some(a), Some(b)) = (lines.next(), lines.next()) else {
        return 0;
    };
    let (Ok(a), Ok(b)) = (Uri::parse(a), Uri::parse(b)) else {
        return 1;
    };
    let same = a.equivalent(&b);
    assert_eq!(same, b.equivalent(&a), "{a} {b}");
    let one_person = Identity::of(&a) == Identity::of(&b);
    if a == b {
        assert!(same && one_person, "{a} {b}");
    }
    kind((same, one_person, a.scheme() as u8, b.scheme() as u8))
}

pub fn name_addr(input: &[u8]) -> u64 {
    match NameAddr::parse(input) {
        Ok(address) => {
            check_address(&address);
            kind((
                address.display.is_some(),
                address.bracketed,
                address.params.len().min(3),
                address.tag().is_some(),
                address.uri.scheme() as u8,
            ))
        }
        Err(error) => {
            clean_error(&error);
            refused(error)
        }
    }
}

pub fn check_address(address: &NameAddr) {
    clean_params(&address.params);
    check_uri(&address.uri);
    if let Some(tag) = address.tag() {
        visible(&tag);
        assert!(!tag.is_empty());
        // A tag we write behind an address of ours is read back as that tag.
        let written = format!("<{}>;tag={tag}", address.uri);
        let again = NameAddr::parse(written.as_bytes()).expect("what we write can be read");
        assert_eq!(again.tag(), Some(tag));
        assert_eq!(again.uri, address.uri);
    }
}

pub fn params(input: &[u8]) -> u64 {
    match header_params::parse(input) {
        Ok(params) => {
            clean_params(&params);
            for (name, value) in &params {
                assert_eq!(*name, name.to_ascii_lowercase());
                let first = header_params::find(&params, &name.to_ascii_uppercase());
                assert!(first.is_some(), "{name} {value:?}");
            }
            kind((params.len().min(65), params.iter().any(|p| p.1.is_some())))
        }
        Err(error) => {
            clean_error(&error);
            refused(error)
        }
    }
}

pub fn refer_to(input: &[u8]) -> u64 {
    match ReferTo::parse(input) {
        Ok(refer_to) => {
            check_refer_to(&refer_to);
            kind((
                refer_to.quirks.iter().map(|q| q.name()).collect::<Vec<_>>(),
                refer_to.method.is_some(),
                refer_to.headers.len().min(3),
                matches!(refer_to.target, ReferTarget::Uri(_)),
            ))
        }
        Err(error) => {
            clean_error(&error);
            refused(error)
        }
    }
}

pub fn check_refer_to(refer_to: &ReferTo) {
    if let Some(method) = &refer_to.method {
        visible(method.as_str());
        assert!(!method.as_str().is_empty());
    }
    for (name, value) in &refer_to.headers {
        visible(name);
        visible(value);
    }
    for (at, quirk) in refer_to.quirks.iter().enumerate() {
        assert!(!refer_to.quirks[..at].contains(quirk), "each quirk once");
    }
    match &refer_to.target {
        ReferTarget::Uri(uri) => {
            check_uri(uri);
            assert!(uri.param("method").is_none() && uri.headers().is_empty());
            let again = ReferTo::parse(format!("<{uri}>").as_bytes()).expect("it can be read");
            assert_eq!(again.target, refer_to.target);
            assert_eq!(again.method, None);
            assert!(again.headers.is_empty() && again.quirks.is_empty());
        }
        ReferTarget::ContentId(id) => {
            clean(id);
            assert!(!id.trim().is_empty());
        }
    }
}

pub fn referred_by(input: &[u8]) -> u64 {
    match by::parse(input) {
        Ok(found) => {
            check_uri(&found.uri);
            assert!(
                !found.text.chars().any(char::is_control),
                "{:?}",
                found.text
            );
            // Sent on as it is, so the next one has to read the same of it.
            let again = by::parse(found.text.as_bytes()).expect("what we send can be read");
            assert_eq!(again, found);
            kind((found.text.len() == input.len(), found.text.starts_with('<')))
        }
        Err(error) => {
            clean_error(&error);
            refused(error)
        }
    }
}

pub fn refer_sub(input: &[u8]) -> u64 {
    match sub::parse(input) {
        Ok(wanted) => kind(wanted),
        Err(error) => {
            clean_error(&error);
            refused(error)
        }
    }
}

pub fn privacy(input: &[u8]) -> u64 {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let all = Privacy::parse(lines.iter().copied());
    // Nobody who asked for anonymity is exposed by what else stands there (R2.1).
    for line in &lines {
        if Privacy::parse([*line]).id {
            assert!(all.id);
        }
    }
    kind(format!("{all:?}"))
}

pub fn content_type(input: &[u8]) -> u64 {
    let kinds = ContentType::parse(input).map(|found| {
        visible(&found.kind);
        clean_params(&found.params);
        let again = ContentType::parse(found.kind.as_bytes()).expect("a kind can be read");
        assert_eq!(again.kind, found.kind);
        found.params.len().min(3)
    });
    let disposition = ContentDisposition::parse(input).map(|found| {
        visible(&found.kind);
        found.required
    });
    kind((kinds, disposition))
}

/// Whatever text gets into a line of ours stays in it.
pub fn written(input: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(input);
    let mut halves = text.splitn(2, '|');
    let (a, b) = (halves.next().unwrap_or(""), halves.next().unwrap_or(""));
    let body = sipfrag::status_line(200, a, &[("To", b)]);
    assert_eq!(body.iter().filter(|byte| **byte == b'\n').count(), 2);
    assert_eq!(body.iter().filter(|byte| **byte == b'\r').count(), 2);
    assert!(body.ends_with(b"\r\n") && !body.contains(&0));
    let warning = warning::warning(a, b);
    clean(&warning);
    assert_eq!(unescaped_quotes(&warning), 2, "{warning:?}");
    clean(status::reason_phrase((input.len() % 1000) as u16));
    kind((a.len().min(4), b.len().min(4)))
}

fn unescaped_quotes(text: &str) -> usize {
    let mut escaped = false;
    let mut found = 0;
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => found += 1,
            _ => {}
        }
    }
    found
}
