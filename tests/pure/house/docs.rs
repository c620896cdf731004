//! Where the documentation leads: links and anchors of Markdown pages, and citations of requirements and files in
//! comments. Not here: what a page has to say; see `readme.rs`.

use std::collections::BTreeSet;

use super::source::{line_of, Source};

pub type Anchors = BTreeSet<String>;

/// A Markdown file and what in it can be linked to.
pub struct Page {
    pub file: Source,
    pub anchors: Anchors,
}

impl Page {
    pub fn new(file: Source) -> Page {
        let anchors = anchors(&file.text);
        Page { file, anchors }
    }
}

/// Lines with their number (from 1), without those of fenced blocks.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

/// The anchors of a page: those of its headings, as GitHub makes them, and `<a id="…">`.
pub fn anchors(text: &str) -> Anchors {
    let mut found = Anchors::new();
    for (_, line) in prose(text) {
        let words = line.trim_start_matches('#');
        if words.len() < line.len() {
            let slug = slug(words);
            let mut numbered = (1..).map(|n| format!("{slug}-{n}"));
            let free = match found.contains(&slug) {
                true => numbered.find(|name| !found.contains(name)),
                false => Some(slug),
            };
            found.extend(free);
        }
        found.extend(ids(line));
    }
    found
}

fn ids(line: &str) -> impl Iterator<Item = String> + '_ {
    let ids = line.split("<a id=\"").skip(1);
    ids.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()))
}

fn slug(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
    let text: String = heading.trim().to_lowercase().chars().filter(kept).collect();
    text.replace(' ', "-")
}

/// Links to files of the repository and to anchors that are not there.
pub fn broken_links(pages: &[Page], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut broken = Vec::new();
    for page in pages {
        let path = &page.file.path;
        for (number, line) in prose(&page.file.text) {
            for target in targets(line) {
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let file = match file {
                    "" => path.clone(),
                    relative => resolve(path, relative),
                };
                let linked = pages.iter().find(|page| page.file.path == file);
                let there = match linked {
                    Some(page) => anchor.is_empty() || page.anchors.contains(anchor),
                    None => anchor.is_empty() && exists(&file),
                };
                if !there {
                    broken.push(format!("{path}:{number}: {target} leads nowhere"));
                }
            }
        }
    }
    broken
}

/// Targets of the links in a line that stay in the repository.
fn targets(line: &str) -> Vec<&str> {
    // Every second piece is code.
    let pieces = line.split('`').step_by(2);
    let links = pieces.flat_map(|piece| piece.split("](").skip(1));
    links
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .filter(|target| !target.contains("://"))
        .collect()
}

/// Where the files are that pages name in passing.
const TOPS: &[&str] = &["src/", "tests/", "kamailio-cfg/", "docs/", ".ci/"];

/// Paths that a page shows as code and that are not there.
pub fn missing_paths(pages: &[Page], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut missing = Vec::new();
    for page in pages {
        for (number, line) in prose(&page.file.text) {
            let code = line.split('`').skip(1).step_by(2);
            let paths = code.map(|text| text.trim_start_matches("./"));
            let part = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
            let plain = |path: &&str| {
                TOPS.iter().any(|top| path.starts_with(top)) && path.chars().all(part)
            };
            for path in paths.filter(plain).filter(|path| !exists(path)) {
                missing.push(format!("{}:{number}: {path} is not here", page.file.path));
            }
        }
    }
    missing
}

/// A path relative to the directory of `page`, from the top of the repository.
fn resolve(page: &str, relative: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in relative.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A rule or section of docs/requirements.md that a comment cites.
#[derive(Debug, PartialEq, Eq)]
pub struct Citation {
    pub line: usize,
    /// As it is cited.
    pub text: String,
}

/// Citations in the comments of a file.
pub fn citations(file: &Source) -> Vec<Citation> {
    let mut found = Vec::new();
    let mut after_requirements = false;
    for (line, word) in comment_words(file) {
        let bare = word.trim_end_matches(['.', ':']);
        let cited = match bare {
            "section" | "sections" | "and" => continue,
            _ if is_rule(bare) => Some(bare.to_owned()),
            _ if after_requirements && is_section(bare) => Some(format!("section {bare}")),
            _ => None,
        };
        after_requirements = match bare.to_ascii_lowercase().as_str() {
            "requirements" | "requirements.md" => true,
            _ => after_requirements && cited.is_some(),
        };
        found.extend(cited.map(|text| Citation { line, text }));
    }
    found
}

/// Words of the comments with their line; punctuation that cannot belong to a citation separates.
fn comment_words(file: &Source) -> Vec<(usize, &str)> {
    let mut words = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let Some(at) = comment_start(line) else {
            continue;
        };
        let separates = |c: char| !(c.is_ascii_alphanumeric() || "._:".contains(c));
        let said = line[at..].split(separates).filter(|word| !word.is_empty());
        words.extend(said.map(|word| (index + 1, word)));
    }
    words
}

/// Where the comment of a line begins: a line of comment, or one behind code.
fn comment_start(line: &str) -> Option<usize> {
    let at = line.find("//")?;
    let before = line[..at].trim_end();
    (before.is_empty() || before.ends_with([';', ',', '{', '}', ')'])).then_some(at)
}

/// `R1.3b`, `N6`, `G7`, `A20`, `P17`, `V10`, `I3`.
fn is_rule(word: &str) -> bool {
    let mut chars = word.chars();
    let Some(kind) = chars.next() else {
        return false;
    };
    let rest = chars.as_str();
    match kind {
        'R' => {
            let plain = rest.trim_end_matches(|c: char| c.is_ascii_lowercase());
            plain.contains('.') && rest.len() <= plain.len() + 1 && is_section(plain)
        }
        'N' | 'G' | 'A' | 'P' | 'V' | 'I' => {
            (1..=2).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_digit())
        }
        _ => false,
    }
}

/// `7`, `2.3`.
fn is_section(word: &str) -> bool {
    let mut parts = word.split('.');
    let number =
        |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    word.matches('.').count() <= 1 && parts.all(number)
}

/// What can be cited of docs/requirements.md: its `<a id="…">`, and the numbers its headings begin with.
pub fn citable(text: &str) -> Anchors {
    let mut found = Anchors::new();
    for (_, line) in prose(text) {
        found.extend(ids(line));
        let words = line.trim_start_matches('#');
        if words.len() < line.len() {
            let number = words.split_whitespace().next().unwrap_or_default();
            found.insert(number.trim_end_matches('.').to_owned());
        }
    }
    found
}

/// Citations of rules and sections that are not among what can be cited.
pub fn dangling(files: &[Source], citable: &Anchors) -> Vec<String> {
    let mut lost = Vec::new();
    for file in files {
        for Citation { line, text } in citations(file) {
            let name = text.strip_prefix("section ").unwrap_or(&text);
            if !citable.contains(&name.to_lowercase()) {
                lost.push(format!(
                    "{}:{line}: {text} is not in docs/requirements.md",
                    file.path
                ));
            }
        }
    }
    lost
}

/// Markdown files that a comment names and that are neither in `docs` nor at the top.
pub fn cited_files(files: &[Source], exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lost = Vec::new();
    for file in files {
        for (at, _) in file.text.match_indices(".md") {
            let (before, after) = (&file.text[..at], &file.text[at + ".md".len()..]);
            let part = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
            let start = before.trim_end_matches(part).len();
            let name = format!("{}.md", &before[start..]);
            // A path in code is opened or not, and that shows; ".md" alone is an ending.
            let quoted = before[..start].ends_with('"');
            let longer = after.starts_with(|c: char| c.is_ascii_alphanumeric());
            if quoted || longer || start == at {
                continue;
            }
            let name = name.trim_start_matches("./");
            if !exists(name) && !exists(&format!("docs/{name}")) {
                let line = line_of(&file.text, at);
                lost.push(format!("{}:{line}: {name} is not here", file.path));
            }
        }
    }
    lost
}

/// The group documents in the fenced blocks of a page, with the line of the block.
pub fn group_documents(text: &str) -> Vec<(usize, &str)> {
    let blocks = text.split("\n```xml\n").skip(1);
    blocks
        .filter_map(|rest| Some(rest.split_once("\n```")?.0))
        .filter(|block| block.contains("<group "))
        .map(|block| {
            let offset = block.as_ptr() as usize - text.as_ptr() as usize;
            (line_of(text, offset), block)
        })
        .collect()
}

/// Rows of Markdown tables that name files (words in backticks with a `/`) and things in them (other
/// words in backticks): what is not there. `text_of` gives the text of a file, if it exists.
pub fn lost_places(section: &str, text_of: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let mut lost = Vec::new();
    for row in section.lines().filter(|line| line.starts_with('|')) {
        let words = row.split('`').skip(1).step_by(2);
        let (files, things): (Vec<&str>, Vec<&str>) = words.partition(|word| word.contains('/'));
        let mut texts = String::new();
        for file in &files {
            match text_of(file) {
                Some(text) => texts.push_str(&text),
                None => lost.push(format!("{file} is not here: {row}")),
            }
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let names = |thing: &str| texts.split(|c| !is_word(c)).any(|word| word == thing);
        let things = things
            .into_iter()
            .filter(|thing| thing.chars().all(is_word));
        let unknown = things.filter(|thing| !files.is_empty() && !names(thing));
        lost.extend(unknown.map(|thing| format!("{thing} is in none of its files: {row}")));
    }
    lost
}
