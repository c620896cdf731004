//! The rules of the house that hold for single files of `src`, each as a function from files to complaints.
//! Not here: what a rule is run on, and the proof that it can complain (`tests/pure/house/mod.rs`).

use super::source::{line_of, places, Source};

/// Who may see whom: files below the first part may name these parts of the crate besides their own.
/// The longest first part counts.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("src/sip", &[]),
    ("src/cpm", &["sip"]),
    ("src/store", &["cpm", "sip"]),
    // The engine keeps bytes; what they mean is known one floor up.
    ("src/store/engine", &[]),
    ("src/kamailio", &["kamailio_sys"]),
    ("src/kamailio_sys", &[]),
    (
        "src/module",
        &["kamailio", "store", "cpm", "sip", "document_file"],
    ),
];

pub const LONGEST_FILE: usize = 800;

/// Paths of the crate that a file of a lower layer must not name.
pub fn wrong_dependencies(files: &[Source]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let Some((layer, others)) = layer_of(&file.path) else {
            continue;
        };
        let own = layer.split('/').nth(1).unwrap_or_default();
        let code = file.code();
        for (offset, part) in named_parts(&code) {
            if part != own && !others.contains(&part) {
                let line = line_of(&file.text, offset);
                wrong.push(format!(
                    "{}:{line}: {layer} must not know crate::{part}",
                    file.path
                ));
            }
        }
        // `super::super::…` up to the crate is another way to the same names.
        let depth = file.path.split('/').count() - 1 - usize::from(file.path.ends_with("/mod.rs"));
        let ladder = "super::".repeat(depth);
        for offset in places(&file.code_outside_tests(), ladder.trim_end_matches("::")) {
            let line = line_of(&file.text, offset);
            wrong.push(format!(
                "{}:{line}: says super up to the crate; say crate:: instead",
                file.path
            ));
        }
    }
    wrong
}

fn layer_of(path: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    LAYERS
        .iter()
        .filter(|(top, _)| path.strip_prefix(top).is_some_and(|r| r.starts_with('/')))
        .max_by_key(|(top, _)| top.len())
}

/// Every part of the crate that is named, with where: `crate::sip::…` and `crate::{sip, cpm::…}`.
fn named_parts(code: &str) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    for at in places(code, "crate::") {
        let start = at + "crate::".len();
        let rest = &code[start..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0usize;
            let mut expected = true;
            for (offset, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => expected = true,
                    c if expected && (c.is_alphabetic() || c == '_') => {
                        parts.push((start + 1 + offset, leading_word(&group[offset..])));
                        expected = false;
                    }
                    _ => {}
                }
            }
        } else {
            parts.push((at, leading_word(rest)));
        }
    }
    parts
}

fn leading_word(text: &str) -> &str {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_'))
        .unwrap_or(text.len());
    &text[..end]
}

/// RFC numbers that are cited and not on the list, and citations that are not written `RFC nnnn`.
pub fn unknown_rfcs(files: &[Source], known: &[(u32, &str)]) -> Vec<String> {
    let mut unknown = Vec::new();
    for file in files {
        for (offset, _) in file.text.match_indices("RFC") {
            let rest = &file.text[offset + "RFC".len()..];
            let digits = rest.trim_start_matches([' ', '-']);
            let end = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            let Ok(number) = digits[..end].parse::<u32>() else {
                continue;
            };
            let line = line_of(&file.text, offset);
            if !rest.starts_with(' ') || rest.starts_with("  ") {
                unknown.push(format!("{}:{line}: write \"RFC {number}\"", file.path));
            }
            if !known.iter().any(|(listed, _)| *listed == number) {
                unknown.push(format!(
                    "{}:{line}: RFC {number} is not on the list of tests/pure/house/rfcs.rs",
                    file.path
                ));
            }
        }
    }
    unknown
}

/// Files whose first line does not say what they are.
pub fn without_opening(files: &[Source]) -> Vec<String> {
    files
        .iter()
        .filter(|file| {
            let said = |line: &str| {
                line.strip_prefix("//!")
                    .is_some_and(|text| !text.trim().is_empty())
            };
            !file.text.lines().next().is_some_and(said)
        })
        .map(|file| format!("{}: does not open with a //! line", file.path))
        .collect()
}

pub fn too_long(files: &[Source]) -> Vec<String> {
    files
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(file, lines)| {
            format!(
                "{}: {lines} lines, at most {LONGEST_FILE}: split it",
                file.path
            )
        })
        .collect()
}
