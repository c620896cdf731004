//! `cpm-check FILE…`: says whether group documents can be used, and why not. Exit status 1 if not.
//! Not here: the checks themselves; see `cpm::cpm::policy`.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use cpm::cpm::policy::{report, MAX_DOCUMENT};

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: cpm-check FILE…   (group documents, list-service XML)");
        return ExitCode::from(2);
    }
    let documents = files.iter().map(|file| {
        let path = Path::new(file);
        (path.display().to_string(), read(path))
    });
    let (text, ok) = report(documents);
    // A closed pipe must not look like a good document.
    let written = std::io::stdout().write_all(text.as_bytes()).is_ok();
    match ok && written {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// One byte more than a document may have is enough to refuse it.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot be read: {error}"))?;
    Ok(content)
}
