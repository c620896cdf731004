//! `cpm-check FILE…`: says whether group documents can be used, and why not.
//!
//! The report goes to stdout, a line per finding. Exit status: 0 all can be used, 1 some cannot, 2 no
//! FILE was given.
#![forbid(unsafe_code)]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use cpm::cpm::policy::report;
use cpm::document_file::read_document;

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: cpm-check FILE…   (group documents, list-service XML)");
        return ExitCode::from(2);
    }
    let documents = files.iter().map(|file| {
        let path = Path::new(file);
        let content = read_document(path).map_err(|error| error.to_string());
        (path.display().to_string(), content)
    });
    let (text, ok) = report(documents);
    // A report that could not be written must not end with the status of good documents.
    let written = std::io::stdout().write_all(text.as_bytes()).is_ok();
    match ok && written {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
