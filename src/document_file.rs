//! Reads a group document from a file: a regular one only, and never more than a document may have.
//! Not here: what is in it (`cpm::policy`).

use std::fs::{self, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use crate::cpm::policy::MAX_DOCUMENT;

/// A file that is no document to be read.
#[derive(Debug, thiserror::Error)]
pub enum DocumentFileError {
    /// Opening or reading it failed.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// Reading it could wait for ever or never end: a FIFO, a device, a directory, a socket.
    #[error("is {0}, expected a regular file")]
    NotRegular(&'static str),
}

/// The bytes of a regular file, at most one more than [`MAX_DOCUMENT`]: enough to have it refused. Links are
/// followed. It never waits for somebody who writes.
///
/// # Errors
/// [`DocumentFileError`]: it is no regular file, or cannot be read.
pub fn read_document(path: &Path) -> Result<Vec<u8>, DocumentFileError> {
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC)
        .open(path);
    let file = opened.map_err(|error| match fs::metadata(path) {
        // A socket cannot be opened at all.
        Ok(found) if !found.is_file() => DocumentFileError::NotRegular(kind(found.file_type())),
        _ => error.into(),
    })?;
    // Asked of what was opened: the name may mean something else by now.
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(DocumentFileError::NotRegular(kind(found.file_type())));
    }
    let mut content = Vec::new();
    file.take(MAX_DOCUMENT as u64 + 1)
        .read_to_end(&mut content)?;
    Ok(content)
}

fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed test is one that panicked.

    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    fn refused(path: &Path) -> String {
        read_document(path).unwrap_err().to_string()
    }

    #[test]
    fn only_a_regular_file_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("plain"), "text").unwrap();
        symlink(at("plain"), at("link")).unwrap();
        assert_eq!(read_document(&at("plain")).unwrap(), b"text");
        assert_eq!(read_document(&at("link")).unwrap(), b"text");

        assert!(Command::new("mkfifo")
            .arg(at("fifo"))
            .status()
            .unwrap()
            .success());
        symlink("/dev/zero", at("zero")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        for (name, kind) in [
            ("fifo", "a FIFO"),
            ("zero", "a device"),
            ("socket", "a socket"),
            (".", "a directory"),
        ] {
            let expected = format!("is {kind}, expected a regular file");
            assert_eq!(refused(&at(name)), expected, "{name}");
        }
        assert!(refused(&at("none")).starts_with("cannot be read: "));
    }

    #[test]
    fn no_more_is_read_than_refuses_it() {
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("large");
        fs::write(&large, vec![b' '; MAX_DOCUMENT * 2]).unwrap();
        assert_eq!(read_document(&large).unwrap().len(), MAX_DOCUMENT + 1);
    }
}
