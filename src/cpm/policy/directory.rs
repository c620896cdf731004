//! All loaded groups, found by URI.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::error::{DocumentError, LoadNote};
use super::group::Group;
use crate::sip::identity::Identity;
use crate::sip::uri::Uri;

/// The groups this server serves. A clone shares the groups and copies the index.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    groups: BTreeMap<Identity, Entry>,
    hosts: BTreeSet<String>,
}

/// A document that cannot be used. Displays as `file:line: reason`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct LoadProblem {
    /// The name the caller gave to the document.
    pub file: String,
    /// Line of the mistake, from 1.
    pub line: u32,
    /// Lower-case sentence without a full stop.
    pub reason: String,
}

#[derive(Clone, Debug)]
struct Entry {
    file: String,
    group: Arc<Group>,
}

impl Directory {
    /// Reads documents, given as file name and content. Documents that cannot be used are left out and
    /// reported. Of two documents for one group the first is kept, so the order should not depend on
    /// the file system.
    pub fn load<N, B>(documents: impl IntoIterator<Item = (N, B)>) -> (Directory, Vec<LoadProblem>)
    where
        N: Into<String>,
        B: AsRef<[u8]>,
    {
        let mut directory = Directory::default();
        let mut problems = Vec::new();
        for (file, content) in documents {
            if let Err(problem) = directory.add(file.into(), content.as_ref()) {
                problems.push(problem);
            }
        }
        (directory, problems)
    }

    /// Reads one more document.
    ///
    /// # Errors
    /// [`LoadProblem`]: the document cannot be used, or its group is described already.
    pub fn add(&mut self, file: String, content: &[u8]) -> Result<Arc<Group>, LoadProblem> {
        let group = match Group::parse(content) {
            Ok(group) => Arc::new(group),
            Err(DocumentError { line, reason, .. }) => {
                return Err(LoadProblem {
                    file,
                    line,
                    reason: reason.to_string(),
                })
            }
        };
        let key = Identity::of(&group.uri);
        if let Some(first) = self.groups.get(&key) {
            return Err(LoadProblem {
                file,
                line: group.line,
                reason: format!("group {} is already described by {}", group.uri, first.file),
            });
        }
        let entry = Entry {
            file,
            group: Arc::clone(&group),
        };
        self.hosts.insert(group.uri.host().to_owned());
        self.groups.insert(key, entry);
        Ok(group)
    }

    /// The group with this URI. Identities are compared: user and host count, port and parameters do
    /// not.
    pub fn find(&self, uri: &Uri) -> Option<&Arc<Group>> {
        self.groups.get(&Identity::of(uri)).map(|e| &e.group)
    }

    /// The hosts of all group URIs in lower case, each once.
    pub fn hosts(&self) -> &BTreeSet<String> {
        &self.hosts
    }

    /// All groups in the order of their identities.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Group>> {
        self.groups.values().map(|entry| &entry.group)
    }

    /// The notes of all documents, each with its file name.
    pub fn notes(&self) -> impl Iterator<Item = (&str, &LoadNote)> {
        self.groups
            .values()
            .flat_map(|e| e.group.notes.iter().map(|note| (e.file.as_str(), note)))
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is no group.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }
}
