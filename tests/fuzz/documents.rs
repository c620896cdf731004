//! Targets for XML: resource lists and group documents.

use super::checks::{clean, clean_error};
use super::harness::{kind, refused};
use super::values::check_uri;
use cpm::cpm::policy::{explain, Action, Group, PolicyQuery, Role};
use cpm::sip::resource_list::{self, Entry, ListError, MAX_ENTRIES};
use cpm::sip::{Identity, Method, Uri};

pub fn resource_list(input: &[u8]) -> u64 {
    check_list(resource_list::parse(input))
}

/// One URI in a list that is otherwise right.
pub fn entry_uri(input: &[u8]) -> u64 {
    let mut document = b"<l:resource-lists xmlns:l='urn:ietf:params:xml:ns:resource-lists' \
        xmlns:c='urn:ietf:params:xml:ns:copycontrol'><l:list><l:entry c:copyControl='to' uri=\""
        .to_vec();
    for byte in input {
        match byte {
            b'"' => document.extend_from_slice(b"&quot;"),
            b'<' => document.extend_from_slice(b"&lt;"),
            b'&' => document.extend_from_slice(b"&amp;"),
            // As a peer would smuggle it in: the character by its number.
            b'\r' | b'\n' => document.extend_from_slice(format!("&#{byte};").as_bytes()),
            _ => document.push(*byte),
        }
    }
    document.extend_from_slice(b"\"/></l:list></l:resource-lists>");
    check_list(resource_list::parse(&document))
}

fn check_list(list: Result<Vec<Entry>, ListError>) -> u64 {
    let list = match list {
        Ok(list) => list,
        Err(error) => {
            clean_error(&error);
            assert!([400, 415].contains(&error.status()), "{error}");
            return refused(error);
        }
    };
    assert!(!list.is_empty() && list.len() <= MAX_ENTRIES);
    for entry in &list {
        clean(&entry.text);
        entry.display.as_deref().into_iter().for_each(clean);
        let method = entry.method.as_ref().map(Method::as_str);
        method.into_iter().for_each(clean);
        assert!(entry.count >= 1);
        match &entry.target {
            Ok(uri) => {
                check_uri(uri);
                assert!(uri.param("method").is_none() && uri.headers().is_empty());
            }
            Err(error) => clean_error(error),
        }
    }
    let merged = resource_list::merge(list.clone(), &Identity::of);
    assert!(merged.len() <= list.len());
    assert_eq!(resource_list::merge(merged.clone(), &Identity::of), merged);
    let told: Vec<_> = merged.iter().filter_map(Entry::history).collect();
    let history = resource_list::build_history(&told);
    if let Some(history) = &history {
        let again = resource_list::parse(history).expect("what we write can be read");
        assert!(again
            .iter()
            .all(|entry| entry.target.is_ok() && entry.method.is_none()));
        let again: Vec<_> = again.iter().filter_map(Entry::history).collect();
        assert_eq!(resource_list::build_history(&again).as_ref(), Some(history));
    }
    kind((
        list.len().min(4),
        merged.len().min(4),
        list.iter()
            .filter(|entry| entry.target.is_ok())
            .count()
            .min(3),
        list.iter().any(|entry| entry.method.is_some()),
        list.iter().any(|entry| entry.anonymize),
        history.is_some(),
    ))
}

pub fn group(input: &[u8]) -> u64 {
    let group = match Group::parse(input) {
        Ok(group) => group,
        Err(error) => {
            clean_error(&error);
            assert!(error.line >= 1 && error.column >= 1, "{error}");
            // Behind the place.
            let text = error.reason.to_string();
            return kind(text.chars().take(24).collect::<String>());
        }
    };
    check_uri(&group.uri);
    for member in &group.members {
        check_uri(&member.uri);
        assert_eq!(member.identity, Identity::of(&member.uri));
    }
    let mut identities: Vec<_> = group.members.iter().map(|m| &m.identity).collect();
    identities.sort();
    identities.dedup();
    assert_eq!(identities.len(), group.members.len(), "each identity once");
    group.notes.iter().for_each(|note| clean(&note.text));

    let mut granted = 0;
    for who in [
        "sip:alice@home1.test",
        "tel:+358401234567",
        "sip:x@other.test",
    ] {
        let uri = Uri::parse(who.as_bytes()).expect("a URI");
        for anonymous in [false, true] {
            let verdict = group.evaluate(&PolicyQuery {
                identities: &[group.identity_of(&uri, &[])],
                uris: std::slice::from_ref(&uri),
                anonymous,
                now_unix: 1_700_000_000,
                role: Role::default(),
                phone_domains: &[],
            });
            assert!(verdict.matched_rules.len() <= group.rules.len());
            // Nobody has a permission that no rule gives.
            assert!(!verdict.matched_rules.is_empty() || verdict.allowed.granted().count() == 0);
            granted += usize::from(verdict.allows(Action::JoinHandling));
        }
        for (what, answer) in explain(&group, &uri, &uri, 1_700_000_000, &[]) {
            clean(&what);
            clean(&answer);
        }
    }
    let nobody = group.evaluate(&PolicyQuery {
        identities: &[],
        uris: &[],
        anonymous: false,
        now_unix: 0,
        role: Role::default(),
        phone_domains: &[],
    });
    kind((
        group.members.len().min(3),
        group.rules.len().min(4),
        group.notes.len().min(3),
        granted,
        nobody.allowed.granted().count(),
    ))
}
