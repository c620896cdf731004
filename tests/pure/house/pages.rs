//! Whether the documentation holds together: links, citations, files and group documents that it shows.
//! Not here: what the manual owes to the export tables, and how pages are read (`docs.rs`).

use super::docs::{
    anchors, broken_links, citable, citations, cited_files, dangling, group_documents, lost_places,
    missing_paths, Page,
};
use super::readme::{differences, documented, rows, section, Names};
use super::source::{read, root, sources, Source};
use super::{complains, nothing, one, DOCUMENTS};

const LONGEST_README: usize = 200;

fn pages() -> Vec<Page> {
    let mut files = sources(&["docs"], &["md"]);
    files.extend(sources(DOCUMENTS, &["md"]));
    files.into_iter().map(Page::new).collect()
}

#[test]
fn the_readme_is_short_and_leads_to_every_page() {
    let readme = read("README.md");
    let lines = readme.lines().count();
    assert!(lines <= LONGEST_README, "README.md has {lines} lines");
    for page in pages() {
        let path = page.file.path;
        let link = format!("]({path})");
        assert!(
            path == "README.md" || readme.contains(&link),
            "README.md does not link {path}"
        );
    }
}

#[test]
fn links_lead_somewhere() {
    let exists = |path: &str| root().join(path).exists();
    nothing(broken_links(&pages(), &exists));
}

#[test]
fn named_files_exist() {
    let exists = |path: &str| root().join(path).exists();
    nothing(missing_paths(&pages(), &exists));
}

/// The tables that lead a newcomer to the code: each of the nine steps, and where to add something.
#[test]
fn the_places_to_go_to_exist() {
    let developing = read("docs/developing.md");
    let text_of = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    for (heading, rows) in [
        ("## The nine steps in the code", 9),
        ("## Where to add something", 10),
    ] {
        let section = section(&developing, heading).expect("the section");
        let named = section.lines().filter(|line| line.contains("`src/"));
        assert!(named.count() >= rows, "{heading} lost rows");
        nothing(lost_places(section, &text_of));
    }
}

/// The crates that a Cargo.toml depends on, in whatever way.
fn crates(manifest: &str) -> Names {
    let mut depends = false;
    let mut found = Names::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            depends = line.ends_with("dependencies]");
        } else if let (true, Some((name, _))) = (depends, line.split_once('=')) {
            found.insert(name.trim().to_owned());
        }
    }
    found
}

#[test]
fn every_dependency_says_why_it_is_there() {
    let developing = read("docs/developing.md");
    let section = section(&developing, "## Dependencies").expect("the section");
    let found = crates(&read("Cargo.toml"));
    assert!(
        found.contains("libc") && found.contains("tempfile"),
        "{found:?}"
    );
    nothing(differences("crate", &found, &documented(section)));
    for row in rows(section) {
        assert!(
            row.len() == 3 && row.iter().all(|cell| !cell.is_empty()),
            "{row:?}"
        );
    }
}

#[test]
fn dependencies_are_read_from_the_manifest() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\"\n\n[dev-dependencies]\nb-c = { version = \"1\" }\n[[bench]]\nname = \"d\"";
    let expected: Names = ["a", "b-c"].map(str::to_owned).into();
    assert_eq!(crates(manifest), expected);
}

/// Tests that the threat model names and that are nowhere.
fn lost_tests(page: &str, files: &[Source]) -> Vec<String> {
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let last_cells = rows.filter_map(|row| row.trim_end_matches([' ', '|']).rsplit(" | ").next());
    let named = last_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let tests = named.filter_map(|name| name.rsplit("::").next());
    let code: Vec<String> = files.iter().map(Source::code).collect();
    let exists = |test: &str| {
        let head = format!("fn {test}(");
        let is_file = |file: &Source| file.path.ends_with(&format!("/{test}"));
        match test.ends_with(".rs") {
            true => files.iter().any(is_file),
            false => code.iter().any(|code| code.contains(&head)),
        }
    };
    tests
        .filter(|test| !exists(test))
        .map(|test| format!("the test {test} is nowhere"))
        .collect()
}

#[test]
fn the_tests_of_the_threat_model_exist() {
    let page = read("docs/threat-model.md");
    assert!(page.matches("`, `").count() > 10, "it lost its tests");
    let tables = page.split_once("## A stranger").expect("its tables").1;
    nothing(lost_tests(tables, &sources(&["src", "tests"], &["rs"])));
}

#[test]
fn a_lost_test_is_found() {
    let page =
        "| Attack `x` | Test |\n|---|---|\n| a `b` | `here`, `m::gone` |\n| c | – |\n| d | `a.rs`, `b.rs` |\ntext `none`";
    let files = one("tests/a.rs", "fn here() {}\n// fn gone() {}");
    complains(&lost_tests(page, &files), &["gone", "b.rs"]);
}

#[test]
fn a_lost_place_is_found() {
    let text_of = |path: &str| (path == "src/a.rs").then(|| "fn here() {}".to_owned());
    let table = "| step 1 | `src/a.rs` | `here` and `Refer-Sub: false` |\n\
                 | step 2 | `src/a.rs` | `gone` |\n\
                 | step 3 | `src/b.rs` | |";
    complains(
        &lost_places(table, &text_of),
        &["gone is in none", "src/b.rs is not here"],
    );
}

#[test]
fn a_named_file_that_is_gone_is_found() {
    let text = "`src/a.rs`, `./tests/b.sh`, `src/c.rs`\n`tests/*.rs` `tests/b.sh x` src/d.rs\n```\n`src/e.rs`\n```";
    let pages = [Page::new(Source::new("docs/x.md", text))];
    let exists = |path: &str| path == "src/a.rs";
    complains(
        &missing_paths(&pages, &exists),
        &["docs/x.md:1: tests/b.sh", "docs/x.md:1: src/c.rs"],
    );
}

#[test]
fn a_broken_link_is_found() {
    let page = |path: &str, text: &str| Page::new(Source::new(path, text));
    let pages = [
        page(
            "README.md",
            "[a](docs/a.md) [b](docs/a.md#two-words-x)\n[c](docs/b.md)\n[d](docs/a.md#three)\n`[e](f)`\n```\n[g](h)\n```\n[i](https://example.org/x)",
        ),
        page("docs/a.md", "# A\n## Two `words` (x)\n## A\n[up](../README.md) [self](#a-1) [none](#b) [r](#r1.2) <a id=\"r1.2\"></a>"),
    ];
    complains(
        &broken_links(&pages, &|path| path == "LICENSE"),
        &[
            "README.md:2: docs/b.md",
            "README.md:3: docs/a.md#three",
            "docs/a.md:4: #b",
        ],
    );
    let found = anchors(&pages[1].file.text);
    for anchor in ["a", "a-1", "two-words-x", "r1.2"] {
        assert!(found.contains(anchor), "{anchor} is not in {found:?}");
    }
}

/// Sources that cite requirements or files: everything but this test and what it quotes.
fn citing() -> Vec<Source> {
    let mut files = sources(&["src", "tests", "build.rs"], &["rs"]);
    files.retain(|file| !file.path.contains("house"));
    files
}

#[test]
fn cited_requirements_exist() {
    let known = citable(&read("docs/requirements.md"));
    let files = citing();
    let number: usize = files.iter().map(|file| citations(file).len()).sum();
    assert!(
        number >= 50,
        "{number} citations found: does this test still read them?"
    );
    nothing(dangling(&files, &known));
}

#[test]
fn a_citation_of_nothing_is_found() {
    let known = citable("## 1. One\n### 1.1 Step\n### 2.3 Leg\n<a id=\"r1.3b\"></a> <a id=\"3.4\"></a> <a id=\"n6\"></a>");
    let found = |text| dangling(&one("src/a.rs", text), &known);
    let fine = "//! R1.3b, N6 (requirements section 1.1, requirements 3.4, requirements.md section\n//! 2.3).\nlet R9 = \"N77\";";
    complains(&found(fine), &[]);
    let wrong =
        "//! R1.3c and\n// P9 to N6, requirements\n// section 2.4, requirements 3.4 and 3.5";
    complains(
        &found(wrong),
        &[
            "a.rs:1: R1.3c",
            "a.rs:2: P9",
            "a.rs:3: section 2.4",
            "a.rs:3: section 3.5",
        ],
    );
}

#[test]
fn no_citation_leads_out_of_the_repository() {
    let exists = |path: &str| root().join(path).exists();
    let mut files = citing();
    files.extend(sources(&["kamailio-cfg"], &["cfg", "sh"]));
    nothing(cited_files(&files, &exists));
}

#[test]
fn a_citation_out_of_the_repository_is_found() {
    let text =
        "//! See manual.md and requirements.md section 2,\n//! but not notes.md\nlet a = \"b.md\";";
    let exists = |path: &str| ["docs/manual.md", "docs/requirements.md"].contains(&path);
    complains(
        &cited_files(&one("src/a.rs", text), &exists),
        &["src/a.rs:2: notes.md"],
    );
}

#[test]
fn documents_in_the_documentation_can_be_used() {
    let mut seen = 0;
    for page in pages() {
        for (line, text) in group_documents(&page.file.text) {
            let path = &page.file.path;
            let group = cpm::cpm::policy::Group::parse(text.as_bytes());
            let group = group.unwrap_or_else(|error| panic!("{path}:{line}: {error}"));
            assert!(group.notes.is_empty(), "{path}:{line}: {:?}", group.notes);
            seen += 1;
        }
    }
    assert!(seen >= 5, "{seen} group documents found");
    let sample = read("tests/kit/groups.rs");
    let sample = sample
        .split_once("const SAMPLE: &str = r#\"")
        .expect("the sample")
        .1;
    let sample = sample.split_once("\"#;").expect("its end").0;
    assert!(
        read("docs/requirements.md").contains(sample),
        "the sample of requirements section 3 is not that of tests/kit/groups.rs"
    );
}
