//! The rules of the house, checked on the source text and the README: who may see whom, what may stand where,
//! and that the documentation says what the tables export. It is not a test of behaviour and needs no Kamailio.

mod readme;
mod rfcs;
mod rules;
mod source;

use readme::{differences, documented, mentioned, rows, section, Exported, Names};
use rfcs::RFCS;
use rules::Allowed;
use source::{production, read, sources, Source};

/// Where `src` may panic, and why.
const MAY_PANIC: &[Allowed] = &[
    Allowed {
        path: "src/module/request.rs",
        line: "asked for by the header",
        because: "parameter debug_panic_header: the proof that a panic costs one request",
    },
    Allowed {
        path: "src/store/engine/locked.rs",
        line: "assert!(",
        because: "a second anchor under the first would wait for ever: a mistake of ours, found by the tests",
    },
    Allowed {
        path: "src/store/engine/locked.rs",
        line: "all record serials are used up",
        because: "after 2^48 records, documented: nothing a peer does in the life of a server",
    },
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
        &["kamailio-cfg", "README.md"],
        &["cfg", "sh", "xml", "md"],
    ));
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
    complains(&rules::without_opening(&one("src/good.rs", good)), &[]);
    for bad in ["use x;\n", "//!\n//! Late.\n", "\n//! Late.\n", ""] {
        complains(
            &rules::without_opening(&one("src/a.rs", bad)),
            &["src/a.rs"],
        );
    }
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

#[test]
fn nothing_panics_on_purpose_outside_tests() {
    nothing(rules::panics(&production(), MAY_PANIC));
}

#[test]
fn a_panic_is_found() {
    let text = r##"
        fn f(x: Option<u8>) -> u8 { x.unwrap() }
        fn g(x: Option<u8>) -> u8 { x.expect("why") }
        fn h() { unreachable!("a"); todo!() }
        fn fine(x: Option<u8>) -> &'static str {
            debug_assert!(true);
            x.unwrap_or(1); // x.unwrap()
            const { assert!(size_of::<u8>() == 1) };
            let _ = ('"', 'a', '\'', b'"', "\" x.unwrap() panic!", r#"" todo!()"#);
            "panic!()"
        }
        #[cfg(test)]
        use x::{y, z};
        fn allowed() { panic!("on purpose") }
        #[cfg(test)]
        mod tests { fn t() { x.unwrap(); { panic!() } } }
        fn after() { x.unwrap() }
    "##;
    let permission = Allowed {
        path: "src/a.rs",
        line: "on purpose",
        because: "a test",
    };
    let mut found = rules::panics(&one("src/a.rs", text), &[permission]);
    found.sort_by_key(|complaint| {
        complaint
            .split(':')
            .nth(1)
            .and_then(|line| line.parse::<u32>().ok())
    });
    complains(
        &found,
        &["a.rs:2:", "a.rs:3:", "a.rs:4:", "a.rs:4:", "a.rs:17:"],
    );

    let unused = Allowed {
        path: "src/a.rs",
        line: "gone",
        because: "a test",
    };
    complains(&rules::panics(&one("src/b.rs", ""), &[unused]), &["gone"]);
}

#[test]
fn files_for_tests_only_are_known() {
    let files = [
        Source::new(
            "src/sip/mod.rs",
            "#[cfg(test)]\npub(crate) mod properties;\nmod uri;",
        ),
        Source::new("src/sip/uri.rs", "#[cfg(test)]\nmod tests;"),
        Source::new("src/lib.rs", "#[cfg(test)]\nmod tests { mod x; }"),
    ];
    let found = source::test_modules(&files);
    assert_eq!(found, ["src/sip/properties", "src/sip/uri/tests"]);
    let kept: Vec<String> = production().into_iter().map(|file| file.path).collect();
    assert!(kept.contains(&"src/sip/uri/mod.rs".to_owned()));
    assert!(!kept.contains(&"src/sip/uri/tests.rs".to_owned()));
    assert!(!kept.contains(&"src/cpm/policy/tests/attacks.rs".to_owned()));
}

#[test]
fn every_unsafe_names_its_promise() {
    nothing(rules::unexplained_unsafe(&sources(&["src"], &["rs"])));
}

#[test]
fn an_unexplained_unsafe_is_found() {
    let text = "
        // SAFETY: right above.
        let a = unsafe { f() };
        // SAFETY: above the statement,
        // in two lines.
        let b = g(unsafe_name)
            .map(|x| unsafe { h(x) });
        let c = unsafe { f() };
        // not a promise
        unsafe impl Send for X {}
        unsafe fn declared() {}
    ";
    complains(
        &rules::unexplained_unsafe(&one("src/a.rs", text)),
        &["a.rs:8:", "a.rs:10:"],
    );
}

// ---- the README ----

fn the_section<'a>(readme: &'a str, heading: &str) -> &'a str {
    section(readme, heading).unwrap_or_else(|| panic!("README.md has no section \"{heading}\""))
}

#[test]
fn the_readme_documents_what_is_exported() {
    let readme = read("README.md");
    let exported = Exported::read(&sources(&["src/module"], &["rs"])).expect("tables");
    let functions = the_section(&readme, "## Functions");
    let about = |heading| documented(the_section(&readme, heading));
    let mut wrong = differences("parameter", &exported.parameters, &about("## Parameters"));
    wrong.extend(differences(
        "function",
        &exported.functions,
        &documented(functions),
    ));
    wrong.extend(differences(
        "KEMI function",
        &exported.kemi,
        &mentioned(functions, "KSR.cpm."),
    ));
    wrong.extend(differences(
        "RPC command",
        &exported.rpc,
        &about("## RPC commands"),
    ));
    wrong.extend(differences(
        "statistic",
        &exported.statistics,
        &about("## Statistics"),
    ));
    nothing(wrong);
}

#[test]
fn the_readme_gives_defaults_and_ranges_as_they_are() {
    let readme = read("README.md");
    let numbers = readme::numbers(&read("src/module/config.rs"));
    assert!(numbers.len() >= 6, "{numbers:?}");
    let table = rows(the_section(&readme, "## Parameters"));
    for number in numbers {
        let name = format!("`{}`", number.name);
        let row = table.iter().find(|row| row[0] == name);
        let row = row.unwrap_or_else(|| panic!("no row for {name}"));
        let says = |text: &str| row.iter().any(|cell| cell == text);
        assert!(says(&number.default), "{name}: default {}", number.default);
        if let Some(range) = number.range {
            assert!(says(&range), "{name}: range {range}");
        }
    }
}

#[test]
fn the_readme_knows_what_the_scripts_read() {
    let readme = read("README.md");
    let mut read_by_scripts = readme::environment(&sources(&["kamailio-cfg", "tests"], &["sh"]));
    // Everybody's, and only looked at to find cargo.
    assert!(read_by_scripts.remove("HOME"));
    let known = documented(the_section(&readme, "## Environment"));
    nothing(differences("variable", &read_by_scripts, &known));
}

#[test]
fn the_readme_gives_the_warning_texts_as_they_are() {
    let readme = read("README.md");
    let code = read("src/cpm/text.rs");
    let texts: Vec<&str> = code
        .split("\".into()")
        .filter_map(|before| before.rsplit_once(": \"").map(|(_, text)| text))
        .collect();
    assert!(texts.len() >= 7, "{texts:?}");
    let warnings = the_section(&readme, "## Warning texts");
    for text in texts {
        assert!(
            warnings.contains(&format!("`{text}`")),
            "no Warning \"{text}\""
        );
    }
}

#[test]
fn a_hole_in_the_readme_is_found() {
    let names = |list: &[&str]| list.iter().map(|n| n.to_string()).collect::<Names>();
    complains(
        &differences("parameter", &names(&["a", "b"]), &names(&["b", "c"])),
        &["parameter a is not documented", "the parameter c, which"],
    );
    let text = "# T\n## One\n| name |\n|---|\n| `a` | x |\n| `b\\|c` | y |\n```\n# no heading\n```\n### `f([uri])`\n## Two\n| `d` |\n";
    let one = section(text, "## One").expect("it is there");
    assert_eq!(documented(one), names(&["a", "b", "f"]));
    assert_eq!(rows(one)[0], ["`a`", "x"]);
    assert_eq!(section(text, "## Three"), None);
    assert_eq!(
        mentioned("`KSR.cpm.x()`, `KSR.cpm.y`", "KSR.cpm."),
        names(&["x", "y"])
    );
    let script = one_script("A=${CPM_A:-1} ${CPM_B-} ${CPM_C} ${lower:-x} ${KAMAILIO_SRC:+y}");
    assert_eq!(
        readme::environment(&script),
        names(&["CPM_A", "CPM_B", "KAMAILIO_SRC"])
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
    for (found, wanted) in names.iter().zip(["f", "p", "cpm.list", "k", "s"]) {
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
