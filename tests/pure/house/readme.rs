//! The manual against what is exported: names out of the source text of the tables, and out of the manual's own.
//! Not here: prose. Only headings, tables and the lines below a parameter are compared.

use std::collections::BTreeSet;

use super::source::{words, Source};

pub type Names = BTreeSet<String>;

/// Everything the module exports, read from its tables.
#[derive(Default)]
pub struct Exported {
    /// With the type: `domain (string)`, as the manual heads them.
    pub parameters: Names,
    pub functions: Names,
    /// `KSR.cpm.…` without the prefix.
    pub kemi: Names,
    pub rpc: Names,
    pub statistics: Names,
}

impl Exported {
    /// From the files of `src/module`. Every table says how many entries it has; finding another number
    /// means that this reader and the tables do not understand each other.
    pub fn read(files: &[Source]) -> Result<Exported, String> {
        let text: String = files.iter().map(|file| file.text.as_str()).collect();
        let rpc: Names = c_literals(&text)
            .into_iter()
            .filter(|name| {
                name.strip_prefix("cpm.")
                    .is_some_and(|rest| words(rest).eq([rest]))
            })
            .collect();
        let (declared, _) = table(&text, "RpcTable<")?;
        if rpc.len() != declared {
            return Err(format!("RpcTable has {declared} entries, found {rpc:?}"));
        }
        Ok(Exported {
            parameters: entries(&text, "ParamTable<", |entry| {
                let name = first_literal(entry)?;
                let kind = match words(entry).next()? {
                    "integer" => "integer",
                    _ => "string",
                };
                Some(format!("{name} ({kind})"))
            })?,
            functions: entries(&text, "CommandTable<", first_literal)?,
            kemi: entries(&text, "KemiTable<", |entry| {
                c_literals(entry).into_iter().nth(1)
            })?,
            rpc,
            statistics: statistics(&text)?,
        })
    }
}

/// The declared length and the text of the table of that type.
fn table<'a>(text: &'a str, kind: &str) -> Result<(usize, &'a str), String> {
    let missing = || format!("no table {kind}…> in src/module");
    let declaration = text
        .match_indices(&format!(": {kind}"))
        .next()
        .ok_or_else(missing)?
        .0;
    let rest = &text[declaration + ": ".len() + kind.len()..];
    let (length, rest) = rest.split_once('>').ok_or_else(missing)?;
    let (_, rest) = rest.split_once('[').ok_or_else(missing)?;
    let (body, _) = rest.split_once("]);").ok_or_else(missing)?;
    let length = length.trim().parse().map_err(|_| missing())?;
    Ok((length, body))
}

/// What `name` finds in every entry `f(…)` of a table. The same function may be there twice, with and
/// without an argument.
fn entries(text: &str, kind: &str, name: impl Fn(&str) -> Option<String>) -> Result<Names, String> {
    let (declared, body) = table(text, kind)?;
    let found: Vec<String> = body.split("),").filter_map(name).collect();
    if found.len() != declared {
        return Err(format!("{kind}> has {declared} entries, found {found:?}"));
    }
    Ok(found.into_iter().collect())
}

fn first_literal(entry: &str) -> Option<String> {
    c_literals(entry).into_iter().next()
}

/// `TABLE: [(&CStr, &CStr, &Counter); 10] = [(c"name", c"help", &X), …]`.
fn statistics(text: &str) -> Result<Names, String> {
    let missing = || "no table of statistics in src/module".to_owned();
    let (_, rest) = text
        .split_once("[(&CStr, &CStr, &Counter);")
        .ok_or_else(missing)?;
    let (length, rest) = rest.split_once(']').ok_or_else(missing)?;
    let (body, _) = rest.split_once("];").ok_or_else(missing)?;
    let literals = c_literals(body);
    if length.trim().parse() != Ok(literals.len() / 2) || literals.len() % 2 == 1 {
        return Err(format!("the statistics say {length}, found {literals:?}"));
    }
    Ok(literals.into_iter().step_by(2).collect())
}

/// The insides of all `c"…"`.
fn c_literals(text: &str) -> Vec<String> {
    text.split("c\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(inside, _)| inside.to_owned())
        .collect()
}

/// What an integer parameter must be, from `src/module/modparams.rs`.
#[derive(Debug, PartialEq, Eq)]
pub struct Number {
    pub name: String,
    pub default: String,
    /// `a to b`; none when it is not a range.
    pub range: Option<String>,
}

pub fn numbers(config: &str) -> Vec<Number> {
    let plain = |text: &str| text.trim().replace('_', "");
    config
        .split("pub static ")
        .skip(1)
        .filter_map(|declaration| {
            let (name, rest) = declaration.split_once(": IntParam = IntParam::with_default(")?;
            let (default, _) = rest.split_once(')')?;
            let name = name.to_ascii_lowercase();
            let check = config
                .split("number(")
                .skip(1)
                .find(|check| check.trim_start().starts_with(&format!("\"{name}\"")));
            let range = check
                .and_then(|check| check.split(',').nth(2))
                .and_then(|range| range.split_once("..="))
                .map(|(low, high)| format!("{} to {}", plain(low), plain(high)));
            Some(Number {
                name,
                default: plain(default),
                range,
            })
        })
        .collect()
}

/// Variables the scripts take from the environment: those they give a default or ask whether they are set.
pub fn environment(scripts: &[Source]) -> Names {
    let mut names = Names::new();
    for script in scripts {
        for rest in script.text.split("${").skip(1) {
            let end = rest
                .find(|c: char| !(c.is_ascii_uppercase() || c == '_'))
                .unwrap_or(rest.len());
            let operator = rest[end..].trim_start_matches(':');
            if end > 2 && operator.starts_with(['-', '+', '=', '?']) {
                names.insert(rest[..end].to_owned());
            }
        }
    }
    names
}

/// The headings of a text: where the line begins and ends, the depth, the words.
fn headings(text: &str) -> Vec<(usize, usize, usize, &str)> {
    let mut fenced = false;
    let mut offset = 0;
    let mut found = Vec::new();
    for line in text.split_inclusive('\n') {
        let (start, end) = (offset, offset + line.len());
        offset = end;
        if line.starts_with("```") {
            fenced = !fenced;
        }
        let words = line.trim_start_matches('#');
        let depth = line.len() - words.len();
        if !fenced && depth > 0 {
            found.push((start, end, depth, words.trim()));
        }
    }
    found
}

/// The text of a section, from its heading to the next one of the same or a higher level.
pub fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let words = heading.trim_start_matches('#');
    let level = heading.len() - words.len();
    let mut headings = headings(text).into_iter();
    let (_, start, ..) = headings.find(|(_, _, depth, w)| (*depth, *w) == (level, words.trim()))?;
    let end = headings.find(|(_, _, depth, _)| *depth <= level);
    Some(&text[start..end.map_or(text.len(), |(end, ..)| end)])
}

/// The entries of a section that has one heading each: what stands in the heading, and what below it.
pub fn headed(section: &str) -> Vec<(&str, &str)> {
    let headings = headings(section);
    let ends = headings.iter().skip(1).map(|(start, ..)| *start);
    let ends = ends.chain([section.len()]);
    let entries = headings.iter().zip(ends);
    entries
        .map(|((_, start, _, words), end)| (*words, &section[*start..end]))
        .collect()
}

/// The names of such entries, without arguments and backticks.
pub fn names(section: &str) -> Names {
    let name = |words: &str| {
        let words = words.trim_matches('`');
        let end = words.find(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
        words[..end.unwrap_or(words.len())].to_owned()
    };
    headed(section)
        .iter()
        .map(|(words, _)| name(words))
        .collect()
}

/// What an entry says in its line `- LABEL: …`.
pub fn said<'a>(entry: &'a str, label: &str) -> Option<&'a str> {
    let mut lines = entry.lines();
    lines.find_map(|line| {
        line.strip_prefix("- ")?
            .strip_prefix(label)?
            .strip_prefix(": ")
    })
}

/// The rows of all tables of a section, as cells without the borders; headings are left out.
pub fn rows(section: &str) -> Vec<Vec<String>> {
    section
        .lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'))
        .map(|row| {
            row.replace("\\|", "\u{1}")
                .split('|')
                .map(|cell| cell.trim().replace('\u{1}', "|"))
                .collect()
        })
        .filter(|cells: &Vec<String>| cells[0].starts_with('`'))
        .collect()
}

/// What the tables of a section document: the names in the first cells.
pub fn documented(section: &str) -> Names {
    let cells = rows(section);
    let names = cells.iter().flat_map(|cells| backticked(&cells[0]));
    names.map(str::to_owned).collect()
}

/// Names after `prefix` anywhere in a text.
pub fn mentioned(text: &str, prefix: &str) -> Names {
    text.split(prefix)
        .skip(1)
        .filter_map(|rest| words(rest).next())
        .map(str::to_owned)
        .collect()
}

fn backticked(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// What is only in one of the two.
pub fn differences(what: &str, exported: &Names, documented: &Names) -> Vec<String> {
    let missing = exported
        .difference(documented)
        .map(|name| format!("{what} {name} is not documented in docs/"));
    let invented = documented
        .difference(exported)
        .map(|name| format!("docs/ documents the {what} {name}, which does not exist"));
    missing.chain(invented).collect()
}
