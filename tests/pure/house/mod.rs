//! The rules of the house, checked on the source text and the documentation: who may see whom, what may stand
//! where, what the manual owes to the export tables, and (in `pages.rs`) where documentation leads.
//! It is not a test of behaviour and needs no Kamailio.

mod docs;
mod pages;
mod readme;
mod rfcs;
mod rules;
mod source;

use readme::{differences, documented, headed, mentioned, names, said, section, Exported, Names};
use rfcs::RFCS;
use source::{read, sources, Source};

/// The documents at the top of the repository.
const DOCUMENTS: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
];

fn nothing(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// The rule complains of `bad`, once for each of `about`, and of nothing else.
fn complains(complaints: &[String], about: &[&str]) {
    assert_eq!(complaints.len(), about.len(), "{complaints:#?}");
    for (complaint, about) in complaints.iter().zip(about) {
        assert!(
            complaint.contains(about),
            "{complaint} is not about {about}"
        );
    }
}

fn one(path: &str, text: &str) -> [Source; 1] {
    [Source::new(path, text)]
}

// ---- who may see whom ----

#[test]
fn dependencies_point_one_way() {
    let files = sources(&["src"], &["rs"]);
    for (layer, _) in rules::LAYERS {
        let prefix = format!("{layer}/");
        assert!(
            files.iter().any(|file| file.path.starts_with(&prefix)),
            "no file in {layer}"
        );
    }
    nothing(rules::wrong_dependencies(&files));
}

#[test]
fn a_wrong_dependency_is_found() {
    let found = |path, text| rules::wrong_dependencies(&one(path, text));
    complains(
        &found("src/sip/uri.rs", "use crate::cpm::session::Session;"),
        &["src/sip/uri.rs:1: src/sip must not know crate::cpm"],
    );
    complains(
        &found(
            "src/cpm/a.rs",
            "use crate::{\n    sip::uri::{Uri, Scheme},\n    store::queue,\n};",
        ),
        &["a.rs:3: src/cpm must not know crate::store"],
    );
    complains(
        &found("src/kamailio/tm/a.rs", "fn f() { crate::module::x() }"),
        &["crate::module"],
    );
    complains(
        &found("src/module/a.rs", "use crate::kamailio_sys as sys;"),
        &["crate::kamailio_sys"],
    );
    complains(
        &found("src/store/engine/a.rs", "use crate::cpm::records::Id;"),
        &["crate::cpm"],
    );
    complains(
        &found("src/cpm/session/a.rs", "use super::super::super::module;"),
        &["super"],
    );
    let fine =
        "//! [`crate::module`]\nuse crate::{cpm::x, sip::{uri, text}};\nuse crate::sip::module;";
    complains(&found("src/cpm/a.rs", fine), &[]);
}

// ---- what may stand where ----

#[test]
fn cited_rfcs_exist() {
    let mut files = sources(&["src", "tests", "build.rs"], &["rs"]);
    files.retain(|file| file.path != "tests/pure/house/mod.rs");
    files.extend(sources(
        &["kamailio-cfg", "docs"],
        &["cfg", "sh", "xml", "md"],
    ));
    files.extend(sources(DOCUMENTS, &["md"]));
    nothing(rules::unknown_rfcs(&files, RFCS));
    for pair in RFCS.windows(2) {
        assert!(pair[0].0 < pair[1].0, "{} is out of order", pair[1].0);
    }
    assert!(RFCS.iter().all(|(_, title)| title.len() > 10));
}

#[test]
fn a_wrong_rfc_number_is_found() {
    let text = "// RFC 3515 section 2.4.4\n// RFC 3151 section 1\n// RFC3515\n// RFC nnnn";
    complains(
        &rules::unknown_rfcs(&one("src/a.rs", text), RFCS),
        &["src/a.rs:2: RFC 3151", "src/a.rs:3: write \"RFC 3515\""],
    );
}

#[test]
fn files_open_with_what_they_are() {
    nothing(rules::without_opening(&sources(&["src", "tests"], &["rs"])));
}

#[test]
fn a_missing_opening_is_found() {
    let good = "//! What this file is about.\n\nuse x;\n";
    let none = "use x;\n";
    let empty = "//!\n//! What this file is about.\n";
    complains(&rules::without_opening(&one("src/good.rs", good)), &[]);
    complains(
        &rules::without_opening(&one("src/a.rs", none)),
        &["src/a.rs"],
    );
    complains(
        &rules::without_opening(&one("src/b.rs", empty)),
        &["src/b.rs"],
    );
}

#[test]
fn files_are_short() {
    let mut files = sources(&["src", "tests", "build.rs"], &["rs"]);
    files.extend(sources(&["kamailio-cfg", "tests"], &["sh", "cfg"]));
    nothing(rules::too_long(&files));
    let long = "x\n".repeat(rules::LONGEST_FILE + 1);
    complains(
        &rules::too_long(&one("src/a.rs", &long)),
        &["src/a.rs: 801 lines"],
    );
}

// ---- what the manual owes to the tables ----

fn the_section<'a>(text: &'a str, heading: &str) -> &'a str {
    section(text, heading).unwrap_or_else(|| panic!("there is no section \"{heading}\""))
}

#[test]
fn the_manual_documents_what_is_exported() {
    let manual = read("docs/manual.md");
    let exported = Exported::read(&sources(&["src/module"], &["rs"])).expect("tables");
    let about = |heading| the_section(&manual, heading);
    let parameters: Names = headed(about("## Parameters"))
        .iter()
        .map(|(heading, _)| heading.to_string())
        .collect();
    let mut wrong = differences("parameter", &exported.parameters, &parameters);
    wrong.extend(differences(
        "function",
        &exported.functions,
        &names(about("## Functions")),
    ));
    wrong.extend(differences(
        "KEMI function",
        &exported.kemi,
        &mentioned(about("## KEMI"), "KSR.cpm."),
    ));
    wrong.extend(differences(
        "RPC command",
        &exported.rpc,
        &names(about("## RPC commands")),
    ));
    wrong.extend(differences(
        "statistic",
        &exported.statistics,
        &documented(about("## Statistics")),
    ));
    nothing(wrong);
}

#[test]
fn every_parameter_has_unit_default_range_and_example() {
    let manual = read("docs/manual.md");
    for (heading, entry) in headed(the_section(&manual, "## Parameters")) {
        for label in ["Unit", "Default", "Range"] {
            assert!(said(entry, label).is_some(), "{heading}: no {label}");
        }
        let name = heading.split(' ').next().unwrap_or_default();
        let quote = if heading.ends_with("(string)") {
            "\""
        } else {
            ""
        };
        let example = format!("\nmodparam(\"cpm\", \"{name}\", {quote}");
        let value = entry.split_once(&example).map(|(_, rest)| rest);
        let value = value.unwrap_or_else(|| panic!("{heading}: no example {example}"));
        let numeric = value.starts_with(|c: char| c.is_ascii_digit());
        assert!(numeric || quote == "\"", "{heading}: its example");
    }
}

#[test]
fn the_manual_gives_defaults_and_ranges_as_they_are() {
    let manual = read("docs/manual.md");
    let numbers = readme::numbers(&read("src/module/modparams.rs"));
    assert!(numbers.len() >= 6, "{numbers:?}");
    let entries = headed(the_section(&manual, "## Parameters"));
    for number in numbers {
        let heading = format!("{} (integer)", number.name);
        let entry = entries.iter().find(|(words, _)| *words == heading);
        let (_, entry) = entry.unwrap_or_else(|| panic!("no entry {heading}"));
        assert_eq!(
            said(entry, "Default"),
            Some(number.default.as_str()),
            "{heading}"
        );
        if let Some(range) = number.range {
            assert_eq!(said(entry, "Range"), Some(range.as_str()), "{heading}");
        }
    }
}

#[test]
fn the_manual_knows_what_the_scripts_read() {
    let operating = read("docs/operating.md");
    let mut read_by_scripts = readme::environment(&sources(&["kamailio-cfg", "tests"], &["sh"]));
    // Everybody's, and only looked at to find cargo.
    assert!(read_by_scripts.remove("HOME"));
    let known = documented(the_section(&operating, "## Environment"));
    nothing(differences("variable", &read_by_scripts, &known));
}

#[test]
fn the_manual_gives_the_warning_texts_as_they_are() {
    let manual = read("docs/manual.md");
    let warnings = the_section(&manual, "## Warning texts");
    for (name, text) in cpm::cpm::warning_texts::WarningTexts::shipped() {
        for said in [name, text] {
            assert!(warnings.contains(&format!("`{said}`")), "no Warning {said}");
        }
    }
}

#[test]
fn a_hole_in_the_manual_is_found() {
    let list = |list: &[&str]| list.iter().map(|n| n.to_string()).collect::<Names>();
    complains(
        &differences("parameter", &list(&["a", "b"]), &list(&["b", "c"])),
        &["parameter a is not documented", "the parameter c, which"],
    );
    let text =
        "# T\n## One\n| name |\n|---|\n| `a` | x |\n| `b\\|c` | y |\n```\n# no heading\n```\n\
                ### `f([uri])`\n- Default: 5\n### cpm.g\n## Two\n| `d` |\n";
    let one = section(text, "## One").expect("it is there");
    assert_eq!(documented(one), list(&["a", "b|c"]));
    assert_eq!(names(one), list(&["f", "cpm.g"]));
    assert_eq!(readme::rows(one)[0], ["`a`", "x"]);
    assert_eq!(section(text, "## Three"), None);
    assert_eq!(said(headed(one)[0].1, "Default"), Some("5"));
    assert_eq!(said(headed(one)[1].1, "Default"), None);
    assert_eq!(
        mentioned("`KSR.cpm.x()`, `KSR.cpm.y`", "KSR.cpm."),
        list(&["x", "y"])
    );
    let script = one_script("A=${CPM_A:-1} ${CPM_B-} ${CPM_C} ${lower:-x} ${KAMAILIO_SRC:+y}");
    assert_eq!(
        readme::environment(&script),
        list(&["CPM_A", "CPM_B", "KAMAILIO_SRC"])
    );
}

fn one_script(text: &str) -> [Source; 1] {
    one("kamailio-cfg/a.sh", text)
}

#[test]
fn tables_are_read_or_refused() {
    let tables = |commands: usize, statistics: usize| {
        one("src/module/mod.rs", &format!(
            "static C: CommandTable<{commands}> = commands([\n    command(c\"f\", g::f),\n    command_with_string(c\"f\", g::h),\n]);
             static P: ParamTable<1> = params([string(c\"p\", &P),]);
             static R: RpcTable<1> = rpc_table([rpc::LIST]);
             pub const LIST: RpcCommand = command(c\"cpm.list\", &DOC, list);
             static K: KemiTable<1> = kemi([function(c\"cpm\", c\"k\", f),]);
             pub static TABLE: [(&CStr, &CStr, &Counter); {statistics}] = [(c\"s\", c\"help\", &S)];"
        ))
    };
    let good = Exported::read(&tables(2, 1)).expect("the tables are complete");
    let names = [
        &good.functions,
        &good.parameters,
        &good.rpc,
        &good.kemi,
        &good.statistics,
    ];
    for (found, wanted) in names.iter().zip(["f", "p (string)", "cpm.list", "k", "s"]) {
        assert!(found.iter().eq([wanted]), "{found:?} is not {wanted}");
    }
    assert!(Exported::read(&tables(3, 1)).is_err());
    assert!(Exported::read(&tables(2, 2)).is_err());
    assert!(Exported::read(&[]).is_err());
}

#[test]
fn numbers_are_read_from_the_configuration() {
    let config = "pub static WAIT: IntParam = IntParam::with_default(10_000);\n\
                  wait: number(\n \"wait\",\n &WAIT,\n 1..=20_000, \"5\")?";
    let wait = readme::Number {
        name: "wait".into(),
        default: "10000".into(),
        range: Some("1 to 20000".into()),
    };
    assert_eq!(readme::numbers(config), [wait]);
}
