//! Documents of the conference event package as a watcher reads them, and the schema of RFC 4575 as their judge.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

/// Every document fits the schema of RFC 4575 section 6, but for `yourown`, which no schema knows.
pub fn assert_valid(documents: &[String]) {
    for (n, document) in documents.iter().enumerate() {
        let plain = document.replacen(" yourown=\"true\"", "", 1);
        let schema = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/conference-info.xsd"
        );
        let mut xmllint = Command::new("xmllint")
            .args(["--nonet", "--noout", "--schema", schema, "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("xmllint is needed: apt-get install libxml2-utils");
        let mut input = xmllint.stdin.take().expect("a pipe");
        input.write_all(plain.as_bytes()).expect("xmllint reads");
        drop(input);
        let said = xmllint.wait_with_output().expect("xmllint ends");
        let why = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "document {n}: {why}\n{document}");
    }
}

/// The text of an attribute of the root.
pub fn root<'a>(document: &'a str, attribute: &str) -> &'a str {
    let start = document.find("<conference-info").expect("a root");
    let tag = &document[start..start + document[start..].find('>').expect("an end")];
    between(tag, &format!(" {attribute}=\""), "\"")
        .unwrap_or_else(|| panic!("no {attribute}: {tag}"))
}

pub fn version(document: &str) -> u32 {
    root(document, "version").parse().expect("a version")
}

/// The text of the first element of that name.
pub fn text<'a>(document: &'a str, element: &str) -> Option<&'a str> {
    between(document, &format!("<{element}>"), &format!("</{element}>"))
}

/// The users by entity.
pub fn users(document: &str) -> Vec<&str> {
    let tags = document.split("<user ").skip(1);
    let users: Vec<&str> = tags
        .filter_map(|tag| between(tag, "entity=\"", "\""))
        .collect();
    let distinct: BTreeSet<_> = users.iter().collect();
    assert_eq!(distinct.len(), users.len(), "a key twice: {document}");
    users
}

/// One user with everything in it.
pub fn user<'a>(document: &'a str, entity: &str) -> Option<&'a str> {
    let start = document.find(&format!("<user entity=\"{entity}\""))?;
    let rest = &document[start..];
    Some(&rest[..rest.find("</user>").unwrap_or(rest.len())])
}

/// Status, and how it came or went as far as that is told: `connected dialed-in`, `disconnected busy`.
pub fn standing(document: &str, entity: &str) -> Option<String> {
    let user = user(document, entity)?;
    let mut words = vec![text(user, "status")?];
    words.extend(match text(user, "disconnection-method") {
        Some(method) => Some(method),
        None => text(user, "joining-method"),
    });
    Some(words.join(" "))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    Some(&text[start..start + text[start..].find(after)?])
}
