//! Instruction counts of the hot paths: none grows by more than a tenth unless a commit says so. Not here: what
//! the paths are (`program.rs`), and any time, which does not repeat. `tests/run.sh` builds that program, as part
//! of the module's build, and names it in CPM_HOT_PATHS.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A failed test is one that panicked.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The figures under version control.
const FIGURES: &str = "tests/data/instructions.txt";
/// By how much a count may differ from its figure, percent.
const TOLERANCE: u64 = 10;
/// What to do about a figure that is not true any more.
const RAISE: &str = "if it is meant to be so, `./tests/run.sh counts` writes the new figures into \
    tests/data/instructions.txt; the commit that changes one says why";

/// Instructions of a path, by its name.
type Counts = Vec<(String, u64)>;

#[test]
fn no_hot_path_has_grown() {
    let counts = count();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FIGURES);
    let compiler = first_line(Command::new("rustc").arg("--version"));
    if std::env::var_os("CPM_WRITE_COUNTS").is_some() {
        fs::write(&file, written(&counts, &compiler)).expect("the figures can be written");
        return;
    }
    let text = fs::read_to_string(&file).expect("the figures");
    let (wrong, smaller) = compare(&read(&text), &counts);
    for line in smaller {
        println!("{line}");
    }
    let lines = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{lines}\n{RAISE}\nthis compiler: {compiler}; the file has on top which one counted"
    );
}

/// Runs the program under callgrind, which writes one part of its file for each path.
fn count() -> Counts {
    let program = std::env::var("CPM_HOT_PATHS").unwrap_or_else(|_| {
        panic!("CPM_HOT_PATHS names no program: run ./tests/run.sh, which builds it and sets it")
    });
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("counts");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--combine-dumps=yes"])
        .args([
            "--toggle-collect=cpm_counted",
            "--dump-before=cpm_path_ends",
        ])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(&program)
        .output()
        .unwrap_or_else(|error| panic!("valgrind, which ./tests/run.sh installs: {error}"));
    let errors = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{program}: {}\n{errors}", run.status);
    let names = String::from_utf8(run.stdout).expect("names are text");
    let parts = fs::read_to_string(&file).expect("what callgrind counted");
    let totals = parts
        .lines()
        .filter_map(|line| line.strip_prefix("totals: "));
    let totals: Vec<u64> = totals
        .map(|total| total.parse().expect("a number"))
        .collect();
    // The last part is what was counted after the last path.
    assert_eq!(totals.len(), names.lines().count() + 1, "{names}\n{errors}");
    assert_eq!(totals.last(), Some(&0), "counted outside of a path");
    let per_round = |(line, total): (&str, u64)| {
        let (rounds, name) = line.split_once(' ').expect("rounds and a name");
        let rounds: u64 = rounds.parse().expect("a number of rounds");
        (name.to_owned(), total / rounds)
    };
    names.lines().zip(totals).map(per_round).collect()
}

/// What has grown or lacks a figure, and what has shrunk.
fn compare(figures: &Counts, counts: &Counts) -> (Vec<String>, Vec<String>) {
    let (mut wrong, mut smaller) = (Vec::new(), Vec::new());
    for (name, new) in counts {
        let Some((_, old)) = figures.iter().find(|(known, _)| known == name) else {
            wrong.push(format!("{name}: {new} instructions, and no figure for it"));
            continue;
        };
        let percent = (*new as f64 - *old as f64) * 100.0 / *old as f64;
        let line = format!("{name}: {new} instructions, were {old} ({percent:+.1} %)");
        if new * 100 > old * (100 + TOLERANCE) {
            wrong.push(line);
        } else if new * 100 < old * (100 - TOLERANCE) {
            smaller.push(format!("{line}: `./tests/run.sh counts` writes it down"));
        }
    }
    for (name, _) in figures {
        if !counts.iter().any(|(counted, _)| counted == name) {
            wrong.push(format!("{name}: has a figure, and was not counted"));
        }
    }
    (wrong, smaller)
}

fn read(text: &str) -> Counts {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let figure = |line: &str| {
        let (count, name) = line.trim_start().split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    lines
        .map(|line| figure(line).unwrap_or_else(|| panic!("{FIGURES}: no figure: {line}")))
        .collect()
}

fn written(counts: &Counts, compiler: &str) -> String {
    let mut text = format!(
        "# User instructions of each hot path, with what it allocates and frees, counted by callgrind.\n\
         # Written by `./tests/run.sh counts` ({compiler}). A test fails when one grows by more than {TOLERANCE} %.\n"
    );
    for (name, count) in counts {
        let _ = writeln!(text, "{count:>8} {name}");
    }
    text
}

fn first_line(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
    text.lines().next().unwrap_or("unknown").to_owned()
}

fn of(counts: &[(&str, u64)]) -> Counts {
    let owned = counts
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    owned.collect()
}

#[test]
fn what_is_written_is_read() {
    let counts = of(&[("parse a REFER", 31_487), ("read a list of 100", 2_278_034)]);
    assert_eq!(read(&written(&counts, "some compiler")), counts);
}

#[test]
fn a_path_that_grew_is_named_with_both_counts() {
    let figures = of(&[("a", 1_000), ("b", 1_000), ("c", 1_000), ("d", 1_000)]);
    let counts = of(&[("a", 1_101), ("b", 1_100), ("c", 900), ("d", 899)]);
    let (wrong, smaller) = compare(&figures, &counts);
    assert_eq!(wrong, ["a: 1101 instructions, were 1000 (+10.1 %)"]);
    assert_eq!(smaller.len(), 1, "{smaller:?}");
    assert!(smaller[0].starts_with("d: 899 instructions, were 1000 (-10.1 %)"));
}

#[test]
fn a_path_without_figure_and_a_figure_without_path_are_wrong() {
    let (wrong, _) = compare(&of(&[("old", 1)]), &of(&[("new", 1)]));
    assert_eq!(
        wrong,
        [
            "new: 1 instructions, and no figure for it",
            "old: has a figure, and was not counted"
        ]
    );
}
