//! Runs one target for a while: seeds first, then what the mutator makes of them; keeps what behaves in a new way.
//! It sees no branches: what is new is told by the target's own short account of an input.

use super::meter::measured;
use super::mutate::{mutate, Language, Rng, LARGEST};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// One parser with its invariants.
pub struct Target {
    pub name: &'static str,
    /// Panics when something is wrong with what came of the input; returns what kind of input it was.
    pub run: fn(&[u8]) -> u64,
    pub seeds: fn() -> Vec<Vec<u8>>,
    pub language: Language,
}

/// Processor time an input may take in a debug build; a quadratic step on 64 kB takes far longer.
const MOST_TIME: Duration = Duration::from_millis(750);
/// Heap an input may hold at once: so much per octet, and what the bounded tables take anyway.
const HEAP_PER_OCTET: usize = 64;
const HEAP_AT_ALL: usize = 8 << 20;
/// A whole input without an end, by the clock on the wall.
const HANGS: Duration = Duration::from_secs(60);
/// Less than any thread of Kamailio has: depth of recursion must not follow the input.
const STACK: usize = 512 << 10;
const CORPUS: usize = 1024;

/// Runs for `CPM_FUZZ_MS` milliseconds (2000) from `CPM_FUZZ_SEED` (random, printed).
pub fn run(target: Target) {
    let time = Duration::from_millis(number("CPM_FUZZ_MS").unwrap_or(2000));
    let seed = number("CPM_FUZZ_SEED").unwrap_or_else(random);
    println!("{}: CPM_FUZZ_SEED={seed}", target.name);
    let current = Arc::new(Mutex::new((0u64, Vec::new())));
    let name = target.name;
    let worker = std::thread::Builder::new().stack_size(STACK).spawn({
        let current = current.clone();
        move || work(&target, seed, time, &current)
    });
    let worker = worker.expect("a thread can be started");
    let mut last = (0, Instant::now());
    while !worker.is_finished() {
        std::thread::sleep(Duration::from_millis(20));
        let at = current.lock().expect("no panic under this lock");
        if at.0 != last.0 {
            last = (at.0, Instant::now());
        } else if last.1.elapsed() > HANGS {
            let file = keep(name, &at.1);
            panic!(
                "{name}: no end within {HANGS:?}, seed {seed}; {}",
                file.display()
            );
        }
    }
    match worker.join().expect("the worker catches its panics") {
        Ok(report) => println!("{name}: {report}"),
        Err((what, input)) => {
            let file = keep(name, &input);
            panic!(
                "{name}, seed {seed}: {what}\ninput: {:?}\nkept as {}; put it into tests/fuzz/seeds/{name}/",
                String::from_utf8_lossy(&input[..input.len().min(2000)]),
                file.display()
            );
        }
    }
}

/// Every input once that was a finding before.
pub fn regressions(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz/seeds")
        .join(name);
    let Ok(files) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a seed can be read"))
        .collect()
}

/// A short account of an input, to tell kinds of inputs apart.
pub fn kind(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The account of a refusal: the beginnings of its clauses, without what they quote of the input.
pub fn refused(error: impl std::fmt::Display) -> u64 {
    let text = error.to_string();
    let mut clauses: Vec<String> = text
        .split(": ")
        .map(|clause| clause.chars().take(12).collect())
        .collect();
    if clauses.len() > 1 {
        clauses.pop();
    }
    clauses.truncate(3);
    kind(clauses)
}

type Failure = (String, Vec<u8>);

fn work(
    target: &Target,
    seed: u64,
    time: Duration,
    current: &Mutex<(u64, Vec<u8>)>,
) -> Result<String, Failure> {
    let trace = std::env::var_os("CPM_FUZZ_TRACE").map(PathBuf::from);
    let mut rng = Rng::new(seed);
    let mut corpus = regressions(target.name);
    corpus.extend((target.seeds)());
    corpus.push(Vec::new());
    let mut kinds = HashSet::new();
    let mut slowest = (Duration::ZERO, 0);
    let mut largest = (0, 0);
    let mut runs = 0u64;
    let first = corpus.len();
    let end = Instant::now() + time;
    // All seeds in any case, then as long as there is time.
    while (runs as usize) < first || Instant::now() < end {
        let input = match corpus
            .get(runs as usize)
            .filter(|_| (runs as usize) < first)
        {
            Some(seed) => seed.clone(),
            None => {
                let (a, b) = (rng.below(corpus.len()), rng.below(corpus.len()));
                mutate(&mut rng, &target.language, &corpus[a], &corpus[b])
            }
        };
        runs += 1;
        *current.lock().expect("no panic under this lock") = (runs, input.clone());
        if let Some(path) = &trace {
            // For what cannot be caught: a stack overflow.
            std::fs::write(path.join(target.name), &input).expect("the trace can be written");
        }
        let seen = match attempt(target, &input) {
            Ok(seen) => seen,
            Err(what) => return Err((what, smaller(target, input))),
        };
        slowest = slowest.max((seen.time, input.len()));
        largest = largest.max((seen.heap, input.len()));
        if kinds.insert(seen.kind) && runs as usize > first && corpus.len() < CORPUS {
            corpus.push(input);
        }
    }
    Ok(format!(
        "{runs} inputs, {} kinds; slowest {:?} ({} octets); most heap {} ({} octets)",
        kinds.len(),
        slowest.0,
        slowest.1,
        largest.0,
        largest.1
    ))
}

struct Seen {
    kind: u64,
    time: Duration,
    heap: usize,
}

fn attempt(target: &Target, input: &[u8]) -> Result<Seen, String> {
    let (result, heap, time) = measured(|| catch_unwind(AssertUnwindSafe(|| (target.run)(input))));
    let kind = result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("?"))
    })?;
    if time > MOST_TIME {
        return Err(format!("took {time:?} for {} octets", input.len()));
    }
    if heap > HEAP_AT_ALL + HEAP_PER_OCTET * input.len() {
        return Err(format!("held {heap} octets for {} octets", input.len()));
    }
    Ok(Seen { kind, time, heap })
}

/// What is left of a failing input when every stretch that does not matter is gone.
fn smaller(target: &Target, mut input: Vec<u8>) -> Vec<u8> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let end = Instant::now() + Duration::from_secs(5);
    let mut step = input.len() / 2;
    while step > 0 && Instant::now() < end {
        let mut at = 0;
        while at < input.len() && Instant::now() < end {
            let mut less = input.clone();
            less.drain(at..(at + step).min(input.len()));
            if attempt(target, &less).is_err() {
                input = less;
            } else {
                at += step;
            }
        }
        step /= 2;
    }
    std::panic::set_hook(hook);
    input
}

fn keep(name: &str, input: &[u8]) -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fuzz");
    std::fs::create_dir_all(&dir).expect("target can be written");
    let file = dir.join(format!("{name}-{:016x}", kind(input)));
    std::fs::write(&file, input).expect("target can be written");
    file
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is no number")),
    )
}

fn random() -> u64 {
    let mut raw = [0u8; 8];
    getrandom::fill(&mut raw).expect("the system has randomness");
    u64::from_le_bytes(raw)
}

/// The mutator alone keeps its bounds, whatever it is given.
#[test]
fn mutated_inputs_stay_within_their_bounds() {
    let language = Language {
        tokens: &["token"],
        nests: &[],
    };
    let mut rng = Rng::new(1);
    for round in 0..2000 {
        let input = mutate(&mut rng, &language, &vec![b'7'; round % 50], b"a\nb\n");
        assert!(input.len() <= LARGEST);
    }
    let (mut a, mut b) = (Rng::new(7), Rng::new(7));
    assert_eq!(
        mutate(&mut a, &language, b"abc", b"d"),
        mutate(&mut b, &language, b"abc", b"d"),
        "a seed says it all"
    );
}
