//! `cpm-check FILE…`: says whether group documents can be used, and why not.
//!
//! The report goes to stdout, a line per finding. Exit status: 0 all can be used, 1 some cannot, 2 no
//! FILE was given.
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
    // A report that could not be written must not end with the status of good documents.
    let written = std::io::stdout().write_all(text.as_bytes()).is_ok();
    match ok && written {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Reads a file, at most one byte more than a document may have: enough to have it refused.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_DOCUMENT as u64 + 1).read_to_end(&mut content))
        .map_err(|error| format!("cannot be read: {error}"))?;
    Ok(content)
}
